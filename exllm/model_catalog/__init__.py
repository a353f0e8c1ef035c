"""What models there are, what each can do, and what it costs.

    info = exllm.model_catalog.model_info("anthropic", "claude-sonnet-4-5")
    info.context_window, info.capabilities, info.prices, info.source_of("prices")

    exllm.model_catalog.model_supports("openai", "gpt-4.1", "tools")            # any synonym of function_calling
    exllm.model_catalog.find_models(features=["vision"], min_context=200_000, max_input_price=1.0)
    exllm.model_catalog.recommend_models(features=["tools"], prefer="price")

The figures are merged from LiteLLM's price map, pydantic's genai-prices and models.dev (all MIT), with corrections by
hand; each keeps where it is from and as of when, and what the sources disagree about is in
``docs/model-catalog-disagreements.md``. Nothing is fetched unless `update` is called. Your own files go over the
catalog, see `exllm.model_catalog.store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exllm.model_catalog.capabilities import (
        compare_providers,
        find_providers,
        list_features,
        models_by_capability,
        provider_capabilities,
        provider_supports,
        recommend_providers,
    )
    from exllm.model_catalog.models import (
        compare_models,
        find_models,
        list_all,
        list_providers,
        model_info,
        model_supports,
    )
    from exllm.model_catalog.recommend import Recommendation, recommend_models
    from exllm.model_catalog.schema import ModelInfo, Rates, Source
    from exllm.model_catalog.store import reload
    from exllm.model_catalog.sync.update import update
    from exllm.model_catalog.vocabulary import CAPABILITIES

_LAZY = {
    "CAPABILITIES": "vocabulary", "ModelInfo": "schema", "Rates": "schema", "Recommendation": "recommend",
    "Source": "schema", "compare_models": "models", "compare_providers": "capabilities", "find_models": "models",
    "find_providers": "capabilities", "list_all": "models", "list_features": "capabilities",
    "list_providers": "models", "model_info": "models", "model_supports": "models",
    "models_by_capability": "capabilities", "provider_capabilities": "capabilities",
    "provider_supports": "capabilities", "recommend_models": "recommend", "recommend_providers": "capabilities",
    "reload": "store", "update": "sync.update",
}  # fmt: skip

__all__ = [
    "CAPABILITIES",
    "ModelInfo",
    "Rates",
    "Recommendation",
    "Source",
    "compare_models",
    "compare_providers",
    "find_models",
    "find_providers",
    "list_all",
    "list_features",
    "list_providers",
    "model_info",
    "model_supports",
    "models_by_capability",
    "provider_capabilities",
    "provider_supports",
    "recommend_models",
    "recommend_providers",
    "reload",
    "update",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        value = getattr(import_module(f"exllm.model_catalog.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm.model_catalog' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
