"""A choice of tools that there are not is refused where it is made."""

from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm.errors import InvalidRequest
from exllm.testing import MockProvider
from exllm.types.options import check_options

WEATHER = exllm.Tool("weather")
CUSTOM = {"type": "custom", "custom": {"name": "sql"}}
NAMELESS = {"type": "mcp", "server_label": "docs"}


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "auto"}, {"type": "web_search"}])
def test_a_choice_that_names_nothing_needs_no_tools(choice: Any) -> None:
    assert check_options({"tool_choice": choice}).tool_choice == choice


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([WEATHER], "weather"),
        ([WEATHER], WEATHER),
        ([WEATHER], {"type": "function", "function": {"name": "weather"}}),
        ([WEATHER], {"type": "function", "name": "weather"}),
        ([WEATHER], {"type": "tool", "name": "weather"}),
        ([WEATHER, CUSTOM], "sql"),
        ([{"type": "web_search_20250305", "name": "web_search"}], "web_search"),
        ([WEATHER, NAMELESS], "search_docs"),
        ([exllm.Tool("any")], "any"),
    ],
)
def test_a_choice_among_the_tools_passes(tools: list[Any], choice: Any) -> None:
    kept = check_options({"tools": tools, "tool_choice": choice}).tool_choice
    assert kept == (choice.name if isinstance(choice, exllm.Tool) else choice)


def test_the_tool_that_web_search_adds_may_be_chosen() -> None:
    assert check_options({"web_search": True, "tool_choice": "web_search"}).tool_choice == "web_search"


def test_any_is_required_in_other_words() -> None:
    assert check_options({"tools": [WEATHER], "tool_choice": "any"}).tool_choice == "required"


@pytest.mark.parametrize(
    ("tools", "choice", "words"),
    [
        ([WEATHER], "wheather", "names 'wheather', which is none of the tools 'weather'; did you mean 'weather'?"),
        ([WEATHER, CUSTOM], "clock", "names 'clock', which is none of the tools 'weather', 'sql'"),
        ([WEATHER], exllm.Tool("clock"), "names 'clock'"),
        ([WEATHER], {"type": "function", "function": {"name": "clock"}}, "names 'clock'"),
        ([WEATHER], {"type": "function", "name": "clock"}, "names 'clock'"),
        ([WEATHER], {"type": "tool", "name": "clock"}, "names 'clock'"),
        (None, "weather", "names 'weather', but there are no tools"),
        ([], "weather", "names 'weather', but there are no tools"),
    ],
)
def test_a_choice_of_a_tool_that_there_is_not_is_refused(tools: Any, choice: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match="tool_choice") as caught:
        check_options({"tools": tools, "tool_choice": choice})
    assert words in str(caught.value)


async def test_it_is_refused_before_any_provider_is_asked() -> None:
    with MockProvider("never said") as mock:
        async with exllm.Client() as client:
            with pytest.raises(InvalidRequest, match="none of the tools"):
                await client.chat("mock", "Hi", tools=[WEATHER], tool_choice="clock")
        assert not mock.requests
