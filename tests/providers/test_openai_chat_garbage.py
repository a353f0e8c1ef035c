"""Answers that are wrong in any place end in one of our errors or are read as far as they make sense (Q9)."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from exllm.errors import ExLLMError
from exllm.providers.openai_chat import WIRE
from exllm.streaming.frame import Frame
from exllm.types.response import Response
from tests.providers.openai_chat_frames import SPEC, decoder, fold, request

FULL: dict[str, Any] = {
    "content": "text",
    "reasoning": "hm",
    "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0, "signature": "s", "id": "i"}],
    "refusal": "no",
    "tool_calls": [
        {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {}}},
        {"index": 1, "id": "c2", "custom": {"name": "g", "input": "x"}},
    ],
    "function_call": {"name": "f", "arguments": "{}"},
    "audio": {"id": "a", "data": "AAAA", "transcript": "t", "expires_at": 1},
    "images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}],
    "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0}}],
    "executed_tools": [{"index": 0, "type": "search", "arguments": "{}", "output": "x"}],
    "extra_content": {"google": {"thought_signature": "s"}},
}
TOKEN = {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -1}]}
BESIDE: dict[str, Any] = {
    "id": "r1",
    "model": "m",
    "created": 1,
    "service_tier": "flex",
    "usage": {
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
        "cost": {"total_cost": 1},
        "cost_details": {"upstream_inference_cost": 1},
        "is_byok": True,
        "cost_in_usd_ticks": 5,
    },
    "citations": ["https://a.example"],
    "search_results": [{"url": "https://a.example", "title": "A"}],
    "x_groq": {"usage": {"prompt_tokens": 1}},
}
LOGPROBS = {"content": [TOKEN], "refusal": [TOKEN], "tokens": ["a"], "token_logprobs": [-1]}
STREAM = [
    {**BESIDE, "choices": [{"index": 0, "delta": FULL, "logprobs": LOGPROBS, "finish_reason": None}]},
    {**BESIDE, "choices": [{"index": 0, "delta": FULL, "finish_reason": "stop"}]},
    {**BESIDE, "choices": []},
]
BODY = {**BESIDE, "choices": [{"index": 0, "message": FULL, "logprobs": LOGPROBS, "finish_reason": "stop"}]}
ERROR = {
    "error": {
        "message": "m",
        "type": "t",
        "code": "c",
        "status": "s",
        "details": [{"reason": "r", "retryDelay": "1s"}],
    },
    "detail": [{"loc": ["body"], "msg": "m"}],
    "metadata": {"raw": "x"},
    "request_id": "r",
}
ODD: list[Any] = [None, True, 0, -1, 2**70, 1e308, "", "é", [], {}, [1], ["a"], [None], [{}], {"a": 1}, [[[]]], "=AAA"]


def spoil(rng: random.Random, value: Any) -> Any:
    """`value` with odd things in some places, and some things gone."""
    if rng.random() < 0.04:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {key: spoil(rng, inner) for key, inner in value.items() if rng.random() > 0.02}
    return [spoil(rng, inner) for inner in value] if isinstance(value, list) else value


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("seed", range(40))
def test_spoilt_answers_raise_nothing_but_our_errors(seed: int) -> None:
    rng = random.Random(seed)
    read = 0
    for _ in range(25):
        stream = [Frame(encoded(spoil(rng, event)), rng.choice(["message", "message", "note"])) for event in STREAM]
        try:
            decoding = decoder()
            assert isinstance(fold(decoding.feed(stream) + decoding.close()), Response)
            read += 1
        except ExLLMError as error:
            assert error.message  # noqa: PT017
        try:
            assert isinstance(fold(WIRE.decode_body(encoded(spoil(rng, BODY)), request(), SPEC)), Response)
            read += 1
        except ExLLMError as error:
            assert error.message  # noqa: PT017
        assert isinstance(WIRE.parse_error(400, {}, encoded(spoil(rng, ERROR)), SPEC), ExLLMError)
    assert read > 5


@pytest.mark.parametrize("seed", range(20))
def test_bytes_that_are_cut_or_flipped_raise_nothing_but_our_errors(seed: int) -> None:
    rng = random.Random(seed)
    whole = encoded(BODY)
    for _ in range(25):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.5 else whole)
        for _ in range(rng.randrange(4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert isinstance(fold(WIRE.decode_body(bytes(data), request(), SPEC)), Response)
        except ExLLMError as error:
            assert error.message  # noqa: PT017
        try:
            decoder().feed([Frame(encoded(STREAM[0])), Frame(bytes(data).replace(b"\n", b" "))])
        except ExLLMError as error:
            assert error.message  # noqa: PT017
        assert isinstance(WIRE.parse_error(500, {}, bytes(data), SPEC), ExLLMError)
