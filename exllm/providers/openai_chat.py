"""The wire of OpenAI's Chat Completions, and of the many services that speak it too.

Sources: platform.openai.com/docs/api-reference/chat (requests, answers, streams); for what other services do
differently, `QUIRKS` and the comments in ``openai_chat_events.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers.error_mapping import error_for_body
from exllm.providers.openai_chat_decode import OpenAIChatDecoder, decode_answer
from exllm.providers.openai_chat_quirks import GRANTED_BY, QUIRKS
from exllm.providers.openai_chat_request import OPTIONS, build_request
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

__all__ = ["QUIRKS", "WIRE", "OpenAIChatWire"]


class OpenAIChatWire:
    """Implements `exllm.providers.wire.Wire`."""

    name = "openai_chat"
    framing: Framing = "sse"
    options: frozenset[str] = OPTIONS
    options_by_quirk: Mapping[str, frozenset[str]] = GRANTED_BY
    texts_stand_apart = True

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`. ``request.extra`` is merged last and shallowly: each of its fields replaces ours whole."""
        return build_request(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: no service is known to cut an unstreamed call short."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> OpenAIChatDecoder:
        """See `Wire.decoder`."""
        return OpenAIChatDecoder(request)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """See `Wire.decode_body`."""
        return decode_answer(body, request)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        """See `Wire.parse_error`."""
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = OpenAIChatWire()
