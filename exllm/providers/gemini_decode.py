"""Answers of Gemini's generateContent to chunks, streamed or whole.

Every object of a stream is an answer of its own that holds what is new. There is no event for the end: an answer is
whole when the body has ended and every candidate had a reason to finish, or the prompt was blocked. The reason alone
ends nothing, since some servers give one with every object: https://github.com/BerriAI/litellm/issues/2195,
https://github.com/Chevey339/kelivo/issues/1003.
Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from exllm.errors import ProtocolError, StreamInterrupted
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.gemini_candidate import CandidateReader
from exllm.providers.gemini_events import (
    Answer,
    UsageMetadata,
    decode_answer,
    decode_usage,
    is_there,
    plain,
)
from exllm.providers.gemini_finish import block_word
from exllm.providers.gemini_template import NO_SHAPE, Shape, shape_of
from exllm.providers.gemini_usage import NO_MEDIA, have_same_media, media_of, says_more, usage_of
from exllm.providers.openai_chat_template import string_inside
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, Finish, ProviderEvent, StreamStart, UsageUpdate

SNIPPET_CHARS = 200
_GIVE_UP_AFTER = 8  # objects that were learnt from and that none was like
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""
MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError, *UNREADABLE)
"""What reading a field of the wrong type raises; told as a `ProtocolError` that shows the object."""


class AnswerDecoder:
    """See `StreamDecoder`. One per answer.

    Args:
        provider, model: for chunks and errors.
        keeps_text: keep the text, to tell in characters what sources support.
    """

    __slots__ = (
        "_blocked",
        "_candidates",
        "_has_begun",
        "_is_final",
        "_keeps_text",
        "_last_said",
        "_left_to_learn",
        "_media",
        "_model",
        "_provider",
        "_searches",
        "_shape",
        "_undelivered",
        "_usage",
        "_usage_is_final",
        "_usage_raw",
        "finished",
    )

    def __init__(self, provider: str, model: str, *, keeps_text: bool = False) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._keeps_text = keeps_text
        self._has_begun = False
        self._candidates: dict[int, CandidateReader] = {}
        self._blocked: Finish | None = None
        self._last_said: dict[str, bytes] = {}
        self._usage: UsageMetadata | None = None
        self._usage_raw = b""
        self._usage_is_final = False
        self._media = NO_MEDIA
        self._searches = 0
        self._is_final = False  # nothing more is to be said, as far as can be known
        self._shape = NO_SHAPE
        self._left_to_learn = _GIVE_UP_AFTER
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        chunks: list[Chunk] = []
        self._undelivered = chunks
        prefix, middle, tail, start, width, index = self._shape
        for frame in frames:
            data = frame.data
            if data[:start] == prefix:
                end = data.find(b'"', start)
                after, stop = end + width, len(data) - len(tail)
                if (
                    data[end:after] == middle
                    and after < stop
                    and data[stop:] == tail
                    and self._read_shaped(index, data[start:end], data[after:stop], chunks)
                ):
                    continue
            try:
                answer = decode_answer(data)
            except UNREADABLE as error:
                self._read_unusual(frame, error)
                continue
            try:
                self._read(answer, frame, chunks)
            except MISSHAPEN as error:
                raise self._nonsense("an answer that makes no sense", frame.data) from error
            if self._left_to_learn:
                prefix, middle, tail, start, width, index = self._learn(data, answer)
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
        readers = [self._candidates[index] for index in sorted(self._candidates)]
        if not all(reader.is_finished for reader in readers) or not (readers or self._blocked):
            raise StreamInterrupted(
                "the answer ended without a reason to finish", provider=self._provider, model=self._model
            )
        chunks: list[Chunk] = []
        if self._usage is not None and says_more(self._usage):
            chunks.append(ProviderEvent("usageMetadata", msgspec.json.decode(self._usage_raw), self._provider))
        try:
            for reader in readers:
                reader.finish(chunks)
        except MISSHAPEN as error:
            raise self._nonsense(f"arguments that make no sense ({error})", b"") from error
        if self._blocked is not None and 0 not in self._candidates:
            chunks.append(self._blocked)
        self.finished = True
        return chunks

    def _read(self, answer: Answer, frame: Frame, chunks: list[Chunk]) -> None:
        if is_there(answer.error):
            raise error_in_stream(msgspec.json.decode(frame.data), provider=self._provider, model=self._model)
        if answer.candidates is None and answer.prompt_feedback is None and not is_there(answer.usage_metadata):
            chunks.append(ProviderEvent(frame.event, msgspec.json.decode(frame.data), self._provider))
            return
        if not self._has_begun:
            self._has_begun = True
            chunks.append(StreamStart(answer.response_id, answer.model_version, unix_time(answer.create_time)))
        for position, candidate in enumerate(answer.candidates or ()):
            index = candidate.index or 0
            reader = self._candidates.get(index)
            if reader is None:
                reader = CandidateReader(index, self._provider, keeps_text=self._keeps_text)
                self._candidates[index] = reader
            reader.read(candidate, _PartsOf(frame.data, position), chunks)
        if answer.prompt_feedback is not None:
            self._read_feedback(answer, chunks)
        readers = self._candidates.values()
        self._is_final = self._blocked is not None or (bool(readers) and all(each.is_finished for each in readers))
        self._searches = sum(len(each.searches) for each in readers)
        if is_there(answer.usage_metadata):
            raw = bytes(answer.usage_metadata)
            if self._says_anew(raw):
                self._count(self._decoded(raw), raw, chunks)
        if is_there(answer.model_status):
            self._pass_on("modelStatus", answer.model_status, plain(answer.model_status), chunks)

    def _read_shaped(self, index: int, raw_text: bytes, raw_counts: bytes, chunks: list[Chunk]) -> bool:
        """An object of which all but text and counts is known. False where they are not what they should be."""
        text = string_inside(raw_text)
        if not text or raw_counts == b"{}":
            return False
        counts = None
        if self._says_anew(raw_counts):
            try:
                counts = self._decoded(raw_counts)
            except UNREADABLE:
                return False
        self._candidates[index].add_text(text, chunks)
        if counts is not None:
            self._count(counts, raw_counts, chunks)
        self._left_to_learn = _GIVE_UP_AFTER
        return True

    def _learn(self, data: bytes, answer: Answer) -> Shape:
        """Take `data` as the pattern; eight in a row that were learnt for nothing are enough."""
        shape = shape_of(data, answer)
        if shape is not NO_SHAPE:
            self._left_to_learn -= 1
            self._shape = shape if self._left_to_learn else NO_SHAPE
        return self._shape

    def _read_feedback(self, answer: Answer, chunks: list[Chunk]) -> None:
        """What was found in the prompt. A blocked one has no candidates."""
        feedback = answer.prompt_feedback
        assert feedback is not None
        word = block_word(feedback.block_reason)
        if word is not None:
            self._blocked = Finish("content_filter", raw=word, message=feedback.block_reason_message)
        if is_there(feedback.safety_ratings):
            data = {"safetyRatings": plain(feedback.safety_ratings)}
            self._pass_on("promptFeedback", feedback.safety_ratings, data, chunks)

    def _pass_on(self, event: str, raw: msgspec.Raw, data: Any, chunks: list[Chunk]) -> None:
        """Tell what the chunks have no name for, unless it was said with the object before already."""
        if self._last_said.get(event) != bytes(raw):
            self._last_said[event] = bytes(raw)
            chunks.append(ProviderEvent(event, data, self._provider))

    def _says_anew(self, raw: bytes) -> bool:
        """Whether these counts say something: they come with every object, and are final in the last."""
        return raw != self._usage_raw or self._usage_is_final is not self._is_final

    def _decoded(self, raw: bytes) -> UsageMetadata:
        """The counts in `raw`, and what they say by medium. Raises `msgspec.DecodeError`."""
        counts = decode_usage(raw)
        if self._usage is None or not have_same_media(counts, self._usage):
            self._media = media_of(counts)
        return counts

    def _count(self, counts: UsageMetadata, raw: bytes, chunks: list[Chunk]) -> None:
        self._usage, self._usage_raw, self._usage_is_final = counts, raw, self._is_final
        usage = usage_of(counts, "reported" if self._is_final else "partial", self._searches, self._media)
        if usage.input_tokens is not None or usage.output_tokens is not None:  # Vertex AI begins with a tier alone
            chunks.append(UsageUpdate(usage))

    def _read_unusual(self, frame: Frame, error: Exception) -> None:
        """An event that is no answer: an error in another shape, or broken."""
        if frame.data.strip() == b"[DONE]":  # some compatible services end with OpenAI's marker
            return
        try:
            event = msgspec.json.decode(frame.data)
        except UNREADABLE as unreadable:
            raise self._nonsense("an event that is not JSON", frame.data) from unreadable
        inner = event[0] if isinstance(event, list) and event else event
        if isinstance(inner, dict) and inner.get("error"):
            raise error_in_stream(event, provider=self._provider, model=self._model)
        what = f"an answer that makes no sense ({error})" if isinstance(event, dict) else "an event that is no object"
        raise self._nonsense(what, frame.data) from error

    def _nonsense(self, what: str, data: bytes) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )


def decode_body(body: bytes, provider: str, model: str, *, keeps_text: bool = False) -> list[Chunk]:
    """The chunks of a whole answer: those that its stream would have given.

    A list of answers, which is how a stream comes where ``alt=sse`` was not asked for, is read as that stream.
    """
    decoder = AnswerDecoder(provider, model, keeps_text=keeps_text)
    decoder._left_to_learn = 0  # there is nothing to use it for
    answers = [body]
    if body.lstrip()[:1] == b"[":
        try:
            answers = [bytes(answer) for answer in msgspec.json.decode(body, type=list[msgspec.Raw])]
        except UNREADABLE as error:
            raise decoder._nonsense("an answer that is not JSON", body) from error
    chunks = decoder.feed([Frame(answer) for answer in answers])
    return chunks + decoder.close()


class _PartsOf:
    """Finds parts of one candidate in the object at hand, read as plain data once it is needed."""

    __slots__ = ("_candidate", "_data", "_parts")

    def __init__(self, data: bytes, candidate: int) -> None:
        self._data = data
        self._candidate = candidate
        self._parts: list[Any] | None = None

    def __call__(self, position: int) -> Any:
        if self._parts is None:
            self._parts = msgspec.json.decode(self._data)["candidates"][self._candidate]["content"]["parts"]
        return self._parts[position]


def unix_time(text: str | None) -> int | None:
    """Seconds since 1970, None for what is no time."""
    try:
        return int(datetime.fromisoformat(text).timestamp()) if text else None
    except ValueError:
        return None
