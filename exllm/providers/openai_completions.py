"""The wire of OpenAI's text completion, `/v1/completions`, and of the servers that speak it too.

A model goes on with one text: it knows neither roles nor tools. What was written for the place after the answer
(`suffix`), the prompt said again (`echo`), and the like go in ``extra``.
Source: https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers.error_mapping import error_for_body
from exllm.providers.openai_completions_decode import OpenAICompletionsDecoder, decode_completion
from exllm.providers.openai_completions_request import GRANTED_BY, OPTIONS, build_request
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {
    "no_stream_options": "`stream_options` is not known; usage comes in streams all the same (Mistral)",
    "random_seed": "`seed` is called `random_seed` (Mistral)",
    "top_k": "takes `top_k`",
    "min_p": "takes `min_p`",
}


class OpenAICompletionsWire:
    """Implements `exllm.providers.wire.Wire`."""

    name = "openai_completions"
    framing: Framing = "sse"
    options: frozenset[str] = OPTIONS
    options_by_quirk: Mapping[str, frozenset[str]] = GRANTED_BY

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`. ``request.extra`` is merged last and shallowly: each of its fields replaces ours whole."""
        return build_request(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: no service is known to cut an unstreamed call short."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> OpenAICompletionsDecoder:
        """See `Wire.decoder`."""
        return OpenAICompletionsDecoder(request)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """See `Wire.decode_body`."""
        return decode_completion(body, request)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        """See `Wire.parse_error`."""
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = OpenAICompletionsWire()
