"""A provider as data: what is misspelt or impossible is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from exllm import Timeouts
from exllm.errors import ConfigurationError, InvalidRequest
from exllm.policies.retry import RetryPolicy
from exllm.providers.spec import Auth, Paths, check_parameters, parse_spec

GOOD: dict[str, Any] = {"name": "acme", "wire": "openai_chat", "base_url": "https://api.acme.example/v1"}


def test_three_fields_are_enough() -> None:
    spec = parse_spec(GOOD, "test")
    assert spec.label == "acme"
    assert spec.paths == Paths()
    assert spec.auth == Auth()
    assert spec.timeouts == Timeouts()
    assert spec.retry == RetryPolicy()


def test_a_placeholder_may_have_several_variables() -> None:
    spec = parse_spec(
        {**GOOD, "base_url": "https://{a}.{b}", "settings": {"a": "ONE", "b": ["FIRST", "SECOND"]}}, "test"
    )
    assert (spec.variables_of("a"), spec.variables_of("b"), spec.variables_of("c")) == (
        ("ONE",), ("FIRST", "SECOND"), (),
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="field settings must hold names of environment variables"):
        parse_spec({**GOOD, "base_url": "https://{a}", "settings": {"a": ["ONE", "two"]}}, "test")


def test_a_model_list_may_be_elsewhere() -> None:
    assert parse_spec({**GOOD, "paths": {"models": "/models"}}, "test").models_endpoint() == (None, "/models")
    elsewhere = parse_spec({**GOOD, "paths": {"models": "https://b.example/v1/models"}}, "test")
    assert elsewhere.models_endpoint() == ("https://b.example", "/v1/models")


def test_nested_fields_are_read() -> None:
    spec = parse_spec(
        {
            **GOOD,
            "base_url": "https://{region}.acme.example/v1",
            "settings": {"region": "ACME_REGION"},
            "auth": {"header": "x-key", "prefix": "", "required": False},
            "paths": {"chat": "/chat", "models": None},
            "timeouts": {"idle": 5},
            "retry": {"attempts": 1, "cap_s": 2.5},
        },
        "test",
    )
    assert spec.auth == Auth("x-key", "", False)
    assert spec.paths == Paths("/chat")
    assert spec.timeouts == Timeouts(idle=5)
    assert spec.retry == RetryPolicy(attempts=1, cap_s=2.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nmae": "x"}, "field 'nmae' is not known; did you mean 'name'"),
        ({"auth": {"heder": "x"}}, r"field auth\.heder is not known; did you mean 'header'"),
        ({"timeouts": {"first": 1}}, r"timeouts\.first is not known"),
        ({"paths": {"chats": "/x"}}, r"paths\.chats is not known; did you mean 'chat'"),
        ({"retry": {"tries": 1}}, r"retry\.tries is not known"),
        ({"name": "Acme"}, "lower-case letters"),
        ({"name": "a/b"}, "lower-case letters"),
        ({"name": ""}, "lower-case letters"),
        ({"aliases": ["A B"]}, "lower-case letters"),
        ({"base_url": "api.acme.example"}, "base_url must start with https:// or http://"),
        ({"base_url": "https://a/v1/"}, "end without '/'"),
        ({"base_url": "https://{region}.a"}, "settings must name exactly the placeholders"),
        ({"settings": {"region": "R"}}, "settings must name exactly the placeholders"),
        ({"paths": {"chat": "chat"}}, r"paths\.chat must start with '/'"),
        ({"paths": {"chat": "https://a/chat"}}, r"paths\.chat must start with '/'"),
        ({"paths": {"models": "https://a"}}, r"paths\.models must start with '/'"),
        ({"paths": {"models": "https://{zone}.a/models"}}, r"paths\.models has placeholders"),
        ({"auth": {"kind": "aws"}}, r"auth\.service goes with kind aws"),
        ({"auth": {"service": "bedrock"}}, r"auth\.service goes with kind aws"),
        ({"auth": {"kind": "azure"}}, r"Invalid enum value 'azure' - at `auth\.kind`"),
        ({"unsupported": ["temprature"]}, "option 'temprature' is not known; did you mean 'temperature'"),
        ({"default_model": 7}, "default_model"),
        ({"local": "yes"}, "local"),
        ({"timeouts": {"idle": "long"}}, "idle"),
    ],
)
def test_a_mistake_is_refused_by_its_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_spec({**GOOD, **change}, "acme.yaml")
    assert "acme.yaml" in str(caught.value)


@pytest.mark.parametrize("missing", ["name", "wire", "base_url"])
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        parse_spec({name: value for name, value in GOOD.items() if name != missing}, "test")


@pytest.mark.parametrize("data", [None, [], "acme", 7])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(ConfigurationError, match="test"):
        parse_spec(data, "test")


@pytest.mark.parametrize(
    "change",
    [
        {"api_key_env": ["sk-do-not-show"]},
        {"base_url_env": ["sk-do-not-show"]},
        {"header_env": {"X-Team": "sk-do-not-show"}},
        {"headers": {"Authorization": "Bearer sk-do-not-show"}},
        {"headers": {"X-API-Key": "sk-do-not-show"}},
        {"auth": {"header": "x-own"}, "headers": {"X-Own": "sk-do-not-show"}},
    ],
)
def test_a_key_in_a_spec_is_refused_without_showing_it(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_spec({**GOOD, **change}, "test")
    assert "sk-do-not-show" not in str(caught.value)


def test_a_value_that_the_provider_does_not_take_is_refused_with_those_it_does() -> None:
    spec = parse_spec({**GOOD, "parameters": {"search_mode": ["web", "academic"], "anything": []}}, "test")
    check_parameters(spec, {"search_mode": "web", "anything": 7, "other": 1})
    with pytest.raises(InvalidRequest, match=r"acme takes search_mode = 'web' \| 'academic', got 'news'"):
        check_parameters(spec, {"search_mode": "news"})
