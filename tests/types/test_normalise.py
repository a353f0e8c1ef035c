"""Messages as users write them, to the one form; and what is refused, with the place of the mistake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from exllm import Audio, Document, Image, Message, Reasoning, Refusal, Response, Text, ToolCall, ToolResult
from exllm.errors import InvalidRequest
from exllm.types.normalise import normalise_messages


def test_a_string_is_one_user_message() -> None:
    assert normalise_messages("Hi") == (Message("user", "Hi"),)


def test_a_message_a_dict_and_a_string_can_stand_in_one_list() -> None:
    given = [Message("system", "Be brief."), {"role": "user", "content": "Hi"}, "And you?"]
    assert normalise_messages(given) == (
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("user", "And you?"),
    )


def test_a_single_message_and_a_single_dict_need_no_list() -> None:
    message = Message("user", "Hi")
    assert normalise_messages(message) == (message,)
    assert normalise_messages({"role": "user", "content": "Hi", "name": "ann"}) == (Message("user", "Hi", "ann"),)


def test_messages_that_need_nothing_are_the_same_objects() -> None:
    given = (Message("user", (Text("What is this?"), Image(url="https://example.org/cat.png"))), Message("user", "Hm"))
    normal = normalise_messages(given)
    assert normal[0] is given[0]
    assert normal[1] is given[1]


def test_nothing_is_added_reordered_or_merged() -> None:
    given = [Message("user", "a"), Message("user", "b"), Message("system", "late"), Message("assistant", "")]
    assert normalise_messages(given) == tuple(given)


def test_strings_among_the_parts_are_text() -> None:
    message = Message("user", ["What is this?", Image(url="https://example.org/cat.png")])  # type: ignore[arg-type]
    assert normalise_messages(message)[0].content == (Text("What is this?"), Image(url="https://example.org/cat.png"))


def test_data_urls_become_bytes_wherever_media_may_stand() -> None:
    png = "data:image/png;base64,aGVsbG8="
    normal = normalise_messages(
        [
            Message("user", (Image(url=png, detail="low"),)),
            Message("tool", (ToolResult("c1", (Image(url=png),)),)),
            Message("user", (Document(url="data:,a%20b"),)),
        ]
    )
    assert normal[0].content == (Image(data=b"hello", media_type="image/png", detail="low"),)
    assert normal[1].content == (ToolResult("c1", (Image(data=b"hello", media_type="image/png"),)),)
    assert normal[2].content == (Document(data=b"a b", media_type="text/plain"),)


@pytest.mark.parametrize("url", ["data:image/png;base64,%%%", "data:image/png"])
def test_a_broken_data_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\]\.content\[0\]"):
        normalise_messages([Message("user", (Image(url=url),))])


def test_a_url_without_a_scheme_is_taken_for_a_forgotten_path() -> None:
    with pytest.raises(InvalidRequest, match=r"'cat\.png' is no URL.*Image\(path=\.\.\.\)"):
        normalise_messages(Message("user", (Image(url="cat.png"),)))


def test_tool_results_in_a_user_message_become_tool_messages_in_the_same_order() -> None:
    first, second = ToolResult("c1", "one"), ToolResult("c2", "two")
    given = Message("user", (first, second, Text("Go on."), Image(url="https://example.org/a.png")), "ann")
    assert normalise_messages(given) == (
        Message("tool", (first, second)),
        Message("user", (Text("Go on."), Image(url="https://example.org/a.png")), "ann"),
    )


@pytest.mark.parametrize("given", ["", [], (), [Message("user", ())], {"role": "user", "content": []}])
def test_nothing_to_answer_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"empty|no content"):
        normalise_messages(given)


@pytest.mark.parametrize(
    ("role", "hint"),
    [("usr", "'user'"), ("model", "'assistant'"), ("human", "'user'"), ("function", "'tool'"), ("System", "'system'")],
)
def test_an_unknown_role_names_the_likely_one(role: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"messages\[1\].*did you mean {hint}"):
        normalise_messages(["Hi", {"role": role, "content": "Hi"}])
    with pytest.raises(InvalidRequest, match=hint):
        normalise_messages(Message(role, "Hi"))  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 42, b"Hi", 3.5, object(), {"Hi"}, (text for text in ["Hi"])])
def test_what_is_no_message_is_a_type_error_that_says_what_is(given: Any) -> None:
    with pytest.raises(TypeError, match=r"messages: expected a string, an exllm\.Message, a dict"):
        normalise_messages(given)


def test_the_index_of_the_wrong_item_is_named() -> None:
    with pytest.raises(TypeError, match=r"messages\[2\]: expected .* got int"):
        normalise_messages(["a", "b", 3])  # type: ignore[list-item]


def test_parts_where_messages_belong_are_explained() -> None:
    with pytest.raises(TypeError, match=r"messages\[1\]: got the part Image; put parts into a message"):
        normalise_messages(["What is this?", Image(url="https://example.org/a.png")])  # type: ignore[list-item]


def test_a_response_in_the_list_is_explained() -> None:
    with pytest.raises(TypeError, match=r"got Response; use its \.message"):
        normalise_messages(["Hi", Response()])  # type: ignore[list-item]


@pytest.mark.parametrize("content", [42, b"bytes", None, {"a": 1}])
def test_content_of_a_wrong_type_is_a_type_error(content: Any) -> None:
    with pytest.raises(TypeError, match=r"messages\[0\]\.content must be text or a list of parts"):
        normalise_messages([Message("user", content)])


def test_a_part_of_a_wrong_type_is_a_type_error_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"messages\[0\]\.content\[1\] must be text or a part .* got int"):
        normalise_messages([Message("user", (Text("a"), 7))])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"messages\.content\[0\]: the text must be a string, got int"):
        normalise_messages(Message("user", (Text(7),)))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [ToolCall("c", "f"), Reasoning("hm"), Refusal("no")])
def test_what_only_the_assistant_says_is_refused_elsewhere(part: Any) -> None:
    assert normalise_messages(Message("assistant", (part,)))[0].content == (part,)
    with pytest.raises(InvalidRequest, match=r"belongs in an assistant message, not in a user message"):
        normalise_messages(Message("user", (part,)))


@pytest.mark.parametrize("role", ["assistant", "system", "developer"])
def test_tool_results_are_refused_outside_of_tool_messages(role: Any) -> None:
    with pytest.raises(InvalidRequest, match="ToolResult belongs in a tool message"):
        normalise_messages(Message(role, (ToolResult("c1", "x"),)))


def test_a_tool_message_without_a_call_id_is_refused() -> None:
    for given in (Message("tool", "42"), {"role": "tool", "content": "42"}, Message("tool", (Text("42"),))):
        with pytest.raises(InvalidRequest, match="tool message"):
            normalise_messages(given)
    with pytest.raises(InvalidRequest, match="id of the call"):
        normalise_messages(Message("tool", (ToolResult("", "42"),)))


def test_a_tool_result_holds_text_images_and_documents_only() -> None:
    with pytest.raises(InvalidRequest, match=r"content\[0\]\.content\[0\]: a tool may answer with"):
        normalise_messages(Message("tool", (ToolResult("c", (Audio(url="https://a/b.wav"),)),)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="encode other data as JSON text"):
        normalise_messages(Message("tool", (ToolResult("c", {"temperature": 3}),)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        "\ud83d",
        ["ok", "\ud83d"],
        Message("user", "\ud83d"),
        Message("user", (Text("\ud83d"),)),
        Message("tool", (ToolResult("c", "\ud83d"),)),
    ],
)
def test_half_a_surrogate_pair_is_refused_before_json_would(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="surrogate"):
        normalise_messages(given)


def test_message_and_block_objects_of_vendors_sdks_are_read_by_their_dump() -> None:
    block = SimpleNamespace(model_dump=lambda: {"type": "text", "text": "Hi", "citations": None})
    reply = SimpleNamespace(model_dump=lambda: {"role": "assistant", "content": [block], "stop_reason": "end_turn"})
    assert normalise_messages([reply]) == (Message("assistant", (Text("Hi"),)),)  # type: ignore[list-item]


def test_the_vendors_own_objects_are_understood() -> None:
    from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
    from openai.types.chat import ChatCompletionMessage

    spoken = ChatCompletionMessage.model_validate(
        {
            "role": "assistant",
            "content": "Let me look.",
            "annotations": [],
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}],
        }
    )
    assert normalise_messages(["Hi", spoken])[1] == Message(  # type: ignore[list-item]
        "assistant", (Text("Let me look."), ToolCall("c1", "look", '{"a":1}'))
    )
    blocks = [
        ThinkingBlock(type="thinking", thinking="Hm.", signature="sig"),
        TextBlock(type="text", text="Let me look."),
        ToolUseBlock(type="tool_use", id="t1", name="look", input={"a": 1}),
    ]
    assert normalise_messages([{"role": "assistant", "content": blocks}])[0] == Message(
        "assistant", (Reasoning("Hm.", "sig"), Text("Let me look."), ToolCall("t1", "look", '{"a":1}'))
    )
