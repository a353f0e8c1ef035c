"""The short ways for plain unstreamed answers give the chunks of the general ways, or leave the answer to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import ExLLMError
from exllm.providers import (
    anthropic_decode,
    bedrock_converse_decode,
    bedrock_converse_plain,
    cohere_plain,
    gemini_decode,
    gemini_plain,
    ollama_plain,
    openai_chat_plain,
    openai_responses_plain,
)
from exllm.providers.anthropic_plain import plain_answer as plain_message
from exllm.providers.cohere_decode import CohereChatDecoder
from exllm.providers.ollama_decode import OllamaChatDecoder
from exllm.providers.openai_chat_decode import OpenAIChatDecoder
from exllm.providers.openai_chat_events import decode_body
from exllm.providers.openai_responses_decode import ECHOED_FIELDS, ResponsesDecoder
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.fold import fold
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response
from tests.providers import (
    anthropic_recordings,
    bedrock_recordings,
    cohere_recordings,
    gemini_recordings,
    ollama_recordings,
    openai_chat_recordings,
    openai_responses_recordings,
)

CONVERSE = bedrock_recordings.Recordings("bedrock")
REQUEST = Request("p", "m", (Message("user", "Hi"),))

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
GEMINI: dict[str, Any] = {
    "candidates": [
        {"content": {"parts": [{"text": "Hi."}], "role": "model"}, "finishReason": "STOP", "index": 0,
         "avgLogprobs": -0.5}
    ],
    "usageMetadata": {
        "promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}], "trafficType": "ON_DEMAND",
    },
    "modelVersion": "gemini-2.5-flash", "responseId": "r", "createTime": "2025-08-20T13:47:00.5Z",
}  # fmt: skip
BEDROCK: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi."}]}}, "stopReason": "end_turn",
    "usage": {
        "inputTokens": 9, "outputTokens": 5, "totalTokens": 14, "cacheReadInputTokens": 2,
        "cacheReadInputTokenCount": 2, "cacheWriteInputTokens": 3, "cacheWriteInputTokenCount": 3,
        "serverToolUsage": {},
    },
    "metrics": {"latencyMs": 608},
}  # fmt: skip
OLLAMA: dict[str, Any] = {
    "model": "gemma3:1b", "created_at": "2025-08-20T13:47:00.5Z", "message": {"role": "assistant", "content": "Hi."},
    "done_reason": "stop", "done": True, "total_duration": 1, "load_duration": 2, "prompt_eval_count": 9,
    "prompt_eval_duration": 3, "eval_count": 5, "eval_duration": 4,
}  # fmt: skip
COHERE: dict[str, Any] = {
    "id": "c", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
    "finish_reason": "COMPLETE",
    "usage": {
        "billed_units": {"input_tokens": 7, "output_tokens": 5}, "tokens": {"input_tokens": 502, "output_tokens": 8},
        "cached_tokens": 448,
    },
}  # fmt: skip
RESPONSES: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1787150064, "status": "completed", "background": False,
    "error": None, "incomplete_details": None, "instructions": "Be brief.", "model": "gpt",
    "output": [{
        "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Hi."}],
    }],
    "reasoning": {"effort": None, "summary": None}, "service_tier": "default", "tools": [], "tool_choice": "auto",
    "usage": {
        "input_tokens": 9, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14,
    },
    "tool_usage": {
        "image_gen": {
            "input_tokens": 0, "input_tokens_details": {"image_tokens": 0, "text_tokens": 0}, "output_tokens": 0,
            "output_tokens_details": {"image_tokens": 0, "text_tokens": 0}, "total_tokens": 0,
        },
        "web_search": {"num_requests": 0},
    },
}  # fmt: skip


def short_openai(body: bytes) -> list[Chunk] | None:
    try:
        return openai_chat_plain.plain_answer(decode_body(body), "p")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # the general way takes such an answer apart


def general_message(body: bytes) -> list[Chunk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anthropic_decode, "plain_answer", lambda body: None)
        return anthropic_decode.decode_body(body, "p", "m")


class Ways(NamedTuple):
    """Both ways for one wire; an answer for the short one; what may be in others; those that were recorded."""

    short: Callable[[bytes], list[Chunk] | None]
    general: Callable[[bytes], list[Chunk]]
    answer: dict[str, Any]
    fields: list[str]
    recorded: list[bytes]
    plain: int  # how many of the recorded ones are


WIRES: dict[str, Ways] = {
    "openai_chat": Ways(
        short_openai,
        lambda body: OpenAIChatDecoder(REQUEST).whole(body, decode_body(body)),
        OPENAI,
        ["citations", "x_groq", "error", "tool_calls", "reasoning", "audio", "executed_tools", "images", "moderation",
         "prompt_filter_results", "content_filter_results"],
        [openai_chat_recordings.load(name).body for name in openai_chat_recordings.names("body")],
        41,
    ),
    "anthropic_messages": Ways(
        plain_message,
        general_message,
        CLAUDE,
        ["citations", "container", "stop_details", "inference_geo", "cache_creation"],
        [anthropic_recordings.load(name).body for name in anthropic_recordings.BODIES],
        3,
    ),
    "gemini_generate": Ways(
        lambda body: gemini_plain.plain_answer(body, "p"),
        lambda body: gemini_decode.decode_body(body, "p", "m"),
        GEMINI,
        ["thought", "thoughtSignature", "functionCall", "groundingMetadata", "safetyRatings", "promptFeedback", "error",
         "citationMetadata", "finishMessage", "logprobsResult", "modelStatus", "serviceTier", "thoughtsTokenCount",
         "toolUsePromptTokenCount", "executableCode"],
        [gemini_recordings.load(name).body for name in gemini_recordings.BODIES],
        3,
    ),
    "bedrock_converse": Ways(
        lambda body: bedrock_converse_plain.plain_answer(body, "p", "m-1"),
        lambda body: bedrock_converse_decode.read_body(body, "p", "m", "m-1"),
        BEDROCK,
        ["trace", "performanceConfig", "serviceTier", "additionalModelResponseFields", "toolUse", "reasoningContent",
         "cacheDetails", "citationsContent"],
        [CONVERSE.load(name).body for name in CONVERSE.bodies],
        2,
    ),
    "ollama_chat": Ways(
        lambda body: ollama_plain.plain_answer(body, "p"),
        lambda body: OllamaChatDecoder("p", "m").whole(body),
        OLLAMA,
        ["thinking", "tool_calls", "images", "logprobs", "error", "remote_model"],
        [ollama_recordings.load(name).body for name in ollama_recordings.BODIES],
        2,
    ),
    "cohere_chat": Ways(
        cohere_plain.plain_answer,
        lambda body: CohereChatDecoder("p", "m").whole(body),
        COHERE,
        ["tool_plan", "tool_calls", "citations", "logprobs", "error", "search_units", "image_tokens", "thinking"],
        [cohere_recordings.load(name).body for name in cohere_recordings.BODIES],
        2,
    ),
    "openai_responses": Ways(
        openai_responses_plain.plain_answer,
        lambda body: ResponsesDecoder(REQUEST, "p").whole(body),
        RESPONSES,
        [*sorted(ECHOED_FIELDS), "phase", "cost", "output_text", "audio_tokens", "obfuscation", "detail"],
        [openai_responses_recordings.load(name).body for name in openai_responses_recordings.BODIES],
        1,
    ),
}  # fmt: skip


def folded(chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    return accumulator.response()


def same(wire: str, short: list[Chunk], general: list[Chunk]) -> None:
    assert folded(short) == folded(general) == fold(short, "p", "m")
    if wire != "anthropic_messages":  # whose usage comes in two pieces in the general way
        assert short == general


@pytest.mark.parametrize("wire", WIRES)
def test_the_recorded_answers(wire: str) -> None:
    ways = WIRES[wire]
    plain = 0
    for body in ways.recorded:
        short = ways.short(body)
        if short is not None:
            plain += 1
            same(wire, short, ways.general(body))
    assert plain >= ways.plain  # or the short way leads nowhere


@pytest.mark.parametrize("wire", WIRES)
def test_a_plain_answer_goes_the_short_way(wire: str) -> None:
    ways = WIRES[wire]
    body = json.dumps(ways.answer).encode()
    short = ways.short(body)
    assert short is not None
    same(wire, short, ways.general(body))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"null", b'"x"', b"\xff", b"[" * 2000])
def test_what_is_no_answer_is_left_to_the_general_way(wire: str, body: bytes) -> None:
    assert WIRES[wire].short(body) is None


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


VALUES = st.sampled_from(
    [
        None, "", "x", "error", "length", "STOP", "MAX_TOKENS", "max_tokens", "completed", 0, 1, -1, 2.5, 3.0, 10**30,
        True, False, [], {}, ["x"], [None], {"type": "x"}, [{"type": "text", "text": "y"}], [{"text": "y"}],
        {"web_search": {"num_requests": 2}},
    ]
)  # fmt: skip


def changed(document: dict[str, Any], place: tuple[Any, ...], added: str | None, value: Any) -> bytes:
    """`document` with one value replaced, with one field more, or with one less."""
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
        if value == [None]:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
    return json.dumps(copy).encode()


@pytest.mark.parametrize("wire", WIRES)
@given(st.data())
def test_an_answer_with_anything_changed(wire: str, data: st.DataObject) -> None:
    ways = WIRES[wire]
    place = data.draw(st.sampled_from(_places(ways.answer)))
    added = data.draw(st.none() | st.sampled_from([*ways.fields, "new", "type", "text"]))
    body = changed(ways.answer, place, added, data.draw(VALUES))
    short = ways.short(body)
    if short is not None:
        try:
            general = ways.general(body)
        except ExLLMError as error:
            pytest.fail(f"only the short way takes {body!r}: {error}")
        same(wire, short, general)
