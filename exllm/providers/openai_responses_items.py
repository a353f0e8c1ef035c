"""Output items of the Responses API to chunks: piece by piece, or whole.

Whatever came in pieces is not said again when the item is done; whatever did not, is said then. So a whole answer gives
the same chunks as its stream. Items without a common name (searches, code interpreter, MCP, compactions, ...) become
``ProviderEvent(content=True)`` when they are done, and go back as they came.
Source: https://developers.openai.com/api/reference/resources/responses (`output`)
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from exllm.providers.openai_responses_calls import ACTIONS, CALLS, call_signature, item_id
from exllm.providers.openai_responses_events import Token
from exllm.providers.openai_responses_reasoning import Signature
from exllm.types.chunks import (
    Chunk,
    CitationDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from exllm.types.parts import Citation

Item = dict[str, Any]
_UNLIKELY = -9999.0  # OpenAI's own number for a token so unlikely that it has no log probability


class TextPart:
    """One piece of content of a message."""

    __slots__ = ("citations", "is_said", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_said = False
        self.citations = 0


class OutputItem:
    """What must be remembered of an item until it is done."""

    __slots__ = ("arguments_said", "call", "contents", "first", "id", "is_done", "kind", "refusal_said", "summaries",
                 "texts")  # fmt: skip

    def __init__(self, kind: str, id_: str | None) -> None:
        self.kind = kind
        self.id = id_
        self.is_done = False
        self.first: Item = {}  # as it was when it began
        self.texts: dict[int, TextPart] = {}
        self.summaries: dict[int, int] = {}  # index of a summary -> number of its reasoning part
        self.contents: dict[int, int] = {}
        self.call: int | None = None
        self.arguments_said = False
        self.refusal_said = False


class ItemDecoder:
    """Turns items into chunks, which it appends to the list that each method is given.

    All methods raise `TypeError`, `ValueError`, `KeyError` or `AttributeError` for fields of the wrong type.

    Args:
        provider: for `ProviderEvent` and signatures.
        keep_ids: whether tools of the provider are in play: the items of such an answer go back with their ids, or
            the service misses the reasoning that belongs to them.
    """

    __slots__ = ("_keep_ids", "_provider", "_reasoning_count", "_text_count", "_waiting", "call_count", "is_refused")

    def __init__(self, provider: str, *, keep_ids: bool) -> None:
        self._provider = provider
        self._keep_ids = keep_ids
        self._text_count = 0
        self._reasoning_count = 0
        self._waiting: set[object] = set()  # calls that nobody has answered
        self.call_count = 0
        self.is_refused = False

    @property
    def calls_for_caller(self) -> bool:
        """Whether something is left for the caller to do."""
        return bool(self._waiting)

    def begin(self, item: Item, chunks: list[Chunk]) -> OutputItem:
        """An item begins; it may already be whole."""
        kind = item.get("type")
        if not isinstance(kind, str):
            raise TypeError(f"the type of an item should be text, got {kind!r}")
        state = OutputItem(kind, item_id(item))
        state.first = item
        if kind == "message":
            phase = item.get("phase")
            if phase is not None or (self._keep_ids and state.id is not None):
                chunks.append(self._content({"type": "message", "id": state.id, "phase": phase}))
        elif kind in CALLS:
            self._begin_call(state, item, chunks)
        elif kind != "reasoning":
            self._keep_ids = True
        return state

    def text_part(self, state: OutputItem, index: int) -> TextPart:
        """The text part for the content at `index`."""
        part = state.texts.get(index)
        if part is None:
            part = state.texts[index] = TextPart(self._text_count)
            self._text_count += 1
        return part

    def add_text(self, part: TextPart, text: str, logprobs: list[Token] | None, chunks: list[Chunk]) -> None:
        """A piece of text."""
        part.is_said = True
        if text or logprobs:
            chunks.append(TextDelta(text, 0, part.number, probabilities(logprobs)))

    def add_citation(self, part: TextPart, annotation: Item, chunks: list[Chunk]) -> None:
        """A source."""
        part.citations += 1
        chunks.append(CitationDelta(to_citation(annotation), 0, part.number))

    def add_refusal(self, state: OutputItem, text: str, chunks: list[Chunk]) -> None:
        """A piece of a refusal."""
        state.refusal_said = self.is_refused = True
        if text:
            chunks.append(RefusalDelta(text))

    def add_thought(self, state: OutputItem, texts: dict[int, int], index: int, text: str, chunks: list[Chunk]) -> None:
        """A piece of reasoning; `texts` is the item's summaries or its contents."""
        number = texts.get(index)
        id_ = None
        if number is None:
            number = texts[index] = self._next_reasoning()
            id_ = state.id
        if text or id_:
            chunks.append(ReasoningDelta(text, 0, number, id=id_))

    def add_arguments(self, state: OutputItem, fragment: str, chunks: list[Chunk]) -> None:
        """A piece of what a call is called with."""
        if fragment:
            state.arguments_said = True
            chunks.append(ToolCallDelta(state.call or 0, arguments=fragment))

    def finish(self, state: OutputItem, item: Item, chunks: list[Chunk]) -> None:
        """An item is done: says what of it is not said yet."""
        if state.is_done:
            return
        state.is_done = True
        if state.kind == "message":
            self._finish_message(state, item, chunks)
        elif state.kind == "reasoning":
            self._finish_reasoning(state, item, chunks)
        elif state.call is not None:
            self._finish_call(state, item, chunks)
        else:
            self._finish_other(state, item, chunks)

    # -- kinds of items

    def _finish_message(self, state: OutputItem, item: Item, chunks: list[Chunk]) -> None:
        begun = list(state.texts.values())  # by their order: Bedrock counts from one here and from zero there
        for index, content in enumerate(item.get("content") or ()):
            kind = content.get("type")
            if kind == "output_text":
                part = begun.pop(0) if begun else self.text_part(state, len(state.texts) + index)
                if not part.is_said:
                    self.add_text(part, text_of(content, "text"), _tokens(content.get("logprobs")), chunks)
                for annotation in (content.get("annotations") or ())[part.citations :]:
                    self.add_citation(part, annotation, chunks)
            elif kind == "refusal":
                if not state.refusal_said:
                    self.add_refusal(state, text_of(content, "refusal"), chunks)
            else:
                chunks.append(self._content({"type": "message", "role": "assistant", "content": [content]}))

    def _finish_reasoning(self, state: OutputItem, item: Item, chunks: list[Chunk]) -> None:
        summaries, contents = item.get("summary") or (), item.get("content") or ()
        for index in range(len(state.summaries), len(summaries)):
            self.add_thought(state, state.summaries, index, text_of(summaries[index], "text"), chunks)
        for index in range(len(state.contents), len(contents)):
            self.add_thought(state, state.contents, index, text_of(contents[index], "text"), chunks)
        numbers = (*state.summaries.values(), *state.contents.values())
        encrypted = text_of(item, "encrypted_content") or None
        if encrypted is None and not state.contents:
            if not numbers:  # the provider keeps it to itself
                chunks.append(ProviderEvent("reasoning", item, self._provider))
            return
        number = max(numbers) if numbers else self._next_reasoning()
        signature = Signature(self._provider, len(state.summaries), encrypted).write()
        chunks.append(ReasoningDelta("", 0, number, signature, id=None if numbers else state.id))

    def _begin_call(self, state: OutputItem, item: Item, chunks: list[Chunk]) -> None:
        state.call = self.call_count
        self.call_count += 1
        self._waiting.add(item.get("call_id") or state.call)
        signature = call_signature(item, self._provider, keep_id=self._keep_ids)
        id_ = text_of(item, "call_id") or state.id or ""
        chunks.append(ToolCallDelta(state.call, id_, text_of(item, "name"), signature=signature))

    def _finish_call(self, state: OutputItem, item: Item, chunks: list[Chunk]) -> None:
        assert state.call is not None
        if not text_of(state.first, "name") and (name := text_of(item, "name")):
            chunks.append(ToolCallDelta(state.call, name=name))
        if not state.arguments_said:
            field = CALLS[state.kind]
            self.add_arguments(state, text_of(item, field) or text_of(state.first, field), chunks)

    def _finish_other(self, state: OutputItem, item: Item, chunks: list[Chunk]) -> None:
        if state.kind in ACTIONS and not (state.kind == "tool_search_call" and item.get("execution") != "client"):
            self._waiting.add(item.get("call_id") or item.get("id"))
        elif state.kind.endswith("_output"):
            self._waiting.discard(item.get("call_id"))
        if state.kind == "image_generation_call" and (letters := text_of(item, "result")):
            chunks.append(self._content({name: value for name, value in item.items() if name != "result"}))
            media_type = f"image/{text_of(item, 'output_format') or 'png'}"
            chunks.append(ImageDelta(base64.b64decode(letters, validate=True), media_type=media_type))
        else:
            chunks.append(self._content(item))

    def _content(self, data: Item) -> ProviderEvent:
        kept = {name: value for name, value in data.items() if value is not None}
        return ProviderEvent(data["type"], kept, self._provider, True)

    def _next_reasoning(self) -> int:
        self._reasoning_count += 1
        return self._reasoning_count - 1


def to_citation(annotation: Item) -> Citation:
    """Any of OpenAI's annotations; the object itself stays in `source`."""
    start, end = annotation.get("start_index", annotation.get("index")), annotation.get("end_index")
    return Citation(
        url=text_of(annotation, "url") or None,
        title=text_of(annotation, "title") or text_of(annotation, "filename") or None,
        start=start if isinstance(start, int) else None,
        end=end if isinstance(end, int) else None,
        source=annotation,
    )


def probabilities(tokens: list[Token] | None) -> tuple[TokenLogprob, ...] | None:
    """Log probabilities in our words; None where there are none."""
    if not tokens:
        return None
    return tuple(
        TokenLogprob(
            token.token,
            _UNLIKELY if token.logprob is None else token.logprob,
            None if token.bytes is None else tuple(token.bytes),
            probabilities(token.top_logprobs) or (),
        )
        for token in tokens
    )


def text_of(fields: Item, name: str) -> str:
    """The text called `name`, empty where it is absent or null. Raises `TypeError` for anything but text."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name} should be text, got {value!r}")
    return value


def _tokens(given: Any) -> list[Token] | None:
    return msgspec.convert(given, list[Token]) if given else None
