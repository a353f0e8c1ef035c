"""The short way for plain unstreamed answers gives the chunks of the general way, or leaves the answer to it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.providers import anthropic_decode
from exllm.providers.anthropic_plain import plain_answer as plain_message
from exllm.providers.openai_chat_decode import OpenAIChatDecoder
from exllm.providers.openai_chat_events import Body, decode_body
from exllm.providers.openai_chat_plain import plain_answer
from exllm.streaming.accumulator import Accumulator
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response
from tests.providers import anthropic_recordings, openai_chat_recordings

REQUEST = Request("openai", "m", (Message("user", "Hi"),))


def general_openai(body: bytes) -> list[Chunk]:
    return OpenAIChatDecoder(REQUEST).whole(body, decode_body(body))


def general_message(body: bytes) -> list[Chunk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anthropic_decode, "plain_answer", lambda body: None)
        return anthropic_decode.decode_body(body, "anthropic", "m")


def folded(chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    return accumulator.response()


def test_the_recorded_answers_of_chat_completions() -> None:
    plain = 0
    for name in openai_chat_recordings.names("body"):
        body = openai_chat_recordings.load(name).body
        try:
            answer = decode_body(body)
        except msgspec.ValidationError:
            continue  # the general way takes such an answer apart
        short = plain_answer(answer)
        if short is not None:
            plain += 1
            assert short == general_openai(body), name
    assert plain > 40  # or the short way leads nowhere


def test_the_recorded_answers_of_messages() -> None:
    plain = 0
    for name in anthropic_recordings.BODIES:
        body = anthropic_recordings.load(name).body
        short = plain_message(body)
        if short is not None:
            plain += 1
            assert folded(short) == folded(general_message(body)), name
    assert plain > 2


OPENAI: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1763500000, "model": "gpt",
    "choices": [{
        "index": 0, "message": {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": []},
        "logprobs": None, "finish_reason": "stop",
    }],
    "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    "service_tier": "default", "system_fingerprint": "fp",
}  # fmt: skip
CLAUDE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
    "content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {
        "input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 2, "service_tier": "standard",
        "cache_creation_input_tokens": 7, "inference_geo": "not_available", "server_tool_use": None,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
        "output_tokens_details": {"thinking_tokens": 1},
    },
}  # fmt: skip


def test_a_plain_answer_goes_the_short_way() -> None:
    assert plain_answer(decode_body(json.dumps(OPENAI).encode())) == general_openai(json.dumps(OPENAI).encode())
    short = plain_message(json.dumps(CLAUDE).encode())
    assert short is not None
    assert folded(short) == folded(general_message(json.dumps(CLAUDE).encode()))


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


VALUES = st.sampled_from(
    [
        None,
        "",
        "x",
        "error",
        "length",
        0,
        1,
        -1,
        2.5,
        True,
        [],
        {},
        ["x"],
        {"type": "x"},
        [{"type": "text", "text": "y"}],
    ]
)


def changed(document: dict[str, Any], place: tuple[Any, ...], added: str | None, value: Any) -> bytes:
    """`document` with one value replaced, or with one field more."""
    copy = json.loads(json.dumps(document))
    inner, keys = copy, place
    if added is not None:
        for key in keys:
            inner = inner[key]
        if isinstance(inner, dict):
            inner[added] = value
    elif keys:
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
    return json.dumps(copy).encode()


@given(
    st.sampled_from(_places(OPENAI)),
    st.none() | st.sampled_from([*Body.__struct_fields__, "tool_calls", "reasoning", "audio", "executed_tools", "new"]),
    VALUES,
)
def test_an_answer_of_chat_completions_with_anything_changed(
    place: tuple[Any, ...], added: str | None, value: Any
) -> None:
    body = changed(OPENAI, place, added, value)
    try:
        answer = decode_body(body)
    except msgspec.ValidationError:
        return
    short = plain_answer(answer)
    if short is not None:
        assert short == general_openai(body)


@given(
    st.sampled_from(_places(CLAUDE)),
    st.none() | st.sampled_from(["citations", "container", "stop_details", "inference_geo", "cache_creation", "new"]),
    VALUES,
)
def test_a_message_with_anything_changed(place: tuple[Any, ...], added: str | None, value: Any) -> None:
    body = changed(CLAUDE, place, added, value)
    short = plain_message(body)
    if short is not None:
        assert folded(short) == folded(general_message(body))
