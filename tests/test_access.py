"""Ways to providers are found once, as `access` finds them, and are forgotten with the client."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import exllm
from exllm.access import _MOST, Access, Ways, access
from exllm.config import Chain, Env, Static
from exllm.providers import registry
from exllm.providers.spec import ProviderSpec

KEY = "sk-secret-of-one-client"


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


@pytest.mark.parametrize("name", ["openai", "bedrock", "ollama", "azure", "openrouter"])
def test_a_way_is_what_access_gives_and_is_made_once(name: str) -> None:
    source = Static({name: {"api_key": KEY, "resource": "r", "region": "eu-west-1"}})
    ways, spec = Ways(source), spec_of(name)
    way = ways.to(spec)
    assert way == access(spec, source, None, None)
    assert ways.to(spec) is way
    assert ways.to(spec, "other") == access(spec, source, "other", None)
    assert ways.to(spec, None, "https://else.example/v1") == access(spec, source, None, "https://else.example/v1")
    assert ways.to(spec) is way


def test_the_address_is_filled_in_once() -> None:
    ways, spec = Ways(Static({"bedrock": {"api_key": KEY, "region": "eu-west-1"}})), spec_of("bedrock")
    assert ".eu-west-1." in ways.to(spec).spec.base_url
    assert ways.to(spec, "another-key").spec is ways.to(spec).spec


KEYS = {"aws_access_key_id": "AK", "aws_secret_access_key": KEY, "region": "eu-west-1"}


def test_keys_that_never_change_share_their_signer() -> None:
    ways, spec = Ways(Static({"bedrock": KEYS})), spec_of("bedrock")
    assert ways.to(spec).signer is not None
    assert ways.to(spec) is ways.to(spec)
    assert ways.to(spec, "a-bearer-key").signer is None
    ways.forget()
    assert not ways._fixed


PROFILE = {"aws_profile": "p", "region": "eu-west-1"}


@pytest.mark.parametrize("source", [Chain(Static({"bedrock": KEYS})), Static({"bedrock": PROFILE})])
def test_other_signed_calls_share_the_spec_and_not_the_signer(source: Any) -> None:
    ways, spec = Ways(source), spec_of("bedrock")
    one, two = ways.to(spec), ways.to(spec)
    assert one.signer is not None
    assert one.signer is not two.signer
    assert one.spec is two.spec


def test_the_environment_is_asked_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (Env(), Chain(Static({}), Env())):
        ways, spec = Ways(source), spec_of("openai")
        for key in ("one", "two", "one"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            assert ways.to(spec).secret == key
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(exllm.ConfigurationError):
            ways.to(spec)


def test_a_wrong_key_is_refused_after_a_right_one() -> None:
    ways, spec = Ways(Static({"openai": {"api_key": KEY}})), spec_of("openai")
    ways.to(spec)
    with pytest.raises(TypeError, match="api_key"):
        ways.to(spec, 1)  # type: ignore[arg-type]


def test_many_keys_are_not_kept() -> None:
    ways, spec = Ways(Static({})), spec_of("openai")
    for number in range(3 * _MOST):
        assert ways.to(spec, f"key-{number}").secret == f"key-{number}"
        assert len(ways) <= _MOST


def test_another_spec_of_the_same_name_is_another_way() -> None:
    import msgspec

    ways, spec = Ways(Static({"openai": {"api_key": KEY}})), spec_of("openai")
    ways.to(spec)
    moved = msgspec.structs.replace(spec, base_url="https://moved.example")
    assert ways.to(moved).base_url == "https://moved.example"


def _holding(key: str) -> list[Access]:
    return [found for found in gc.get_objects() if type(found) is Access and found.secret == key]


async def test_a_key_goes_with_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    client: Any = exllm.Client()
    client._stream(client._prepare("openai/m", "Hi.", {}, True, None, None, False, None), None, None)
    assert len(client._ways) == 1
    gone = weakref.ref(client._ways)
    await client.aclose()
    assert len(client._ways) == 0
    del client
    gc.collect()
    assert gone() is None
    assert not _holding(KEY)


async def test_nothing_but_the_client_keeps_the_key() -> None:
    key = KEY + "-2"
    client: Any = exllm.Client(config=Static({"openai": {"api_key": key}}))
    client._stream(client._prepare("openai/m", "Hi.", {}, True, None, None, False, None), None, None)
    assert _holding(key)
    await client.aclose()
    del client
    gc.collect()
    assert not _holding(key)
