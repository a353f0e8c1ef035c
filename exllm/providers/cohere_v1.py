"""The wire of Cohere's older `/v1/chat`: connectors, search queries, persisted conversations, documents, tools.

`cohere_chat` is the one to use, but for what only version 1 has: `connectors`, `search_queries_only`,
`conversation_id`, `prompt_truncation`, `raw_prompting`; they go in ``extra``. Streams are lines of JSON.
Sources: https://docs.cohere.com/v1/reference/chat, https://docs.cohere.com/v1/docs/streaming
"""

from __future__ import annotations

from exllm.providers import cohere_v1_request
from exllm.providers.cohere_chat import CohereErrors
from exllm.providers.cohere_v1_decode import CohereV1Decoder
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None: there is one service that speaks it."""


class CohereV1Wire(CohereErrors):
    """See `Wire`."""

    name = "cohere_v1"
    framing: Framing = "ndjson"
    options = cohere_v1_request.OPTIONS

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return cohere_v1_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: the service is not known to cut an unstreamed call short."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> CohereV1Decoder:
        return CohereV1Decoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return CohereV1Decoder(spec.name, request.model).whole(body)


WIRE = CohereV1Wire()
