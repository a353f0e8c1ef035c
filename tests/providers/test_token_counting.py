"""Requests to the endpoints that count tokens, against what was recorded and the vendors' own types."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from anthropic.types import message_count_tokens_params
from anthropic.types.beta import message_count_tokens_params as beta_params
from botocore.validate import ParamValidator
from openai.types.responses import input_token_count_params

from exllm.errors import ExLLMError, InvalidRequest, NotFound, ProtocolError
from exllm.providers import registry, token_counting
from exllm.providers.spec import ProviderSpec
from exllm.providers.token_counting import build_count, can_count, decode_count
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.request import Request

DIRECTORY = Path(__file__).parent.parent / "recordings" / "token_counts"
FRANCE = "What is the capital of France?"
FOX = "The quick brown fox jumps over the lazydog."
COUNTING_WEATHER = {
    "name": "counting_weather",
    "description": "Gets current weather for a city",
    "schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "City name"}},
        "required": ["city"],
        "additionalProperties": False,
        "strict": True,
    },
}
FINAL_RESULT = {
    "name": "final_result",
    "description": "The final response which ends this conversation",
    "schema": {
        "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
        "required": ["city", "country"],
        "type": "object",
    },
}
GET_WEATHER = {
    "name": "get_weather",
    "description": "Get the weather for a location",
    "schema": {"type": "object", "properties": {"location": {"type": "string"}}},
}

A, G, V, B = "anthropic__anthropic-count_tokens__", "gemini__gemini-countTokens__", "vertex__gemini-countTokens__", (
    "bedrock__bedrock-count-tokens__")  # fmt: skip

# Recording: what the same is in our words, and the answer; None for the body where another client said it otherwise.
CASES: dict[str, tuple[str, list[Message], dict[str, Any], int | type[ExLLMError]]] = {
    A + "chat-count-tokens-with-anthropic-claude-haiku-4-5-counts-a-s__0": (
        "anthropic/claude-haiku-4-5-20251001", [Message("user", FRANCE)], {}, 14),
    A + "chat-count-tokens-with-anthropic-claude-haiku-4-5-counts-req__0": (
        "anthropic/claude-haiku-4-5-20251001", [Message("user", FRANCE)], {"thinking": 2048}, 43),
    A + "chat-count-tokens-with-anthropic-claude-haiku-4-5-counts-the__1": (
        "anthropic/claude-haiku-4-5-20251001", [Message("system", "Be terse."), Message("user", FRANCE)],
        {"tools": [COUNTING_WEATHER]}, 588),
    A + "test-anthropic-cache-count-tokens__0": ("anthropic/claude-sonnet-4-5", [], {}, 1114),
    A + "test-anthropic-count-tokens-with-adaptive-thinking-and-outpu__0": (
        "anthropic/claude-opus-4-6", [Message("user", FRANCE)],
        {"tools": [FINAL_RESULT], "tool_choice": "required", "thinking": True}, 671),
    A + "test-anthropic-count-tokens-with-native-tools__0": (
        "anthropic/claude-sonnet-4-5", [Message("user", "What is 2 + 2?")], {}, 16),
    A + "test-anthropic-count-tokens-with-tool-search-replay__0": ("anthropic/claude-sonnet-4-5", [], {}, 641),
    A + "test-anthropic-model-usage-limit-exceeded__0": (
        "anthropic/claude-sonnet-4-5", [Message("user", FOX)], {}, 19),
    G + "chat-count-tokens-with-gemini-gemini-3-5-flash-counts-a-stag__0": (
        "gemini/gemini-3.5-flash", [Message("user", FRANCE)], {}, 8),
    G + "test-google-model-usage-limit-exceeded__0": ("gemini/gemini-2.5-flash", [Message("user", FOX)], {}, 12),
    G + "testgoogle-test-count-tokens-error__0": (
        "gemini/nonexistent-model", [Message("user", "Hello, world!")], {}, NotFound),
    V + "chat-count-tokens-with-vertexai-gemini-2-5-flash-counts-a-st__1": (
        "vertex/gemini-2.5-flash", [Message("user", FRANCE)], {}, 7),
    V + "test-google-vertexai-count-tokens-forwards-native-tools__0": (
        "vertex/gemini-2.5-flash", [Message("system", "You are a helpful chatbot."), Message("user", FRANCE)],
        {"web_search": True}, 13),
    B + "test-anthropic-bedrock-count-tokens-error__0": (
        "bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0", [Message("user", "hello")], {}, InvalidRequest),
    B + "test-bedrock-count-tokens-additional-model-requests-fields__0": (
        "bedrock/anthropic.claude-sonnet-4-20250514-v1:0", [Message("user", "Hello, world!")],
        {"extra": {"additionalModelRequestFields": {"anthropic_beta": ["context-1m-2025-08-07"]}}}, 11),
    B + "test-bedrock-count-tokens-error__0": (
        "bedrock/does-not-exist-model-v1:0", [Message("user", "hello")], {}, NotFound),
    B + "test-bedrock-count-tokens-tool-config__0": (
        "bedrock/anthropic.claude-sonnet-4-20250514-v1:0", [Message("user", "What is the weather in Paris?")],
        {"tools": [GET_WEATHER], "tool_choice": "auto"}, 375),
    B + "test-bedrock-model-usage-limit-not-exceeded__0": (
        "bedrock/anthropic.claude-sonnet-4-20250514-v1:0", [Message("user", FOX)], {}, 19),
}  # fmt: skip
# What another client sent in its own way: a cache marker of the whole request, tool references, contents alone, an
# invoke body, a profile's id.
OTHERWISE = {
    A + "test-anthropic-cache-count-tokens__0",
    A + "test-anthropic-count-tokens-with-tool-search-replay__0",
    G + "test-google-model-usage-limit-exceeded__0",
    G + "testgoogle-test-count-tokens-error__0",
    B + "test-anthropic-bedrock-count-tokens-error__0",
}


def load(name: str) -> dict[str, Any]:
    return json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))


def request_of(model: str, messages: list[Message], options: dict[str, Any]) -> tuple[Request, ProviderSpec]:
    provider, name = registry.parse_model(model)
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    assert name is not None
    given = dict(options)
    extra = given.pop("extra", {})
    request = Request(spec.name, name, tuple(messages or [Message("user", "Hi")]), check_options(given), extra)
    return request, spec


def built(model: str, messages: list[Message], options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    request, spec = request_of(model, messages, options)
    http = build_count(request, spec, registry.wire(spec.wire))
    return http.path, json.loads(http.body)


def test_all_recordings_are_played() -> None:
    assert {path.stem for path in DIRECTORY.glob("*__*.json")} == set(CASES)


def _plain(body: Any) -> Any:
    """A body without what means nothing: empty lists and objects, a system instruction's role; text as a string."""
    if isinstance(body, list):
        return [_plain(item) for item in body]
    if not isinstance(body, dict):
        return body
    kept = {name: _plain(value) for name, value in body.items() if value not in ([], {})}
    if "systemInstruction" in kept:
        kept["systemInstruction"].pop("role", None)
    for name in ("content", "system"):
        if isinstance(value := kept.get(name), list) and all(set(part) == {"type", "text"} for part in value):
            kept[name] = "".join(part["text"] for part in value)
    return kept


@pytest.mark.parametrize("name", sorted(set(CASES) - OTHERWISE))
def test_the_same_is_asked_as_was_recorded(name: str) -> None:
    model, messages, options, _ = CASES[name]
    recorded = load(name)["request"]
    path, body = built(model, messages, options)
    assert recorded["path"].split("?")[0].endswith(path.replace(":0/", "%3A0/"))
    assert _plain(body) == _plain(json.loads(recorded["body"]))


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_read_as_recorded(name: str) -> None:
    model, messages, options, expected = CASES[name]
    request, spec = request_of(model, messages, options)
    response = load(name)["response"]
    body = response["body"].encode() if "body" in response else base64.b64decode(response["body_base64"])
    if isinstance(expected, int):
        assert decode_count(body, request, spec) == expected
    else:
        error = registry.wire(spec.wire).parse_error(response["status"], response["headers"], body, spec)
        assert type(error) is expected


# -- the vendors' own words


def test_what_anthropic_takes_is_what_its_sdk_takes() -> None:
    beta = set(beta_params.MessageCountTokensParams.__annotations__)
    stable = set(message_count_tokens_params.MessageCountTokensParams.__annotations__)
    headers = {"betas", "user_profile_id", "workspace_id"}
    assert (beta | stable) - headers - {"prefill"} == token_counting._ANTHROPIC


def test_what_openai_takes_is_what_its_sdk_takes() -> None:
    assert set(input_token_count_params.InputTokenCountParams.__annotations__) == token_counting._OPENAI


ASKED = [
    Message("system", "Be terse."),
    Message("user", FRANCE),
    Message("assistant", (ToolCall("call_1", "get_weather", '{"location": "Paris"}'),)),
    Message("tool", (ToolResult("call_1", "rain"),)),
]
TOOLS = {"tools": [GET_WEATHER], "max_tokens": 50, "temperature": 0.5}


def test_what_bedrock_is_sent_is_what_its_service_model_has() -> None:
    shape = (
        botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("CountTokens").input_shape
    )
    path, body = built("bedrock/claude-sonnet-4", ASKED, TOOLS)
    assert path == "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/count-tokens"
    assert set(body["input"]["converse"]) == {"messages", "system", "toolConfig"}
    report = ParamValidator().validate({"modelId": "m", **body}, shape)
    assert not report.has_errors(), report.generate_report()


def test_what_has_no_tokens_is_not_sent() -> None:
    _, anthropic = built("anthropic/claude-sonnet-4-5", ASKED, TOOLS)
    assert set(anthropic) == {"model", "messages", "system", "tools"}
    path, openai = built("openai-responses/gpt-4.1", ASKED, TOOLS)
    assert path == "/responses/input_tokens"
    assert set(openai) <= token_counting._OPENAI
    assert {"model", "input", "tools"} <= set(openai)


def test_claude_on_vertex_is_asked_by_the_models_name_in_the_body() -> None:
    path, body = built("vertex-anthropic/claude-sonnet-4-5@20250929", ASKED, TOOLS)
    assert path == "/publishers/anthropic/models/count-tokens:rawPredict"
    assert body["model"] == "claude-sonnet-4-5@20250929"
    assert "anthropic_version" not in body


def test_only_what_can_count_is_asked() -> None:
    can = {model: can_count(*request_of(model, [], {})) for model in (
        "anthropic/m", "gemini/m", "vertex/m", "vertex-express/m", "vertex-anthropic/m", "openai-responses/m",
        "bedrock/claude-sonnet-4", "bedrock/nova-lite", "openai/m", "groq/m", "minimax/m", "cohere/m",
    )}  # fmt: skip
    assert [model for model, is_able in can.items() if not is_able] == [
        "bedrock/nova-lite", "openai/m", "groq/m", "minimax/m", "cohere/m",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b'{"input_tokens": "14"}', b'{"input_tokens": -1}', b"\xff", b'{"x": 1']
)
def test_an_answer_without_a_number_is_a_protocol_error(body: bytes) -> None:
    request, spec = request_of("anthropic/m", [], {})
    with pytest.raises(ProtocolError, match="Anthropic sent no number of tokens"):
        decode_count(body, request, spec)
