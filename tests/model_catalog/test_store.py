"""The catalog in memory: what is read when, whose word counts, which model an id means."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exllm import model_catalog
from exllm.errors import ConfigurationError
from exllm.model_catalog import compiled, model_info, store
from exllm.model_catalog.schema import ModelInfo, ProviderModels, Rates, Source


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file of the person who runs the tests, and none of these tests for the others."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EXLLM_CATALOG", raising=False)
    model_catalog.reload()
    yield
    model_catalog.reload()


def _user_file(tmp_path: Path, text: str, name: str = "mine.yml") -> Path:
    path = tmp_path / "config" / "exllm" / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _known(model: str) -> ModelInfo:
    info = model_info(model)
    assert info is not None, model
    return info


# -- reading


def test_only_the_provider_that_is_asked_for_is_read() -> None:
    catalog = store.current()
    assert catalog._loaded == {}
    _known("anthropic/claude-sonnet-4-5")
    assert list(catalog._loaded) == ["anthropic"]


def test_the_first_model_of_a_provider_takes_milliseconds_and_the_next_under_two_microseconds() -> None:
    def first(name: str) -> float:
        model_catalog.reload()
        began = time.process_time()
        assert store.current().provider(name) is not None
        return time.process_time() - began

    for name in ("openai", "openrouter", "bedrock"):  # the largest are nano-gpt, openrouter, fireworks
        assert min(first(name) for _ in range(5)) < 0.015
    models = store.current().provider("openrouter")
    assert models is not None

    def again() -> float:
        began = time.process_time()
        for _ in range(1_000):
            models.find("openai/gpt-4o")
        return (time.process_time() - began) / 1_000

    assert min(again() for _ in range(20)) < 2e-6


def test_many_threads_read_a_provider_once() -> None:
    seen: list[object] = []
    gate = threading.Barrier(8)

    def read() -> None:
        gate.wait()
        seen.append(store.current().provider("openrouter"))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in seen}) == 1


def test_q03_asking_the_catalog_opens_no_socket_and_needs_no_yaml() -> None:
    code = """
import sys
def hook(event, args):
    assert not event.startswith("socket."), event
sys.addaudithook(hook)
from exllm import model_catalog
assert model_catalog.model_info("openai", "gpt-4o").context_window == 128_000
assert "yaml" not in sys.modules, "the compiled form is read"
assert "aiohttp" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "HOME": "/nonexistent"})


# -- which model an id means


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("anthropic/claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
        ("anthropic/claude-3-7-sonnet", "claude-3-7-sonnet-20250219"),
        ("claude/claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("openai/GPT-4o", "gpt-4o"),
        ("openai/gpt-4o-2099-01-01", "gpt-4o"),
        ("openai/ft:gpt-4o-mini-2024-07-18:acme::abc", "ft:gpt-4o-mini-2024-07-18"),
        ("openai-responses/gpt-4o", "gpt-4o"),
        ("gemini/models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("groq/groq/openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("groq/groq/compound", "groq/compound"),
        ("bedrock/eu.anthropic.claude-opus-4-7", "eu.anthropic.claude-opus-4-7"),
        ("bedrock/nova-lite", "us.amazon.nova-lite-v1:0"),
        ("poe/claude-sonnet-4.5", "anthropic/claude-sonnet-4.5"),
        ("ai21/jamba-large", "jamba-large-1.7"),
    ],
)  # fmt: skip
def test_an_id_in_any_of_its_forms(asked: str, meant: str) -> None:
    info = _known(asked)
    assert meant in (info.id, *info.aliases, *info.regional_ids)


@pytest.mark.parametrize("asked", ["openai/gpt-99", "anthropic/claude", "openai/", "mistral/gpt-4o"])
def test_an_unknown_id_is_none_and_not_guessed(asked: str) -> None:
    assert model_info(asked) is None


def test_an_unknown_provider_is_told_with_near_names() -> None:
    with pytest.raises(ConfigurationError, match="unknown provider 'antropic'; did you mean 'anthropic'"):
        model_info("antropic", "claude")


def test_ids_that_are_not_known_are_remembered_within_bounds() -> None:
    models = store.current().provider("openai")
    assert models is not None
    for number in range(store._MOST_GUESSES + 10):
        assert models.find(f"nobody-{number}") is None
    assert len(models._guessed) <= store._MOST_GUESSES


# -- whose word counts


def test_a_file_of_the_user_changes_the_fields_it_gives_and_adds_models(tmp_path: Path) -> None:
    path = _user_file(
        tmp_path,
        """
provider: openai
sources: {contract: {as_of: 2026-11-01}}
models:
  gpt-4o:
    prices: [{input: 2, output: 8}]
    released: 2024-05-13
    from: {prices: contract}
  gpt-house: {context_window: 5000, modes: [chat]}
""",
    )
    info = _known("openai/gpt-4o")
    assert info.prices == (Rates(input=2.0, output=8.0),)
    assert (info.provider, info.id, info.context_window) == ("openai", "gpt-4o", 128_000)
    assert info.released == "2024-05-13"
    assert info.source_of("prices") == "contract"
    assert info.source_of("released") == str(path)
    assert _known("openai/gpt-house").context_window == 5000
    assert info in model_catalog.list_all("openai")


def test_the_environments_files_go_over_the_folders_and_a_provider_may_be_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _user_file(tmp_path, "provider: acme-cloud\nmodels: {m: {context_window: 1, max_output_tokens: 7}}")
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "a.yaml").write_text("provider: acme-cloud\nmodels: {m: {context_window: 2}}")
    single = tmp_path / "single.yml"
    single.write_text("provider: acme-cloud\nmodels: {n: {context_window: 3}}")
    monkeypatch.setenv("EXLLM_CATALOG", os.pathsep.join(["", str(folder), str(single)]))
    model_catalog.reload()
    assert (_known("acme-cloud/m").context_window, _known("acme-cloud/m").max_output_tokens) == (2, 7)
    assert _known("acme-cloud/n").context_window == 3
    assert "acme-cloud" in model_catalog.list_providers()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("provider: openai\nmodels: {gpt-4o: {contextwindow: 5}}", "contextwindow"),
        ("provider: openai\nmodels: {gpt-4o: {context_window: many}}", "Expected `int | null`"),
        ("provider: openai\nmodels: {gpt-4o: 5}", "mine.yml"),
        ("provider: openai\nmodel: {}", "not \\['model'\\]"),
        ("- a\n- b", "a catalog file is a mapping"),
        ("provider: [", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_told_by_its_name(text: str, complaint: str, tmp_path: Path) -> None:
    path = _user_file(tmp_path, text)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        model_info("openai", "gpt-4o")
    assert str(path) in str(caught.value)


def _own_copy(as_of: str) -> None:
    models = {"only-mine": ModelInfo(context_window=9)}
    compiled.write(store.data_file(), [ProviderModels("acme-cloud", {"litellm": Source(as_of)}, models)])
    model_catalog.reload()


def test_the_users_copy_counts_when_it_is_newer_and_not_when_it_is_older() -> None:
    _own_copy("2099-01-01")
    assert model_catalog.list_providers() == ["acme-cloud"]
    assert _known("acme-cloud/only-mine").context_window == 9
    _own_copy("2020-01-01")
    assert len(model_catalog.list_providers()) > 200


def test_a_damaged_copy_of_the_user_is_told_and_exllms_own_is_used() -> None:
    store.data_file().parent.mkdir(parents=True)
    store.data_file().write_bytes(b"rubbish")
    model_catalog.reload()
    with pytest.warns(UserWarning, match="exllm's own catalog is used"):
        assert _known("openai/gpt-4o").context_window == 128_000


def test_update_writes_a_copy_that_is_used_at_once(tmp_path: Path) -> None:
    sources = {
        "litellm": '{"gpt-a": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 10}}',
        "genai-prices": "[]",
        "models.dev": "{}",
    }
    places = {}
    for name, text in sources.items():
        places[name] = str(tmp_path / f"{name}.json")
        Path(places[name]).write_text(text)
        os.utime(places[name], (4_000_000_000, 4_000_000_000))  # in 2096: newer than exllm's own
    done = model_catalog.update(sources=places)
    assert done.path == store.data_file()
    assert "openai/gpt-a" in done.new
    assert "anthropic/claude-sonnet-4-5-20250929" in done.gone
    assert done.as_of == "2096-10-02"
    assert _known("openai/gpt-a").context_window == 10
    assert model_info("openai", "gpt-4o") is None


def test_an_update_that_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        model_catalog.update(
            sources=dict.fromkeys(("litellm", "genai-prices", "models.dev"), str(tmp_path / "no.json"))
        )
    assert not store.data_file().exists()
    assert _known("openai/gpt-4o")
