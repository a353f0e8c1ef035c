"""`exllm catalog` and `exllm cost`: questions to the model catalog."""

from __future__ import annotations

from collections.abc import Sequence

from exllm import model_catalog
from exllm.cli.failures import run
from exllm.cli.listing import print_json, print_table
from exllm.cli.screen import Screen
from exllm.cost import compare
from exllm.cost.formatting import format as dollars
from exllm.model_catalog import store
from exllm.types.usage import Usage


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
