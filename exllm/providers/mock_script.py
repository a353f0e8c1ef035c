"""What a mock says, and how that becomes chunks. Pure: no I/O, no clock."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

import msgspec

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
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.parts import Audio, Image, Part, ProviderPart, Reasoning, Refusal, Text, ToolCall
from exllm.types.request import Request
from exllm.types.response import Choice, Response
from exllm.types.usage import Usage

_WORDS = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")
_ARGUMENT_PIECE_CHARS = 8


class Wait(msgspec.Struct, frozen=True):
    """A pause of `seconds` in a script."""

    seconds: float


Item = str | Chunk | Part | Usage | Wait | BaseException
"""One step of a script: text, a chunk as it is, a part that is streamed in pieces, token counts, a pause, an error."""

Step = Chunk | Wait | BaseException

_CHUNKS = (
    StreamStart, TextDelta, ReasoningDelta, ToolCallDelta, AudioDelta, ImageDelta, CitationDelta, RefusalDelta,
    UsageUpdate, Finish, ProviderEvent,
)  # fmt: skip


class ScriptWriter:
    """Turns the items of one answer into chunks, and adds what a script need not say.

    A `StreamStart` comes first, token counts and a `Finish` for every choice come last, each unless the script has its
    own. Text comes word by word, reasoning too, the arguments of a tool call in pieces of 8 characters.

    Args:
        request: what is answered; its words are the counted input tokens.
        number: of the answer, for its id.
        usage: the counts to report; None counts words.
    """

    def __init__(self, request: Request, number: int, usage: Usage | None = None) -> None:
        self._request = request
        self._number = number
        self._usage = usage
        self._started = False
        self._counted = False
        self._pieces = 0
        self._calls: dict[int, int] = {}
        self._reasonings: dict[int, int] = {}
        self._reasons: dict[int, FinishReason | None] = {0: "stop"}  # None: the script has its own Finish

    def write(self, item: object) -> Iterator[Step]:
        """The steps of `item`. Raises `TypeError` for what is not an `Item`."""
        if isinstance(item, Wait):
            yield item
            return
        if isinstance(item, BaseException):
            yield copy.copy(item)  # each answer fails on its own: the library adds facts to its errors
            return
        yield from self._start(item)
        if isinstance(item, Response):
            for choice in item.choices:
                yield from self._choice(choice)
            if item.usage != Usage():
                yield self._count(item.usage)
            return
        yield from self._item(item)

    def end(self) -> Iterator[Chunk]:
        """What the script left out."""
        yield from self._start(None)
        if not self._counted:
            yield self._count(self._usage or self._count_words())
        for index, reason in self._reasons.items():
            if reason is not None:
                yield Finish(reason, index)

    def _start(self, first: object) -> Iterator[Chunk]:
        if not self._started:
            self._started = True
            if not isinstance(first, StreamStart):
                yield StreamStart(f"mock-{self._number}", self._request.model)

    def _item(self, item: object) -> Iterator[Chunk]:
        if isinstance(item, str):
            yield from self._text(item, 0, 0)
        elif isinstance(item, Usage):
            yield self._count(item)
        elif isinstance(item, _CHUNKS):
            yield self._noted(item)
        else:
            yield from self._part(item, 0)

    def _choice(self, choice: Choice) -> Iterator[Chunk]:
        self._reasons.setdefault(choice.index, "stop")
        for part in choice.message.parts:
            yield from self._part(part, choice.index)
        if choice.finish_reason is not None:
            finish = Finish(choice.finish_reason, choice.index, choice.raw_finish_reason, choice.finish_message)
            yield self._noted(finish)

    def _part(self, part: object, index: int) -> Iterator[Chunk]:
        match part:
            case Text():
                yield from self._text(part.text, index, 0)
                for citation in part.citations:
                    yield CitationDelta(citation, index)
            case Reasoning():
                number = self._reasonings[index] = self._reasonings.get(index, -1) + 1
                for word in _WORDS.findall(part.text):
                    self._pieces += 1
                    yield ReasoningDelta(word, index, number)
                if part.signature or part.redacted or part.id:
                    yield ReasoningDelta("", index, number, part.signature, part.redacted, part.id)
            case ToolCall():
                yield from self._call(part, index)
            case Refusal():
                self._reasons[index] = self._reasons.get(index, "stop") and "refusal"
                for word in _WORDS.findall(part.text):
                    yield RefusalDelta(word, index)
            case Audio():
                yield AudioDelta(part.data or b"", part.media_type, part.transcript or "", part.id, index=index)
            case Image():
                yield ImageDelta(part.data, part.url, part.media_type, index)
            case ProviderPart():
                yield ProviderEvent("part", part.data, part.provider, content=True, index=index)
            case _:
                raise TypeError(f"a mock's script cannot hold {part!r}; see exllm.testing.Item")

    def _text(self, text: str, index: int, part: int) -> Iterator[Chunk]:
        for word in _WORDS.findall(text):
            self._pieces += 1
            yield TextDelta(word, index, part)

    def _call(self, call: ToolCall, index: int) -> Iterator[Chunk]:
        number = self._calls[index] = self._calls.get(index, -1) + 1
        if not call.provider_executed:
            self._reasons[index] = self._reasons.get(index, "stop") and "tool_calls"
        yield ToolCallDelta(
            number, call.id, call.name, "", index, call.provider_executed, call.signature
        )  # fmt: skip
        for start in range(0, len(call.arguments), _ARGUMENT_PIECE_CHARS):
            self._pieces += 1
            yield ToolCallDelta(number, arguments=call.arguments[start : start + _ARGUMENT_PIECE_CHARS], index=index)

    def _noted(self, chunk: Chunk) -> Chunk:
        """Remember what of the frame the script has written itself."""
        self._reasons.setdefault(chunk.index, "stop")
        if isinstance(chunk, Finish):
            self._reasons[chunk.index] = None
        elif isinstance(chunk, UsageUpdate):
            self._counted = True
        elif isinstance(chunk, ToolCallDelta):
            self._calls[chunk.index] = max(chunk.call, self._calls.get(chunk.index, -1))
            if self._reasons[chunk.index] == "stop" and not chunk.provider_executed:
                self._reasons[chunk.index] = "tool_calls"
        return chunk

    def _count(self, usage: Usage) -> UsageUpdate:
        self._counted = True
        return UsageUpdate(usage)

    def _count_words(self) -> Usage:
        given = sum(len(message.text.split()) for message in self._request.messages)
        return Usage(given, self._pieces, given + self._pieces, provenance="reported")
