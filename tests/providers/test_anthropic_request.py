"""For the same call we send what Anthropic's SDK sends: path, body field by field, and the headers that matter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.anthropic_messages import WIRE
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.parts import (
    Audio,
    Document,
)
from exllm.types.request import Request
from tests.providers.anthropic_cases import CASES, HI, ON_NEW_MODELS
from tests.providers.anthropic_recordings import SPEC

MODEL = "claude-sonnet-4-5"


def build(
    messages: Any = "Hi",
    *,
    model: str = MODEL,
    stream: bool = True,
    extra: dict[str, Any] | None = None,
    **options: Any,
) -> HttpRequest:
    options.setdefault("max_tokens", 1000)
    request = Request("anthropic", model, normalise_messages(messages), check_options(options), extra or {}, stream)
    return WIRE.build(request, SPEC)


def body_of(http: HttpRequest) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(http.body)
    return body


def sdk_request(call: Callable[[anthropic.Anthropic], Any]) -> httpx2.Request:
    """The request that the SDK sends for `call`."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(400, json={"type": "error", "error": {"type": "invalid_request_error", "message": ""}})

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = anthropic.Anthropic(api_key="none", http_client=http_client, max_retries=0)
    with client, warnings.catch_warnings(action="ignore"), pytest.raises(anthropic.BadRequestError):
        call(client)  # warns of models that will retire
    return sent[0]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", [*CASES, *ON_NEW_MODELS])
def test_we_send_what_the_sdk_sends(case: str, stream: bool) -> None:
    messages, options, arguments = (CASES | ON_NEW_MODELS)[case]
    model = MODEL if case in CASES else "claude-opus-4-8"
    ours = build(messages, model=model, stream=stream, **options)
    arguments = {"model": model, "max_tokens": 1000, **arguments}
    theirs = sdk_request(lambda client: client.messages.create(stream=stream or anthropic.omit, **arguments))
    assert body_of(ours) == msgspec.json.decode(theirs.content)
    assert ours.path == theirs.url.path
    assert ours.method == theirs.method
    assert ours.headers == {"anthropic-version": theirs.headers["anthropic-version"]}
    assert ours.warnings == ()


def test_betas_travel_as_the_sdk_sends_them() -> None:
    server = {"type": "url", "url": "https://mcp.example.com", "name": "m"}
    names = ["mcp-client-2025-11-20", "interleaved-thinking-2025-05-14"]
    ours = build(betas=names, extra={"mcp_servers": [server]})
    theirs = sdk_request(
        lambda client: client.beta.messages.create(
            model=MODEL, max_tokens=1000, messages=HI, betas=names, mcp_servers=[server], stream=True
        )
    )
    assert body_of(ours) == msgspec.json.decode(theirs.content)
    assert ours.headers == {name: theirs.headers[name] for name in ("anthropic-version", "anthropic-beta")}


def test_betas_of_the_call_join_those_of_the_provider() -> None:
    spec = msgspec.structs.replace(SPEC, headers={"Anthropic-Beta": "a, b"})
    request = Request("anthropic", MODEL, normalise_messages("Hi"), check_options({"betas": ["b", "c"]}))
    assert WIRE.build(request, spec).headers["anthropic-beta"] == "a,b,c"


@pytest.mark.parametrize(
    "options", [{"temperature": 0.5}, {"top_p": 0.9}, {"top_k": 5}, {"extra": {"temperature": 0}}], ids=str
)
def test_sampling_asks_for_the_last_api_version_that_has_it(options: dict[str, Any]) -> None:
    ours = build(**options)
    sampling = options.get("extra", options)
    theirs = sdk_request(
        lambda client: client.messages.create(
            model=MODEL,
            max_tokens=1000,
            messages=HI,
            stream=True,
            extra_body=sampling,
            extra_headers={"anthropic-version": "2023-06-01"},
        )
    )
    assert body_of(ours) == msgspec.json.decode(theirs.content)
    assert ours.headers == {"anthropic-version": "2023-06-01"}


def test_a_provider_that_names_its_version_keeps_it() -> None:
    spec = msgspec.structs.replace(SPEC, headers={"Anthropic-Version": "2023-06-01"})
    request = Request("anthropic", "kimi-k2", normalise_messages("Hi"))
    assert WIRE.build(request, spec).headers == {}


def test_temperature_above_one_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"from 0 to 1, got 1\.5"):
        build(temperature=1.5)


@pytest.mark.parametrize("wanted", ["json", {"type": "json_object"}], ids=str)
def test_json_without_a_schema_is_refused_since_there_is_no_such_mode(wanted: Any) -> None:
    with pytest.raises(UnsupportedOption, match="pass a JSON Schema"):
        build(response_format=wanted)


def test_plain_text_needs_no_format() -> None:
    assert "output_config" not in body_of(build(response_format="text"))


def test_extra_has_the_last_word() -> None:
    body = body_of(build(stop="x", extra={"stop_sequences": ["y"], "stream": False, "speed": "fast"}))
    assert body["stop_sequences"] == ["y"]
    assert body["stream"] is False
    assert body["speed"] == "fast"


def test_extra_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        build(extra={"x": object()})


def test_audio_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no audio"):
        build([Message("user", [Audio(data=b"RIFF", media_type="audio/wav")])])


def test_other_documents_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"PDF and text documents, got 'application/zip'"):
        build([Message("user", [Document(data=b"PK", media_type="application/zip")])])


def test_text_documents_must_be_utf_8() -> None:
    with pytest.raises(InvalidRequest, match="'notes' is not UTF-8"):
        build([Message("user", [Document(data=b"\xff\xfe", media_type="text/plain", title="notes")])])


@pytest.mark.parametrize("option", ["n", "seed", "logprobs", "frequency_penalty", "modalities", "verbosity", "store"])
def test_what_the_protocol_cannot_say_is_not_among_its_options(option: str) -> None:
    assert option not in WIRE.options
