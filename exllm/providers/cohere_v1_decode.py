"""Answers of Cohere's `/v1/chat` to chunks, streamed or whole; also those of Command R on Bedrock.

What a stream says in pieces it says again, whole, in its last event: what has not come in pieces is taken from there,
so that a stream and a whole answer give the same. Calls have no ids; they are given some.
Source: https://docs.cohere.com/v1/docs/streaming, https://docs.cohere.com/v1/reference/chat
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.cohere_citations import TEXT_CONTENT, to_citation
from exllm.providers.cohere_decode import FAILURES, FINISH_REASONS, MISSHAPEN, SNIPPET_CHARS, UNREADABLE
from exllm.providers.cohere_usage import usage_of
from exllm.providers.cohere_v1_events import (
    EVENT_TYPES,
    Answer,
    Call,
    CallChunk,
    CallDelta,
    Calls,
    Citations,
    Event,
    SearchQueries,
    SearchResults,
    StreamEnd,
    StreamStarted,
    TextGeneration,
    decode_body,
    decode_event,
)
from exllm.providers.error_mapping import error_in_stream
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    CitationDelta,
    Finish,
    FinishReason,
    ProviderEvent,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)

REASONS: dict[str, FinishReason] = {
    **FINISH_REASONS,
    "USER_CANCEL": "stop",
    "ERROR_LIMIT": "length",  # the context is full
    "ERROR_TOXIC": "content_filter",
}
_ID_LETTERS = 12


class CohereV1Decoder:
    """See `StreamDecoder`. One per answer. The terminal event is ``stream-end``.

    Args:
        answering: the model's own id, where it was asked for by another name.
    """

    __slots__ = (
        "_answering",
        "_call_count",
        "_calls",
        "_documents",
        "_id",
        "_model",
        "_provider",
        "_said",
        "_undelivered",
        "finished",
    )  # fmt: skip

    def __init__(self, provider: str, model: str, answering: str | None = None) -> None:
        self.finished = False
        self._answering = answering
        self._provider = provider
        self._model = model
        self._id = ""
        self._call_count = 0
        self._calls: dict[float, int] = {}  # index of a call that came in pieces -> its number
        self._documents: dict[str, dict[str, Any]] = {}  # what may be cited, by id
        self._said: set[str] = set()  # the fields of an answer of which something has come in pieces
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the terminal event are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        said_text = self._said.add
        for frame in frames:
            try:
                event = decode_event(frame.data)
            except UNREADABLE as error:
                self._read_unusual(frame.data, error, chunks)
                continue
            if type(event) is TextGeneration:
                if event.text:
                    said_text("text")
                    chunks.append(TextDelta(event.text))
                continue
            try:
                self._handle(event, chunks)
            except MISSHAPEN as error:
                raise self._nonsense("an event that makes no sense", frame.data) from error
            if self.finished:
                break
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
        raise StreamInterrupted(
            "the answer ended without its stream-end event", provider=self._provider, model=self._model
        )

    def whole(self, data: bytes) -> list[Chunk]:
        """The chunks of an unstreamed answer: those that its stream would have given, each part in one piece."""
        chunks: list[Chunk] = []
        try:
            body = decode_body(data)
        except UNREADABLE as error:
            raise self._not_an_answer(data, error) from error
        try:
            self._start(body.generation_id or body.response_id, chunks)
            self._end(body.finish_reason, body, chunks)
        except MISSHAPEN as error:
            raise self._nonsense("an answer that makes no sense", data) from error
        return chunks

    # -- one event

    def _handle(self, event: Event, chunks: list[Chunk]) -> None:
        match event:
            case StreamStarted():
                self._start(event.generation_id, chunks)
            case SearchQueries():
                self._found("search_queries", event.search_queries, chunks)
            case SearchResults():
                self._know(event.documents)
                self._found("search_results", event.search_results, chunks)
            case Citations():
                self._cite(event.citations, chunks)
            case CallChunk():
                self._call_piece(event.tool_call_delta or CallDelta(), event.text, chunks)
            case Calls():
                self._rest(Answer(event.text or "", tool_calls=event.tool_calls), chunks)
            case StreamEnd():
                self._end(event.finish_reason or event.response.finish_reason, event.response, chunks)

    def _start(self, answer_id: str | None, chunks: list[Chunk]) -> None:
        self._id = answer_id or ""
        chunks.append(StreamStart(answer_id, self._answering))

    def _found(self, what: str, found: list[dict[str, Any]] | None, chunks: list[Chunk]) -> None:
        if found:
            self._said.add(what)
            chunks.append(ProviderEvent(what, found, self._provider))

    def _know(self, documents: Iterable[dict[str, Any]] | None) -> None:
        self._documents |= {str(document["id"]): document for document in documents or () if "id" in document}

    def _cite(self, citations: list[dict[str, Any]] | None, chunks: list[Chunk]) -> None:
        """Which documents a citation rests on is said by their ids; they are put beside it as in version 2."""
        for found in citations or ():
            self._said.add("citations")
            if found.get("type", TEXT_CONTENT) not in (None, TEXT_CONTENT):
                chunks.append(ProviderEvent("citation", found, self._provider))  # of the plan
                continue
            known = [(id_, self._documents.get(id_, {})) for id_ in found.get("document_ids") or ()]
            sources = [{"type": "document", "id": id_, "document": document} for id_, document in known]
            chunks.append(CitationDelta(to_citation({**found, "sources": sources} if sources else found)))

    def _call_piece(self, piece: CallDelta, text: str | None, chunks: list[Chunk]) -> None:
        if plan := text or piece.text:
            self._said.add("text")
            chunks.append(TextDelta(plan))
        index = 0.0 if piece.index is None else piece.index
        if piece.name is not None and index not in self._calls:
            self._calls[index] = self._call(piece.name, piece.parameters or "", chunks)
        elif piece.parameters:
            chunks.append(ToolCallDelta(self._calls[index], arguments=piece.parameters))

    def _call(self, name: str, arguments: str, chunks: list[Chunk]) -> int:
        number = self._call_count
        self._call_count += 1
        facts = f"{self._id}\0{number}\0{name}".encode("utf-8", "replace")
        id_ = f"call_{hashlib.sha256(facts).hexdigest()[:_ID_LETTERS]}"
        chunks.append(ToolCallDelta(number, id_, name, arguments))
        return number

    def _rest(self, answer: Answer, chunks: list[Chunk]) -> None:
        """What of `answer` has not come in pieces."""
        self._know(answer.documents)
        for what in ("search_queries", "search_results"):
            if what not in self._said:
                self._found(what, getattr(answer, what), chunks)
        if answer.text and "text" not in self._said:
            self._said.add("text")
            chunks.append(TextDelta(answer.text))
        if "citations" not in self._said:
            self._cite(answer.citations, chunks)
        for call in (answer.tool_calls or [])[self._call_count :]:
            self._call(call.name, _arguments(call), chunks)

    def _end(self, raw: str | None, answer: Answer, chunks: list[Chunk]) -> None:
        self._rest(answer, chunks)
        meta = answer.meta
        if meta is not None:
            if meta.warnings:
                chunks.append(ProviderEvent("warnings", meta.warnings, self._provider))
            if meta.tokens is not None or meta.billed_units is not None:
                chunks.append(UsageUpdate(usage_of(meta)))
        if raw in FAILURES:
            facts = {"message": f"the provider ended the answer with {raw}", "type": FAILURES[raw], "code": raw}
            raise error_in_stream(facts, provider=self._provider, model=self._model)
        reason = REASONS.get(raw or "", "stop")
        if reason == "stop" and self._call_count:
            reason = "tool_calls"
        chunks.append(Finish(reason, raw=raw or None))
        self.finished = True

    # -- what is not as it should be

    def _read_unusual(self, data: bytes, error: Exception, chunks: list[Chunk]) -> None:
        """An event that is not in the union: unknown to us, or broken."""
        if not data.strip():
            return
        try:
            event = msgspec.json.decode(data)
        except UNREADABLE as unreadable:
            raise self._nonsense("an event that is not JSON", data) from unreadable
        if not isinstance(event, dict):
            raise self._nonsense("an event that is not an object", data)
        kind = event.get("event_type")
        if kind in EVENT_TYPES:
            raise self._nonsense(f"a {kind} event that makes no sense ({error})", data) from error
        if event.get("error") or (kind is None and isinstance(event.get("message"), str)):
            raise error_in_stream(event, provider=self._provider, model=self._model)
        chunks.append(ProviderEvent(str(kind or "unknown"), event, self._provider))

    def _not_an_answer(self, data: bytes, error: Exception) -> ExLLMError:
        try:
            found = msgspec.json.decode(data)
        except UNREADABLE:
            found = None
        if isinstance(found, dict) and (found.get("error") or isinstance(found.get("message"), str)):
            return error_in_stream(found, provider=self._provider, model=self._model)
        return self._nonsense(f"an answer that makes no sense ({error})", data)

    def _nonsense(self, what: str, data: bytes) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent {what}: {snippet!r}", provider=self._provider, model=self._model, body=snippet
        )


def _arguments(call: Call) -> str:
    raw = bytes(call.parameters).decode()
    return "" if raw == "null" else raw
