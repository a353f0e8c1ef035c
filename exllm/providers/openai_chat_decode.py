"""Answers of Chat Completions to chunks: frame by frame for streams, in one go for whole bodies, by the same code.

Sources: platform.openai.com/docs/api-reference/chat/streaming and /object; openrouter.ai/docs/api-reference/errors
(errors in streams); the recorded answers in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.openai_chat_beside import BesideChoices, says_something
from exllm.providers.openai_chat_choice import ChoiceDecoder
from exllm.providers.openai_chat_events import (
    UNREADABLE,
    Body,
    ChoiceEvent,
    Delta,
    Event,
    FirstEvent,
    WholeChoice,
    decode_any,
    decode_body,
    decode_event,
    decode_first_event,
    decode_forgiving,
    service_tier,
    snippet,
)
from exllm.providers.openai_chat_finish import failure_code, finish_reason
from exllm.providers.openai_chat_plain import plain_answer
from exllm.providers.openai_chat_template import TextTemplate, ends_alike, string_inside
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, Finish, FinishReason, ProviderEvent, TextDelta
from exllm.types.request import Request

_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/opus", "aac": "audio/aac"}
_PINGS = frozenset({"ping", "keepalive", "heartbeat"})
_KNOWN_KEYS = frozenset({"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier", "usage"})
_LACKS_LAST = "the stream ended before the provider said that the answer was complete"


class OpenAIChatDecoder:
    """Implements `exllm.providers.wire.StreamDecoder` for Chat Completions.

    The terminal event is ``[DONE]``. A body that ends without it is whole when every choice had its finish reason
    (Perplexity and others never send ``[DONE]``), else `close` raises `StreamInterrupted`. A finish reason does not
    make it `finished`, as the usage comes after it.
    """

    _body_type: type[Body] = Body

    __slots__ = (
        "_audio_type",
        "_beside",
        "_choices",
        "_finishes",
        "_n",
        "_out",
        "_request",
        "_silent",
        "_template",
        "finished",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        options = request.options
        self.finished = False
        self._request = request
        self._n = options.n or _whole_number(request.extra.get("n")) or 1
        self._out: list[Chunk] = []
        self._choices: dict[int, ChoiceDecoder] = {}
        self._finishes: dict[int, str | None] = {}
        self._silent: dict[int, Event] = {}  # by choice: a frame of it that says nothing
        self._beside = BesideChoices(request.provider)
        self._template = TextTemplate()
        audio = options.audio or request.extra.get("audio")
        audio_format = str(audio.get("format")) if isinstance(audio, dict) else ""
        self._audio_type = _AUDIO_TYPES.get(audio_format, "audio/pcm" if audio_format == "pcm16" else None)

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        out: list[Chunk] = []
        self._out = out
        if self.finished:
            return out
        append = out.append
        choices_seen = self._choices
        silent = self._silent
        template = self._template
        prefix, middle, tail, start, width, text_index = template.shape
        for frame in frames:
            data = frame.data
            if data[:start] == prefix:
                end = data.find(b'"', start)
                after = end + width
                if data[end:after] == middle and ends_alike(data, after, tail):
                    text = string_inside(data[start:end])
                    if text is not None:
                        template.matched = True
                        if text:
                            append(TextDelta(text, text_index))
                        continue
            if not choices_seen:
                self._first(frame)
                continue
            try:
                event = decode_event(data)
            except UNREADABLE:
                self._unreadable(frame, Event)
                if self.finished:
                    break
                continue
            choices = event.choices
            # One choice with a piece of text and nothing else: most frames of most streams. With the text taken out,
            # such a frame is equal to one that says nothing: one comparison looks at every field there is.
            if choices is not None and len(choices) == 1 and (delta := choices[0].delta) is not None:
                content = delta.content
                if type(content) is str:
                    delta.content = None
                    index = choices[0].index or 0
                    if event == silent.get(index):
                        if content:
                            append(TextDelta(content, index))
                            prefix, middle, tail, start, width, text_index = template.learn(data, content, index)
                        continue
                    delta.content = content
            self._event(event, frame)
        self._out = []
        return out

    def take(self) -> list[Chunk]:
        """See `StreamDecoder.take`."""
        out, self._out = self._out, []
        return out

    def close(self) -> list[Chunk]:
        """See `StreamDecoder.close`."""
        if not self.finished and any(index not in self._finishes for index in self._expected()):
            raise StreamInterrupted(_LACKS_LAST, provider=self._request.provider, model=self._request.model)
        return []

    # -- one frame

    def _first(self, frame: Frame) -> None:
        """Frames up to the first one that has a choice."""
        try:
            event = decode_first_event(frame.data)
        except UNREADABLE:
            self._unreadable(frame, FirstEvent)
            return
        self._beside.begin(event, self._out)
        self._event(event, frame)

    def _unreadable(self, frame: Frame, type_: type[Event] | type[FirstEvent]) -> None:
        data = frame.data.strip()
        if data == b"[DONE]":
            self._done()
            return
        if not data:
            return
        try:
            event, surprises = decode_forgiving(data, type_)
        except ProtocolError as error:
            if frame.event == "error" or data[:1] == b"[":  # its text is the error; or Gemini's list of one error
                failure = self._listed_failure(data, named=frame.event == "error")
                if failure is not None:
                    raise failure from error
            raise self._blamed(error) from error.__cause__
        self._surprised(surprises)
        if isinstance(event, FirstEvent):
            self._beside.begin(event, self._out)
        self._event(event, frame)

    def _event(self, event: Event, frame: Frame) -> None:
        """Any frame, field by field."""
        if event.error is not None or frame.event == "error":
            raise self._failure(self._plain(frame.data))
        x_groq = event.x_groq
        if x_groq is not None and x_groq.error is not None:
            raise self._failure({"error": x_groq.error})
        if event.choices:
            for choice in event.choices:
                self._choice(choice.index or 0, choice.delta, choice, whole=False)
        elif event.usage is None and x_groq is None and not says_something(event):
            self._unknown(frame)
        if event.usage is not None and event.usage.service_tier is None:
            self._beside.tier = service_tier(frame.data) or self._beside.tier
        self._beside.add(event, self._out)

    def _unknown(self, frame: Frame) -> None:
        """No choices and no usage: a ping, an empty frame, or an event that the protocol does not know."""
        data = self._plain(frame.data)
        kind = frame.event
        if kind == "message":
            kind = _string(data.get("type")) or _string(data.get("object")) or kind
        if kind in _PINGS:
            return
        extras = [name for name, value in data.items() if name not in _KNOWN_KEYS and value is not None]
        if "choices" not in data or extras:
            event = extras[0] if "choices" in data else kind
            self._out.append(ProviderEvent(event, data, self._request.provider))

    def _done(self) -> None:
        if not self._choices:
            raise StreamInterrupted(
                "the stream ended without any answer", provider=self._request.provider, model=self._request.model
            )
        self.finished = True
        for index in self._expected():
            if index in self._choices and index not in self._finishes:
                self._finish(index, None)  # Snowflake gives no reasons

    def _expected(self) -> list[int]:
        return sorted({*range(self._n), *self._choices})

    # -- one choice

    def _choice(self, index: int, delta: Delta | None, choice: ChoiceEvent | WholeChoice, *, whole: bool) -> None:
        decoder = self._choices.get(index)
        if decoder is None:
            decoder = self._choices[index] = ChoiceDecoder(index, self._request.provider, self._audio_type)
            if not whole:
                self._silent[index] = self._saying_nothing(index)
        try:
            decoder.decode(delta, choice.logprobs, self._out, whole=whole)
        except ProtocolError as error:
            raise self._blamed(error) from error.__cause__
        if choice.error is not None:
            raise self._failure({"error": choice.error})
        self._filters(index, decoder, choice.content_filter_results)
        if choice.finish_reason:
            self._finish(index, choice.finish_reason)

    def _filters(self, index: int, decoder: ChoiceDecoder, found: dict[str, Any] | None) -> None:
        """What Azure's filters found. It is told once, although it comes again with every piece of text."""
        if found and decoder.filtered != found:
            decoder.filtered = found
            self._out.append(ProviderEvent("content_filter_results", found, self._request.provider, index=index))
        if silent := self._silent.get(index):
            for choice in silent.choices or ():
                choice.content_filter_results = found  # the next frame with the same says nothing by that

    def _saying_nothing(self, index: int) -> Event:
        """The frame of a choice without its text, when there is nothing else to it."""
        return Event([ChoiceEvent(Delta(), index=index)])

    def _finish(self, index: int, raw: str | None) -> None:
        code = None if raw is None else failure_code(raw)
        if code is not None:
            raise self._failure({"error": {"message": f"the provider ended the answer with {raw!r}", "code": code}})
        if index in self._finishes and self._finishes[index] == raw:  # OpenRouter says it again with the usage
            return
        self._finishes[index] = raw
        reason: FinishReason
        if raw is None:
            reason = "tool_calls" if self._choices[index].calls_for_caller else "stop"
        else:
            reason = finish_reason(raw)
        self._out.append(Finish(reason, index, raw))

    # -- whole bodies

    def whole(self, data: bytes, body: Body | None) -> list[Chunk]:
        """The chunks of an unstreamed answer: `data`, read as `body` where it is what it should be."""
        if body is None:
            try:
                body, surprises = decode_forgiving(data, self._body_type)
            except ProtocolError as error:
                raise self._blamed(error) from error.__cause__
            self._surprised(surprises)
        if body.error is not None:
            raise self._failure(self._plain(data))
        if body.x_groq is not None and body.x_groq.error is not None:
            raise self._failure({"error": body.x_groq.error})
        if not body.choices:
            raise self._choiceless(data)
        self._beside.begin(body, self._out)
        for position, choice in enumerate(body.choices):
            index = position if choice.index is None else choice.index
            self._choice(index, choice.message, choice, whole=True)
            if index not in self._finishes:
                self._finish(index, None)
        self._beside.add(body, self._out)
        self.finished = True
        return self.take()

    def _choiceless(self, data: bytes) -> ExLLMError:
        raw = self._plain(data)
        if any(raw.get(name) for name in ("detail", "message", "errors")):
            return self._failure(raw)
        return self._blamed(ProtocolError(f"an answer without choices: {snippet(data)}"))

    # -- errors

    def _listed_failure(self, data: bytes, *, named: bool) -> ExLLMError | None:
        try:
            raw = decode_any(data)
        except ProtocolError:
            raw = data.decode("utf-8", "replace")
        listed = isinstance(raw, list) and raw and isinstance(raw[0], dict) and "error" in raw[0]
        return self._failure(raw) if named or listed else None

    def _plain(self, data: bytes) -> Any:
        try:
            return decode_any(data)
        except ProtocolError as error:
            raise self._blamed(error) from error.__cause__

    def _surprised(self, surprises: dict[str, Any]) -> None:
        if surprises:
            self._out.append(ProviderEvent("unreadable_fields", surprises, self._request.provider))

    def _failure(self, data: Any) -> ExLLMError:
        return error_in_stream(data, provider=self._request.provider, model=self._request.model)

    def _blamed(self, error: ProtocolError) -> ProtocolError:
        error.provider, error.model = self._request.provider, self._request.model
        return error


def decode_answer(data: bytes, request: Request) -> list[Chunk]:
    """The chunks of an unstreamed answer. Raises what `Wire.decode_body` raises."""
    try:
        body = decode_body(data)
    except UNREADABLE:
        return OpenAIChatDecoder(request).whole(data, None)
    return plain_answer(body, request.provider) or OpenAIChatDecoder(request).whole(data, body)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
