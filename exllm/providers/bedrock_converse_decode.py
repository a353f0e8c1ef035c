"""Answers of Converse and ConverseStream to chunks.

The index of a content block is the `part` of its text, reasoning and citations, so that blocks go back one by one. The
terminal event is ``metadata``, which brings the usage after ``messageStop``.
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ProtocolError, StreamInterrupted
from exllm.providers.bedrock_converse_blocks import BEDROCKS, OpenImage, OpenResult, claudes_redacted, to_citation
from exllm.providers.bedrock_converse_events import (
    DECODERS,
    BlockDelta,
    BlockStart,
    BlockStop,
    Delta,
    Event,
    ImagePiece,
    MessageStart,
    MessageStop,
    Metadata,
    ReasoningPiece,
    decode_body,
    decode_delta,
    decode_tool_use,
)
from exllm.providers.bedrock_errors import error_of_frame
from exllm.providers.bedrock_models import family_of
from exllm.providers.bedrock_usage import usage_of
from exllm.streaming.aws_eventstream import EventStreamFrame
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
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "refusal",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, *UNREADABLE)
"""What reading a field of the wrong type raises; told as a `ProtocolError` that shows the event."""


class ConverseDecoder:
    """See `StreamDecoder`. One per answer.

    Args:
        provider, model: for errors; the model as it was asked for.
        answering: the model's own id where it was asked for by another name. Answers do not name it.
    """

    __slots__ = (
        "_answering",
        "_call_count",
        "_calls",
        "_model",
        "_open",
        "_provider",
        "_signer",
        "_started",
        "_stop",
        "_tools_wanted",
        "_trace",
        "_undelivered",
        "finished",
    )  # fmt: skip

    def __init__(self, provider: str, model: str, answering: str | None = None) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._answering = answering
        self._signer = None if family_of(answering or model) == "anthropic" else BEDROCKS
        self._started = False
        self._calls: dict[int, int] = {}  # index of a block -> number of the call
        self._call_count = 0
        self._tools_wanted = False
        self._open: dict[int, OpenResult | OpenImage] = {}  # blocks that are handed on when they are complete
        self._stop: MessageStop | None = None
        self._trace: dict[str, Any] | None = None  # of the metadata, once they are there
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the terminal event are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        append = chunks.append
        for frame in frames:
            if frame.event == "contentBlockDelta":
                try:
                    event = decode_delta(frame.data)
                    if text := event.delta.text:
                        append(TextDelta(text, 0, event.contentBlockIndex))
                        continue
                    self._add_piece(event.contentBlockIndex, event.delta, frame.data, chunks)
                except MISSHAPEN as error:
                    raise self.nonsense("an event that makes no sense", frame.data) from error
            else:
                self._read(frame, chunks)
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
            "the answer ended without its metadata event", provider=self._provider, model=self._model
        )

    def handle(self, event: Event, data: bytes, chunks: list[Chunk]) -> None:
        """One event. Raises one of `MISSHAPEN` for fields of the wrong type."""
        match event:
            case BlockDelta():
                self._add_piece(event.contentBlockIndex, event.delta, data, chunks)
            case BlockStart():
                self._start_block(event.contentBlockIndex, event.start, chunks)
            case BlockStop():
                self._stop_block(event.contentBlockIndex, chunks)
            case MessageStart():
                if self._started:  # a gateway that lost its upstream and tried again
                    raise StreamInterrupted(
                        "the provider dropped the answer midway and began another one",
                        provider=self._provider,
                        model=self._model,
                    )
                self._started = True
                chunks.append(StreamStart(model=self._answering))
            case MessageStop():
                self._stop = event
                if event.additionalModelResponseFields:
                    fields = event.additionalModelResponseFields
                    chunks.append(ProviderEvent("additionalModelResponseFields", fields, self._provider))
                self._finish_if_whole(chunks)
            case Metadata():
                self._report(event, chunks)
                self._trace = event.trace or {}
                self._finish_if_whole(chunks)

    def add_block(self, index: int, raw: msgspec.Raw, chunks: list[Chunk]) -> None:
        """A block of a whole answer, as its pieces would have come. Raises one of `MISSHAPEN`."""
        block = msgspec.json.decode(raw)
        match block:
            case {"text": str(text)}:
                self._add_piece(index, Delta(text=text), raw, chunks)
            case {"toolUse": dict(call)}:
                self._start_block(index, block, chunks)
                arguments = bytes(decode_tool_use(raw).toolUse.input).decode()
                # A stream has no piece of arguments for a call without any.
                if call.get("input"):
                    chunks.append(ToolCallDelta(self._calls[index], arguments=arguments))
            case {"reasoningContent": {"reasoningText": {"text": str(text), **rest}}}:
                self._add_reasoning(index, ReasoningPiece(text=text), chunks)
                self._add_reasoning(index, msgspec.convert(rest, ReasoningPiece), chunks)
            case {"reasoningContent": {"redactedContent": str(redacted)}}:
                self._add_reasoning(index, ReasoningPiece(redactedContent=redacted), chunks)
            case {"citationsContent": dict(cited)}:
                sources = cited.get("citations") or ()
                chunks += [CitationDelta(to_citation(source), 0, index) for source in sources]
                for piece in cited.get("content") or ():
                    self._add_piece(index, msgspec.convert({"text": piece["text"]}, Delta), raw, chunks)
            case {"image": {"format": str(image_format), **rest}}:
                image = OpenImage(image_format)
                image.add(msgspec.convert(rest, ImagePiece))
                chunks.append(image.build(self._provider))
            case {**others} if others:  # the results of the service's own tools, and what is to come
                kind = str(next(iter(others)))
                chunks.append(ProviderEvent(kind, block, self._provider, True))
            case _:
                raise TypeError("a content block without content")

    def nonsense(self, what: str, data: bytes | msgspec.Raw) -> ProtocolError:
        """The error for something that cannot be read; shows its beginning."""
        snippet = bytes(data)[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )

    def _read(self, frame: Frame, chunks: list[Chunk]) -> None:
        if isinstance(frame, EventStreamFrame) and frame.message_type != "event":
            raise error_of_frame(frame, provider=self._provider, model=self._model)
        decoder = DECODERS.get(frame.event)
        if decoder is None:
            self._pass_on(frame, chunks)
            return
        try:
            self.handle(decoder.decode(frame.data), frame.data, chunks)
        except MISSHAPEN as error:
            raise self.nonsense(f"a {frame.event} event that makes no sense", frame.data) from error

    def _pass_on(self, frame: Frame, chunks: list[Chunk]) -> None:
        """An event that we do not know."""
        if frame.event == "initial-response":  # of the event-stream protocol itself; holds nothing here
            return
        try:
            fields = msgspec.json.decode(frame.data)
        except UNREADABLE as error:
            raise self.nonsense("an event that is not JSON", frame.data) from error
        if isinstance(fields, dict):
            fields.pop("p", None)
        chunks.append(ProviderEvent(frame.event, fields, self._provider))

    def _start_block(self, index: int, start: dict[str, Any], chunks: list[Chunk]) -> None:
        match start:
            case {"toolUse": {"toolUseId": str(call_id), "name": str(name), **rest}}:
                number = self._calls[index] = self._call_count
                self._call_count += 1
                is_services = rest.get("type") == "server_tool_use"
                self._tools_wanted = self._tools_wanted or not is_services
                chunks.append(ToolCallDelta(number, call_id, name, provider_executed=is_services))
            case {"toolResult": dict(fields)}:
                self._open[index] = OpenResult(fields)
            case {"image": {"format": str(image_format)}}:
                self._open[index] = OpenImage(image_format)
            case {"toolUse": _} | {"image": _} | {"toolResult": _}:
                raise TypeError("a content block without its fields")
            case {**others} if any(others.values()):
                chunks.append(ProviderEvent("contentBlockStart", others, self._provider))

    def _stop_block(self, index: int, chunks: list[Chunk]) -> None:
        block = self._open.pop(index, None)
        if block is not None:
            chunks.append(block.build(self._provider))

    def _add_piece(self, index: int, delta: Delta, data: bytes | msgspec.Raw, chunks: list[Chunk]) -> None:
        if delta.text is not None:
            if delta.text:
                chunks.append(TextDelta(delta.text, 0, index))
        elif delta.toolUse is not None:
            if delta.toolUse.input:
                chunks.append(ToolCallDelta(self._calls[index], arguments=delta.toolUse.input))
        elif delta.reasoningContent is not None:
            self._add_reasoning(index, delta.reasoningContent, chunks)
        elif delta.citation is not None:
            chunks.append(CitationDelta(to_citation(delta.citation), 0, index))
        elif delta.toolResult is not None:
            block = self._open[index]
            if not isinstance(block, OpenResult):
                raise TypeError("a piece of a tool's result in another block")
            block.add(delta.toolResult)
        elif delta.image is not None:
            block = self._open[index]
            if not isinstance(block, OpenImage):
                raise TypeError("a piece of an image in another block")
            block.add(delta.image)
        else:
            fields = msgspec.json.decode(data).get("delta")
            if fields:
                chunks.append(ProviderEvent("contentBlockDelta", fields, self._provider))

    def _add_reasoning(self, index: int, piece: ReasoningPiece, chunks: list[Chunk]) -> None:
        if piece.text:
            chunks.append(ReasoningDelta(piece.text, 0, index))
        if piece.signature:
            chunks.append(ReasoningDelta(part=index, signature=piece.signature, id=self._signer))
        if piece.redactedContent:
            claudes = claudes_redacted(piece.redactedContent) if self._signer is None else None
            redacted, signer = (piece.redactedContent, BEDROCKS) if claudes is None else (claudes, None)
            chunks.append(ReasoningDelta(part=index, redacted=redacted, id=signer))

    def _report(self, event: Metadata, chunks: list[Chunk]) -> None:
        tier = (event.serviceTier or {}).get("type")
        if event.usage:
            usage = usage_of(event.usage, tier=tier if isinstance(tier, str) else None)
            chunks.append(UsageUpdate(usage))
            if server_tools := event.usage.get("serverToolUsage"):
                chunks.append(ProviderEvent("usage", {"serverToolUsage": server_tools}, self._provider))
        chunks += [
            ProviderEvent(name, value, self._provider)
            for name in ("metrics", "trace", "performanceConfig")
            if (value := getattr(event, name))
        ]
        if routed := ((event.trace or {}).get("promptRouter") or {}).get("invokedModelId"):
            chunks.append(StreamStart(model=str(routed).rpartition("/")[2]))

    def _finish_if_whole(self, chunks: list[Chunk]) -> None:
        """Both the reason and the usage are there: nothing of the answer can follow."""
        if self._stop is None or self._trace is None:
            return
        for index in list(self._open):
            self._stop_block(index, chunks)
        raw = self._stop.stopReason
        reason = FINISH_REASONS.get(raw or "", "tool_calls" if raw is None and self._tools_wanted else "stop")
        chunks.append(Finish(reason, raw=raw, message=self._explanation(raw)))
        self.finished = True

    def _explanation(self, reason: str | None) -> str | None:
        if reason == "guardrail_intervened":
            explained = ((self._trace or {}).get("guardrail") or {}).get("actionReason")
            return explained if isinstance(explained, str) else None
        if reason == "stop_sequence" and self._stop is not None:
            fields = self._stop.additionalModelResponseFields
            found = fields.get("stop_sequence") if isinstance(fields, dict) else None
            return found if isinstance(found, str) else None
        return None


def read_body(body: bytes, provider: str, model: str, answering: str | None = None) -> list[Chunk]:
    """The chunks of a whole answer: those that its stream would have given, each block in one piece."""
    decoder = ConverseDecoder(provider, model, answering)
    chunks: list[Chunk] = []
    try:
        answer = decode_body(body)
    except UNREADABLE as error:
        raise decoder.nonsense("an answer that is not one of Converse", body) from error
    try:
        decoder.handle(MessageStart(), b"", chunks)
        for index, block in enumerate(answer.output.message.content):
            decoder.add_block(index, block, chunks)
        decoder.handle(MessageStop(answer.stopReason, answer.additionalModelResponseFields), b"", chunks)
        decoder.handle(answer, b"", chunks)
    except MISSHAPEN as error:
        raise decoder.nonsense("an answer that makes no sense", body) from error
    return chunks
