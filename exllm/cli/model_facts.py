"""`exllm models show`, `compare` and `recommend`: what the model catalog knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm import model_catalog
from exllm.cli.failures import run
from exllm.cli.listing import print_json, print_table
from exllm.cli.screen import Screen
from exllm.errors import ConfigurationError
from exllm.model_catalog.schema import CONDITIONS, UNITS, ModelInfo, Rates
from exllm.model_catalog.sync.write import number

_STYLES = {"": "bold", "from": "dim"}


def show(model: str, as_json: bool) -> int:
    """Print one model in full, each figure with where it is from."""
    screen = Screen()
    return run(lambda: _show(model, as_json, screen), screen)


def _show(model: str, as_json: bool, screen: Screen) -> int:
    info = _known(model)
    if as_json:
        return print_json(screen, info)
    rows = []
    for field in ModelInfo.__struct_fields__:
        value = getattr(info, field)
        if field not in ("origin", "prices") and value not in (None, ()):
            rows.append((field, _text(value), info.source_of(field) or "-"))
    rows += [(_when(row), _charges(row), row.source or info.source_of("prices") or "-") for row in info.prices]
    return print_table(screen, ("", f"{info.provider}/{info.id}", "from"), rows, styles=_STYLES)


def compare(models: Sequence[str], as_json: bool) -> int:
    """Print several models side by side."""
    screen = Screen()
    return run(lambda: _compare(models, as_json, screen), screen)


def _compare(models: Sequence[str], as_json: bool, screen: Screen) -> int:
    if as_json:
        return print_json(screen, [_known(model) for model in models])
    table = model_catalog.compare_models(*models)
    rows = [(field, *(_text(row[model]) for model in models)) for field, row in table.items()]
    return print_table(screen, ("", *models), rows, styles=_STYLES)


def recommend(conditions: Mapping[str, Any], prefer: str, as_json: bool) -> int:
    """Print the best five models that meet `conditions`, those of `find_models`, with reasons."""
    screen = Screen()
    return run(lambda: _recommend(conditions, prefer, as_json, screen), screen)


def _recommend(conditions: Mapping[str, Any], prefer: str, as_json: bool, screen: Screen) -> int:
    preference: Any = prefer  # any other word is refused there
    found = model_catalog.recommend_models(prefer=preference, **conditions)
    if as_json:
        return print_json(screen, found)
    if not found:
        screen.say("no model of the catalog meets that")
        return 0
    rows = [(f"{one.model.provider}/{one.model.id}", f"{one.score:.2f}", "; ".join(one.reasons)) for one in found]
    return print_table(screen, ("model", "score", "why"), rows, figures={"score"}, styles={"model": "cyan"})


def _known(model: str) -> ModelInfo:
    info = model_catalog.model_info(model)
    if info is None:
        provider = model.partition("/")[0]
        raise ConfigurationError(
            f"the model catalog does not know {model!r}; exllm models --catalog {provider} lists what it knows"
        )
    return info


def _when(row: Rates) -> str:
    """``price``, with the conditions under which it holds."""
    held = [f"{name} {_text(value)}" for name in CONDITIONS if (value := getattr(row, name)) is not None]
    return f"price ({', '.join(held)})" if held else "price"


def _charges(row: Rates) -> str:
    """What is paid: per million tokens, or per one of what is named so."""
    charges = [
        f"{unit.replace('_', ' ')} ${number(price)}" for unit in UNITS if (price := getattr(row, unit)) is not None
    ]
    return ", ".join(charges)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "-"
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
