"""The error tree: what every error says, and that none shows a key."""

from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm import errors
from exllm.access import access
from exllm.config import Chain, Env, Static
from exllm.providers import registry

KEY = "sk-do-not-show-0123456789"
ALL = [getattr(errors, name) for name in errors.__all__]


def test_every_error_of_the_module_is_public_and_has_the_one_root() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException) and not name.startswith("_")
    }
    assert defined == set(errors.__all__) <= set(exllm.__all__)
    assert all(issubclass(kind, exllm.ExLLMError) for kind in ALL)


def test_the_message_is_followed_by_the_facts_that_are_known() -> None:
    assert str(exllm.RateLimited("slow down")) == "slow down"
    error = exllm.RateLimited("slow down", provider="openai", status=429, request_id="req-1")
    assert str(error) == "slow down (provider=openai, status=429, request_id=req-1)"
    assert repr(exllm.RateLimited("slow down")) == "RateLimited('slow down')"


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        (exllm.ConfigurationError, False),
        (exllm.InvalidRequest, False),
        (exllm.AuthenticationError, False),
        (exllm.QuotaExceeded, False),
        (exllm.BudgetExceeded, False),
        (exllm.ProtocolError, False),
        (exllm.StreamClosed, False),
        (exllm.RateLimited, True),
        (exllm.ServerError, True),
        (exllm.Overloaded, True),
        (exllm.ConnectionFailed, True),
        (exllm.IdleTimeout, True),
        (exllm.StreamInterrupted, True),
    ],
)
def test_retryable_says_whether_the_same_call_may_succeed(kind: type[exllm.ExLLMError], retryable: bool) -> None:
    assert kind("x").retryable is retryable
    assert kind("x", retryable=not retryable).retryable is not retryable
    assert kind.retryable is retryable


def test_a_missing_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY",):
        monkeypatch.delenv(variable, raising=False)
    spec: Any = registry.get("openai")
    with pytest.raises(exllm.ConfigurationError, match=r"no key for OpenAI: set OPENAI_API_KEY, pass api_key="):
        access(spec, Env(), None, None)


def test_no_repr_shows_a_key() -> None:
    spec: Any = registry.get("openai")
    source = Chain(Static({"openai": {"api_key": KEY}}), Env())
    way = access(spec, source, None, None)
    assert way.headers["authorization"] == f"Bearer {KEY}"
    client = exllm.Client(config=source)
    for shown in (way, source, client, client._settings):
        assert KEY not in repr(shown)
        assert KEY not in str(shown)


@pytest.mark.parametrize("key", [f"{KEY}\nx", f"{KEY} x", f"{KEY}é"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    spec: Any = registry.get("openai")
    with pytest.raises(exllm.ConfigurationError, match="characters that no key has") as caught:
        access(spec, Static({}), key, None)
    assert KEY not in repr(caught.value)
