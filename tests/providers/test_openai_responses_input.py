"""What goes back of an answer, what travels to and from other providers, and what stays behind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exllm.errors import InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.providers.openai_responses import WIRE
from exllm.providers.openai_responses_calls import CallSignature
from exllm.providers.openai_responses_reasoning import Signature, grouped, read_signature
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import (
    Audio,
    Citation,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request
from tests.providers.openai_responses_cases import OWN, PNG, SEARCH, USER, answer, words
from tests.providers.openai_responses_recordings import SPEC


def build(*parts: Part, provider: str = OWN) -> HttpRequest:
    messages = normalise_messages([USER, Message("assistant", parts), USER])
    if provider == OWN:
        return WIRE.build(Request(OWN, "gpt-4.1", messages), SPEC)
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return registry.wire(spec.wire).build(Request(provider, spec.default_model or "m", messages), spec)


def items_of(*parts: Part) -> list[dict[str, Any]]:
    """The items that an assistant's message with these parts becomes."""
    found: list[dict[str, Any]] = msgspec.json.decode(build(*parts).body)["input"][1:-1]
    return found


@pytest.mark.parametrize(
    ("part", "warning"),
    [
        (Reasoning("Hm.", "c2ln"), "not signed by openai-responses"),  # Anthropic's
        (Reasoning("Hm."), "not signed by openai-responses"),
        (Reasoning("Hm.", id="rs_1"), "not signed by openai-responses"),  # cut off
        (Reasoning(redacted="xyz"), "not signed by openai-responses"),
        (Reasoning("Hm.", Signature("azure-responses", 1, "gA").write(), id="rs_1"), "not signed by openai-responses"),
        (ProviderPart("anthropic", {"type": "web_search_tool_result"}), "a part of an answer of anthropic"),
        (ToolCall("s", "web_search", "{}", provider_executed=True), "another provider ran itself"),
        (Image(data=PNG, media_type="image/png"), "Image parts of the assistant"),
        (Audio(data=b"x", media_type="audio/wav"), "Audio parts of the assistant"),
    ],
)
def test_what_another_provider_left_stays_behind_and_that_is_said(part: Part, warning: str) -> None:
    http = build(Text("Well."), part)
    assert msgspec.json.decode(http.body)["input"][1:-1] == [answer(words("Well."))]
    (said,) = http.warnings
    assert warning in said


def test_a_warning_is_said_once() -> None:
    assert len(build(Reasoning("a"), Text("x"), Reasoning("b"), Text("y")).warnings) == 1


def test_what_was_spoken_goes_back_as_words() -> None:
    spoken = Audio(data=b"x", media_type="audio/wav", id="audio_1", transcript="Hello.")
    assert items_of(spoken) == [answer(words("Hello."))]


def test_an_empty_answer_leaves_no_item() -> None:
    assert items_of() == []
    assert items_of(Text("")) == []


def test_citations_of_others_stay_behind_quietly() -> None:
    sources = [{"type": "url_citation", "url": "u"}, {"type": "char_location", "cited_text": "x"}]  # xAI's, Anthropic's
    cited = tuple(Citation(source=source) for source in sources)
    http = build(Text("x", (*cited, Citation("https://a"))))
    assert msgspec.json.decode(http.body)["input"][1:-1] == [answer(words("x"))]


def test_calls_of_other_providers_are_functions() -> None:
    calls = [
        ToolCall("a", "f", "{}", signature="CpcBAQ=="),  # Gemini's
        ToolCall("b", "f", "{}", signature='{"toolset_name":"x"}'),  # Anthropic's
        ToolCall("c", "f", "{}", signature="openai_call:garbage"),
        ToolCall(
            "d", "f", "{}", signature=CallSignature("azure-responses", id="fc", fields={"namespace": "n"}).write()
        ),
    ]
    assert items_of(*calls) == [
        {"type": "function_call", "call_id": id_, "name": "f", "arguments": "{}"} for id_ in "abcd"
    ]


def test_a_custom_call_stays_one_at_another_service() -> None:
    signature = CallSignature("azure-responses", "custom_tool_call", fields={"namespace": "n"}).write()
    assert items_of(ToolCall("a", "f", "text", signature=signature)) == [
        {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "text"}
    ]


@pytest.mark.parametrize("provider", ["openai", "openrouter", "anthropic", "gemini", "deepseek", "gemini-openai"])
def test_our_answers_travel_to_other_providers_without_what_is_ours(provider: str) -> None:
    http = build(
        Reasoning("I think.", Signature(OWN, 1, "gAAAA").write(), id="rs_1"),
        ProviderPart(OWN, SEARCH),
        ProviderPart(OWN, {"type": "message", "id": "msg_1", "phase": "final_answer"}),
        Text("Yes."),
        provider=provider,
    )
    assert b"Yes." in http.body
    for secret in (b"gAAAA", b"ws_1", b"msg_1", b"rs_1", b"openai_reasoning"):
        assert secret not in http.body


def test_our_calls_travel_to_anthropic_as_plain_ones() -> None:
    called = ToolCall("call_1", "f", "{}", signature=CallSignature(OWN, id="fc_1", fields={"namespace": "n"}).write())
    messages = [USER, Message("assistant", (called,)), Message("tool", (ToolResult("call_1", "x"),))]
    spec = registry.get("anthropic")
    assert isinstance(spec, ProviderSpec)
    built = registry.wire(spec.wire).build(Request("anthropic", "claude-sonnet-4-5", tuple(messages)), spec)
    turns = msgspec.json.decode(built.body)["messages"]
    assert turns[1]["content"] == [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]


def test_reasoning_items_are_found_again_by_their_ids_and_signatures() -> None:
    one, two = Signature(OWN, 1, "A").write(), Signature(OWN, 0, "B").write()
    parts = [
        Reasoning("a", id="rs_1"), Reasoning("b", one, id="rs_1"), Reasoning("", two, id="rs_1"),
        Reasoning("c", id="rs_2"), Text("x"), Reasoning("d", id="rs_2"),
    ]  # fmt: skip
    groups = [[part.text for part in group] if isinstance(group, list) else group.text for group in grouped(parts)]  # type: ignore[union-attr]
    assert groups == [["a", "b"], [""], ["c"], "x", ["d"]]


def test_signatures_of_others_are_none() -> None:
    for text in (None, "", "c2ln", "openai_reasoning:", "openai_reasoning:[]", 'openai_reasoning:{"provider":5}', "{}"):
        assert read_signature(text) is None
    own = Signature(OWN, 3, "gA")
    assert read_signature(own.write()) == own


def test_messages_hold_only_what_has_a_place_in_them() -> None:
    for role, part in (("user", ProviderPart("other", {})), ("system", ProviderPart("other", {}))):
        with pytest.raises(InvalidRequest, match=f"a {role} message of the Responses API cannot hold"):
            WIRE.build(Request(OWN, "m", (Message(role, (part,)),)), SPEC)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="holds ToolResult parts"):
        WIRE.build(Request(OWN, "m", (Message("tool", "x"),)), SPEC)


def test_a_part_of_the_providers_own_may_stand_in_a_users_message() -> None:
    part = ProviderPart(OWN, {"type": "input_video", "video_url": "https://example.com"})
    body = msgspec.json.decode(WIRE.build(Request(OWN, "m", (Message("user", (part,)),)), SPEC).body)
    assert body["input"] == [{"role": "user", "content": [part.data]}]


@pytest.mark.parametrize("content", ["no picture", (Text("x"),), (Image(url="a"), Image(url="b"))], ids=str)
def test_the_computer_tool_is_answered_with_one_screenshot(content: Any) -> None:
    asked = ProviderPart(OWN, {"type": "computer_call", "id": "cu", "call_id": "c", "action": {}})
    messages = (USER, Message("assistant", (asked,)), Message("tool", (ToolResult("c", content),)))
    with pytest.raises(InvalidRequest, match="one Image, a screenshot"):
        WIRE.build(Request(OWN, "m", messages), SPEC)
