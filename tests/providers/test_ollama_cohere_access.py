"""Where calls to Ollama and Cohere go, and with which key."""

from __future__ import annotations

import pytest

import exllm
from exllm.access import access
from exllm.config import Env, Static
from exllm.providers import ProviderSpec, registry

VARIABLES = ("OLLAMA_BASE_URL", "OLLAMA_HOST", "OLLAMA_API_KEY", "CO_API_URL", "CO_API_KEY", "COHERE_API_KEY")


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_ollama_is_on_this_machine_and_needs_no_key() -> None:
    way = access(spec_of("ollama"), Env(), None, None)
    assert way.base_url == "http://localhost:11434"
    assert "authorization" not in way.headers
    assert registry.configured("ollama", Env())
    assert spec_of("ollama").local


@pytest.mark.parametrize("variable", ["OLLAMA_BASE_URL", "OLLAMA_HOST"])
def test_ollama_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://10.0.0.7:11434/")
    assert access(spec_of("ollama"), Env(), None, None).base_url == "http://10.0.0.7:11434"


def test_ollamas_cloud_is_the_same_api_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "k-123")
    way = access(spec_of("ollama"), Env(), None, "https://ollama.com")
    assert way.base_url + spec_of("ollama").paths.chat == "https://ollama.com/api/chat"
    assert way.headers["authorization"] == "Bearer k-123"


def test_ollama_has_time_to_load_a_model() -> None:
    timeouts = spec_of("ollama").timeouts
    assert (timeouts.first_chunk, timeouts.idle) == (600, 600)


def test_cohere_needs_a_key_under_either_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("cohere")
    with pytest.raises(exllm.ConfigurationError, match="CO_API_KEY"):
        access(spec, Static({}), None, None)
    monkeypatch.setenv("COHERE_API_KEY", "k-old")
    assert access(spec, Env(), None, None).headers["authorization"] == "Bearer k-old"
    monkeypatch.setenv("CO_API_KEY", "k-new")  # the SDK's own name wins, as it does there
    way = access(spec, Env(), None, None)
    assert way.headers["authorization"] == "Bearer k-new"
    assert way.base_url + spec.paths.chat == "https://api.cohere.com/v2/chat"
    monkeypatch.setenv("CO_API_URL", "https://cohere.example.org")
    assert access(spec, Env(), None, None).base_url == "https://cohere.example.org"
