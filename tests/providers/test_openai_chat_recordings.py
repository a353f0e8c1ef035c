"""Every recorded exchange is decoded to what was really said; OpenAI's SDK reads the same bytes beside us."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from exllm.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    ExLLMError,
    InvalidRequest,
    NotFound,
    RateLimited,
    StreamInterrupted,
)
from exllm.providers.openai_chat import WIRE
from exllm.types.chunks import ProviderEvent
from exllm.types.response import Response
from exllm.types.usage import Usage
from tests.providers import openai_chat_recordings as recordings
from tests.providers.openai_chat_recordings import DIRECTORY, INDEX, load, names
from tests.rechunk import bytewise, rechunk

# Streams and bodies that are no answers, with the error that they are.
FAILURES: dict[str, tuple[type[ExLLMError], str]] = {
    "azure__openai-chat__test-prompt-content-filtering__0": (InvalidRequest, "content_filter"),
    "groq__openai-chat__test-tool-use-failed-error-streaming__0": (InvalidRequest, "tool_use_failed"),
    "groq__openai-chat__test-tool-use-failed-error-streaming-with-text__0": (InvalidRequest, "tool_use_failed"),
    "xai__openai-chat__2025-06-29t01-44-12-320612z__0": (StreamInterrupted, ""),  # nothing but [DONE]
}

# Where the SDK, which knows OpenAI's own dialect only, misses or mixes up what the bytes say.
READ_BETTER: dict[str, dict[str, Any]] = {
    # Two calls with the index 0.
    "cerebras__openai-chat__cererebras-structured-output-tools-1__0": {
        "tool_calls": [("bbd2b9d98", "nonUsefulTool", "{}"), ("e0ecf32e0", "nonUsefulTool", "{}")]
    },
    # Mistral's content of parts, some of them thinking.
    "mistral__openai-chat__chat-mistral-hybrid-reasoning-streams-thinking-separately-fr__0": {
        "text": "144",
        "reasoning": "The user is asking for the product of 12 multiplied by 12. I know that 12 times 12 is a basic "
        "multiplication fact. Let me calculate it:\n\n12 * 12 = 144\n\nSo, the answer is 144.",
    },
    "mistral__openai-chat__mistral-reasoning__0": {
        "text": "2 + 2 = 4",
        "reasoning": "The user is asking for 2+2. This is basic arithmetic. 2+2=4.",
    },
    "mistral__openai-chat__test-mistral-model-thinking-part-iter__0": {"reasoning": "Okay, the user is asking how to "},
    "mistral__openai-chat__chat-with-extended-thinking-mistral-mistral-small-latest-pre__1": {
        "text": "8 × 2 equals 16.",
        "reasoning": "The user wants me to multiply the previous result (which was 8) by 2. So, 8 multiplied by 2 is "
        "16.",
    },
    "mistral__openai-chat__test-mistral-model-thinking-part__1": {
        "text": "Crossing a river is quite different from crossing a street, ",
        "reasoning": "**Analogizing crossing a river**\n\nThe user is asking about crossing a river, ",
    },
    # A call without an id gets one.
    "gemini__openai-chat__test-compatible-api-with-tool-calls-without-id__0": {
        "tool_calls": [("call_0_0", "get_current_time", "{}")]
    },
    # Reasoning that is in `reasoning_details` alone.
    "openrouter__openai-chat__chat-web-search-with-openrouter-openai-gpt-5-2-searches-tran__0": {
        "reasoning": "**Finding Ruby version**\n\nI need to check for the latest stable version of Ruby. "
    },
    "snowflake__openai-chat__test-snowflake-thinking__0": {"reasoning": "Let me get the weather for Mexico City."},
}

# Fields of a wrong type, told as an event.
SURPRISES = {"writer__writer-chat__test-writer-async-metrics__0": {"created": "1715361795"}}

# Services that count reasoning apart from `completion_tokens`: xAI, and Gemini behind Vercel's gateway.
COUNTS_REASONING_APART = ("xai__", "openai-compatible__openai-chat__xai-", "vercel-gateway__")

ERRORS: dict[str, tuple[type[ExLLMError], str | None, float | None]] = {
    "azure__openai-chat__chat-real-error-scenarios-azure-grok-4-1-fast-non-reasoning-__0": (
        RateLimited, "RateLimitReached", 1.0,
    ),
    "deepseek__openai-chat__chat-error-handling-with-deepseek-deepseek-chat-raises-appro__0": (
        AuthenticationError, "invalid_request_error", None,
    ),
    "deepseek__openai-chat__chat-real-error-scenarios-deepseek-deepseek-chat-handles-con__0": (
        ContextLengthExceeded, "invalid_request_error", None,
    ),
    "groq__openai-chat__test-tool-regular-error__0": (NotFound, "model_not_found", None),
    "groq__openai-chat__test-tool-use-failed-error-with-text__0": (InvalidRequest, "tool_use_failed", None),
    "groq__openai-chat__test-tool-use-failed-error__0": (InvalidRequest, "tool_use_failed", None),
    "mistral__openai-chat__2025-06-23t14-55-01-537575z__0": (AuthenticationError, "streaming_error", None),
    "mistral__openai-chat__chat-error-handling-with-mistral-mistral-small-latest-raises__0": (
        AuthenticationError, None, None,
    ),
    "ollama__openai-chat__chat-real-error-scenarios-ollama-cloud-gpt-oss-120b-handles-__0": (
        ContextLengthExceeded, "invalid_request_error", None,
    ),
    "openai__openai-chat__test-async-chat-completion-404__0": (NotFound, "model_not_found", None),
    "openai__openai-chat__test-model-name-suggestion-openai-chat__0": (NotFound, "model_not_found", None),
    "openai__openai-chat__test-openai-o1-mini-system-role-developer__0": (InvalidRequest, "unsupported_value", None),
    "openai__openai-chat__test-openai-o1-mini-system-role-system__0": (InvalidRequest, "unsupported_value", None),
    "openai__openai-chat__test-openai-web-search-tool-model-not-supported__0": (
        InvalidRequest, "invalid_request_error", None,
    ),
    "openai__openai-chat__test-vision-base64__3": (InvalidRequest, "invalid_image_format", None),
    "openai__openai-chat__test-vision__2": (InvalidRequest, "invalid_image_url", None),
    "openai__openai-chat__testinputvalueimagehiding-test-input-value-hides-regular-url__0": (
        InvalidRequest, "invalid_image_url", None,
    ),
    "openrouter__openai-chat__chat-error-handling-with-openrouter-claude-haiku-4-5-raises-__0": (
        AuthenticationError, None, None,
    ),
    "openrouter__openai-chat__testopenrouterstreaming__1": (RateLimited, None, None),
}  # fmt: skip


def test_every_file_is_played_and_every_row_has_its_file() -> None:
    assert {path.name for path in DIRECTORY.glob("*.json")} - {"INDEX.json"} == {row.file for row in INDEX}
    assert sorted(names("stream") + names("body") + names("error")) == sorted(row.file[:-5] for row in INDEX)
    assert sorted(ERRORS) == sorted(names("error"))
    assert set(FAILURES) | set(READ_BETTER) | set(SURPRISES) <= {*names("stream"), *names("body")}


def test_every_recording_names_its_origin_and_licence() -> None:
    licences = {path.name.removesuffix(".LICENSE") for path in (DIRECTORY / "licences").iterdir()}
    for row in INDEX:
        origin = row.source.partition("@")[0].replace("/", "+")
        assert row.licence in ("MIT", "Apache-2.0")
        assert origin in licences or (
            row.source.startswith("PyPI sdist langchain") and "langchain-ai+langchain" in licences
        )


@pytest.mark.parametrize("name", [name for name in names("stream") if name not in FAILURES])
def test_a_stream_says_the_same_however_its_bytes_are_cut(name: str) -> None:
    recording = load(name)
    whole = recordings.decode_stream(recording.provider, [recording.body])

    assert recordings.decode_stream(recording.provider, bytewise(recording.body)) == whole
    assert recordings.decode_stream(recording.provider, rechunk(recording.body, seed=len(name))) == whole
    assert not [chunk for chunk in whole if isinstance(chunk, ProviderEvent) and chunk.event == "unreadable_fields"]


@pytest.mark.parametrize("name", [name for name in names("stream") if name not in FAILURES])
def test_a_stream_is_read_as_the_sdk_reads_it(name: str) -> None:
    recording = load(name)
    response = recordings.fold(recording.provider, recordings.decode_stream(recording.provider, [recording.body]))

    check_against_sdk(name, response, *recordings.sdk_stream(recording))


@pytest.mark.parametrize("name", [name for name in names("body") if name not in FAILURES])
def test_a_whole_answer_is_read_as_the_sdk_reads_it(name: str) -> None:
    recording = load(name)
    chunks = recordings.decode_body(recording.provider, recording.body)
    response = recordings.fold(recording.provider, chunks)

    check_against_sdk(name, response, *recordings.sdk_body(recording))
    surprises = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent) and chunk.event == "unreadable_fields"]
    assert [chunk.data for chunk in surprises] == ([SURPRISES[name]] if name in SURPRISES else [])


@pytest.mark.parametrize("name", [name for name in names("stream") if name in FAILURES])
def test_a_failed_stream_raises_the_same_however_its_bytes_are_cut(name: str) -> None:
    recording = load(name)
    kind, code = FAILURES[name]
    seen = []
    for slices in ([recording.body], bytewise(recording.body), rechunk(recording.body, seed=3)):
        with pytest.raises(kind) as caught:
            recordings.decode_stream(recording.provider, slices)
        assert type(caught.value) is kind
        assert (caught.value.code or "") == code
        assert caught.value.provider == recording.provider
        seen.append(caught.value.seen)  # type: ignore[attr-defined]
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("name", [name for name in names("body") if name in FAILURES])
def test_an_error_in_the_place_of_an_answer_raises(name: str) -> None:
    recording = load(name)
    kind, code = FAILURES[name]

    with pytest.raises(kind) as caught:
        recordings.decode_body(recording.provider, recording.body)
    assert type(caught.value) is kind
    assert caught.value.code == code


@pytest.mark.parametrize("name", names("error"))
def test_an_error_response_becomes_the_right_exception(name: str) -> None:
    recording = load(name)
    kind, code, wait_s = ERRORS[name]

    error = WIRE.parse_error(
        recording.status, recording.headers, recording.body, recordings.spec_for(recording.provider)
    )

    assert type(error) is kind
    assert (error.code, error.retry_after_s, error.status) == (code, wait_s, recording.status)
    with pytest.raises(openai.APIStatusError) as caught:
        recordings.sdk_body(recording)
    assert caught.value.status_code == error.status
    assert caught.value.request_id == error.request_id


def check_against_sdk(
    name: str, response: Response, expected: dict[int, dict[str, Any]], usage: dict[str, Any] | None
) -> None:
    found = recordings.summary(response)
    for field, value in READ_BETTER.get(name, {}).items():
        ours, theirs = found[0].pop(field), expected[0].pop(field)
        assert ours != theirs, "the SDK has learnt it; drop the exception"
        assert ours.startswith(value) if isinstance(value, str) else ours == value
    assert found == expected
    assert all(choice.finish_reason is not None for choice in response.choices)
    check_usage(name, response.usage, usage)


def check_usage(name: str, found: Usage, reported: dict[str, Any] | None) -> None:
    if reported is None:
        assert found == Usage()
        return
    output = reported["completion_tokens"]
    details = reported.get("completion_tokens_details") or {}
    reasoned = details.get("reasoning_tokens") or 0
    if found.output_tokens != output:
        if name.startswith("gemini__"):  # its thinking shows in the total alone
            output = reported["total_tokens"] - reported["prompt_tokens"]
        else:
            assert name.startswith(COUNTS_REASONING_APART)
            assert reasoned > output or reported["total_tokens"] == reported["prompt_tokens"] + output + reasoned
            output += reasoned
    assert (found.input_tokens, found.output_tokens) == (reported["prompt_tokens"], output)
    assert found.total_tokens == found.input_tokens + found.output_tokens
    assert found.provenance == "reported"
    assert (found.reasoning_tokens or 0) == (reasoned or reported.get("reasoning_tokens") or 0)
    assert (found.cached_input_tokens or 0) <= found.input_tokens
    cached = (reported.get("prompt_tokens_details") or {}).get("cached_tokens")
    if cached is not None:
        assert found.cached_input_tokens == min(cached, found.input_tokens)
