"""Amazon Nova on InvokeModel: nearly Converse, which was made after it.

Source: https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exllm.errors import ProtocolError
from exllm.providers.bedrock_converse_decode import UNREADABLE, ConverseDecoder, read_body
from exllm.providers.bedrock_converse_request import OPTIONS, converse_body
from exllm.providers.bedrock_invoke_family import NativeRequest
from exllm.providers.bedrock_models import answering_model
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.request import Request

SCHEMA_VERSION = "messages-v1"

_decode_event = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Nova:
    """See `Family`."""

    options = OPTIONS - {"response_format", "service_tier", "metadata"}

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        options = msgspec.structs.replace(request.options, service_tier=None, metadata=None)
        body, warnings = converse_body(
            msgspec.structs.replace(request, options=options), msgspec.structs.replace(spec, parameters={})
        )
        additional = body.pop("additionalModelRequestFields", {})
        for name, value in additional.items():
            inner = body.get(name)
            body[name] = inner | value if isinstance(inner, dict) and isinstance(value, dict) else value
        return NativeRequest({"schemaVersion": SCHEMA_VERSION, **body}, warnings)

    def decoder(self, request: Request, spec: ProviderSpec) -> NovaDecoder:
        return NovaDecoder(spec.name, request.model, answering_model(request.model, spec.base_url))

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return read_body(body, spec.name, request.model, answering_model(request.model, spec.base_url))


class NovaDecoder(ConverseDecoder):
    """The events of Converse, each in a document under its name."""

    __slots__ = ()

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        events: list[Frame] = []
        broken: ProtocolError | None = None
        for frame in frames:
            try:
                fields = _decode_event(frame.data)
            except UNREADABLE as error:
                broken = self.nonsense("an event that is not JSON", frame.data)
                broken.__cause__ = error
                break
            events += [Frame(bytes(data), name) for name, data in fields.items() if not name.startswith("amazon-")]
        chunks = super().feed(events)
        if broken is not None:
            self._undelivered = chunks
            raise broken
        return chunks
