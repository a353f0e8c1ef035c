"""Which ids mean the same model: dated forms, Bedrock's regions, Fireworks' long paths; and who follows whom."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from exllm.model_catalog.sync.merge import Merged

REGION = re.compile(r"^(us|eu|apac|ap|au|jp|ca|sa|global|us-gov|in|il|me|mx|af|uk)\.(?=[a-z0-9]+\.)")
_DATED = re.compile(r"^(?P<stem>.+?)[-@](?:20\d\d-?[01]\d-?[0-3]\d)$")
_FIREWORKS = "accounts/fireworks/models/"


def fold(models: dict[str, Merged]) -> None:
    """Turn ids that mean another model of the provider, at the same price and limits, into aliases of it, in place."""
    _fold_regions(models)
    _fold_paths(models)
    _fold_dates(models)
    _name_successors(models)


def _facts(model: Merged) -> tuple[Any, ...]:
    """What must be the same for two ids to be one model."""
    rows = tuple((when, tuple(sorted(rates.items()))) for when, rates, _ in model.rows)
    return rows, model.fields.get("modes")


def _fold_regions(models: dict[str, Merged]) -> None:
    for id in list(models):
        match = REGION.match(id)
        if match is None or id[match.end() :] not in models:
            continue
        base = models[id[match.end() :]]
        if _facts(models[id]) == _facts(base):
            _add(base, "regional_ids", [id])
            del models[id]
        else:
            models[id].fields["region_of"] = base.id
            models[id].origin["region_of"] = "derived"


def _fold_paths(models: dict[str, Merged]) -> None:
    for id in list(models):
        short = models.get(id[len(_FIREWORKS) :]) if id.startswith(_FIREWORKS) else None
        if short is not None and (not short.rows or _facts(short) == _facts(models[id])):
            _absorb(models, short.id, id)


def _fold_dates(models: dict[str, Merged]) -> None:
    """``gpt-x`` and the only ``gpt-x-2025-08-07`` with the same price are one; with two dates nobody can say which."""
    dated: dict[str, list[str]] = {}
    for id in models:
        if match := _DATED.match(id):
            dated.setdefault(match["stem"], []).append(id)
    for stem, ids in dated.items():
        for alias in (stem, f"{stem}-latest"):
            if alias in models and len(ids) == 1 and _facts(models[alias]) == _facts(models[ids[0]]):
                _absorb(models, alias, ids[0])


def _absorb(models: dict[str, Merged], alias: str, id: str) -> None:
    """`alias` means `id`; what is known only of the alias is known of both."""
    target, source = models[id], models.pop(alias)
    for name, value in source.fields.items():
        if name not in target.fields:
            target.fields[name] = value
            target.origin[name] = source.origin.get(name, "derived")
    if "lacks" in target.fields:
        can = target.fields.get("capabilities", ())
        target.fields["lacks"] = tuple(word for word in target.fields["lacks"] if word not in can)
    _add(target, "aliases", [alias, *source.fields.get("aliases", ())])


def _add(model: Merged, field: str, ids: Iterable[str]) -> None:
    known = set(model.fields.get(field, ())) | set(ids)
    model.fields[field] = tuple(sorted(known - {model.id}))
    model.origin[field] = "derived"


def _name_successors(models: dict[str, Merged]) -> None:
    """The newest model of the same family that is not going away: what models.dev's families and dates tell."""
    families: dict[tuple[Any, Any], list[Merged]] = {}
    for model in models.values():
        if model.fields.get("family") and model.fields.get("released") and "region_of" not in model.fields:
            families.setdefault((model.fields["family"], model.fields.get("modes")), []).append(model)
    for family in families.values():
        staying = [m for m in family if not m.fields.get("status") and not m.fields.get("deprecation_date")]
        if not staying:
            continue
        newest = max(staying, key=lambda m: (m.fields["released"], m.id))
        for model in family:
            leaving = model.fields.get("status") == "deprecated" or model.fields.get("deprecation_date")
            if leaving and model.fields["released"] < newest.fields["released"]:
                model.fields["successor"] = newest.id
                model.origin["successor"] = "derived"
