"""One page of a provider's model list, of whatever shape, to rows of one shape.

The lists differ in the names of their fields, and hardly in what the same name means; so one reader knows all names.

Sources, each under "list models": the references of OpenAI, Anthropic, Google AI, Mistral, Cohere, Ollama, Groq, xAI,
Together, OpenRouter, Perplexity, Vercel, Amazon Bedrock (ListFoundationModels, ListInferenceProfiles), Azure OpenAI,
Replicate (the models of a collection) and watsonx (foundation model specs); llama.cpp, vLLM and LM Studio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from exllm.errors import ProtocolError
from exllm.providers.model_kinds import capabilities_told, kinds_of, modalities_of
from exllm.providers.spec import ProviderSpec
from exllm.types.model import ModelEntry

_LISTS = ("data", "models", "modelSummaries", "inferenceProfileSummaries", "resources")
_IDS = ("id", "modelId", "inferenceProfileId", "model", "model_id", "key", "name")
_NAMES = ("display_name", "displayName", "modelName", "inferenceProfileName", "label", "name")
_OWNERS = ("owned_by", "organization", "providerName", "publisher", "owner", "provider")
_CREATED = ("created", "created_at", "createdAt", "modified_at")
_WINDOWS = (
    "context_window", "context_length", "max_context_length", "max_model_len", "inputTokenLimit", "max_input_tokens",
)  # fmt: skip
_OUTPUTS = ("max_completion_tokens", "outputTokenLimit", "max_output_tokens", "max_output_length", "max_tokens")
# The page that follows, by what this one says: the field, and the parameter to ask with.
_NEXT = (("nextPageToken", "pageToken"), ("next_page_token", "page_token"), ("nextToken", "nextToken"))


class ModelPage(msgspec.Struct, frozen=True):
    """One page. `next` holds the query parameters that ask for the page after it; empty on the last one."""

    entries: list[ModelEntry]
    next: dict[str, str] = {}


def read_page(body: bytes, spec: ProviderSpec) -> ModelPage:
    """The rows in `body`. A row without an id is left out. Raises ProtocolError for what is no list of models."""
    try:
        listing = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{spec.label} sent a model list that is not JSON", provider=spec.name) from error
    rows = listing
    if isinstance(listing, dict):
        rows = next((listing[name] for name in _LISTS if isinstance(listing.get(name), list)), None)
    if not isinstance(rows, list):
        raise ProtocolError(f"{spec.label} sent a model list of an unknown shape", provider=spec.name)
    entries = [entry for row in rows if isinstance(row, dict) and (entry := _entry(row, spec.name)) is not None]
    return ModelPage(entries, _next_page(listing) if isinstance(listing, dict) else {})


def _next_page(listing: Mapping[str, Any]) -> dict[str, str]:
    for field, parameter in _NEXT:
        token = listing.get(field)
        if isinstance(token, str) and token:
            return {parameter: token}
    last = listing.get("last_id")
    if listing.get("has_more") is True and isinstance(last, str) and last:  # Anthropic
        return {"after_id": last}
    return {}


def _entry(row: dict[str, Any], provider: str) -> ModelEntry | None:
    field, model = _first_text(row, _IDS)
    if model is None:
        return None
    if field == "name":
        model = model.removeprefix("models/")  # Gemini
        owner = row.get("owner")
        if isinstance(owner, str) and owner:  # Replicate
            model = f"{owner}/{model}"
    behind = model
    if field == "inferenceProfileId":
        model, behind = _profile(row, model)
    _, name = _first_text(row, [other for other in _NAMES if other != field])
    top = row.get("top_provider")  # OpenRouter
    meta = row.get("meta")  # llama.cpp
    limits = row.get("model_limits")  # watsonx
    tops: Mapping[str, Any] = top if isinstance(top, dict) else {}
    told: Mapping[str, Any] = limits if isinstance(limits, dict) else {}
    trained: Mapping[str, Any] = meta if isinstance(meta, dict) else {}
    prices = _prices(row.get("pricing"))
    return ModelEntry(
        provider,
        model,
        name,
        _unix_time(next((row[name] for name in _CREATED if row.get(name)), None)),
        _first_text(row, _OWNERS)[1],
        _first_count(row, _WINDOWS)
        or _first_count(tops, _WINDOWS)
        or _first_count(trained, ("n_ctx_train",))
        or _first_count(told, ("max_sequence_length",)),
        row,
        _first_count(row, _OUTPUTS) or _first_count(tops, _OUTPUTS) or _first_count(told, _OUTPUTS),
        kinds_of(row, behind),
        modalities_of(row, "input"),
        modalities_of(row, "output"),
        *prices,
        capabilities=tuple(sorted(word for word, has in capabilities_told(row).items() if has)),
    )


def _profile(row: Mapping[str, Any], id_: str) -> tuple[str, str]:
    """What an inference profile of Bedrock is called by, its ARN where it is an application's, and its model's id."""
    models = row.get("models")
    first = models[0] if isinstance(models, list) and models else None
    _, arn = _first_text(first, ("modelArn",)) if isinstance(first, dict) else ("", None)
    called = row.get("inferenceProfileArn") if row.get("type") == "APPLICATION" else None
    return (called if isinstance(called, str) and called else id_), (arn or id_).rpartition("/")[2]


def _prices(pricing: object) -> tuple[float | None, float | None]:
    """Dollars for a million tokens in and out. Text is for one token (OpenRouter, Vercel), numbers are for a million
    (Together, Perplexity).
    """
    if not isinstance(pricing, dict):
        return None, None
    return _price(pricing, ("prompt", "input")), _price(pricing, ("completion", "output"))


def _price(pricing: Mapping[str, Any], names: Iterable[str]) -> float | None:
    for name in names:
        value = pricing.get(name)
        if isinstance(value, str):
            try:
                dollars = float(value) * 1e6
            except ValueError:
                return None
        elif isinstance(value, int | float) and not isinstance(value, bool):
            dollars = float(value)
        else:
            continue
        return round(dollars, 9) if 0 <= dollars < 1e9 else None  # OpenRouter says -1 where it depends
    return None


def _first_text(row: Mapping[str, Any], names: Iterable[str]) -> tuple[str, str | None]:
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return name, value
    return "", None


def _first_count(row: Mapping[str, Any], names: Iterable[str]) -> int | None:
    for name in names:
        value = row.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12:
            return int(value)
    return None


def _unix_time(value: object) -> int | None:
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp())
        except (ValueError, OverflowError, OSError):
            return None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 else None
