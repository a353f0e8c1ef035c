"""LiteLLM's price map, https://github.com/BerriAI/litellm (MIT): US dollars per token, one flat object per model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from exllm.model_catalog.sync import names
from exllm.model_catalog.sync.found import PER_MILLION, Found, Skipped, When
from exllm.model_catalog.vocabulary import known_capability

NAME = "litellm"
URL = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
LICENCE = "MIT, Copyright (c) 2023 Berri AI"

PER_TOKEN = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "input_cost_per_token_cache_hit": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_creation_input_token_cost_above_12hr": "cache_write_12h",
    "output_cost_per_reasoning_token": "reasoning",
    "citation_cost_per_token": "citation",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_creation_input_audio_token_cost": "cache_write_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
    "cache_read_input_image_token_cost": "cache_read_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_video_token": "output_video",
    "input_cost_per_character": "input_characters",
    "output_cost_per_character": "output_characters",
}
PER_ONE = {
    "input_cost_per_request": "per_request",
    "input_cost_per_query": "per_query",
    "google_maps_grounding_cost_per_query": "per_map_search",
    "code_interpreter_cost_per_session": "per_code_session",
    "input_cost_per_text_message": "per_text_message",
    "output_cost_per_image": "per_image",
    "input_cost_per_image": "per_input_image",
    "input_cost_per_second": "per_input_second",
    "input_cost_per_audio_per_second": "per_input_second",
    "output_cost_per_second": "per_output_second",
    "output_cost_per_video_per_second": "per_output_second",
    "input_cost_per_video_per_second": "per_input_video_second",
    "ocr_cost_per_page": "per_page",
    "annotation_cost_per_page": "per_annotated_page",
}
TIERS = {"batches": "batch", "priority": "priority", "flex": "flex", "balanced": "balanced", "ultrafast": "ultrafast"}
MODES = {
    "chat": "chat", "responses": "chat", "completion": "completion", "embedding": "embedding", "rerank": "rerank",
    "image_generation": "image", "image_edit": "image", "video_generation": "video", "moderation": "moderation",
    "audio_transcription": "transcription", "audio_speech": "speech", "realtime": "realtime", "ocr": "ocr",
    "search": "search",
}  # fmt: skip
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_ABOVE = re.compile(r"_above_(\d+)k_tokens")
_TIER = re.compile(rf"_({'|'.join(TIERS)})$")
_SIZED = re.compile(r"_(\d{3,4}p|\d+(?:\.\d+)?[kK]|512|1024|1536)$")
_PRICE = re.compile(r"cost|pricing")
_PICTURE = re.compile(
    r"^(?:(?P<quality>low|medium|high|standard|hd|auto)/)?(?P<size>\d+-x-\d+|max-x-max)/(?:(?P<steps>\d+-steps|max-steps)/)?"
)
_REGION = re.compile(r"^(?P<region>(?:us|eu|ap|sa|ca|me|af|il|mx|us-gov)-[a-z]+-\d+)/")
_ZONE = re.compile(r"^(?P<region>eu|us|us-gov|global|global-standard|apac|in|jp)/")
_BY_SIZE = re.compile(r"^(?:fireworks-ai|together-ai)-")
_DATE = re.compile(r"^20\d\d-\d\d-\d\d$")


def read(data: Mapping[str, Mapping[str, Any]], skipped: Skipped) -> list[Found]:
    """What the map says of each model. Numbers must have been read as `Decimal`."""
    found = []
    for key, entry in data.items():
        word = entry.get("litellm_provider")
        if key == "sample_spec" or not isinstance(word, str) or word in names.LITELLM_NOT_A_PROVIDER:
            continue
        if "-commitment/" in key:
            skipped.add("litellm: throughput bought for months")
            continue
        if _BY_SIZE.match(key):
            skipped.add("litellm: a price for models of a size, under no model's id")
            continue
        found.append(_model(key, word, entry, skipped))
    return found


def _model(key: str, word: str, entry: Mapping[str, Any], skipped: Skipped) -> Found:
    provider = names.of_litellm(word)
    id, region, size, quality = _split(key, word, provider)
    model = Found(NAME, provider, id)
    here = When(region=region, size=size, quality=quality)
    mode = entry.get("mode")
    model.put("modes", (MODES.get(mode, "other"),) if mode else None)
    _limits(model, entry)
    _abilities(model, entry)
    date = entry.get("deprecation_date")
    model.put("deprecation_date", date if isinstance(date, str) and _DATE.match(date) else None)
    url = entry.get("source")
    model.put("url", url if isinstance(url, str) and url.startswith("http") else None)
    _prices(model, entry, here, mode, skipped)
    return model


def _split(key: str, word: str, provider: str) -> tuple[str, str | None, str | None, str | None]:
    """Id, region, picture size and quality: LiteLLM writes all of them into the key."""
    picture = _PICTURE.match(key)
    rest = names.without_prefix(key[picture.end() :] if picture else key, word, provider)
    region = None
    if provider in ("bedrock", "azure") and (match := (_REGION if provider == "bedrock" else _ZONE).match(rest)):
        region, rest = match["region"].removesuffix("-standard"), rest[match.end() :]
    if picture is None and (picture := _PICTURE.match(rest)):
        rest = rest[picture.end() :]
    if picture is None:
        return rest, region, None, None
    size = picture["size"].replace("-x-", "x")
    return rest, region, "max" if size == "maxxmax" else size, picture["quality"] or picture["steps"]


def _limits(model: Found, entry: Mapping[str, Any]) -> None:
    window, output = _count(entry, "max_input_tokens"), _count(entry, "max_output_tokens")
    model.put("context_window", window)
    model.put("max_output_tokens", output)
    model.put("embedding_dimensions", _count(entry, "output_vector_size"))


def _count(entry: Mapping[str, Any], name: str) -> int | None:
    value = entry.get(name)
    return int(value) if isinstance(value, int | Decimal) and value > 0 else None


def _abilities(model: Found, entry: Mapping[str, Any]) -> None:
    can: set[str] = set()
    cannot: set[str] = set()
    for name, value in entry.items():
        if name.startswith("supports_") and isinstance(value, bool):
            capability = known_capability(name)
            if capability is not None:
                (can if value else cannot).add(capability)
    model.put("capabilities", tuple(sorted(can)))
    model.put("lacks", tuple(sorted(cannot - can)))
    model.put("input", _words(entry, "supported_modalities"))
    model.put("output", _words(entry, "supported_output_modalities"))
    model.put("endpoints", tuple(str(path) for path in entry.get("supported_endpoints") or ()))
    efforts = entry.get("reasoning_effort_levels") or [
        level for level in EFFORTS if entry.get(f"supports_{level}_reasoning_effort") is True
    ]
    if entry.get("reasoning_effort_levels"):  # the single flags name only what is out of the ordinary
        model.put("reasoning_efforts", tuple(level for level in EFFORTS if level in efforts))


def _words(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = entry.get(name)
    known = {"text": "text", "image": "image", "audio": "audio", "video": "video", "pdf": "pdf", "file": "pdf"}
    found = {known[word] for word in value if word in known} if isinstance(value, list) else set()
    return tuple(word for word in ("text", "image", "audio", "video", "pdf") if word in found)


# -- prices


def _prices(model: Found, entry: Mapping[str, Any], here: When, mode: str | None, skipped: Skipped) -> None:
    for name, value in entry.items():
        if not _PRICE.search(name) or isinstance(value, bool):
            continue
        if value == 0 and mode in ("image_generation", "image_edit", "video_generation"):
            continue  # billed by the picture: the map fills its columns for tokens with zeros
        if isinstance(value, int | Decimal):
            _price(model, name, Decimal(value), here, mode, skipped)
        elif name == "search_context_cost_per_query":
            _searches(model, value, here)
        elif name == "tiered_pricing":
            _tiered(model, value, here)
        elif name == "off_peak_pricing":
            _off_peak(model, value, here)
        else:
            skipped.add(f"litellm: {name}")
    rates = model.rows.get(here, {})
    if mode == "audio_transcription" and "per_input_second" in rates:
        rates.pop("per_output_second", None)  # the same price, written twice: a second of audio is billed once


def _price(model: Found, name: str, usd: Decimal, here: When, mode: str | None, skipped: Skipped) -> None:
    when, plain = here, name
    if tier := _TIER.search(plain):
        when, plain = when._replace(tier=TIERS[tier[1]]), plain[: tier.start()]
    if above := _ABOVE.search(plain):
        when, plain = when._replace(above=int(above[1]) * 1000), _ABOVE.sub("", plain)
    if plain in ("input_cost_per_image", "input_cost_per_pixel") and mode in ("image_generation", "image_edit"):
        plain = plain.replace("input", "output")  # the map's older entries: a picture made, though it says input
    if plain in ("input_cost_per_pixel", "output_cost_per_pixel"):
        pixels = _pixels(here.size)
        if pixels and usd:
            picture = (usd * pixels).quantize(Decimal("0.0001"))  # from a price per picture, divided by its pixels
            model.price(when, "per_image", picture)
    elif plain in PER_TOKEN:
        model.price(when, PER_TOKEN[plain], usd * PER_MILLION)
    elif plain in PER_ONE:
        model.price(when, PER_ONE[plain], usd)
    elif (sized := _SIZED.search(plain)) and plain[: sized.start()] in PER_ONE:
        model.price(when._replace(size=sized[1].lower()), PER_ONE[plain[: sized.start()]], usd)
    else:
        skipped.add(f"litellm: {name}")


def _pixels(size: str | None) -> int | None:
    width, _, height = (size or "").partition("x")
    return int(width) * int(height) if width.isdigit() and height.isdigit() else None


def _searches(model: Found, sizes: Any, here: When) -> None:
    prices = {
        size: Decimal(usd)
        for size in ("low", "medium", "high")
        if (usd := sizes.get(f"search_context_size_{size}")) is not None
    }
    usual = prices.get("medium", next(iter(prices.values()), None))
    model.price(here, "per_search", usual)
    for size, usd in prices.items():
        if usd != usual:
            model.price(here._replace(search_size=size), "per_search", usd)


def _tiered(model: Found, steps: Any, here: When) -> None:
    for step in steps:
        start = int((step.get("range") or [0])[0])
        for name, usd in step.items():
            if name in PER_TOKEN:
                model.price(here._replace(above=start or None), PER_TOKEN[name], Decimal(usd) * PER_MILLION)


def _off_peak(model: Found, rates: Any, here: When) -> None:
    for window in rates.get("windows") or ():
        hours = window["hours_utc"]
        spans = (hours,) if isinstance(hours, str) else tuple(hours)
        when = here._replace(hours=spans, weekdays=tuple(int(day) for day in window.get("weekdays") or ()) or None)
        for name, usd in rates.items():
            if name in PER_TOKEN:
                model.price(when, PER_TOKEN[name], Decimal(usd) * PER_MILLION)
