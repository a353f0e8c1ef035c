"""Every recorded exchange is decoded to what was really said; Anthropic's SDK reads the same bytes beside us."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import msgspec
import pytest

from exllm import errors
from exllm.errors import StreamInterrupted
from exllm.providers.anthropic_messages import WIRE
from exllm.types.chunks import ProviderEvent
from exllm.types.parts import ProviderPart
from exllm.types.request import Request
from exllm.types.response import Response
from tests.providers.anthropic_recordings import (
    ALL,
    BODIES,
    DIRECTORY,
    ERRORS,
    EXPECTED,
    SPEC,
    STREAMS,
    decode_body,
    decode_stream,
    fold,
    load,
    request_for,
    sdk_message,
    summary,
)
from tests.rechunk import bytewise, rechunk

# A gateway spliced a second answer into the first. The SDK mixes the two into one message; we refuse the second.
SPLICED = "anthropic__anthropic-messages__spliced-message-start__0"
# The limit was reached amid the arguments of a call. The SDK repairs them; ours are the text as it was written.
CUT_OFF = "anthropic__anthropic-messages__incomplete-partial-json-response__0"
WHOLE = [name for name in [*STREAMS, *BODIES] if name not in (SPLICED, CUT_OFF)]


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert {*STREAMS, *BODIES, *ERRORS} == set(ALL) == EXPECTED.keys()
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in ALL)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    body = load(name).body
    whole, error = decode_stream([body])
    response = fold(whole)
    assert told(response, error) == EXPECTED[name]
    sliced = [list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(3))]
    for slices in sliced:
        chunks, other = decode_stream(slices)
        assert chunks == whole
        assert type(other) is type(error)


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_is_read(name: str) -> None:
    assert told(fold(decode_body(load(name).body)), None) == EXPECTED[name]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_response_becomes_the_right_exception(name: str) -> None:
    recording = load(name)
    error = WIRE.parse_error(recording.status, recording.headers, recording.body, SPEC)
    expected = EXPECTED[name]
    assert type(error) is getattr(errors, expected["error"])
    assert (error.message, error.code, error.request_id) == (
        expected["message"], expected["code"], expected["request_id"]
    )  # fmt: skip
    assert error.status == recording.status
    assert error.provider == "anthropic"
    assert not error.retryable


@pytest.mark.parametrize("name", WHOLE)
def test_the_sdk_reads_the_same_from_the_same_bytes(name: str) -> None:
    recording = load(name)
    message = sdk_message(recording)
    response = fold(decode_stream([recording.body])[0] if recording.streaming else decode_body(recording.body))
    blocks = message["content"]
    assert response.text == "".join(block["text"] for block in blocks if block["type"] == "text")
    assert response.reasoning == "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    assert [(call.id, call.name, call.parse_arguments()) for call in response.tool_calls] == [
        (block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"
    ]
    assert [citation.source for citation in response.citations] == [
        source for block in blocks for source in block.get("citations") or ()
    ]
    assert response.choices == () or response.choices[0].raw_finish_reason == message["stop_reason"]
    assert (response.id, response.model) == (message["id"], message["model"])
    assert_same_usage(response, message["usage"])


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_goes_back_as_the_blocks_that_came(name: str) -> None:
    recording = load(name)
    blocks = [as_sent_back(block) for block in sdk_message(recording)["content"]]
    response = fold(decode_stream([recording.body])[0] if recording.streaming else decode_body(recording.body))
    request = request_for()
    request = Request("anthropic", request.model, (*request.messages, response.message, *request.messages))
    http = WIRE.build(request, SPEC)
    turns = msgspec.json.decode(http.body)["messages"]
    assert http.warnings == ()
    if not blocks:  # a refusal without a word leaves no turn
        assert [turn["role"] for turn in turns] == ["user"]
        return
    content = turns[1]["content"]
    assert ([{"type": "text", "text": content}] if isinstance(content, str) else content) == blocks


def test_a_cut_off_call_keeps_the_text_that_came() -> None:
    body = load(CUT_OFF).body
    fragments = "".join(
        event["delta"].get("partial_json", "")
        for line in body.decode().splitlines()
        if line.startswith("data:") and (event := json.loads(line[5:]))["type"] == "content_block_delta"
    )
    response = fold(decode_stream([body])[0])
    (call,) = response.tool_calls
    assert call.arguments == fragments
    assert response.finish_reason == "length"
    request = Request("anthropic", "claude-sonnet-4-5", (*request_for().messages, response.message))
    turns = msgspec.json.decode(WIRE.build(request, SPEC).body)["messages"]
    assert turns[1]["content"][1]["input"] == {"INVALID_JSON": fragments}


def test_an_answer_spliced_into_another_is_refused() -> None:
    chunks, error = decode_stream([load(SPLICED).body])
    assert type(error) is StreamInterrupted
    assert error.retryable
    response = fold(chunks)
    assert response.id == "msg_first"
    assert response.finish_reason is None
    assert response.usage.provenance in ("partial", "unknown")


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    body = load(name).body
    whole = fold(decode_stream([body])[0])
    last = body.rindex(b"event: message_stop")
    for end in range(0, last, max(1, last // 23)):
        chunks, error = decode_stream([body[:end]])
        assert type(error) is StreamInterrupted
        partial = fold(chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance in ("partial", "unknown")
        assert whole.text.startswith(partial.text)


def test_nothing_is_lost_that_has_no_name() -> None:
    chunks, _ = decode_stream(
        [load("anthropic__anthropic-messages__test-anthropic-code-execution-tool-stream__0").body]
    )
    events = {chunk.event: chunk for chunk in chunks if isinstance(chunk, ProviderEvent)}
    assert events["container"].data["id"].startswith("container_")
    assert not events["container"].content
    (part,) = [part for part in fold(chunks).parts if isinstance(part, ProviderPart)]
    assert part == ProviderPart("anthropic", events["bash_code_execution_tool_result"].data)


def test_the_sdk_raises_for_the_same_error_responses() -> None:
    for name in ERRORS:
        with pytest.raises(anthropic.APIStatusError) as caught:
            sdk_message(load(name))
        assert caught.value.status_code == load(name).status


def told(response: Response, error: Exception | None) -> dict[str, Any]:
    found = summary(response)
    return found if error is None else {**found, "error": type(error).__name__}


def as_sent_back(block: dict[str, Any]) -> dict[str, Any]:
    """A block of an answer as a request holds it: null fields and the default caller left out."""
    named = block["type"] in ("text", "tool_use", "server_tool_use", "thinking", "redacted_thinking")
    return {
        name: value
        for name, value in block.items()
        if not (named and (value is None or value == [] or (name, value) == ("caller", {"type": "direct"})))
    }


def assert_same_usage(response: Response, usage: dict[str, Any]) -> None:
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    ours = response.usage
    assert ours.input_tokens == usage["input_tokens"] + (read or 0) + (written or 0)
    assert ours.output_tokens == usage["output_tokens"]
    assert (ours.cached_input_tokens, ours.cache_write_tokens) == (read, written)
    assert ours.total_tokens == ours.input_tokens + ours.output_tokens
    searches = (usage.get("server_tool_use") or {}).get("web_search_requests")
    assert ours.search_requests == searches
    assert ours.provenance == "reported"
