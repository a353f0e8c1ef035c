"""watsonx's text chat: bodies and paths as IBM's own package writes them, and a stream as the service sends it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ibm_watsonx_ai import href_definitions as ibm_paths
from ibm_watsonx_ai.foundation_models import schema as ibm_schema

import exllm
from exllm.config import Static
from exllm.providers import ProviderSpec, registry
from exllm.providers.model_rows import read_page
from exllm.providers.watsonx_chat import WIRE
from exllm.streaming.fold import fold
from exllm.streaming.sse import SSEDecoder
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.faults.dialects import TEXT, WATSONX
from tests.faults.server import FaultServer
from tests.rechunk import slicings

SPEC = registry.get("watsonx")
assert isinstance(SPEC, ProviderSpec)
MODEL = "ibm/granite-3-3-8b-instruct"
TOOL = {"type": "function", "function": {"name": "sum", "parameters": {"type": "object", "properties": {}}}}


def _request(
    model: str = MODEL, *, stream: bool = True, extra: dict[str, Any] | None = None, **options: Any
) -> Request:
    checked = check_options(options)
    return Request(
        "watsonx", model, (Message("user", "Hi"),), checked, {"project_id": "p-1"} if extra is None else extra, stream
    )


def _built(request: Request) -> tuple[str, dict[str, Any]]:
    http = WIRE.build(request, SPEC)
    return http.path, json.loads(http.body)


def test_whole_answers_and_streams_have_a_path_each_as_in_ibms_package() -> None:
    for stream, item in ((False, "chat"), (True, "chat_stream")):
        path, body = _built(_request(stream=stream))
        assert path.partition("?")[0] == ibm_paths.FM_CHAT.format("", item)
        assert path.endswith("?version=2026-10-14")
        assert body == {"model_id": MODEL, "project_id": "p-1", "messages": [{"role": "user", "content": "Hi"}]}


def test_a_deployment_has_a_path_of_its_own_and_needs_no_project() -> None:
    for stream, theirs in ((False, ibm_paths.FM_DEPLOYMENT_CHAT), (True, ibm_paths.FM_DEPLOYMENT_CHAT_STREAM)):
        path, body = _built(_request("deployments/my-own", stream=stream, extra={}))
        assert path.partition("?")[0] == theirs.format("", "my-own")
        assert body == {"messages": [{"role": "user", "content": "Hi"}]}


def test_every_option_is_a_field_of_ibms_own_parameters() -> None:
    _, body = _built(
        _request(
            temperature=0.5, top_p=0.9, max_tokens=100, stop=["x"], seed=1, n=2, logprobs=True, top_logprobs=2,
            frequency_penalty=0.1, presence_penalty=0.1, logit_bias={"7": 1}, reasoning_effort="low", thinking=True,
            response_format={"type": "json_object"},
            extra={"project_id": "p-1", "time_limit": 1000, "guided_choice": ["a"], "repetition_penalty": 1.1},
        )
    )  # fmt: skip
    own = {"model_id", "project_id", "messages"}
    assert body.keys() - own <= set(ibm_schema.TextChatParameters.__dataclass_fields__)
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    declared = set(SPEC.parameters) - {"chat_template_kwargs"}
    assert declared <= set(ibm_schema.TextChatParameters.__dataclass_fields__)


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_a_tool_choice_that_is_a_word_has_a_field_of_its_own(choice: str) -> None:
    _, body = _built(_request(tools=[TOOL], tool_choice=choice))
    assert body["tool_choice_option"] == choice
    assert "tool_choice" not in body


def test_a_tool_choice_that_names_a_tool_stays() -> None:
    _, body = _built(_request(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "sum"}}))
    assert body["tool_choice"] == {"type": "function", "function": {"name": "sum"}}
    assert "tool_choice_option" not in body


def test_a_project_goes_before_a_space_and_one_of_them_there_must_be() -> None:
    assert _built(_request(extra={"project_id": "p", "space_id": "s"}))[1].get("space_id") is None
    assert _built(_request(extra={"project_id": None, "space_id": "s"}))[1]["space_id"] == "s"
    with pytest.raises(exllm.ConfigurationError, match="WATSONX_PROJECT_ID or WATSONX_SPACE_ID"):
        WIRE.build(_request(extra={}), SPEC)


async def test_project_and_space_come_from_the_config_and_the_call_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATSONX_PROJECT_ID", "of-the-environment")
    async with FaultServer(WATSONX.reply()) as server:
        way = {"api_key": "a.token.x", "base_url": server.url}
        async with exllm.Client() as client:
            await client.chat("watsonx", "Hi", **way)  # type: ignore[arg-type]
            await client.chat("watsonx", "Hi", **way, extra={"project_id": "of-the-call"})  # type: ignore[arg-type]
        async with exllm.Client(config=Static({"watsonx": {**way, "space_id": "of-the-config"}})) as client:
            await client.chat("watsonx", "Hi")
        bodies = [request.json for request in server.requests]
    assert [body.get("project_id") for body in bodies] == ["of-the-environment", "of-the-call", None]
    assert bodies[2]["space_id"] == "of-the-config"


STREAM = """\
id: 1
event: message
data: {"id":"chatcmpl-cc34","object":"chat.completion.chunk","model_id":"ibm/granite-3-3-8b-instruct","model":"ibm/granite-3-3-8b-instruct","choices":[{"index":0,"finish_reason":null,"delta":{"role":"assistant","content":""}}],"created":1749764735,"model_version":"3.3.0","created_at":"2025-06-12T21:45:35.150Z","system":{"warnings":[{"message":"The value of 'max_completion_tokens' for this model was set to value 1024","id":"unspecified_max_completion_tokens"}]}}

id: 2
event: message
data: {"id":"chatcmpl-cc34","object":"chat.completion.chunk","model_id":"ibm/granite-3-3-8b-instruct","model":"ibm/granite-3-3-8b-instruct","choices":[{"index":0,"finish_reason":null,"delta":{"tool_calls":[{"index":0,"id":"chatcmpl-tool-af37","type":"function","function":{"name":"sum","arguments":""}}]}}],"created":1749764735}

id: 3
event: message
data: {"id":"chatcmpl-cc34","object":"chat.completion.chunk","model_id":"ibm/granite-3-3-8b-instruct","model":"ibm/granite-3-3-8b-instruct","choices":[{"index":0,"finish_reason":"tool_calls","delta":{"tool_calls":[{"index":0,"function":{"name":"","arguments":"{\\"firstNumber\\": 2, \\"secondNumber\\": 2}"}}]}}],"created":1749764735}

id: 4
event: message
data: {"id":"chatcmpl-cc34","object":"chat.completion.chunk","model_id":"ibm/granite-3-3-8b-instruct","model":"ibm/granite-3-3-8b-instruct","choices":[],"created":1749764735,"usage":{"completion_tokens":49,"prompt_tokens":319,"total_tokens":368}}

"""  # noqa: E501 - of the shape that IBM's Java SDK tests with


def test_a_stream_of_the_shape_that_the_service_sends_is_read_in_any_slicing() -> None:
    for name, slices in slicings(STREAM.encode()):
        framing, decoder, chunks = SSEDecoder(), WIRE.decoder(_request(), SPEC), []
        for data in slices:
            chunks += decoder.feed(framing.feed(data))
        chunks += decoder.feed(framing.close()) + decoder.close()
        response = fold(chunks, "watsonx", MODEL)
        (call,) = response.tool_calls
        assert (call.id, call.name) == ("chatcmpl-tool-af37", "sum"), name
        assert call.parse_arguments() == {"firstNumber": 2, "secondNumber": 2}
        assert response.finish_reason == "tool_calls"
        assert (response.usage.input_tokens, response.usage.output_tokens) == (319, 49)
        assert (response.id, response.created) == ("chatcmpl-cc34", 1749764735)


def test_the_list_of_models_is_read() -> None:
    row = {
        "model_id": MODEL, "label": "granite-3-3-8b-instruct", "provider": "IBM",
        "functions": [{"id": "text_chat"}, {"id": "text_generation"}],
        "model_limits": {"max_sequence_length": 131072, "max_output_tokens": 16384},
    }  # fmt: skip
    (entry,) = read_page(json.dumps({"limit": 200, "resources": [row]}).encode(), SPEC).entries
    assert (entry.id, entry.name, entry.owned_by) == (MODEL, "granite-3-3-8b-instruct", "IBM")
    assert (entry.context_window, entry.max_output_tokens) == (131072, 16384)


async def test_an_answer_over_http() -> None:
    async with FaultServer(WATSONX.reply()) as server:
        config = Static({"watsonx": {"base_url": server.url, **WATSONX.settings}})
        async with exllm.Client(config=config) as client:
            assert (await client.chat("watsonx", "Hi")).text == TEXT
            async with client.stream("watsonx", "Hi") as stream:
                assert (await stream.collect()).text == TEXT
        assert [request.path.partition("?")[0] for request in server.requests] == [
            "/ml/v1/text/chat",
            "/ml/v1/text/chat_stream",
        ]
