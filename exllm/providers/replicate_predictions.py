"""The wire of Replicate's predictions: one request makes a prediction, and its output is had at another address.

A stream is asked for at ``urls.stream`` of the prediction. A whole answer is waited for (``Prefer: wait``, a minute at
most), and then asked after until the prediction is over; so is the answer of a model that cannot stream.
Sources: https://replicate.com/docs/reference/http#predictions.create, https://replicate.com/docs/topics/predictions/streaming;
the types of the packages `replicate` and ``replicate-python-beta`` (made from Replicate's OpenAPI document).
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers import replicate_request
from exllm.providers.error_mapping import error_for_body
from exllm.providers.replicate_decode import ReplicateDecoder, decode_prediction, read_prediction
from exllm.providers.replicate_inputs import inputs_of
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Elsewhere, Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None: there is one service that speaks it."""

ASK_AGAIN_S = 0.5
"""Between two questions whether a prediction is over; what Replicate's own package waits."""

STREAM_LASTS_S = 20.0
"""A stream without output ends after 30 seconds, with a comment that says 408; a model may take longer to start."""


class ReplicateWire:
    """See `Wire`."""

    name = "replicate_predictions"
    framing: Framing = "sse"
    has_plain_frames = True
    options = replicate_request.OPTIONS

    def options_of(self, model: str, spec: ProviderSpec) -> frozenset[str]:
        """The options that the input of `model` has a field for."""
        return frozenset(inputs_of(model).fields)

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return replicate_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: what takes long is asked after."""
        return False

    def elsewhere(self, body: bytes, request: Request, spec: ProviderSpec) -> Elsewhere | None:
        """Where the output of the prediction in `body` is; None when it is over. See `Wire`."""
        prediction = read_prediction(body, spec.name, request.model)
        if prediction.is_over:
            return None
        path = f"/predictions/{prediction.id}"
        stream = prediction.urls.stream if request.stream else None
        if stream is not None:
            decoder = ReplicateDecoder(spec.name, request.model, prediction)
            return Elsewhere(stream, 0, "text/event-stream", decoder, f"{path}/cancel", STREAM_LASTS_S)
        return Elsewhere(path, after_s=ASK_AGAIN_S, stop_path=f"{path}/cancel")

    def decoder(self, request: Request, spec: ProviderSpec) -> ReplicateDecoder:
        return ReplicateDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return decode_prediction(body, spec.name, request.model)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return error_for_body(status, headers, body, provider=spec.name)


WIRE = ReplicateWire()
