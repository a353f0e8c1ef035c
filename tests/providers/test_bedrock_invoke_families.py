"""The native protocols behind InvokeModel that no recording has: as their documentation says."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from exllm import Image, Message, Reasoning, Text, Tool, ToolCall, ToolResult
from exllm.errors import (
    ConfigurationError,
    ExLLMError,
    InvalidRequest,
    ProtocolError,
    RateLimited,
    ServerError,
    StreamInterrupted,
    UnsupportedOption,
)
from exllm.providers import ProviderSpec, registry
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.types.chunks import Chunk
from exllm.types.options import check_options
from exllm.types.parts import ProviderPart
from exllm.types.request import Request
from exllm.types.response import Response
from exllm.types.usage import Usage
from tests.providers.aws_frames import event, exception, raw_event
from tests.rechunk import bytewise

_FOUND = registry.get("bedrock-invoke")
assert isinstance(_FOUND, ProviderSpec)
SPEC = _FOUND
WIRE = registry.wire("bedrock_invoke")
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 3, "invocationLatency": 9}}
COUNTED = Usage(7, 3, 10, provenance="reported")
UNKNOWN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"

LLAMA, LLAMA_4 = "us.meta.llama3-3-70b-instruct-v1:0", "us.meta.llama4-scout-17b-instruct-v1:0"
MISTRAL, MISTRAL_CHAT = "mistral.mistral-7b-instruct-v0:2", "mistral.mistral-large-2407-v1:0"
TITAN, R1, COMMAND = "amazon.titan-text-express-v1", "us.deepseek.r1-v1:0", "cohere.command-r-plus-v1:0"
JAMBA, PALMYRA, GPT_OSS = "ai21.jamba-1-5-mini-v1:0", "us.writer.palmyra-x5-v1:0", "openai.gpt-oss-20b-1:0"
CLAUDE, NOVA, DEEPSEEK = "us.anthropic.claude-opus-4-6-v1", "amazon.nova-lite-v1:0", "deepseek.v3-v1:0"
TALK = (
    Message("system", "Be kind."),
    Message("user", "Hi"),
    Message("assistant", "Hello"),
    Message("user", "How are you?"),
)
LOOK = Tool(
    "look",
    "Looks.",
    {"type": "object", "properties": {"at": {"type": "string", "description": "Where."}}, "required": ["at"]},
)
USED = (
    Message("user", "Look"),
    Message("assistant", (Text("Looking."), ToolCall("c1", "look", '{"at":"x"}'))),
    Message("tool", (ToolResult("c1", "seen"),)),
)


def build(model: str, *messages: Message, extra: dict[str, Any] | None = None, **options: Any) -> Any:
    request = Request("bedrock-invoke", model, messages or TALK, check_options(options), extra or {})
    return WIRE.build(request, SPEC)


def body(model: str, *messages: Message, extra: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    http = build(model, *messages, extra=extra, **options)
    assert http.warnings == ()
    found: dict[str, Any] = msgspec.json.decode(http.body)
    return found


def part(document: Any) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(document).encode()).decode()})


def decode(model: str, *frames: bytes, spec: ProviderSpec = SPEC) -> tuple[Response, ExLLMError | None]:
    """What the stream says, whole and byte by byte."""
    request = Request("bedrock-invoke", model, TALK)
    found: list[tuple[list[Chunk], ExLLMError | None]] = []
    for slices in ([b"".join(frames)], list(bytewise(b"".join(frames)))):
        framing, decoder = EventStreamDecoder(), WIRE.decoder(request, spec)
        chunks: list[Chunk] = []
        failure: ExLLMError | None = None
        try:
            for data in slices:
                chunks += decoder.feed(framing.feed(data))
            chunks += decoder.feed(framing.close())
            chunks += decoder.close()
        except ExLLMError as error:
            chunks, failure = chunks + decoder.take(), error
        found.append((chunks, failure))
    assert found[0][0] == found[1][0]
    assert str(found[0][1]) == str(found[1][1])
    return fold(model, found[0][0]), found[0][1]


def stream(model: str, *documents: Any) -> Response:
    response, failure = decode(model, *map(part, documents))
    assert failure is None
    return response


def whole(model: str, document: Any) -> Response:
    request = Request("bedrock-invoke", model, TALK, stream=False)
    return fold(model, WIRE.decode_body(json.dumps(document).encode(), request, SPEC))


def fold(model: str, chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("bedrock-invoke", model)
    accumulator.add(chunks)
    return accumulator.response()


# -- prompts


@pytest.mark.parametrize(
    ("model", "field", "prompt"),
    [
        (
            LLAMA, "prompt",
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHow are you?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            LLAMA_4, "prompt",
            "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe kind.<|eot|>"
            "<|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nHello<|eot|>"
            "<|header_start|>user<|header_end|>\n\nHow are you?<|eot|><|header_start|>assistant<|header_end|>\n\n",
        ),
        (MISTRAL, "prompt", "<s>[INST] Be kind.\n\nHi [/INST] Hello</s> [INST] How are you? [/INST]"),
        (TITAN, "inputText", "Be kind.\n\nUser: Hi\nBot: Hello\nUser: How are you?\nBot:"),
        (
            R1, "prompt",
            "<｜begin▁of▁sentence｜>Be kind.<｜User｜>Hi<｜Assistant｜>Hello<｜end▁of▁sentence｜>"
            "<｜User｜>How are you?<｜Assistant｜><think>\n",
        ),
    ],
)  # fmt: skip
def test_a_conversation_becomes_the_prompt_that_the_model_was_trained_on(model: str, field: str, prompt: str) -> None:
    assert body(model) == {field: prompt}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (LLAMA, {"max_gen_len": 10, "temperature": 0.5, "top_p": 0.9}),
        (TITAN, {"textGenerationConfig": {"maxTokenCount": 10, "temperature": 0.5, "topP": 0.9}}),
        (MISTRAL, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (R1, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (COMMAND, {"max_tokens": 10, "temperature": 0.5, "p": 0.9}),
        (JAMBA, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (PALMYRA, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (MISTRAL_CHAT, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (DEEPSEEK, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (GPT_OSS, {"max_completion_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
        (NOVA, {"inferenceConfig": {"maxTokens": 10, "temperature": 0.5, "topP": 0.9}}),
        (CLAUDE, {"max_tokens": 10, "temperature": 0.5, "top_p": 0.9}),
    ],
)
def test_sampling_has_each_familys_own_names(model: str, fields: dict[str, Any]) -> None:
    found = body(model, Message("user", "Hi"), max_tokens=10, temperature=0.5, top_p=0.9)
    assert {name: found.get(name) for name in fields} == fields
    assert "model" not in found
    assert "stream" not in found


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        (LLAMA, {"tools": [LOOK]}),
        (LLAMA, {"stop": "x"}),
        (TITAN, {"top_k": 5}),
        (R1, {"seed": 5}),
        (COMMAND, {"response_format": "json"}),
        (JAMBA, {"top_k": 5}),
        (PALMYRA, {"reasoning_effort": "low"}),
        (CLAUDE, {"seed": 5}),
        (NOVA, {"seed": 5}),
        (MISTRAL_CHAT, {"seed": 5}),
    ],
)
def test_an_option_that_a_family_does_not_have_is_refused(model: str, refused: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOption, match=next(iter(refused))):
        build(model, **refused)


@pytest.mark.parametrize("model", [LLAMA, MISTRAL, TITAN, R1, COMMAND])
def test_media_have_no_place_in_a_prompt(model: str) -> None:
    with pytest.raises(InvalidRequest, match="Converse"):
        build(model, Message("user", (Image(data=b"x", media_type="image/png"),)))


@pytest.mark.parametrize("model", [LLAMA, MISTRAL, TITAN, R1])
def test_a_conversation_with_tools_goes_on_without_them_and_that_is_said(model: str) -> None:
    parts = (Reasoning("hm", "sig"), Text("Done."), ProviderPart("openai", {}))
    http = build(model, *USED, Message("assistant", parts), Message("user", "Thanks", name="Ada"))
    text = http.body.decode()
    assert "Looking." in text
    assert "seen" not in text
    assert "hm" not in text
    assert len(http.warnings) == 4
    with pytest.raises(InvalidRequest, match="there is no message"):
        build(model, Message("system", "x"))


def test_turns_of_one_side_are_one() -> None:
    found = body(MISTRAL, Message("user", "a"), Message("user", "b"))
    assert found["prompt"] == "<s>[INST] a\n\nb [/INST]"


# -- answers of the text models


@pytest.mark.parametrize(
    ("model", "documents", "answer"),
    [
        (
            LLAMA,
            [
                {"generation": "Hel", "prompt_token_count": 7, "generation_token_count": 1, "stop_reason": None},
                {"generation": "lo", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
                {"generation": "", "generation_token_count": 3, "stop_reason": "stop", **METRICS},
            ],
            {"generation": "Hello", "prompt_token_count": 7, "generation_token_count": 3, "stop_reason": "stop"},
        ),
        (
            MISTRAL,
            [
                {"outputs": [{"text": "Hel", "stop_reason": None}]},
                {"outputs": [{"text": "lo", "stop_reason": "stop"}], **METRICS},
            ],
            {"outputs": [{"text": "Hello", "stop_reason": "stop"}]},
        ),
        (
            TITAN,
            [
                {"outputText": "Hel", "index": 0, "totalOutputTextTokenCount": None, "completionReason": None},
                {
                    "outputText": "lo", "index": 0, "totalOutputTextTokenCount": 3, "completionReason": "FINISH",
                    "inputTextTokenCount": 7, **METRICS,
                },
            ],
            {
                "inputTextTokenCount": 7,
                "results": [{"tokenCount": 3, "outputText": "Hello", "completionReason": "FINISH"}],
            },
        ),
    ],
)  # fmt: skip
def test_a_completed_text_streamed_and_whole(model: str, documents: list[Any], answer: Any) -> None:
    for response in (stream(model, *documents), whole(model, answer)):
        assert response.text == "Hello"
        assert response.finish_reason == "stop"
    assert stream(model, *documents).usage == COUNTED
    if model != MISTRAL:  # whose whole answers have no counts
        assert whole(model, answer).usage == COUNTED


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_the_thoughts_of_r1_are_apart_from_its_answer(size: int) -> None:
    text = "Let me see. 1 < 2 </thin> yes.</think>\n\nThe answer."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    documents = [{"choices": [{"index": 0, "text": piece, "stop_reason": None}]} for piece in pieces]
    response = stream(R1, *documents, {"choices": [{"index": 0, "text": "", "stop_reason": "stop"}], **METRICS})
    assert (response.reasoning, response.text) == ("Let me see. 1 < 2 </thin> yes.", "The answer.")
    assert response.usage == COUNTED
    again = whole(R1, {"choices": [{"text": text, "stop_reason": "stop"}]})
    assert (again.reasoning, again.text, again.finish_reason) == (response.reasoning, response.text, "stop")


def test_thoughts_that_are_cut_off_are_thoughts() -> None:
    response = whole(R1, {"choices": [{"text": "Still thinking </th", "stop_reason": "length"}]})
    assert (response.reasoning, response.text, response.finish_reason) == ("Still thinking </th", "", "length")


@pytest.mark.parametrize("model", [LLAMA, MISTRAL, TITAN, R1, COMMAND, JAMBA, CLAUDE, NOVA])
def test_a_stream_without_its_end_is_interrupted(model: str) -> None:
    _, failure = decode(model)
    assert type(failure) is StreamInterrupted


@pytest.mark.parametrize("model", [LLAMA, MISTRAL, TITAN, R1, COMMAND, JAMBA, CLAUDE, NOVA, MISTRAL_CHAT])
@pytest.mark.parametrize("document", [5, [], {}, {"generation": 5}, {"outputs": []}, {"choices": [5]}, {"x": {"y": 1}}])
def test_a_document_of_nonsense_never_crashes(model: str, document: Any) -> None:
    _, failure = decode(model, part(document))
    assert isinstance(failure, ExLLMError)
    with pytest.raises(ExLLMError):
        whole(model, document)


# -- Command R


def test_command_r_wants_the_last_message_apart_and_tools_without_schemas() -> None:
    found = body(COMMAND, tools=[LOOK])
    assert found["message"] == "How are you?"
    assert found["chat_history"] == [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}]
    assert found["preamble"] == "Be kind."
    parameters = {"at": {"description": "Where.", "type": "str", "required": True}}
    assert found["tools"] == [{"name": "look", "description": "Looks.", "parameter_definitions": parameters}]


def test_command_r_is_told_the_results_of_its_calls() -> None:
    found = body(COMMAND, *USED, tools=[LOOK])
    call = {"name": "look", "parameters": {"at": "x"}}
    assert found["message"] == "Look"
    assert found["tool_results"] == [{"call": call, "outputs": [{"text": "seen"}]}]
    http = build(COMMAND, *USED, Message("assistant", "I saw."), Message("user", "Thanks"), tools=[LOOK])
    assert "tool_results" not in msgspec.json.decode(http.body)
    assert "left out" in http.warnings[0]
    with pytest.raises(InvalidRequest, match="no call"):
        build(COMMAND, Message("user", "Hi"), Message("tool", (ToolResult("c9", "x"),)))


def test_what_command_r_cannot_know_of_a_schema_is_said() -> None:
    letters = {"type": "array", "items": {"type": "string"}}
    of = {"type": "array", "items": {"type": "string", "enum": ["a"]}}
    tool = Tool("pick", "", {"type": "object", "properties": {"of": of, "letters": letters}})
    http = build(COMMAND, tools=[tool])
    parameters = msgspec.json.decode(http.body)["tools"][0]["parameter_definitions"]
    assert {name: parameter["type"] for name, parameter in parameters.items()} == {
        "of": "List[str]", "letters": "List[str]"
    }  # fmt: skip
    (warning,) = http.warnings
    assert "pick's of" in warning


CALLS = [{"name": "look", "parameters": {"at": "x"}}]
CITED = [{"start": 0, "end": 5, "text": "Hello", "document_ids": ["d1"]}]
SOURCE = {**CITED[0], "sources": [{"type": "document", "id": "d1", "document": {}}]}


def test_answers_of_command_r() -> None:
    streamed = stream(
        COMMAND,
        {"is_finished": False, "event_type": "stream-start", "generation_id": "g1"},
        {"is_finished": False, "event_type": "text-generation", "text": "Hel"},
        {"is_finished": False, "event_type": "text-generation", "text": "lo"},
        {"is_finished": False, "event_type": "citation-generation", "citations": CITED},
        {"is_finished": False, "event_type": "tool-calls-generation", "tool_calls": CALLS},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {}, **METRICS},
    )
    answered = whole(
        COMMAND,
        {
            "response_id": "x", "text": "Hello", "generation_id": "g1", "citations": CITED, "finish_reason": "COMPLETE",
            "tool_calls": CALLS,
        },
    )  # fmt: skip
    assert streamed.usage == COUNTED
    for response in (streamed, answered):
        assert (response.id, response.text, response.finish_reason) == ("g1", "Hello", "tool_calls")
        (call,) = response.tool_calls
        assert (call.name, call.parse_arguments()) == ("look", {"at": "x"})
        assert call.id == streamed.tool_calls[0].id
        assert call.id
        assert [(cited.start, cited.end, cited.source) for cited in response.citations] == [(0, 5, SOURCE)]
    assert whole(COMMAND, {"text": "", "finish_reason": "MAX_TOKENS"}).finish_reason == "length"
    assert whole(COMMAND, {"text": "", "finish_reason": "ERROR_TOXIC"}).finish_reason == "content_filter"
    with pytest.raises(ServerError):
        whole(COMMAND, {"text": "", "finish_reason": "ERROR"})


# -- the chat models


@pytest.mark.parametrize("model", [JAMBA, PALMYRA, GPT_OSS, MISTRAL_CHAT, DEEPSEEK])
def test_the_chat_models_get_messages(model: str) -> None:
    assert body(model)["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "How are you?"},
    ]


@pytest.mark.parametrize("model", [JAMBA, PALMYRA, GPT_OSS, MISTRAL_CHAT])
def test_the_chat_models_get_tools_and_results(model: str) -> None:
    found = body(model, *USED, tools=[LOOK])
    assert found["tools"][0]["function"]["name"] == "look"
    assert found["messages"][1]["tool_calls"][0]["id"] == "c1"
    assert found["messages"][2]["tool_call_id"] == "c1"
    assert body(MISTRAL_CHAT, tools=[LOOK], tool_choice="required")["tool_choice"] == "any"


@pytest.mark.parametrize("model", [JAMBA, PALMYRA, GPT_OSS, DEEPSEEK])
def test_answers_of_the_chat_models(model: str) -> None:
    envelope = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    deltas = [{"role": "assistant", "content": "Hel"}, {"content": "lo"}, {"tool_calls": [call]}]
    frames = [{**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {**envelope, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    streamed = stream(model, *frames, last, {**envelope, "choices": [], **METRICS})
    message = {"role": "assistant", "content": "Hello", "tool_calls": [call]}
    answered = whole(
        model,
        {
            **envelope,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        },
    )
    for response in (streamed, answered):
        assert (response.text, response.finish_reason) == ("Hello", "tool_calls")
        assert [call.id for call in response.tool_calls] == ["t1"]
        assert response.usage == COUNTED


def test_answers_of_mistrals_chat_models() -> None:
    call = {"id": "t1", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hello"}
    answered = whole(
        MISTRAL_CHAT,
        {"choices": [{"index": 0, "message": {**message, "tool_calls": [call]}, "stop_reason": "tool_calls"}]},
    )
    assert (answered.text, answered.finish_reason) == ("Hello", "tool_calls")
    assert [call.name for call in answered.tool_calls] == ["look"]
    streamed = stream(
        MISTRAL_CHAT,
        {"choices": [{"index": 0, "message": message, "stop_reason": None}]},
        {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "stop_reason": "length"}],
            **METRICS,
        },
    )
    assert (streamed.text, streamed.finish_reason, streamed.usage) == ("Hello", "length", COUNTED)


# -- Nova


def test_nova_streams_its_events_under_their_names() -> None:
    usage = {"inputTokens": 7, "outputTokens": 3, "cacheReadInputTokenCount": 2, "cacheWriteInputTokenCount": 0}
    response = stream(
        NOVA,
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t1", "name": "look"}}, "contentBlockIndex": 1}},
        {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": usage, "metrics": {}, "trace": {}}, **METRICS},
    )
    assert (response.text, response.finish_reason) == ("Hello", "tool_calls")
    assert [call.id for call in response.tool_calls] == ["t1"]
    assert (response.usage.input_tokens, response.usage.cached_input_tokens) == (9, 2)


def test_novas_own_fields_stand_among_the_others() -> None:
    found = body(NOVA, max_tokens=10, top_k=5)
    assert found["schemaVersion"] == "messages-v1"
    assert found["inferenceConfig"] == {"maxTokens": 10, "topK": 5}
    assert "additionalModelRequestFields" not in found


# -- the envelope


def test_claude_has_its_version_and_betas_in_the_body() -> None:
    http = build(CLAUDE, max_tokens=10, betas=["b"], tools=[LOOK])
    found = msgspec.json.decode(http.body)
    assert found["anthropic_version"] == "bedrock-2023-05-31"
    assert found["anthropic_beta"] == ["b"]
    assert "anthropic-beta" not in http.headers
    assert "anthropic-version" not in http.headers


def test_what_bedrock_wants_of_every_model_goes_into_headers() -> None:
    http = build(
        TITAN, service_tier="flex", metadata={"team": "x"},
        extra={
            "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
            "performanceConfig": {"latency": "optimized"},
            "more": 1,
        },
    )  # fmt: skip
    assert http.headers == {
        "x-amzn-bedrock-guardrailidentifier": "g",
        "x-amzn-bedrock-guardrailversion": "1",
        "x-amzn-bedrock-trace": "ENABLED",
        "x-amzn-bedrock-performanceconfig-latency": "optimized",
        "x-amzn-bedrock-service-tier": "flex",
        "x-amzn-bedrock-request-metadata": '{"team":"x"}',
        "accept": "application/vnd.amazon.eventstream",
    }
    assert msgspec.json.decode(http.body).keys() == {"inputText", "more"}
    assert http.path == "/model/amazon.titan-text-express-v1/invoke-with-response-stream"
    with pytest.raises(InvalidRequest, match="guardrailConfig"):
        build(TITAN, extra={"guardrailConfig": {"id": "g"}})
    with pytest.raises(InvalidRequest, match="optimized"):
        build(TITAN, extra={"performanceConfig": {"latency": "fast"}})
    with pytest.raises(InvalidRequest, match="reserved"):
        build(NOVA, service_tier="fast")


@pytest.mark.parametrize("model", [UNKNOWN, "unheard.of-v1", "amazon.titan-embed-text-v2:0", "meta.llama2-13b-chat-v1"])
def test_a_model_of_no_known_family_is_refused_before_anything_is_sent(model: str) -> None:
    with pytest.raises(ConfigurationError, match="bedrock/"):
        build(model)


@pytest.mark.parametrize(
    ("quirk", "field"),
    [("family_anthropic", "anthropic_version"), ("family_llama3", "prompt"), ("family_chat", "messages")],
)
def test_a_spec_of_ones_own_says_what_a_model_behind_an_arn_speaks(quirk: str, field: str) -> None:
    spec = msgspec.structs.replace(SPEC, quirks=frozenset({quirk}))
    http = WIRE.build(Request("mine", UNKNOWN, TALK), spec)
    assert field in msgspec.json.decode(http.body)


def test_errors_in_a_stream_keep_what_came_before() -> None:
    document = {"generation": "Hel", "stop_reason": None}
    response, failure = decode(LLAMA, part(document), exception("throttlingException", {"message": "slow down"}))
    assert type(failure) is RateLimited
    assert failure.message == "slow down"
    assert response.text == "Hel"


@pytest.mark.parametrize(
    "frame", [raw_event("chunk", b"x"), raw_event("chunk", b"{}"), event("chunk", {"bytes": "%%%"})]
)
def test_a_part_that_cannot_be_read_is_told(frame: bytes) -> None:
    response, failure = decode(LLAMA, part({"generation": "Hel", "stop_reason": None}), frame)
    assert type(failure) is ProtocolError
    assert response.text == "Hel"


def test_unknown_messages_are_passed_on_and_what_follows_the_end_is_ignored() -> None:
    end = {"generation": "", "stop_reason": "stop", **METRICS}
    response, failure = decode(LLAMA, event("heartbeat", {}), part(end), part({"generation": "more"}))
    assert failure is None
    assert response.text == ""


@pytest.mark.parametrize("action", ["INTERVENED", "NONE"])
def test_a_guardrail_in_a_whole_answer(action: str) -> None:
    trace = {"guardrail": {"actionReason": "Guardrail masked."}}
    results = [{"tokenCount": 3, "outputText": "x", "completionReason": "FINISH"}]
    answer = {
        "inputTextTokenCount": 7, "results": results, "amazon-bedrock-guardrailAction": action,
        "amazon-bedrock-trace": trace,
    }  # fmt: skip
    response = whole(TITAN, answer)
    choice = response.choices[0]
    wanted = ("content_filter", "Guardrail masked.") if action == "INTERVENED" else ("stop", None)
    assert (choice.finish_reason, choice.finish_message) == wanted
    assert response.usage == COUNTED


def test_a_blocked_stream_that_names_no_reason_is_whole() -> None:
    blocked = {"outputs": [{"text": "Blocked.", "stop_reason": None}], "amazon-bedrock-guardrailAction": "INTERVENED"}
    response = stream(MISTRAL, blocked)
    assert (response.text, response.finish_reason) == ("Blocked.", "content_filter")
