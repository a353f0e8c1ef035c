"""Fold chunks into a response: the one place where `chat` and `stream` agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from exllm.streaming.text_pieces import CountedText, TextPieces
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    CitationDelta,
    Finish,
    FinishReason,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.message import Message
from exllm.types.parts import Audio, Citation, Image, Part, ProviderPart, Reasoning, Refusal, Text, ToolCall
from exllm.types.response import Choice, Response
from exllm.types.usage import Usage

_UNKNOWN_USAGE = Usage()


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
        "_counted",
        "_discarded",
        "_open",
        "_open_index",
        "_open_part",
        "_reported_late",
        "_start",
        "_uncounted",
        "_updates",
        "model",
        "provider",
        "usage",
    )  # fmt: skip

    def __init__(self, provider: str, model: str, *, keep_content: bool = True) -> None:
        self.provider = provider
        self.model = model
        self.usage = _UNKNOWN_USAGE
        self._counted: Callable[[Usage], tuple[Any, ...]] | None = (
            None  # the counts that there are, once they come again
        )
        self._uncounted = 0  # how many there are not
        self._updates = 0
        self._reported_late = False
        self._discarded = None if keep_content else CountedText()
        self._choices: dict[int, _ChoiceBuilder] = {}
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
            self._count(chunk.usage)  # type: ignore[union-attr]
            self._reported_late = bool(self._choices)
            return
        if kind is StreamStart:
            if self._start is None or self._start.id is None:  # some say it at the end
                self._start = chunk  # type: ignore[assignment]
            self.model = chunk.model or self.model  # type: ignore[union-attr]
            return
        choice = self._choices.get(chunk.index)
        if choice is None:
            choice = self._choices[chunk.index] = _ChoiceBuilder(chunk.index, self.provider)
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

    def _count(self, usage: Usage) -> None:
        """Take newer counts. Some services send all of them anew with every piece: those need no merging."""
        if (
            self._counted is not None
            and None not in self._counted(usage)
            and msgspec.structs.astuple(usage).count(None) == self._uncounted
        ):
            self.usage = usage
            return
        merged = self.usage = merge_usage(self.usage, usage)
        self._updates += 1
        if self._updates > 2:  # one at the start and one at the end are usual, and teach nothing
            names = [name for name in Usage.__struct_fields__ if getattr(merged, name) is not None]
            self._counted = attrgetter("provenance", *names)  # with two names it gives a tuple
            self._uncounted = len(Usage.__struct_fields__) - len(names)

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
        return not self._choices and self.usage is _UNKNOWN_USAGE

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


def fold(chunks: list[Chunk], provider: str, model: str) -> Response:
    """The response of a whole answer. What `Accumulator` makes of it; the commonest kind in the short way."""
    if len(chunks) <= _MOST_PLAIN:
        return _fold_plain(chunks, provider, model) or _fold_any(chunks, provider, model)
    return _fold_any(chunks, provider, model)


_MOST_PLAIN = 6
"""Of an answer of one text: its start, the text, the counts, the end, and what the provider says besides."""


def _fold_plain(chunks: list[Chunk], provider: str, model: str) -> Response | None:
    start: StreamStart | None = None
    text: TextDelta | None = None
    usage: UsageUpdate | None = None
    finish: Finish | None = None
    for chunk in chunks:
        kind = type(chunk)
        if chunk.index:
            return None
        if kind is TextDelta and text is None:
            text = chunk  # type: ignore[assignment]
        elif kind is StreamStart and start is None:
            start = chunk  # type: ignore[assignment]
        elif kind is UsageUpdate and usage is None:
            usage = chunk  # type: ignore[assignment]
        elif kind is Finish and finish is None:
            finish = chunk  # type: ignore[assignment]
        elif kind is not ProviderEvent or chunk.content:  # type: ignore[union-attr]
            return None
    if start is None or text is None or usage is None or finish is None or text.logprobs is not None:
        return None
    choice = Choice(Message("assistant", text.text), 0, finish.reason, finish.raw, finish.message)
    name = start.model or model
    return Response((choice,), usage.usage, model=name, provider=provider, id=start.id, created=start.created)


def _fold_any(chunks: list[Chunk], provider: str, model: str) -> Response:
    accumulator = Accumulator(provider, model)
    accumulator.add(chunks)
    return accumulator.response()


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


def merge_usage(old: Usage, new: Usage) -> Usage:
    """The fields of `new` where it sets them, those of `old` elsewhere."""
    if old is _UNKNOWN_USAGE:
        return new
    kept = {
        name: value
        for name in Usage.__struct_fields__
        if getattr(new, name) is None and (value := getattr(old, name)) is not None
    }
    return msgspec.structs.replace(new, **kept) if kept else new


class _TextBuilder:
    __slots__ = ("citations", "pieces")

    def __init__(self) -> None:
        self.pieces = TextPieces()
        self.citations: list[Citation] = []

    def build(self, _key: object) -> Part:
        return Text(self.pieces.text(), tuple(self.citations))


class _ReasoningBuilder:
    __slots__ = ("id", "pieces", "redacted", "signature")

    def __init__(self) -> None:
        self.pieces = TextPieces()
        self.signature: str | None = None
        self.redacted: str | None = None
        self.id: str | None = None

    def add(self, chunk: ReasoningDelta) -> None:
        self.pieces.append(chunk.reasoning)
        self.pieces.tidy()
        if chunk.signature is not None:
            self.signature = (self.signature or "") + chunk.signature
        if chunk.redacted is not None:
            self.redacted = (self.redacted or "") + chunk.redacted
        self.id = chunk.id or self.id

    def build(self, _key: object) -> Part:
        return Reasoning(self.pieces.text(), self.signature, self.redacted, self.id)


class _CallBuilder:
    __slots__ = ("id", "name", "pieces", "provider_executed", "signature")

    def __init__(self) -> None:
        self.pieces = TextPieces()
        self.id = ""
        self.name = ""
        self.provider_executed = False
        self.signature: str | None = None

    def add(self, chunk: ToolCallDelta) -> None:
        self.pieces.append(chunk.arguments)
        self.pieces.tidy()
        self.id = self.id or chunk.id
        self.name = self.name or chunk.name
        self.provider_executed = self.provider_executed or chunk.provider_executed
        self.signature = chunk.signature or self.signature

    def build(self, key: object) -> Part:
        # Some servers give no ids; results must still be matched to calls.
        call_id = self.id or f"call_{key[2]}_{key[1]}"  # type: ignore[index]
        return ToolCall(call_id, self.name, self.pieces.text(), self.provider_executed, self.signature)


class _RefusalBuilder:
    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces = TextPieces()

    def add(self, chunk: RefusalDelta) -> None:
        self.pieces.append(chunk.refusal)
        self.pieces.tidy()

    def build(self, _key: object) -> Part:
        return Refusal(self.pieces.text())


class _AudioBuilder:
    __slots__ = ("_data", "id", "media_type", "pieces")

    def __init__(self) -> None:
        self._data = bytearray()
        self.pieces = TextPieces()
        self.id: str | None = None
        self.media_type: str | None = None

    def add(self, chunk: AudioDelta) -> None:
        self._data += chunk.data
        self.pieces.append(chunk.transcript)
        self.pieces.tidy()
        self.id = chunk.id or self.id
        self.media_type = chunk.media_type or self.media_type

    def build(self, _key: object) -> Part:
        return Audio(
            data=bytes(self._data),
            media_type=self.media_type or "application/octet-stream",
            id=self.id,
            transcript=self.pieces.text() or None,
        )


class _WholePart:
    __slots__ = ("_part",)

    def __init__(self, part: Part) -> None:
        self._part = part

    def build(self, _key: object) -> Part:
        return self._part


_Builder = _TextBuilder | _ReasoningBuilder | _CallBuilder | _RefusalBuilder | _AudioBuilder | _WholePart
B = TypeVar("B", _TextBuilder, _ReasoningBuilder, _CallBuilder, _RefusalBuilder, _AudioBuilder)
_Key = tuple[str, int, int]  # kind, number within the kind, choice


class _ChoiceBuilder:
    """The parts of one choice, in the order in which they began."""

    __slots__ = ("_index", "_parts", "_provider", "finish", "logprobs")

    def __init__(self, index: int, provider: str) -> None:
        self._index = index
        self._provider = provider
        self._parts: dict[_Key, _Builder] = {}
        self.finish: Finish | None = None
        self.logprobs: list[TokenLogprob] = []

    def text_builder(self, part: int) -> _TextBuilder:
        return self._get("text", part, _TextBuilder)

    def add(self, chunk: Chunk) -> None:
        match chunk:
            case ToolCallDelta():
                self._get("call", chunk.call, _CallBuilder).add(chunk)
            case ReasoningDelta():
                self._get("reasoning", chunk.part, _ReasoningBuilder).add(chunk)
            case CitationDelta():
                self.text_builder(chunk.part).citations.append(chunk.citation)
            case RefusalDelta():
                self._get("refusal", 0, _RefusalBuilder).add(chunk)
                if chunk.logprobs is not None:
                    self.logprobs.extend(chunk.logprobs)
            case AudioDelta():
                self._get("audio", 0, _AudioBuilder).add(chunk)
            case ImageDelta():
                if chunk.url is not None:
                    self._append("image", Image(url=chunk.url))
                elif chunk.data is not None:
                    self._append("image", Image(data=chunk.data, media_type=chunk.media_type or "image/png"))
            case ProviderEvent(content=True, data=dict()):
                self._append("provider", ProviderPart(chunk.provider or self._provider, chunk.data))

    @property
    def characters(self) -> int:
        return sum(part.pieces.characters for part in self._parts.values() if not isinstance(part, _WholePart))

    def build(self) -> Choice:
        parts = tuple(builder.build(key) for key, builder in self._parts.items())
        content: str | tuple[Part, ...] = parts
        if not parts:
            content = ""
        elif len(parts) == 1 and type(parts[0]) is Text and not parts[0].citations:
            content = parts[0].text
        finish = self.finish
        reason: FinishReason | None = finish.reason if finish else None
        return Choice(
            Message("assistant", content),
            self._index,
            reason,
            finish.raw if finish else None,
            finish.message if finish else None,
            tuple(self.logprobs) or None,
        )

    def _get(self, kind: str, number: int, builder: type[B]) -> B:
        key = (kind, number, self._index)
        found = self._parts.get(key)
        if found is None:
            found = self._parts[key] = builder()
        return found  # type: ignore[return-value]

    def _append(self, kind: str, part: Part) -> None:
        self._parts[(kind, len(self._parts), self._index)] = _WholePart(part)
