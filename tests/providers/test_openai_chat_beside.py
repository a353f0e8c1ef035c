"""What stands beside the choices is told when it is new, and not again with every frame."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exllm.providers.openai_chat_beside import BesideChoices, says_something
from exllm.providers.openai_chat_events import Event, FirstEvent
from exllm.types.chunks import Chunk, CitationDelta, ProviderEvent, StreamStart, UsageUpdate

COUNTS = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


def told(*frames: dict[str, Any], tier: str | None = None) -> list[Chunk]:
    beside = BesideChoices("p")
    beside.tier = tier
    out: list[Chunk] = []
    for frame in frames:
        beside.add(msgspec.convert(frame, Event), out)
    return out


@pytest.mark.parametrize(
    "frame",
    [
        {"usage": COUNTS},
        {"x_groq": {"usage": COUNTS}},
        {"citations": ["https://a.example"]},
        {"search_results": [{"url": "https://a.example", "title": "A"}]},
        {"images": [{"image_url": "https://a.example/a.png"}]},
        {"related_questions": ["And then?"]},
    ],
    ids=lambda frame: next(iter(frame)),
)
def test_what_comes_again_is_told_once(frame: dict[str, Any]) -> None:
    assert len(told(frame)) == 1
    assert told(frame, frame, frame) == told(frame)


def test_sources_that_are_new_are_told_without_those_before() -> None:
    one, both = {"citations": ["https://a.example"]}, {"citations": ["https://a.example", "https://b.example"]}
    found = [chunk.citation.url for chunk in told(one, both, both) if isinstance(chunk, CitationDelta)]
    assert found == ["https://a.example", "https://b.example"]


def test_counts_that_grow_are_told_each_time_with_the_tier() -> None:
    chunks = told({"usage": COUNTS}, {"usage": {**COUNTS, "completion_tokens": 2}}, tier="flex")
    usages = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert [usage.output_tokens for usage in usages] == [1, 2]
    assert {usage.service_tier for usage in usages} == {"flex"}


def test_what_filters_and_moderation_found_is_passed_on() -> None:
    frame = {"moderation": {"flagged": True}, "prompt_filter_results": [{"prompt_index": 0}]}
    kinds = [chunk.event for chunk in told(frame) if isinstance(chunk, ProviderEvent)]
    assert kinds == ["moderation", "prompt_filter_results"]


def test_the_start_is_told_once_and_only_where_something_of_it_is_there() -> None:
    beside = BesideChoices("p")
    out: list[Chunk] = []
    beside.begin(msgspec.convert({}, FirstEvent), out)
    assert out == []
    for id_ in ("one", "two"):
        beside.begin(msgspec.convert({"id": id_, "model": "m", "created": 7, "service_tier": "flex"}, FirstEvent), out)
    assert out == [StreamStart("one", "m", 7)]
    assert beside.tier == "flex"


def test_usage_alone_is_nothing_beside_the_choices() -> None:
    assert not says_something(msgspec.convert({"usage": COUNTS}, Event))
    assert says_something(msgspec.convert({"citations": ["https://a.example"]}, Event))
