"""Every recorded exchange of Converse is decoded to what was really said; botocore reads the same bytes beside us."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from exllm import errors
from exllm.errors import StreamInterrupted
from exllm.types.chunks import ProviderEvent, StreamStart
from exllm.types.message import Message
from exllm.types.parts import ProviderPart, Reasoning, Text
from tests.providers.bedrock_recordings import Recordings, boto_body, boto_events, boto_message, summary, told_error
from tests.rechunk import bytewise, rechunk

RECORDED = Recordings("bedrock")
WHOLE = [*RECORDED.streams, *RECORDED.bodies]
EXPECTED = RECORDED.expected


def oracle(name: str) -> dict[str, Any]:
    """The answer as botocore reads it, in the shape of Converse, `content` at the top."""
    recording = RECORDED.load(name)
    if recording.streaming:
        return boto_message(boto_events("ConverseStream", recording.body))
    answer = boto_body("Converse", recording.body)
    return {**answer, "content": answer["output"]["message"]["content"]}


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert len(RECORDED.all) == 36
    assert {*WHOLE, *RECORDED.errors} == set(RECORDED.all) == EXPECTED.keys()
    assert {path.name for path in RECORDED.directory.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in RECORDED.all)
    }  # fmt: skip


@pytest.mark.parametrize("name", RECORDED.streams)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    body = RECORDED.load(name).body
    whole, error = RECORDED.decode_stream(name, [body])
    assert error is None
    assert summary(RECORDED.fold(name, whole)) == EXPECTED[name]
    for slices in [list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(3))]:
        assert RECORDED.decode_stream(name, slices) == (whole, None)


@pytest.mark.parametrize("name", RECORDED.bodies)
def test_a_whole_answer_is_read(name: str) -> None:
    assert summary(RECORDED.response(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", RECORDED.errors)
def test_an_error_response_becomes_the_right_exception(name: str) -> None:
    recording = RECORDED.load(name)
    error = RECORDED.wire.parse_error(recording.status, recording.headers, recording.body, RECORDED.spec)
    assert told_error(error) == EXPECTED[name]
    assert type(error) is getattr(errors, EXPECTED[name]["error"])
    assert (error.status, error.provider) == (recording.status, "bedrock")


@pytest.mark.parametrize("name", WHOLE)
def test_botocore_reads_the_same_from_the_same_bytes(name: str) -> None:
    theirs, ours = oracle(name), RECORDED.response(name)
    blocks = theirs["content"]
    cited = [block["citationsContent"] for block in blocks if "citationsContent" in block]
    assert ours.text == "".join(
        block.get("text") or "".join(piece["text"] for piece in block.get("citationsContent", {}).get("content", ()))
        for block in blocks
    )
    assert [citation.source for citation in ours.citations] == [each for block in cited for each in block["citations"]]
    assert [(call.id, call.name, call.parse_arguments()) for call in ours.tool_calls] == [
        (call["toolUseId"], call["name"], call["input"])
        for block in blocks
        if (call := block.get("toolUse")) and call.get("type") != "server_tool_use"
    ]
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    assert [
        {"redactedContent": part.redacted.encode()}
        if part.redacted
        else {"reasoningText": {"text": part.text, **({"signature": part.signature} if part.signature else {})}}
        for part in ours.parts
        if isinstance(part, Reasoning)
    ] == thoughts
    assert ours.choices[0].raw_finish_reason == theirs["stopReason"]
    usage = theirs["usage"]
    read, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    assert ours.usage.input_tokens == usage["inputTokens"] + (read or 0) + (written or 0)
    assert (ours.usage.output_tokens, ours.usage.total_tokens) == (usage["outputTokens"], usage["totalTokens"])
    assert (ours.usage.cached_input_tokens, ours.usage.cache_write_tokens) == (read, written)
    assert ours.usage.provenance == "reported"


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_goes_back_as_the_blocks_that_came(name: str) -> None:
    response = RECORDED.response(name)
    request = RECORDED.request(name, response.message, Message("user", "Go on"))
    http = RECORDED.wire.build(request, RECORDED.spec)
    turns = msgspec.json.decode(http.body)["messages"]
    back = turns[1]["content"]
    wanted = [sent for block in oracle(name)["content"] if (sent := as_sent_back(block)) is not None]
    unsigned = any(
        isinstance(part, Reasoning) and not (part.signature or part.redacted) for part in response.parts
    )  # fmt: skip
    assert bool(http.warnings) is unsigned
    assert back == wanted


@pytest.mark.parametrize("name", RECORDED.streams)
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    body = RECORDED.load(name).body
    whole = RECORDED.response(name)
    last = body.rindex(b"metadata") - 40
    for end in range(0, last, max(1, last // 23)):
        chunks, error = RECORDED.decode_stream(name, [body[:end]])
        assert type(error) is StreamInterrupted
        partial = RECORDED.fold(name, chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance == "unknown"
        assert whole.text.startswith(partial.text)


@pytest.mark.parametrize("name", RECORDED.streams)
def test_a_flipped_bit_anywhere_is_told_and_what_came_before_stays(name: str) -> None:
    body = RECORDED.load(name).body
    whole = RECORDED.response(name)
    for at in range(20, len(body), max(1, len(body) // 17)):
        broken = body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]
        chunks, error = RECORDED.decode_stream(name, [broken])
        assert isinstance(error, errors.ProtocolError | errors.FrameTooLarge | StreamInterrupted)
        assert whole.text.startswith(RECORDED.fold(name, chunks).text)


def test_what_has_no_name_is_passed_on() -> None:
    guarded = RECORDED.chunks("bedrock__bedrock-converse-stream__test-nova-converse-stream__0")
    events = {chunk.event: chunk.data for chunk in guarded if isinstance(chunk, ProviderEvent)}
    assert events.keys() == {"metrics", "trace"}
    assert events["metrics"] == {"latencyMs": 821}
    assert "outputAssessments" in events["trace"]["guardrail"]
    assert guarded[0] == StreamStart()


def test_results_of_the_services_own_tools_become_parts() -> None:
    for name in (
        "bedrock__bedrock-converse-stream__chat-web-search-with-bedrock-amazon-nova-2-lite-v1-0-streams__0",
        "bedrock__bedrock-converse__chat-web-search-with-bedrock-amazon-nova-2-lite-v1-0-grounds__0",
    ):
        response = RECORDED.response(name)
        assert response.tool_calls == ()
        assert [call.provider_executed for call in response.parts if hasattr(call, "provider_executed")] == [True]
        (result,) = [part for part in response.parts if isinstance(part, ProviderPart)]
        assert result.data["toolResult"]["content"] == [{"text": "[HIDDEN]"}]
        assert all(citation.url for citation in response.citations)
        assert any(isinstance(part, Text) and part.citations for part in response.parts)


def as_sent_back(block: dict[str, Any]) -> dict[str, Any] | None:
    """A block of an answer as a request holds it."""
    match block:
        case {"text": text}:
            return {"text": text} if text.strip() else None
        case {"toolUse": {**call}}:
            kept = {"toolUseId": call["toolUseId"], "name": call["name"], "input": call["input"]}
            return {"toolUse": {**kept, "type": "server_tool_use"} if call.get("type") == "server_tool_use" else kept}
        case {"citationsContent": {"citations": citations, **rest}}:
            content = {"content": rest["content"]} if rest.get("content") else {}
            return {"citationsContent": {"citations": citations, **content}}
        case {"reasoningContent": {"redactedContent": redacted}}:
            return {"reasoningContent": {"redactedContent": base64.b64encode(redacted).decode()}}
        case {"reasoningContent": {"reasoningText": thought}} if "signature" not in thought:
            return None
    return block
