"""The wire of Ollama's `/api/generate`: one prompt is answered, or completed as it stands.

For what `/api/chat` cannot do: a text between a prompt and a `suffix`, prompts without a template (`raw`), another
`template`, and the `context` of an answer before; they go in ``extra``. Conversations belong to `ollama_chat`.
Sources: https://docs.ollama.com/api/generate, https://docs.ollama.com/api/errors
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers import ollama_request
from exllm.providers.ollama_chat import OllamaChatWire
from exllm.providers.ollama_decode import OllamaChatDecoder
from exllm.providers.ollama_events import GENERATE_FIELDS, GenerateLine, Line, decode_generate_line
from exllm.providers.ollama_messages import MessageWriter
from exllm.providers.one_prompt import refuse_conversation
from exllm.providers.spec import ProviderSpec, check_limits
from exllm.providers.wire import HttpRequest
from exllm.types.chunks import Chunk, ProviderEvent
from exllm.types.request import Request

QUIRKS: dict[str, str] = {}
"""None: there is one server that speaks it."""

FIELDS = (ollama_request.FIELDS - {"messages", "tools"}) | {
    "prompt", "suffix", "images", "system", "template", "context", "raw", "width", "height", "steps",
}  # fmt: skip


class OllamaGenerateDecoder(OllamaChatDecoder):
    """See `OllamaChatDecoder`. The tokens to go on from become the `ProviderEvent` ``context``."""

    _decode = staticmethod(decode_generate_line)
    _named_fields = GENERATE_FIELDS

    __slots__ = ()

    def _line(self, line: Line, data: bytes, chunks: list[Chunk]) -> None:
        assert isinstance(line, GenerateLine)
        super()._line(line, data, chunks)
        if line.completed is not None:
            progress = {"completed": line.completed, "total": line.total}
            chunks.append(ProviderEvent("progress", progress, self._provider))

    def _finish(self, line: Line, data: bytes, chunks: list[Chunk]) -> None:
        assert isinstance(line, GenerateLine)
        if line.context:
            chunks.append(ProviderEvent("context", line.context, self._provider))
        super()._finish(line, data, chunks)


class OllamaGenerateWire(OllamaChatWire):
    """See `Wire`."""

    name = "ollama_generate"
    texts_stand_apart = False  # there is one, in a field of its own
    options = ollama_request.OPTIONS - {"tools"}

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`. One user message is the prompt, one system message before it the `system` of the model."""
        check_limits(spec, request.messages)
        roles = [message.role for message in request.messages]
        if roles[-1:] != ["user"] or roles[:-1] not in ([], ["system"], ["developer"]):
            raise refuse_conversation(spec, "one user message, and perhaps a system message before it")
        writer = MessageWriter(spec)
        *systems, prompt = writer.write(request.messages)
        body: dict[str, Any] = {"model": request.model, "prompt": prompt["content"]}
        if systems:
            if request.extra.get("raw"):
                raise InvalidRequest(f"{spec.label} takes no system message with a raw prompt", provider=spec.name)
            body["system"] = systems[0]["content"]
        if "images" in prompt:
            body["images"] = prompt["images"]
        return ollama_request.written(body, request, spec, writer, FIELDS)

    def decoder(self, request: Request, spec: ProviderSpec) -> OllamaGenerateDecoder:
        return OllamaGenerateDecoder(spec.name, request.model)

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return OllamaGenerateDecoder(spec.name, request.model).whole(body)


WIRE = OllamaGenerateWire()
