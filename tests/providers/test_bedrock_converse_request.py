"""What Converse is asked: every field is one of the service's, and says what was meant."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from exllm import Audio, CacheControl, Document, FileRef, Image, Message, Reasoning, Text, Tool, ToolCall, ToolResult
from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers import ProviderSpec, registry
from exllm.providers.bedrock_converse_request import FIELDS
from exllm.types.message import Role
from exllm.types.options import Options, check_options
from exllm.types.parts import Citation, Part, ProviderPart, Refusal
from exllm.types.request import Request
from tests.providers.bedrock_recordings import MODEL, Recordings
from tests.providers.bedrock_requests import complaints, plain, request_of

RECORDED = Recordings("bedrock")
SPEC, WIRE = RECORDED.spec, RECORDED.wire
CLAUDE, OLD_CLAUDE = "us.anthropic.claude-opus-4-6-v1", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA, NOVA_2, LLAMA = "amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0", "us.meta.llama3-3-70b-instruct-v1:0"
UNKNOWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})


def ask(
    *messages: Message, model: str = CLAUDE, extra: dict[str, Any] | None = None, stream: bool = True, **options: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that is sent, after botocore has looked at it, and the warnings."""
    given = messages or (Message("user", "Hi"),)
    request = Request("bedrock", model, given, check_options(options), extra or {}, stream)
    http = WIRE.build(request, SPEC)
    body = msgspec.json.decode(http.body)
    assert complaints(body, model, "ConverseStream" if stream else "Converse") == ""
    return body, http.warnings


def content(*parts: Part, role: Role = "user", model: str = CLAUDE) -> list[dict[str, Any]]:
    """The blocks of a message."""
    before = () if role == "user" else (Message("user", "Hi"),)
    body, warnings = ask(*before, Message(role, parts), model=model)
    assert warnings == ()
    blocks: list[dict[str, Any]] = body["messages"][-1]["content"]
    return blocks


# -- recorded


@pytest.mark.parametrize("name", [name for name in RECORDED.all if RECORDED.load(name).request])
def test_a_recorded_request_is_built_again_from_our_words(name: str) -> None:
    recording = RECORDED.load(name)
    request = request_of(recording.request, "bedrock", recording.model, stream=recording.streaming)
    built = msgspec.json.decode(WIRE.build(request, SPEC).body)
    assert complaints(built, recording.model) == ""
    wanted = plain(recording.request)
    if "test-guardrail-converse" in name:  # two messages of the user became one turn
        wanted["messages"] = [{"role": "user", "content": [turn["content"][0] for turn in wanted["messages"]]}]
    for turn in wanted["messages"]:  # empty text is left out: some models refuse it
        turn["content"] = [block for block in turn["content"] if block.get("text", "x").strip()]
    for block in (block for turn in wanted["messages"] for block in turn["content"]):
        source = block.get("document", {}).get("source", {})
        if "text" in source:  # documents are bytes with us
            source["bytes"] = base64.b64encode(source.pop("text").encode()).decode()
    assert built == wanted


# -- path


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-micro-v1:0", "/model/amazon.nova-micro-v1%3A0/converse"),
        ("nova-lite", "/model/us.amazon.nova-lite-v1%3A0/converse"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x/converse",
        ),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_the_model_is_in_the_path_encoded_as_amazons_sdks_do(model: str, path: str, stream: bool) -> None:
    http = WIRE.build(Request("bedrock", model, (Message("user", "Hi"),), stream=stream), SPEC)
    assert http.path == path + ("-stream" if stream else "")
    assert http.headers == ({"accept": "application/vnd.amazon.eventstream"} if stream else {})
    assert "model" not in msgspec.json.decode(http.body)


# -- content


def test_text_tools_and_results() -> None:
    body, warnings = ask(
        Message("system", "Be kind."),
        Message("developer", "Be short."),
        Message("user", "Look"),
        Message(
            "assistant",
            (Text("  \n"), Text("Looking."), ToolCall("c1", "look", '{"at": "x"}'), ToolCall("c2", "look")),
        ),
        Message("tool", (ToolResult("c1", "seen"),)),
        Message("user", "And?"),
        Message("tool", (ToolResult("c2", (Text("dark"), Image(data=b"i", media_type="image/png")), is_error=True),)),
        tools=[LOOK],
    )  # fmt: skip
    assert warnings == ()
    assert body["system"] == [{"text": "Be kind."}, {"text": "Be short."}]
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Look"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "Looking."},
                {"toolUse": {"toolUseId": "c1", "name": "look", "input": {"at": "x"}}},
                {"toolUse": {"toolUseId": "c2", "name": "look", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "seen"}]}},
                {
                    "toolResult": {
                        "toolUseId": "c2",
                        "content": [{"text": "dark"}, {"image": {"format": "png", "source": {"bytes": "aQ=="}}}],
                        "status": "error",
                    }
                },
                {"text": "And?"},
            ],
        },
    ]
    tool = {"name": "look", "description": "Looks.", "inputSchema": {"json": LOOK.schema}}
    assert body["toolConfig"] == {"tools": [{"toolSpec": tool}]}


def test_images_documents_video_and_audio() -> None:
    blocks = content(
        Image(data=b"i", media_type="image/jpeg"),
        Image(url="s3://bucket/a.webp", media_type="image/webp"),
        Document(data=b"%PDF", media_type="application/pdf", title="Report 2026", context="mine", citations=True),
        Document(data=b"x", media_type="text/plain; charset=utf-8"),
        Document(data=b"y", media_type="text/csv"),
        Document(data=b"v", media_type="video/mp4"),
        Audio(data=b"a", media_type="audio/wav"),
        FileRef("s3://bucket/clip.mov", "video/quicktime"),
        FileRef("s3://bucket/doc.pdf", "application/pdf"),
    )
    assert blocks == [
        {"image": {"format": "jpeg", "source": {"bytes": "aQ=="}}},
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        {
            "document": {
                "format": "pdf", "source": {"bytes": "JVBERg=="}, "name": "Report 2026", "context": "mine",
                "citations": {"enabled": True},
            }
        },
        {"document": {"format": "txt", "source": {"bytes": "eA=="}, "name": "Document"}},
        {"document": {"format": "csv", "source": {"bytes": "eQ=="}, "name": "Document 2"}},
        {"video": {"format": "mp4", "source": {"bytes": "dg=="}}},
        {"audio": {"format": "wav", "source": {"bytes": "YQ=="}}},
        {"video": {"format": "mov", "source": {"s3Location": {"uri": "s3://bucket/clip.mov"}}}},
        {"document": {"format": "pdf", "source": {"s3Location": {"uri": "s3://bucket/doc.pdf"}}, "name": "Document 3"}},
    ]  # fmt: skip


def test_a_title_is_made_one_that_bedrock_takes_and_that_is_said() -> None:
    document = Document(data=b"x", media_type="text/markdown", title="notes_v1.md  (final)")
    body, warnings = ask(Message("user", (document, Text("?"))))
    assert body["messages"][0]["content"][0]["document"]["name"] == "notes_v1 md (final)"
    assert "notes_v1.md" in warnings[0]


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://example.org/cat.png"),
        Image(data=b"x", media_type="image/tiff"),
        Document(data=b"x", media_type="application/zip"),
        Audio(data=b"x", media_type="audio/midi"),
        Document(data=b"x", media_type="video/x-unheard-of"),
        FileRef("file-123", "image/png"),
        FileRef("s3://bucket/x", None),
    ],
)
def test_what_bedrock_does_not_take_is_refused_before_it_is_sent(part: Part) -> None:
    with pytest.raises(InvalidRequest, match="Bedrock"):
        ask(Message("user", (part,)))


def test_reasoning_goes_back_with_its_signature() -> None:
    before = (Message("user", "Hi"),)
    parts = (Reasoning("hm", "sig"), Reasoning(redacted="secret"), Reasoning("unsigned"), Refusal("No."), Text("Yes"))
    body, warnings = ask(*before, Message("assistant", parts))
    assert body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"text": "No."},
        {"text": "Yes"},
    ]
    assert len(warnings) == 1
    assert "signature" in warnings[0]


def test_cited_text_goes_back_with_its_own_citations_only() -> None:
    ours = {"title": "T", "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 1}}}
    theirs = {"type": "char_location", "cited_text": "x"}
    mixed = Text("cited", (Citation(source=ours), Citation(source=theirs)))
    blocks = content(mixed, Text("foreign", (Citation(source=theirs),)), role="assistant")
    assert blocks == [{"citationsContent": {"citations": [ours], "content": [{"text": "cited"}]}}, {"text": "foreign"}]


def test_blocks_of_bedrocks_own_go_as_they_are() -> None:
    guard = {"guardContent": {"text": {"text": "Check me.", "qualifiers": ["query"]}}}
    found = {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}}
    assert content(ProviderPart("bedrock", guard), ProviderPart("bedrock", found)) == [guard, found]
    body, _ = ask(Message("system", (ProviderPart("bedrock", guard),)), Message("user", "Hi"))
    assert body["system"] == [guard]
    _, warnings = ask(Message("user", (ProviderPart("openai", {"x": 1}), Text("Hi"))))
    assert "openai" in warnings[0]


def test_ids_of_other_providers_become_ones_that_bedrock_takes_and_stay_apart() -> None:
    first, second = "call|" + "x" * 80, "call_" + "x" * 80
    body, _ = ask(
        Message("user", "Hi"),
        Message("assistant", (ToolCall(first, "look"), ToolCall(second, "look"))),
        Message("tool", (ToolResult(second, "2"), ToolResult(first, "1"))),
        tools=[LOOK],
    )
    one, two = (block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"])
    assert one != two
    assert max(len(one), len(two)) <= 64
    answered = [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"]]
    assert answered == [two, one]


def test_a_system_message_in_the_middle_moves_and_that_is_said() -> None:
    body, warnings = ask(Message("user", "Hi"), Message("system", "Be kind."), Message("user", "Go"))
    assert body["system"] == [{"text": "Be kind."}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "Hi"}, {"text": "Go"}]}]
    assert len(warnings) == 1


def test_a_prompt_without_a_turn_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no message"):
        ask(Message("system", "Be kind."))
    with pytest.raises(InvalidRequest, match="text only"):
        ask(Message("system", (Image(data=b"x", media_type="image/png"),)), Message("user", "Hi"))


# -- caching


def test_cache_points_stand_behind_what_may_be_cached() -> None:
    cached = CacheControl(ttl="1h")
    body, warnings = ask(
        Message("system", (Text("Long.", cache_control=CacheControl()),)),
        Message("user", (Text("Also long.", cache_control=cached), Text("Short."))),
        tools=[msgspec.structs.replace(LOOK, cache_control=CacheControl())],
        cache_control=True,
    )
    assert warnings == ()
    assert body["system"] == [{"text": "Long."}, {"cachePoint": {"type": "default"}}]
    assert body["messages"][0]["content"] == [
        {"text": "Also long."}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "Short."},
        {"cachePoint": {"type": "default"}},
    ]  # fmt: skip
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}


def test_a_cache_point_stays_with_its_result() -> None:
    body, _ = ask(
        Message("user", "Hi"),
        Message("assistant", (ToolCall("c1", "look"), ToolCall("c2", "look"))),
        Message("tool", (ToolResult("c1", "1"),)),
        Message("user", "Quick"),
        Message("tool", (ToolResult("c2", "2", cache_control=CacheControl()),)),
        tools=[LOOK],
    )
    kinds = [next(iter(block)) for block in body["messages"][2]["content"]]
    assert kinds == ["toolResult", "toolResult", "cachePoint", "text"]


def test_a_model_that_does_not_cache_is_not_asked_to_and_that_is_said() -> None:
    body, warnings = ask(model=LLAMA, cache_control=True)
    assert body["messages"][0]["content"] == [{"text": "Hi"}]
    assert "cache" in warnings[0]


# -- options


def test_plain_options() -> None:
    body, _ = ask(
        max_tokens=10, temperature=0.5, top_p=0.9, stop=["a", "b"], service_tier="flex", metadata={"team": "x"}
    )  # fmt: skip
    assert body["inferenceConfig"] == {"maxTokens": 10, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "b"]}
    assert body["serviceTier"] == {"type": "flex"}
    assert body["requestMetadata"] == {"team": "x"}
    assert "inferenceConfig" not in ask()[0]
    with pytest.raises(InvalidRequest, match="0 to 1"):
        ask(temperature=1.5)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ("any", {"any": {}}),
        ("look", {"tool": {"name": "look"}}),
        ({"type": "function", "function": {"name": "look"}}, {"tool": {"name": "look"}}),
        ({"tool": {"name": "look"}}, {"tool": {"name": "look"}}),
    ],
)
def test_tool_choice(asked: Any, sent: dict[str, Any]) -> None:
    assert ask(tools=[LOOK], tool_choice=asked)[0]["toolConfig"]["toolChoice"] == sent


def test_no_tool_may_be_called_is_said_by_offering_none() -> None:
    body, warnings = ask(tools=[LOOK], tool_choice="none")
    assert "toolConfig" not in body
    assert "none" in warnings[0]
    history = (
        Message("user", "Hi"),
        Message("assistant", (ToolCall("c1", "look"),)),
        Message("tool", (ToolResult("c1", "1"),)),
    )
    with pytest.raises(UnsupportedOption, match="none"):
        ask(*history, tools=[LOOK], tool_choice="none")


def test_strict_tools_and_the_services_own() -> None:
    strict = msgspec.structs.replace(LOOK, strict=True)
    body, _ = ask(tools=[strict, {"systemTool": {"name": "nova_code_interpreter"}}], model=NOVA_2, web_search=True)
    tools = body["toolConfig"]["tools"]
    assert tools[0]["toolSpec"]["strict"] is True
    assert [tool["systemTool"]["name"] for tool in tools[1:]] == ["nova_code_interpreter", "nova_grounding"]
    with pytest.raises(UnsupportedOption, match="Nova"):
        ask(web_search=True)


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (SCHEMA, {}),
        ({"name": "place", "schema": SCHEMA, "description": "A place."}, {"name": "place", "description": "A place."}),
        (
            {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}},
            {"name": "place"},
        ),
    ],
)
def test_structured_output(asked: dict[str, Any], named: dict[str, str]) -> None:
    wanted = ask(response_format=asked)[0]["outputConfig"]["textFormat"]
    definition = wanted["structure"]["jsonSchema"]
    assert wanted["type"] == "json_schema"
    assert msgspec.json.decode(definition.pop("schema")) == SCHEMA
    assert definition == named


def test_there_is_no_json_mode() -> None:
    assert "outputConfig" not in ask(response_format="text")[0]
    with pytest.raises(UnsupportedOption, match="JSON Schema"):
        ask(response_format="json")


# -- what only some families take


@pytest.mark.parametrize(
    ("model", "options", "additional"),
    [
        (CLAUDE, {"top_k": 5, "betas": ["b"]}, {"top_k": 5, "anthropic_beta": ["b"]}),
        (NOVA, {"top_k": 5}, {"inferenceConfig": {"topK": 5}}),
        ("mistral.mistral-large-2402-v1:0", {"top_k": 5}, {"top_k": 5}),
        ("cohere.command-r-v1:0", {"top_k": 5, "seed": 1}, {"k": 5, "seed": 1}),
        ("ai21.jamba-1-5-mini-v1:0", {"presence_penalty": 1.0}, {"presence_penalty": 1.0}),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        (CLAUDE, {"thinking": True}, {"thinking": {"type": "adaptive"}}),
        (CLAUDE, {"thinking": False}, {"thinking": {"type": "disabled"}}),
        (OLD_CLAUDE, {"thinking": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (NOVA_2, {"thinking": True}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        (NOVA_2, {"reasoning_effort": "low"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (NOVA_2, {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}),
        (NOVA_2, {"thinking": False}, {"reasoningConfig": {"type": "disabled"}}),
    ],
)
def test_fields_of_a_family(model: str, options: dict[str, Any], additional: dict[str, Any]) -> None:
    body, warnings = ask(model=model, **options)
    assert body["additionalModelRequestFields"] == additional
    assert warnings == ()


def test_effort_is_a_field_of_its_own_where_the_model_knows_it() -> None:
    body, _ = ask(reasoning_effort="high")
    assert body["outputConfig"] == {"effort": "high"}
    assert "inferenceConfig" not in body
    body, warnings = ask(reasoning_effort="low", model=OLD_CLAUDE)
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 4096
    assert "inferenceConfig" not in body  # the model's own limit holds, and is above that
    assert "budget" in warnings[0]
    _, warnings = ask(reasoning_effort="max", model=NOVA_2)
    assert "'high' was sent" in warnings[0]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (LLAMA, {"top_k": 5}),
        (LLAMA, {"thinking": True}),
        (NOVA, {"reasoning_effort": "low"}),
        (UNKNOWN, {"top_k": 5}),
        (UNKNOWN, {"reasoning_effort": "low"}),
        ("openai.gpt-oss-20b-1:0", {"thinking": True}),
        ("amazon.titan-text-lite-v1", {"seed": 1}),
    ],
)
def test_an_option_that_a_family_has_no_word_for_is_refused(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOption, match="additionalModelRequestFields"):
        ask(model=model, **options)


def test_nova_takes_no_budget() -> None:
    with pytest.raises(InvalidRequest, match="reasoning_effort"):
        ask(model=NOVA_2, thinking=2000)


def test_fields_of_the_caller_have_the_last_word() -> None:
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled", "streamProcessingMode": "async"}
    body, _ = ask(
        top_k=5, max_tokens=10,
        extra={
            "guardrailConfig": guard,
            "performanceConfig": {"latency": "optimized"},
            "additionalModelResponseFieldPaths": ["/stop_sequence"],
            "promptVariables": {"name": {"text": "x"}},
            "requestMetadata": {"a": "b"},
            "additionalModelRequestFields": {"top_k": 6, "more": 1},
            "inferenceConfig": {"topP": 0.5},
        },
    )  # fmt: skip
    assert body["guardrailConfig"] == guard
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["additionalModelRequestFields"] == {"top_k": 6, "more": 1}
    assert body["inferenceConfig"] == {"maxTokens": 10, "topP": 0.5}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"performanceConfig": {"latency": "fast"}}, "standard"),
        ({"guardrailConfig": {"guardrailVersion": "newest"}}, "DRAFT"),
        ({"guardrailConfig": {"trace": "on"}}, "enabled_full"),
        ({"additionalModelResponseFieldPaths": ["stop_sequence"]}, "JSON Pointer"),
    ],
)
def test_a_value_that_bedrock_does_not_take_is_refused_with_those_it_takes(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        ask(extra=extra)
    with pytest.raises(InvalidRequest, match="reserved"):
        ask(service_tier="fast")


def test_a_misspelt_field_is_told() -> None:
    request = Request("bedrock", CLAUDE, (Message("user", "Hi"),), extra={"guardrailConfg": {}})
    assert "did you mean 'guardrailConfig'" in WIRE.build(request, SPEC).warnings[0]


def test_all_fields_of_the_service_are_known() -> None:
    shape = MODEL.operation_model("ConverseStream").input_shape
    assert shape.members.keys() - {"modelId"} == FIELDS


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        ask(extra={"x": object()})


def test_all_options_of_the_wire_are_options() -> None:
    assert set(Options.__struct_fields__) >= WIRE.options
    spec = registry.get("bedrock")
    assert isinstance(spec, ProviderSpec)
    assert spec.auth.service == "bedrock"
