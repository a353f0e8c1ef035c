"""Every recorded exchange is decoded to what was really said; Ollama's SDK reads the same bytes beside us."""

from __future__ import annotations

from typing import Any

import msgspec
import ollama
import pytest

from exllm import errors
from exllm.errors import StreamInterrupted
from exllm.providers.ollama_chat import WIRE
from exllm.types.chunks import ProviderEvent, StreamStart, TextDelta
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.request import Request
from exllm.types.tool_dicts import tools_of
from tests.providers.ollama_recordings import (
    ALL,
    BODIES,
    DIRECTORY,
    ERRORS,
    EXPECTED,
    SPEC,
    STREAMS,
    Recording,
    decode_body,
    decode_stream,
    fold,
    load,
    request_for,
    sdk_parts,
    summary,
)
from tests.rechunk import bytewise, rechunk

ANSWERS = [*STREAMS, *BODIES]


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert {*STREAMS, *BODIES, *ERRORS} == set(ALL) == EXPECTED.keys()
    assert (len(STREAMS), len(BODIES), len(ERRORS)) == (10, 5, 1)
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in ALL)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    body = load(name).body
    whole, error = decode_stream([body])
    assert error is None
    assert summary(fold(whole)) == EXPECTED[name]
    for slices in (list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(4))):
        chunks, other = decode_stream(slices)
        assert chunks == whole
        assert other is None


@pytest.mark.parametrize("name", STREAMS)
def test_the_last_line_feed_may_be_missing(name: str) -> None:
    body = load(name).body
    assert decode_stream([body.rstrip(b"\n")]) == decode_stream([body])


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_is_read(name: str) -> None:
    assert summary(fold(decode_body(load(name).body))) == EXPECTED[name]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_response_becomes_the_right_exception(name: str) -> None:
    recording = load(name)
    error = WIRE.parse_error(recording.status, recording.headers, recording.body, SPEC)
    assert type(error) is getattr(errors, EXPECTED[name]["error"])
    assert (error.message, error.status, error.provider) == (EXPECTED[name]["message"], recording.status, "ollama")
    assert not error.retryable
    with pytest.raises(ollama.ResponseError) as caught:
        sdk_parts(recording)
    assert caught.value.status_code == recording.status
    assert caught.value.error == error.message


@pytest.mark.parametrize("name", ANSWERS)
def test_the_sdk_reads_the_same_from_the_same_bytes(name: str) -> None:
    recording = load(name)
    parts = sdk_parts(recording)
    last = parts[-1]
    response = fold(decoded(recording))
    assert response.text == "".join(part.message.content or "" for part in parts)
    assert response.reasoning == "".join(part.message.thinking or "" for part in parts)
    assert [(call.name, call.parse_arguments()) for call in response.tool_calls] == [
        (call.function.name, call.function.arguments) for part in parts for call in part.message.tool_calls or ()
    ]
    assert response.model == last.model
    assert response.choices[0].raw_finish_reason == last.done_reason
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens) == (last.prompt_eval_count, last.eval_count)
    assert usage.total_tokens == last.prompt_eval_count + last.eval_count
    assert usage.provenance == "reported"


@pytest.mark.parametrize("name", ANSWERS)
def test_times_are_passed_on_as_they_were_measured(name: str) -> None:
    recording = load(name)
    last = sdk_parts(recording)[-1]
    (metrics,) = [chunk for chunk in decoded(recording) if isinstance(chunk, ProviderEvent)]
    assert metrics == ProviderEvent(
        "metrics",
        {
            name: getattr(last, name)
            for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
        },
        "ollama",
    )


@pytest.mark.parametrize("name", STREAMS)
def test_every_line_of_text_is_one_chunk(name: str) -> None:
    recording = load(name)
    chunks = decoded(recording)
    assert isinstance(chunks[0], StreamStart)
    texts = [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)]
    assert texts == [part.message.content for part in sdk_parts(recording) if part.message.content]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_goes_back_as_it_came(name: str) -> None:
    recording = load(name)
    parts = sdk_parts(recording)
    sent = {"role": "assistant", "content": "".join(part.message.content or "" for part in parts)}
    thoughts = "".join(part.message.thinking or "" for part in parts)
    if thoughts:
        sent["thinking"] = thoughts
    response = fold(decoded(recording))
    request = request_for()
    request = Request("ollama", request.model, (*request.messages, response.message, *request.messages))
    http = WIRE.build(request, SPEC)
    assert http.warnings == ()
    back = msgspec.json.decode(http.body)["messages"][1]
    calls = [
        {"function": {"name": call.function.name, "arguments": call.function.arguments}}
        for part in parts
        for call in part.message.tool_calls or ()
    ]
    assert [{"function": call["function"]} for call in back.pop("tool_calls", [])] == calls
    assert back == sent


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("is_clean", [True, False])
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str, is_clean: bool) -> None:
    body = load(name).body
    whole = fold(decode_stream([body])[0])
    last = len(body.rstrip()) - (0 if is_clean else -1)  # where the body breaks off, its last line needs its line feed
    for end in {*range(0, last, max(1, last // 23)), last - 1}:
        chunks, error = decode_stream([body[:end]], is_clean=is_clean)
        assert type(error) is StreamInterrupted, end
        assert error.retryable
        partial = fold(chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance == "unknown"
        assert whole.text.startswith(partial.text)
        assert whole.reasoning.startswith(partial.reasoning)


@pytest.mark.parametrize("name", ALL)
def test_what_was_asked_then_is_what_we_would_ask(name: str) -> None:
    """The recorders' own clients send defaults that mean nothing, and some put options where no server looks."""
    asked = dict(load(name).asked)
    options = dict(asked.pop("options", {}))
    misplaced = {"temperature": asked.pop("temperature")} if "temperature" in asked else {}
    extra = {field: asked.pop(field) for field in ("keep_alive",) if asked.get(field) is not None}
    extra |= {"options": {"think": options.pop("think")}} if "think" in options else {}
    ours = {"num_predict": "max_tokens"}
    arguments = {ours.get(field, field): value for field, value in options.items()}
    tools = asked.pop("tools", None)
    request = Request(
        "ollama",
        asked["model"],
        normalise_messages(with_ids(asked["messages"])),
        check_options({**arguments, **misplaced, **({"tools": tools_of(tools)} if tools else {})}),
        extra,
        stream=asked.get("stream", True),
    )
    http = WIRE.build(request, SPEC)
    sent = msgspec.json.decode(http.body)
    expected: dict[str, Any] = {
        "model": asked["model"],
        "messages": asked["messages"],
        "stream": asked.get("stream", True),
        **({"keep_alive": extra["keep_alive"]} if "keep_alive" in extra else {}),
    }
    run_options = {**load(name).asked.get("options", {}), **misplaced}
    if run_options:
        expected["options"] = run_options
    if tools:
        expected["tools"] = tools
    for message in sent["messages"]:  # ids travel along; the recorded client had none
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            call.pop("id")
    for message in expected["messages"]:
        if message["role"] == "tool" and "tool_name" not in message:
            message["tool_name"] = "get_current_weather"
    assert sent == expected


def with_ids(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same conversation with the ids that tie a result to its call, which its recorder left out."""
    messages = msgspec.json.decode(msgspec.json.encode(messages))
    for message in messages:
        for call in message.get("tool_calls", ()):
            call["id"] = "call_1"
        if message["role"] == "tool":
            message["tool_call_id"] = "call_1"
    return messages


def decoded(recording: Recording) -> list[Any]:
    return decode_stream([recording.body])[0] if recording.streaming else decode_body(recording.body)
