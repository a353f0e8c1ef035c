"""The wire of the Anthropic Messages API, and of the services that speak it too.

Sources: https://platform.claude.com/docs/en/api/messages,
https://platform.claude.com/docs/en/build-with-claude/streaming, https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers import anthropic_decode, anthropic_request, error_mapping
from exllm.providers.anthropic_models import model_facts
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {
    "vertex": "Google Vertex AI: the model stands in the path, and the version of the API in the body",
}
"""What else services deviate in is told by `ProviderSpec.headers` (``anthropic-version``) and `unsupported`."""

MAX_UNSTREAMED_TOKENS = 128_000 // 6
"""The API ends an unstreamed call after ten minutes; 128,000 tokens are reckoned to take an hour, as the SDK does."""


class MessagesWire:
    """See `Wire`."""

    name = "anthropic_messages"
    framing: Framing = "sse"
    options = anthropic_request.OPTIONS
    texts_stand_apart = True

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return anthropic_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """https://platform.claude.com/docs/en/api/errors#long-requests"""
        limit = model_facts(request.model).max_unstreamed_tokens or MAX_UNSTREAMED_TOKENS
        return anthropic_request.max_tokens_of(request) > limit

    def decoder(self, request: Request, spec: ProviderSpec) -> anthropic_decode.MessagesDecoder:
        return anthropic_decode.MessagesDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return anthropic_decode.decode_body(body, spec.name, request.model)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return error_mapping.error_for_body(status, headers, body, provider=spec.name)


WIRE = MessagesWire()
