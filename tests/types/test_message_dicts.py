"""Messages given as dicts: our own shape, OpenAI's and Anthropic's."""

from __future__ import annotations

import base64
import random
from typing import Any

import msgspec
import pytest

from exllm import (
    Audio,
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    Message,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.errors import InvalidRequest
from exllm.types.normalise import normalise_messages

PDF = base64.b64encode(b"%PDF-1").decode()


def parts_of(role: str, *blocks: dict[str, Any]) -> Any:
    (message,) = normalise_messages([{"role": role, "content": list(blocks)}])
    return message.content


# -- our own shape


def test_our_own_shape_is_what_messages_encode_to() -> None:
    messages = (
        Message("system", "Be brief."),
        Message("user", (Text("Eh?", cache_control=CacheControl(ttl="1h")), Image(data=b"x", media_type="image/png"))),
        Message("user", (Document(url="https://a/b.pdf", title="B", citations=True), FileRef("file-1"))),
        Message("user", (Audio(data=b"x", media_type="audio/wav"),)),
        Message(
            "assistant",
            (
                Reasoning("Hm.", "sig"),
                Text("It is", (Citation(url="https://a", start=0, end=2),)),
                ToolCall("c1", "look", "{}", cache_control=CacheControl()),
                Refusal("No."),
                ProviderPart("anthropic", {"type": "x"}),
            ),
        ),
        Message("tool", (ToolResult("c1", (Text("a cat"), Image(url="https://a/b.png")), is_error=True),)),
    )  # fmt: skip
    dicts = msgspec.json.decode(msgspec.json.encode(messages))
    assert normalise_messages(dicts) == messages


def test_an_unknown_field_of_our_own_parts_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        InvalidRequest, match=r"content\[0\]: a 'image' part has no field 'media'; did you mean 'media_type'"
    ):
        parts_of("user", {"type": "image", "data": "aGk=", "media": "image/png"})


def test_a_field_of_the_wrong_type_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"content\[0\].*Expected `str.*\$\.url"):
        parts_of("user", {"type": "image", "url": 7})


def test_media_without_a_place_or_with_two_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="exactly one of url=, data="):
        parts_of("user", {"type": "image"})
    with pytest.raises(InvalidRequest, match="exactly one of url=, data="):
        parts_of("user", {"type": "image", "url": "https://a/b.png", "path": "b.png"})


# -- OpenAI's shape


def test_openai_user_parts() -> None:
    assert parts_of(
        "user",
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "high"}},
        {"type": "image_url", "image_url": "https://a/c.png"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": PDF}},
        {"type": "file", "file": {"file_data": "https://a/b.pdf", "filename": "b.pdf"}},
    ) == (
        Text("What is this?", cache_control=CacheControl()),
        Image(url="https://a/b.png", detail="high"),
        Image(url="https://a/c.png"),
        Audio(data=b"hi", media_type="audio/mpeg"),
        Audio(data=b"hi", media_type="audio/wav"),
        FileRef("file-1"),
        Document(data=b"%PDF-1", media_type="application/pdf", title="a.pdf"),
        Document(data=b"%PDF-1", media_type="application/pdf"),
        Document(url="https://a/b.pdf", title="b.pdf"),
    )


def test_openai_tool_calls_and_results() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "cat"}'}}
    assert normalise_messages(
        [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "assistant", "content": "Let me look.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "c1", "name": "look", "content": [{"type": "text", "text": "a cat"}]},
            {"role": "tool", "tool_call_id": "c1", "content": None},
        ]
    ) == (
        Message("assistant", (ToolCall("c1", "look", '{"at": "cat"}'),)),
        Message("assistant", (Text("Let me look."), ToolCall("c1", "look", '{"at": "cat"}'))),
        Message("tool", (ToolResult("c1", "a cat"),)),
        Message("tool", (ToolResult("c1", (Text("a cat"),), name="look"),)),
        Message("tool", (ToolResult("c1", ""),)),
    )


def test_openai_custom_tool_calls_keep_what_marks_them() -> None:
    from exllm.providers.openai_chat_calls import CUSTOM_SIGNATURE

    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    (message,) = normalise_messages([{"role": "assistant", "tool_calls": [call]}])
    assert message.content == (ToolCall("c1", "sql", "select 1", signature=CUSTOM_SIGNATURE),)


def test_arguments_that_were_parsed_already_become_json_again() -> None:
    call = {"id": "c1", "function": {"name": "look", "arguments": {"at": "cat"}}}
    (message,) = normalise_messages([{"role": "assistant", "tool_calls": [call]}])
    assert message.tool_calls == (ToolCall("c1", "look", '{"at":"cat"}'),)


def test_openai_refusal_audio_and_an_empty_answer() -> None:
    assert normalise_messages(
        [
            {"role": "assistant", "content": None, "refusal": "I cannot.", "tool_calls": None, "audio": None},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "content": None, "audio": {"id": "audio-1"}},
            {"role": "assistant", "content": None},
        ]
    ) == (
        Message("assistant", (Refusal("I cannot."),)),
        Message("assistant", (Refusal("No."),)),
        Message("assistant", (Audio(data=b"", media_type="audio/pcm", id="audio-1"),)),
        Message("assistant", ()),
    )


def test_reasoning_of_compatible_services_comes_before_the_answer() -> None:
    for name in ("reasoning_content", "reasoning"):
        (message,) = normalise_messages([{"role": "assistant", "content": "4", name: "2+2"}])
        assert message.content == (Reasoning("2+2"), Text("4"))


def test_reasoning_details_go_back_exactly_as_they_came() -> None:
    from exllm.providers.openai_chat_reasoning import blocks_of

    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "sig", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
    ]
    (message,) = normalise_messages(
        [{"role": "assistant", "content": "4", "reasoning": "Hm.", "reasoning_details": details}]
    )
    thoughts = [part for part in message.parts if type(part) is Reasoning]
    assert [thought.text for thought in thoughts] == ["Hm.", ""]
    assert blocks_of(thoughts, "openrouter") == details


def test_geminis_signature_of_a_call_is_kept() -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    (message,) = normalise_messages([{"role": "assistant", "content": "", "tool_calls": [call]}])
    assert message.tool_calls[0].signature == "sig"


def test_the_obsolete_function_call_is_refused_with_advice() -> None:
    with pytest.raises(InvalidRequest, match="function_call is obsolete; use tool_calls"):
        normalise_messages([{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}])


@pytest.mark.parametrize("call", [{}, {"id": "c1"}, {"function": {"arguments": "{}"}}, "look", None])
def test_a_misshapen_tool_call_is_refused_with_its_place(call: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\]\.tool_calls\[0\] must be"):
        normalise_messages([{"role": "assistant", "tool_calls": [call]}])


# -- Anthropic's shape


def test_anthropic_user_blocks() -> None:
    assert parts_of(
        "user",
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}, "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            "title": "A",
            "context": "old",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "grüezi"}},
    ) == (
        Image(data=b"hi", media_type="image/png"),
        Image(url="https://a/b.png", cache_control=CacheControl()),
        FileRef("file_1"),
        Document(data=b"%PDF-1", media_type="application/pdf", title="A", context="old", citations=True),
        Document(data="grüezi".encode(), media_type="text/plain"),
    )


def test_anthropic_blocks_that_have_no_common_form_go_back_unchanged() -> None:
    content = {
        "type": "document",
        "source": {"type": "content", "content": [{"type": "text", "text": "a"}]},
        "cache_control": {"type": "ephemeral"},
    }
    titled = {"type": "document", "source": {"type": "file", "file_id": "f"}, "title": "A"}
    search = {"type": "search_result", "source": "https://a", "title": "A", "content": []}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
    kept = parts_of("user", content, titled, search)
    assert kept == tuple(ProviderPart("anthropic", block) for block in (content, titled, search))
    assert parts_of("assistant", found) == (ProviderPart("anthropic", found),)


def test_anthropic_assistant_blocks() -> None:
    cited = {"type": "char_location", "cited_text": "q", "document_index": 1, "document_title": "D"}
    assert parts_of(
        "assistant",
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Let me look.", "citations": [cited]},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "cat"}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cat"}},
    ) == (
        Reasoning("Hm.", "sig"),
        Reasoning(redacted="xyz"),
        Text("Let me look.", (Citation(title="D", text="q", document=1, source=cited),)),
        ToolCall("t1", "look", '{"at":"cat"}'),
        ToolCall("t2", "look", "{}"),
        ToolCall("s1", "web_search", '{"query":"cat"}', provider_executed=True),
    )


def test_what_a_tool_use_has_beside_its_name_is_kept_in_its_signature() -> None:
    from exllm.providers.anthropic_decode import call_signature

    block = {
        "type": "tool_use",
        "id": "t1",
        "name": "f",
        "input": {},
        "caller": {"type": "code_execution", "tool_id": "x"},
    }
    (call,) = parts_of("assistant", block)
    assert call.signature == call_signature(block)
    assert call.signature is not None


def test_anthropic_tool_results_stand_in_tool_messages() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [
            {"type": "text", "text": "a cat"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        ],
        "is_error": True,
        "cache_control": {"type": "ephemeral"},
    }
    given = {"role": "user", "content": [result, {"type": "text", "text": "And?"}]}
    assert normalise_messages([given]) == (
        Message(
            "tool",
            (ToolResult("t1", (Text("a cat"), Image(data=b"hi", media_type="image/png")), None, True, CacheControl()),),
        ),
        Message("user", (Text("And?"),)),
    )


def test_a_tool_result_with_blocks_of_anthropic_alone_goes_back_unchanged() -> None:
    block = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "search_result", "source": "https://a", "title": "A", "content": []}],
    }
    assert parts_of("user", block) == (ProviderPart("anthropic", block),)


# -- what is refused


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"text": "Hi"}, "has no 'type'"),
        ({"type": "txt", "text": "Hi"}, "did you mean 'text'"),
        ({"type": "hologram"}, "unknown type of part 'hologram'; known are"),
        ({"type": "text"}, "a block of type 'text' needs 'text'"),
        ({"type": "text", "text": 7}, "text must be text, got int"),
        ({"type": "text", "text": "Hi", "color": "red"}, "the field 'color' means nothing here"),
        ({"type": "image_url", "image_url": {}}, "needs 'url'"),
        ({"type": "image_url", "image_url": 7}, "'image_url' block of the wrong shape"),
        ({"type": "input_audio", "input_audio": {"data": "%", "format": "wav"}}, "not base64"),
        ({"type": "image", "source": {"type": "pigeon"}}, "unknown source 'pigeon'"),
        ({"type": "image", "source": {"type": "base64", "data": "aGk="}}, "needs 'media_type'"),
        ({"type": "tool_result", "content": "x"}, "call_id"),
    ],
)
def test_a_misshapen_block_is_refused_with_its_place(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[1\]\.content\[0\]") as caught:
        normalise_messages(["Hi", {"role": "user", "content": [block]}])
    assert words in str(caught.value)


def test_a_dict_without_a_role_or_content_says_so() -> None:
    with pytest.raises(InvalidRequest, match=r"messages has no 'role'; a message is \{'role'"):
        normalise_messages({"content": "Hi"})
    with pytest.raises(InvalidRequest, match=r"messages\[0\] has no 'content'"):
        normalise_messages([{"role": "user"}])


def test_a_field_without_a_meaning_is_refused_not_dropped() -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\]: the field 'contents' means nothing here"):
        normalise_messages([{"role": "user", "content": "Hi", "contents": "Ho"}])


def test_what_answers_carry_beside_the_message_is_no_mistake() -> None:
    whole = {"id": "msg_1", "type": "message", "model": "m", "stop_reason": "end_turn", "usage": {"input_tokens": 1}}
    assert normalise_messages([{**whole, "role": "assistant", "content": "Hi"}]) == (Message("assistant", "Hi"),)


ATOMS = [None, "", "x", 1, 2.5, True, b"x", float("nan"), "\ud800", "data:x", "https://a", "aGk=", "text", "assistant"]
KEYS = [
    "role", "content", "type", "text", "image_url", "url", "source", "data", "media_type", "tool_calls",
    "function", "name", "arguments", "id", "tool_call_id", "tool_use_id", "input", "input_audio", "format",
    "file", "file_data", "file_id", "citations", "cache_control", "refusal", "reasoning_details", "audio",
    "thinking", "signature", "detail", "path", "call_id", "redacted", "provider", "custom", "extra_content",
]  # fmt: skip
TYPES = [
    "text", "image", "image_url", "input_audio", "file", "document", "tool_use", "tool_result", "thinking",
    "redacted_thinking", "refusal", "tool_call", "reasoning", "audio", "file_ref", "provider",
    "server_tool_use", "search_result", "x_tool_result",
]  # fmt: skip


def _nonsense(dice: random.Random, depth: int = 0) -> Any:
    if depth > 4 or dice.random() < 0.35:
        return dice.choice(ATOMS)
    if dice.random() < 0.25:
        return [_nonsense(dice, depth + 1) for _ in range(dice.randint(0, 3))]
    made = {dice.choice(KEYS): _nonsense(dice, depth + 1) for _ in range(dice.randint(0, 5))}
    return made if dice.random() < 0.2 else made | {"type": dice.choice(TYPES)}


@pytest.mark.parametrize("seed", range(10))
def test_any_nonsense_is_refused_with_its_place_and_never_crashes(seed: int) -> None:
    dice = random.Random(seed)
    refused = 0
    for _ in range(300):
        role: Any = dice.choice(["user", "assistant", "tool", "system", "x", [], {}, 7])
        blocks = [_nonsense(dice, 1) for _ in range(dice.randint(0, 3))]
        message = {"role": role, "content": dice.choice([blocks, _nonsense(dice)])}
        message |= {dice.choice(KEYS): _nonsense(dice) for _ in range(dice.randint(0, 3))}
        try:
            normalise_messages([message])
        except (InvalidRequest, TypeError) as error:
            assert str(error).startswith("messages[0]")  # noqa: PT017 - some of it is good, so nothing need be raised
            refused += 1
    assert refused > 250
