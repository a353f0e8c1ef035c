"""`exllm catalog` and `exllm cost`: questions to the model catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm import model_catalog
from exllm.cli.failures import run
from exllm.cli.listing import print_json, print_table
from exllm.cli.screen import Screen
from exllm.cost import compare
from exllm.cost.formatting import format as dollars
from exllm.errors import ConfigurationError
from exllm.model_catalog import store
from exllm.model_catalog.models import base_rates, is_local
from exllm.model_catalog.schema import ModelInfo
from exllm.model_catalog.sync.write import rates as row_of_rates
from exllm.types.usage import Usage


def find(conditions: Mapping[str, Any], recommend: str | None, as_json: bool) -> int:
    """Print the models that meet `conditions`, those of `find_models`; or the best of them, with reasons."""
    screen = Screen()
    return run(lambda: _find(conditions, recommend, as_json, screen), screen)


def _find(conditions: Mapping[str, Any], recommend: str | None, as_json: bool, screen: Screen) -> int:
    if recommend is None:
        models = model_catalog.find_models(**conditions)
        if as_json:
            return print_json(screen, models)
        if not models:
            screen.say("no model of the catalog meets that")
            return 0
        return print_table(screen, ("model", "context", "input $/M", "output $/M", "can"), [_row(m) for m in models])
    given = {name: value for name, value in conditions.items() if value is not None or name != "mode"}
    found = model_catalog.recommend_models(prefer=recommend, **given)  # type: ignore[arg-type]
    if as_json:
        return print_json(screen, found)
    return print_table(
        screen,
        ("model", "score", "why"),
        [(_name(one.model), f"{one.score:.2f}", "; ".join(one.reasons)) for one in found],
    )


def show(models: Sequence[str], as_json: bool) -> int:
    """Print one model in full, or several side by side."""
    screen = Screen()
    return run(lambda: _show(models, as_json, screen), screen)


def _show(models: Sequence[str], as_json: bool, screen: Screen) -> int:
    if as_json:
        return print_json(screen, [_known(model) for model in models])
    if len(models) > 1:
        table = model_catalog.compare_models(*models)
        rows = [(field, *(_text(row[model]) for model in models)) for field, row in table.items()]
        return print_table(screen, ("", *models), rows)
    info = _known(models[0])
    rows = []
    for field in ModelInfo.__struct_fields__:
        value = getattr(info, field)
        if field not in ("origin", "prices") and value not in (None, ()):
            rows.append((field, _text(value), info.source_of(field) or "-"))
    rows += [("price", row_of_rates(row), row.source or info.source_of("prices") or "-") for row in info.prices]
    return print_table(screen, ("", _name(info), "from"), rows)


def update() -> int:
    """Fetch the price lists into the user's copy of the catalog."""
    screen = Screen()
    return run(lambda: _update(screen), screen)


def _update(screen: Screen) -> int:
    done = model_catalog.update()
    screen.say(f"{done.models:,} models of {done.providers} providers, as of {done.as_of}, in {done.path}")
    screen.say(f"{len(done.new)} new, {len(done.gone)} gone")
    return print_table(screen, ("new",), [(model,) for model in done.new]) if done.new else 0


def check() -> int:
    """Read the whole catalog, the user's files included; a wrong file is an error that names it."""
    screen = Screen()
    return run(lambda: _check(screen), screen)


def _check(screen: Screen) -> int:
    catalog = store.current()
    models = model_catalog.list_all()
    priced = sum(1 for model in models if model.prices)
    rows = [
        ("file", str(catalog.path)),
        ("as of", catalog.as_of),
        ("providers", str(len(catalog.names))),
        ("models", str(len(models))),
        ("with a price", str(priced)),
        *(("your file", str(path)) for path in store.overlay_paths()),
    ]
    return print_table(screen, ("", "model catalog"), rows)


def show_cost(models: Sequence[str], usage: Usage, tier: str | None, as_json: bool) -> int:
    """Print what `usage` costs at each of `models`."""
    screen = Screen()
    return run(lambda: _show_cost(models, usage, tier, as_json, screen), screen)


def _show_cost(models: Sequence[str], usage: Usage, tier: str | None, as_json: bool, screen: Screen) -> int:
    lines = compare(usage, models, tier=tier)
    if as_json:
        return print_json(screen, lines)
    return print_table(
        screen,
        ("model", "total", "input", "cached", "output", ""),
        [
            (
                line.model,
                dollars(line.cost.total),
                dollars(line.cost.input) if line.cost.input is not None else "-",
                dollars(line.cost.cached_input) if line.cost.cached_input is not None else "-",
                dollars(line.cost.output) if line.cost.output is not None else "-",
                line.cost.reason or _against_cheapest(line.times_cheapest),
            )
            for line in lines
        ],
    )


def _against_cheapest(times: float | None) -> str:
    if times is None:
        return "-"
    return "the cheapest" if times == 1 else f"{times:.3g} times the cheapest"


def _known(model: str) -> ModelInfo:
    info = model_catalog.model_info(model)
    if info is None:
        raise ConfigurationError(f"the model catalog does not know {model!r}; exllm catalog find lists what there is")
    return info


def _row(model: ModelInfo) -> tuple[str, ...]:
    rates = base_rates(model)
    window = f"{model.context_window:,}" if model.context_window else "-"
    prices = [
        "free" if is_local(model.provider) else f"{rates[unit]:g}" if unit in rates else "-"
        for unit in ("input", "output")
    ]
    return _name(model), window, *prices, " ".join(model.capabilities) or "-"


def _name(model: ModelInfo) -> str:
    return f"{model.provider}/{model.id}"


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "-"
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
