"""The wire of Gemini's generateContent: the Gemini API and Vertex AI.

Sources: https://ai.google.dev/api/generate-content,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers import error_mapping, gemini_decode, gemini_request
from exllm.providers.gemini_plain import plain_answer
from exllm.providers.gemini_tools import has_own_tools
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {
    "vertex": "Vertex AI: a safety setting may say how harm is measured; files are in Cloud Storage or on the web, and "
    "need their media type",
}


class GenerateWire:
    """See `Wire`."""

    name = "gemini_generate"
    framing: Framing = "sse"
    options = gemini_request.OPTIONS
    texts_stand_apart = True

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        try:
            return gemini_request.build(request, spec)
        except InvalidRequest as error:
            error.provider = error.provider or spec.name
            raise

    def must_stream(self, request: Request) -> bool:
        """Never: Google keeps an unstreamed call open."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> gemini_decode.AnswerDecoder:
        keeps_text = has_own_tools(request.options, request.extra)
        return gemini_decode.AnswerDecoder(spec.name, request.model, keeps_text=keeps_text)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        if (chunks := plain_answer(body, spec.name)) is not None:
            return chunks
        keeps_text = has_own_tools(request.options, request.extra)
        return gemini_decode.decode_body(body, spec.name, request.model, keeps_text=keeps_text)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return error_mapping.error_for_body(status, headers, body, provider=spec.name)


WIRE = GenerateWire()
