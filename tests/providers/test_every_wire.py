"""What holds for every wire alike, by its dialect and by its recordings: Q17, Q18, Q19.

Q4, Q5, Q9 and Q15 are asked of every wire in `tests/faults`, over sockets. That each wire has a dialect is seen to in
`tests/test_requirements_index.py`.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
from collections.abc import Iterable

import pytest

from exllm.providers import ProviderSpec, registry
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk, ToolCallDelta
from exllm.types.message import Message
from exllm.types.parts import ToolCall
from exllm.types.request import Request
from exllm.types.response import Response
from tests.faults.dialects import DIALECTS, TEXT, Dialect
from tests.rechunk import slicings
from tests.recorded import RECORDINGS, exchanges, read

FRAMINGS = {"sse": SSEDecoder, "ndjson": NDJSONDecoder, "aws_eventstream": EventStreamDecoder}
FEW_RECORDED = {"openai_completions": 6, "ollama_generate": 6, "cohere_v1": 8}
PLACE = {"place": 'São Paulo \u2028 \U0001f600 "quoted" \\ back', "days": [1, 2, {"at": None}], "empty": ""}

WITH_TOOLS = [dialect for dialect in DIALECTS if dialect.tool_frames is not None]
by_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.provider)
by_dialect_with_tools = pytest.mark.parametrize(
    "dialect", [dialect for dialect in DIALECTS if dialect.tool_frames], ids=lambda dialect: dialect.provider
)


by_dialect_with_tools = pytest.mark.parametrize("dialect", WITH_TOOLS, ids=lambda dialect: dialect.provider)


def _decode(dialect: Dialect, slices: Iterable[bytes]) -> list[Chunk]:
    spec = registry.get(dialect.provider)
    assert isinstance(spec, ProviderSpec)
    wire = registry.wire(spec.wire)
    framing = FRAMINGS[wire.framing]()
    decoder = wire.decoder(Request(dialect.provider, dialect.model, (Message("user", "Hi"),), stream=True), spec)
    chunks: list[Chunk] = []
    for data in slices:
        chunks += decoder.feed(framing.feed(data))
    chunks += decoder.feed(framing.close())
    return chunks + decoder.close()


def _call(dialect: Dialect, fragments: list[str]) -> list[bytes]:
    assert dialect.tool_frames is not None
    return dialect.tool_frames(fragments)


def _fold(dialect: Dialect, chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator(dialect.provider, dialect.model)
    accumulator.add(chunks)
    return accumulator.response()


# -- Q18: tool calls


def _splits(text: str) -> Iterable[list[str]]:
    """Whole, letter by letter, with empty pieces at the ends and between, and in pieces of chance."""
    yield [text]
    yield list(text)
    yield ["", *itertools.chain.from_iterable((letter, "") for letter in text)]
    for seed in range(20):
        rng = random.Random(seed)
        cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randint(1, 8)))
        yield [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]


@by_dialect_with_tools
def test_q18_any_split_of_the_arguments_gives_the_same_call(dialect: Dialect) -> None:
    written = json.dumps(PLACE, ensure_ascii=False)
    assert dialect.tool_frames is not None
    for pieces in _splits(written):
        chunks = _decode(dialect, _call(dialect, pieces))
        response = _fold(dialect, chunks)
        (call,) = response.tool_calls
        assert (call.name, call.parse_arguments()) == ("look", PLACE)
        assert call.id
        assert response.finish_reason == "tool_calls"
        deltas = [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]
        assert "".join(delta.arguments for delta in deltas) == call.arguments
        assert {delta.call for delta in deltas} == {0}
        if not dialect.calls_come_whole:
            assert call.arguments == written


@by_dialect_with_tools
def test_q18_any_slicing_of_the_bytes_gives_the_same_call(dialect: Dialect) -> None:
    assert dialect.tool_frames is not None
    body = b"".join(_call(dialect, ['{"pla', 'ce": "', "é", '"}']))
    for name, slices in slicings(body):
        (call,) = _fold(dialect, _decode(dialect, slices)).tool_calls
        assert isinstance(call, ToolCall)
        assert call.parse_arguments() == {"place": "é"}, name


@by_dialect_with_tools
def test_q18_a_call_without_arguments_is_a_call(dialect: Dialect) -> None:
    assert dialect.tool_frames is not None
    (call,) = _fold(dialect, _decode(dialect, _call(dialect, ["{}"]))).tool_calls
    assert call.parse_arguments() == {}


# -- Q19: text


@by_dialect
def test_q19_unicode_line_ends_and_split_characters_are_text(dialect: Dialect) -> None:
    """As they are in the frame, not escaped, where a frame is text; binary frames escape them here."""
    odd = "a\u2028b\u2029c\x85d \U0001f600 e\u0301"
    frames = [*dialect.opening, dialect.text("ODD"), *dialect.closing]
    if dialect.is_text:
        frames = [frame.replace(b"ODD", odd.encode()) for frame in frames]
    else:
        frames[len(dialect.opening)] = dialect.text(odd)
    for name, slices in slicings(b"".join(frames)):
        response = _fold(dialect, _decode(dialect, slices))
        assert response.text == odd, name
        assert response.finish_reason == "stop"


# -- Q17: what is counted


@by_dialect
def test_q17_a_stream_and_a_whole_answer_count_the_same(dialect: Dialect) -> None:
    spec = registry.get(dialect.provider)
    assert isinstance(spec, ProviderSpec)
    request = Request(dialect.provider, dialect.model, (Message("user", "Hi"),))
    whole = _fold(dialect, registry.wire(spec.wire).decode_body(dialect.body(TEXT), request, spec))
    streamed = _fold(dialect, _decode(dialect, dialect.frames()))
    assert (streamed.text, streamed.finish_reason) == (whole.text, whole.finish_reason)
    assert streamed.usage == whole.usage
    counted = (9, 5) if dialect.counts_tokens else (None, None)
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == counted


@functools.cache
def _recorded() -> dict[str, list[tuple[str, Response]]]:
    """The answers of all recordings that are of ours, by wire."""
    found: dict[str, list[tuple[str, Response]]] = {}
    for _, exchange in exchanges():
        if exchange is not None and exchange.wire in registry._WIRES and exchange.data["response"]["status"] < 400:
            response, failed = read(exchange)
            if not failed:
                found.setdefault(exchange.wire, []).append((exchange.path.name, response))
    return found


MUCH_RECORDED = [wire for wire in registry._WIRES if len([*(RECORDINGS / wire).glob("*__*.json")]) > 10]
"""The wires of which there are enough recordings to ask them; of others there is one, or none."""


@pytest.mark.parametrize("wire", MUCH_RECORDED)
def test_q17_input_is_uncached_read_and_written_in_every_recording(wire: str) -> None:
    counted = [
        (name, response.usage) for name, response in _recorded()[wire] if response.usage.provenance == "reported"
    ]
    assert len(counted) >= FEW_RECORDED.get(wire, 10)
    for name, usage in counted:
        if usage.input_tokens is not None:
            from_cache = (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
            assert 0 <= from_cache <= usage.input_tokens, name
        if usage.output_tokens is not None:
            assert (usage.reasoning_tokens or 0) <= usage.output_tokens, name
        if usage.input_tokens is not None and usage.output_tokens is not None and usage.total_tokens is not None:
            assert usage.input_tokens + usage.output_tokens == usage.total_tokens, name
