"""The catalog's files: YAML that reads and diffs well, one file per provider."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from exllm.model_catalog.schema import CONDITIONS, UNITS, ModelInfo, ProviderModels, Rates, Source

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./+ -]*[A-Za-z0-9+]|[A-Za-z]")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"}
_ORDER = [name for name in ModelInfo.__struct_fields__ if name not in ("provider", "id", "origin")]


def provider_yaml(provider: ProviderModels) -> str:
    """The file of one provider. The same models give the same text, whatever order they come in."""
    lines = [
        "# Written by `python -m exllm.model_catalog.sync`: changes belong in ../overrides.yml.",
        "# Prices in US dollars per million tokens, per_* for one; the fields are told in ../schema.py.",
        f"provider: {scalar(provider.provider)}",
        "sources:",
        *(f"  {scalar(name)}: {_source(source)}" for name, source in sorted(provider.sources.items())),
        "models:",
    ]
    for id, model in sorted(provider.models.items()):
        start = len(lines)
        for name in _ORDER:
            value = getattr(model, name)
            if value is None or value == ():
                continue
            if name == "prices":
                lines.append("    prices:")
                lines += [f"    - {rates(row)}" for row in value]
            else:
                lines.append(f"    {name}: {_value(value)}")
        if model.origin:
            lines.append(f"    from: {_flow(_origin(model.origin))}")
        # A model of which nothing but its id is known is a line of its own.
        lines.insert(start, f"  {scalar(id)}:" if len(lines) > start else f"  {scalar(id)}: {{}}")
    return "\n".join(lines) + "\n"


def rates(row: Rates) -> str:
    """One row, conditions first."""
    given = {name: value for name in (*CONDITIONS, *UNITS) if (value := getattr(row, name)) is not None}
    if row.source is not None:
        given["from"] = row.source
    return _flow(given)


def scalar(value: object) -> str:
    """A value as YAML reads it back: small prices without exponent, which YAML 1.1 would take for a word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _BARE.fullmatch(text) and text.lower() not in _WORDS_OF_YAML:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def number(value: float) -> str:
    """The shortest decimal form that gives the same float."""
    text = format(Decimal(repr(value)), "f")
    return text[:-2] if text.endswith(".0") else text


def _value(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(scalar(item) for item in value)}]"
    return scalar(value)


def _flow(mapping: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{scalar(name)}: {_value(value)}" for name, value in mapping.items()) + "}"


def _source(source: Source) -> str:
    return _flow({"as_of": source.as_of, "url": source.url, "licence": source.licence})


def _origin(origin: Mapping[str, str]) -> dict[str, str]:
    return {name: origin[name] for name in sorted(origin, key=lambda name: (name != "default", name))}


def compact_origin(origin: Mapping[str, str], used: Iterable[str]) -> dict[str, str]:
    """Field to source with the most frequent source as ``default``."""
    kept = {name: origin[name] for name in used if name in origin}
    if not kept:
        return {}
    counts: dict[str, int] = {}
    for source in kept.values():
        counts[source] = counts.get(source, 0) + 1
    default = max(counts, key=lambda source: (counts[source], source))
    return {"default": default} | {name: source for name, source in kept.items() if source != default}
