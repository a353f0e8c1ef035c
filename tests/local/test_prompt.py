"""Templates: Jinja2 and llama-cpp-python's formatter are part of the extra."""

from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.local.prompt import chat_format, template_messages, template_tools
from exllm.types.normalise import normalise_messages

SAY = "{{ messages[0].content }}"
QWEN = "{%- if tools %}{{ tools | tojson }}<tool_call></tool_call>{% endif %}" + SAY
LLAMA_3 = '{% if tools is not none %}{"name": function name, "parameters": dictionary}{% endif %}' + SAY
MISTRAL = "{% if tools %}[AVAILABLE_TOOLS]{% endif %}[TOOL_CALLS]" + SAY


def _messages(*messages: Any) -> list[dict[str, Any]]:
    return template_messages(normalise_messages(list(messages)))


def test_messages_become_what_templates_know() -> None:
    call = exllm.ToolCall("abc", "add", '{"a": 1}')
    assert _messages(
        exllm.Message("developer", "Be kind."),
        exllm.Message("user", (exllm.Text("One, "), exllm.Text("two."))),
        exllm.Message("assistant", (exllm.Reasoning("hm"), exllm.Text("Sure."), call)),
        exllm.Message("tool", (exllm.ToolResult("abc", "2", name="add"),)),
    ) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One, two."},
        {
            "role": "assistant",
            "content": "Sure.",
            "tool_calls": [{"id": "abc", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "tool_call_id": "abc", "content": "2", "name": "add"},
    ]


def test_several_results_of_one_message_are_several_turns() -> None:
    results = exllm.Message("tool", (exllm.ToolResult("a", "1"), exllm.ToolResult("b", (exllm.Text("2"),))))
    calls = exllm.Message("assistant", (exllm.ToolCall("a", "f"), exllm.ToolCall("b", "g", "not json")))
    turns = _messages("Go.", calls, results)
    assert [turn["content"] for turn in turns[-2:]] == ["1", "2"]
    arguments = [call["function"]["arguments"] for call in turns[1]["tool_calls"]]
    assert arguments == [{}, "not json"]


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UnsupportedOption, match="the messages hold Audio"):
        _messages(exllm.Message("user", (exllm.Audio(data=b"", media_type="audio/wav"),)))
    with pytest.raises(UnsupportedOption, match="on a server"):
        template_tools([exllm.ServerTool({"type": "web_search"})])


@pytest.mark.local
@pytest.mark.parametrize(
    ("template", "style", "key"),
    [
        (QWEN, "tagged", "arguments"),
        (LLAMA_3, "bare", "parameters"),
        (MISTRAL, "mistral", "arguments"),
        (SAY, None, "arguments"),
        (None, None, "arguments"),
    ],
)
def test_the_template_tells_how_tools_are_called(template: str | None, style: str | None, key: str) -> None:
    found = chat_format(template, "<s>", "</s>")
    assert (found.call_style, found.argument_key) == (style, key)


@pytest.mark.local
def test_tools_are_shown_to_the_template_only_when_there_are_any() -> None:
    style = chat_format(QWEN, "", "")
    tool = exllm.Tool("add", "Adds.", {"type": "object"})
    assert style.render(_messages("Hi"), []).text == "Hi"
    shown = style.render(_messages("Hi"), template_tools([tool])).text
    assert '"name": "add"' in shown
    assert chat_format(LLAMA_3, "", "").render(_messages("Hi"), []).text == "Hi"


@pytest.mark.local
def test_a_file_without_a_template_is_asked_in_chatml() -> None:
    prompt = chat_format(None, "<s>", "</s>").render(_messages(exllm.Message("system", "S"), "U"), [])
    assert prompt.text == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert prompt.stops == ("<|im_end|>",)


@pytest.mark.local
def test_named_formats_are_those_of_llama_cpp_python() -> None:
    prompt = chat_format("{{ 1 }}", "<s>", "</s>", name="llama-3").render(_messages("U"), [])
    assert prompt.text.startswith("<|start_header_id|>user<|end_header_id|>")
    assert prompt.stops == ("<|eot_id|>",)
    assert prompt.adds_bos


@pytest.mark.local
@pytest.mark.parametrize("template", ["{% for %}", "{{ messages | nothing }}"])
def test_a_template_with_an_error_is_refused(template: str) -> None:
    with pytest.raises(InvalidRequest, match="chat template has an error"):
        chat_format(template, "", "")


@pytest.mark.local
def test_a_template_that_refuses_the_messages_says_why() -> None:
    style = chat_format("{{ raise_exception('roles must alternate') }}", "", "")
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        style.render(_messages("Hi"), [])


@pytest.mark.local
def test_a_template_cannot_reach_python() -> None:
    style = chat_format("{{ messages.__class__.__mro__ }}", "", "")
    with pytest.raises(InvalidRequest):
        style.render(_messages("Hi"), [])
