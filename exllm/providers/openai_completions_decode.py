"""Answers of text completion to chunks: those of Chat Completions with a `text` where that has a `delta`.

Mistral answers to a text in the form of Chat Completions; both forms are read. With several prompts in one request the
choices are numbered through: those of the first prompt come first.
Source: platform.openai.com/docs/api-reference/completions/object, the recorded answers in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exllm.providers.openai_chat_decode import OpenAIChatDecoder
from exllm.providers.openai_chat_events import (
    UNREADABLE,
    Body,
    ChoiceEvent,
    Delta,
    Event,
    FirstEvent,
    WholeChoice,
)
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, TextDelta
from exllm.types.request import Request


class TextChoice(ChoiceEvent, gc=False):
    text: str | None = None


class WholeText(WholeChoice, gc=False):
    text: str | None = None


class TextEvent(Event, gc=False):
    """One frame of a stream."""

    choices: list[TextChoice] | None = None  # type: ignore[assignment]  # a list of a narrower kind


class FirstTextEvent(FirstEvent, gc=False):
    """The first frame of a stream."""

    choices: list[TextChoice] | None = None  # type: ignore[assignment]


class TextBody(Body, gc=False):
    """A whole, unstreamed answer."""

    choices: list[WholeText] | None = None  # type: ignore[assignment]


_decode_event = msgspec.json.Decoder(TextEvent).decode
_decode_first = msgspec.json.Decoder(FirstTextEvent).decode
_decode_body = msgspec.json.Decoder(TextBody).decode


class OpenAICompletionsDecoder(OpenAIChatDecoder):
    """Implements `exllm.providers.wire.StreamDecoder` for text completion; see `OpenAIChatDecoder`."""

    _body_type = TextBody

    __slots__ = ()

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        prompts = request.extra.get("prompt")
        if isinstance(prompts, list | tuple) and prompts and not isinstance(prompts[0], int):
            self._n *= len(prompts)

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        out: list[Chunk] = []
        self._out = out
        if self.finished:
            return out
        append, choices_seen, silent = out.append, self._choices, self._silent
        for frame in frames:
            if not choices_seen:
                self._first(frame)
                continue
            try:
                event = _decode_event(frame.data)
            except UNREADABLE:
                self._unreadable(frame, TextEvent)
                if self.finished:
                    break
                continue
            # As in Chat Completions: most frames are a piece of text and nothing else.
            choices = event.choices
            if choices is not None and len(choices) == 1:
                choice = choices[0]
                text = choice.text
                if type(text) is str:
                    choice.text = None
                    index = choice.index or 0
                    if event == silent.get(index):
                        if text:
                            append(TextDelta(text, index))
                        continue
                    choice.text = text
            self._event(event, frame)
        self._out = []
        return out

    def _first(self, frame: Frame) -> None:
        try:
            event = _decode_first(frame.data)
        except UNREADABLE:
            self._unreadable(frame, FirstTextEvent)
            return
        self._beside.begin(event, self._out)
        self._event(event, frame)

    def _choice(self, index: int, delta: Delta | None, choice: ChoiceEvent | WholeChoice, *, whole: bool) -> None:
        if delta is None and isinstance(choice, TextChoice | WholeText) and choice.text is not None:
            delta = Delta(choice.text)
        super()._choice(index, delta, choice, whole=whole)

    def _saying_nothing(self, index: int) -> Event:
        return TextEvent(choices=[TextChoice(index=index)])


def decode_completion(data: bytes, request: Request) -> list[Chunk]:
    """The chunks of an unstreamed answer. Raises what `Wire.decode_body` raises."""
    body: TextBody | None
    try:
        body = _decode_body(data)
    except UNREADABLE:
        body = None
    return OpenAICompletionsDecoder(request).whole(data, body)
