"""Messages in the shape of OpenAI's Responses API, its SDK's own objects included."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseReasoningItem

from exllm.errors import InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.types.normalise import normalise_messages
from exllm.types.parts import (
    Citation,
    Document,
    FileRef,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request

PNG = base64.b64encode(b"\x89PNG").decode()
CITED = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "Hi"}, Text("Hi")),
        (
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
            Image(data=b"\x89PNG", media_type="image/png", detail="low"),
        ),
        ({"type": "input_image", "image_url": "https://a/b.png"}, Image(url="https://a/b.png")),
        ({"type": "input_image", "file_id": "file-1", "detail": "auto"}, FileRef("file-1", "image/png")),
        ({"type": "input_file", "file_id": "file-2"}, FileRef("file-2")),
        ({"type": "input_file", "file_url": "https://a/b.pdf"}, Document(url="https://a/b.pdf")),
        (
            {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{PNG}"},
            Document(data=b"\x89PNG", media_type="text/plain", title="a.txt"),
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": PNG},
            Document(data=b"\x89PNG", media_type="application/pdf", title="a.pdf"),
        ),
    ],
)
def test_parts_of_an_input_message_are_read(part: dict[str, Any], expected: Any) -> None:
    (message,) = normalise_messages([{"type": "message", "role": "user", "content": [part]}])
    assert message.content == (expected,)


def test_an_answers_message_of_the_sdk_is_read() -> None:
    content = [
        {"type": "output_text", "text": "Hi", "annotations": [CITED], "logprobs": []},
        {"type": "refusal", "refusal": "No."},
    ]
    given = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    (message,) = normalise_messages([ResponseOutputMessage.model_validate(given)])  # type: ignore[list-item]
    assert message.role == "assistant"
    assert message.content == (Text("Hi", (Citation("https://a", "A", source=CITED),)), Refusal("No."))


@pytest.mark.parametrize("part", [{"type": "input_image"}, {"type": "input_file"}, {"type": "input_text", "text": 3}])
def test_a_part_that_lacks_its_content_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\].content\[0\]"):
        normalise_messages([{"role": "user", "content": [part]}])


# -- items

REASONED = {
    "id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA", "status": None,
    "summary": [{"type": "summary_text", "text": "Let me"}, {"type": "summary_text", "text": "see."}],
}  # fmt: skip
CALLED = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"a": 1}',
          "status": "completed"}  # fmt: skip
ANSWERED = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}


def items_of(*items: dict[str, Any]) -> list[dict[str, Any]]:
    """What goes back to OpenAI of these items."""
    messages = normalise_messages([{"role": "user", "content": "Hi"}, *items])
    spec = registry.get("openai-responses")
    assert isinstance(spec, ProviderSpec)
    http = registry.wire("openai_responses").build(Request("openai-responses", "gpt-5", messages), spec)
    assert http.warnings == ()
    sent: list[dict[str, Any]] = json.loads(http.body)["input"][1:]
    return sent


def test_the_items_of_one_turn_are_one_message() -> None:
    more = {**CALLED, "call_id": "call_2", "arguments": "{}"}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Now."}]}
    messages = normalise_messages(
        [{"role": "user", "content": "Hi"}, REASONED, said, CALLED, more, ANSWERED, {**ANSWERED, "call_id": "call_2"},
         {"role": "user", "content": "And?"}]
    )  # fmt: skip
    assert [message.role for message in messages] == ["user", "assistant", "tool", "user"]
    assert [type(part) for part in messages[1].parts] == [Reasoning, Reasoning, Text, ToolCall, ToolCall]
    assert messages[1].tool_calls == (ToolCall("call_1", "look", '{"a": 1}'), ToolCall("call_2", "look", "{}"))
    assert messages[2].content == (ToolResult("call_1", "seen"), ToolResult("call_2", "seen"))


def test_messages_that_are_no_items_stay_apart() -> None:
    said = {"role": "assistant", "content": "a"}
    assert len(normalise_messages([{"role": "user", "content": "Hi"}, said, said])) == 3


def test_items_go_back_as_they_came() -> None:
    assert items_of(REASONED, CALLED, ANSWERED) == [
        {"type": "reasoning", "summary": REASONED["summary"], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"a": 1}'},
        ANSWERED,
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "program", "id": "p_1", "code": "1", "fingerprint": "f"},
        {"type": "program_output", "id": "p_2", "result": "1", "status": "completed"},
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "web_search"}]},
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
        {"type": "compaction_trigger"},
        {"type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "SELECT 1"},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}", "namespace": "eyes"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
    ],
    ids=lambda item: item["type"],
)
def test_an_item_of_any_kind_goes_back_as_it_came(item: dict[str, Any]) -> None:
    answer = {"type": f"{item['type']}_output", "call_id": "call_1", "output": "ok"} if "call_id" in item else None
    assert items_of(item, *([answer] if answer else [])) == [item, *([answer] if answer else [])]


def test_a_result_may_hold_parts() -> None:
    output = [{"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": "https://a/b.png"}]
    *_, message = normalise_messages([CALLED, {**ANSWERED, "output": output}])
    assert message.content == (ToolResult("call_1", (Text("seen"), Image(url="https://a/b.png"))),)


def test_the_sdks_items_are_read() -> None:
    call = ResponseFunctionToolCall.model_validate(CALLED)
    thought = ResponseReasoningItem.model_validate(REASONED)
    (message,) = normalise_messages([thought, call])  # type: ignore[list-item]
    assert [type(part) for part in message.parts] == [Reasoning, Reasoning, ToolCall]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "function_call", "name": "look", "arguments": "{}"}, r"messages\[0\]: .* needs 'call_id'"),
        ({"type": "function_call", "call_id": "c", "name": "look", "arguments": {}}, "arguments must be text"),
        ({"type": "function_call_output", "call_id": "c"}, "needs 'output'"),
        ({"type": "reasoning", "summary": 5}, "wrong shape"),
        ({"type": "reasoning", "summary": [{"text": 5}]}, "wrong shape"),
        ({"type": "no_such_item"}, "has no 'role'"),
    ],
)
def test_an_item_of_the_wrong_shape_is_refused_with_its_place(item: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        normalise_messages([item])
