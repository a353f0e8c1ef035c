"""Cohere's Command R on InvokeModel: the last message apart from the history, tools without JSON Schema.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ProtocolError, ServerError, StreamInterrupted
from exllm.providers.bedrock_invoke_cohere_request import build_body
from exllm.providers.bedrock_invoke_family import NativeRequest
from exllm.providers.bedrock_models import answering_model
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    CitationDelta,
    Finish,
    FinishReason,
    ProviderEvent,
    StreamStart,
    TextDelta,
    ToolCallDelta,
)
from exllm.types.parts import Citation
from exllm.types.request import Request

FIELDS = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "seed": "seed",
    "stop": "stop_sequences",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
FINISH_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "USER_CANCEL": "stop",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
}
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, RecursionError, msgspec.DecodeError)
_SNIPPET_CHARS = 200


class CommandR:
    """See `Family`."""

    options = frozenset(FIELDS) | {"tools"}

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        body, warnings = build_body(request, spec)
        given = request.options.given()
        body |= {field: given[option] for option, field in FIELDS.items() if option in given}
        return NativeRequest(body | request.extra, warnings)

    def decoder(self, request: Request, spec: ProviderSpec) -> CommandRDecoder:
        return CommandRDecoder(spec.name, request.model, answering_model(request.model, spec.base_url))

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        return self.decoder(request, spec).whole(body)


class CommandRDecoder:
    """See `StreamDecoder`. The terminal event is ``stream-end``."""

    __slots__ = ("_answering", "_call_count", "_model", "_provider", "_undelivered", "finished")

    def __init__(self, provider: str, model: str, answering: str | None = None) -> None:
        self.finished = False
        self._answering = answering  # the model's own id, where it was asked for by another name
        self._provider = provider
        self._model = model
        self._call_count = 0
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        chunks: list[Chunk] = []
        self._undelivered = chunks
        for frame in frames:
            if self.finished:
                break
            try:
                self._event(msgspec.json.decode(frame.data), chunks)
            except _MISSHAPEN as error:
                raise self._nonsense(frame.data) from error
        self._undelivered = []
        return chunks

    def take(self) -> list[Chunk]:
        """See `StreamDecoder.take`."""
        chunks, self._undelivered = self._undelivered, []
        return chunks

    def close(self) -> list[Chunk]:
        """See `StreamDecoder.close`."""
        if self.finished:
            return []
        raise StreamInterrupted(
            "the answer ended without its stream-end event", provider=self._provider, model=self._model
        )

    def whole(self, body: bytes) -> list[Chunk]:
        """The chunks of a whole answer."""
        chunks: list[Chunk] = []
        try:
            answer = msgspec.json.decode(body)
            self._start(answer.get("response_id") or answer.get("generation_id"), chunks)
            self._event({"event_type": "text-generation", "text": answer["text"]}, chunks)
            self._event({"event_type": "citation-generation", "citations": answer.get("citations")}, chunks)
            self._event({"event_type": "tool-calls-generation", "tool_calls": answer.get("tool_calls")}, chunks)
            self._finish(answer.get("finish_reason"), chunks)
        except _MISSHAPEN as error:
            raise self._nonsense(body) from error
        return chunks

    def _event(self, event: dict[str, Any], chunks: list[Chunk]) -> None:
        match event["event_type"]:
            case "text-generation":
                text = event["text"]
                if not isinstance(text, str):
                    raise TypeError("text should be text")
                if text:
                    chunks.append(TextDelta(text))
            case "stream-start":
                self._start(event.get("generation_id"), chunks)
            case "citation-generation":
                chunks += [CitationDelta(_citation(source)) for source in event.get("citations") or ()]
            case "tool-calls-generation":
                for call in event.get("tool_calls") or ():
                    arguments = msgspec.json.encode(call.get("parameters") or {}).decode()
                    if not isinstance(call["name"], str):
                        raise TypeError("a call without a name")
                    # The calls have no ids; the results are matched by place.
                    number = self._call_count
                    chunks.append(ToolCallDelta(number, f"call_{number}", call["name"], arguments))
                    self._call_count += 1
            case "stream-end":
                self._finish(event.get("finish_reason"), chunks)
            case str(kind):
                chunks.append(ProviderEvent(kind, event, self._provider))
            case _:
                raise TypeError("an event without a type")

    def _start(self, answer_id: object, chunks: list[Chunk]) -> None:
        chunks.append(StreamStart(answer_id if isinstance(answer_id, str) else None, self._answering))

    def _finish(self, raw: str | None, chunks: list[Chunk]) -> None:
        if raw == "ERROR":
            raise ServerError("the model failed to answer", provider=self._provider, model=self._model, code=raw)
        reason = FINISH_REASONS.get(raw or "", "stop")
        if reason == "stop" and self._call_count:
            reason = "tool_calls"
        chunks.append(Finish(reason, raw=raw))
        self.finished = True

    def _nonsense(self, data: bytes) -> ProtocolError:
        snippet = data[: _SNIPPET_CHARS * 4].decode("utf-8", "replace")[:_SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent a document that makes no sense: {snippet!r}",
            provider=self._provider, model=self._model, body=snippet,
        )  # fmt: skip


def _citation(source: dict[str, Any]) -> Citation:
    start, end = source.get("start"), source.get("end")
    return Citation(
        text=source.get("text") if isinstance(source.get("text"), str) else None,
        start=start if isinstance(start, int) else None,
        end=end if isinstance(end, int) else None,
        source=source,
    )
