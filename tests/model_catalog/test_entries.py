"""A provider's list, filled in by the catalog: the provider's word goes first, and each row says what is from where."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from exllm.model_catalog import model_info, store
from exllm.model_catalog.entries import entry_of, filled, list_entries
from exllm.types.model import ModelEntry


@pytest.fixture(autouse=True)
def own_figures(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A provider's models that no sync changes."""
    path = tmp_path / "openai.yml"
    path.write_text(
        "provider: openai\n"
        "models:\n"
        "  gpt-full: {name: Full, modes: [chat], context_window: 1000, max_output_tokens: 100, input: [text, image],\n"
        "    output: [text], capabilities: [function_calling, vision], prices: [{input: 1.0, output: 2.0},\n"
        "    {tier: batch, input: 0.5}], knowledge_cutoff: 2025-01, released: 2025-03-01, status: deprecated,\n"
        "    deprecation_date: 2026-12-01, successor: gpt-next}\n"
        "  gpt-image-x: {modes: [chat]}\n"
        "  gpt-input: {max_input_tokens: 500}\n"
    )
    monkeypatch.setenv("EXLLM_CATALOG", str(path))
    store.reload()
    yield
    store.reload()


def one(id: str, provider: str = "openai", **told: Any) -> ModelEntry:
    (entry,) = filled([ModelEntry(provider, id, **told)], provider)
    return entry


def test_a_silent_row_gets_all_that_the_catalog_knows() -> None:
    entry = one("gpt-full", created=7, raw={"id": "gpt-full"})
    expected = entry_of(model_info("openai/gpt-full"), "openai", "gpt-full")  # type: ignore[arg-type]
    told = ("created", "raw", "source", "from_catalog")
    fields = [name for name in ModelEntry.__struct_fields__ if name not in told]
    assert {name: getattr(entry, name) for name in fields} == {name: getattr(expected, name) for name in fields}
    assert (entry.created, entry.raw, entry.source) == (7, {"id": "gpt-full"}, "provider")
    assert entry.from_catalog == (
        "capabilities", "context_window", "deprecation_date", "input_modalities", "input_usd_per_mtok", "kinds",
        "knowledge_cutoff", "max_output_tokens", "name", "output_modalities", "output_usd_per_mtok", "released",
        "status", "successor",
    )  # fmt: skip
    assert (entry.input_usd_per_mtok, entry.output_usd_per_mtok) == (1.0, 2.0)  # not those of the batch tier


def test_the_providers_word_goes_first_a_price_of_nothing_too() -> None:
    entry = one("gpt-full", name="Its own", context_window=7, input_usd_per_mtok=0.0, input_modalities=("text",))
    assert (entry.name, entry.context_window, entry.input_usd_per_mtok) == ("Its own", 7, 0.0)
    assert entry.input_modalities == ("text",)
    assert not {"name", "context_window", "input_usd_per_mtok", "input_modalities"} & set(entry.from_catalog)
    assert entry.max_output_tokens == 100


def test_capabilities_are_added_up_but_not_what_the_provider_denies() -> None:
    entry = one("gpt-full", capabilities=("reasoning",), raw={"capabilities": {"reasoning": True, "vision": False}})
    assert entry.capabilities == ("function_calling", "reasoning")
    assert "capabilities" in entry.from_catalog
    denied = one("gpt-full", raw={"capabilities": {"tools": False, "vision": False}})
    assert denied.capabilities == ()
    assert "capabilities" not in denied.from_catalog


def test_a_kind_that_was_read_from_the_name_gives_way_and_one_that_was_told_does_not() -> None:
    assert one("gpt-image-x", kinds=("image",)).kinds == ("chat",)
    told = one("gpt-image-x", kinds=("image",), raw={"type": "image"})
    assert told.kinds == ("image",)
    assert "kinds" not in told.from_catalog


def test_an_unknown_model_stays_as_it_is() -> None:
    entry = ModelEntry("openai", "no-such-model-9", kinds=("chat",))
    assert filled([entry], "openai") == [entry]
    assert filled([ModelEntry("not-in-the-catalog", "m")], "not-in-the-catalog")[0].from_catalog == ()


def test_a_local_model_costs_nothing_whether_known_or_not() -> None:
    entry = one("never-heard-of:1b", provider="ollama")
    assert (entry.input_usd_per_mtok, entry.output_usd_per_mtok) == (0.0, 0.0)
    assert entry.from_catalog == ("input_usd_per_mtok", "output_usd_per_mtok")


def test_a_limit_of_the_input_stands_for_an_unknown_window() -> None:
    assert one("gpt-input").context_window == 500


def test_the_catalogs_own_rows_are_listed_once_each() -> None:
    entries = list_entries(["openai", "anthropic", "openai"])
    names = [(entry.provider, entry.id) for entry in entries]
    assert names == sorted(set(names))
    assert {entry.provider for entry in entries} == {"anthropic", "openai"}
    assert {entry.source for entry in entries} == {"catalog"}


def test_the_catalog_is_not_read_before_a_list_is_asked_for() -> None:
    code = (
        "import sys, exllm, exllm.client; store = sys.modules.get('exllm.model_catalog.store');"
        "print('exllm.model_catalog.entries' in sys.modules, store is not None and store.opened is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
