"""The wire of LM Studio's own `/api/v1/chat`: what is loaded and read is told meanwhile, and MCP servers are its tools.

It keeps conversations itself: ``extra={"previous_response_id": response.id}`` goes on with one, and sends only what was
said since. It takes no answers of an assistant, so that without it the turns are written into one text. Tools of yours
it does not take; those of MCP servers and plugins go into ``extra={"integrations": [...]}``. The server keeps every
conversation, unless `store` is False.
Sources: https://lmstudio.ai/docs/developer/rest/chat, https://lmstudio.ai/docs/developer/rest/streaming-events
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers import lmstudio_request
from exllm.providers.error_mapping import error_for_body
from exllm.providers.lmstudio_decode import LMStudioDecoder, decode_result
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None: there is one server that speaks it."""


class LMStudioChatWire:
    """See `Wire`."""

    name = "lmstudio_chat"
    framing: Framing = "sse"
    options = lmstudio_request.OPTIONS

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return lmstudio_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: the server waits as long as its client does."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> LMStudioDecoder:
        return LMStudioDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return decode_result(body, spec.name, request.model)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = LMStudioChatWire()
