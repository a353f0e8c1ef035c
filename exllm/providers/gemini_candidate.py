"""One candidate of a Gemini answer to the chunks of one choice.

Parts follow each other without numbers. Text goes on in the part that is open; anything between two pieces of text
begins a new one, so that the parts of the answer stand in their order and go back as they came.
Source: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exllm.providers.gemini_events import (
    NOTHING,
    Candidate,
    FunctionCall,
    LogprobsResult,
    Part,
    is_there,
    plain,
)
from exllm.providers.gemini_finish import common_reason, explanation, reason_word
from exllm.providers.gemini_grounding import AnswerText, grounded, recited
from exllm.providers.gemini_partial_args import PartialArgs
from exllm.providers.gemini_signatures import NEXT, OWN
from exllm.types.chunks import (
    AudioDelta,
    Chunk,
    CitationDelta,
    Finish,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)

_PASSED_ON = {
    "grounding_metadata": "groundingMetadata",
    "url_context_metadata": "urlContextMetadata",
    "safety_ratings": "safetyRatings",
    "avg_logprobs": "avgLogprobs",
    "continuation_token": "continuationToken",
}
_PartData = Callable[[int], dict[str, Any]]
"""The plain data of the part with this position in the object at hand."""


class CandidateReader:
    """Reads what each object of the stream says of one candidate."""

    __slots__ = (
        "_calls",
        "_cited",
        "_index",
        "_keeps_text",
        "_kind",
        "_last_said",
        "_open_call",
        "_part",
        "_provider",
        "_reason",
        "_reason_message",
        "_text",
        "_unused_logprobs",
        "searches",
    )

    def __init__(self, index: int, provider: str, *, keeps_text: bool) -> None:
        self.searches: set[str] = set()
        self._index = index
        self._provider = provider
        self._part = -1
        self._kind: str | None = None  # of the part that is open: "text", "thought", None for neither
        self._calls = 0
        self._open_call: PartialArgs | None = None
        self._reason: str | None = None
        self._reason_message: str | None = None
        self._keeps_text = keeps_text
        self._text = AnswerText()
        self._cited: set[tuple[Any, ...]] = set()
        self._last_said: dict[str, bytes] = {}
        self._unused_logprobs: tuple[TokenLogprob, ...] | None = None

    @property
    def is_finished(self) -> bool:
        """A reason for the end has come. More may follow: some servers give one in every object."""
        return self._reason is not None

    def read(self, candidate: Candidate, part_data: _PartData, chunks: list[Chunk]) -> None:
        """Take the next object. Raises `AttributeError`, `TypeError` or `ValueError` for fields of the wrong shape."""
        if candidate.logprobs_result is not None:
            self._unused_logprobs = _logprobs(candidate.logprobs_result)
        content = candidate.content
        if content is not None and content.parts:
            for position, part in enumerate(content.parts):
                self._read_part(part, position, part_data, chunks)
        if self._unused_logprobs:
            chunks.append(TextDelta("", self._index, self._number("text"), self._unused_logprobs))
            self._unused_logprobs = None
        if _says_more(candidate):
            self._read_sources(candidate, chunks)
            self._pass_on(candidate, chunks)
        word = reason_word(candidate.finish_reason)
        if word is not None:
            self._reason = word
            self._reason_message = candidate.finish_message

    def finish(self, chunks: list[Chunk]) -> None:
        """The answer has ended."""
        self._end_call(chunks)
        word = self._reason or ""
        reason = common_reason(word, has_calls=self._calls > 0)
        chunks.append(Finish(reason, self._index, word, self._reason_message or explanation(word)))

    # -- parts

    def _read_part(self, part: Part, position: int, part_data: _PartData, chunks: list[Chunk]) -> None:
        signature = part.thought_signature or None
        if part.function_call is not None:
            self._read_call(part.function_call, signature, chunks)
        elif part.inline_data is not None and not part.thought:
            self._read_blob(part, position, part_data, chunks)
        elif part.text is None or part.inline_data is not None:
            self._pass_part_on(part_data(position), chunks)
        elif part.thought:
            self._read_thought(part.text, signature, chunks)
        elif signature is None:
            if part.text:
                self.add_text(part.text, chunks)
        elif part.text:
            self._carry(signature, chunks)
            self.add_text(part.text, chunks)
            self._kind = None  # a piece of its own: what follows is another part
        else:
            chunks.append(ReasoningDelta("", self._index, self._next(), signature, id=OWN))

    def add_text(self, text: str, chunks: list[Chunk]) -> None:
        """A piece of text. It goes on in the part that is open, if that is text."""
        if self._kind != "text":
            self._number("text")
        if self._keeps_text:
            self._text.add(text, self._part)
        chunks.append(TextDelta(text, self._index, self._part, self._unused_logprobs))
        self._unused_logprobs = None

    def _read_thought(self, thought: str, signature: str | None, chunks: list[Chunk]) -> None:
        number = self._number("thought")
        if thought or signature:
            chunks.append(ReasoningDelta(thought, self._index, number, signature, id=OWN))
        if signature:
            self._kind = None  # what follows is another thought

    def _carry(self, signature: str | None, chunks: list[Chunk]) -> None:
        """Keep the signature of a part that has no place for one."""
        if signature:
            chunks.append(ReasoningDelta("", self._index, self._next(), signature, id=NEXT))

    def _read_blob(self, part: Part, position: int, part_data: _PartData, chunks: list[Chunk]) -> None:
        blob = part.inline_data
        assert blob is not None
        kind = blob.mime_type.partition("/")[0]
        if kind == "image":
            self._carry(part.thought_signature, chunks)
            chunks.append(ImageDelta(blob.data, media_type=blob.mime_type, index=self._index))
        elif kind == "audio":
            self._carry(part.thought_signature, chunks)
            said = part.audio_transcription
            transcript = (said.text or "") if said is not None else ""
            chunks.append(AudioDelta(blob.data, blob.mime_type, transcript, index=self._index))
        else:
            self._pass_part_on(part_data(position), chunks)
        self._kind = None

    def _pass_part_on(self, data: dict[str, Any], chunks: list[Chunk]) -> None:
        """Code, its results, calls of Gemini's own tools, whatever is to come: part of the answer as it is."""
        self._kind = None
        if not isinstance(data, dict):
            raise TypeError(f"a part should be an object, got {data!r}")
        name = next((name for name in data if name not in ("thought", "thoughtSignature")), "part")
        chunks.append(ProviderEvent(name, data, self._provider, True, self._index))

    def _number(self, kind: str) -> int:
        if self._kind != kind:
            self._part += 1
            self._kind = kind
            if kind == "text":
                self._text.part = self._part
        return self._part

    def _next(self) -> int:
        self._part += 1
        self._kind = None
        return self._part

    # -- calls

    def _read_call(self, call: FunctionCall, signature: str | None, chunks: list[Chunk]) -> None:
        self._kind = None
        if self._open_call is not None and call.name:
            self._end_call(chunks)  # the next one begins
        if self._open_call is None:
            if not call.name and not call.id and not call.partial_args and not is_there(call.args):
                return  # the empty call by which Vertex AI ends one that was streamed
            chunks.append(
                ToolCallDelta(self._calls, call.id or "", call.name or "", index=self._index, signature=signature)
            )
            self._calls += 1
            if not call.partial_args and not call.will_continue:
                chunks.append(ToolCallDelta(self._calls - 1, arguments=_arguments(call), index=self._index))
                return
            self._open_call = PartialArgs(plain(call.args) if is_there(call.args) else {})
        for arg in call.partial_args or ():
            self._open_call.add(arg)
        if not call.will_continue:
            self._end_call(chunks)

    def _end_call(self, chunks: list[Chunk]) -> None:
        if self._open_call is not None:
            chunks.append(ToolCallDelta(self._calls - 1, arguments=self._open_call.text(), index=self._index))
            self._open_call = None

    # -- what stands beside the content

    def _read_sources(self, candidate: Candidate, chunks: list[Chunk]) -> None:
        if is_there(candidate.grounding_metadata):
            metadata = plain(candidate.grounding_metadata)
            self.searches.update(query for query in metadata.get("webSearchQueries") or () if query)
            self._cite(grounded(metadata, self._text), chunks)
        if is_there(candidate.citation_metadata):
            self._cite(recited(plain(candidate.citation_metadata), self._text), chunks)

    def _cite(self, citations: Any, chunks: list[Chunk]) -> None:
        for citation, part in citations:
            key = (citation.url, citation.title, citation.text, citation.start, citation.end)
            if key not in self._cited:  # the metadata may come again, longer
                self._cited.add(key)
                chunks.append(CitationDelta(citation, self._index, part))

    def _pass_on(self, candidate: Candidate, chunks: list[Chunk]) -> None:
        for field, event in _PASSED_ON.items():
            raw = getattr(candidate, field)
            if is_there(raw) and self._last_said.get(event) != bytes(raw):
                self._last_said[event] = bytes(raw)
                chunks.append(ProviderEvent(event, plain(raw), self._provider, index=self._index))


def _says_more(candidate: Candidate) -> bool:
    """Whether anything stands beside the content, as it seldom does before the end. Written out: it is asked often."""
    return not (
        candidate.grounding_metadata is NOTHING
        and candidate.citation_metadata is NOTHING
        and candidate.url_context_metadata is NOTHING
        and candidate.safety_ratings is NOTHING
        and candidate.avg_logprobs is NOTHING
        and candidate.continuation_token is NOTHING
    )


def _arguments(call: FunctionCall) -> str:
    """The arguments as compact JSON: streams and whole answers are spaced differently."""
    return msgspec.json.format(bytes(call.args), indent=-1).decode() if is_there(call.args) else "{}"


def _logprobs(result: LogprobsResult) -> tuple[TokenLogprob, ...] | None:
    alternatives = result.top_candidates or []
    found = []
    for place, chosen in enumerate(result.chosen_candidates or ()):
        top = (alternatives[place].candidates or []) if place < len(alternatives) else []
        found.append(
            TokenLogprob(
                chosen.token,
                float(chosen.log_probability),
                top=tuple(TokenLogprob(each.token, float(each.log_probability)) for each in top),
            )
        )
    return tuple(found) or None
