"""Answers of the Anthropic Messages API to chunks, streamed or whole.

The type inside the JSON decides, never the name of the SSE event. The index of a content block is the `part` of its
text, reasoning and citations, so that blocks go back one by one, each with its own citations. Blocks without a common
name (results of server tools, MCP calls, compactions, ...) become `ProviderEvent(content=True)` when they are complete.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ProtocolError, StreamInterrupted
from exllm.providers.anthropic_blocks import OpenBlock, call_signature, string, to_citation
from exllm.providers.anthropic_events import (
    EVENT_TYPES,
    PIECE_TYPES,
    UNNAMED_DELTA_FIELDS,
    BlockDelta,
    BlockStart,
    BlockStop,
    CitationPiece,
    Error,
    Event,
    JSONPiece,
    MessageDelta,
    MessageStart,
    MessageStop,
    Piece,
    Ping,
    SignaturePiece,
    TextPiece,
    ThinkingPiece,
    decode_block_input,
    decode_event,
)
from exllm.providers.anthropic_events import decode_body as decode_message
from exllm.providers.anthropic_plain import plain_answer
from exllm.providers.anthropic_usage import UsageCounter
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
    ToolCallDelta,
    UsageUpdate,
)

SNIPPET_CHARS = 200

FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "stop",
    "compaction": "stop",
}
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, *UNREADABLE)
"""What reading a field of the wrong type raises; told as a `ProtocolError` that shows the event."""
_PAUSED = "the turn is paused, not over: send the answer back as it is, and the model goes on"

# Fields of a message that the chunks have a name for, or that say nothing; all others are passed on.
_NAMED_FIELDS = frozenset({"id", "type", "role", "model", "content", "usage", "stop_reason", "stop_sequence"})


class MessagesDecoder:
    """See `StreamDecoder`. One per answer."""

    __slots__ = (
        "_call_count",
        "_calls",
        "_counter",
        "_inputs",
        "_message_id",
        "_model",
        "_open",
        "_provider",
        "_stop",
        "_tools_wanted",
        "_undelivered",
        "finished",
    )  # fmt: skip

    def __init__(self, provider: str, model: str) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._message_id: str | None = None
        self._counter = UsageCounter()
        self._stop: dict[str, Any] = {}
        self._calls: dict[int, int] = {}  # index of a tool block -> number of the call; some services repeat an index
        self._call_count = 0
        self._tools_wanted = False
        self._inputs: dict[int, str] = {}  # arguments that came whole with the start of a block
        self._open: dict[int, OpenBlock] = {}  # blocks without a common name, until they are complete
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the terminal event are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        append = chunks.append
        decode, hot_event, hot_piece, hot_chunk = decode_event, BlockDelta, TextPiece, TextDelta  # locals are faster
        for frame in frames:
            try:
                event = decode(frame.data)
            except UNREADABLE as error:
                self._read_unusual(frame, error, chunks)
                continue
            if type(event) is hot_event and type(piece := event.delta) is hot_piece:
                if text := piece.text:
                    append(hot_chunk(text, 0, event.index))
            else:
                try:
                    self._handle(event, frame, chunks)
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
            "the answer ended without its message_stop event", provider=self._provider, model=self._model
        )

    def start_block(self, index: int, raw: msgspec.Raw | bytes, chunks: list[Chunk]) -> None:
        """A content block begins. In an unstreamed answer, and from some compatible services, it comes whole.

        This and the next three raise one of `MISSHAPEN` for fields of the wrong type.
        """
        block = msgspec.json.decode(raw)
        kind = block.get("type") if isinstance(block, dict) else None
        match kind:
            case "text":
                chunks.extend(CitationDelta(to_citation(source), 0, index) for source in block.get("citations") or ())
                if text := string(block, "text"):
                    chunks.append(TextDelta(text, 0, index))
            case "thinking":
                if thought := string(block, "thinking"):
                    chunks.append(ReasoningDelta(thought, 0, index))
                if signature := string(block, "signature"):
                    chunks.append(ReasoningDelta(part=index, signature=signature))
            case "redacted_thinking":
                chunks.append(ReasoningDelta(part=index, redacted=string(block, "data")))
            case "tool_use" | "server_tool_use":
                self._start_call(index, block, raw, chunks)
            case str():
                self._open[index] = OpenBlock(block)
                if kind == "fallback":  # another model goes on from here
                    chunks.append(StreamStart(self._message_id or None, string(block.get("to") or {}, "model") or None))
            case _:
                raise self._nonsense("a content block without a type", raw)

    def stop_block(self, index: int, chunks: list[Chunk]) -> None:
        """A content block is complete."""
        arguments = self._inputs.pop(index, None)
        if arguments is not None:
            chunks.append(ToolCallDelta(self._calls[index], arguments=arguments))
        block = self._open.pop(index, None)
        if block is not None:
            content = block.build()
            chunks.append(ProviderEvent(content["type"], content, self._provider, True))

    def start_message(self, message: dict[str, Any], chunks: list[Chunk]) -> None:
        """The answer begins.

        A gateway that lost its upstream and tried again may splice a second answer into the first; gateways that only
        repeat the event exist as well (https://github.com/vercel/ai/issues/18331).
        """
        message_id = string(message, "id")
        if self._message_id is not None:
            if message_id == self._message_id:
                return
            raise StreamInterrupted(
                "the provider dropped the answer midway and began another one",
                provider=self._provider,
                model=self._model,
            )
        self._message_id = message_id
        chunks.append(StreamStart(message_id or None, string(message, "model") or None))
        usage = message.get("usage")
        if isinstance(usage, dict):
            self._counter.update(usage)
            chunks.append(UsageUpdate(self._counter.usage("partial")))
        self._pass_on(message, chunks)

    def update_message(self, delta: dict[str, Any], usage: dict[str, Any] | None, chunks: list[Chunk]) -> None:
        """The reason for the end, and the final counts. The reason is held back until the answer has ended."""
        self._stop.update({name: value for name, value in delta.items() if value is not None})
        if usage:
            self._counter.update(usage)
            chunks.append(UsageUpdate(self._counter.usage("reported")))
        self._pass_on(delta, chunks)

    def stop_message(self, chunks: list[Chunk]) -> None:
        """The answer has ended."""
        for index in list(self._open):
            self.stop_block(index, chunks)
        details = self._counter.unnamed()
        if details:
            chunks.append(ProviderEvent("usage", details, self._provider))
        raw = string(self._stop, "stop_reason") or None
        reason = FINISH_REASONS.get(raw or "", "tool_calls" if raw is None and self._tools_wanted else "stop")
        chunks.append(Finish(reason, raw=raw, message=self._explanation(raw)))
        self.finished = True

    def _handle(self, event: Event, frame: Frame, chunks: list[Chunk]) -> None:
        match event:
            case BlockDelta():
                self._add_piece(event.index, event.delta, frame, chunks)
            case BlockStart():
                self.start_block(event.index, event.content_block, chunks)
            case BlockStop():
                self.stop_block(event.index, chunks)
            case MessageStart():
                self.start_message(event.message, chunks)
            case MessageDelta():
                self.update_message(event.delta, event.usage, chunks)
                self._pass_on({name: getattr(event, name) for name in UNNAMED_DELTA_FIELDS}, chunks)
            case MessageStop():
                self.stop_message(chunks)
            case Error():
                raise error_in_stream(msgspec.json.decode(frame.data), provider=self._provider, model=self._model)
            case Ping():
                pass

    def _add_piece(self, index: int, piece: Piece, frame: Frame, chunks: list[Chunk]) -> None:
        match piece:
            case JSONPiece(partial_json=fragment):
                if fragment:
                    self._add_json(index, fragment, frame, chunks)
            case ThinkingPiece(thinking=thought):
                if thought:
                    chunks.append(ReasoningDelta(thought, 0, index))
            case SignaturePiece(signature=signature):
                chunks.append(ReasoningDelta(part=index, signature=signature))
            case CitationPiece(citation=source):
                chunks.append(CitationDelta(to_citation(source), 0, index))

    def _read_unusual(self, frame: Frame, error: Exception, chunks: list[Chunk]) -> None:
        """An event that is not in the union: unknown to us, or broken."""
        if frame.data.strip() == b"[DONE]":  # some compatible services end with OpenAI's marker as well
            return
        try:
            event = msgspec.json.decode(frame.data)
        except UNREADABLE as unreadable:
            raise self._nonsense("an event that is not JSON", frame.data) from unreadable
        if not isinstance(event, dict):
            raise self._nonsense("an event that is not an object", frame.data)
        kind = event.get("type")
        if not isinstance(kind, str) or kind not in EVENT_TYPES:
            if event.get("error") or frame.event == "error":  # an error in the shape of another API, from a gateway
                raise error_in_stream(event, provider=self._provider, model=self._model)
            chunks.append(ProviderEvent(str(kind or frame.event), event, self._provider))
            return
        delta, index = event.get("delta"), event.get("index")
        if kind == "content_block_delta" and isinstance(delta, dict):
            piece = delta.get("type")
            if piece is None or (isinstance(piece, str) and piece not in PIECE_TYPES):
                block = self._open.get(index) if isinstance(index, int) else None
                if block is not None:
                    block.add(delta)
                else:
                    chunks.append(ProviderEvent(piece or kind, event, self._provider))
                return
        raise self._nonsense(f"a {kind} event that makes no sense ({error})", frame.data) from error

    def _start_call(self, index: int, block: dict[str, Any], raw: msgspec.Raw | bytes, chunks: list[Chunk]) -> None:
        number = self._calls[index] = self._call_count
        self._call_count += 1
        is_servers = block["type"] == "server_tool_use"
        self._tools_wanted = self._tools_wanted or not is_servers
        arguments = block.get("input")
        if arguments:
            self._inputs[index] = bytes(decode_block_input(raw).input).decode()
        chunks.append(
            ToolCallDelta(
                number,
                string(block, "id"),
                string(block, "name"),
                provider_executed=is_servers,
                signature=call_signature(block),
            )
        )

    def _add_json(self, index: int, fragment: str, frame: Frame, chunks: list[Chunk]) -> None:
        call = self._calls.get(index)
        if call is not None:
            self._inputs.pop(index, None)  # streamed after all: the pieces are the arguments
            chunks.append(ToolCallDelta(call, arguments=fragment))
        elif index in self._open:
            self._open[index].json.append(fragment)
        else:
            raise self._nonsense("arguments of a call that never began", frame.data)

    def _pass_on(self, fields: dict[str, Any], chunks: list[Chunk]) -> None:
        for name, value in fields.items():
            if name not in _NAMED_FIELDS and value:
                chunks.append(ProviderEvent(name, value, self._provider))

    def _explanation(self, reason: str | None) -> str | None:
        match reason:
            case "stop_sequence":
                return string(self._stop, "stop_sequence") or None
            case "refusal":
                details = self._stop.get("stop_details") or {}
                return string(details, "explanation") or string(details, "category") or None
            case "pause_turn":
                return _PAUSED
        return None

    def _nonsense(self, what: str, data: bytes | msgspec.Raw) -> ProtocolError:
        snippet = bytes(data)[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )


def decode_body(body: bytes, provider: str, model: str) -> list[Chunk]:
    """The chunks of a whole answer: those that its stream would have given, each block in one piece."""
    plain = plain_answer(body)
    if plain is not None:
        return plain
    decoder = MessagesDecoder(provider, model)
    chunks: list[Chunk] = []
    try:
        message = msgspec.json.decode(body)
        if isinstance(message, dict) and (message.get("type") == "error" or "error" in message):
            raise error_in_stream(message, provider=provider, model=model)
        blocks = decode_message(body).content
    except UNREADABLE as error:
        raise decoder._nonsense("an answer that is not a message", body) from error
    try:
        decoder.start_message({"id": message.get("id"), "model": message.get("model")}, chunks)
        for index, block in enumerate(blocks):
            decoder.start_block(index, block, chunks)
            decoder.stop_block(index, chunks)
        decoder.update_message(message, message.get("usage"), chunks)
        decoder.stop_message(chunks)
    except MISSHAPEN as error:
        raise decoder._nonsense("an answer that makes no sense", body) from error
    return chunks
