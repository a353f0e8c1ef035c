"""Cohere's Command R on InvokeModel: the last message apart from the history, tools without JSON Schema.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
"""

from __future__ import annotations

from exllm.providers.bedrock_invoke_cohere_request import build_body
from exllm.providers.bedrock_invoke_family import NativeRequest
from exllm.providers.bedrock_models import answering_model
from exllm.providers.cohere_v1_decode import CohereV1Decoder
from exllm.providers.cohere_v1_request import FIELD_OF_OPTION
from exllm.providers.spec import ProviderSpec
from exllm.types.chunks import Chunk
from exllm.types.request import Request


class CommandR:
    """See `Family`. Its protocol is version 1 of Cohere's own, without what it takes to go on from older calls."""

    options = frozenset(FIELD_OF_OPTION) | {"tools"}

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        body, warnings = build_body(request, spec)
        given = request.options.given()
        body |= {field: given[option] for option, field in FIELD_OF_OPTION.items() if option in given}
        return NativeRequest(body | request.extra, warnings)

    def decoder(self, request: Request, spec: ProviderSpec) -> CohereV1Decoder:
        return CohereV1Decoder(spec.name, request.model, answering_model(request.model, spec.base_url))

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return self.decoder(request, spec).whole(body)
