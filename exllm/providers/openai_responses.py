"""The wire of OpenAI's Responses API, and of the services that speak it too.

Sources: https://developers.openai.com/api/reference/resources/responses/methods/create,
https://developers.openai.com/api/reference/resources/responses/streaming-events; https://www.openresponses.org
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers.error_mapping import error_for_body
from exllm.providers.openai_responses_decode import ResponsesDecoder, offers_server_tools, sequence_number_of
from exllm.providers.openai_responses_plain import plain_answer
from exllm.providers.openai_responses_quirks import GRANTED_BY, QUIRKS
from exllm.providers.openai_responses_request import OPTIONS, build_request
from exllm.providers.openai_responses_retrieval import retrieval
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.cursor import StreamHandle
from exllm.types.request import Request

__all__ = ["QUIRKS", "WIRE", "ResponsesWire"]


class ResponsesWire:
    """See `Wire`."""

    name = "openai_responses"
    framing: Framing = "sse"
    options: frozenset[str] = OPTIONS
    options_by_quirk: Mapping[str, frozenset[str]] = GRANTED_BY
    texts_stand_apart = True

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`. ``request.extra`` is merged last and shallowly: each of its fields replaces ours whole."""
        return build_request(request, spec)

    def retrieval(
        self, response_id: str, request: Request, spec: ProviderSpec, after: int | None = None
    ) -> HttpRequest:
        """What asks once more for the response that `request` began. See `openai_responses_retrieval.retrieval`."""
        return retrieval(response_id, request, spec, after)

    def resumption(self, handle: StreamHandle, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire`: the rest of a stream that was begun in the background."""
        return retrieval(handle.id, request, spec, int(handle.after) if handle.after else None)

    def event_key(self, frame: Frame) -> str | None:
        """See `Wire`."""
        return sequence_number_of(frame.data)

    def must_stream(self, request: Request) -> bool:
        """Never: no service is known to cut an unstreamed call short."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> ResponsesDecoder:
        """See `Wire.decoder`."""
        return ResponsesDecoder(request, spec.name)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """See `Wire.decode_body`. A response that is made in the background has no `Finish` yet."""
        plain = None if offers_server_tools(request) else plain_answer(body)
        return plain or ResponsesDecoder(request, spec.name).whole(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        """See `Wire.parse_error`."""
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = ResponsesWire()
