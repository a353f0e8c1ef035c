"""The events of a stream of Cohere's `/v1/chat`, and its whole answer: only the fields that are read.

Command R on Bedrock speaks it as well. What the union does not know raises `msgspec.ValidationError`; the decoder then
reads it as plain JSON.
Source: the types of Cohere's SDK, `StreamedChatResponse` and `NonStreamedChatResponse`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.providers.cohere_events import UsageCounts


class Meta(UsageCounts, gc=False):
    """`warnings`: in words, of models that will be removed and the like."""

    warnings: list[str] | None = None


class Call(msgspec.Struct, gc=False):
    """A whole call; there are no ids. `parameters` is an object, kept as the text that came."""

    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class Answer(msgspec.Struct, gc=False):
    """A whole answer, or what a stream says again at its end."""

    text: str = ""
    generation_id: str | None = None
    response_id: str | None = None
    citations: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None
    search_queries: list[dict[str, Any]] | None = None
    search_results: list[dict[str, Any]] | None = None
    tool_calls: list[Call] | None = None
    finish_reason: str | None = None
    meta: Meta | None = None


class Body(Answer, gc=False):
    """A whole answer: without a text it is none."""

    text: str


class CallDelta(msgspec.Struct, gc=False):
    """`index` is a number of the kind that may have a point; `text` is a piece of the plan."""

    index: float | None = None
    name: str | None = None
    parameters: str | None = None
    text: str | None = None


class _Tagged(msgspec.Struct, gc=False, tag_field="event_type"):
    pass


class TextGeneration(_Tagged, tag="text-generation"):
    text: str


class StreamStarted(_Tagged, tag="stream-start"):
    generation_id: str | None = None


class SearchQueries(_Tagged, tag="search-queries-generation"):
    search_queries: list[dict[str, Any]] | None = None


class SearchResults(_Tagged, tag="search-results"):
    search_results: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None


class Citations(_Tagged, tag="citation-generation"):
    citations: list[dict[str, Any]] | None = None


class CallChunk(_Tagged, tag="tool-calls-chunk"):
    tool_call_delta: CallDelta | None = None
    text: str | None = None


class Calls(_Tagged, tag="tool-calls-generation"):
    text: str | None = None
    tool_calls: list[Call] | None = None


class StreamEnd(_Tagged, tag="stream-end"):
    finish_reason: str | None = None
    response: Answer = msgspec.field(default_factory=Answer)


Event = (
    TextGeneration | StreamStarted | SearchQueries | SearchResults | Citations | CallChunk | Calls | StreamEnd
)  # fmt: skip
EVENT_TYPES = frozenset(
    {
        "text-generation", "stream-start", "search-queries-generation", "search-results", "citation-generation",
        "tool-calls-chunk", "tool-calls-generation", "stream-end",
    }
)  # fmt: skip

decode_event = msgspec.json.Decoder(Event).decode
decode_body = msgspec.json.Decoder(Body).decode
