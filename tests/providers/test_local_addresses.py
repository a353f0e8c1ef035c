"""Addresses of servers on this machine, as their own variables hold them."""

from __future__ import annotations

import pytest

import exllm
from exllm.access import access
from exllm.config import Env
from exllm.providers import registry
from exllm.providers.spec import ProviderSpec


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("0.0.0.0", "http://localhost:11434"),
        ("0.0.0.0:8080", "http://localhost:8080"),
        (":8080", "http://localhost:8080"),
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box:1/ollama/", "http://box:1/ollama"),
        ("[::1]:11434", "http://[::1]:11434"),
        ("[::]:11434", "http://localhost:11434"),
        ("https://ollama.com", "https://ollama.com"),
    ],
)
def test_ollama_host_in_all_the_forms_that_ollama_takes(given: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.ollama.com/faq: OLLAMA_HOST is where the server listens, and where its clients look for it."""
    monkeypatch.delenv("OLLAMA_BASE_URL", raising=False)
    monkeypatch.setenv("OLLAMA_HOST", given)
    spec = registry.get("ollama")
    assert isinstance(spec, ProviderSpec)
    assert access(spec, Env(), None, None).base_url == used


@pytest.mark.parametrize("given", ["box:port", "box:99999999", "two words"])
def test_an_address_that_is_none_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_BASE_URL", raising=False)
    monkeypatch.setenv("OLLAMA_HOST", given)
    spec = registry.get("ollama")
    assert isinstance(spec, ProviderSpec)
    with pytest.raises(exllm.ConfigurationError, match="base URL for Ollama"):
        access(spec, Env(), None, None)
