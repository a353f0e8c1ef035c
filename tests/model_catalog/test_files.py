"""The catalog as it is shipped: the YAML files, the compiled form, and what they must hold."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import msgspec
import pytest

from exllm import providers
from exllm.model_catalog import compiled, store
from exllm.model_catalog.compiled import CompiledCatalog, with_names
from exllm.model_catalog.schema import UNITS, ModelInfo, ProviderModels
from exllm.model_catalog.sync.names import LOCAL
from exllm.model_catalog.sync.write import provider_yaml
from exllm.model_catalog.vocabulary import CAPABILITIES, MODALITIES, MODES
from exllm.model_catalog.yaml_files import read_yaml

MODELS = Path(store.__file__).parent / "models"
FILES = sorted(MODELS.glob("*.yml"), key=lambda path: path.stem)


@functools.cache
def _file(path: Path) -> ProviderModels:
    return msgspec.convert(read_yaml(path), ProviderModels)


def _all() -> list[ModelInfo]:
    return [model for path in FILES for model in with_names(_file(path)).models.values()]


def test_there_are_more_models_than_in_anyones_list() -> None:
    assert len(FILES) >= 200
    models = _all()
    assert len(models) >= 9_500
    assert sum(1 for model in models if model.prices) >= 8_500
    assert sum(1 for model in models if model.context_window) >= 8_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_compiled_form_holds_what_the_yaml_says(path: Path) -> None:
    packaged = CompiledCatalog(store.PACKAGED)
    assert packaged.read(path.stem) == with_names(_file(path))


def test_the_compiled_form_has_no_provider_more_and_is_small() -> None:
    packaged = CompiledCatalog(store.PACKAGED)
    assert sorted(packaged.head.providers) == [path.stem for path in FILES]
    assert store.PACKAGED.stat().st_size < 700_000
    assert sum(path.stat().st_size for path in FILES) < 6_000_000


def test_a_file_written_again_from_what_it_says_is_the_same_file() -> None:
    for path in FILES:
        assert provider_yaml(_file(path)) == path.read_text(encoding="utf-8"), path.name


def test_the_words_are_those_of_the_vocabulary() -> None:
    for model in _all():
        where = f"{model.provider}/{model.id}"
        assert set(model.capabilities) <= set(CAPABILITIES), where
        assert set(model.lacks) <= set(CAPABILITIES), where
        assert not set(model.capabilities) & set(model.lacks), where
        assert set(model.modes) <= set(MODES), where
        assert set(model.input) | set(model.output) <= set(MODALITIES), where
        assert model.status in (None, "deprecated", "beta", "alpha"), where


def test_dates_are_dates() -> None:
    for model in _all():
        for date in (model.released, model.knowledge_cutoff, model.deprecation_date):
            assert date is None or re.fullmatch(r"20\d\d(-[01]\d(-[0-3]\d)?)?", date), f"{model.provider}/{model.id}"


def test_figures_are_sane() -> None:
    for model in _all():
        where = f"{model.provider}/{model.id}"
        for tokens in (model.context_window, model.max_output_tokens, model.max_input_tokens):
            assert tokens is None or 0 < tokens <= 100_000_000, where
        for row in model.prices:
            rates = {unit: getattr(row, unit) for unit in UNITS if getattr(row, unit) is not None}
            assert rates, where
            assert all(usd >= 0 for usd in rates.values()), where
            assert all(usd <= 2_000 for usd in rates.values()), where


def test_every_figure_says_where_it_is_from_and_as_of_when() -> None:
    for path in FILES:
        file = _file(path)
        known = {*file.sources, "derived"}
        for id, model in file.models.items():
            for field in ModelInfo.__struct_fields__:
                if field not in ("provider", "id", "origin") and getattr(model, field) not in (None, ()):
                    assert model.source_of(field) in known, f"{path.stem}/{id}: {field}"
            assert all(row.source is None or row.source in known for row in model.prices), id
        assert all(re.fullmatch(r"20\d\d-\d\d(-\d\d)?", source.as_of) for source in file.sources.values())
        assert all(source.licence.startswith("MIT") for name, source in file.sources.items() if name != "override"), (
            path.stem
        )


REAL_IDS = {"groq/compound", "groq/compound-mini", "together/Tev1-4B-experimental"}  # what their own APIs call them


def test_ids_have_no_prefix_of_their_provider() -> None:
    """The ancestor kept `groq/`, `mistral/`, `perplexity/` and `ollama/`, so that the ids of the API had no price."""
    for name in ("groq", "mistral", "ollama", "openai", "anthropic", "gemini", "vertex", "azure", "bedrock", "xai",
                 "deepseek", "cohere", "together", "fireworks", "cerebras", "deepinfra"):  # fmt: skip
        prefixes = (f"{name}/", "vertex_ai/", "azure_ai/", "fireworks_ai/", "together_ai/", "bedrock_converse/")
        for id in _file(MODELS / f"{name}.yml").models:
            assert not id.startswith(prefixes) or id in REAL_IDS, f"{name}/{id}"


def test_small_prices_are_not_rounded() -> None:
    """The ancestor rounded to four places per million, which made nothing of the cheapest models."""
    smallest = min(
        row.input for model in _all() for row in model.prices if row.input and model.provider != "openrouter"
    )
    assert smallest < 0.005
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    assert not re.search(r": \d+(\.\d+)?e-?\d+[,}]", text), "YAML 1.1 reads 1e-07 as a word"


def test_every_provider_of_ours_with_models_of_its_own_is_in_the_catalog_under_our_name() -> None:
    hosted = [info.name for info in providers.list_providers() if not info.local]
    without = {name for name in hosted if store.current().name_of(name) is None}
    assert not without & {
        "openai", "openai-responses", "anthropic", "azure", "azure-responses", "bedrock", "bedrock-invoke", "gemini",
        "vertex", "groq", "mistral", "xai", "perplexity", "openrouter", "cohere", "together", "fireworks", "deepseek",
        "deepinfra", "cerebras", "databricks", "snowflake", "nvidia", "moonshot", "huggingface", "alibaba", "zhipu",
        "zai", "minimax", "meta-llama", "github-models", "cloudflare", "digitalocean", "vercel", "novita",
    }  # fmt: skip
    assert len(without) <= 6, without


def test_default_models_are_known() -> None:
    """The ancestor's defaults were its script's first picks: others than those used, with another price."""
    unknown = []
    for info in providers.list_providers():
        models = store.current().provider(info.name)
        if models is not None and info.default_model and not info.local and not models.find(info.default_model):
            unknown.append(f"{info.name}/{info.default_model}")
    assert len(unknown) <= 3, unknown


def test_local_providers_have_no_prices() -> None:
    for path in FILES:
        if path.stem in LOCAL:
            assert not any(model.prices for model in _file(path).models.values()), path.stem


@pytest.mark.parametrize(
    ("provider", "text", "where"),
    [
        ("m", "provider: m\nmodels: {a: {windowsize: 5}}", "windowsize"),
        ("m", "provider: m\nmodels: {a: {prices: [{inputs: 5}]}}", "inputs"),
        ("m", "provider: m\nmodel: {}", "model"),
        ("m", "provider: m\nsources: {s: {as_of: 2026-01, site: x}}", "site"),
    ],
)
def test_unknown_fields_are_refused(provider: str, text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / f"{provider}.yml"
    path.write_text(text)
    with pytest.raises(msgspec.ValidationError, match=where):
        msgspec.convert(read_yaml(path), ProviderModels)


def test_a_compiled_file_that_is_cut_or_foreign_is_told(tmp_path: Path) -> None:
    from exllm.errors import ConfigurationError

    path = tmp_path / "catalog.bin"
    compiled.write(path, [ProviderModels("acme", {}, {"m": ModelInfo(context_window=8)})])
    whole = path.read_bytes()
    found = CompiledCatalog(path).read("acme")
    assert found is not None
    assert found.models["m"] == ModelInfo("acme", "m", context_window=8)
    assert CompiledCatalog(path).read("other") is None
    path.write_bytes(whole[:-5])
    with pytest.raises(ConfigurationError, match="damaged"):
        CompiledCatalog(path).read("acme")
    path.write_bytes(whole[:30])
    with pytest.raises(ConfigurationError, match="damaged"):
        CompiledCatalog(path)
    path.write_bytes(b"something else altogether")
    with pytest.raises(ConfigurationError, match="not a catalog"):
        CompiledCatalog(path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        CompiledCatalog(tmp_path / "nothing.bin")
