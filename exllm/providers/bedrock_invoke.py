"""The wire of Amazon Bedrock's InvokeModel: the native protocol of each model, in Bedrock's envelope.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers import bedrock_errors
from exllm.providers.bedrock_converse_request import STREAM_TYPE
from exllm.providers.bedrock_converse_request import options_of as converse_options_of
from exllm.providers.bedrock_invoke_decode import InvokeDecoder, guarded
from exllm.providers.bedrock_invoke_families import QUIRKS, all_options, protocol_of
from exllm.providers.bedrock_invoke_family import EVERY_OPTION, check_options
from exllm.providers.bedrock_models import NOVAS, family_of, path_of, resolve
from exllm.providers.bedrock_usage import usage_of_headers
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk, UsageUpdate
from exllm.types.request import Request

__all__ = ["QUIRKS", "WIRE", "InvokeWire"]

# Fields of `extra` that Converse has in its body and InvokeModel in headers.
_IN_HEADERS: dict[str, dict[str, str]] = {
    "guardrailConfig": {
        "guardrailIdentifier": "x-amzn-bedrock-guardrailidentifier",
        "guardrailVersion": "x-amzn-bedrock-guardrailversion",
        "trace": "x-amzn-bedrock-trace",
    },
    "performanceConfig": {"latency": "x-amzn-bedrock-performanceconfig-latency"},
}
_encode = msgspec.json.Encoder().encode


class InvokeWire:
    """See `Wire`. `extra` may hold `guardrailConfig` and `performanceConfig` as for Converse; they become headers."""

    name = "bedrock_invoke"
    framing: Framing = "aws_eventstream"
    options = all_options() | EVERY_OPTION
    texts_stand_apart = True

    def options_of(self, model: str, spec: ProviderSpec) -> frozenset[str]:
        """The options that the native protocol of `model` takes, or Bedrock itself."""
        known = resolve(model, spec.base_url)
        options = protocol_of(known, spec).options
        if family_of(known) in NOVAS:  # whose own protocol is that of Converse
            options &= converse_options_of(known, spec)
        return options | EVERY_OPTION

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        model = resolve(request.model, spec.base_url)
        family = protocol_of(model, spec)
        check_options(request, family, spec)
        check_limits(spec, request.messages)
        check_parameters(spec, {**request.extra, "service_tier": request.options.service_tier})
        extra = {name: value for name, value in request.extra.items() if name not in _IN_HEADERS}
        native = family.build(msgspec.structs.replace(request, model=model, extra=extra), spec)
        try:
            body = _encode(native.body)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
        headers = _headers(request, spec)
        path = path_of(spec.paths.chat, model)
        if request.stream:
            path, headers["accept"] = f"{path}-with-response-stream", STREAM_TYPE
        return HttpRequest(path, body, headers, warnings=native.warnings)

    def must_stream(self, request: Request) -> bool:
        """Never: a call may take an hour."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> InvokeDecoder:
        family = protocol_of(resolve(request.model, spec.base_url), spec)
        return InvokeDecoder(family.decoder(request, spec), spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        family = protocol_of(resolve(request.model, spec.base_url), spec)
        return guarded(body, family.decode_body(body, request, spec), spec.name)

    def read_headers(self, headers: Mapping[str, str], chunks: list[Chunk]) -> list[Chunk]:
        """The counts, of models whose answers have none."""
        usage = usage_of_headers(headers)
        if usage is None or any(isinstance(chunk, UsageUpdate) for chunk in chunks):
            return chunks
        return [*chunks[:-1], UsageUpdate(usage), *chunks[-1:]]

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return bedrock_errors.error_of_response(status, headers, body, provider=spec.name)


def _headers(request: Request, spec: ProviderSpec) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, fields in _IN_HEADERS.items():
        given: Any = request.extra.get(name, {})
        if not isinstance(given, Mapping) or given.keys() - fields.keys():
            raise InvalidRequest(f"{name} is a dict of {', '.join(fields)}, got {given!r}", provider=spec.name)
        for field, value in given.items():
            headers[fields[field]] = str(value).upper() if field == "trace" else str(value)
    if request.options.service_tier is not None:
        headers["x-amzn-bedrock-service-tier"] = request.options.service_tier
    if request.options.metadata:
        headers["x-amzn-bedrock-request-metadata"] = _encode(request.options.metadata).decode()
    return headers


WIRE = InvokeWire()
