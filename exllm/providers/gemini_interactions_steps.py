"""Steps of an interaction to chunks: as they grow, or whole.

Text, media, thoughts and function calls have names of their own among the chunks. All other steps (calls of Google's
tools and their results, whatever is to come) become ``ProviderEvent(content=True)`` when they end, and go back as they
came.
Source: https://ai.google.dev/api/interactions-api#Resource:Step
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from exllm.providers.gemini_interactions_signatures import OWN, call_signature
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    CitationDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from exllm.types.parts import Citation

Block = dict[str, Any]
_RAW_SOUND = frozenset({"audio/l16", "audio/alaw", "audio/mulaw"})
"""Sound without a header, so that rate and channels must be told beside it."""
_CITATIONS = frozenset({"url_citation", "file_citation", "place_citation"})
_OF_MODEL = frozenset({"text", "text_annotation_delta", "image", "audio", "video", "document"})
_OF_THOUGHT = frozenset({"thought_summary", "thought_signature"})


class Step:
    """What must be remembered of a step until it ends.

    Attributes:
        data: a step without a common name, as far as it is known.
        part: number of its text part or of its thought, -1 while it has none.
        is_writing: a piece of text that follows goes on in `part`.
    """

    __slots__ = ("arguments", "call", "data", "is_writing", "kind", "part")

    def __init__(self, data: Block) -> None:
        kind = data["type"]
        if not isinstance(kind, str):
            raise TypeError(f"the type of a step should be text, got {kind!r}")
        self.kind = kind
        self.data = data
        self.part = -1
        self.is_writing = False
        self.call = -1
        self.arguments: list[str] = []


class StepReader:
    """Turns steps into chunks, which it appends to the list that each method is given.

    All methods raise `AttributeError`, `KeyError`, `TypeError` or `ValueError` for fields of the wrong type.

    Attributes:
        error: what the last step of the model says went wrong.
        has_read: a step was begun.
        searches: what was searched for on the web.
    """

    __slots__ = ("_before", "_calls", "_keeps_text", "_pieces", "_provider", "_texts", "_thoughts", "_waiting", "error",
                 "has_read", "searches")  # fmt: skip

    def __init__(self, provider: str, *, keeps_text: bool) -> None:
        self.error: Block | None = None
        self.has_read = False
        self.searches: set[str] = set()
        self._provider = provider
        self._keeps_text = keeps_text
        self._texts = self._thoughts = self._calls = 0
        self._waiting: set[str] = set()  # calls that nobody has answered
        self._before = 0  # characters of the answer before the text that is being written
        self._pieces: list[str] = []  # of that text

    @property
    def waits_for_caller(self) -> bool:
        """Whether a function was called whose result is not there."""
        return bool(self._waiting)

    def note(self, text: str) -> None:
        """Keep a piece of text that goes on in the part that is open."""
        if self._keeps_text:
            self._pieces.append(text)

    def begin(self, data: Block, chunks: list[Chunk]) -> Step:
        """A step begins; it may already be whole."""
        self.has_read = True
        step = Step(dict(data))
        if step.kind == "model_output":
            self.error = data.get("error") or None
            for content in data.get("content") or ():
                self._say(step, content, chunks)
        elif step.kind == "thought":
            for summary in data.get("summary") or ():
                self._think(step, summary, chunks)
            self._sign(step, data.get("signature"), chunks)
        elif step.kind == "function_call":
            step.call = self._calls
            self._calls += 1
            id_, name = _text(data, "id"), _text(data, "name")
            self._waiting.add(id_)
            chunks.append(ToolCallDelta(step.call, id_, name, signature=call_signature(_text(data, "signature"))))
        return step

    def begin_unannounced(self, delta: Block, chunks: list[Chunk]) -> Step:
        """The step that a piece belongs to whose beginning nobody told."""
        kind = delta["type"]
        if kind in _OF_MODEL or kind in _OF_THOUGHT:
            return self.begin({"type": "model_output" if kind in _OF_MODEL else "thought"}, chunks)
        raise ValueError("a piece of a step that never began")

    def grow(self, step: Step, delta: Block, chunks: list[Chunk]) -> None:
        """The next piece of a step."""
        kind = delta["type"]
        if kind == "thought_signature":
            self._sign(step, delta.get("signature"), chunks)
        elif kind == "arguments_delta":
            if arguments := _text(delta, "arguments"):
                step.arguments.append(arguments)
                if step.call >= 0:
                    chunks.append(ToolCallDelta(step.call, arguments=arguments))
        elif step.kind == "thought" and kind == "thought_summary":
            self._think(step, delta.get("content") or {}, chunks)
        elif step.kind == "model_output" and kind == "text_annotation_delta":
            self._annotate(step, delta, chunks)
        elif step.kind == "model_output":
            self._say(step, delta, chunks)
        elif step.call >= 0:
            chunks.append(ProviderEvent(kind, delta, self._provider))
        else:
            _merge(step.data, delta)

    def end(self, step: Step, chunks: list[Chunk]) -> None:
        """A step is over: says what of it is not said yet."""
        self._close_text()
        if step.call >= 0:
            if not step.arguments:
                arguments = step.data.get("arguments") or {}
                chunks.append(ToolCallDelta(step.call, arguments=msgspec.json.encode(arguments).decode()))
        elif step.kind not in ("model_output", "thought"):
            if step.arguments:
                step.data["arguments"] = msgspec.json.decode("".join(step.arguments))
            if step.kind == "google_search_call":
                self.searches.update((step.data.get("arguments") or {}).get("queries") or ())
            elif step.kind == "function_result":
                self._waiting.discard(_text(step.data, "call_id"))
            is_answer = step.kind != "user_input"  # which only says what was asked
            chunks.append(ProviderEvent(step.kind, step.data, self._provider, is_answer))

    # -- what the model says

    def _say(self, step: Step, content: Block, chunks: list[Chunk]) -> None:
        kind = content["type"]
        if kind == "text":
            self._write(step, _text(content, "text"), chunks)
            if content.get("annotations"):
                self._annotate(step, content, chunks)
            return
        self._close_text()
        step.is_writing = False
        if kind == "image" and content.get("data"):
            chunks.append(ImageDelta(_bytes(content), media_type=_text(content, "mime_type") or None))
        elif kind == "image" and content.get("uri"):
            chunks.append(ImageDelta(url=_text(content, "uri"), media_type=_text(content, "mime_type") or None))
        elif kind == "audio" and content.get("data"):
            chunks.append(AudioDelta(_bytes(content), _sound_type(content)))
        else:
            chunks.append(
                ProviderEvent(kind, {"type": "model_output", "content": [content]}, self._provider, True)
            )  # fmt: skip

    def _write(self, step: Step, text: str, chunks: list[Chunk]) -> None:
        if not step.is_writing:
            step.part = self._texts
            self._texts += 1
            step.is_writing = True
        if text:
            self.note(text)
            chunks.append(TextDelta(text, 0, step.part))

    def _annotate(self, step: Step, content: Block, chunks: list[Chunk]) -> None:
        if step.part < 0:
            self._write(step, "", chunks)
        for annotation in content.get("annotations") or ():
            if annotation.get("type") in _CITATIONS:
                chunks.append(CitationDelta(self._citation(annotation), 0, step.part))
            else:  # who speaks, when a word was said
                chunks.append(ProviderEvent("annotation", annotation, self._provider))
        if content.get("type") == "text":
            self._close_text()  # the next content counts anew

    def _citation(self, annotation: Block) -> Citation:
        return Citation(
            url=_text(annotation, "url") or _text(annotation, "document_uri") or None,
            title=_text(annotation, "title") or _text(annotation, "file_name") or _text(annotation, "name") or None,
            start=self._place(annotation.get("start_index") or 0) if "end_index" in annotation else None,
            end=self._place(annotation.get("end_index")),
            source={"annotation": annotation},  # which counts bytes, and else looks like one of OpenAI's
        )

    def _place(self, at_byte: Any) -> int | None:
        """The character of the whole answer at this byte of the text that is being written, where it is kept."""
        if not self._pieces or not isinstance(at_byte, int):
            return None
        data = "".join(self._pieces).encode("utf-8", "surrogatepass")
        return self._before + len(data[:at_byte].decode("utf-8", "ignore"))

    def _close_text(self) -> None:
        self._before += sum(map(len, self._pieces))
        self._pieces.clear()

    # -- what it thinks

    def _think(self, step: Step, summary: Block, chunks: list[Chunk]) -> None:
        if summary.get("type") != "text":
            chunks.append(ProviderEvent("thought_summary", summary, self._provider))
        elif text := _text(summary, "text"):
            chunks.append(ReasoningDelta(text, 0, self._thought(step), id=OWN))

    def _sign(self, step: Step, signature: Any, chunks: list[Chunk]) -> None:
        if not signature:
            return
        if not isinstance(signature, str):
            raise TypeError(f"signature should be text, got {signature!r}")
        if step.call >= 0:
            chunks.append(ToolCallDelta(step.call, signature=call_signature(signature)))
        elif step.kind in ("thought", "model_output"):
            chunks.append(ReasoningDelta("", 0, self._thought(step), signature, id=OWN))
        else:
            step.data["signature"] = signature

    def _thought(self, step: Step) -> int:
        if step.kind != "thought":  # of something that is said: it stands for itself
            self._thoughts += 1
            return self._thoughts - 1
        if step.part < 0:
            step.part = self._thoughts
            self._thoughts += 1
        return step.part


def _merge(data: Block, delta: Block) -> None:
    """Put what a piece brings into the step that it is of."""
    for name, value in delta.items():
        known: Any = data.get(name)
        if name == "type" or value is None or value == "":
            continue
        kind = type(known)
        if type(value) is kind and (kind is list or (kind is str and name == "result")):
            data[name] = known + value
        elif isinstance(known, dict) and isinstance(value, dict):
            data[name] = {**known, **value}
        else:
            data[name] = value


def _bytes(content: Block) -> bytes:
    return base64.b64decode(_text(content, "data"), validate=True)


def _sound_type(content: Block) -> str | None:
    kind = _text(content, "mime_type")
    if kind not in _RAW_SOUND:
        return kind or None
    rate, channels = content.get("sample_rate") or content.get("rate"), content.get("channels")
    return kind + (f";rate={rate}" if rate else "") + (f";channels={channels}" if channels else "")


def _text(fields: Block, name: str) -> str:
    """The text called `name`, empty where it is absent or null. Raises `TypeError` for anything but text."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name} should be text, got {value!r}")
    return value
