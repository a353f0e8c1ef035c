"""The wire of Amazon Bedrock's Converse and ConverseStream: one protocol for all of its models.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html; botocore's service model
``bedrock-runtime`` has every field and shape.
"""

from __future__ import annotations

from collections.abc import Mapping

from exllm.errors import ExLLMError
from exllm.providers import bedrock_converse_decode, bedrock_converse_request, bedrock_errors
from exllm.providers.bedrock_converse_plain import plain_answer
from exllm.providers.bedrock_models import answering_model
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Framing, HttpRequest
from exllm.types.chunks import Chunk
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None: there is one service that speaks it."""


class ConverseWire:
    """See `Wire`."""

    name = "bedrock_converse"
    framing: Framing = "aws_eventstream"
    options = bedrock_converse_request.OPTIONS
    texts_stand_apart = True

    def options_of(self, model: str, spec: ProviderSpec) -> frozenset[str]:
        return bedrock_converse_request.options_of(model, spec)

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        return bedrock_converse_request.build(request, spec)

    def must_stream(self, request: Request) -> bool:
        """Never: a call may take an hour."""
        return False

    def decoder(self, request: Request, spec: ProviderSpec) -> bedrock_converse_decode.ConverseDecoder:
        answering = answering_model(request.model, spec.base_url)
        return bedrock_converse_decode.ConverseDecoder(spec.name, request.model, answering)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        answering = answering_model(request.model, spec.base_url)
        if (chunks := plain_answer(body, spec.name, answering)) is not None:
            return chunks
        return bedrock_converse_decode.read_body(body, spec.name, request.model, answering)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        return bedrock_errors.error_of_response(status, headers, body, provider=spec.name)


WIRE = ConverseWire()
