"""Version 1 of Cohere's chat: where it has the messages, and what is made of its events."""

from __future__ import annotations

from typing import Any

import cohere
import msgspec
import pytest
from pydantic import TypeAdapter

from exllm import Options
from exllm.errors import ExLLMError, InvalidRequest, ProtocolError, ServerError, StreamInterrupted
from exllm.providers import ProviderSpec, registry
from exllm.providers.cohere_v1 import WIRE
from exllm.providers.wire import HttpRequest
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, ProviderEvent, StreamStart, TextDelta, ToolCallDelta, UsageUpdate
from exllm.types.message import Message
from exllm.types.parts import Document, Image, Reasoning, Text, ToolCall, ToolResult
from exllm.types.request import Request
from exllm.types.response import Response
from exllm.types.tool import Tool
from exllm.types.usage import Usage

_SPEC = registry.get("cohere-v1")
assert isinstance(_SPEC, ProviderSpec)
SPEC: ProviderSpec = _SPEC
HI = Message("user", "Hi")
LOOK = Tool(
    "look", "Looks.",
    {
        "type": "object", "required": ["at"],
        "properties": {
            "at": {"type": "string", "description": "Where."}, "days": {"type": "integer"}, "far": {"type": "number"},
            "deep": {"type": "boolean"}, "names": {"type": "array", "items": {"type": "string"}},
            "more": {"type": "object"},
        },
    },
)  # fmt: skip


def build(*messages: Message, extra: Any = None, stream: bool = False, **options: Any) -> HttpRequest:
    return WIRE.build(
        Request("cohere-v1", "m", messages or (HI,), Options(**options), extra or {}, stream=stream), SPEC
    )


def body(*messages: Message, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(build(*messages, **how).body)
    return found


# -- requests


def test_the_last_message_stands_apart_and_the_first_system_message_is_the_preamble() -> None:
    sent = body(Message("system", "Be kind."), HI, Message("assistant", "Hello."), Message("user", "And?"))
    assert sent == {
        "model": "m", "stream": False, "message": "And?", "preamble": "Be kind.",
        "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello."}],
    }  # fmt: skip
    assert body() == {"model": "m", "stream": False, "message": "Hi"}


def test_later_system_messages_stand_in_the_history() -> None:
    sent = body(HI, Message("assistant", "Hello."), Message("system", "Be brief."), Message("user", "And?"))
    assert sent["chat_history"][-1] == {"role": "SYSTEM", "message": "Be brief."}
    assert "preamble" not in sent


CALLED = Message("assistant", (Text("I look."), ToolCall("1", "look", '{"at": "x"}'), ToolCall("2", "look", "")))
RESULTS = Message("tool", (ToolResult("1", "seen"), ToolResult("2", '{"seen": [1]}')))
FIRST, SECOND = {"name": "look", "parameters": {"at": "x"}}, {"name": "look", "parameters": {}}


def test_results_at_the_end_are_what_is_to_be_answered() -> None:
    sent = body(HI, CALLED, RESULTS, tools=(LOOK,))
    assert sent["message"] == ""
    assert sent["tool_results"] == [
        {"call": FIRST, "outputs": [{"text": "seen"}]}, {"call": SECOND, "outputs": [{"seen": [1]}]}
    ]  # fmt: skip
    assert sent["chat_history"][-1] == {"role": "CHATBOT", "message": "I look.", "tool_calls": [FIRST, SECOND]}
    TypeAdapter(list[cohere.ToolResult]).validate_python(sent["tool_results"])
    TypeAdapter(list[cohere.Message]).validate_python(sent["chat_history"])


def test_older_results_stand_in_the_history() -> None:
    sent = body(HI, CALLED, RESULTS, Message("assistant", "I saw."), Message("user", "Thanks"))
    assert [entry["role"] for entry in sent["chat_history"]] == ["USER", "CHATBOT", "TOOL", "CHATBOT"]
    assert len(sent["chat_history"][2]["tool_results"]) == 2
    assert (sent["message"], "tool_results" in sent) == ("Thanks", False)


@pytest.mark.parametrize(
    ("content", "outputs"),
    [
        ('[{"a": 1}, {"b": 2}]', [{"a": 1}, {"b": 2}]),
        ("[1, 2]", [{"text": "[1, 2]"}]),
        ("[]", [{"text": "[]"}]),
        ("42", [{"text": "42"}]),
        (
            (Text("a"), Document(data=b"d", media_type="text/plain", title="t")),
            [{"text": "a"}, {"text": "d", "title": "t"}],
        ),
    ],
)
def test_results_are_objects(content: Any, outputs: list[Any]) -> None:
    sent = body(HI, CALLED, Message("tool", (ToolResult("1", content), ToolResult("2", "x"))))
    assert sent["tool_results"][0]["outputs"] == outputs


def test_a_result_without_its_call_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="answers no call"):
        build(HI, Message("tool", (ToolResult("9", "x"),)))


def test_a_conversation_that_leaves_nothing_to_answer_is_refused() -> None:
    for messages in ((HI, Message("assistant", "Hello.")), (Message("system", "x"),)):
        with pytest.raises(InvalidRequest, match="must end with a message of the user"):
            build(*messages)


def test_documents_can_be_cited_by_their_place() -> None:
    document = Document(data=b"Penguins.", media_type="text/plain", title="Birds")
    sent = body(Message("user", (document, Text("What?"))))
    assert sent["message"] == "What?"
    assert sent["documents"] == [{"id": "doc:0", "text": "Penguins.", "title": "Birds"}]


def test_images_are_refused_where_they_are_asked_about_and_told_where_they_were_answered() -> None:
    asked = Message("user", (Text("What?"), Image(url="https://example.org/a.png")))
    with pytest.raises(InvalidRequest, match="'cohere'"):
        build(asked)
    http = build(asked, Message("assistant", "A cat."), HI)
    assert "https://example.org/a.png" in http.body.decode()
    assert len(http.warnings) == 1
    shown = ToolResult("1", (Image(data=b"\x89PNG", media_type="image/png"),))
    http = build(HI, CALLED, Message("tool", (shown, ToolResult("2", "x"))))
    assert "in place of those that tools gave" in http.warnings[0]


def test_thoughts_do_not_go_back_and_it_is_told() -> None:
    http = build(HI, Message("assistant", (Reasoning("Hm."), Text("Hello."))), HI)
    assert msgspec.json.decode(http.body)["chat_history"][1] == {"role": "CHATBOT", "message": "Hello."}
    assert http.warnings == ("Cohere (version 1) takes no thoughts back; they were left out",)


def test_tools_have_types_of_python() -> None:
    http = build(tools=(LOOK,))
    (tool,) = msgspec.json.decode(http.body)["tools"]
    types = {name: parameter["type"] for name, parameter in tool["parameter_definitions"].items()}
    assert types == {"at": "str", "days": "int", "far": "float", "deep": "bool", "names": "List[str]", "more": "Dict"}
    assert tool["parameter_definitions"]["at"] == {"type": "str", "description": "Where.", "required": True}
    assert not tool["parameter_definitions"]["days"]["required"]
    assert http.warnings == ()
    cohere.Tool.model_validate(tool)


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string", "enum": ["a"]}, "str"),
        ({"type": "array", "items": {"type": "string", "enum": []}}, "List[str]"),
        ({"type": "array", "items": {"anyOf": []}}, "List"),
        ({"type": "object", "properties": {}}, "Dict"),
        ({"type": ["string", "null"]}, "str"),
        ({"type": "integer", "minimum": 1}, "int"),
        ({"anyOf": []}, "str"),
        ({"type": "odd"}, "str"),
        (True, "str"),
    ],
)
def test_what_a_schema_says_beside_the_type_is_told_to_be_lost(schema: Any, type_: str) -> None:
    http = build(tools=(Tool("pick", "", {"type": "object", "properties": {"of": schema}}),))
    assert msgspec.json.decode(http.body)["tools"][0]["parameter_definitions"]["of"]["type"] == type_
    assert "pick's of" in http.warnings[0]


def test_strictness_is_told_to_be_lost() -> None:
    assert "strict was not sent" in build(tools=(Tool("f", "", {}, strict=True),)).warnings[0]


def test_options_have_cohere_s_names() -> None:
    sent = body(
        temperature=0.5, max_tokens=5, top_p=0.9, top_k=3, stop=("a",), seed=1, frequency_penalty=0.1,
        presence_penalty=0.2, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"x": 1}}},
        extra={"connectors": [{"id": "web-search"}], "prompt_truncation": "AUTO", "force_single_step": True},
    )  # fmt: skip
    assert (sent["p"], sent["k"], sent["stop_sequences"]) == (0.9, 3, ["a"])
    assert sent["response_format"] == {"type": "json_object", "schema": {"x": 1}}
    assert (sent["connectors"], sent["prompt_truncation"]) == ([{"id": "web-search"}], "AUTO")


@pytest.mark.parametrize(
    "extra", [{"prompt_truncation": "ON"}, {"connectors": [{}]}, {"raw_prompting": 1}, {"citation_quality": "good"}]
)
def test_parameters_are_checked_before_they_are_sent(extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(extra))):
        build(extra=extra)


# -- answers

META = {
    "tokens": {"input_tokens": 9.0, "output_tokens": 5.0},
    "billed_units": {"input_tokens": 4.0, "output_tokens": 5.0},
}
USAGE = Usage(9, 5, 14, billed_input_tokens=4, billed_output_tokens=5, provenance="reported")
START = {"event_type": "stream-start", "generation_id": "g"}


def answer(text: str, **fields: Any) -> dict[str, Any]:
    return {"text": text, "generation_id": "g", "response_id": "r", "finish_reason": "COMPLETE", "meta": META, **fields}


def end(response: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": "stream-end", "finish_reason": response["finish_reason"], "response": response}


def decode(*events: dict[str, Any] | bytes) -> list[Chunk]:
    decoder = WIRE.decoder(Request("p", "m", (HI,), stream=True), SPEC)
    frames = [Frame(event if isinstance(event, bytes) else msgspec.json.encode(event)) for event in events]
    return [*decoder.feed(frames), *decoder.close()]


def folded(chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    return accumulator.response()


def whole(document: dict[str, Any]) -> Response:
    return folded(WIRE.decode_body(msgspec.json.encode(document), Request("p", "m", (HI,)), SPEC))


def generated(*texts: str) -> list[dict[str, Any]]:
    return [{"event_type": "text-generation", "text": text} for text in texts]


CALLS = [{"name": "look", "parameters": {"at": "x"}}, {"name": "see", "parameters": {}}]
DOCUMENTS = [{"id": "doc:1", "title": "Birds", "url": "https://example.org", "text": "Penguins."}]
CITED = [{"start": 0, "end": 2, "text": "Hi", "document_ids": ["doc:1", "web-search_0"], "type": "TEXT_CONTENT"}]
FOUND = {"search_queries": [{"text": "q", "generation_id": "1"}], "search_results": [{"document_ids": ["doc:1"]}]}


def test_a_stream_and_a_whole_answer_say_the_same() -> None:
    full = answer("Hi there", citations=CITED, documents=DOCUMENTS, tool_calls=CALLS, **FOUND)
    streamed = folded(
        decode(
            START,
            {"event_type": "search-queries-generation", "search_queries": FOUND["search_queries"]},
            {"event_type": "search-results", "search_results": FOUND["search_results"], "documents": DOCUMENTS},
            *generated("Hi", " there"),
            {"event_type": "citation-generation", "citations": CITED},
            {"event_type": "tool-calls-generation", "tool_calls": CALLS},
            end(full),
        )
    )
    answered = whole(full)
    assert streamed.parts == answered.parts
    assert (streamed.usage, streamed.id, streamed.finish_reason) == (answered.usage, answered.id, "tool_calls")
    assert answered.usage == USAGE
    (cited,) = answered.citations
    assert (cited.url, cited.title, cited.text, cited.document) == ("https://example.org", "Birds", "Penguins.", 1)
    assert [(call.name, call.parse_arguments()) for call in answered.tool_calls] == [("look", {"at": "x"}), ("see", {})]
    assert len({call.id for call in answered.tool_calls}) == 2


def test_what_only_the_end_of_a_stream_says_is_said() -> None:
    chunks = decode(START, end(answer("Hi", citations=CITED, tool_calls=CALLS[:1], **FOUND)))
    assert folded(chunks) == whole(answer("Hi", citations=CITED, tool_calls=CALLS[:1], **FOUND))
    assert [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)] == ["search_queries", "search_results"]


def test_calls_in_pieces_are_not_told_twice() -> None:
    pieces = [
        {"text": "I "}, {"tool_call_delta": {"text": "look."}}, {"tool_call_delta": {"index": 0, "name": "look"}},
        {"tool_call_delta": {"index": 0, "parameters": '{"at":'}}, {"tool_call_delta": {"index": 1, "name": "see"}},
        {"tool_call_delta": {"index": 1, "parameters": "{}"}}, {"tool_call_delta": {"index": 0, "parameters": ' "x"}'}},
    ]  # fmt: skip
    full = answer("I look.", tool_calls=CALLS)
    chunks = decode(
        START,
        *({"event_type": "tool-calls-chunk", **piece} for piece in pieces),
        {"event_type": "tool-calls-generation", "text": "I look.", "tool_calls": CALLS},
        end(full),
    )
    streamed, answered = folded(chunks), whole(full)
    assert (streamed.text, streamed.finish_reason) == (answered.text, "tool_calls") == ("I look.", "tool_calls")
    assert [(call.id, call.name, call.parse_arguments()) for call in streamed.tool_calls] == [
        (call.id, call.name, call.parse_arguments()) for call in answered.tool_calls
    ]


def test_ids_of_calls_are_not_those_of_another_answer() -> None:
    first, second = whole(answer("", tool_calls=CALLS)), whole(answer("", tool_calls=CALLS, generation_id="h"))
    assert not {call.id for call in first.tool_calls} & {call.id for call in second.tool_calls}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("ERROR_LIMIT", "length"),
        ("ERROR_TOXIC", "content_filter"), ("USER_CANCEL", "stop"), ("SOMETHING", "stop"), (None, "stop"),
    ],
)  # fmt: skip
def test_reasons(raw: str | None, reason: str) -> None:
    assert whole(answer("x", finish_reason=raw)).finish_reason == reason
    assert folded(decode(START, *generated("x"), end(answer("x", finish_reason=raw)))).finish_reason == reason


@pytest.mark.parametrize("raw", ["ERROR", "TIMEOUT"])
def test_a_failure_is_raised_and_what_came_before_is_kept(raw: str) -> None:
    decoder = WIRE.decoder(Request("p", "m", (HI,), stream=True), SPEC)
    events = [START, *generated("Hi"), end(answer("Hi", finish_reason=raw))]
    with pytest.raises(ServerError) as caught:
        decoder.feed([Frame(msgspec.json.encode(event)) for event in events])
    assert caught.value.code == raw
    kept = decoder.take()
    assert folded(kept).text == "Hi"
    assert UsageUpdate(USAGE) in kept
    with pytest.raises(ServerError):
        whole(answer("", finish_reason=raw))


def test_an_error_in_the_stream_is_raised() -> None:
    with pytest.raises(ServerError, match="broke"):
        decode(START, *generated("Hi"), b'{"message": "it broke"}')


def test_an_error_in_the_place_of_an_answer_is_raised() -> None:
    with pytest.raises(ExLLMError, match="too many tokens"):
        WIRE.decode_body(b'{"message": "too many tokens"}', Request("p", "m", (HI,)), SPEC)


def test_unknown_events_are_passed_on() -> None:
    debug = {"event_type": "debug", "prompt": "<BOS>"}
    chunks = decode(START, debug, *generated("Hi"), end(answer("Hi")))
    assert chunks[:3] == [StreamStart("g"), ProviderEvent("debug", debug, "cohere-v1"), TextDelta("Hi")]


def test_citations_of_a_plan_are_no_citations_of_the_answer() -> None:
    chunks = decode(
        START, {"event_type": "citation-generation", "citations": [{**CITED[0], "type": "PLAN"}]}, end(answer("x"))
    )
    assert folded(chunks).citations == ()
    assert [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)] == ["citation"]


def test_an_answer_without_counts_has_none() -> None:
    assert whole(answer("x", meta={"api_version": {"version": "1"}})).usage == Usage()
    assert whole(answer("x", meta=None)).usage == Usage()


def test_what_follows_the_end_is_ignored() -> None:
    chunks = decode(START, *generated("Hi"), end(answer("Hi")), *generated("more"), b"{nonsense")
    assert folded(chunks).text == "Hi"


def test_a_stream_without_its_end_is_interrupted() -> None:
    with pytest.raises(StreamInterrupted):
        decode(START, *generated("Hi"))


@pytest.mark.parametrize("odd", [b"{", b"[]", b"null", b'"x"', b"{}", b'{"text": 7}', b"\xff", b"[" * 100_000])
def test_what_is_no_answer_is_a_protocol_error(odd: bytes) -> None:
    with pytest.raises(ProtocolError):
        WIRE.decode_body(odd, Request("p", "m", (HI,)), SPEC)
    if odd not in (b"{}", b'{"text": 7}'):
        with pytest.raises(ProtocolError):
            decode(START, odd)


EVENTS = [
    START, *generated("Hi"), {"event_type": "citation-generation", "citations": CITED},
    {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "name": "look"}},
    {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "parameters": "{}"}},
    {"event_type": "tool-calls-generation", "tool_calls": CALLS[:1]},
    {"event_type": "search-results", "documents": DOCUMENTS, "search_results": []}, end(answer("Hi", tool_calls=CALLS)),
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(EVENTS)))
@pytest.mark.parametrize("value", [[], {}, 7, "x", True, None, [None], {"a": [1]}])
def test_fields_of_the_wrong_type_never_crash(place: int, value: Any) -> None:
    for field in EVENTS[place].keys() - {"event_type"}:
        events = [*EVENTS[:place], {**EVENTS[place], field: value}, *EVENTS[place + 1 :]]
        try:
            chunks = decode(*events)
        except ProtocolError:
            continue
        assert folded(chunks).finish_reason == "tool_calls"
        assert all(delta.name or delta.arguments for delta in chunks if isinstance(delta, ToolCallDelta))
