"""Requests: body and path are those that Google's SDK sends for the same call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.genai import types

import exllm
from exllm.errors import InvalidRequest
from exllm.providers import registry
from exllm.providers.gemini_parts import NO_SIGNATURE
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tests.providers.gemini_recordings import spec_of
from tests.providers.gemini_requests import sent_by_sdk, sent_by_us

WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = exllm.Tool("weather", "The weather of a city.", WEATHER_SCHEMA)
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}
DECLARATION = types.FunctionDeclaration(
    name="weather", description="The weather of a city.", parameters_json_schema=WEATHER_SCHEMA
)
TOOL = types.Tool(function_declarations=[DECLARATION])
PNG = b"\x89PNG\r\n\x1a\n picture >?>?"
SIGNATURE = "c2lnbmF0dXJl"


def tool_config(**fields: Any) -> types.ToolConfig:
    return types.ToolConfig(function_calling_config=types.FunctionCallingConfig(**fields))


OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sampling": (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 7, "max_tokens": 100, "stop": ["END", "FIN"]},
        {
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "seed": 7,
            "max_output_tokens": 100,
            "stop_sequences": ["END", "FIN"],
        },
    ),
    "penalties": (
        {"frequency_penalty": 0.5, "presence_penalty": -0.5, "n": 2},
        {"frequency_penalty": 0.5, "presence_penalty": -0.5, "candidate_count": 2},
    ),
    "logprobs": ({"logprobs": True, "top_logprobs": 3}, {"response_logprobs": True, "logprobs": 3}),
    "top logprobs alone": ({"top_logprobs": 3}, {"response_logprobs": True, "logprobs": 3}),
    "json": ({"response_format": "json"}, {"response_mime_type": "application/json"}),
    "text": ({"response_format": "text"}, {"response_mime_type": "text/plain"}),
    "schema": (
        {"response_format": PERSON},
        {"response_mime_type": "application/json", "response_json_schema": PERSON},
    ),
    "openai's schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}},
        {"response_mime_type": "application/json", "response_json_schema": PERSON},
    ),
    "named schema": (
        {"response_format": {"name": "person", "schema": PERSON, "strict": True}},
        {"response_mime_type": "application/json", "response_json_schema": PERSON},
    ),
    "modalities": ({"modalities": ["text", "image"]}, {"response_modalities": ["TEXT", "IMAGE"]}),
    "voice": (
        {"modalities": ["audio"], "audio": {"voice": "Kore", "language": "de-DE"}},
        {
            "response_modalities": ["AUDIO"],
            "speech_config": types.SpeechConfig(
                language_code="de-DE",
                voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Kore")),
            ),
        },
    ),
    "own speech config": (
        {"audio": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}},
        {"speech_config": "Puck"},
    ),
    "thinking shown": ({"thinking": True}, {"thinking_config": types.ThinkingConfig(include_thoughts=True)}),
    "thinking budget": (
        {"thinking": 2048},
        {"thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)},
    ),
    "thinking off": ({"thinking": False}, {"thinking_config": types.ThinkingConfig(thinking_budget=0)}),
    "own thinking config": (
        {"thinking": {"thinkingBudget": -1}},
        {"thinking_config": types.ThinkingConfig(thinking_budget=-1)},
    ),
    "tools": ({"tools": [WEATHER]}, {"tools": [TOOL]}),
    "tool choice auto": (
        {"tools": [WEATHER], "tool_choice": "auto"},
        {"tools": [TOOL], "tool_config": tool_config(mode="AUTO")},
    ),
    "tool choice none": (
        {"tools": [WEATHER], "tool_choice": "none"},
        {"tools": [TOOL], "tool_config": tool_config(mode="NONE")},
    ),
    "tool choice required": (
        {"tools": [WEATHER], "tool_choice": "required"},
        {"tools": [TOOL], "tool_config": tool_config(mode="ANY")},
    ),
    "tool choice by name": (
        {"tools": [WEATHER], "tool_choice": "weather"},
        {"tools": [TOOL], "tool_config": tool_config(mode="ANY", allowed_function_names=["weather"])},
    ),
    "openai's tool choice": (
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
        {"tools": [TOOL], "tool_config": tool_config(mode="ANY", allowed_function_names=["weather"])},
    ),
    "own tool choice": (
        {"tools": [WEATHER], "tool_choice": {"mode": "VALIDATED"}},
        {"tools": [TOOL], "tool_config": tool_config(mode="VALIDATED")},
    ),
    "strict tool": (
        {"tools": [exllm.Tool("weather", "The weather of a city.", WEATHER_SCHEMA, True)]},
        {"tools": [TOOL], "tool_config": tool_config(mode="VALIDATED")},
    ),
    "own tools": (
        {"tools": [{"codeExecution": {}}, {"urlContext": {}}]},
        {"tools": [types.Tool(code_execution=types.ToolCodeExecution()), types.Tool(url_context=types.UrlContext())]},
    ),
    "search": ({"web_search": True}, {"tools": [types.Tool(google_search=types.GoogleSearch())]}),
    "safety": (
        {
            "safety_settings": [
                {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"},
                {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"},
            ]
        },
        {
            "safety_settings": [
                {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"},
                {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"},
            ]
        },
    ),
    "service tier": ({"service_tier": "flex"}, {"service_tier": "flex"}),
    "labels": ({"metadata": {"team": "a"}}, {"labels": {"team": "a"}}),
    "cache and media resolution": (
        {
            "temperature": 1.0,
            "extra": {
                "cachedContent": "cachedContents/abc",
                "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
            },
        },
        {"temperature": 1.0, "cached_content": "cachedContents/abc", "media_resolution": "MEDIA_RESOLUTION_LOW"},
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.parametrize("provider", ["gemini", "vertex-express"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_options_are_sent_as_the_sdk_sends_them(case: str, provider: str, stream: bool) -> None:
    ours, theirs = OPTIONS[case]
    if provider != "gemini" and "extra" in ours:
        theirs = {**theirs, "cached_content": "projects/p/locations/l/cachedContents/abc"}
        ours = {**ours, "extra": {**ours["extra"], "cachedContent": theirs["cached_content"]}}
    mine = sent_by_us("Hi", provider, stream=stream, **ours)
    sdks = sent_by_sdk("Hi", types.GenerateContentConfig(**theirs), vertex=provider != "gemini", stream=stream)
    assert mine.body == sdks.body
    assert mine.path == sdks.path
    assert mine.warnings == ()


CALL = ToolCall("id_1", "weather", '{"city": "Paris"}')
SDK_CALL = types.Part(function_call=types.FunctionCall(id="id_1", name="weather", args={"city": "Paris"}))


def sdk_result(response: dict[str, Any], parts: list[types.FunctionResponsePart] | None = None) -> types.Content:
    result = types.FunctionResponse(id="id_1", name="weather", response=response, parts=parts)
    return types.Content(role="user", parts=[types.Part(function_response=result)])


USER = Message("user", "Hi")
SDK_USER = types.Content(role="user", parts=[types.Part(text="Hi")])


def user(*parts: types.Part) -> types.Content:
    return types.Content(role="user", parts=list(parts))


def model(*parts: types.Part) -> types.Content:
    return types.Content(role="model", parts=list(parts))


MESSAGES: dict[str, tuple[list[Message], list[types.Content]]] = {
    "turns": (
        [USER, Message("assistant", "Hello."), Message("user", "And?")],
        [SDK_USER, model(types.Part(text="Hello.")), user(types.Part(text="And?"))],
    ),
    "two turns of one side": (
        [USER, Message("user", "Are you there?")],
        [SDK_USER, user(types.Part(text="Are you there?"))],
    ),
    "image": (
        [Message.of("user", [Text("What is this?"), Image(data=PNG, media_type="image/png")])],
        [user(types.Part(text="What is this?"), types.Part.from_bytes(data=PNG, mime_type="image/png"))],
    ),
    "image at a url": (
        [Message.of("user", [Image(url="https://example.com/a/cat.jpeg?size=3")])],
        [user(types.Part.from_uri(file_uri="https://example.com/a/cat.jpeg?size=3", mime_type="image/jpeg"))],
    ),
    "document and sound": (
        [
            Message.of(
                "user",
                [Document(data=b"%PDF-1", media_type="application/pdf"), Audio(data=b"ID3", media_type="audio/mpeg")],
            )
        ],
        [
            user(
                types.Part.from_bytes(data=b"%PDF-1", mime_type="application/pdf"),
                types.Part.from_bytes(data=b"ID3", mime_type="audio/mpeg"),
            )
        ],
    ),
    "a film on youtube": (
        [Message.of("user", [Document(url="https://www.youtube.com/watch?v=abc")])],
        [user(types.Part(file_data=types.FileData(file_uri="https://www.youtube.com/watch?v=abc")))],
    ),
    "uploaded files": (
        [Message.of("user", [FileRef("files/abc", "video/mp4"), FileRef("gs://bucket/x.png", "image/png")])],
        [
            user(
                types.Part.from_uri(
                    file_uri="https://generativelanguage.googleapis.com/v1beta/files/abc", mime_type="video/mp4"
                ),
                types.Part.from_uri(file_uri="gs://bucket/x.png", mime_type="image/png"),
            )
        ],
    ),
    "a call and its result": (
        [USER, Message.of("assistant", [CALL]), Message.of("tool", [ToolResult("id_1", "sunny")])],
        [SDK_USER, model(SDK_CALL), sdk_result({"output": "sunny"})],
    ),
    "a result that is an object": (
        [USER, Message.of("assistant", [CALL]), Message.of("tool", [ToolResult("id_1", '{"sky": 1, "w": [2.50]}')])],
        [SDK_USER, model(SDK_CALL), sdk_result({"sky": 1, "w": [2.5]})],
    ),
    "a result that is a failure": (
        [USER, Message.of("assistant", [CALL]), Message.of("tool", [ToolResult("id_1", '{"a": 1}', is_error=True)])],
        [SDK_USER, model(SDK_CALL), sdk_result({"error": '{"a": 1}'})],
    ),
    "a result with a picture": (
        [
            USER,
            Message.of("assistant", [CALL]),
            Message.of("tool", [ToolResult("id_1", (Text("see"), Image(data=PNG, media_type="image/png")))]),
        ],
        [
            SDK_USER,
            model(SDK_CALL),
            user(
                *(sdk_result({"output": "see"}).parts or []),
                types.Part.from_bytes(data=PNG, mime_type="image/png"),
            ),
        ],
    ),
    "signatures": (
        [
            USER,
            Message.of(
                "assistant",
                [
                    Reasoning("Hm.", SIGNATURE, id="gemini"),
                    Reasoning("", SIGNATURE, id="gemini:next"),
                    Text("Let me see."),
                    ToolCall("id_1", "weather", '{"city": "Paris"}', signature=SIGNATURE),
                    Reasoning("", SIGNATURE, id="gemini"),
                ],
            ),
        ],
        [
            SDK_USER,
            model(
                types.Part(text="Hm.", thought=True, thought_signature=b"signature"),
                types.Part(text="Let me see.", thought_signature=b"signature"),
                types.Part(function_call=SDK_CALL.function_call, thought_signature=b"signature"),
                types.Part(text="", thought_signature=b"signature"),
            ),
        ],
    ),
    "code that ran": (
        [
            USER,
            Message.of(
                "assistant",
                [
                    ProviderPart("gemini", {"executableCode": {"code": "1+1", "language": "PYTHON", "id": "c"}}),
                    ProviderPart("gemini", {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}),
                    Text("2"),
                ],
            ),
        ],
        [
            SDK_USER,
            model(
                types.Part(executable_code=types.ExecutableCode(code="1+1", language=types.Language.PYTHON, id="c")),
                types.Part(
                    code_execution_result=types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output="2")
                ),
                types.Part(text="2"),
            ),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_are_sent_as_the_sdk_sends_them(case: str) -> None:
    ours, theirs = MESSAGES[case]
    mine = sent_by_us(ours)
    assert mine.body == sent_by_sdk(theirs).body
    assert mine.warnings == ()


def test_a_picture_stands_in_the_result_where_the_model_takes_it_there() -> None:
    ours, _ = MESSAGES["a result with a picture"]
    picture = types.FunctionResponsePart(inline_data=types.FunctionResponseBlob(mime_type="image/png", data=PNG))
    signed = types.Part(function_call=SDK_CALL.function_call, thought_signature=b"signature")
    call = ToolCall("id_1", "weather", '{"city": "Paris"}', signature=SIGNATURE)
    mine = sent_by_us([USER, Message.of("assistant", [call]), ours[2]], model="gemini-3-pro-preview")
    theirs = [SDK_USER, model(signed), sdk_result({"output": "see"}, [picture])]
    assert mine.body == sent_by_sdk(theirs, model="gemini-3-pro-preview").body


@pytest.mark.parametrize(
    ("messages", "instruction", "warnings"),
    [
        ([Message("system", "Be kind."), USER], "Be kind.", 0),
        ([Message("developer", "Be kind."), USER], "Be kind.", 0),
        ([Message("system", "a"), Message("system", "b"), USER], [types.Part(text="a"), types.Part(text="b")], 0),
        ([USER, Message("system", "Be kind.")], "Be kind.", 1),
    ],
    ids=["system", "developer", "two", "late"],
)  # fmt: skip
def test_system_messages_become_the_instruction(messages: list[Message], instruction: Any, warnings: int) -> None:
    mine = sent_by_us(messages)
    assert mine.body == sent_by_sdk([SDK_USER], types.GenerateContentConfig(system_instruction=instruction)).body
    assert len(mine.warnings) == warnings


def test_results_of_parallel_calls_stand_together_in_the_order_of_the_calls() -> None:
    calls = [ToolCall(f"call_0_{number}", "weather", f'{{"city": "{city}"}}') for number, city in enumerate("ABC")]
    results = [Message.of("tool", [ToolResult(f"call_0_{number}", city)]) for number, city in enumerate("ABC")]
    mine = sent_by_us(
        [USER, Message.of("assistant", calls), results[2], results[0], results[1], Message("user", "So?")]
    )
    _, _, together, last = mine.body["contents"]
    assert [part["functionResponse"] for part in together["parts"]] == [
        {"name": "weather", "response": {"output": city}} for city in "ABC"
    ]
    assert last == {"role": "user", "parts": [{"text": "So?"}]}


def test_an_id_that_was_made_up_is_not_sent() -> None:
    messages = [
        USER,
        Message.of("assistant", [ToolCall("call_0_0", "now")]),
        Message.of("tool", [ToolResult("call_0_0", "1")]),
    ]
    _, call, result = sent_by_us(messages).body["contents"]
    assert call["parts"] == [{"functionCall": {"name": "now", "args": {}}}]
    assert result["parts"] == [{"functionResponse": {"name": "now", "response": {"output": "1"}}}]


def test_results_in_a_message_of_the_user_are_results() -> None:
    messages = [
        USER,
        Message.of("assistant", [CALL]),
        Message.of("user", [ToolResult("id_1", "sunny"), Text("Thanks.")]),
    ]
    _, _, results, words = sent_by_us(messages).body["contents"]
    assert [*results["parts"][0]] == ["functionResponse"]
    assert words["parts"] == [{"text": "Thanks."}]


# -- what others said


def test_a_call_of_another_model_is_signed_for_gemini_3_only() -> None:
    foreign = ToolCall("toolu_1", "weather", "{}", signature='{"caller": {"type": "x"}}')
    messages = [USER, Message.of("assistant", [foreign, CALL])]
    parts = sent_by_us(messages, model="gemini-3-flash-preview").body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [NO_SIGNATURE.replace("_", "/"), None]
    parts = sent_by_us(messages).body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, None]


def test_what_gemini_cannot_take_of_others_is_left_out_with_a_warning() -> None:
    mine = sent_by_us(
        [
            Message("user", "Hi", "ann"),
            Message.of(
                "assistant",
                [
                    Reasoning("Hm.", "EqQBCgIYAhIM"),
                    Reasoning("", None, "secret", "rs_1"),
                    ProviderPart("anthropic", {"type": "web_search_tool_result"}),
                    ToolCall("srv", "web_search", "{}", provider_executed=True),
                    Text("So it is.", (Citation("https://example.com"),), CacheControl()),
                    Refusal("I will not."),
                ],
            ),
            Message.of("user", [Document(data=b"x", media_type="text/plain", title="T", citations=True), Text("")]),
            Message.of("user", [Image(data=PNG, media_type="image/png", detail="low", cache_control=CacheControl())]),
        ]
    )
    assert [content["parts"] for content in mine.body["contents"][1:2]] == [
        [{"text": "So it is."}, {"text": "I will not."}]
    ]
    assert len(mine.body["contents"]) == 4
    told = " ".join(mine.warnings)
    for words in ("names", "reasoning", "anthropic", "ran itself", "cache", "title", "detail"):
        assert words in told
    assert len(mine.warnings) == len(set(mine.warnings)) == 7


def test_arguments_that_were_cut_off_travel_as_text() -> None:
    messages = [USER, Message.of("assistant", [ToolCall("id_1", "weather", '{"city": "Pa')])]
    mine = sent_by_us(messages)
    assert mine.body["contents"][1]["parts"][0]["functionCall"]["args"] == {"INVALID_JSON": '{"city": "Pa'}
    assert "INVALID_JSON" in mine.warnings[0]


def test_the_detail_of_an_image_is_its_resolution_for_gemini_3() -> None:
    for detail, level in (("low", "LOW"), ("high", "HIGH"), ("original", "ULTRA_HIGH"), ("auto", None)):
        image = Image(data=PNG, media_type="image/png", detail=detail)  # type: ignore[arg-type]
        mine = sent_by_us([Message.of("user", [image])], model="gemini-3-pro-preview")
        (part,) = mine.body["contents"][0]["parts"]
        assert part.get("mediaResolution") == (level and {"level": f"MEDIA_RESOLUTION_{level}"})
        assert mine.warnings == ()


# -- thinking


@pytest.mark.parametrize(
    ("model_name", "options", "config", "warns"),
    [
        ("gemini-3-pro-preview", {"reasoning_effort": "low"}, {"thinkingLevel": "LOW"}, False),
        ("gemini-3.5-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "MINIMAL"}, False),
        ("gemini-3.5-flash", {"reasoning_effort": "xhigh"}, {"thinkingLevel": "XHIGH"}, False),
        ("gemini-3.5-flash", {"reasoning_effort": "max"}, {"thinkingLevel": "XHIGH"}, True),
        ("gemini-3.5-flash", {"reasoning_effort": "none"}, {"thinkingLevel": "MINIMAL"}, True),
        ("gemini-3.5-flash", {"thinking": False}, {"thinkingLevel": "MINIMAL"}, True),
        ("gemini-flash-latest", {"reasoning_effort": "high"}, {"thinkingLevel": "HIGH"}, False),
        ("gemini-3.1-pro-preview", {"thinking": False}, {"thinkingLevel": "LOW"}, True),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW"}, True),
        ("gemini-3.6-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "MINIMAL"}, False),
        ("gemini-3.7-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW"}, True),
        ("gemini-3.8-flash-lite-tts", {"reasoning_effort": "minimal"}, {"thinkingLevel": "MINIMAL"}, False),
        ("gemini-flash-latest", {"thinking": False}, {"thinkingLevel": "LOW"}, True),
        ("gemini-4-argon", {"reasoning_effort": "none"}, {"thinkingLevel": "LOW"}, True),
        ("gemini-3.5-flash", {"reasoning_effort": "high", "thinking": True},
         {"thinkingLevel": "HIGH", "includeThoughts": True}, False),
        ("gemini-2.5-pro", {"reasoning_effort": "low"}, {"thinkingBudget": 1024}, True),
        ("gemini-2.5-pro", {"reasoning_effort": "none"}, {"thinkingBudget": 128}, True),
        ("gemini-2.5-pro", {"thinking": 0}, {"thinkingBudget": 128}, True),
        ("gemini-2.5-flash", {"reasoning_effort": "medium"}, {"thinkingBudget": 8192}, True),
        ("gemini-2.5-flash", {"reasoning_effort": "high"}, {"thinkingBudget": 24576}, True),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}, False),
        ("gemini-2.5-flash", {"thinking": -1}, {"thinkingBudget": -1, "includeThoughts": True}, False),
    ],
)  # fmt: skip
def test_how_long_to_think_is_said_in_the_words_of_the_model(
    model_name: str, options: dict[str, Any], config: dict[str, Any], warns: bool
) -> None:
    mine = sent_by_us("Hi", model=model_name, **options)
    assert mine.body["generationConfig"] == {"thinkingConfig": config}
    assert bool(mine.warnings) is warns
    theirs = types.ThinkingConfig.model_validate(config)
    sdks = sent_by_sdk("Hi", types.GenerateContentConfig(thinking_config=theirs), model=model_name)
    assert mine.body == sdks.body


@pytest.mark.parametrize(
    "options",
    [
        {"thinking": 100, "reasoning_effort": "low"},
        {"thinking": False, "reasoning_effort": "low"},
        {"thinking": -5},
        {"reasoning_effort": "enormous"},
        {"reasoning_effort": "enormous", "model": "gemini-3.5-flash"},
    ],
)
def test_thinking_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"thinking|reasoning_effort"):
        sent_by_us("Hi", **options)


# -- where it goes


_NAMES = ("gemini-2.5-flash", "models/gemini-2.5-flash", "claude@001")


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        *(("gemini", name) for name in _NAMES),
        *(("vertex", name) for name in (*_NAMES, "publishers/meta/models/llama-4", "meta/llama-4")),
    ],
)
def test_a_model_is_found_where_the_sdk_finds_it(provider: str, name: str) -> None:
    sdks = sent_by_sdk("Hi", vertex=provider == "vertex", model=name)
    assert sent_by_us("Hi", provider, name).path == sdks.path


def test_tuned_models_and_endpoints_have_their_own_places() -> None:
    assert sent_by_us("Hi", model="tunedModels/mine").path == "/v1beta/tunedModels/mine:generateContent"
    assert sent_by_us("Hi", "vertex", "endpoints/123", stream=True).path == (
        "/endpoints/123:streamGenerateContent?alt=sse"
    )


@pytest.mark.parametrize("name", ["a?b", "../x", "a b", "a&b", "a#b", "projects/p/locations/l/endpoints/1", "a//b"])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"model|endpoints"):
        sent_by_us("Hi", "vertex", name)


def test_vertex_is_reached_by_region() -> None:
    from exllm.access import access
    from exllm.config import Static

    def base_of(**settings: str) -> str:
        return access(spec_of("vertex"), Static({"vertex": {"api_key": "token", **settings}}), None, None).base_url

    rest = "/v1beta1/projects/p/locations"
    assert base_of(project="p") == f"https://aiplatform.googleapis.com{rest}/global"
    assert base_of(project="p", location="global") == f"https://aiplatform.googleapis.com{rest}/global"
    assert base_of(project="p", location="us-east5") == f"https://us-east5-aiplatform.googleapis.com{rest}/us-east5"
    assert base_of(project="p", location="eu") == f"https://aiplatform.eu.rep.googleapis.com{rest}/eu"
    with pytest.raises(exllm.ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        base_of(location="eu")


# -- what is refused


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            {"category": "HARM_CATEGORY_RUDE", "threshold": "OFF"},
            "HARM_CATEGORY_HARASSMENT | HARM_CATEGORY_HATE_SPEECH",
        ),
        ({"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_SOME"}, "BLOCK_LOW_AND_ABOVE | BLOCK_MEDIUM"),
        ({"category": "HARM_CATEGORY_HARASSMENT"}, "BLOCK_NONE"),
        ({"threshold": "OFF"}, "HARM_CATEGORY_HARASSMENT"),
        ({"category": "HARM_CATEGORY_HARASSMENT", "treshold": "OFF"}, "'threshold'"),
        ({"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF", "method": "SEVERITY"}, "has no method"),
    ],
)
def test_a_wrong_safety_setting_is_refused_with_what_is_allowed(setting: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent_by_us("Hi", safety_settings=[setting])
    assert words in caught.value.message
    with pytest.raises(InvalidRequest) as caught:
        sent_by_us("Hi", extra={"safetySettings": [setting]})
    assert words in caught.value.message


@pytest.mark.parametrize("settings", ["OFF", {"category": "HARM_CATEGORY_HARASSMENT"}, ["OFF"], None])
def test_safety_settings_of_another_shape_are_refused(settings: object) -> None:
    with pytest.raises(InvalidRequest, match="a list of dicts with category and threshold"):
        sent_by_us("Hi", extra={"safetySettings": settings})


def test_vertex_may_say_how_harm_is_measured() -> None:
    setting = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF", "method": "SEVERITY"}
    assert sent_by_us("Hi", "vertex", safety_settings=[setting]).body["safetySettings"] == [setting]
    with pytest.raises(InvalidRequest, match="set twice"):
        sent_by_us("Hi", "vertex", safety_settings=[setting, setting])


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([Message("system", "Be kind.")], "no message"),
        ([Message("user", "")], "no message"),
        ([Message.of("system", [Image(data=PNG, media_type="image/png")]), USER], "text only"),
        ([Message.of("tool", [ToolResult("unknown", "x")])], "name of the function"),
        ([Message.of("tool", [Text("x")])], "results of tools"),
    ],
)
def test_messages_that_have_no_place_are_refused(messages: list[Message], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        sent_by_us(messages)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Document(url="https://www.youtube.com/watch?v=abc"), "media_type"),
        (FileRef("gs://bucket/x"), "media_type"),
        (FileRef("files/abc", "image/png"), "gs://bucket/name"),
    ],
)
def test_vertex_wants_files_where_it_can_reach_them_and_what_they_are(part: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        sent_by_us([Message.of("user", [part])], "vertex")
    assert sent_by_us([Message.of("user", [part])]).body["contents"][0]["parts"][0]["fileData"]


def test_audio_that_gemini_has_no_words_for_is_refused() -> None:
    for audio in ({"voice": "Kore", "format": "mp3"}, {"voise": "Kore"}):
        with pytest.raises(InvalidRequest, match="voice"):
            sent_by_us("Hi", audio=audio)


def test_a_tool_of_another_provider_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="googleSearch") as caught:
        sent_by_us("Hi", "vertex", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert caught.value.provider == "vertex"


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        sent_by_us("Hi", extra={"labels": {"x": object()}})


def test_a_misspelt_field_of_extra_is_told() -> None:
    mine = sent_by_us("Hi", extra={"cached_content": "x"})
    assert "cachedContent" in mine.warnings[0]
    assert sent_by_us("Hi", service_tier="flex").warnings == ()
    with pytest.raises(InvalidRequest, match=r"'standard' \| 'flex'"):
        sent_by_us("Hi", service_tier="fast")


def test_the_wire_is_what_its_providers_name() -> None:
    for name in ("gemini", "vertex", "vertex-express"):
        spec = spec_of(name)
        wire = registry.wire(spec.wire)
        assert wire.name == "gemini_generate"
        assert not wire.must_stream(exllm.Request(name, "m", (USER,)))
        assert (spec.timeouts.first_chunk, spec.timeouts.idle) == (600, 600)
    assert msgspec.to_builtins(spec_of("gemini").auth)["header"] == "x-goog-api-key"
