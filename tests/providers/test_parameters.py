"""Parameters as data: how a rule is written, what it lets through, what it refuses and in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import ConfigurationError, InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.providers.parameters import Rule, rules_of
from exllm.providers.spec import check_parameters, parse_spec
from tests.providers.openai_chat_requests import HI, body, build

WHOLE = {"type": "integer", "min": 1, "max": 50}
DATE = {"pattern": r"\d{1,2}/\d{1,2}/\d{4}", "form": "MM/DD/YYYY"}
DOMAINS = {"max_items": 3, "items": {"max_length": 10}, "all_or_none": "-"}
PLACE = {"required": ["country"], "fields": {"country": {"pattern": "[A-Z]{2}"}, "latitude": {"min": -90, "max": 90}}}
SORT = {"any_of": [["price", "latency"], {"fields": {"by": ["price", "latency"]}}]}


SPECS = [
    built_in
    for name in ("perplexity", "openrouter", "xai", "groq", "mistral", "anthropic")
    if isinstance(built_in := registry.get(name), ProviderSpec)
]
NAMES = st.sampled_from(
    sorted(
        {
            name
            for built_in in SPECS
            for field, rule in built_in.parameters.items()
            for name in (field, *rule.fields, *(inner for nested in rule.fields.values() for inner in nested.fields))
        }
    )
)


def spec(**parameters: Any) -> ProviderSpec:
    return ProviderSpec("acme", "openai_chat", "https://api.acme.example", label="Acme", parameters=parameters)


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("any", [1, "x", [], {}]),
        ("boolean", [True, False]),
        ("integer", [0, -1]),
        ("number", [1, 0.5]),
        ("string", ["", "x"]),
        ("list", [[], (), [1, "x"]]),
        ("object", [{}, {"a": 1}]),
        (["web", "sec"], ["web", "sec"]),
        ([True, 2], [True, 2]),
        (WHOLE, [1, 50]),
        ({"min": 0}, [0, 2.5, 10**9]),
        (DATE, ["3/1/2025", "03/01/2025"]),
        (DOMAINS, [[], ["a.org", "b.org"], ["-a.org", "-b.org"], ("a.org",)]),
        ({"min_items": 1}, [["a"]]),
        (PLACE, [{"country": "DE"}, {"country": "DE", "latitude": -90, "more": 1}]),
        (SORT, ["price", {"by": "latency"}, {}]),
        ({"items": ["gif", "png"]}, [["gif", "png", "gif"]]),
    ],
)
def test_what_fits_passes_and_so_does_none(rule: Any, values: list[Any]) -> None:
    for value in [*values, None]:
        assert check_parameters(spec(x=rule), {"x": value}) == ()


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("boolean", 1, "x = True | False, got 1"),
        ("boolean", "true", "x = True | False, got 'true'"),
        ("integer", True, "x = a whole number, got True"),
        ("integer", 1.0, "x = a whole number, got 1.0"),
        ("number", "1", "x = a number, got '1'"),
        ("string", 7, "x = text, got 7"),
        ("list", "web", "x = a list, got 'web'"),
        ("object", [], "x = a dict, got []"),
        (["web", "sec"], "news", "x = 'web' | 'sec', got 'news'"),
        ([1], True, "x = 1, got True"),
        (WHOLE, 0, "x = a whole number from 1 to 50, got 0"),
        (WHOLE, 51, "x = a whole number from 1 to 50, got 51"),
        ({"min": 0}, -0.5, "x = a number of at least 0, got -0.5"),
        ({"max": 2}, 2.5, "x = a number of at most 2, got 2.5"),
        ({"min": 0}, float("nan"), "x = a number of at least 0, got nan"),
        (DATE, "2025-03-01", "x = text of the form MM/DD/YYYY, got '2025-03-01'"),
        (DATE, "3/1/2025\n", "x = text of the form MM/DD/YYYY, got '3/1/2025\\n'"),
        ({"max_length": 3}, "long", "x = text of at most 3 characters, got 'long'"),
        (
            DOMAINS,
            ["a", "b", "c", "d"],
            "x = a list of at most 3, each text of at most 10 characters, all beginning with '-' or none, got 4",
        ),
        (DOMAINS, ["a.org", "-b.org"], "all beginning with '-' or none, got ['a.org', '-b.org']"),
        (DOMAINS, ["a.org", 7], "x[1] = text of at most 10 characters, got 7"),
        ({"min_items": 1, "max_items": 2}, [], "x = a list of at least 1 and at most 2, got 0 entries"),
        ({"items": ["gif", "png"]}, ["gif", ".png"], "x[1] = 'gif' | 'png', got '.png'"),
        (PLACE, {"country": "Germany"}, "x.country = text of the form [A-Z]{2}, got 'Germany'"),
        (PLACE, {"latitude": 1}, "x = a dict with country, got {'latitude': 1}"),
        (PLACE, {"country": "DE", "latitude": 91}, "x.latitude = a number from -90 to 90, got 91"),
        (SORT, "speed", "x = 'price' | 'latency' | a dict, got 'speed'"),
        (SORT, {"by": "speed"}, "x.by = 'price' | 'latency', got 'speed'"),
        ({"refused": "it ended; use y"}, 1, "no x: it ended; use y"),
        ("string", ["y" * 500], f"x = text, got ['{'y' * 78}..."),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(rule: Any, value: Any, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_parameters(spec(x=rule), {"x": value})
    assert str(caught.value).startswith("Acme takes ")
    assert words in str(caught.value)
    assert caught.value.provider == "acme"


def test_fields_that_exclude_each_other_are_refused_together_only() -> None:
    rules = spec(format=["raw"], include={"type": "boolean", "not_with": ["format"]})
    check_parameters(rules, {"format": "raw"})
    check_parameters(rules, {"include": True, "format": None})
    with pytest.raises(InvalidRequest, match="Acme takes include or format, not both"):
        check_parameters(rules, {"format": "raw", "include": False})


@pytest.mark.parametrize(
    ("given", "likely"),
    [
        ("serach_mode", "search_mode"),
        ("searchMode", "search_mode"),
        ("search-mode", "search_mode"),
        ("search_modes", "search_mode"),
        ("temprature", "temperature"),
    ],
)
def test_a_name_that_is_nearly_a_known_one_is_told_as_a_warning(given: str, likely: str) -> None:
    warnings = check_parameters(spec(search_mode=["web"]), {given: "web"}, {"temperature"})
    assert warnings == (f"Acme is not known to take {given}; did you mean {likely!r}?",)


def test_names_that_are_like_none_or_known_elsewhere_pass_without_a_word() -> None:
    rules = spec(search_mode=["web"], top_k="integer")
    assert check_parameters(rules, {"brand_new": 1, "top_a": 1, "search_moods": 1}, {"search_moods"}) == ()
    assert check_parameters(spec(), {"temprature": 1}, {"temperature"}) == ()  # nothing is known of this provider


def test_a_nearly_known_name_inside_of_an_object_is_told_with_its_path() -> None:
    rules = spec(provider={"fields": {"allow_fallbacks": "boolean", "deep": {"fields": {"colour": "string"}}}})
    assert check_parameters(rules, {"provider": {"allow_fallback": True, "deep": {"color": "red"}}}) == (
        "Acme is not known to take provider.allow_fallback; did you mean 'allow_fallbacks'?",
        "Acme is not known to take provider.deep.color; did you mean 'colour'?",
    )


def test_a_rule_may_warn() -> None:
    rules = spec(old={"type": "integer", "warning": "it ends in May"})
    assert check_parameters(rules, {"old": 1}) == ("Acme and old: it ends in May",)
    assert check_parameters(rules, {"other": 1}) == ()


def test_one_of_several_rules_may_warn() -> None:
    rules = spec(choice={"any_of": [["auto"], {"warning": "may be ignored"}]})
    assert check_parameters(rules, {"choice": "auto"}) == ()
    assert check_parameters(rules, {"choice": "required"}) == ("Acme and choice: may be ignored",)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (7, "must be a list of values, a type or a mapping, got int"),
        ("strnig", "type 'strnig' is not known; there are any, boolean"),
        ({"type": "strnig"}, "type 'strnig' is not known"),
        ({"mni": 1}, "unknown field `mni`"),
        ({"min": "low"}, "min"),
        ({"pattern": "("}, "parameters.x: "),
        ({"items": 7}, r"x.items must be a list"),
        ({"fields": {"y": "strnig"}}, r"x.y: type 'strnig'"),
        ({"any_of": [7]}, r"x.any_of must be a list"),
    ],
)
def test_a_mistake_in_a_rule_is_refused_by_its_place(written: Any, words: str) -> None:
    data = {"name": "acme", "wire": "openai_chat", "base_url": "https://a.example", "parameters": {"x": written}}
    with pytest.raises(ConfigurationError) as caught:
        parse_spec(data, "acme.yaml")
    assert str(caught.value).startswith("acme.yaml: ")
    assert words in str(caught.value)


def test_a_spec_with_rules_is_plain_data_that_round_trips() -> None:
    rules = spec(x=SORT, y=DOMAINS, z=["a"])
    again = msgspec.json.decode(msgspec.json.encode(rules), type=ProviderSpec)
    assert again == rules
    assert all(isinstance(rule, Rule) for rule in again.parameters.values())
    assert rules_of(rules.parameters, "test") == rules.parameters


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(NAMES | st.text(max_size=9), JSON, max_size=4))
def test_nothing_but_a_refusal_comes_of_any_value(values: dict[str, Any]) -> None:
    for rules in SPECS:
        try:
            said = check_parameters(rules, values)
        except InvalidRequest as refusal:
            said = (str(refusal),)
        assert all(words.startswith(rules.label) and len(words) < 1000 for words in said)


# -- through a wire


def test_options_are_held_to_the_rules_under_their_name_on_the_wire() -> None:
    limits = {"parameters": {"web_search_options": {"fields": {"search_context_size": ["low", "high"]}}}}
    fine = body(HI, {"web_search": {"search_context_size": "low"}}, fields=limits)
    assert fine["web_search_options"] == {"search_context_size": "low"}
    with pytest.raises(InvalidRequest, match=r"search_context_size = 'low' \| 'high', got 'hgih'"):
        build(HI, {"web_search": {"search_context_size": "hgih"}}, fields=limits)


def test_a_near_miss_in_extra_is_sent_and_told() -> None:
    limits = {"parameters": {"search_mode": ["web"]}}
    request = build(extra={"serach_mode": "web", "max_completion_tokens": 5}, fields=limits)
    assert msgspec.json.decode(request.body)["serach_mode"] == "web"
    assert request.warnings == ("acme is not known to take serach_mode; did you mean 'search_mode'?",)
