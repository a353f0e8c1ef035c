"""Answers of the Interactions API to chunks, streamed or whole.

An interaction is a series of steps: thoughts, calls, results of Google's own tools, what the model says. A stream tells
of each when it begins, as it grows, and when it ends. The answer ends with ``interaction.completed``, whatever the
status in it is; nothing else does.
Source: https://ai.google.dev/gemini-api/docs/streaming
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from exllm.errors import ProtocolError, StreamInterrupted
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.gemini_interactions_events import EVENT_TYPES, NOTHING, decode_event
from exllm.providers.gemini_interactions_finish import FAILED, UNDER_WAY, failure, finish_of
from exllm.providers.gemini_interactions_steps import Step, StepReader
from exllm.providers.gemini_interactions_usage import unnamed, usage_of
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, ProviderEvent, StreamStart, TextDelta, UsageUpdate
from exllm.types.cursor import StreamHandle
from exllm.types.usage import Provenance

SNIPPET_CHARS = 200
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, *UNREADABLE)
"""What reading a field of the wrong type raises; told as a `ProtocolError` that shows the event."""

# Fields of an interaction that the chunks have a name for, or that only repeat the request; all others are passed on.
_NAMED_FIELDS = frozenset(
    {
        "agent", "agent_config", "background", "cached_content", "created", "environment", "error", "errors",
        "generation_config", "id", "input", "labels", "model", "object", "output_audio", "output_image", "output_text",
        "output_video", "previous_interaction_id", "response_format", "response_mime_type", "response_modalities",
        "role", "safety_settings", "service_tier", "status", "steps", "store", "stream", "system_instruction", "tools",
        "updated", "usage", "webhook_config",
    }
)  # fmt: skip


class InteractionDecoder:
    """See `StreamDecoder`. One per answer.

    Args:
        provider, model: for chunks and errors.
        keeps_text: keep the text, to tell in characters what sources support.

    Attributes:
        interaction_id: of the interaction, once it is known; None where nothing is stored.
        last_event_id: of the last event that had an id: what a broken stream is resumed from.
    """

    __slots__ = (
        "_hot_index",
        "_hot_part",
        "_model",
        "_open",
        "_provider",
        "_reader",
        "_started",
        "_undelivered",
        "finished",
        "interaction_id",
        "last_event_id",
    )  # fmt: skip

    def __init__(self, provider: str, model: str, *, keeps_text: bool = False) -> None:
        self.finished = False
        self.interaction_id: str | None = None
        self.last_event_id: str | None = None
        self._provider = provider
        self._model = model
        self._reader = StepReader(provider, keeps_text=keeps_text)
        self._open: dict[int | None, Step] = {}
        self._started = False
        # The text that is being written: a piece that continues it costs a few comparisons.
        self._hot_index: int | None = -1
        self._hot_part = -1
        self._undelivered: list[Chunk] = []

    @property
    def handle(self) -> StreamHandle | None:
        """Where the stream goes on; None for an interaction that is not stored."""
        if not self.interaction_id or not self.last_event_id:
            return None
        return StreamHandle(self.interaction_id, self.last_event_id)

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the terminal event are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        for frame in frames:
            try:
                event = decode_event(frame.data)
            except UNREADABLE as error:
                self._read_unusual(frame, error, chunks)
                continue
            if event.event_id is not None:
                self.last_event_id = event.event_id
            delta = event.delta
            if (
                delta is not None
                and event.index == self._hot_index
                and delta.type == "text"
                and event.event_type == "step.delta"
                and event.metadata is NOTHING
            ):
                if delta.text:
                    self._reader.note(delta.text)
                    chunks.append(TextDelta(delta.text, 0, self._hot_part))
                continue
            try:
                self._handle(msgspec.json.decode(frame.data), frame, chunks)
            except MISSHAPEN as error:
                raise self._nonsense(f"an event that makes no sense ({error})", frame.data) from error
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
            "the answer ended without its interaction.completed event", provider=self._provider, model=self._model
        )

    def whole(self, body: bytes) -> list[Chunk]:
        """The chunks of an unstreamed answer: those that its stream would have given, each text in one piece."""
        chunks: list[Chunk] = []
        try:
            interaction = msgspec.json.decode(body)
        except UNREADABLE as error:
            raise self._nonsense("an answer that is not JSON", body) from error
        if not isinstance(interaction, dict) or not isinstance(interaction.get("status"), str):
            if isinstance(interaction, dict) and interaction.get("error"):
                raise error_in_stream(interaction, provider=self._provider, model=self._model)
            raise self._nonsense("an answer that is not an interaction", body)
        try:
            self._begin(interaction, chunks)
            self._end(interaction, chunks)
        except MISSHAPEN as error:
            raise self._nonsense(f"an answer that makes no sense ({error})", body) from error
        return chunks

    # -- events

    def _handle(self, event: dict[str, Any], frame: Frame, chunks: list[Chunk]) -> None:
        index: int | None = event.get("index")
        match event.get("event_type"):
            case "step.delta":
                self._grow(index, event["delta"], chunks)
                self._count((event.get("metadata") or {}).get("total_usage"), chunks)
            case "step.start":
                self._end_step(index, chunks)
                self._open[index] = self._reader.begin(event["step"], chunks)
            case "step.stop":
                self._end_step(index, chunks)
                self._count(event.get("usage"), chunks)
            case "interaction.created":
                self._begin(event["interaction"], chunks)
            case "interaction.status_update":
                self._count(event.get("usage"), chunks)
                if event.get("continuation_token") or event.get("status") not in UNDER_WAY:
                    chunks.append(ProviderEvent("interaction.status_update", event, self._provider))
            case "interaction.completed":
                interaction = event["interaction"]
                self._begin(interaction, chunks)
                for open_index in list(self._open):
                    self._end_step(open_index, chunks)
                self._end(interaction, chunks)
            case "error":
                raise failure(event.get("error"), self._provider, self._model)
            case other:
                if event.get("error") or frame.event == "error":  # in the shape of another API, by a gateway
                    raise error_in_stream(event, provider=self._provider, model=self._model)
                chunks.append(ProviderEvent(str(other or frame.event), event, self._provider))

    def _grow(self, index: int | None, delta: dict[str, Any], chunks: list[Chunk]) -> None:
        step = self._open.get(index)
        if step is None:
            step = self._open[index] = self._reader.begin_unannounced(delta, chunks)
        self._reader.grow(step, delta, chunks)
        self._hot_index, self._hot_part = (index, step.part) if step.is_writing else (-1, -1)

    def _end_step(self, index: int | None, chunks: list[Chunk]) -> None:
        step = self._open.pop(index, None)
        if step is not None:
            self._reader.end(step, chunks)
        self._hot_index = -1

    def _begin(self, interaction: dict[str, Any], chunks: list[Chunk]) -> None:
        if self._started:
            return
        self._started = True
        self.interaction_id = interaction.get("id") or None  # "" where it is not stored
        model = interaction.get("model") or interaction.get("agent")
        created = _unix_time(interaction.get("created"))
        chunks.append(msgspec.convert({"type": "stream_start", "id": self.interaction_id, "model": model,
                                       "created": created}, StreamStart))  # fmt: skip

    def _end(self, interaction: dict[str, Any], chunks: list[Chunk]) -> None:
        """The interaction is over, or runs on without us."""
        if not self._reader.has_read:  # a stream leaves them out, having told of them before
            for step in interaction.get("steps") or ():
                self._reader.end(self._reader.begin(step, chunks), chunks)
        self._count(interaction.get("usage"), chunks, interaction)
        status = interaction["status"]
        if status in FAILED:
            errors = interaction.get("errors") or [interaction.get("error")]
            raise failure(errors[0] or self._reader.error, self._provider, self._model, status)
        for name, value in interaction.items():
            if name not in _NAMED_FIELDS and value:
                chunks.append(ProviderEvent(name, value, self._provider))
        if status in UNDER_WAY:
            chunks.append(ProviderEvent(f"interaction.{status}", {"id": self.interaction_id}, self._provider))
        else:
            chunks.append(finish_of(status, self._reader))
        self.finished = True

    def _count(self, counts: Any, chunks: list[Chunk], interaction: dict[str, Any] | None = None) -> None:
        """Token counts; they are final with the interaction."""
        if not counts:
            return
        tier = None if interaction is None else interaction.get("service_tier")
        provenance: Provenance = "partial" if interaction is None else "reported"
        chunks.append(UsageUpdate(usage_of(counts, provenance, len(self._reader.searches), tier)))
        if interaction is not None and (more := unnamed(counts)):
            chunks.append(ProviderEvent("usage", more, self._provider))

    # -- what is not in the protocol

    def _read_unusual(self, frame: Frame, error: Exception, chunks: list[Chunk]) -> None:
        """An event that is unknown to us, or broken."""
        data = frame.data.strip()
        if not data or data == b"[DONE]":
            return
        try:
            event = msgspec.json.decode(data)
        except UNREADABLE as unreadable:
            raise self._nonsense("an event that is not JSON", data) from unreadable
        if not isinstance(event, dict):
            raise self._nonsense("an event that is not an object", data)
        kind = event.get("event_type")
        if not isinstance(kind, str | None) or kind in EVENT_TYPES:
            raise self._nonsense(f"an event that makes no sense ({error})", data) from error
        self._handle(event, frame, chunks)

    def _nonsense(self, what: str, data: bytes) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )


def _unix_time(text: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp()) if text else None
    except ValueError:
        return None


def event_id_of(data: bytes) -> str | None:
    """The id of an event, which says where a kept stream goes on after it."""
    try:
        return decode_event(data).event_id
    except UNREADABLE:
        return None
