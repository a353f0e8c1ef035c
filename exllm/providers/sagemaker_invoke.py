"""The wire of Amazon SageMaker's endpoints: Chat Completions of the model's own server, in SageMaker's envelope.

A stream comes as messages of raw bytes, cut anywhere, which together are the server-sent events, or the lines of JSON,
that the container wrote. What a model takes is up to its container: vLLM, SGLang, TGI and LMI speak Chat Completions.
Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html; botocore's
service model ``sagemaker-runtime``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers import sagemaker_errors
from exllm.providers.openai_chat import OpenAIChatWire
from exllm.providers.openai_chat_quirks import QUIRKS
from exllm.providers.sagemaker_decode import SageMakerDecoder
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.request import Request

__all__ = ["QUIRKS", "WIRE", "SageMakerWire"]

STREAM_TYPE = "application/vnd.amazon.eventstream"

IN_HEADERS: dict[str, str] = {
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceComponentName": "x-amzn-sagemaker-inference-component",
    "InferenceId": "x-amzn-sagemaker-inference-id",
    "SessionId": "x-amzn-sagemaker-session-id",
    "TargetContainerHostname": "x-amzn-sagemaker-target-container-hostname",
    "TargetModel": "x-amzn-sagemaker-target-model",
    "TargetVariant": "x-amzn-sagemaker-target-variant",
}
"""Fields of `extra` that are SageMaker's and not the container's: its own names, and the headers that they become."""


class SageMakerWire(OpenAIChatWire):
    """See `Wire`. `extra` may hold the fields of `IN_HEADERS`."""

    name = "sagemaker_invoke"
    framing: Framing = "aws_eventstream"

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`."""
        headers = _headers(request.extra, spec)
        if headers:
            extra = {name: value for name, value in request.extra.items() if name not in IN_HEADERS}
            request = msgspec.structs.replace(request, extra=extra)
        http = super().build(request, spec)
        path = http.path
        if request.stream:
            path = f"{path}-response-stream"
            headers |= {"accept": STREAM_TYPE, "x-amzn-sagemaker-accept": "text/event-stream"}
        return msgspec.structs.replace(http, path=path, headers={**http.headers, **headers})

    def decoder(self, request: Request, spec: ProviderSpec) -> SageMakerDecoder:  # type: ignore[override]
        """See `Wire.decoder`."""
        return SageMakerDecoder(super().decoder(request, spec), spec.name, request.model)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        """See `Wire.parse_error`."""
        return sagemaker_errors.error_of_response(status, headers, body, provider=spec.name)


def _headers(extra: Mapping[str, Any], spec: ProviderSpec) -> dict[str, str]:
    headers = {header: extra[name] for name, header in IN_HEADERS.items() if extra.get(name) is not None}
    for value in headers.values():
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise InvalidRequest(
                f"{spec.label} takes {', '.join(IN_HEADERS)} as text of printable ASCII, got {value!r}",
                provider=spec.name,
            )
    return headers


WIRE = SageMakerWire()
