"""Fold chunks into a response: the one place where `chat` and `stream` agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from exllm.streaming.choice_builder import ChoiceBuilder
from exllm.streaming.text_pieces import CountedText, TextPieces
from exllm.streaming.usage_counts import UNKNOWN_USAGE, UsageCounts
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.response import Response


class Accumulator:
    """Collects the chunks of one answer; `response` may be asked at any time, and again.

    Memory stays within twice the text, whatever the number of chunks.

    Args:
        provider: name for the response and for `ProviderPart`.
        model: the model asked for; replaced when the provider names a more exact one.
        keep_content: False keeps no content at all, only usage, finish reasons and ids, for streams of any length.

    Attributes:
        usage: what the provider has reported so far.
    """

    __slots__ = (
        "_append",
        "_choices",
        "_counts",
        "_discarded",
        "_open",
        "_open_index",
        "_open_part",
        "_reported_late",
        "_start",
        "model",
        "provider",
        "usage",
    )  # fmt: skip

    def __init__(self, provider: str, model: str, *, keep_content: bool = True) -> None:
        self.provider = provider
        self.model = model
        self.usage = UNKNOWN_USAGE
        self._counts = UsageCounts()
        self._reported_late = False  # with the answer or after it, not only before it
        self._discarded = None if keep_content else CountedText()
        self._choices: dict[int, ChoiceBuilder] = {}
        self._start: StreamStart | None = None
        # The text part that is being written: a chunk that continues it costs one append to a list.
        self._open: TextPieces | CountedText | None = None
        self._open_index = -1
        self._open_part = -1
        self._append: Callable[[str], Any] = _nowhere

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Fold the next chunks, in order."""
        for chunk in chunks:
            if (
                type(chunk) is TextDelta
                and chunk.part == self._open_part
                and chunk.index == self._open_index
                and chunk.logprobs is None
            ):
                self._append(chunk.text)
            else:
                self._add_other(chunk)
        if self._open is not None:
            self._open.tidy()

    def _add_other(self, chunk: Chunk) -> None:
        kind = type(chunk)
        if kind is UsageUpdate:
            self.usage = self._counts.add(self.usage, chunk.usage)  # type: ignore[union-attr]
            if self._choices:
                self._reported_late = True
            return
        if kind is StreamStart:
            if self._start is None or self._start.id is None:  # some say it at the end
                self._start = chunk  # type: ignore[assignment]
            self.model = chunk.model or self.model  # type: ignore[union-attr]
            return
        choice = self._choices.get(chunk.index)
        if choice is None:
            choice = self._choices[chunk.index] = ChoiceBuilder(chunk.index, self.provider)
        if isinstance(chunk, Finish):
            choice.finish = chunk
        elif self._discarded is not None:
            self._open, self._append = self._discarded, self._discarded.append
            self._append(_text_of(chunk))
            if isinstance(chunk, TextDelta):
                self._open_index, self._open_part = chunk.index, chunk.part
        elif isinstance(chunk, TextDelta):
            pieces = choice.text_builder(chunk.part).pieces
            pieces.append(chunk.text)
            if chunk.logprobs is not None:
                choice.logprobs.extend(chunk.logprobs)
            self._open, self._append = pieces, pieces.append
            self._open_index, self._open_part = chunk.index, chunk.part
        else:
            choice.add(chunk)

    @property
    def characters(self) -> int:
        """How many there are in the answer so far, with reasoning and the arguments of calls."""
        discarded = 0 if self._discarded is None else self._discarded.characters
        return discarded + sum(choice.characters for choice in self._choices.values())

    @property
    def is_counted(self) -> bool:
        """The reported output tokens are those of the answer so far, not those of one that was about to begin."""
        return (self._reported_late or self.has_finished) and self.usage.output_tokens is not None

    @property
    def is_empty(self) -> bool:
        """Neither anything of an answer nor usage has come."""
        return not self._choices and self.usage is UNKNOWN_USAGE

    @property
    def has_finished(self) -> bool:
        """Every choice that was begun has come to its end; usage may still follow."""
        return bool(self._choices) and all(choice.finish is not None for choice in self._choices.values())

    def response(self) -> Response:
        """The answer so far. A choice without a `Finish` has `finish_reason` None and the usage is then not final."""
        builders = self._choices
        choices = tuple(builders[index].build() for index in sorted(builders)) if len(builders) != 1 else (
            next(iter(builders.values())).build(),
        )  # fmt: skip
        usage = self.usage
        if usage.provenance == "reported" and not (choices and all(choice.finish_reason for choice in choices)):
            usage = msgspec.structs.replace(usage, provenance="partial")
        start = self._start
        return Response(
            choices,
            usage,
            model=self.model,
            provider=self.provider,
            id=start.id if start else None,
            created=start.created if start else None,
        )


def _nowhere(_text: str) -> None:
    """Where text goes before any part of it was begun: there is none."""


def _text_of(chunk: Chunk) -> str:
    match chunk:
        case TextDelta(text=text) | ReasoningDelta(reasoning=text) | RefusalDelta(refusal=text):
            return text
        case ToolCallDelta(arguments=text) | AudioDelta(transcript=text):
            return text
        case _:
            return ""
