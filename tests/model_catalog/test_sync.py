"""From the sources' texts to files: what is read, the rule of precedence, what is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exllm.errors import ConfigurationError, ConnectionFailed
from exllm.model_catalog.schema import ModelInfo, Rates
from exllm.model_catalog.sync import overrides, report
from exllm.model_catalog.sync.__main__ import main
from exllm.model_catalog.sync.build import Built, SourceText, build
from exllm.model_catalog.sync.fetch import fetch
from exllm.model_catalog.sync.from_genai import matches
from exllm.model_catalog.sync.overrides import Override

DAY = "2026-11-09"


def _built(
    litellm: dict[str, Any] | None = None,
    genai: list[dict[str, Any]] | None = None,
    models_dev: dict[str, Any] | None = None,
    given: tuple[Override, ...] = (),
) -> Built:
    texts = {"litellm": litellm or {}, "genai-prices": genai or [], "models.dev": models_dev or {}}
    return build({name: SourceText(json.dumps(data).encode(), DAY) for name, data in texts.items()}, given)


def _one(built: Built, provider: str, id: str) -> ModelInfo:
    return built.providers[provider].models[id]


def _lite(provider: str = "openai", **fields: Any) -> dict[str, Any]:
    return {"litellm_provider": provider, "mode": "chat", **fields}


def _dev(provider: str, id: str, **fields: Any) -> dict[str, Any]:
    entry = {"id": id, "name": id, "limit": {}, "modalities": {}, **fields}
    return {provider: {"models": {id: entry}, "doc": "https://docs.example"}}


def _genai(provider: str, *models: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": provider, "models": list(models)}]


def _priced(id: str, prices: Any, **fields: Any) -> dict[str, Any]:
    return {"id": id, "match": {"equals": id}, "prices": prices, **fields}


# -- reading


@pytest.mark.parametrize(
    ("key", "word", "provider", "id"),
    [
        ("groq/llama-x", "groq", "groq", "llama-x"),
        ("groq/groq/compound", "groq", "groq", "groq/compound"),
        ("mistral/codestral", "mistral", "mistral", "codestral"),
        ("perplexity/openai/gpt-5", "perplexity", "perplexity", "openai/gpt-5"),
        ("ollama/llama3:70b", "ollama", "ollama", "llama3:70b"),
        ("gemini-2.5-pro", "vertex_ai-language-models", "vertex", "gemini-2.5-pro"),
        ("vertex_ai/claude-x@2025", "vertex_ai-anthropic_models", "vertex", "claude-x@2025"),
        ("azure_ai/grok-4", "azure_ai", "azure", "grok-4"),
        ("dashscope/qwen-max", "dashscope", "alibaba", "qwen-max"),
        ("bedrock/invoke/anthropic.claude", "bedrock", "bedrock", "anthropic.claude"),
        ("fireworks_ai/accounts/f/models/x", "fireworks_ai", "fireworks", "accounts/f/models/x"),
        ("together_ai/Qwen/Q", "together_ai", "together", "Qwen/Q"),
    ],
)
def test_litellms_keys_lose_the_prefix_of_the_provider_and_no_more(key: str, word: str, provider: str, id: str) -> None:
    assert list(_built({key: _lite(word, max_input_tokens=5)}).providers[provider].models) == [id]


def test_regions_pictures_and_qualities_in_litellms_keys_become_rows_of_the_model() -> None:
    built = _built(
        {
            "anthropic.claude-v9": _lite("bedrock", input_cost_per_token=1e-6, output_cost_per_token=2e-6),
            "bedrock/eu-west-1/anthropic.claude-v9": _lite(
                "bedrock", input_cost_per_token=1.1e-6, output_cost_per_token=2.2e-6
            ),
            "bedrock/us-east-1/anthropic.claude-v9": _lite(
                "bedrock", input_cost_per_token=1e-6, output_cost_per_token=2e-6
            ),
            "hd/1024-x-1792/dall-e-9": {
                "litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 6.539e-08,
                "output_cost_per_pixel": 0.0,
            },
            "azure/eu/gpt-9": _lite("azure", input_cost_per_token=3e-6),
        }
    )  # fmt: skip
    assert _one(built, "bedrock", "anthropic.claude-v9").prices == (
        Rates(input=1.0, output=2.0),
        Rates(region="eu-west-1", input=1.1, output=2.2),
    )
    assert _one(built, "openai", "dall-e-9").prices == (Rates(size="1024x1792", quality="hd", per_image=0.12),)
    assert _one(built, "azure", "gpt-9").prices == (Rates(region="eu", input=3.0),)


def test_tiers_steps_and_units_of_litellm() -> None:
    fields = {
        "input_cost_per_token": 1.25e-6,
        "output_cost_per_token": 1e-5,
        "input_cost_per_token_above_200k_tokens": 2.5e-6,
        "cache_read_input_token_cost_above_200k_tokens_priority": 7e-7,
        "cache_creation_input_token_cost_above_1hr": 6e-6,
        "input_cost_per_token_batches": 6.25e-7,
        "input_cost_per_audio_token": 1e-6,
        "search_context_cost_per_query": {
            "search_context_size_low": 0.005, "search_context_size_medium": 0.008, "search_context_size_high": 0.012,
        },
        "ocr_cost_per_page": 0.001,
    }  # fmt: skip
    assert _one(_built({"m": _lite(**fields)}), "openai", "m").prices == (
        Rates(
            input=1.25, output=10.0, cache_write_1h=6.0, input_audio=1.0, per_search=0.008, per_page=0.001
        ),
        Rates(above=200_000, input=2.5),
        Rates(tier="batch", input=0.625),
        Rates(tier="priority", above=200_000, cache_read=0.7),
        Rates(search_size="high", per_search=0.012),
        Rates(search_size="low", per_search=0.005),
    )  # fmt: skip


def test_tiered_and_off_peak_prices_of_litellm() -> None:
    steps = [
        {"range": [0, 256000.0], "input_cost_per_token": 5e-8, "output_cost_per_token": 4e-7},
        {"range": [256000.0, 1000000.0], "input_cost_per_token": 2.5e-7, "output_cost_per_token": 2e-6},
    ]
    night = {
        "input_cost_per_token": 1.5e-7,
        "windows": [{"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [1, 5]}, {"hours_utc": "00:00-00:00"}],
    }
    built = _built({"t": _lite(tiered_pricing=steps), "o": _lite(input_cost_per_token=3e-7, off_peak_pricing=night)})
    assert _one(built, "openai", "t").prices == (
        Rates(input=0.05, output=0.4), Rates(above=256_000, input=0.25, output=2.0),
    )  # fmt: skip
    rows = _one(built, "openai", "o").prices
    assert rows[0] == Rates(input=0.3)
    assert Rates(hours=("00:00-01:00", "10:00-00:00"), weekdays=(1, 5), input=0.15) in rows
    assert Rates(hours=("00:00-00:00",), input=0.15) in rows


def test_small_prices_keep_every_digit() -> None:
    """The ancestor rounded to four places per million."""
    built = _built({"m": _lite(input_cost_per_token=1.5e-11, output_cost_per_token=1.12497e-06)})
    assert _one(built, "openai", "m").prices == (Rates(input=0.000015, output=1.12497),)


def test_a_price_of_zero_is_a_price_where_it_is_one() -> None:
    """The ancestor left all zeros out; we leave out those that only stand for "not known"."""
    zero = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
    built = _built(
        {
            "a": _lite(**zero), "b:free": _lite("openrouter", **zero),
            "github_copilot/c": _lite("github_copilot", **zero),
            "embed": {**_lite(input_cost_per_token=1e-7, output_cost_per_token=0.0), "mode": "embedding"},
            "both": _lite(**zero),
        },
        models_dev=_dev("openai", "both", cost={"input": 0, "output": 0}),
    )  # fmt: skip
    assert _one(built, "openai", "a").prices == ()
    assert built.zero_prices == [("openai", "a", "litellm")]
    assert _one(built, "openrouter", "b:free").prices == (Rates(input=0.0, output=0.0),)
    assert _one(built, "github-copilot", "c").prices == (Rates(input=0.0, output=0.0),)
    assert _one(built, "openai", "embed").prices == (Rates(input=0.1, output=0.0),)
    assert _one(built, "openai", "both").prices == (Rates(input=0.0, output=0.0),)


def test_writing_to_a_cache_for_nothing_means_nothing_on_top_of_the_input() -> None:
    dear = _lite(input_cost_per_token=1e-6, cache_creation_input_token_cost=0.0, cache_read_input_token_cost=0.0)
    assert _one(_built({"m": dear}), "openai", "m").prices == (Rates(input=1.0, cache_read=0.0),)


def test_local_models_have_no_prices() -> None:
    built = _built({"ollama/llama3": _lite("ollama", input_cost_per_token=0.0, max_input_tokens=8192)})
    assert _one(built, "ollama", "llama3").prices == ()
    assert _one(built, "ollama", "llama3").context_window == 8192


@pytest.mark.parametrize("name", ["or", "or_"])
def test_genai_prices_in_both_of_its_forms(name: str) -> None:
    model = {
        "id": "claude-9", "name": "Claude 9", "context_window": 100,
        "match": {"__type__": "x", name: [{"starts_with": "claude-9"}, {"equals": "claude-nine"}]},
        "prices": {"input_mtok": {"base": "3", "tiers": [{"start": 200000, "price": "6"}]}, "output_mtok": "15",
                   "cache_write_1h_mtok": "6", "web_searches_kcount": "10", "audio_hours": "0.36"},
        "price_variants": [
            {"when": {"processing": "batch"}, "prices": {"input_mtok": "1.5"},
             "constraint": {"start_date": "2026-10-14"}},
            {"when": {"service_tier": "default"}, "prices": {}},
            {"when": {"route": "elsewhere"}, "prices": {"input_mtok": "9"}},
        ],
    }  # fmt: skip
    built = _built({"claude-9-20260101": _lite("anthropic")}, _genai("anthropic", model))
    rows = (
        Rates(input=3.0, output=15.0, cache_write_1h=6.0, per_search=0.01, per_input_second=0.0001),
        Rates(above=200_000, input=6.0),
        Rates(tier="batch", input=1.5),
    )
    dated = _one(built, "anthropic", "claude-9-20260101")
    assert dated.prices == rows
    assert _one(built, "anthropic", "claude-nine").prices == rows
    assert built.skipped["genai-prices: a price for {'route': 'elsewhere'}"] == 3


def test_dated_prices_are_those_of_the_day_and_later_ones_wait() -> None:
    prices = [
        {"prices": {"input_mtok": "9"}},
        {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": "5"}},
        {"constraint": {"start_date": "2026-12-24"}, "prices": {"input_mtok": "4"}},
        {"constraint": {"start_time": "16:30:00+00:00", "end_time": "00:30:00+00:00"}, "prices": {"input_mtok": "2"}},
    ]
    assert _one(_built(genai=_genai("acme", _priced("m", prices))), "acme", "m").prices == (
        Rates(input=5.0), Rates(hours=("16:30-00:30",), input=2.0), Rates(since="2026-12-24", input=4.0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("clause", "id", "taken"),
    [
        ({"equals": "A"}, "a", True), ({"starts_with": "gpt"}, "gpt-5", True), ({"ends_with": "5"}, "gpt-5", True),
        ({"contains": "t-"}, "gpt-5", True), ({"regex": "^gpt-\\d$"}, "gpt-5", True),
        ({"and_": [{"starts_with": "gpt"}, {"ends_with": "4"}]}, "gpt-5", False), ({"or": []}, "gpt-5", False),
        ({"__type__": "x", "equals": "b"}, "a", False),
    ],
)  # fmt: skip
def test_patterns_of_genai_prices(clause: dict[str, Any], id: str, taken: bool) -> None:
    assert matches(clause, id) is taken


def test_googles_list_is_of_gemini_and_of_vertex_and_huggingfaces_of_its_providers() -> None:
    built = _built(
        genai=_genai("google", _priced("gemini-x", {"input_mtok": "1"}), _priced("claude-x", {"input_mtok": "2"}))
        + _genai("huggingface_novita", _priced("Org/M", {"input_mtok": "3"}))
    )
    assert list(built.providers["gemini"].models) == ["gemini-x"]
    assert list(built.providers["vertex"].models) == ["claude-x", "gemini-x"]
    assert list(built.providers["huggingface"].models) == ["Org/M:novita"]


def test_models_dev_gives_names_dates_modalities_and_a_fast_tier() -> None:
    entry = {
        "family": "acme", "release_date": "2026-01-02", "knowledge": "2025-06", "open_weights": True,
        "tool_call": True, "reasoning": False, "status": "beta",
        "limit": {"context": 1000, "input": 900, "output": 100},
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "reasoning_options": [{"type": "effort", "values": ["low", "high"]}],
        "cost": {"input": 1, "output": 2.5, "cache_read": 0.1, "tiers": [{"tier": {"size": 200000}, "input": 2}]},
        "experimental": {"modes": {"fast": {"cost": {"input": 6}, "provider": {"body": {"speed": "fast"}}}}},
    }  # fmt: skip
    model = _one(_built(models_dev=_dev("acme", "m", **entry)), "acme", "m")
    assert (model.name, model.family, model.released, model.knowledge_cutoff) == ("m", "acme", "2026-01-02", "2025-06")
    assert (model.context_window, model.max_input_tokens, model.max_output_tokens) == (1000, 900, 100)
    assert (model.modes, model.status, model.open_weights) == (("chat",), "beta", True)
    assert model.capabilities == ("function_calling", "streaming", "vision")
    assert model.lacks == ("reasoning",)
    assert model.reasoning_efforts == ("low", "high")
    assert model.prices == (
        Rates(input=1.0, output=2.5, cache_read=0.1), Rates(above=200_000, input=2.0), Rates(tier="fast", input=6.0),
    )  # fmt: skip


# -- merging


def _three(
    litellm: tuple[float, float], genai: tuple[str, str] | None, models_dev: tuple[float, float], **more: Any
) -> Built:
    prices = {"input_mtok": genai[0], "output_mtok": genai[1]} if genai else {}
    return _built(
        {"m": _lite(input_cost_per_token=litellm[0] / 1e6, output_cost_per_token=litellm[1] / 1e6, **more)},
        _genai("openai", _priced("m", prices)) if genai else [],
        _dev("openai", "m", cost={"input": models_dev[0], "output": models_dev[1]}),
    )


def test_prices_are_of_genai_prices_first_and_nothing_is_averaged() -> None:
    built = _three((1, 2), ("3", "4"), (5, 6))
    model = _one(built, "openai", "m")
    assert model.prices == (Rates(input=3.0, output=4.0),)
    assert model.source_of("prices") == "genai-prices"
    told = {(one.what, one.figures[0], one.figures[1]) for one in built.disagreements}
    assert told == {
        ("input", ("genai-prices", "3.0"), ("litellm", "1.0")),
        ("output", ("genai-prices", "4.0"), ("litellm", "2.0")),
        ("input", ("genai-prices", "3.0"), ("models.dev", "5.0")),
        ("output", ("genai-prices", "4.0"), ("models.dev", "6.0")),
    }


def test_two_that_agree_against_the_first_are_believed() -> None:
    built = _three((1, 2), ("3", "4"), (1, 2))
    assert _one(built, "openai", "m").prices == (Rates(input=1.0, output=2.0),)
    assert _one(built, "openai", "m").source_of("prices") == "litellm"
    assert {one.figures[1][0] for one in built.disagreements} == {"genai-prices"}


def test_sources_that_agree_complete_each_other_and_the_row_says_whose_it_is() -> None:
    built = _three((3, 4), ("3", "4"), (9, 9), cache_read_input_token_cost=3e-7, input_cost_per_token_batches=1.5e-6)
    assert _one(built, "openai", "m").prices == (
        Rates(input=3.0, output=4.0),
        Rates(cache_read=0.3, source="litellm"),
        Rates(tier="batch", input=1.5, source="litellm"),
    )


def test_a_source_that_disagrees_completes_nothing() -> None:
    built = _three((1, 2), ("3", "4"), (9, 9), cache_read_input_token_cost=3e-7, input_cost_per_token_batches=1.5e-6)
    assert _one(built, "openai", "m").prices == (Rates(input=3.0, output=4.0),)


def test_steps_are_for_the_first_source_to_say_and_their_absence_is_reported() -> None:
    built = _three((3, 4), ("3", "4"), (3, 4), input_cost_per_token_above_200k_tokens=6e-6)
    assert _one(built, "openai", "m").prices == (Rates(input=3.0, output=4.0),)
    assert [(one.what, one.figures) for one in built.disagreements] == [
        ("price steps above 200000 tokens", [("genai-prices", "has none"), ("litellm", "has them")])
    ]


def test_what_only_a_pattern_took_in_comes_last() -> None:
    loose = {"id": "gpt", "match": {"starts_with": "gpt"}, "prices": {"input_mtok": "9", "output_mtok": "9"}}
    built = _built(
        {"gpt-9-turbo": _lite(input_cost_per_token=1e-6, output_cost_per_token=1e-6), "gpt-9-2026-01-01": _lite()},
        _genai("openai", loose),
    )
    assert _one(built, "openai", "gpt-9-turbo").prices == (Rates(input=1.0, output=1.0),)
    assert not built.disagreements
    assert _one(built, "openai", "gpt-9-2026-01-01").prices == (Rates(input=9.0, output=9.0),)


def test_rounding_is_no_disagreement() -> None:
    assert not _three((0.0308333, 1), ("0.03083333", "1"), (0.030833, 1)).disagreements


def test_capabilities_are_those_of_any_source_and_a_contradiction_goes_to_litellm() -> None:
    built = _built(
        {"m": _lite(supports_function_calling=True, supports_vision=False, supports_response_schema=True)},
        models_dev=_dev("openai", "m", tool_call=False, reasoning=True, modalities={"input": ["text", "image"]}),
    )
    model = _one(built, "openai", "m")
    assert model.capabilities == ("function_calling", "reasoning", "streaming", "structured_output")
    assert model.lacks == ("vision",)


def test_limits_that_differ_are_reported() -> None:
    built = _built({"m": _lite(max_input_tokens=5)}, models_dev=_dev("openai", "m", limit={"context": 6}))
    assert _one(built, "openai", "m").context_window == 5
    assert [(one.what, one.figures) for one in built.disagreements] == [
        ("context_window", [("litellm", "5"), ("models.dev", "6")])
    ]


# -- ids that mean one model


def test_an_id_without_date_is_an_alias_of_the_only_dated_one_of_the_same_price() -> None:
    same = _lite("anthropic", input_cost_per_token=3e-6, output_cost_per_token=1e-5)
    dear = _lite("anthropic", input_cost_per_token=9e-6, output_cost_per_token=1e-5)
    built = _built(
        {
            "claude-a": same, "claude-a-20250929": same, "claude-a-latest": same,
            "claude-b": same, "claude-b-20250929": dear,
            "claude-c": same, "claude-c-20250101": same, "claude-c-20250202": same,
        }
    )  # fmt: skip
    assert list(built.providers["anthropic"].models) == [
        "claude-a-20250929", "claude-b", "claude-b-20250929", "claude-c", "claude-c-20250101", "claude-c-20250202",
    ]  # fmt: skip
    assert _one(built, "anthropic", "claude-a-20250929").aliases == ("claude-a", "claude-a-latest")


def test_regional_ids_are_listed_with_the_model_or_have_a_price_of_their_own() -> None:
    same = _lite("bedrock", input_cost_per_token=3e-6)
    built = _built(
        {
            "anthropic.claude-x": same, "global.anthropic.claude-x": same,
            "eu.anthropic.claude-x": _lite("bedrock", input_cost_per_token=3.3e-6),
        }
    )  # fmt: skip
    assert _one(built, "bedrock", "anthropic.claude-x").regional_ids == ("global.anthropic.claude-x",)
    assert _one(built, "bedrock", "eu.anthropic.claude-x").region_of == "anthropic.claude-x"


def test_the_successor_of_a_model_that_goes_is_the_newest_of_its_family() -> None:
    data: dict[str, Any] = {"acme": {"models": {}}}
    for id, released, status in (("a-1", "2024-01", "deprecated"), ("a-2", "2025-01", None), ("a-3", "2025-06", None)):
        data["acme"]["models"] |= _dev("acme", id, family="a", release_date=released, status=status, modalities={
            "output": ["text"]})["acme"]["models"]  # fmt: skip
    built = _built(models_dev=data)
    assert _one(built, "acme", "a-1").successor == "a-3"
    assert _one(built, "acme", "a-1").source_of("successor") == "derived"
    assert _one(built, "acme", "a-2").successor is None


# -- overrides


def test_an_override_has_the_last_word_and_may_add_a_model() -> None:
    mine = Override("openai", ("m", "new"), {"prices": [{"input": 7}]}, "because", "https://x", "2026-11-21")
    built = _built({"m": _lite(input_cost_per_token=1e-6, max_input_tokens=5)}, given=(mine,))
    assert _one(built, "openai", "m").prices == (Rates(input=7.0),)
    assert _one(built, "openai", "m").source_of("prices") == "override"
    assert _one(built, "openai", "m").context_window == 5
    assert _one(built, "openai", "new").prices == (Rates(input=7.0),)
    assert built.providers["openai"].sources["override"].as_of == "2026-11-21"


def test_every_override_has_a_reason_a_page_and_a_day() -> None:
    for override in overrides.read():
        assert len(override.why) > 8
        assert override.url.startswith("https://")
        assert override.as_of.startswith("202")


def test_an_override_of_a_field_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "overrides.yml"
    path.write_text("- {provider: a, models: [m], why: w, url: u, as_of: d, set: {price: 1}}")
    with pytest.raises(ConfigurationError, match="'price' is not a field"):
        overrides.read(path)
    path.write_text("- {provider: a, models: [m], set: {}}")
    with pytest.raises(ConfigurationError, match=str(path)):
        overrides.read(path)


# -- the command


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    sources = {
        "litellm": {"gpt-a": _lite(input_cost_per_token=1e-6, output_cost_per_token=2e-6, max_input_tokens=10),
                    "ollama/l": _lite("ollama", max_input_tokens=3)},
        "genai-prices": _genai("openai", _priced("gpt-a", {"input_mtok": "1.5", "output_mtok": "2"})),
        "models-dev": _dev("openai", "gpt-a", name="GPT-A: the first", release_date="2026-01-01"),
    }  # fmt: skip
    words = []
    for name, data in sources.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
        words += [
            f"--{name}",
            str(tmp_path / f"{name}.json"),
            "--as-of",
            f"{name.replace('models-dev', 'models.dev')}={DAY}",
        ]
    empty = tmp_path / "overrides.yml"
    empty.write_text("[]")
    for flag, name in (("--models", "models"), ("--compiled", "catalog.bin"), ("--report", "report.md")):
        words += [flag, str(tmp_path / name)]
    return [*words, "--overrides", str(empty)]


def test_the_command_writes_files_and_a_report_and_writes_the_same_again(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert "2 models of 2 providers; 2 disagreements" not in capsys.readouterr().err
    first = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    text = (tmp_path / "models" / "openai.yml").read_text()
    assert 'name: "GPT-A: the first"' in text
    assert "- {input: 1.5, output: 2}" in text
    assert f'litellm: {{as_of: "{DAY}"' in text
    told = (tmp_path / "report.md").read_text()
    assert "| openai | gpt-a | input | 1.5 (genai-prices) | 1.0 (litellm) |" in told
    (tmp_path / "models" / "gone.yml").write_text("provider: gone\n")
    assert main(arguments) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == first


def test_the_order_of_a_source_does_not_matter() -> None:
    entries = {f"m{i}": _lite(input_cost_per_token=i * 1e-6, output_cost_per_token=1e-6) for i in range(1, 9)}
    backwards = dict(reversed(entries.items()))
    assert _built(entries) == _built(backwards)


def test_a_source_that_cannot_be_read_or_has_another_form_is_told(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "litellm.json").write_text("[1, 2]")
    assert main(arguments) == 1
    assert "the data of litellm is not of the form known" in capsys.readouterr().err
    (tmp_path / "litellm.json").unlink()
    assert main(arguments) == 1
    assert "cannot read" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()
    with pytest.raises(ConnectionFailed, match="cannot read http://127"):
        fetch("http://127.0.0.1:9/nothing")


def test_the_report_counts_what_was_left_out() -> None:
    page = report.markdown(_built({"m": _lite(guardrail_cost_per_unit={"a": 1}, input_cost_per_token=0.0)}))
    assert "| litellm: guardrail_cost_per_unit | 1 |" in page
    assert "taken for unknown (see the rule): 1, by source: litellm 1" in page
