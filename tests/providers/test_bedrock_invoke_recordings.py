"""Every recorded exchange of InvokeModel is decoded to what was really said, and asked again as it was asked."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exllm import errors
from exllm.errors import StreamInterrupted
from exllm.providers.bedrock_usage import usage_of_headers
from exllm.types.chunks import ProviderEvent
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.options import Options, check_options
from exllm.types.request import Request
from tests.providers.bedrock_recordings import Recordings, boto_events, summary, told_error
from tests.providers.bedrock_requests import plain, request_of
from tests.rechunk import bytewise, rechunk

RECORDED = Recordings("bedrock-invoke")
# One recording is of an imported model, whose ARN does not say what it speaks.
RECORDED.spec = msgspec.structs.replace(RECORDED.spec, quirks=frozenset({"family_completions"}))
WIRE, SPEC = RECORDED.wire, RECORDED.spec
EXPECTED = RECORDED.expected
METRICS = "amazon-bedrock-invocationMetrics"


def documents(name: str) -> list[dict[str, Any]]:
    """What is inside the stream, as botocore hands it out."""
    events = boto_events("InvokeModelWithResponseStream", RECORDED.load(name).body)
    return [json.loads(event["chunk"]["bytes"]) for event in events]


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert len(RECORDED.all) == 20
    assert {*RECORDED.streams, *RECORDED.bodies, *RECORDED.errors} == set(RECORDED.all) == EXPECTED.keys()
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
    error = WIRE.parse_error(recording.status, recording.headers, recording.body, SPEC)
    assert told_error(error) == EXPECTED[name]
    assert type(error) is getattr(errors, EXPECTED[name]["error"])
    assert (error.status, error.provider) == (recording.status, "bedrock-invoke")


@pytest.mark.parametrize("name", RECORDED.streams)
def test_the_documents_that_botocore_takes_out_hold_the_same(name: str) -> None:
    found, response = documents(name), RECORDED.response(name)
    text = "".join(
        document.get("outputText", "") or document.get("delta", {}).get("text", "") for document in found
    )  # fmt: skip
    arguments = "".join(document.get("delta", {}).get("partial_json", "") for document in found)
    assert response.text == text
    assert "".join(call.arguments for call in response.tool_calls) == arguments
    metrics = found[-1].get(METRICS)
    told = [
        chunk.data for chunk in RECORDED.chunks(name) if isinstance(chunk, ProviderEvent) and chunk.event == METRICS
    ]
    assert told == ([metrics] if metrics else [])
    if metrics:
        assert response.usage.input_tokens == metrics["inputTokenCount"]
    if metrics and "testinvokemodelwithstreamresponse" not in name:  # where the model itself counts 130, Bedrock 98
        assert response.usage.output_tokens == metrics["outputTokenCount"]


@pytest.mark.parametrize("name", RECORDED.streams)
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    body = RECORDED.load(name).body
    whole = RECORDED.response(name)
    for end in range(0, len(body), max(1, len(body) // 29)):
        chunks, error = RECORDED.decode_stream(name, [body[:end]])
        assert type(error) is StreamInterrupted
        partial = RECORDED.fold(name, chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance in ("partial", "unknown")
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


@pytest.mark.parametrize(
    "name", [name for name in RECORDED.bodies if "x-amzn-bedrock-input-token-count" in RECORDED.load(name).headers]
)
def test_the_counts_in_the_headers_are_those_of_the_answer(name: str) -> None:
    counted, told = RECORDED.response(name).usage, usage_of_headers(RECORDED.load(name).headers)
    assert told is not None
    for count in ("input_tokens", "output_tokens", "total_tokens"):
        assert getattr(told, count) == getattr(counted, count)
    assert told.cached_input_tokens in (counted.cached_input_tokens, None)


def test_what_a_guardrail_did_is_told() -> None:
    blocked = RECORDED.response("bedrock__bedrock-invoke-stream__test-guardrail-invoke-stream__0")
    assert blocked.finish_reason == "content_filter"
    assert blocked.choices[0].finish_message == "Guardrail blocked."
    traces = [
        chunk.data["guardrail"]
        for chunk in RECORDED.chunks("bedrock__bedrock-invoke-stream__test-titan-invoke-stream__0")
        if isinstance(chunk, ProviderEvent) and chunk.event == "amazon-bedrock-trace"
    ]
    assert len(traces) == 1
    assert "outputs" in traces[0]


# -- requests


def request_for(name: str) -> Request:
    """The request that a recorded body must have come from."""
    recording = RECORDED.load(name)
    sent = recording.request
    given: dict[str, Any] = {"provider": "bedrock-invoke", "model": recording.model}
    if "inputText" in sent:
        config = sent["textGenerationConfig"]
        return Request(
            **given,
            messages=(Message("user", sent["inputText"]),),
            options=Options(
                max_tokens=config["maxTokenCount"],
                temperature=config["temperature"],
                top_p=config.get("topP"),
                stop=tuple(config["stopSequences"]) if "stopSequences" in config else None,
            ),
        )
    if "prompt" in sent:
        options = Options(max_tokens=sent["max_tokens"], temperature=sent["temperature"])
        return Request(
            **given, messages=(Message("user", sent["prompt"]),), options=options, extra={"topP": sent["topP"]}
        )
    if "anthropic_version" in sent:
        system = sent.get("system")
        text = system if isinstance(system, str) else "".join(block["text"] for block in system or ())
        head = (Message("system", text),) if text else ()
        names = ("max_tokens", "temperature", "top_p", "top_k", "tools", "tool_choice")
        options = check_options(
            {name: sent[name] for name in names if name in sent} | {"stop": sent.get("stop_sequences")}
        )
        return Request(**given, messages=(*head, *normalise_messages(sent["messages"])), options=options)
    return request_of(sent, "bedrock-invoke", recording.model, stream=recording.streaming)


def blocks(sent: dict[str, Any]) -> dict[str, Any]:
    """A recorded or built body of Claude's, with every text as a block and turns of one side as one."""
    turns: list[dict[str, Any]] = []
    for turn in sent["messages"]:
        content = [_with_blocks(block) for block in _as_blocks(turn["content"])]
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += content
        else:
            turns.append({"role": turn["role"], "content": content})
    system = {"system": _as_blocks(sent["system"])} if "system" in sent else {}
    return {**sent, **system, "messages": turns}


def _with_blocks(block: dict[str, Any]) -> dict[str, Any]:
    return {**block, "content": _as_blocks(block["content"])} if block["type"] == "tool_result" else block


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@pytest.mark.parametrize("name", [name for name in RECORDED.all if RECORDED.load(name).request])
def test_a_recorded_request_is_built_again_from_our_words(name: str) -> None:
    sent = RECORDED.load(name).request
    built = msgspec.json.decode(WIRE.build(request_for(name), SPEC).body)
    if "anthropic_version" in sent:
        assert blocks(built) == blocks(sent)
    elif "messages" in sent:
        assert built == {"schemaVersion": "messages-v1", **plain(sent)}
    else:
        assert built == sent
