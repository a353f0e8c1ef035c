"""What can be asked of the catalog: words, filters, comparisons, recommendations."""

from __future__ import annotations

import pytest

import exllm
from exllm import model_catalog as catalog
from exllm.errors import ConfigurationError
from exllm.model_catalog import vocabulary
from exllm.model_catalog.models import base_rates, is_free
from exllm.model_catalog.recommend import mean_price
from exllm.model_catalog.schema import ModelInfo, Rates

# -- words


@pytest.mark.parametrize(
    "word",
    ["function_calling", "tools", "tool_use", "functions", "tool-calling", "Function Calling", "supports_tool_calls"],
)
def test_every_word_for_function_calling_means_it(word: str) -> None:
    assert vocabulary.capability(word) == "function_calling"
    assert catalog.model_supports("openai", "gpt-4o", word)


def test_synonyms_lead_to_the_vocabulary_and_are_not_in_it() -> None:
    for word, ours in vocabulary.CAPABILITY_SYNONYMS.items():
        assert ours in vocabulary.CAPABILITIES, word
        assert word not in vocabulary.CAPABILITIES, word
        assert word == vocabulary._plain(word), word


def test_a_word_that_nobody_uses_is_told_with_near_ones() -> None:
    with pytest.raises(ConfigurationError, match="unknown capability 'visoin'; did you mean 'vision'"):
        catalog.model_supports("openai", "gpt-4o", "visoin")
    with pytest.raises(ConfigurationError, match="unknown mode"):
        catalog.find_models(mode="telepathy")
    with pytest.raises(ConfigurationError, match="unknown modality"):
        catalog.find_models(input="smell")


def test_every_capability_is_had_by_some_model() -> None:
    for feature in catalog.list_features():
        assert feature.models > 0, feature.name
        assert feature.meaning


def test_what_a_model_cannot_is_told_from_what_is_not_known() -> None:
    info = catalog.model_info("openai", "gpt-4o")
    assert info is not None
    assert "reasoning" in info.lacks
    assert not catalog.model_supports("openai", "gpt-4o", "reasoning")
    assert not catalog.model_supports("openai", "gpt-99", "reasoning")


def test_a_mode_will_do_for_a_feature() -> None:
    assert catalog.model_supports("openai", "text-embedding-3-small", "embeddings")
    assert not catalog.model_supports("openai", "gpt-4o", "embeddings")
    assert catalog.provider_supports("openai", "rerank") is False
    assert catalog.provider_supports("cohere", "rerank")
    assert "voyage" in {model.provider for model in catalog.find_models(features="embeddings")}


def test_what_makes_pictures_or_speaks_by_its_mode_can_do_so() -> None:
    assert catalog.model_supports("azure", "dall-e-3", "image_generation")
    assert catalog.model_supports("openai", "tts-1", "audio_output")
    assert catalog.model_supports("openai", "whisper-1", "audio_input")


# -- one model


def test_all_that_is_known_of_a_model_with_its_sources() -> None:
    info = catalog.model_info("anthropic", "claude-sonnet-4-5")
    assert info is not None
    assert (info.provider, info.id, info.name) == ("anthropic", "claude-sonnet-4-5-20250929", "Claude Sonnet 4.5")
    assert (info.context_window, info.max_output_tokens, info.modes) == (200_000, 64_000, ("chat",))
    assert {"function_calling", "vision", "pdf_input", "prompt_caching", "reasoning"} <= set(info.capabilities)
    assert base_rates(info) == {
        "input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75, "cache_write_1h": 6.0, "per_search": 0.01,
    }  # fmt: skip
    assert info.source_of("prices") == "genai-prices"
    assert info.source_of("embedding_dimensions") is None
    assert info.aliases == ("claude-sonnet-4-5",)
    assert info.successor


# -- many


def test_every_filter_holds_for_all_that_is_found_and_leaves_some_out() -> None:
    everything = len(catalog.list_all())
    filters: list[tuple[dict[str, object], object]] = [
        ({"features": ["tools", "vision"]}, lambda m: {"function_calling", "vision"} <= set(m.capabilities)),
        ({"mode": "embedding"}, lambda m: "embedding" in m.modes),
        ({"mode": "audio"}, lambda m: {"transcription", "speech"} & set(m.modes)),
        ({"input": "audio"}, lambda m: "audio" in m.input),
        ({"output": ["text", "image"]}, lambda m: {"text", "image"} <= set(m.output)),
        ({"min_context": 1_000_000}, lambda m: m.context_window >= 1_000_000),
        ({"min_output": 100_000}, lambda m: m.max_output_tokens >= 100_000),
        ({"max_input_price": 0.1, "local": False}, lambda m: base_rates(m)["input"] <= 0.1),
        ({"max_output_price": 1, "local": False}, lambda m: base_rates(m)["output"] <= 1),
        ({"priced": False}, lambda m: not m.prices),
        ({"free": True}, is_free),
        ({"local": True}, lambda m: m.provider in ("ollama", "lmstudio", "lemonade", "atomic-chat")),
        ({"open_weights": True}, lambda m: m.open_weights),
        ({"deprecated": True}, lambda m: m.status == "deprecated" or m.deprecation_date),
        ({"text": "claude"}, lambda m: "claude" in (m.id + (m.name or "")).lower()),
        ({"providers": ["groq", "xai"]}, lambda m: m.provider in ("groq", "xai")),
        ({"runnable": True, "providers": "anthropic"}, lambda m: m.provider == "anthropic"),
    ]
    for wanted, holds in filters:
        found = catalog.find_models(**wanted)  # type: ignore[arg-type]
        assert 0 < len(found) < everything, wanted
        assert all(holds(model) for model in found), wanted  # type: ignore[operator]
        assert found == sorted(found, key=lambda model: (model.provider, model.id))


def test_deprecated_models_are_left_out_unless_asked_for() -> None:
    def ids(deprecated: bool | None) -> set[str]:
        return {model.id for model in catalog.find_models(providers="openai", deprecated=deprecated)}

    assert ids(False) | ids(True) == ids(None)
    assert not ids(False) & ids(True)


def test_list_all_is_every_model_once() -> None:
    models = catalog.list_all()
    assert len(models) == len({(model.provider, model.id) for model in models}) > 9_500
    assert catalog.list_all("groq") == [model for model in models if model.provider == "groq"]
    with pytest.raises(ConfigurationError, match="unknown provider"):
        catalog.list_all("nobody")


def test_models_side_by_side() -> None:
    table = catalog.compare_models("openai/gpt-4o", "anthropic/claude-sonnet-4-5")
    assert table["context_window"] == {"openai/gpt-4o": 128_000, "anthropic/claude-sonnet-4-5": 200_000}
    assert table["price_input"] == {"openai/gpt-4o": 2.5, "anthropic/claude-sonnet-4-5": 3.0}
    assert table["price_cache_write"]["openai/gpt-4o"] is None
    assert "vision" in table["shared_capabilities"]["openai/gpt-4o"]
    assert "computer_use" in table["capabilities"]["anthropic/claude-sonnet-4-5"]
    assert "vision" not in table["capabilities"]["openai/gpt-4o"]
    with pytest.raises(ConfigurationError, match="does not know 'openai/gpt-4oo'; did you mean 'gpt-4o'"):
        catalog.compare_models("openai/gpt-4oo")


def test_models_by_capability() -> None:
    found = catalog.models_by_capability("computer-use")
    assert "claude-sonnet-5" in found["anthropic"]
    assert all(catalog.model_supports(name, id, "computer_use") for name, ids in found.items() for id in ids[:2])


# -- recommendations


def test_recommended_models_fit_and_say_why() -> None:
    found = catalog.recommend_models(features=["tools", "vision"], min_context=100_000, limit=4)
    assert len(found) == 4
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({one.model.provider for one in found}) == 4
    for one in found:
        assert {"function_calling", "vision"} <= set(one.model.capabilities)
        assert (one.model.context_window or 0) >= 100_000
        assert "has function_calling: calls tools that you define" in one.reasons
        assert any("context window" in reason for reason in one.reasons)
        assert any("$" in reason or "cost" in reason for reason in one.reasons)


def test_a_preference_decides() -> None:
    cheap = catalog.recommend_models(prefer="price", free=False, priced=True, limit=1)[0].model
    cheapest = min(price for model in catalog.find_models(mode="chat", runnable=True, free=False, priced=True)
                   if (price := mean_price(model)))  # fmt: skip
    price = mean_price(cheap)
    assert price is not None
    assert price <= cheapest + 0.05
    long = catalog.recommend_models(prefer="context", limit=1)[0].model
    assert (long.context_window or 0) >= 2_000_000
    newest = catalog.recommend_models(prefer="newest", limit=1)[0].model
    assert (newest.released or "") >= "2026-05"


def test_recommendations_of_one_provider_and_wrong_wishes() -> None:
    found = catalog.recommend_models(providers="anthropic", per_provider=None, limit=3)
    assert [one.model.provider for one in found] == ["anthropic"] * 3
    with pytest.raises(ConfigurationError, match="unknown preference 'luck'"):
        catalog.recommend_models(prefer="luck")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="colour"):
        catalog.recommend_models(colour="red")


@pytest.mark.parametrize(
    ("rows", "price"),
    [
        ((), None),
        ((Rates(input=1, output=5), Rates(tier="batch", input=0.1)), 2.0),
        ((Rates(input=2),), 2.0),
        ((Rates(per_image=1),), None),
    ],
)
def test_the_mean_price_of_a_token(rows: tuple[Rates, ...], price: float | None) -> None:
    assert mean_price(ModelInfo("acme", "m", prices=rows)) == price


# -- providers


def test_what_a_provider_can() -> None:
    found = catalog.provider_capabilities("anthropic")
    assert found.provider == "anthropic"
    assert found.capabilities["vision"] > 10
    assert found.modes["chat"] == found.models
    assert (found.local, found.runnable, found.context_window) == (False, True, 1_000_000)
    assert found.cheapest is not None
    assert 0 < found.cheapest < 1
    assert catalog.provider_supports("anthropic", "tools")
    assert not catalog.provider_supports("anthropic", "image_generation")
    with pytest.raises(ConfigurationError, match="unknown provider"):
        catalog.provider_supports("nobody", "tools")


def test_providers_found_compared_and_recommended() -> None:
    found = catalog.find_providers(["audio_input", "tools"])
    assert "gemini" in found
    assert "anthropic" not in found
    assert not set(catalog.find_providers("tools", local=False)) & set(catalog.find_providers("tools", local=True))
    table = catalog.compare_providers("anthropic", "groq")
    assert table["vision"]["anthropic"] > table["vision"]["groq"] > 0
    assert list(table) == sorted(table)
    for one in catalog.recommend_providers(["vision", "tools"], limit=3):
        assert 0 < one.score <= 1
        assert "of its" in one.reasons[0]
        assert "function_calling" in one.reasons[0]


def test_only_providers_that_exllm_can_talk_to_are_recommended() -> None:
    ours = {info.name for info in exllm.providers.list_providers()}
    from exllm.model_catalog.models import runnable_providers

    assert {"openai", "anthropic", "groq", "mistral"} <= runnable_providers()
    assert len(runnable_providers()) >= 50
    assert {one.provider for one in catalog.recommend_providers(limit=100)} <= runnable_providers()
    assert "openai" in ours


def test_the_public_names_are_pinned() -> None:
    assert catalog.__all__ == sorted(catalog.__all__) == dir(catalog)
    for name in catalog.__all__:
        assert getattr(catalog, name) is not None
    with pytest.raises(AttributeError, match="no_such"):
        _ = catalog.no_such
