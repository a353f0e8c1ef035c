"""The wire of Cohere's own `/v2/chat`: citations, documents, plans for tools, thoughts, safety modes.

Version 1 of the API, with another shape of messages, events and tools, is `cohere_v1`.
Sources: https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream,
https://docs.cohere.com/reference/errors
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers import cohere_request
from exllm.providers.cohere_decode import CohereChatDecoder
from exllm.providers.cohere_plain import plain_answer
from exllm.providers.error_mapping import error_for_body
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None so far: there is one service that speaks it."""

_BLOCKED = 498
"""The input or the output was blocked; with Groq the same status tells that there is no capacity."""


class CohereErrors:
    """Error responses, of both versions of the API."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        error = error_for_body(400 if status == _BLOCKED else status, headers, body, provider=spec.name)
        error.status = status
        return error


class CohereChatWire(CohereErrors):
    """See `Wire`."""

    name = "cohere_chat"
    framing: Framing = "sse"
    options = cohere_request.OPTIONS
    texts_stand_apart = True

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return cohere_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: the service is not known to cut an unstreamed call short."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> CohereChatDecoder:
        return CohereChatDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return plain_answer(body) or CohereChatDecoder(spec.name, request.model).whole(body)


WIRE = CohereChatWire()
