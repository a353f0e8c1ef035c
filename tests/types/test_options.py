"""The options of a call: names, types and ranges are checked before anything is sent."""

from __future__ import annotations

import math
from typing import Any, get_type_hints

import msgspec
import pytest

from exllm import CacheControl, Options, ServerTool, Timeouts, Tool
from exllm.types.options import OptionArguments, check_options

GOOD: dict[str, Any] = {
    "temperature": 0.7,
    "max_tokens": 10,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.1,
    "stop": ("a", "b"),
    "seed": 1,
    "frequency_penalty": -2,
    "presence_penalty": 2.0,
    "logit_bias": {"1": -100},
    "n": 2,
    "logprobs": True,
    "top_logprobs": 5,
    "user": "u",
    "tools": (Tool("f"),),
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": "json",
    "response_model": dict,
    "response_strategy": "tool",
    "max_retries": 1,
    "validators": (print,),
    "reasoning_effort": "low",
    "thinking": 1024,
    "modalities": ("text",),
    "audio": {"voice": "alloy"},
    "prediction": "x",
    "web_search": True,
    "service_tier": "flex",
    "store": False,
    "metadata": {"a": "b"},
    "verbosity": "low",
    "cache_control": CacheControl(),
    "safety_settings": ({"a": 1},),
    "betas": ("b",),
}


def test_every_option_has_a_good_value_here_and_is_kept() -> None:
    assert set(GOOD) == set(Options.__struct_fields__) == set(get_type_hints(OptionArguments))
    assert check_options(GOOD).given() == GOOD


def test_none_means_not_asked_for() -> None:
    assert check_options(dict.fromkeys(GOOD)) == Options() == check_options({})
    assert Options().given() == {}


def test_natural_arguments_are_brought_to_one_form() -> None:
    checked = check_options(
        {
            "stop": "END",
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
            "cache_control": True,
            "modalities": ["text", "audio"],
            "tool_choice": Tool("web_search"),
            "safety_settings": [{"category": "x"}],
        }
    )
    assert checked.stop == ("END",)
    assert checked.tools == (ServerTool({"type": "web_search_20250305", "name": "web_search"}),)
    assert checked.cache_control == CacheControl()
    assert checked.modalities == ("text", "audio")
    assert checked.tool_choice == "web_search"
    assert check_options({"cache_control": False}).cache_control is None
    assert check_options({"cache_control": {"type": "ephemeral", "ttl": "1h"}}).cache_control == CacheControl(ttl="1h")


SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}},
        {"type": "function", "name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": None},
        {"name": "look", "description": "Looks.", "input_schema": SCHEMA},
        {"type": "custom", "name": "look", "description": "Looks.", "input_schema": SCHEMA},
        {"name": "look", "description": "Looks.", "schema": SCHEMA},
    ],
)
def test_tools_in_the_shapes_of_openai_anthropic_and_our_own_are_one(shape: dict[str, Any]) -> None:
    assert check_options({"tools": [shape]}).tools == (Tool("look", "Looks.", SCHEMA),)


def test_what_a_shape_says_of_a_tool_is_kept() -> None:
    marked = {"name": "look", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}, "strict": True}
    assert check_options({"tools": [marked]}).tools == (
        Tool("look", schema=SCHEMA, strict=True, cache_control=CacheControl()),
    )
    function = {"name": "look", "parameters": SCHEMA, "strict": True}
    chat = {"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}
    assert check_options({"tools": [chat]}).tools == check_options({"tools": [marked]}).tools


@pytest.mark.parametrize(
    "more",
    [
        {"name": "look", "input_schema": SCHEMA, "defer_loading": True},
        {"type": "function", "function": {"name": "look", "parameters": SCHEMA}, "defer_loading": True},
        {"type": "function", "function": {"name": "look", "parameters": SCHEMA, "examples": []}},
    ],
)
def test_a_dict_that_says_more_than_a_tool_can_goes_as_it_is(more: dict[str, Any]) -> None:
    assert check_options({"tools": [more]}).tools == (ServerTool(more),)


def test_tools_of_the_provider_go_as_they_are() -> None:
    for own in ({"type": "web_search"}, {"type": "mcp", "server_label": "x"}, {"google_search": {}}):
        assert check_options({"tools": [own]}).tools == (ServerTool(own),)


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        (Tool("look"), "expected a list of tools"),
        ({"name": "look", "schema": {}}, "expected a list of tools"),
        ([Tool("look"), {"name": "look", "schema": {}}], "two tools are called 'look'"),
        ([{"type": "function", "function": {}}], "a function without a name"),
        ([{"name": 7, "schema": {}}], "name"),
    ],
)
def test_tools_that_make_no_sense_are_refused(tools: Any, words: str) -> None:
    with pytest.raises(TypeError, match=f"option 'tools' cannot be .*{words}"):
        check_options({"tools": tools})


def test_a_long_wrong_value_is_shown_in_part() -> None:
    with pytest.raises(TypeError, match=r"'x{199}\.\.\.: expected a number"):
        check_options({"temperature": "x" * 10_000})


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("stop_sequences", None),
        ("time_out", "timeout"),
        ("apikey", "api_key"),
    ],
)
def test_an_unknown_option_is_a_type_error_with_the_nearest_name(wrong: str, near: str | None) -> None:
    with pytest.raises(TypeError, match=f"unknown option '{wrong}'") as caught:
        check_options({wrong: 1})
    assert (f"did you mean {near!r}?" if near else "extra={...}") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "0.7"),
        ("temperature", True),
        ("max_tokens", 10.0),
        ("max_tokens", True),
        ("stop", [1]),
        ("stop", 1),
        ("seed", "1"),
        ("logprobs", 1),
        ("user", 1),
        ("tools", 7),
        ("tools", [7]),
        ("tool_choice", 7),
        ("response_format", "xml"),
        ("thinking", "yes"),
        ("metadata", [("a", "b")]),
        ("metadata", {"a": 1}),
        ("logit_bias", {"1": "much"}),
        ("logit_bias", {1: 1}),
        ("web_search", "on"),
        ("cache_control", {"ttl": "2h"}),
        ("safety_settings", [1]),
    ],
)
def test_a_value_of_the_wrong_type_is_a_type_error_that_names_the_option(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"option '{name}' cannot be"):
        check_options({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", math.nan),
        ("top_p", 1.1),
        ("max_tokens", 0),
        ("n", 0),
        ("top_logprobs", 21),
        ("frequency_penalty", 3),
    ],
)
def test_a_number_out_of_range_is_a_value_error_with_the_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"option '{name}' must be between"):
        check_options({name: value})


def test_options_round_trip_through_json_without_the_model_class() -> None:
    plain = check_options({name: value for name, value in GOOD.items() if name not in ("response_model", "validators")})
    assert msgspec.json.decode(msgspec.json.encode(plain), type=Options) == plain


def test_timeouts_fill_what_others_left_open() -> None:
    assert Timeouts(idle=1).over(Timeouts(connect=2, idle=3)) == Timeouts(connect=2, idle=1)
    assert Timeouts(total=0.0).over(Timeouts(total=3)).total == 0.0
