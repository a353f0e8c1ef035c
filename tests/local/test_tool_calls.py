from __future__ import annotations

import random

import pytest

from exllm.local.prompt import CallStyle
from exllm.local.tool_calls import ToolCallReader
from exllm.types.chunks import Chunk, TextDelta, ToolCallDelta

NAMES = ["add", "get_weather"]
ADD = '{"name": "add", "arguments": {"a": 1, "b": "é <x>"}}'
ADDED = ("add", '{"a": 1, "b": "é <x>"}')
WEATHER = '{"name": "get_weather", "parameters": {}}'


def _read(style: CallStyle, pieces: list[str]) -> tuple[str, list[tuple[str, str]]]:
    reader = ToolCallReader(style, NAMES)
    chunks: list[Chunk] = [chunk for piece in pieces for chunk in reader.feed(piece)]
    chunks += reader.close()
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]
    assert [call.call for call in calls] == list(range(len(calls)))
    assert len({call.id for call in calls}) == len(calls) == reader.calls
    assert all(isinstance(chunk, TextDelta | ToolCallDelta) for chunk in chunks)
    return "".join(chunk.text for chunk in chunks), [(call.name, call.arguments) for call in calls]


CASES: list[tuple[CallStyle, str, str, list[tuple[str, str]]]] = [
    ("tagged", "Just text with a < in it.", "Just text with a < in it.", []),
    ("tagged", f"<tool_call>\n{ADD}\n</tool_call>", "", [ADDED]),
    ("tagged", f"Let me see.<tool_call>{ADD}</tool_call>", "Let me see.", [ADDED]),
    (
        "tagged",
        f"\n<tool_call>\n{ADD}\n</tool_call>\n<tool_call>\n{WEATHER}\n</tool_call>\n",
        "",
        [ADDED, ("get_weather", "{}")],
    ),
    ("tagged", f"<tool_call>{ADD}</tool_call>\nDone.", "\nDone.", [ADDED]),
    ("tagged", '<tool_call>{"name": "add", </tool_call>.', '<tool_call>{"name": "add", </tool_call>.', []),
    ("tagged", '<tool_call>{"name": "rm", "arguments": {}}</tool_call>', None, []),  # type: ignore[list-item]
    ("tagged", f"<tool_call>{ADD[:20]}", f"<tool_call>{ADD[:20]}", []),
    ("mistral", f"[TOOL_CALLS] [{ADD}, {WEATHER}]", "", [ADDED, ("get_weather", "{}")]),
    ("mistral", f"Sure. [TOOL_CALLS][{ADD}]", "Sure. ", [ADDED]),
    ("mistral", "An [aside] and [TOOL", "An [aside] and [TOOL", []),
    ("mistral", "[TOOL_CALLS] nonsense", "[TOOL_CALLS] nonsense", []),
    ("bare", ADD, "", [ADDED]),
    ("bare", f" <|python_tag|>{WEATHER}", "", [("get_weather", "{}")]),
    ("bare", f"[{ADD}, {WEATHER}]", "", [ADDED, ("get_weather", "{}")]),
    ("bare", '{"answer": 42}', '{"answer": 42}', []),
    ("bare", "It is 3 {really}.", "It is 3 {really}.", []),
    ("bare", "<|python is nice", "<|python is nice", []),
]


@pytest.mark.parametrize(("style", "text", "shown", "calls"), CASES)
def test_calls_are_found_and_all_else_is_text_however_it_is_sliced(
    style: CallStyle, text: str, shown: str | None, calls: list[tuple[str, str]]
) -> None:
    expected = (text if shown is None else shown, calls)
    assert _read(style, [text]) == expected
    assert _read(style, list(text)) == expected
    for seed in range(10):
        chance, at, pieces = random.Random(seed), 0, []
        while at < len(text):
            size = chance.randint(1, 9)
            pieces.append(text[at : at + size])
            at += size
        assert _read(style, pieces) == expected


def test_text_before_a_call_is_shown_as_it_comes() -> None:
    reader = ToolCallReader("tagged", NAMES)
    assert [chunk.text for chunk in reader.feed("One moment <")] == ["One moment "]


def test_arguments_written_as_text_are_kept_as_they_are() -> None:
    (call,) = ToolCallReader("tagged", NAMES).feed(
        '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call>'
    )
    assert isinstance(call, ToolCallDelta)
    assert call.arguments == '{"a": 1}'
