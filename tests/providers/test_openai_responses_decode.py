"""Events to chunks: text, reasoning, tools, what has no name, and how an answer ends."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from exllm.providers.openai_responses_calls import CallSignature, read_call_signature
from exllm.providers.openai_responses_reasoning import Signature
from exllm.types.chunks import (
    AudioDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from exllm.types.options import Options
from exllm.types.parts import Citation, Image, ProviderPart, Reasoning, Refusal, Text, ToolCall
from exllm.types.tool import ServerTool, Tool
from tests.providers.openai_responses_streams import (
    Event,
    all_ways,
    call,
    decode,
    end,
    flat,
    item,
    message,
    output_text,
    response,
    start,
    text,
)

OWN = "openai-responses"
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}


def piece(kind: str, delta: str, **fields: Any) -> Event:
    return {"type": f"response.{kind}.delta", "delta": delta, **fields}


# -- text


def test_text_is_passed_on_as_it_comes() -> None:
    chunks = decode([start(), *text(0, "Hel", "", "lo"), end()])
    assert chunks[:3] == [StreamStart("resp_1", "gpt-x", 1763500000), TextDelta("Hel"), TextDelta("lo")]
    assert all_ways(text(0, "Hel", "lo")).text == "Hello"


def test_texts_of_several_messages_are_parts_of_their_own() -> None:
    assert all_ways(flat(text(0, "One."), text(1, "Two."))).parts == (Text("One."), Text("Two."))


def test_pieces_of_two_texts_may_be_interleaved() -> None:
    one, two = text(0, "a", "b"), text(1, "c", "d")
    mixed = [one[0], two[0], one[1], two[1], one[2], two[2], one[3], two[3]]
    assert response([start(), *mixed, end()]).parts == (Text("ab"), Text("cd"))


def test_contents_of_one_message_are_parts_of_their_own() -> None:
    pieces = [piece("output_text", letter, content_index=index) for index, letter in enumerate("ab")]
    content = message("msg_0", output_text("a"), output_text("b"))
    assert all_ways(item(0, content, *pieces, begun=message("msg_0"))).parts == (Text("a"), Text("b"))


def test_a_service_may_count_contents_from_one() -> None:  # Amazon Bedrock
    events = item(0, message("m", output_text("x")), piece("output_text", "x", content_index=1), begun=message("m"))
    assert response([start(), *events, end()]).parts == (Text("x"),)


def test_what_came_without_pieces_is_said_when_it_is_done() -> None:
    done = message("m", output_text("Whole.", annotations=[{"type": "url_citation", "url": "u"}]))
    assert all_ways(item(0, done, begun=message("m"))).text == "Whole."
    assert response([start(), end([done])]).text == "Whole."  # not even the item was streamed
    assert (
        response([start(), *text(0, "x"), end([*(each["item"] for each in text(0, "x")[-1:]), done])]).text == "xWhole."
    )


def test_an_item_that_was_never_done_is_as_the_end_has_it() -> None:
    done = message("m", output_text("Whole."))
    assert response([start(), *item(0, done, begun=message("m"))[:1], end([done])]).text == "Whole."


def test_indexes_may_be_missing() -> None:
    events = flat(text(0, "a", "b"), call(1, "c", "f", "{", "}"))
    for event in events:
        del event["output_index"]
    answer = response([start(), *events, end()])
    assert (answer.text, answer.tool_calls) == ("ab", (ToolCall("c", "f", "{}"),))


def test_texts_with_the_same_index_are_told_apart() -> None:
    events = flat(text(0, "a", "b"), text(1, "c", "d"))
    for event in events:
        event["output_index"] = 0
    assert response([start(), *events, end()]).parts == (Text("ab"), Text("cd"))


def test_pieces_may_come_without_their_item() -> None:
    pieces = [piece("output_text", "x", output_index=0, content_index=0)]
    assert response([start(), *pieces, end([message("m", output_text("x"))])]).text == "x"
    assert response([start(), *pieces, *text(0), end()]).text == "x"  # it is added late


def test_log_probabilities_are_kept() -> None:
    tokens = [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": [{"token": "y", "logprob": -1.5}]}]
    found = (TokenLogprob("x", -0.5, (120,), (TokenLogprob("y", -1.5),)),)
    events = item(
        0,
        message("m", output_text("x", logprobs=tokens)),
        piece("output_text", "x", content_index=0, logprobs=tokens),
        begun=message("m"),
    )
    assert all_ways(events).logprobs == found


@pytest.mark.parametrize(
    ("source", "citation"),
    [
        (
            {"type": "url_citation", "url": "u", "title": "t", "start_index": 1, "end_index": 2},
            Citation("u", "t", start=1, end=2),
        ),
        ({"type": "url_citation", "url": "u"}, Citation("u")),  # xAI
        ({"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 7}, Citation(title="a.pdf", start=7)),
        (
            {
                "type": "container_file_citation",
                "container_id": "c",
                "file_id": "f",
                "filename": "a.csv",
                "start_index": 1,
                "end_index": 2,
            },
            Citation(title="a.csv", start=1, end=2),
        ),
        ({"type": "file_path", "file_id": "f", "index": 3}, Citation(start=3)),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_every_kind_of_citation_is_read(source: Event, citation: Citation) -> None:
    added = {"type": "response.output_text.annotation.added", "annotation": source, "annotation_index": 0}
    events = item(
        0,
        message("m", output_text("x", annotations=[source])),
        piece("output_text", "x", content_index=0),
        {**added, "content_index": 0},
        begun=message("m"),
    )
    expected = msgspec.structs.replace(citation, source=source)
    assert all_ways(events).citations == (expected,)
    without = [event for event in events if "annotation" not in event["type"]]  # told with the item only
    assert response([start(), *without, end()]).citations == (expected,)


def test_a_refusal_ends_the_answer_as_one() -> None:
    refusal = {"type": "refusal", "refusal": "I cannot."}
    pieces = [piece("refusal", words, content_index=0) for words in ("I can", "not.")]
    events = item(0, message("m", refusal), *pieces, begun=message("m"))
    assert RefusalDelta("I can") in decode([start(), *events, end()])
    answer = all_ways(events)
    assert answer.parts == (Refusal("I cannot."),)
    assert (answer.finish_reason, answer.choices[0].raw_finish_reason) == ("refusal", "completed")


# -- reasoning


def reasoning(**fields: Any) -> Event:
    return {"type": "reasoning", "id": "rs_1", "summary": [], **fields}


def test_several_summaries_are_parts_and_the_last_is_signed() -> None:
    summaries = [{"type": "summary_text", "text": words} for words in ("First.", "Then.")]
    pieces = [
        piece("reasoning_summary_text", "Fir", summary_index=0),
        piece("reasoning_summary_text", "st.", summary_index=0),
        piece("reasoning_summary_text", "Then.", summary_index=1),
    ]
    events = item(0, reasoning(summary=summaries, encrypted_content="gA"), *pieces, begun=reasoning())
    answer = all_ways(flat(events, text(1, "42")))
    signature = Signature(OWN, 2, "gA").write()
    assert answer.parts == (
        Reasoning("First.", id="rs_1"),
        Reasoning("Then.", signature, id="rs_1"),
        Text("42"),
    )
    assert (answer.reasoning, answer.text) == ("First.Then.", "42")


def test_reasoning_that_is_only_encrypted_is_a_part_without_text() -> None:
    answer = all_ways(item(0, reasoning(encrypted_content="gA", content=[]), begun=reasoning()))
    assert answer.parts == (Reasoning("", Signature(OWN, 0, "gA").write(), id="rs_1"),)


def test_readable_reasoning_is_told_apart_from_summaries() -> None:
    content = {
        "summary": [{"type": "summary_text", "text": "S"}],
        "content": [{"type": "reasoning_text", "text": "Long"}],
    }
    pieces = [
        piece("reasoning_summary_text", "S", summary_index=0),
        piece("reasoning_text", "Lo", content_index=0),
        piece("reasoning_text", "ng", content_index=0),
    ]
    answer = all_ways(item(0, reasoning(**content), *pieces, begun=reasoning()))
    assert answer.parts == (Reasoning("S", id="rs_1"), Reasoning("Long", Signature(OWN, 1).write(), id="rs_1"))


def test_reasoning_that_stays_with_the_provider_is_passed_on_as_an_event() -> None:
    chunks = decode([start(), *item(0, reasoning()), end()])
    assert ProviderEvent("reasoning", reasoning(), OWN) in chunks
    assert not any(isinstance(chunk, ReasoningDelta) for chunk in chunks)


# -- tools


def test_calls_come_in_pieces_and_end_the_answer() -> None:
    events = flat(text(0, "Look."), call(1, "call_1", "f", '{"a"', ":1}"), call(2, "call_2", "g"))
    chunks = decode([start(), *events, end()])
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)] == [
        ToolCallDelta(0, "call_1", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(1, "call_2", "g"),
    ]
    answer = all_ways(events)
    assert answer.tool_calls == (ToolCall("call_1", "f", '{"a":1}'), ToolCall("call_2", "g"))
    assert answer.finish_reason == "tool_calls"


def test_a_custom_tool_is_called_with_free_text() -> None:
    answer = all_ways(call(0, "call_1", "run", "print", "(1)", kind="custom_tool_call"))
    assert answer.tool_calls == (ToolCall("call_1", "run", "print(1)", signature="custom"),)
    assert answer.finish_reason == "tool_calls"


def test_what_else_a_call_says_is_in_its_signature() -> None:
    told = {"namespace": "crm", "caller": {"type": "program", "caller_id": "p"}, "async": None, "status": "completed"}
    (found,) = all_ways(item(0, {**call(0, "c", "f", "{}")[-1]["item"], **told})).tool_calls
    signature = CallSignature(OWN, fields={"namespace": "crm", "caller": told["caller"]})
    assert read_call_signature(found.signature, OWN) == signature
    direct = {**call(0, "c", "f", "{}")[-1]["item"], "caller": {"type": "direct"}}
    assert all_ways(item(0, direct)).tool_calls == (ToolCall("c", "f", "{}"),)


@pytest.mark.parametrize(
    "fields",
    [
        {"options": Options(web_search=True)},
        {"options": Options(tools=(Tool("f"), ServerTool({"type": "web_search"})))},
        {"extra": {"tools": [{"type": "web_search"}]}},
    ],
    ids=["option", "tool", "extra"],
)
def test_where_the_provider_has_tools_the_ids_of_all_items_are_kept(fields: dict[str, Any]) -> None:
    answer = response([start(), *flat(text(0, "I look."), item(1, SEARCH), call(2, "c", "f", "{}")), end()], **fields)
    marker, said, search, called = answer.parts
    assert marker == ProviderPart(OWN, {"type": "message", "id": "msg_0"})
    assert (said, search) == (Text("I look."), ProviderPart(OWN, SEARCH))
    assert isinstance(called, ToolCall)
    assert read_call_signature(called.signature, OWN).id == "fc_2"


def test_the_callers_own_tools_keep_no_ids() -> None:
    options = Options(tools=(Tool("f"), ServerTool({"type": "custom", "name": "g"})))
    answer = response([start(), *flat(text(0, "x"), call(1, "c", "f", "{}")), end()], options=options)
    assert answer.parts == (Text("x"), ToolCall("c", "f", "{}"))


def test_a_phase_is_kept_as_a_part() -> None:
    events = flat(
        item(0, message("m0", output_text("I look."), phase="commentary")),
        item(1, message("m1", output_text("There."), phase="final_answer")),
    )
    answer = all_ways(events)
    assert answer.parts == (
        ProviderPart(OWN, {"type": "message", "id": "m0", "phase": "commentary"}),
        Text("I look."),
        ProviderPart(OWN, {"type": "message", "id": "m1", "phase": "final_answer"}),
        Text("There."),
    )
    assert answer.text == "I look.There."


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        ("web_search_call", False), ("file_search_call", False), ("code_interpreter_call", False), ("mcp_call", False),
        ("mcp_list_tools", False), ("compaction", False), ("tool_of_tomorrow", False), ("computer_call", True),
        ("local_shell_call", True), ("shell_call", True), ("apply_patch_call", True), ("mcp_approval_request", True),
    ],
)  # fmt: skip
def test_items_without_a_name_are_parts_and_some_wait_for_an_answer(kind: str, waits: bool) -> None:
    content = {
        "type": kind,
        "id": "i_1",
        "call_id": "c_1",
        "status": "completed",
        "anything": {"at": "all"},
        "no": None,
    }
    answer = all_ways(item(0, content, begun={"type": kind, "id": "i_1"}))
    kept = {name: value for name, value in content.items() if value is not None}
    assert answer.parts == (ProviderPart(OWN, kept),)
    assert answer.finish_reason == ("tool_calls" if waits else "stop")


def test_what_the_provider_answered_itself_does_not_wait() -> None:
    called = {"type": "shell_call", "id": "sh", "call_id": "c_1"}
    answered = {"type": "shell_call_output", "id": "so", "call_id": "c_1", "output": []}
    assert all_ways(flat(item(0, called), item(1, answered))).finish_reason == "stop"


@pytest.mark.parametrize(("execution", "reason"), [("client", "tool_calls"), ("server", "stop")])
def test_a_search_for_tools_is_the_callers_only_when_it_says_so(execution: str, reason: str) -> None:
    content = {"type": "tool_search_call", "id": "ts", "call_id": "c", "execution": execution, "arguments": {}}
    assert all_ways(item(0, content)).finish_reason == reason


# -- images and audio


def test_a_generated_image_is_an_image_and_its_item_a_part() -> None:
    data = b"RIFF....WEBP"
    content = {"type": "image_generation_call", "id": "ig", "status": "completed", "output_format": "webp"}
    made = {**content, "result": base64.b64encode(data).decode()}
    partial = {
        "type": "response.image_generation_call.partial_image",
        "partial_image_b64": "AAAA",
        "partial_image_index": 0,
    }
    events = item(0, made, partial, begun={**content, "status": "in_progress"})
    chunks = decode([start(), *events, end()])
    assert ImageDelta(data, media_type="image/webp") in chunks
    assert any(isinstance(chunk, ProviderEvent) and chunk.event == partial["type"] for chunk in chunks)
    assert all_ways(events).parts == (ProviderPart(OWN, content), Image(data=data, media_type="image/webp"))


def test_audio_comes_in_pieces_cut_anywhere() -> None:
    data = bytes(range(50))
    letters = base64.b64encode(data).decode()
    pieces = [piece("audio", letters[at : at + 7]) for at in range(0, len(letters), 7)]
    words = [piece("audio.transcript", said) for said in ("Hel", "lo")]
    options = Options(audio={"format": "pcm16"})
    chunks = decode([start(), *pieces, *words, {"type": "response.audio.done"}, end()], options=options)
    audio = [chunk for chunk in chunks if isinstance(chunk, AudioDelta)]
    assert b"".join(chunk.data for chunk in audio) == data
    assert "".join(chunk.transcript for chunk in audio) == "Hello"
    assert {chunk.media_type for chunk in audio if chunk.data} == {"audio/pcm"}
