"""Claude on InvokeModel: the Messages API, with the model in the path and the version in the body.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from __future__ import annotations

import msgspec

from exllm.providers import anthropic_decode, anthropic_request
from exllm.providers.bedrock_invoke_family import NativeRequest
from exllm.providers.spec import ProviderSpec
from exllm.types.chunks import Chunk
from exllm.types.request import Request

VERSION = "bedrock-2023-05-31"


class Claude:
    """See `Family`."""

    options = anthropic_request.OPTIONS - {"user", "service_tier", "metadata", "web_search"}

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        options = msgspec.structs.replace(request.options, service_tier=None, metadata=None)
        native = msgspec.structs.replace(request, options=options)
        http = anthropic_request.build(native, msgspec.structs.replace(spec, quirks=frozenset(), parameters={}))
        body = msgspec.json.decode(http.body)
        del body["model"]
        body.pop("stream", None)
        if options.betas:
            body["anthropic_beta"] = list(options.betas)
        return NativeRequest({"anthropic_version": VERSION, **body}, http.warnings)

    def decoder(self, request: Request, spec: ProviderSpec) -> anthropic_decode.MessagesDecoder:
        return anthropic_decode.MessagesDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return anthropic_decode.decode_body(body, spec.name, request.model)
