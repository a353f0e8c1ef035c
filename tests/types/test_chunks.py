"""The chunk union: every kind round-trips, and has `index` and `text`."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

import exllm
from exllm import Citation, TokenLogprob, Usage
from exllm.types.chunks import Chunk

EXAMPLES: list[Any] = [
    exllm.StreamStart("id-1", "m", 1700000000, 1),
    exllm.TextDelta("Grüezi \u2028", 1, 2, (TokenLogprob("G", -0.1, (71,), (TokenLogprob("H", -2.0),)),)),
    exllm.ReasoningDelta("Hm.", 1, 2, "sig", None, "r1"),
    exllm.ReasoningDelta(redacted="xyz"),
    exllm.ToolCallDelta(1, "c1", "look", '{"a":', 1, True, "sig"),
    exllm.AudioDelta(b"\x00\xff", "audio/pcm", "Hi", "a1", 1700000000, 1),
    exllm.ImageDelta(b"\x89PNG", None, "image/png", 1),
    exllm.CitationDelta(Citation("https://a", "A", "q", 0, 3, 1, {"type": "x", "n": [1]}), 1, 2),
    exllm.RefusalDelta("No.", 1, (TokenLogprob("N", -1.0),)),
    exllm.UsageUpdate(Usage(1, 2, 3, provenance="reported"), 1),
    exllm.Finish("length", 1, "max_tokens", "too long"),
    exllm.ProviderEvent("ping", {"a": [1, None, "x"]}, "acme", True, 1),
]


def test_every_kind_of_the_union_has_an_example() -> None:
    assert {type(chunk) for chunk in EXAMPLES} == set(get_args(Chunk))


@pytest.mark.parametrize("chunk", EXAMPLES, ids=lambda chunk: type(chunk).__name__)
def test_chunks_round_trip_through_json_and_messagepack(chunk: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(chunk), type=Chunk) == chunk
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(chunk), type=Chunk) == chunk
    assert msgspec.json.decode(msgspec.json.encode(EXAMPLES), type=list[Chunk]) == EXAMPLES


@pytest.mark.parametrize("chunk", EXAMPLES, ids=lambda chunk: type(chunk).__name__)
def test_every_chunk_has_index_and_text_and_only_text_deltas_say_something(chunk: Any) -> None:
    assert chunk.index in (0, 1)
    assert chunk.text == ("Grüezi \u2028" if type(chunk) is exllm.TextDelta else "")


@pytest.mark.parametrize("chunk", EXAMPLES, ids=lambda chunk: type(chunk).__name__)
def test_chunks_are_frozen_and_not_tracked_by_the_collector(chunk: Any) -> None:
    with pytest.raises(AttributeError):
        chunk.index = 7
    assert type(chunk).__struct_config__.frozen
    assert not type(chunk).__struct_config__.gc


def test_the_tag_is_the_snake_case_of_the_class() -> None:
    assert msgspec.json.encode(exllm.TextDelta("Hi")) == b'{"type":"text_delta","text":"Hi"}'
    tags = {kind.__struct_config__.tag for kind in get_args(Chunk)}
    assert len(tags) == len(get_args(Chunk))
