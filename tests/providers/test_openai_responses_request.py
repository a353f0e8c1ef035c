"""For the same call we send what OpenAI's SDK sends: path and body field by field."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import openai
import pytest

from exllm.errors import InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.providers.openai_responses import WIRE
from exllm.providers.openai_responses_models import model_facts
from exllm.providers.openai_responses_request import FIELDS, OPTIONS
from exllm.providers.wire import HttpRequest, supported_options
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.parts import Audio, CacheControl, Document, Text, ToolCall
from exllm.types.request import Request
from exllm.types.tool import Tool
from tests.providers.openai_responses_cases import CASES, EXTRA, HI, ON_REASONING_MODELS, PDF, USER, WEATHER
from tests.providers.openai_responses_history import comparable, messages_of
from tests.providers.openai_responses_recordings import ALL, SPEC, load

HERE = CacheControl()
MODEL, REASONING_MODEL = "gpt-4.1-mini", "gpt-5.6-luna"


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


def build(
    messages: Any = "Hi",
    *,
    model: str = MODEL,
    stream: bool = True,
    extra: dict[str, Any] | None = None,
    spec: ProviderSpec = SPEC,
    **options: Any,
) -> HttpRequest:
    request = Request(spec.name, model, normalise_messages(messages), check_options(options), extra or {}, stream)
    return WIRE.build(request, spec)


def body_of(http: HttpRequest) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(http.body)
    return body


def sdk_request(arguments: dict[str, Any]) -> httpx2.Request:
    """The request that the SDK sends."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(400, json={"error": {"message": "", "type": "invalid_request_error"}})

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    with (
        openai.OpenAI(api_key="none", http_client=http_client, max_retries=0) as client,
        pytest.raises(openai.BadRequestError),
    ):
        client.responses.create(**arguments)
    return sent[0]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", [*CASES, *ON_REASONING_MODELS])
def test_we_send_what_the_sdk_sends(case: str, stream: bool) -> None:
    messages, options, arguments = (CASES | ON_REASONING_MODELS)[case]
    model = MODEL if case in CASES else REASONING_MODEL
    ours = build(messages, model=model, stream=stream, **options)
    theirs = sdk_request({"model": model, "stream": stream or openai.omit, **arguments})
    assert body_of(ours) == msgspec.json.decode(theirs.content)
    assert "/v1" + ours.path == theirs.url.path
    assert ours.method == theirs.method
    assert ours.warnings == ()


@pytest.mark.parametrize("field", EXTRA)
def test_what_has_no_option_travels_in_extra(field: str) -> None:
    ours = build(extra={field: EXTRA[field]}, response_format="json", logprobs=True)
    arguments = {"text": {"format": {"type": "json_object"}}, "include": ["message.output_text.logprobs"]}
    theirs = sdk_request({"model": MODEL, "input": HI, "stream": True, **arguments, field: EXTRA[field]})
    assert body_of(ours) == msgspec.json.decode(theirs.content)


def test_every_field_of_the_sdk_is_known() -> None:
    from openai.types.responses import response_create_params

    fields = response_create_params.ResponseCreateParamsStreaming.__annotations__.keys()
    fields |= response_create_params.ResponseCreateParamsBase.__annotations__.keys()
    assert fields - FIELDS == set()
    assert FIELDS - fields == {"top_k", "frequency_penalty", "presence_penalty"}  # of OpenRouter


def test_options_are_those_that_can_be_said() -> None:
    assert supported_options(WIRE, SPEC) == OPTIONS - {"top_k", "frequency_penalty", "presence_penalty"}
    assert not {"stop", "seed", "n", "logit_bias", "prediction", "modalities", "audio"} & OPTIONS


# -- what was recorded


RECORDED = [name for name in ALL if load(name).request]
WITH_OPTIONS = {"store", "tool_choice", "temperature", "service_tier", "metadata", "parallel_tool_calls"}
RENAMED = {"max_output_tokens": "max_tokens"}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_is_written_again(name: str) -> None:
    """The conversation through our messages, the options through ours, whatever has none in `extra`."""
    recorded = load(name).request
    asked: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for field, value in recorded.items():
        if field == "tools":
            asked["tools"] = [as_tool(tool) for tool in value]
        elif field == "text":
            asked |= {"response_format": value.get("format"), "verbosity": value.get("verbosity")}
        elif field == "reasoning":
            asked["thinking"] = value
        elif field in WITH_OPTIONS | RENAMED.keys() and not (field == "temperature" and value < 0):
            asked[RENAMED.get(field, field)] = value
        elif field not in ("model", "input", "stream") and value != []:
            extra[field] = value
    messages, stream = normalise_messages(messages_of(recorded["input"])), bool(recorded.get("stream"))
    http = WIRE.build(Request("p", recorded["model"], messages, check_options(asked), extra, stream), SPEC)
    ours = body_of(http)
    assert http.warnings == ()
    if "include" not in recorded and ours.get("include") == ["reasoning.encrypted_content"]:
        del ours["include"]  # we ask, they did not
    theirs = {field: value for field, value in recorded.items() if (field, value) != ("stream", False)}
    theirs["tools"] = [as_sent(tool) for tool in recorded.get("tools", ())]
    theirs["input"], ours["input"] = comparable(recorded["input"]), comparable(ours["input"])
    assert ours == {field: value for field, value in theirs.items() if value != []}


def test_most_recordings_have_their_request() -> None:
    assert len(RECORDED) == 109


def as_sent(tool: dict[str, Any]) -> dict[str, Any]:
    """A recorded tool without what says nothing; `strict` is always said."""
    kept = {
        name: value for name, value in tool.items() if (name, value) not in (("description", None), ("description", ""))
    }
    return {"strict": False, **kept} if tool["type"] == "function" else kept


def as_tool(tool: dict[str, Any]) -> Any:
    if tool["type"] != "function":
        return tool
    return Tool(tool["name"], tool.get("description") or "", tool["parameters"], tool.get("strict"))


# -- models


@pytest.mark.parametrize(
    ("model", "reasons", "breakpoints"),
    [
        ("o1", True, False), ("o3-mini", True, False), ("o4-mini-2025-04-16", True, False), ("gpt-5", True, False),
        ("gpt-5-nano", True, False), ("gpt-5.2-pro", True, False), ("gpt-5.6-luna", True, True),
        ("openai/gpt-5.6-sol", True, True), ("openai.gpt-5.5", True, False), ("gpt-6-astra", True, True),
        ("codex-mini-latest", True, False), ("gpt-5-chat-latest", False, False), ("gpt-4o", False, False),
        ("gpt-4.1-mini", False, False), ("openai.gpt-oss-120b", False, False), ("my-deployment", None, False),
        ("grok-4.3", None, False), ("orca", None, False),
    ],
)  # fmt: skip
def test_what_a_models_name_tells(model: str, reasons: bool | None, breakpoints: bool) -> None:
    facts = model_facts(model)
    assert (facts.reasons, facts.cache_breakpoints) == (reasons, breakpoints)


def test_encrypted_reasoning_is_asked_of_who_reasons_and_where_nothing_is_stored() -> None:
    asked = ["reasoning.encrypted_content"]
    assert body_of(build(model="gpt-5"))["include"] == asked
    assert body_of(build(model="my-deployment", store=False))["include"] == asked
    assert "include" not in body_of(build(model="my-deployment"))
    assert "include" not in body_of(build(model="gpt-4.1", store=False))  # which refuses it
    assert "include" not in body_of(build(model="gpt-5", spec=spec_of("deepseek-responses")))


# -- what cannot be said, and what goes along in other words


@pytest.mark.parametrize(
    ("messages", "options", "words"),
    [
        ([Message("user", [Audio(data=b"x", media_type="audio/wav")])], {}, "takes no audio"),
        ("Hi", {"thinking": 1000}, "no number of tokens to think"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_raises_before_it_is_sent(messages: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        build(messages, **options)


def test_a_request_that_is_no_json_is_told() -> None:
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        build(extra={"x": object()})


def test_what_has_no_place_is_told() -> None:
    http = build(
        [
            Message("user", [Document(data=PDF, media_type="application/pdf", context="c", citations=True)], "ann"),
            Message("assistant", [Text("x", cache_control=HERE), ToolCall("1", "f", cache_control=HERE)]),
            Message("user", [Text("Long.", cache_control=CacheControl("ephemeral", "1h"))]),
        ],
        model=REASONING_MODEL,
        tools=[Tool("f", cache_control=HERE)],
    )  # fmt: skip
    assert [words.split(";")[0][:48] for words in http.warnings] == [
        "the Responses API has no names of participants",
        "OpenAI cites from no documents of a message",
        "OpenAI has no place for the context of a documen",
        "a cache breakpoint after words of the assistant ",
        "a cache breakpoint after a call has no place in ",
        "a cache breakpoint cannot live for 1h here",
        "cache_control of a tool has no place in the Resp",
    ]
    old = build([Message("user", [Text("Long.", cache_control=HERE)])], cache_control=True)
    assert body_of(old)["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "Long."}]}]
    assert len(old.warnings) == 1
    assert "takes no cache breakpoints" in old.warnings[0]


# -- the services' quirks


def test_xai_is_asked_in_its_own_words() -> None:
    body = body_of(
        build(
            [Message("developer", "Be kind."), USER],
            spec=spec_of("xai-responses"), model="grok-4.3", user="u", logprobs=True, store=False,
        )
    )  # fmt: skip
    assert body["input"][0] == {"role": "system", "content": "Be kind."}
    assert (body["user"], body["logprobs"], body["include"]) == ("u", True, ["reasoning.encrypted_content"])
    assert "safety_identifier" not in body


def test_openrouter_takes_more() -> None:
    http = build(
        [Message("user", [Text("Hear"), Audio(data=b"x", media_type="audio/mpeg")])],
        spec=spec_of("openrouter-responses"), model="openai/gpt-4.1", thinking=1000, web_search={"max_results": 3},
        top_k=5, presence_penalty=0.5,
    )  # fmt: skip
    body = body_of(http)
    assert body["input"][0]["content"][1] == {"type": "input_audio", "input_audio": {"data": "eA==", "format": "mp3"}}
    assert body["reasoning"] == {"max_tokens": 1000}
    assert body["plugins"] == [{"id": "web", "max_results": 3}]
    assert (body["top_k"], body["presence_penalty"]) == (5, 0.5)
    assert "tools" not in body
    with pytest.raises(InvalidRequest, match="wav or mp3"):
        build([Message("user", [Audio(data=b"x", media_type="audio/flac")])], spec=spec_of("openrouter-responses"))
    with pytest.raises(InvalidRequest, match="not from a URL"):
        build([Message("user", [Audio(url="https://example.com/a")])], spec=spec_of("openrouter-responses"))


@pytest.mark.parametrize(
    ("model", "path"), [("openai.gpt-5.6-luna", "/openai/v1/responses"), ("openai.gpt-oss-20b", "/v1/responses")]
)
def test_bedrock_has_openais_own_models_elsewhere(model: str, path: str) -> None:
    assert build(model=model, spec=spec_of("bedrock-mantle")).path == path
    recorded = [load(name) for name in ALL if name.startswith("bedrock-mantle")]
    assert any(each.request["model"] == model for each in recorded)


def test_reused_ids_of_calls_are_told_apart() -> None:
    from exllm.types.parts import ToolResult

    turns = [
        message
        for number in (1, 2)
        for message in (
            Message("assistant", [ToolCall("call_0", "f")]),
            Message("tool", [ToolResult("call_0", str(number))]),
        )
    ]
    items = body_of(build([USER, *turns]))["input"]
    assert [item["call_id"] for item in items[1:]] == ["call_0", "call_0", "call_0_2", "call_0_2"]


def test_perplexity_gets_messages_and_calls_only() -> None:
    from exllm.types.parts import ProviderPart, Reasoning, ToolResult

    name = "perplexity-agent"
    http = build(
        [
            Message("developer", "Be brief."),
            USER,
            Message(
                "assistant",
                [
                    Reasoning("Hm.", id="rs_1"),
                    ProviderPart(name, {"type": "search_results", "results": []}),
                    Text("Well, "),
                    Text("so."),
                    ToolCall("c", "get_weather", "{}"),
                ],
            ),
            Message("tool", [ToolResult("c", (Text("2"), Text("1")))]),
            Message("assistant", "Fine."),
            USER,
        ],
        spec=spec_of(name),
        model="openai/gpt-5.5",
        tools=[WEATHER],
        response_format={"name": "a", "schema": {"type": "object"}},
    )
    body = body_of(http)
    assert body["input"] == [
        {"type": "message", "role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": "Hi"},
        {"type": "message", "role": "assistant", "content": "Well, so."},
        {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "21"},
        {"type": "message", "role": "assistant", "content": "Fine."},
        {"type": "message", "role": "user", "content": "Hi"},
    ]
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    assert body["response_format"] == schema
    assert "text" not in body
    assert "include" not in body
    assert len(http.warnings) == 2


def test_a_parameter_that_a_service_does_not_take_is_told() -> None:
    with pytest.raises(InvalidRequest, match="max_steps"):
        build(spec=spec_of("perplexity-agent"), extra={"max_steps": 500})
    with pytest.raises(InvalidRequest, match="background"):
        build(spec=spec_of("xai-responses"), extra={"background": True})
