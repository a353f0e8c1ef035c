"""The wire of Ollama's own `/api/chat`: newline-delimited JSON, thinking, images, and the knobs of the runner.

The completion of one prompt, `/api/generate`, is `ollama_generate`.
Sources: https://docs.ollama.com/api/chat, https://docs.ollama.com/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers import ollama_request
from exllm.providers.error_mapping import error_for_body
from exllm.providers.ollama_decode import OllamaChatDecoder
from exllm.providers.ollama_plain import plain_answer
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None: there is one server that speaks it."""


class OllamaChatWire:
    """See `Wire`."""

    name = "ollama_chat"
    framing: Framing = "ndjson"
    options = ollama_request.OPTIONS
    texts_stand_apart = True

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return ollama_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: the server waits as long as its client does."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> OllamaChatDecoder:
        return OllamaChatDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return plain_answer(body, spec.name) or OllamaChatDecoder(spec.name, request.model).whole(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = OllamaChatWire()
