"""From a model's rows of prices and what a call used to dollars."""

from __future__ import annotations

import datetime
from bisect import bisect_left
from collections.abc import Iterable

from exllm.cost.quantities import NONE, Quantities
from exllm.model_catalog.schema import UNITS, ModelInfo, Rates
from exllm.model_catalog.vocabulary import tier as tier_of
from exllm.types.usage import Cost, Usage

MILLION = 1_000_000

# Quantity, its price, and the component of `Cost` that it belongs to.
PER_ONE: tuple[tuple[str, str, str], ...] = (
    ("requests", "per_request", "other"),
    ("images", "per_image", "image"),
    ("input_images", "per_input_image", "image"),
    ("input_seconds", "per_input_second", "audio"),
    ("output_seconds", "per_output_second", "other"),
    ("input_video_seconds", "per_input_video_second", "other"),
    ("pages", "per_page", "other"),
    ("annotated_pages", "per_annotated_page", "other"),
    ("queries", "per_query", "search"),
    ("map_searches", "per_map_search", "search"),
    ("file_searches", "per_file_search", "search"),
    ("code_sessions", "per_code_session", "other"),
    ("text_messages", "per_text_message", "other"),
)
_TOKEN_UNITS = ("input", "output", "input_audio", "output_audio", "input_image", "output_image")


class Conditions:
    """What a call was, beside its tokens: `Rates` tells what each means."""

    __slots__ = ("at", "quality", "region", "search_size", "size", "tier")

    def __init__(
        self,
        *,
        tier: str | None = None,
        at: datetime.datetime | None = None,
        region: str | None = None,
        size: str | None = None,
        quality: str | None = None,
        search_size: str | None = None,
    ) -> None:
        self.tier = tier
        self.at = at
        self.region = region
        self.size = size
        self.quality = quality
        self.search_size = search_size

    @property
    def plain(self) -> bool:
        return not (self.at or self.region or self.size or self.quality or self.search_size)


PLAIN = Conditions()


class NoPrice(Exception):
    """Why a price is not known; `Cost.reason` in the end."""


class Pricer:
    """The prices of one model, ready to be applied.

    Args:
        model: its `prices` must not be empty.
    """

    __slots__ = ("_plain", "_rows", "_steps", "_timed", "model", "tiers")

    def __init__(self, model: ModelInfo) -> None:
        self.model = model
        self._rows = model.prices
        self._steps = sorted({row.above for row in model.prices if row.above})
        self._timed = any(row.since or row.hours or row.weekdays for row in model.prices)
        self.tiers = frozenset(row.tier for row in model.prices if row.tier)
        self._plain: dict[tuple[str, int], dict[str, float]] = {}  # tier and step to what is valid

    def rates(self, input_tokens: int = 0, conditions: Conditions = PLAIN) -> dict[str, float]:
        """Unit to price for a call of that many input tokens.

        Raises: NoPrice for a tier that the model has no price of.
        """
        tier = self._tier(conditions.tier)
        step = bisect_left(self._steps, input_tokens)
        if self._timed or not conditions.plain:
            return self._overlay(tier, self._steps[step - 1] if step else 0, conditions)
        rates = self._plain.get((tier, step))
        if rates is None:
            rates = self._plain[tier, step] = self._overlay(tier, self._steps[step - 1] if step else 0, conditions)
        return rates

    def _tier(self, word: str | None) -> str:
        tier = tier_of(word)
        if tier == "standard" or tier in self.tiers:
            return tier
        if tier == "fast" and "priority" in self.tiers:  # OpenAI's new word for it
            return "priority"
        raise NoPrice(f"no price is known of the {tier} tier of {self.model.provider}/{self.model.id}")

    def _overlay(self, tier: str, step: int, conditions: Conditions) -> dict[str, float]:
        at = conditions.at
        if self._timed:
            at = (at or datetime.datetime.now(datetime.UTC)).astimezone(datetime.UTC)
        rates: dict[str, float] = {}
        for row in self._rows:
            if _holds(row, tier, step, at, conditions):
                for unit in UNITS:
                    price = getattr(row, unit)
                    if price is not None:
                        rates[unit] = price
        return rates

    def cost(self, usage: Usage, quantities: Quantities = NONE, conditions: Conditions = PLAIN) -> Cost:
        """What the call cost. What it used and has no known price makes the total None, with the reason."""
        used, made = usage.input_tokens, usage.output_tokens
        if conditions.tier is None and usage.service_tier is not None:
            conditions = _with_tier(conditions, usage.service_tier)
        try:
            rates = self.rates(used or 0, conditions)
            if used is None and made is None and quantities is NONE and not usage.search_requests:
                raise NoPrice("the provider reported no token counts")
            if usage.billed_input_tokens is not None or usage.billed_output_tokens is not None:
                usage = _as_billed(usage)
                used, made = usage.input_tokens, usage.output_tokens
            return _charge(rates, usage, used or 0, made or 0, quantities)
        except NoPrice as error:
            return Cost(reason=str(error))


def _as_billed(usage: Usage) -> Usage:
    """What is on the bill. Which of these tokens were cached, or of which kind they are, it does not tell."""
    used, made = usage.billed_input_tokens, usage.billed_output_tokens
    return Usage(
        input_tokens=usage.input_tokens if used is None else used,
        output_tokens=usage.output_tokens if made is None else made,
        search_requests=usage.search_requests,
    )


def _with_tier(conditions: Conditions, tier: str) -> Conditions:
    if conditions is PLAIN:
        known = _OF_TIER.get(tier)
        if known is None and len(_OF_TIER) < 64:
            known = _OF_TIER[tier] = Conditions(tier=tier)
        if known is not None:
            return known
    return Conditions(
        tier=tier, at=conditions.at, region=conditions.region, size=conditions.size, quality=conditions.quality,
        search_size=conditions.search_size,
    )  # fmt: skip


_OF_TIER: dict[str, Conditions] = {}


def _holds(row: Rates, tier: str, step: int, at: datetime.datetime | None, given: Conditions) -> bool:
    """Whether all conditions of `row` hold; `at` is set where the model has prices that depend on the time."""
    return (
        (row.tier is None or row.tier == tier)
        and (row.above is None or row.above <= step)
        and (row.region is None or row.region == given.region)
        and (row.size is None or row.size == given.size)
        and (row.quality is None or row.quality == given.quality)
        and (row.search_size is None or row.search_size == given.search_size)
        and (row.since is None or (at is not None and at.date().isoformat() >= row.since))
        and (row.weekdays is None or (at is not None and at.isoweekday() in row.weekdays))
        and (row.hours is None or (at is not None and _within(at, row.hours)))
    )


def _within(at: datetime.datetime, spans: Iterable[str]) -> bool:
    now = f"{at:%H:%M}"
    for span in spans:
        start, _, end = span.partition("-")
        if start < end:
            if start <= now < end:
                return True
        elif now >= start or now < end:  # over midnight; "00:00-00:00" is the whole day
            return True
    return False


def _charge(rates: dict[str, float], usage: Usage, used: int, made: int, quantities: Quantities) -> Cost:
    """One invariant: input = uncached + cache read + cache write. A part without a price costs what the whole does."""
    get = rates.get
    input_rate, output_rate = get("input"), get("output")
    if quantities is NONE and not (
        usage.audio_input_tokens or usage.audio_output_tokens or usage.image_tokens or usage.search_requests
        or usage.cache_write_tokens or usage.reasoning_tokens or "per_request" in rates
    ):  # fmt: skip
        # Text in and out, with or without a cache: nearly every call.
        if (used and input_rate is None) or (made and output_rate is None):
            raise NoPrice(_no_token_price(rates))
        read = min(usage.cached_input_tokens or 0, used)
        spent_in = (used - read) * (input_rate or 0.0) / MILLION
        spent_out = made * (output_rate or 0.0) / MILLION
        if not read:
            return Cost(input=spent_in, output=spent_out, total=spent_in + spent_out, source="catalog")
        spent_cached = read * get("cache_read", input_rate or 0.0) / MILLION
        return Cost(
            input=spent_in,
            cached_input=spent_cached,
            output=spent_out,
            total=spent_in + spent_cached + spent_out,
            source="catalog",
        )
    return _Bill(rates).all(usage, used, made, quantities)


def _no_token_price(rates: dict[str, float]) -> str:
    if not any(unit in rates for unit in _TOKEN_UNITS):
        billed = [quantity.replace("_", " ") for quantity, unit, _ in PER_ONE if unit in rates]
        if billed:
            return f"the model is billed by {', '.join(billed)}, which the usage does not tell"
    return f"no price is known of its {'output' if 'input' in rates else 'input'} tokens"


class _Bill:
    """The long way: every detail of usage has its line."""

    def __init__(self, rates: dict[str, float]) -> None:
        self._rates = rates
        self._sums: dict[str, float] = {}

    def all(self, usage: Usage, used: int, made: int, quantities: Quantities) -> Cost:
        by_token = any(unit in self._rates for unit in _TOKEN_UNITS)
        if by_token or quantities is NONE:  # else what was counted is not what is billed
            self._input(usage, used, quantities)
            self._output(usage, made, quantities)
        self._characters(quantities)
        self._searches(usage)
        for quantity, unit, component in PER_ONE:
            self._per_one(getattr(quantities, quantity), unit, component, quantity)
        sums = self._sums
        return Cost(total=sum(sums.values()), source="catalog", **sums)  # type: ignore[arg-type]

    def _input(self, usage: Usage, used: int, quantities: Quantities) -> None:
        read = min(usage.cached_input_tokens or 0, used)
        written = min(usage.cache_write_tokens or 0, used - read)
        audio = usage.audio_input_tokens or 0
        image = quantities.image_input_tokens
        if not image and usage.image_tokens and "output_image" not in self._rates:
            image = usage.image_tokens
        video = quantities.video_input_tokens
        # Many providers say how much audio there was and how much was cached, but not how much audio was cached: the
        # cached part is then taken for text as long as there is text enough.
        fresh = used - read - written
        told = quantities.cached_audio_tokens or usage.cached_audio_tokens
        audio_read = min(max(0, audio - fresh) if told is None else told, read, audio)
        image_read = min(quantities.cached_image_tokens or usage.cached_image_tokens or 0, read - audio_read, image)
        fresh_audio, fresh_image = min(audio - audio_read, fresh), image - image_read
        fresh_image = min(fresh_image, fresh - fresh_audio)
        video = min(video, fresh - fresh_audio - fresh_image)
        self._tokens(fresh - fresh_audio - fresh_image - video, "input", (), "input")
        self._tokens(read - audio_read - image_read, "cache_read", ("input",), "cached_input")
        self._tokens(audio_read, "cache_read_audio", ("cache_read", "input_audio", "input"), "cached_input")
        self._tokens(image_read, "cache_read_image", ("cache_read", "input_image", "input"), "cached_input")
        hour = min(usage.cache_write_1h_tokens or 0, written)
        half_day = min(quantities.cache_write_12h_tokens, written - hour)
        self._tokens(written - hour - half_day, "cache_write", ("input",), "cache_write")
        self._tokens(hour, "cache_write_1h", ("cache_write", "input"), "cache_write")
        self._tokens(half_day, "cache_write_12h", ("cache_write", "input"), "cache_write")
        self._tokens(fresh_audio, "input_audio", ("input",), "audio")
        self._tokens(fresh_image, "input_image", ("input",), "image")
        self._tokens(video, "input_video", ("input",), "other")

    def _output(self, usage: Usage, made: int, quantities: Quantities) -> None:
        audio = min(usage.audio_output_tokens or 0, made)
        image = quantities.image_output_tokens
        if not image and usage.image_tokens and "output_image" in self._rates:
            image = usage.image_tokens
        image = min(image, made - audio)
        video = min(quantities.video_output_tokens, made - audio - image)
        reasoning = min(usage.reasoning_tokens or 0, made - audio - image - video)
        citation = quantities.citation_tokens  # Perplexity counts these apart from the answer
        self._tokens(made - audio - image - video - reasoning, "output", (), "output")
        self._tokens(reasoning, "reasoning", ("output",), "reasoning")
        self._tokens(audio, "output_audio", ("output",), "audio")
        self._tokens(image, "output_image", ("output",), "image")
        self._tokens(video, "output_video", ("output",), "other")
        self._tokens(citation, "citation", (), "other")

    def _tokens(self, count: int, unit: str, instead: tuple[str, ...], component: str) -> None:
        if not count:
            if component in ("input", "output") and unit in self._rates:
                self._sums.setdefault(component, 0.0)
            return
        for name in (unit, *instead):
            price = self._rates.get(name)
            if price is not None:
                self._add(component, count * price / MILLION)
                return
        raise NoPrice(_no_token_price(self._rates))

    def _characters(self, quantities: Quantities) -> None:
        for count, unit, component in (
            (quantities.input_characters, "input_characters", "input"),
            (quantities.output_characters, "output_characters", "output"),
        ):
            if count and unit in self._rates:
                self._add(component, count * self._rates[unit] / MILLION)
            elif count and "input" not in self._rates:
                raise NoPrice("no price is known of its characters")

    def _searches(self, usage: Usage) -> None:
        count = usage.search_requests
        if not count:
            return
        price = self._rates.get("per_search")
        if price is not None:
            self._add("search", count * price)
        elif "per_request" not in self._rates:  # a fee per request covers its searches
            raise NoPrice(f"no price is known of its {count} web searches")

    def _per_one(self, count: float, unit: str, component: str, what: str) -> None:
        price = self._rates.get(unit)
        if count and price is not None:
            self._add(component, count * price)
        elif count and unit != "per_request" and not (unit == "per_image" and "output_image" in self._rates):
            raise NoPrice(f"no price is known of its {what.replace('_', ' ')}")

    def _add(self, component: str, usd: float) -> None:
        self._sums[component] = self._sums.get(component, 0.0) + usd
