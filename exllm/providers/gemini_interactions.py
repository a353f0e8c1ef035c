"""The wire of Google's Interactions API: Gemini models and Google's agents.

Sources: https://ai.google.dev/api/interactions-api, https://ai.google.dev/gemini-api/docs/interactions
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers.error_mapping import error_for_body
from exllm.providers.gemini_interactions_decode import InteractionDecoder, event_id_of
from exllm.providers.gemini_interactions_request import OPTIONS, build_request
from exllm.providers.gemini_interactions_tools import may_cite
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.cursor import StreamHandle
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

    def resumption(self, handle: StreamHandle, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire`: the rest of the stream of a stored interaction.

        Source: https://ai.google.dev/api/interactions-api, "Get an interaction" (`stream`, `last_event_id`).
        """
        query = {"stream": "true", **({"last_event_id": handle.after} if handle.after else {})}
        return HttpRequest(f"{spec.paths.chat}/{quote(handle.id, safe='')}?{urlencode(query)}", b"", method="GET")

    def event_key(self, frame: Frame) -> str | None:
        """See `Wire`."""
        return event_id_of(frame.data)

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
