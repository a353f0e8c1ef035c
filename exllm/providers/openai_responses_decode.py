"""Answers of the Responses API to chunks, streamed or whole.

The type inside the JSON decides, never the name of the SSE event. The answer ends with ``response.completed``,
``response.incomplete`` or ``response.failed``; nothing else does, ``[DONE]`` included, which some services add.
Source: https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.openai_responses_events import (
    EVENT_TYPES,
    SILENT,
    AnnotationAdded,
    ArgumentsPiece,
    AudioPiece,
    Completed,
    Created,
    Error,
    Event,
    Failed,
    Head,
    Incomplete,
    InProgress,
    InputPiece,
    ItemAdded,
    ItemDone,
    Queued,
    ReasoningPiece,
    RefusalPiece,
    SummaryPiece,
    TextPiece,
    TranscriptPiece,
    decode_event,
    decode_number,
)
from exllm.providers.openai_responses_finish import INCOMPLETE, failure
from exllm.providers.openai_responses_items import ItemDecoder
from exllm.providers.openai_responses_places import OutputItems
from exllm.providers.openai_responses_usage import unnamed, usage_of
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    Finish,
    FinishReason,
    ProviderEvent,
    StreamStart,
    TextDelta,
    UsageUpdate,
)
from exllm.types.cursor import StreamHandle
from exllm.types.request import Request
from exllm.types.tool import ServerTool

SNIPPET_CHARS = 200

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, *UNREADABLE)
"""What reading a field of the wrong type raises; told as a `ProtocolError` that shows the event."""

ECHOED_FIELDS = frozenset(
    {
        "access_programs", "background", "billing", "completed_at", "conversation", "frequency_penalty", "image",
        "instructions", "max_output_tokens", "max_tool_calls", "metadata", "object", "output_text",
        "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "store", "temperature",
        "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
    }
)  # fmt: skip
"""Fields of a response that only repeat the request, or what other fields say."""
_NAMED_FIELDS = ECHOED_FIELDS | {
    "created_at", "error", "id", "incomplete_details", "model", "output", "service_tier", "status", "tool_usage",
    "usage",
}  # fmt: skip
"""With those that the chunks have a name for. All others are passed on."""
_YOURS = frozenset({"function", "custom"})  # types of tools that the caller runs
_UNDER_WAY = frozenset({"queued", "in_progress"})
"""Of a response that the provider makes in the background: it can be asked for by its id."""


class ResponsesDecoder:
    """See `StreamDecoder`. One per answer.

    Attributes:
        response_id: under which the provider may keep the response; None before its first event, empty if it has none.
    """

    __slots__ = (
        "_audio_rest",
        "_audio_type",
        "_decoder",
        "_hot_content",
        "_hot_number",
        "_hot_output",
        "_is_kept",
        "_items",
        "_last_data",
        "_model",
        "_provider",
        "_undelivered",
        "finished",
        "response_id",
    )  # fmt: skip

    def __init__(self, request: Request, provider: str) -> None:
        self.finished = False
        self.response_id: str | None = None
        self._is_kept = request.extra.get("background") is True
        self._provider = provider
        self._model = request.model
        self._decoder = ItemDecoder(provider, keep_ids=offers_server_tools(request))
        self._items = OutputItems(self._decoder)
        # The text that is being written: a piece that continues it costs two comparisons.
        self._hot_output = self._hot_content = self._hot_number = -1
        self._audio_rest = ""
        audio = request.options.audio or request.extra.get("audio")
        audio_format = audio.get("format") if isinstance(audio, dict) else None
        self._audio_type = f"audio/{'pcm' if audio_format == 'pcm16' else audio_format}" if audio_format else None
        self._undelivered: list[Chunk] = []
        self._last_data = b""

    @property
    def sequence_number(self) -> int | None:
        """The number of the last event whose chunks were given; a kept stream can be had from the next one on."""
        number = sequence_number_of(self._last_data)
        return None if number is None else int(number)

    @property
    def handle(self) -> StreamHandle | None:
        """Where the stream goes on; None for one that is not made in the background, and not kept as a stream."""
        number = sequence_number_of(self._last_data)
        if not self._is_kept or self.response_id is None or number is None:
            return None
        return StreamHandle(self.response_id, number)

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the terminal event are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        append = chunks.append
        decode, hot_event, hot_chunk = decode_event, TextPiece, TextDelta  # locals are faster
        output, content, number = self._hot_output, self._hot_content, self._hot_number
        try:
            for frame in frames:
                try:
                    event = decode(frame.data)
                except UNREADABLE as error:
                    self._read_unusual(frame, error, chunks)
                    continue
                if (
                    type(event) is hot_event
                    and event.output_index == output
                    and event.content_index == content
                    and not event.logprobs
                ):
                    if text := event.delta:
                        append(hot_chunk(text, 0, number))
                    continue
                try:
                    self._handle(event, frame, chunks)
                except MISSHAPEN as error:
                    raise self._nonsense("an event that makes no sense", frame.data) from error
                if self.finished:
                    break
                output, content, number = self._hot_output, self._hot_content, self._hot_number
        except ExLLMError:
            self._remember(frames[: frames.index(frame)])
            raise
        self._remember(frames)
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
            "the answer ended without its response.completed event", provider=self._provider, model=self._model
        )

    def whole(self, body: bytes) -> list[Chunk]:
        """The chunks of an unstreamed answer: those that its stream would have given, each text in one piece."""
        chunks: list[Chunk] = []
        try:
            response = msgspec.json.decode(body)
        except UNREADABLE as error:
            raise self._nonsense("an answer that is not JSON", body) from error
        if not isinstance(response, dict) or not isinstance(response.get("output"), list):
            if isinstance(response, dict) and any(response.get(name) for name in ("error", "detail", "message")):
                raise error_in_stream(response, provider=self._provider, model=self._model)
            raise self._nonsense("an answer that is not a response", body)
        try:
            self._begin(msgspec.convert(response, Head), chunks)
            self._end(response, chunks)
        except MISSHAPEN as error:
            raise self._nonsense("an answer that makes no sense", body) from error
        return chunks

    def _remember(self, frames: Sequence[Frame]) -> None:
        """Keep the last one that has a number."""
        for frame in reversed(frames):
            if b'"sequence_number"' in frame.data:
                self._last_data = frame.data
                break

    # -- events

    def _handle(self, event: Event, frame: Frame, chunks: list[Chunk]) -> None:
        match event:
            case TextPiece():
                self._add_text(event, chunks)
            case ArgumentsPiece() | InputPiece():
                state = self._items.find(event.output_index, event.item_id, "function_call")
                if state.call is None:
                    raise self._nonsense("arguments of a call that never began", frame.data)
                self._decoder.add_arguments(state, event.delta, chunks)
            case SummaryPiece(summary_index=index):
                state = self._items.find(event.output_index, event.item_id, "reasoning")
                self._decoder.add_thought(state, state.summaries, index, event.delta, chunks)
            case ReasoningPiece(content_index=index):
                state = self._items.find(event.output_index, event.item_id, "reasoning")
                self._decoder.add_thought(state, state.contents, index, event.delta, chunks)
            case ItemAdded(item=item, output_index=place):
                self._hot_output = -1
                self._items.add(item, place, chunks)
            case ItemDone(item=item, output_index=place):
                self._items.finish(item, place, chunks)
            case RefusalPiece():
                state = self._items.find(event.output_index, event.item_id, "message")
                self._decoder.add_refusal(state, event.delta, chunks)
            case AnnotationAdded(annotation=annotation):
                if annotation is not None:
                    state = self._items.find(event.output_index, event.item_id, "message")
                    part = self._decoder.text_part(state, event.content_index)
                    self._decoder.add_citation(part, annotation, chunks)
            case Created() | Queued() | InProgress():
                self._begin(event.response, chunks)
            case AudioPiece(delta=letters):
                self._add_audio(letters, chunks)
            case TranscriptPiece(delta=text):
                chunks.append(AudioDelta(transcript=text))
            case Completed() | Incomplete():
                self._begin(msgspec.convert(event.response, Head), chunks)
                self._end(event.response, chunks, cut_short=type(event) is Incomplete)
            case Failed(response=response, error=error):
                self._begin(msgspec.convert(response, Head), chunks)
                self._end({"error": error, **response}, chunks, failed=True)
            case Error():
                raise failure(msgspec.json.decode(frame.data), self._provider, self._model)

    def _begin(self, head: Head, chunks: list[Chunk]) -> None:
        """The response begins.

        It is said again as it goes on. Another one in its place comes from a gateway that lost its upstream.
        """
        if self.response_id is None:
            self.response_id = head.id or ""
            created = None if head.created_at is None else int(head.created_at)
            chunks.append(StreamStart(head.id or None, head.model or None, created))
        elif head.id and self.response_id and head.id != self.response_id and self._items:
            raise StreamInterrupted(
                "the provider dropped the answer midway and began another one",
                provider=self._provider,
                model=self._model,
            )

    def _add_text(self, event: TextPiece, chunks: list[Chunk]) -> None:
        state = self._items.find(event.output_index, event.item_id, "message")
        part = self._decoder.text_part(state, event.content_index)
        self._decoder.add_text(part, event.delta, event.logprobs, chunks)
        if event.output_index is not None:
            self._hot_output, self._hot_content, self._hot_number = (
                event.output_index, event.content_index, part.number
            )  # fmt: skip

    def _end(
        self, response: dict[str, Any], chunks: list[Chunk], *, failed: bool = False, cut_short: bool = False
    ) -> None:
        """The response is over, and says once more what it was."""
        self._items.finish_all(response.get("output") or [], chunks)
        self._count(response, chunks)
        status = response.get("status")
        error = response.get("error")
        if failed or error or status in ("failed", "cancelled"):
            if status == "cancelled" and not error:
                error = {"message": "the response was cancelled", "code": "cancelled", "type": "invalid_request_error"}
            raise failure(error, self._provider, self._model)
        for name, value in response.items():
            if name not in _NAMED_FIELDS and value:
                chunks.append(ProviderEvent(name, value, self._provider))
        self._finish(response, status, cut_short, chunks)
        self.finished = True

    def _count(self, response: dict[str, Any], chunks: list[Chunk]) -> None:
        usage = response.get("usage")
        if not isinstance(usage, dict):
            return
        chunks.append(UsageUpdate(usage_of(usage, response.get("tool_usage"), response.get("service_tier"))))
        if details := unnamed(usage, response.get("tool_usage")):
            chunks.append(ProviderEvent("usage", details, self._provider))

    def _finish(self, response: dict[str, Any], status: Any, cut_short: bool, chunks: list[Chunk]) -> None:
        if status in _UNDER_WAY:
            chunks.append(ProviderEvent(f"response.{status}", {"id": response.get("id")}, self._provider))
            return  # no answer yet, so there is no reason for its end either
        reason: FinishReason = "stop"
        raw = status if isinstance(status, str) else None
        if status == "incomplete" or cut_short:
            details = response.get("incomplete_details") or {}
            why = details.get("reason")
            reason = "length" if why is None else INCOMPLETE.get(str(why), "stop")
            raw = why or raw or "incomplete"
        elif self._decoder.calls_for_caller:
            reason = "tool_calls"
        elif self._decoder.is_refused:
            reason = "refusal"
        chunks.append(Finish(reason, raw=raw if isinstance(raw, str) else None))

    def _add_audio(self, letters: str, chunks: list[Chunk]) -> None:
        letters = self._audio_rest + letters
        ready = len(letters) - len(letters) % 4
        self._audio_rest = letters[ready:]
        if data := base64.b64decode(letters[:ready], validate=True):
            chunks.append(AudioDelta(data, self._audio_type))

    # -- what is not in the protocol

    def _read_unusual(self, frame: Frame, error: Exception, chunks: list[Chunk]) -> None:
        """An event that is not in the union: unknown to us, or broken."""
        data = frame.data.strip()
        if not data or data == b"[DONE]":
            return
        try:
            event = msgspec.json.decode(data)
        except UNREADABLE as unreadable:
            raise self._nonsense("an event that is not JSON", data) from unreadable
        if not isinstance(event, dict):
            raise self._nonsense("an event that is not an object", data)
        kind = event.get("type")
        if kind in SILENT:
            return
        if kind in EVENT_TYPES:
            raise self._nonsense(f"a {kind} event that makes no sense ({error})", data) from error
        is_named = isinstance(kind, str) and kind.startswith("response.") and kind != "response.error"
        if (event.get("error") and not is_named) or frame.event == "error":  # in the shape of another API, by a gateway
            raise error_in_stream(event, provider=self._provider, model=self._model)
        chunks.append(ProviderEvent(str(kind or frame.event), event, self._provider))

    def _nonsense(self, what: str, data: bytes) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )


def offers_server_tools(request: Request) -> bool:
    """Whether the answer may hold items of tools that the provider runs."""
    tools = request.options.tools or ()
    given = [tool.definition.get("type") for tool in tools if isinstance(tool, ServerTool)]
    more = request.extra.get("tools")
    given += [tool.get("type") for tool in more if isinstance(tool, dict)] if isinstance(more, list | tuple) else []
    return bool(request.options.web_search) or any(kind not in _YOURS for kind in given)


def sequence_number_of(data: bytes) -> str | None:
    """The number of an event, which says where a kept stream goes on after it."""
    try:
        number = decode_number(data).sequence_number if data else None
    except UNREADABLE:
        return None
    return None if number is None else str(number)
