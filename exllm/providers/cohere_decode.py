"""Answers of Cohere's `/v2/chat` to chunks, streamed or whole.

The type inside the JSON decides, never the name of the SSE event. The index of a content block is the `part` of its
text. Thoughts and the plan that a model makes before it calls tools are both `Reasoning`; the plan's `id` is
``tool_plan``, so that it goes back under that name.
Source: https://docs.cohere.com/docs/streaming
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.cohere_citations import TEXT_CONTENT, to_citation
from exllm.providers.cohere_events import (
    EVENT_TYPES,
    Body,
    CallDelta,
    CallPiece,
    CallStart,
    CitationStart,
    ContentDelta,
    ContentPiece,
    ContentStart,
    EndChange,
    Event,
    LogprobItem,
    MessageEnd,
    MessageStart,
    PlanDelta,
    decode_body,
    decode_event,
)
from exllm.providers.cohere_usage import usage_of
from exllm.providers.error_mapping import error_in_stream
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    CitationDelta,
    Finish,
    FinishReason,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageUpdate,
)

PLAN_ID = "tool_plan"
"""`Reasoning.id` of the plan for tools."""

SNIPPET_CHARS = 200
FINISH_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
FAILURES = {"ERROR": "server_error", "TIMEOUT": "timeout_error"}
"""Reasons that are failures, and what the other providers call them."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, OverflowError, *UNREADABLE)
"""What reading a field of the wrong type raises; told as a `ProtocolError` that shows the event."""


class CohereChatDecoder:
    """See `StreamDecoder`. One per answer."""

    __slots__ = (
        "_call_count",
        "_calls",
        "_logprobs",
        "_model",
        "_provider",
        "_text_part",
        "_thoughts",
        "_undelivered",
        "finished",
    )  # fmt: skip

    def __init__(self, provider: str, model: str) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._calls: dict[int, int] = {}  # index of a call -> its number; the indices of some may repeat
        self._call_count = 0
        self._thoughts: dict[int | None, int] = {}  # index of a block of thoughts, None for the plan -> its part
        self._text_part = 0  # the text block last written to
        self._logprobs: list[LogprobItem] = []  # of what was no text; they wait for the next text
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the terminal event are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        append = chunks.append
        decode, hot_event, hot_chunk = decode_event, ContentDelta, TextDelta  # locals are faster
        for frame in frames:
            try:
                event = decode(frame.data)
            except UNREADABLE as error:
                self._read_unusual(frame, error, chunks)
                continue
            if (
                type(event) is hot_event
                and (text := event.delta.message.content.text)
                and event.index == self._text_part
                and event.logprobs is None
                and not self._logprobs
            ):
                append(hot_chunk(text, 0, event.index))
                continue
            try:
                self._handle(event, chunks)
            except MISSHAPEN as error:
                raise self._nonsense("an event that makes no sense", frame.data) from error
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
            "the answer ended without its message-end event", provider=self._provider, model=self._model
        )

    def whole(self, data: bytes) -> list[Chunk]:
        """The chunks of an unstreamed answer: those that its stream would have given, each part in one piece."""
        chunks: list[Chunk] = []
        try:
            body = decode_body(data)
        except UNREADABLE as error:
            raise self._not_an_answer(data, error) from error
        try:
            self._whole(body, chunks)
        except MISSHAPEN as error:
            raise self._nonsense("an answer that makes no sense", data) from error
        return chunks

    # -- one event

    def _handle(self, event: Event, chunks: list[Chunk]) -> None:
        match event:
            case ContentDelta() | ContentStart():
                if isinstance(event, ContentDelta) and event.logprobs is not None:
                    self._logprobs.append(event.logprobs)
                self._add_content(event.index, event.delta.message.content, chunks)
            case CallDelta():
                self._continue_call(event.index, event.delta.message.tool_calls, chunks)
            case CallStart():
                self._start_call(event.index, event.delta.message.tool_calls, chunks)
            case PlanDelta():
                if plan := event.delta.message.tool_plan:
                    chunks.append(ReasoningDelta(plan, 0, self._thought_part(None), id=PLAN_ID))
            case CitationStart():
                self._cite(event.delta.message.citations, chunks)
            case MessageStart():
                chunks.append(StreamStart(event.id or None))
            case MessageEnd():
                self._end(event.delta, chunks)

    def _add_content(self, index: int, piece: ContentPiece, chunks: list[Chunk]) -> None:
        if piece.thinking:
            chunks.append(ReasoningDelta(piece.thinking, 0, self._thought_part(index)))
        if piece.text is not None:
            self._text_part = index
        if piece.text:
            chunks.append(TextDelta(piece.text, 0, index, self._take_logprobs()))
        elif piece.type not in (None, "text", "thinking"):
            chunks.append(ProviderEvent(str(piece.type), {"index": index}, self._provider))

    def _thought_part(self, index: int | None) -> int:
        return self._thoughts.setdefault(index, len(self._thoughts))

    def _start_call(self, index: int | None, call: CallPiece, chunks: list[Chunk]) -> None:
        number = self._call_count
        self._call_count += 1
        self._calls[number if index is None else index] = number
        function = call.function
        name = function.name or "" if function is not None else ""
        arguments = function.arguments or "" if function is not None else ""
        chunks.append(ToolCallDelta(number, call.id or "", name, arguments))

    def _continue_call(self, index: int | None, call: CallPiece, chunks: list[Chunk]) -> None:
        """A fragment; without an index it belongs to the call that began last."""
        arguments = call.function.arguments if call.function is not None else None
        if not arguments:
            return
        if not self._call_count:
            raise ValueError("arguments of a call that never began")
        number = self._call_count - 1 if index is None else self._calls[index]
        chunks.append(ToolCallDelta(number, arguments=arguments))

    def _cite(self, found: dict[str, Any], chunks: list[Chunk]) -> None:
        if found.get("type", TEXT_CONTENT) not in (None, TEXT_CONTENT):
            chunks.append(ProviderEvent("citation", found, self._provider))  # of a thought, or of the plan
            return
        index = found.get("content_index")
        part = index if isinstance(index, int) else self._text_part
        chunks.append(CitationDelta(to_citation(found), 0, part))

    def _end(self, change: EndChange, chunks: list[Chunk]) -> None:
        raw = change.finish_reason or None
        if change.usage is not None:
            chunks.append(UsageUpdate(usage_of(change.usage)))
        if change.error or raw in FAILURES:
            raise self._failure(change)
        if self._logprobs:
            chunks.append(ProviderEvent("logprobs", msgspec.to_builtins(self._logprobs), self._provider))
        reason = FINISH_REASONS.get(raw or "", "tool_calls" if raw is None and self._call_count else "stop")
        chunks.append(Finish(reason, raw=raw))
        self.finished = True

    def _take_logprobs(self) -> tuple[TokenLogprob, ...] | None:
        items, self._logprobs = self._logprobs, []
        return tuple(_logprob(item) for item in items if item.logprobs) or None

    # -- a whole answer

    def _whole(self, body: Body, chunks: list[Chunk]) -> None:
        message = body.message
        chunks.append(StreamStart(body.id or None))
        self._logprobs = body.logprobs or []
        if message.tool_plan:
            chunks.append(ReasoningDelta(message.tool_plan, 0, self._thought_part(None), id=PLAN_ID))
        content = message.content
        blocks: list[dict[str, Any]] = (
            [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        )
        for index, block in enumerate(blocks):
            kind = block.get("type")
            if kind in ("text", "thinking"):
                self._add_content(index, msgspec.convert(block, ContentPiece), chunks)
            else:
                chunks.append(ProviderEvent(str(kind), block, self._provider, content=True))
        for call in message.tool_calls or ():
            self._start_call(None, call, chunks)
        for found in message.citations or ():
            self._cite(found, chunks)
        self._end(EndChange(body.finish_reason, body.error, body.usage), chunks)

    # -- what is not as it should be

    def _read_unusual(self, frame: Frame, error: Exception, chunks: list[Chunk]) -> None:
        """An event that is not in the union: unknown to us, or broken."""
        data = frame.data.strip()
        if not data or data == b"[DONE]":  # after `message-end`, which has ended the answer already
            return
        try:
            event = msgspec.json.decode(data)
        except UNREADABLE as unreadable:
            raise self._nonsense("an event that is not JSON", frame.data) from unreadable
        if not isinstance(event, dict):
            raise self._nonsense("an event that is not an object", frame.data)
        kind = event.get("type")
        if kind in EVENT_TYPES:
            raise self._nonsense(f"a {kind} event that makes no sense ({error})", frame.data) from error
        if event.get("error") or frame.event == "error" or (kind is None and isinstance(event.get("message"), str)):
            raise error_in_stream(event, provider=self._provider, model=self._model)
        chunks.append(ProviderEvent(str(kind or frame.event), event, self._provider))

    def _failure(self, change: EndChange) -> ExLLMError:
        """What is billed all the same is in the error's `body`."""
        reason = change.finish_reason
        facts = {
            "message": change.error or f"the provider ended the answer with {reason}",
            "type": FAILURES.get(reason or "", "server_error"),
            "code": reason,
            "usage": msgspec.to_builtins(change.usage),
        }
        return error_in_stream(facts, provider=self._provider, model=self._model)

    def _not_an_answer(self, data: bytes, error: Exception) -> ExLLMError:
        try:
            found = msgspec.json.decode(data)
        except UNREADABLE:
            found = None
        if isinstance(found, dict) and (found.get("error") or isinstance(found.get("message"), str)):
            return error_in_stream(found, provider=self._provider, model=self._model)
        return self._nonsense(f"an answer that makes no sense ({error})", data)

    def _nonsense(self, what: str, data: bytes) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )


def _logprob(item: LogprobItem) -> TokenLogprob:
    """Of a piece of several tokens, whose texts are not told apart, it is the probability of all of them in a row."""
    return TokenLogprob(item.text or "", sum(item.logprobs or ()))
