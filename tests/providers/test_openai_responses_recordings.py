"""Every recorded exchange is decoded to what was really said; OpenAI's SDK reads the same bytes beside us."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import openai
import pytest

from exllm import errors
from exllm.errors import QuotaExceeded, StreamInterrupted
from exllm.providers.openai_responses import WIRE
from exllm.providers.openai_responses_reasoning import read_signature
from exllm.types.chunks import ProviderEvent
from exllm.types.message import Message
from exllm.types.parts import ProviderPart, Reasoning
from exllm.types.request import Request
from exllm.types.response import Response
from tests.providers.openai_responses_recordings import (
    ALL,
    BODIES,
    DIRECTORY,
    ERRORS,
    EXPECTED,
    SPEC,
    STREAMS,
    Recording,
    answer_of,
    decode_body,
    decode_stream,
    fold,
    load,
    request_for,
    sdk_response,
    summary,
)
from tests.rechunk import bytewise, rechunk

FAILED = "openai__openai-responses__openai-error-1__0"  # a stream that ends with an error
CODE = "azure__openai-responses__azure-code-interpreter-tool-1__0"
WHOLE = [name for name in [*STREAMS, *BODIES] if name != FAILED]
NAMED = frozenset({"message", "reasoning", "function_call"})  # items that the chunks have a name for


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert {*STREAMS, *BODIES, *ERRORS} == set(ALL) == EXPECTED.keys()
    assert (len(STREAMS), len(BODIES), len(ERRORS)) == (59, 56, 11)
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in ALL)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    recording = load(name)
    body, request = recording.body, request_for(recording)
    whole, error = decode_stream([body], request)
    response = fold(whole)
    assert told(response, error) == EXPECTED[name]
    sliced = [list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(3))]
    for slices in sliced:
        chunks, other = decode_stream(slices, request)
        assert chunks == whole
        assert type(other) is type(error)


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_is_read(name: str) -> None:
    assert told(answer_of(load(name)), None) == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name in STREAMS if name != FAILED])
def test_the_response_at_the_end_of_a_stream_reads_like_the_stream(name: str) -> None:
    recording = load(name)
    body = json.dumps(final(recording)).encode()
    streamed, whole = answer_of(recording), fold(decode_body(body, request_for(recording)))
    assert summary(whole) == summary(streamed)
    # What is encrypted is encrypted anew, and OpenRouter makes up other ids; nothing else may differ.
    assert [comparable(part) for part in whole.parts] == [comparable(part) for part in streamed.parts]


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
    assert error.provider == "openai-responses"
    assert not error.retryable


def test_a_stream_that_fails_raises_what_it_says() -> None:
    chunks, error = decode_stream([load(FAILED).body])
    assert type(error) is QuotaExceeded
    assert (error.code, error.retryable) == ("insufficient_quota", False)
    assert fold(chunks).id == "resp_05500b38c2cd9bfc00691c7c9d222481a3b595421266dab424"
    with pytest.raises(openai.APIError, match="exceeded your current quota"):
        sdk_response(load(FAILED))


@pytest.mark.parametrize("name", WHOLE)
def test_the_sdk_reads_the_same_from_the_same_bytes(name: str) -> None:
    recording = load(name)
    theirs, response = sdk_response(recording), answer_of(recording)
    output = theirs["output"]
    contents = [part for item in output if item["type"] == "message" for part in item["content"]]
    assert response.text == "".join(part["text"] for part in contents if part["type"] == "output_text")
    assert response.text == theirs.get("said", response.text)
    assert response.reasoning == "".join(thought(item) for item in output if item["type"] == "reasoning")
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == [
        (item["call_id"], item["name"], item["arguments"]) for item in output if item["type"] == "function_call"
    ]
    assert [without_nulls(citation.source) for citation in response.citations] == [
        without_nulls(source) for part in contents for source in part.get("annotations") or ()
    ]
    assert [
        part.data for part in response.parts if isinstance(part, ProviderPart) and part.data["type"] != "message"
    ] == [without_nulls(item) for item in output if item["type"] not in NAMED]
    assert response.finish_reason == ("tool_calls" if response.tool_calls else "stop")
    assert (response.id, response.model, response.created) == (theirs["id"], theirs["model"], int(theirs["created_at"]))
    assert_same_usage(response, theirs)


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_goes_back_as_the_items_that_came(name: str) -> None:
    recording = load(name)
    response = answer_of(recording)
    output = streamed_items(recording) if recording.streaming else json.loads(recording.body)["output"]
    request = Request("openai-responses", "gpt-5-nano", (Message("user", "Hi"), response.message))
    http = WIRE.build(request, SPEC)
    summarised = [item for item in output if item["type"] == "reasoning" and item["summary"]]
    lost = any(not item.get("encrypted_content") for item in summarised)  # readable to us, useless to the model
    assert len(http.warnings) == lost
    items = msgspec.json.decode(http.body)["input"][1:]
    with_ids = any(item["type"] not in NAMED for item in output)
    assert [as_written(item) for item in items] == [
        back for item in output if (back := as_sent_back(item, with_ids)) is not None
    ]


@pytest.mark.parametrize("name", [name for name in STREAMS if name != FAILED])
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    recording = load(name)
    body, request = recording.body, request_for(recording)
    whole = answer_of(recording)
    last = body.rindex(b"event: response.completed") if b"event: response.completed" in body else body.rindex(
        b"data:", 0, body.rindex(b"response.completed")
    )  # fmt: skip
    for end in range(0, last, max(1, last // 23)):
        chunks, error = decode_stream([body[:end]], request)
        assert type(error) is StreamInterrupted
        assert error.retryable
        partial = fold(chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance in ("partial", "unknown")
        assert whole.text.startswith(partial.text)
        again = Request("openai-responses", "gpt-5-nano", (Message("user", "Hi"), partial.message))
        WIRE.build(again, SPEC)  # whatever had arrived can go back


def test_nothing_is_lost_that_has_no_name() -> None:
    recording = load(CODE)
    chunks, _ = decode_stream([recording.body], request_for(recording))
    events = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    written = "".join(
        chunk.data["delta"] for chunk in events if chunk.event == "response.code_interpreter_call_code.delta"
    )
    part, message = [part for part in fold(chunks).parts if isinstance(part, ProviderPart)]
    assert part.data["type"] == "code_interpreter_call"
    assert message.data == {"type": "message", "id": "msg_0ad69c3c5fcb01f60068eba7956c948193be6ab573376051d6"}
    assert part.data["code"] == written
    assert part.data["outputs"][0]["logs"].startswith("Generated numbers")


@pytest.mark.parametrize("name", ERRORS)
def test_the_sdk_raises_for_the_same_error_responses(name: str) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        sdk_response(load(name))
    assert caught.value.status_code == load(name).status


# -- what was sent, in the form in which it goes back


def told(response: Response, error: Exception | None) -> dict[str, Any]:
    found = summary(response)
    return found if error is None else {**found, "error": type(error).__name__}


def events_of(recording: Recording) -> list[dict[str, Any]]:
    lines = [line[5:] for line in recording.body.decode().splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if "[DONE]" not in line]


def final(recording: Recording) -> dict[str, Any]:
    found: dict[str, Any] = events_of(recording)[-1]["response"]
    return found


def streamed_items(recording: Recording) -> list[dict[str, Any]]:
    done = [event for event in events_of(recording) if event["type"] == "response.output_item.done"]
    return [event["item"] for event in sorted(done, key=lambda event: event["output_index"])]


def thought(item: dict[str, Any]) -> str:
    return "".join(part["text"] for part in [*item["summary"], *(item.get("content") or ())])


def without_nulls(item: Any) -> Any:
    return {name: value for name, value in item.items() if value is not None}


def as_written(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("role") == "assistant" and isinstance(item["content"], str):
        item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": item["content"]}]}
    if item["type"] == "message":
        parts = [{name: value for name, value in part.items() if value != []} for part in item["content"]]
        item = {**item, "content": parts}
    return item


def as_sent_back(item: dict[str, Any], with_ids: bool) -> dict[str, Any] | None:
    """An output item as a request holds it; None for one that says nothing."""
    kind, id_ = item["type"], item.get("id") or item.get("item_id")
    back: dict[str, Any] = {"type": kind, "id": id_}
    if kind == "message":
        back |= {"role": "assistant", "content": [cited(part) for part in item["content"]]}
        if item.get("phase"):
            back["phase"] = item["phase"]
        if with_ids:
            back["status"] = "completed"
    elif kind == "reasoning":
        back["summary"] = item["summary"]
        if item.get("encrypted_content"):
            back["encrypted_content"] = item["encrypted_content"]
        if item.get("content"):
            back["content"] = item["content"]
        if not (item.get("encrypted_content") or item.get("content")):
            return None  # it stays with the provider
        with_ids = with_ids or not item.get("encrypted_content")
    elif kind == "function_call":
        back |= {name: item[name] for name in ("call_id", "name", "arguments")}
    else:
        return {name: value for name, value in item.items() if value is not None}
    if not with_ids:
        del back["id"]
    return back


def cited(part: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = {"type": part["type"], "text": part["text"]}
    # xAI's have neither title nor place, without which nobody takes them.
    if sources := [source for source in part.get("annotations") or () if "title" in source]:
        back["annotations"] = sources
    return back


def comparable(part: Any) -> Any:
    if not isinstance(part, Reasoning):
        return part
    signature = read_signature(part.signature)
    return part.text, signature and (signature.provider, signature.summaries, signature.encrypted is None)


def assert_same_usage(response: Response, theirs: dict[str, Any]) -> None:
    usage, ours = theirs["usage"], response.usage
    assert (ours.input_tokens, ours.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
    assert ours.total_tokens == usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    details = usage["input_tokens_details"]
    assert ours.cached_input_tokens == details["cached_tokens"]
    assert ours.cache_write_tokens == details.get("cache_write_tokens")
    assert ours.reasoning_tokens == usage["output_tokens_details"]["reasoning_tokens"]
    assert ours.service_tier == theirs.get("service_tier")
    assert ours.provenance == "reported"
