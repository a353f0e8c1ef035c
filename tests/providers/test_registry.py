"""Finding, registering and listing providers and wires."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.config import Env, Static
from exllm.errors import ConfigurationError
from exllm.providers import ProviderSpec, registry
from exllm.providers.parameters import Rule

ACME: dict[str, Any] = {
    "name": "acme",
    "wire": "openai_chat",
    "base_url": "https://api.acme.example/v1",
    "api_key_env": ["ACME_API_KEY"],
    "default_model": "acme-large",
    "aliases": ["acme-ai"],
}


class Echo:
    """A whole foreign backend."""

    name = "echo"

    async def chat(self, request: exllm.Request) -> exllm.Response:
        return exllm.Response()

    async def stream(self, request: exllm.Request) -> AsyncIterator[exllm.Chunk]:
        yield exllm.TextDelta("echo")
        yield exllm.Finish("stop")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(registry._registered), dict(registry._registered_aliases), dict(registry._registered_wires)
    yield
    for table, entries in zip(
        (registry._registered, registry._registered_aliases, registry._registered_wires), before, strict=True
    ):
        table.clear()
        table.update(entries)  # type: ignore[arg-type]


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


# -- model strings


@pytest.mark.parametrize(
    ("given", "provider", "model"),
    [
        ("openai/gpt-4.1-mini", "openai", "gpt-4.1-mini"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("groq", "groq", None),
        ("local//models/tiny.gguf", "local", "/models/tiny.gguf"),
        ("claude/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("grok", "xai", None),
    ],
)
def test_a_model_string_is_split_once_and_aliases_become_names(given: str, provider: str, model: str | None) -> None:
    assert registry.parse_model(given) == (provider, model)


@pytest.mark.parametrize(
    ("given", "near"),
    [("opnai/gpt-4o", "'openai'"), ("OpenAI/gpt-4o", "'openai'"), ("mistrall", "'mistral'"), ("Groq", "'groq'")],
)
def test_an_unknown_provider_is_never_guessed_but_near_names_are_told(given: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown provider") as caught:
        registry.parse_model(given)
    assert near in str(caught.value)
    assert "did you mean" in str(caught.value)


def test_a_bare_model_name_is_told_how_models_are_written() -> None:
    with pytest.raises(
        ConfigurationError, match=r"a model is written 'provider/model', such as 'openai/gpt-4\.1-mini'"
    ):
        registry.parse_model("xyzzy-7b")


@pytest.mark.parametrize("given", ["", "/", "/gpt-4o", "openai/"])
def test_half_a_model_string_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError):
        registry.parse_model(given)


@pytest.mark.parametrize("given", [None, 7, b"openai", ["openai"]])
def test_a_model_that_is_no_string_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError, match="'provider/model'"):
        registry.parse_model(given)


# -- registering


@pytest.mark.parametrize("form", ["dict", "text", "path", "str path", "spec"])
def test_a_provider_is_registered_in_any_form(form: str, tmp_path: Path) -> None:
    text = "\n".join(f"{name}: {value}" for name, value in ACME.items())
    path = tmp_path / "acme.yaml"
    path.write_text(text)
    given: Any = {
        "dict": ACME,
        "text": text,
        "path": path,
        "str path": str(path),
        "spec": ProviderSpec(
            "acme",
            "openai_chat",
            "https://api.acme.example/v1",
            api_key_env=("ACME_API_KEY",),
            default_model="acme-large",
            aliases=("acme-ai",),
        ),
    }[form]
    added = registry.register(given)
    assert registry.get("acme") is added is registry.get("acme-ai")
    assert registry.parse_model("acme-ai/x") == ("acme", "x")
    assert added == registry.parse_spec(ACME, "test")


def test_the_example_of_the_package_works_as_it_is_written() -> None:
    example = textwrap.dedent(exllm.providers.__doc__.partition("# acme.yaml\n")[2].partition("\n::\n")[0])  # type: ignore[union-attr]
    spec: Any = registry.register(example)
    assert (spec.name, spec.label, spec.default_model) == ("acme", "Acme AI", "acme-large")
    assert spec.parameters == {"reasoning_effort": Rule(values=("low", "high"))}
    assert spec.timeouts == exllm.Timeouts(first_chunk=300)
    assert spec.limits == exllm.providers.Limits(images=5)
    assert len(example.splitlines()) <= 24


async def test_a_foreign_backend_is_registered_and_called_like_any_other() -> None:
    registry.register(Echo())
    async with exllm.Client() as client, client.stream("echo/any", "Hi") as stream:
        assert [text async for text in stream.text()] == ["echo"]


def test_a_taken_name_or_alias_is_refused_unless_replaced() -> None:
    with pytest.raises(ConfigurationError, match="'openai' is taken by the provider 'openai'; pass replace=True"):
        registry.register({**ACME, "name": "openai"})
    with pytest.raises(ConfigurationError, match="'grok' is taken by the provider 'xai'"):
        registry.register({**ACME, "aliases": ["grok"]})
    assert registry.parse_model("grok") == ("xai", None)
    registry.register({**ACME, "name": "openai", "aliases": []}, replace=True)
    assert registry.get("openai").default_model == "acme-large"  # type: ignore[union-attr]
    registry.unregister("openai")
    assert registry.get("openai").default_model == "gpt-4.1-mini"  # type: ignore[union-attr]


def test_an_alias_that_replaces_a_built_in_name_wins_also_after_that_was_used() -> None:
    assert registry.get("groq").name == "groq"
    registry.register({**ACME, "aliases": ["groq"]}, replace=True)
    assert registry.parse_model("groq/x") == ("acme", "x")
    registry.unregister("acme")
    assert registry.parse_model("groq/x") == ("groq", "x")


def test_unregistering_what_is_not_there_is_fine() -> None:
    registry.unregister("nobody")
    registry.unregister("openai")
    assert registry.get("openai").name == "openai"


@pytest.mark.parametrize("given", [None, 7, ["a"], Echo, object()])
def test_what_is_no_provider_is_refused_with_what_would_be_one(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a dict, the path of a YAML file, a ProviderSpec"):
        registry.register(given)


def test_a_bad_yaml_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text("name: [acme\n")
    with pytest.raises(ConfigurationError, match=r"acme\.yaml is not valid YAML"):
        registry.register(path)
    with pytest.raises(ConfigurationError, match=r"cannot read the provider spec .*absent\.yaml"):
        registry.register(str(tmp_path / "absent.yaml"))


def test_yaml_cannot_run_code() -> None:
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        registry.register("name: acme\nbase_url: !!python/object/apply:os.getcwd []\n")


def test_quirks_that_the_wire_does_not_know_are_refused_with_near_names() -> None:
    with pytest.raises(
        ConfigurationError, match=r"quirk 'max_token_field' is not known; did you mean 'max_tokens_field'"
    ):
        registry.register({**ACME, "quirks": ["max_token_field"]})
    with pytest.raises(ConfigurationError, match=r"unknown wire 'openai_chats'; did you mean 'openai_chat'"):
        registry.register({**ACME, "wire": "openai_chats"})


# -- listing


def test_the_list_has_every_name_once_sorted_with_what_people_need() -> None:
    registry.register(ACME)
    registry.register(Echo())
    infos = registry.list_providers()
    names = [info.name for info in infos]
    assert names == sorted(set(names))
    assert {"openai", "anthropic", "local", "mock", "acme", "echo"} <= set(names)
    by_name = {info.name: info for info in infos}
    assert by_name["openai"].requires_key
    assert by_name["openai"].api_key_env == ("OPENAI_API_KEY",)
    assert by_name["lmstudio"].local
    assert not by_name["lmstudio"].requires_key
    assert by_name["acme"].aliases == ("acme-ai",)
    assert by_name["echo"].wire is None


def test_configured_tells_whether_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert not registry.configured("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert registry.configured("openai", Env())
    assert not registry.configured("openai", Static({}))
    assert registry.configured("lmstudio", Static({}))
    key = {"cloudflare": {"api_key": "k"}}
    assert not registry.configured("cloudflare", Static(key))
    assert registry.configured("cloudflare", Static({"cloudflare": {"api_key": "k", "account_id": "a"}}))
    assert registry.configured("cloudflare", Static({"cloudflare": {"api_key": "k", "base_url": "https://x"}}))


# -- wires


class Morse:
    name = "morse"
    framing = "sse"
    options: frozenset[str] = frozenset()


def test_a_new_wire_brings_its_quirks() -> None:
    wire: Any = Morse()
    registry.register_wire(wire, quirks=["slow"])
    assert registry.wire("morse") is wire
    registry.register({**ACME, "wire": "morse", "quirks": ["slow"]})
    with pytest.raises(ConfigurationError, match="morse quirk 'fast' is not known"):
        registry.register({**ACME, "name": "other", "aliases": [], "wire": "morse", "quirks": ["fast"]})
    with pytest.raises(ConfigurationError, match="there is a wire 'morse' already"):
        registry.register_wire(wire)
    registry.register_wire(wire, replace=True)


def test_an_unknown_wire_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown wire 'opnai_chat'; did you mean 'openai_chat'.*; there are"):
        registry.wire("opnai_chat")


# -- laziness and threads


def test_the_first_use_of_a_provider_reads_one_file_and_importing_reads_none() -> None:
    assert (
        in_a_fresh_process("""
        import sys
        from exllm.providers import registry
        assert "yaml" not in sys.modules
        assert not [name for name in sys.modules if name.startswith(("exllm.providers.openai", "exllm.providers.anth"))]
        read = []
        original = registry._read_built_in
        registry._read_built_in = lambda name: read.append(name) or original(name)
        registry.parse_model("groq/x")
        assert read == []
        registry.get("groq"); registry.get("groq")
        print(read)
    """)
        == "['groq']"
    )


def test_listing_imports_no_wire_no_backend_and_reads_no_key() -> None:
    assert (
        in_a_fresh_process("""
        import os, sys
        class Guarded(dict):
            def __getitem__(self, key): raise AssertionError(key)
            def get(self, key, default=None): raise AssertionError(key)
        import yaml  # reads the environment itself, when imported
        from exllm.providers import registry
        os.environ = Guarded()
        assert len(registry.list_providers()) > 25
        print([name for name in sys.modules if name.startswith(("exllm.providers.openai", "exllm.local.", "aiohttp"))])
    """)
        == "[]"
    )


def test_threads_that_ask_at_once_get_the_same_object() -> None:
    made = in_a_fresh_process("""
        import threading, time
        from exllm.providers import registry
        class Slow:
            name = "mock"
            def __init__(self): time.sleep(0.05)
            async def chat(self, request): ...
            def stream(self, request): ...
        registry._resolve = lambda target: Slow
        start, found = threading.Barrier(8), []
        def ask():
            start.wait()
            found.append(registry.get("mock"))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        [thread.start() for thread in threads]; [thread.join() for thread in threads]
        print(len(found), len(set(map(id, found))))
    """)
    assert made == "8 1"


def test_registering_from_many_threads_loses_nothing() -> None:
    def add(number: int) -> None:
        registry.register({**ACME, "name": f"acme-{number}", "aliases": [f"a{number}"]})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {registry.parse_model(f"a{number}")[0] for number in range(20)} == {f"acme-{number}" for number in range(20)}
