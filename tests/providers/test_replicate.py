"""Replicate's predictions: requests, answers and the recorded stream, with Replicate's own package as oracle."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import exllm
from exllm.providers import ProviderSpec, registry
from exllm.providers.replicate_predictions import WIRE
from exllm.streaming.fold import fold
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk, Finish, ProviderEvent, StreamStart, TextDelta
from exllm.types.message import Message
from exllm.types.options import Options, check_options
from exllm.types.parts import Image, Text
from exllm.types.request import Request
from tests.faults.dialects.replicate_predictions import event, prediction
from tests.rechunk import slicings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is built on pydantic's old interface
    from replicate.prediction import EventSource  # the package shows a function by the name of the module
    from replicate.prediction import Prediction as TheirPrediction

RECORDED = json.loads(
    (
        Path(__file__).parent.parent
        / "recordings/replicate_predictions/replicate__predictions__llama-2-70b-chat-stream__0.json"
    ).read_text(encoding="utf-8")
)
SPEC = registry.get("replicate")
assert isinstance(SPEC, ProviderSpec)
LLAMA, GPT, CLAUDE, GEMINI = (
    "meta/meta-llama-3-8b-instruct", "openai/gpt-4.1-mini", "anthropic/claude-4-sonnet", "google/gemini-2.5-flash",
)  # fmt: skip
BASE = "https://api.replicate.com/v1"


def _request(model: str, *messages: Message, extra: dict[str, Any] | None = None, **options: Any) -> Request:
    messages = messages or (Message("user", "Hi"),)
    checked = check_options(options) if options else Options()
    return Request("replicate", model, messages, checked, extra or {}, stream=True)


def _input(request: Request) -> tuple[dict[str, Any], tuple[str, ...]]:
    http = WIRE.build(request, SPEC)
    body = json.loads(http.body)
    assert body.pop("stream") is True
    assert body.keys() == {"input"}
    return body["input"], http.warnings


# -- the recording


def _decode(slices: Any, first: bytes) -> list[Chunk]:
    there = WIRE.elsewhere(first, _request("meta/llama-2-70b-chat"), SPEC)
    assert there is not None
    assert there.decoder is not None
    framing, chunks = SSEDecoder(), []
    for data in slices:
        chunks += there.decoder.feed(framing.feed(data))
    chunks += there.decoder.feed(framing.close())
    return chunks + there.decoder.close()


def test_the_recorded_request_is_the_one_that_is_made() -> None:
    request = _request("meta/llama-2-70b-chat", Message("user", "tell me a joke about opentelemetry"))
    http = WIRE.build(request, SPEC)
    assert (http.method, "/v1" + http.path) == ("POST", RECORDED["request"]["path"])
    assert json.loads(http.body) == json.loads(RECORDED["request"]["body"])


def test_the_recorded_stream_says_what_replicates_own_package_reads_in_any_slicing() -> None:
    body = RECORDED["response"]["body"].encode()
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    events = list(EventSource(None, response, use_file_output=False))  # type: ignore[arg-type]
    text = "".join(map(str, events))
    assert text.startswith("Sure, here's a joke about OpenTelemetry:\n\nWhy did")
    assert text.endswith("assist you with?")
    for name, slices in slicings(body):
        chunks = _decode(slices, RECORDED["created"]["body"].encode())
        assert "".join(chunk.text for chunk in chunks) == text, name
        assert [type(chunk) for chunk in chunks[:2]] == [StreamStart, TextDelta]
        assert chunks[-1] == Finish("stop"), name


def test_the_recorded_prediction_is_read_as_replicates_own_package_reads_it() -> None:
    created = RECORDED["created"]["body"].encode()
    there = WIRE.elsewhere(created, _request("meta/llama-2-70b-chat"), SPEC)
    same = TheirPrediction(**{"output": None, "metrics": None, **json.loads(created)})
    assert there is not None
    assert there.url == same.urls["stream"]
    assert there.accept == "text/event-stream"
    assert BASE + str(there.stop_path) == same.urls["cancel"]
    start = _decode([event("done", "{}")], created)[0]
    assert start == StreamStart(same.id, same.model, 1707756341)


# -- where the answer is


def test_a_prediction_that_is_not_over_is_asked_after() -> None:
    whole = msgspec.structs.replace(_request(LLAMA), stream=False)
    for status in ("starting", "processing"):
        there = WIRE.elsewhere(prediction(BASE, status), whole, SPEC)
        assert there is not None
        assert BASE + there.url == json.loads(prediction(BASE))["urls"]["get"]
        assert there.after_s > 0
        assert there.decoder is None
    for status in ("succeeded", "failed", "canceled"):
        assert WIRE.elsewhere(prediction(BASE, status), whole, SPEC) is None


def test_a_model_that_cannot_stream_is_asked_after() -> None:
    made = json.loads(prediction(BASE))
    del made["urls"]["stream"]
    there = WIRE.elsewhere(json.dumps(made).encode(), _request(LLAMA), SPEC)
    assert there is not None
    assert there.url == f"/predictions/{made['id']}"


@pytest.mark.parametrize("id", ["../account", "a/b", "", "a?b"])
def test_an_id_that_would_lead_astray_is_refused(id: str) -> None:
    with pytest.raises(exllm.ProtocolError):
        WIRE.elsewhere(prediction(BASE, id=id), _request(LLAMA), SPEC)


# -- answers


def test_a_whole_prediction_is_read_with_its_figures() -> None:
    metrics = {"input_token_count": 26, "output_token_count": 84, "predict_time": 2.86, "tokens_per_second": 31.2}
    body = prediction(BASE, "succeeded", output=["Fuzzy", ", gentle", ""], metrics=metrics)
    chunks = WIRE.decode_body(body, _request(LLAMA), SPEC)
    response = fold(chunks, "replicate", LLAMA)
    assert response.text == "Fuzzy, gentle"
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.provenance) == (
        26,
        84,
        "reported",
    )
    (event,) = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert (event.event, event.data) == ("metrics", {"predict_time": 2.86, "tokens_per_second": 31.2})
    assert response.choices[0].raw_finish_reason == "succeeded"


@pytest.mark.parametrize(("output", "text"), [("all at once", "all at once"), (None, ""), ([], "")])
def test_an_output_may_be_one_text_or_none(output: Any, text: str) -> None:
    chunks = WIRE.decode_body(prediction(BASE, "succeeded", output=output), _request(LLAMA), SPEC)
    assert fold(chunks, "replicate", LLAMA).text == text


def test_an_output_that_is_no_text_is_passed_on() -> None:
    chunks = WIRE.decode_body(prediction(BASE, "succeeded", output={"caption": "x"}), _request(LLAMA), SPEC)
    assert ProviderEvent("output", {"caption": "x"}, "replicate") in chunks


def test_a_failed_prediction_raises_its_own_words() -> None:
    with pytest.raises(exllm.ServerError, match="CUDA out of memory"):
        WIRE.decode_body(prediction(BASE, "failed", error="CUDA out of memory"), _request(LLAMA), SPEC)
    with pytest.raises(exllm.StreamInterrupted, match="cancelled"):
        WIRE.decode_body(prediction(BASE, "canceled"), _request(LLAMA), SPEC)


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([event("output", "a"), event("done", '{"reason": "canceled"}')], exllm.StreamInterrupted),
        ([event("output", "a"), event("done", '{"reason": "error"}')], exllm.ServerError),
        ([event("output", "a"), event("error", '{"detail": "Something went wrong"}')], exllm.ServerError),
        ([event("output", "a"), b":408: 408 Request Timeout\n\n"], exllm.StreamInterrupted),
        ([event("output", "a"), event("done", "[]")], exllm.ProtocolError),
        ([event("output", "a"), event("error", "null")], exllm.ProtocolError),
    ],
)
def test_how_a_stream_may_end_otherwise(frames: list[bytes], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        _decode(frames, prediction(BASE))
    assert type(caught.value) is error


def test_logs_and_events_to_come_are_passed_on() -> None:
    chunks = _decode([event("logs", "half way\nthrough"), event("later", "x"), event("done", "{}")], prediction(BASE))
    assert [(chunk.event, chunk.data) for chunk in chunks if isinstance(chunk, ProviderEvent)] == [
        ("logs", "half way\nthrough"),
        ("later", "x"),
    ]


# -- requests


@pytest.mark.parametrize(
    ("model", "path", "fields"),
    [
        (LLAMA, "/models/meta/meta-llama-3-8b-instruct/predictions", {}),
        ("acme/some:0f24", "/predictions", {"version": "acme/some:0f24"}),
        ("deployments/acme/app", "/deployments/acme/app/predictions", {}),
    ],
)
def test_a_model_has_three_forms(model: str, path: str, fields: dict[str, str]) -> None:
    http = WIRE.build(_request(model), SPEC)
    assert http.path == path
    assert json.loads(http.body) == {"input": {"prompt": "Hi"}, "stream": True, **fields}


@pytest.mark.parametrize("model", ["llama", "a/b/c", "/b", "a/", "deployments/x"])
def test_a_model_of_another_form_is_refused(model: str) -> None:
    if model == "deployments/x":  # may be an owner's name
        WIRE.build(_request(model), SPEC)
        return
    with pytest.raises(exllm.InvalidRequest, match="owner/name"):
        WIRE.build(_request(model), SPEC)


def test_a_whole_answer_is_waited_for() -> None:
    http = WIRE.build(msgspec.structs.replace(_request(LLAMA), stream=False), SPEC)
    assert http.headers["prefer"] == "wait=60"
    assert "stream" not in json.loads(http.body)


SYSTEM = Message("system", "Be brief.")
TURNS = (SYSTEM, Message("user", "a"), Message("assistant", "b"), Message("user", "c"))


def test_every_family_gets_its_own_fields() -> None:
    sent = {"max_tokens": 2000, "temperature": 0.5}
    assert _input(_request(LLAMA, SYSTEM, Message("user", "a"), **sent, stop=["x", "y"], top_k=3))[0] == {
        "prompt": "a", "system_prompt": "Be brief.", "max_tokens": 2000, "temperature": 0.5,
        "stop_sequences": "x,y", "top_k": 3,
    }  # fmt: skip
    assert _input(_request("meta/llama-2-70b-chat", max_tokens=9))[0] == {"prompt": "Hi", "max_new_tokens": 9}
    assert _input(_request(GPT, SYSTEM, Message("user", "a"), **sent))[0] == {
        "prompt": "a", "system_prompt": "Be brief.", "max_completion_tokens": 2000, "temperature": 0.5,
    }  # fmt: skip
    assert _input(_request("openai/gpt-5-mini", reasoning_effort="low", verbosity="low"))[0] == {
        "prompt": "Hi", "reasoning_effort": "low", "verbosity": "low",
    }  # fmt: skip
    assert _input(_request(CLAUDE, SYSTEM, Message("user", "a"), max_tokens=2000, thinking=1024))[0] == {
        "prompt": "a", "system_prompt": "Be brief.", "max_tokens": 2000,
        "extended_thinking": True, "thinking_budget_tokens": 1024,
    }  # fmt: skip
    assert _input(_request(CLAUDE, thinking=False))[0] == {"prompt": "Hi", "extended_thinking": False}
    assert _input(_request(GEMINI, SYSTEM, Message("user", "a"), **sent, thinking=False))[0] == {
        "prompt": "a", "system_instruction": "Be brief.", "max_output_tokens": 2000, "temperature": 0.5,
        "thinking_budget": 0,
    }  # fmt: skip
    assert _input(_request("deepseek-ai/deepseek-r1", SYSTEM, Message("user", "a")))[0] == {"prompt": "Be brief.\n\na"}


def test_a_conversation_goes_as_messages_as_the_models_template_or_as_text() -> None:
    messages = [{"role": turn.role, "content": turn.content} for turn in TURNS]
    assert _input(_request(GPT, *TURNS)) == ({"messages": messages}, ())
    written, said = _input(_request(LLAMA, *TURNS))
    assert written["prompt_template"] == "{prompt}"
    assert written["prompt"].endswith("c<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    assert "Be brief." in written["prompt"]
    assert said == ()
    written, said = _input(_request(CLAUDE, *TURNS))
    assert written == {"prompt": "User: a\n\nAssistant: b\n\nUser: c\n\nAssistant:", "system_prompt": "Be brief."}
    assert "takes one prompt" in said[0]


def test_images_go_where_the_model_sees_them() -> None:
    png = Image(data=b"\x89PNG", media_type="image/png")
    web = Image(url="https://example.org/a.png")
    url = "data:image/png;base64,iVBORw=="
    asked = Message("user", (Text("what is it?"), png))
    assert _input(_request(CLAUDE, asked))[0] == {"prompt": "what is it?", "image": url}
    both = Message("user", (Text("which?"), png, web))
    assert _input(_request(GPT, both))[0] == {"prompt": "which?", "image_input": [url, web.url]}
    assert _input(_request(GEMINI, both))[0] == {"prompt": "which?", "images": [url, web.url]}
    with pytest.raises(exllm.InvalidRequest, match="at most 1 image"):
        _input(_request(CLAUDE, both))
    with pytest.raises(exllm.InvalidRequest):
        _input(_request(LLAMA, asked))
    written, said = _input(_request(CLAUDE, asked, Message("assistant", "a cat"), Message("user", "sure?")))
    assert "[image: image/png]" in written["prompt"]
    assert "image" not in written
    assert any("words were sent" in each for each in said)


def test_extra_is_the_models_input_but_for_the_fields_around_it() -> None:
    hook = "https://example.org/hook"
    request = _request("acme/unknown", extra={"top_k": 5, "webhook": hook, "input": {"min_tokens": 2}})
    assert json.loads(WIRE.build(request, SPEC).body) == {
        "input": {"prompt": "Hi", "top_k": 5, "min_tokens": 2}, "webhook": hook, "stream": True,
    }  # fmt: skip


async def test_an_option_without_a_field_is_refused_or_dropped_with_a_warning() -> None:
    request = _request("acme/unknown", temperature=0.5)
    with pytest.raises(exllm.UnsupportedOption, match="temperature"):
        WIRE.build(request, SPEC)
    assert WIRE.options_of("acme/unknown", SPEC) == frozenset()
    assert "temperature" in WIRE.options_of(LLAMA, SPEC)


def test_a_comma_in_a_stop_sequence_cannot_be_said() -> None:
    with pytest.raises(exllm.InvalidRequest, match="commas"):
        _input(_request(LLAMA, stop="a,b"))
