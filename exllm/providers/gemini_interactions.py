"""The wire of Google's Interactions API: Gemini models and Google's agents.

Sources: https://ai.google.dev/api/interactions-api, https://ai.google.dev/gemini-api/docs/interactions
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers.error_mapping import error_for_body
from exllm.providers.gemini_interactions_decode import InteractionDecoder
from exllm.providers.gemini_interactions_request import OPTIONS, build_request
from exllm.providers.gemini_interactions_tools import may_cite
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}


class InteractionsWire:
    """See `Wire`."""

    name = "gemini_interactions"
    framing: Framing = "sse"
    options: frozenset[str] = OPTIONS

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`. ``request.extra`` is merged last; objects of the same name are merged field by field."""
        try:
            return build_request(request, spec)
        except InvalidRequest as error:
            error.provider = error.provider or spec.name
            raise

    def must_stream(self, request: Request) -> bool:
        """Never: what takes long is asked for with ``extra={"background": True}``."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> InteractionDecoder:
        """See `Wire.decoder`."""
        return InteractionDecoder(spec.name, request.model, keeps_text=may_cite(request))

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """See `Wire.decode_body`. An interaction that runs in the background has no `Finish` yet."""
        return self.decoder(request, spec).whole(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        """See `Wire.parse_error`."""
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = InteractionsWire()
