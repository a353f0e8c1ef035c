"""Answers of LM Studio's `/api/v1/chat` to chunks: events of streams, and whole results.

How far a model is loaded or has read the prompt become `ProviderEvent`s of their own names, and so do the tools that
the server ran: their calls and results are told as they are, beside a `ToolCallDelta` for each that succeeded. Why a
model stopped, the server does not tell.
Source: https://lmstudio.ai/docs/developer/rest/streaming-events
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ProtocolError, StreamInterrupted
from exllm.providers.bedrock_usage import integer
from exllm.providers.error_mapping import error_in_stream
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    Finish,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.usage import Usage

SNIPPET_CHARS = 200
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_COUNTS = frozenset({"input_tokens", "total_output_tokens", "reasoning_output_tokens"})
_SAID_OTHERWISE = frozenset(
    {"reasoning.start", "reasoning.end", "message.end", "prompt_processing.start", "prompt_processing.end"}
)
"""Events that say nothing which the chunks do not."""


class Event(msgspec.Struct, gc=False):
    """An event, as far as most of them are read."""

    type: str
    content: str | None = None
    model_instance_id: str | None = None


class Item(msgspec.Struct):
    """An item of `output`; a call that succeeded has the same fields as an event."""

    type: str
    content: str | None = None
    tool: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Result(msgspec.Struct):
    """A whole answer; the last event of a stream has one."""

    output: list[msgspec.Raw]
    model_instance_id: str | None = None
    response_id: str | None = None
    stats: dict[str, Any] | None = None


class _End(msgspec.Struct):
    result: Result


_decode_event = msgspec.json.Decoder(Event).decode
_decode_item = msgspec.json.Decoder(Item).decode
_decode_end = msgspec.json.Decoder(_End).decode
_decode_result = msgspec.json.Decoder(Result).decode


class LMStudioDecoder:
    """See `StreamDecoder`. One per answer."""

    __slots__ = ("_calls", "_has_message", "_model", "_part", "_provider", "_undelivered", "finished")

    def __init__(self, provider: str, model: str) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._part = 0
        self._has_message = False
        self._calls = 0
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Events after the last are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        for frame in frames:
            try:
                event = _decode_event(frame.data)
                if event.type == "message.delta":
                    if event.content:
                        chunks.append(TextDelta(event.content, part=self._part))
                else:
                    self._event(event, frame.data, chunks)
            except _UNREADABLE as error:
                raise self._nonsense(frame.data, error) from error
            if self.finished:
                break
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
            "the answer ended before its last event, 'chat.end'", provider=self._provider, model=self._model
        )

    def whole(self, body: bytes) -> list[Chunk]:
        """The chunks of an unstreamed answer."""
        chunks: list[Chunk] = []
        try:
            result = _decode_result(body)
            chunks.append(StreamStart(result.response_id, result.model_instance_id))
            for raw in result.output:
                self._item(_decode_item(raw), bytes(raw), chunks)
        except _UNREADABLE as error:
            raise self._nonsense(body, error) from error
        self._finish(result, chunks)
        return chunks

    def _event(self, event: Event, data: bytes, chunks: list[Chunk]) -> None:
        match event.type:
            case "reasoning.delta":
                if event.content:
                    chunks.append(ReasoningDelta(event.content))
            case "message.start":
                self._begin_message()
            case "chat.start":
                chunks.append(StreamStart(None, event.model_instance_id))
            case "tool_call.success":
                self._call(_decode_item(data), data, chunks)
            case "error":
                self.finished = True
                raise error_in_stream(msgspec.json.decode(data), provider=self._provider, model=self._model)
            case "chat.end":
                result = _decode_end(data).result
                if result.response_id is not None:
                    chunks.append(StreamStart(result.response_id, result.model_instance_id))
                self._finish(result, chunks)
            case kind if kind not in _SAID_OTHERWISE:
                chunks.append(ProviderEvent(kind, msgspec.json.decode(data), self._provider))

    def _item(self, item: Item, data: bytes, chunks: list[Chunk]) -> None:
        """An item of a whole answer: the same chunks that its events would have given."""
        match item.type:
            case "message":
                self._begin_message()
                if item.content:
                    chunks.append(TextDelta(item.content, part=self._part))
            case "reasoning":
                if item.content:
                    chunks.append(ReasoningDelta(item.content))
            case "tool_call":
                self._call(item, data, chunks)
            case kind:
                chunks.append(ProviderEvent(kind, msgspec.json.decode(data), self._provider))

    def _begin_message(self) -> None:
        """There may be several messages in an answer, with calls between them."""
        self._part += self._has_message
        self._has_message = True

    def _call(self, item: Item, data: bytes, chunks: list[Chunk]) -> None:
        if not item.tool:
            raise self._nonsense(data, "a tool call without a name")
        number = self._calls
        self._calls += 1
        arguments = bytes(item.arguments).decode()
        id = f"lmstudio_{number}"  # the server gives none, and asks for none back
        chunks.append(ToolCallDelta(number, id, item.tool, arguments, provider_executed=True))
        document = msgspec.json.decode(data)
        document.pop("type", None)
        chunks.append(ProviderEvent("tool_call", document, self._provider))

    def _finish(self, result: Result, chunks: list[Chunk]) -> None:
        stats = result.stats or {}
        rest = {name: value for name, value in stats.items() if name not in _COUNTS}
        if rest:
            chunks.append(ProviderEvent("stats", rest, self._provider))
        given, made = integer(stats.get("input_tokens")), integer(stats.get("total_output_tokens"))
        if given is not None and made is not None:
            thought = integer(stats.get("reasoning_output_tokens"))
            usage = Usage(given, made, given + made, reasoning_tokens=thought, provenance="reported")
            chunks.append(UsageUpdate(usage))
        chunks.append(Finish("stop"))
        self.finished = True

    def _nonsense(self, data: bytes, why: object) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent something that makes no sense ({why}): {snippet!r}",
            provider=self._provider,
            model=self._model,
            body=snippet,
        )


def decode_result(body: bytes, provider: str, model: str) -> list[Chunk]:
    """The chunks of a whole answer."""
    return LMStudioDecoder(provider, model).whole(body)
