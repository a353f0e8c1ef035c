"""One choice of an answer, put together from its chunks."""

from __future__ import annotations

from typing import TypeVar

from exllm.streaming.text_pieces import TextPieces
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
    TokenLogprob,
    ToolCallDelta,
)
from exllm.types.message import Message
from exllm.types.parts import Audio, Citation, Image, Part, ProviderPart, Reasoning, Refusal, Text, ToolCall
from exllm.types.response import Choice


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


class ChoiceBuilder:
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
