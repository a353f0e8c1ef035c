"""Every recorded exchange is decoded to what was really said; Google's SDK reads the same bytes beside us."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from google.genai import errors as sdk_errors

from exllm import errors
from exllm.errors import StreamInterrupted
from exllm.providers.gemini_generate import WIRE
from exllm.types.chunks import ProviderEvent, UsageUpdate
from exllm.types.parts import ProviderPart
from exllm.types.request import Request
from tests.providers.gemini_recordings import (
    ALL,
    ANSWERS,
    BODIES,
    DIRECTORY,
    ERRORS,
    EXPECTED,
    LISTS,
    SPEC,
    STREAMS,
    as_sent_back,
    decode,
    decode_body,
    decode_stream,
    fold,
    load,
    only_choice,
    request_for,
    sdk_answers,
    sdk_parts,
    summary,
)
from tests.rechunk import bytewise, rechunk

# Asked for with enumerations as numbers, which Google's SDK does not read.
NUMBERED = [name for name in ANSWERS if "enum-encoding" in load(name).path]
READ_BY_SDK = [name for name in ANSWERS if name not in NUMBERED]


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert {*STREAMS, *LISTS, *BODIES, *ERRORS} == set(ALL) == EXPECTED.keys()
    assert (len(STREAMS), len(LISTS), len(BODIES), len(ERRORS)) == (33, 8, 22, 5)
    assert len(NUMBERED) == 8
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in ALL)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    body = load(name).body
    whole, error = decode_stream([body])
    assert error is None
    assert summary(fold(whole)) == EXPECTED[name]
    sliced = [list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(3))]
    sliced.append([body.replace(b"\r\n", b"\n")])
    for slices in sliced:
        assert decode_stream(slices) == (whole, None)


@pytest.mark.parametrize("name", [*BODIES, *LISTS])
def test_a_whole_answer_is_read(name: str) -> None:
    assert summary(fold(decode_body(load(name).body))) == EXPECTED[name]


@pytest.mark.parametrize("name", STREAMS)
def test_a_list_of_the_same_answers_gives_the_same_chunks(name: str) -> None:
    lines = load(name).body.decode().replace("\r\n", "\n").split("\n")
    answers = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    assert decode_body(json.dumps(answers).encode()) == decode(name)


@pytest.mark.parametrize("name", LISTS)
def test_a_stream_of_the_same_answers_gives_the_same_chunks(name: str) -> None:
    frames = [b"data: " + json.dumps(answer).encode() + b"\r\n\r\n" for answer in json.loads(load(name).body)]
    assert decode_stream(frames) == (decode(name), None)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_response_becomes_the_right_exception(name: str) -> None:
    recording = load(name)
    error = WIRE.parse_error(recording.status, recording.headers, recording.body, SPEC)
    expected = EXPECTED[name]
    assert type(error) is getattr(errors, expected["error"])
    assert (error.message, error.code, error.retry_after_s) == (
        expected["message"], expected["code"], expected["retry_after_s"]
    )  # fmt: skip
    assert error.status == recording.status
    assert error.provider == "gemini"
    assert not error.retryable


def test_the_sdk_raises_for_the_same_error_responses() -> None:
    for name in ERRORS:
        with pytest.raises(sdk_errors.APIError) as caught:
            sdk_answers(name)
        ours = WIRE.parse_error(load(name).status, {}, load(name).body, SPEC)
        assert (caught.value.code, caught.value.message) == (ours.status, ours.message)


@pytest.mark.parametrize("name", READ_BY_SDK)
def test_the_sdk_reads_the_same_from_the_same_bytes(name: str) -> None:
    answers = sdk_answers(name)
    response = fold(decode(name))
    parts = sdk_parts(answers)
    assert response.text == "".join(part.text or "" for part in parts if not part.thought)
    assert response.reasoning == "".join(part.text or "" for part in parts if part.thought)
    calls = [part.function_call for part in parts if part.function_call is not None]
    assert [(call.name, call.parse_arguments()) for call in response.tool_calls] == [
        (call.name, call.args) for call in calls
    ]
    assert [call.id for call in response.tool_calls] == [
        call.id or f"call_0_{number}" for number, call in enumerate(calls)
    ]
    assert {call.signature for call in response.tool_calls} == {
        base64.b64encode(part.thought_signature).decode() if part.thought_signature else None
        for part in parts
        if part.function_call is not None
    }
    last = answers[-1]
    assert last.candidates is not None
    reason = last.candidates[0].finish_reason
    assert reason is not None
    assert only_choice(response).raw_finish_reason == reason.value
    assert (response.model, response.id) == (answers[0].model_version, answers[0].response_id)
    assert response.created == (answers[0].create_time and int(answers[0].create_time.timestamp()))


@pytest.mark.parametrize("name", READ_BY_SDK)
def test_the_sdk_counts_the_same_tokens(name: str) -> None:
    counts = sdk_answers(name)[-1].usage_metadata
    assert counts is not None
    usage = fold(decode(name)).usage
    assert (usage.input_tokens or 0) == (counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0)
    assert (usage.output_tokens or 0) == (counts.candidates_token_count or 0) + (counts.thoughts_token_count or 0)
    assert usage.total_tokens == counts.total_token_count
    if usage.total_tokens is not None:
        assert usage.total_tokens == (usage.input_tokens or 0) + (usage.output_tokens or 0)
    assert usage.cached_input_tokens == counts.cached_content_token_count
    assert usage.reasoning_tokens == counts.thoughts_token_count
    for modality, ours in (("AUDIO", usage.audio_input_tokens), ("IMAGE", usage.image_tokens)):
        theirs = [
            each.token_count or 0
            for each in counts.prompt_tokens_details or ()
            if each.modality is not None and each.modality.value == modality
        ]
        assert ours == (sum(theirs) if theirs else None)


@pytest.mark.parametrize("name", READ_BY_SDK)
def test_the_sdk_sees_the_same_sources_and_log_probabilities(name: str) -> None:
    (candidate,) = sdk_answers(name)[-1].candidates or []
    response = fold(decode(name))
    metadata = candidate.grounding_metadata
    supported = []
    for support in (metadata.grounding_supports or ()) if metadata else ():
        assert support.segment is not None
        for index in support.grounding_chunk_indices or ():
            assert metadata is not None
            assert metadata.grounding_chunks is not None
            chunk = metadata.grounding_chunks[index]
            source = chunk.web or chunk.retrieved_context
            assert source is not None
            supported.append((source.uri, source.title, support.segment.text))
    cited = [(each.url, each.title, response.text[each.start : each.end]) for each in response.citations]
    assert cited[: len(supported)] == supported
    assert len(cited) == 0 or supported
    result = candidate.logprobs_result
    theirs = [(each.token, each.log_probability) for each in (result.chosen_candidates or ())] if result else []
    assert [(each.token, each.logprob) for each in response.logprobs or ()] == theirs
    for place, each in enumerate(response.logprobs or ()):
        assert result is not None
        assert result.top_candidates is not None
        assert [(top.token, top.logprob) for top in each.top] == [
            (top.token, top.log_probability) for top in result.top_candidates[place].candidates or ()
        ]


# -- back again


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_goes_back_as_the_parts_that_came(name: str) -> None:
    body = load(name).body
    if load(name).framing == "sse":
        lines = body.decode().replace("\r\n", "\n").split("\n")
        answers = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    else:
        answers = json.loads(body)
        answers = answers if isinstance(answers, list) else [answers]
    came = [part for answer in answers for part in answer["candidates"][0].get("content", {}).get("parts", ())]
    response = fold(decode(name))
    request = request_for(searches=False)
    http = WIRE.build(Request("gemini", request.model, (*request.messages, response.message, *request.messages)), SPEC)
    assert http.warnings == ()
    contents = msgspec.json.decode(http.body)["contents"]
    if not came:  # a blocked answer leaves no turn
        assert [content["role"] for content in contents] == ["user", "user"]
        return
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[1]["parts"] == as_sent_back(came)


# -- cut


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    body = load(name).body
    whole = fold(decode_stream([body])[0])
    last = body.rindex(b'"finishReason"')
    for end in range(0, last, max(1, last // 23)):
        chunks, error = decode_stream([body[:end]])
        assert type(error) is StreamInterrupted
        assert error.retryable
        partial = fold(chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance in ("partial", "unknown")
        assert whole.text.startswith(partial.text)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_without_its_last_answer_is_interrupted(name: str) -> None:
    answers = json.loads(load(name).body)
    with pytest.raises(StreamInterrupted):
        decode_body(json.dumps(answers[:-1]).encode())


def test_usage_so_far_is_known_before_the_end() -> None:
    chunks = decode("gemini__gemini-streamGenerateContent__test-google-model-file-search-tool-stream__3")
    usages = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert [usage.provenance for usage in usages] == ["partial", "partial", "partial", "reported"]
    assert [usage.input_tokens for usage in usages] == [15, 785, 785, 785]
    assert [usage.output_tokens for usage in usages] == [756, 760, 771, 779]


def test_nothing_is_lost_that_has_no_name() -> None:
    chunks = decode("gemini__gemini-streamGenerateContent__test-google-model-file-search-grounding-gemini-3-true__3")
    events = {chunk.event: chunk for chunk in chunks if isinstance(chunk, ProviderEvent)}
    assert events.keys() == {"toolCall", "toolResponse", "groundingMetadata", "usageMetadata"}
    assert events["toolCall"].content
    assert not events["groundingMetadata"].content
    assert events["usageMetadata"].data["toolUsePromptTokenCount"] == 771
    parts = [part for part in fold(chunks).parts if isinstance(part, ProviderPart)]
    assert [part.data["toolCall" if number == 0 else "toolResponse"]["id"] for number, part in enumerate(parts)] == [
        "tju3qkc9", "tju3qkc9"
    ]  # fmt: skip
    assert all(part.data["thoughtSignature"] for part in parts)
