"""What the sources disagree about, as a page for people."""

from __future__ import annotations

from collections import Counter

from exllm.model_catalog.sync.build import Built
from exllm.model_catalog.sync.merge import Disagreement


def markdown(built: Built) -> str:
    """The page: counts first, then every disagreement, by provider. The first figure of a row is the one taken."""
    models = sum(len(provider.models) for provider in built.providers.values())
    priced = sum(1 for provider in built.providers.values() for model in provider.models.values() if model.prices)
    by_what = Counter("price" if _is_price(one) else one.what for one in built.disagreements)
    lines = [
        "# What the sources of the model catalog disagree about",
        "",
        "Written by `python -m exllm.model_catalog.sync`. Nothing is averaged: the first figure of a row was taken, by",
        "the rule of precedence in `exllm/model_catalog/sync/merge.py`; a wrong one is put right in",
        "`exllm/model_catalog/overrides.yml`, with the page that shows it.",
        "",
        "| source | as of | licence | address |",
        "|---|---|---|---|",
        *(f"| {name} | {source.as_of} | {source.licence} | {source.url} |" for name, source in built.sources.items()),
        "",
        f"{models} models of {len(built.providers)} providers, {priced} of them with a price.",
        "",
        "| disagreement about | times |",
        "|---|---|",
        *(f"| {what} | {count} |" for what, count in by_what.most_common()),
        "",
        "## Not taken over",
        "",
        "Prices of nothing but zeros, taken for unknown (see the rule): "
        f"{len(built.zero_prices)}, by source: {_counts(Counter(source for _, _, source in built.zero_prices))}.",
        "What the schema has no place for:",
        "",
        "| what | times |",
        "|---|---|",
        *(f"| {what} | {count} |" for what, count in built.skipped.items()),
        "",
    ]
    for title, wanted in (("Prices (USD per million tokens, per_* for one)", True), ("Limits and dates", False)):
        lines += [f"## {title}", "", "| provider | model | what | taken | others |", "|---|---|---|---|---|"]
        for one in sorted(built.disagreements, key=lambda one: (one.provider, one.id)):
            if _is_price(one) == wanted:
                (source, value), *others = one.figures
                rest = ", ".join(f"{value} ({source})" for source, value in others)
                lines.append(f"| {one.provider} | {one.id} | {one.what} | {value} ({source}) | {rest} |")
        lines.append("")
    return "\n".join(lines)


def _is_price(one: Disagreement) -> bool:
    return one.what not in ("context_window", "max_output_tokens", "deprecation_date")


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"
