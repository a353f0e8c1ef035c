"""Token counts mean the same for every provider: what wires report keeps to one invariant, streamed or whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exllm import Options, Response, Usage
from exllm.cost import cost_of
from exllm.providers import registry
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.frame import Frame
from exllm.types.request import Request

OPENAI_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 40,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
}
ANTHROPIC_USAGE = {
    "input_tokens": 30,
    "output_tokens": 40,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 10,
}


def _openai(stream: bool) -> bytes | list[Any]:
    body: dict[str, Any] = {"id": "x", "model": "m", "object": "chat.completion", "usage": OPENAI_USAGE}
    if not stream:
        message = {"role": "assistant", "content": "Hi"}
        return msgspec.json.encode(body | {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})
    delta = {"index": 0, "finish_reason": "stop", "delta": {"content": "Hi"}}
    return [body | {"choices": [delta], "usage": None}, body | {"choices": []}]


def _anthropic(stream: bool) -> bytes | list[Any]:
    message: dict[str, Any] = {"id": "x", "model": "m", "type": "message", "role": "assistant", "content": []}
    if not stream:
        text = {"type": "text", "text": "Hi"}
        return msgspec.json.encode(message | {"content": [text], "stop_reason": "end_turn", "usage": ANTHROPIC_USAGE})
    return [
        {"type": "message_start", "message": message | {"usage": ANTHROPIC_USAGE | {"output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}},
        {"type": "message_stop"},
    ]


def _answer(provider: str, stream: bool) -> Response:
    spec: Any = registry.get(provider)
    wire = registry.wire(spec.wire)
    request = Request(provider, "m", (), Options(), stream=stream)
    given = {"openai": _openai, "anthropic": _anthropic}[provider](stream)
    accumulator = Accumulator(provider, "m")
    if isinstance(given, bytes):
        accumulator.add(wire.decode_body(given, request, spec))
    else:
        decoder = wire.decoder(request, spec)
        accumulator.add(decoder.feed([Frame(msgspec.json.encode(event)) for event in given]))
        if provider == "openai":
            accumulator.add(decoder.feed([Frame(b"[DONE]")]))
        accumulator.add(decoder.close())
    return accumulator.response()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_input_is_uncached_plus_read_plus_written(provider: str, stream: bool) -> None:
    usage = _answer(provider, stream).usage
    assert usage.input_tokens == 100
    assert usage.cached_input_tokens == 60
    uncached = usage.input_tokens - usage.cached_input_tokens - (usage.cache_write_tokens or 0)
    assert uncached == (30 if provider == "anthropic" else 40)
    assert usage.output_tokens == 40
    assert usage.total_tokens == 140
    assert (usage.reasoning_tokens or 0) <= usage.output_tokens
    assert usage.provenance == "reported"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_stream_and_whole_answer_count_the_same(provider: str) -> None:
    assert _answer(provider, True).usage == _answer(provider, False).usage


def test_what_nobody_reported_is_none_and_unknown_never_zero() -> None:
    assert all(value in (None, "unknown") for value in msgspec.structs.astuple(Usage()))
    assert Usage().provenance == "unknown"


def test_cost_is_none_where_no_price_is_known_and_zero_for_local_models() -> None:
    usage = Usage(10, 20, 30, provenance="reported")
    assert cost_of(usage, local=False).total is None
    assert cost_of(usage, local=True).total == 0.0


def test_what_was_pickled_before_there_were_more_counts_is_read_as_it_was() -> None:
    usage = Usage(image_tokens=1, accepted_prediction_tokens=2, search_requests=3, billed_output_tokens=4,
                  provenance="reported")  # fmt: skip
    # A pickle holds the values in the order of the fields, without names; these were the first ones.
    before = (*[None] * 9, 1, 2, None, 3, None, None, 4, None, "reported")
    build, values = usage.__reduce__()
    assert values[: len(before)] == before
    assert build(*before) == usage
