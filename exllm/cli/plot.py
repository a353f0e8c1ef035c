"""`exllm models plot`: what models cost against what they take in, as a picture."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from exllm import model_catalog
from exllm.cli.failures import FAILED, report, run
from exllm.cli.model_filters import Filters
from exllm.cli.models import find
from exllm.cli.scatter import Axis, Point, scatter
from exllm.cli.screen import Screen
from exllm.errors import ConfigurationError
from exllm.types.model import ModelEntry

Choice = TypeVar("Choice")

PIXELS_WIDE = 2560
WITHOUT_CAIRO = "a PNG needs cairosvg (pip install cairosvg); a name that ends in .svg needs nothing"


def _tokens(count: float) -> str:
    if count >= 1 << 20:
        return f"{count / (1 << 20):g}M"
    return f"{count / 1024:g}k" if count >= 1024 else f"{count:g}"


def _speed(entry: ModelEntry) -> float | None:
    info = model_catalog.model_info(entry.provider, entry.id)
    return info.output_tokens_per_s if info is not None else None


_AGAINST: dict[str, tuple[str, Axis, Callable[[ModelEntry], float | None]]] = {
    "context": (
        "context window", Axis("context window, tokens", _tokens, steps=(1,), base=2),
        lambda entry: entry.context_window,
    ),
    "output": (
        "longest answer", Axis("longest answer, tokens", _tokens, steps=(1,), base=2),
        lambda entry: entry.max_output_tokens,
    ),
    "speed": ("output speed", Axis("output, tokens per second", lambda speed: f"{speed:g}"), _speed),
}  # fmt: skip
_PRICES: dict[str, Callable[[ModelEntry], float | None]] = {
    "input": lambda entry: entry.input_usd_per_mtok,
    "output": lambda entry: entry.output_usd_per_mtok,
}


def plot(providers: Sequence[str], filters: Filters, from_catalog: bool, against: str, price: str, out: str) -> int:
    """Write a chart of the models that `exllm models` would list with the same conditions; returns the exit code."""
    screen = Screen()
    return run(lambda: _plot(providers, filters, from_catalog, against, price, Path(out), screen), screen)


def _plot(
    providers: Sequence[str],
    filters: Filters,
    from_catalog: bool,
    against: str,
    price: str,
    out: Path,
    screen: Screen,
) -> int:
    what, x_axis, x_of = _chosen("--against", against, _AGAINST)
    y_of = _chosen("--price", price, _PRICES)
    write = _writer(out)
    found = find(providers, filters, from_catalog, screen)
    points = _points(found.entries, x_of, y_of)
    for failure in found.failures:
        report(failure, screen)
    if not points:
        raise ConfigurationError(f"of none of {len(found.entries)} models both the price and the {what} are known")
    subtitle = f"{len(points):,} models; {price} price of the standard tier for short prompts; cheaper is lower"
    y_axis = Axis(f"US dollars per million {price} tokens", lambda usd: f"${usd:g}")
    write(scatter(f"Price and {what} of language models", subtitle, points, x_axis, y_axis))
    left_out = len(found.entries) - len(points)
    screen.say(f"{out}: {len(points):,} models" + _why(left_out, what))
    return FAILED if found.failures else 0


def _why(left_out: int, what: str) -> str:
    return f"; {left_out:,} are left out: free, or of unknown price or {what}" if left_out else ""


def _chosen(option: str, word: str, table: Mapping[str, Choice]) -> Choice:
    if word not in table:
        raise ConfigurationError(f"{option} takes {' or '.join(table)}, not {word!r}")
    return table[word]


def _points(
    entries: Sequence[ModelEntry],
    x_of: Callable[[ModelEntry], float | None],
    y_of: Callable[[ModelEntry], float | None],
) -> list[Point]:
    """Those that have both figures, the newest first: theirs are the names that people look for."""
    known = []
    for entry in entries:
        x, y = x_of(entry), y_of(entry)
        if x and y:
            hint = f"{entry.provider}/{entry.id}: ${y:g}, {x:,.0f}"
            known.append((entry.released or "", Point(x, y, entry.provider, _short(entry.id), hint)))
    newest_first = sorted(known, key=lambda pair: (len(pair[1].label), pair[1].label))  # of a kind the plain name
    newest_first.sort(key=lambda pair: pair[0], reverse=True)
    return [point for _, point in newest_first]


def _short(id: str) -> str:
    """The id without its maker's path."""
    return id.rpartition("/")[2]


def _writer(out: Path) -> Callable[[str], None]:
    """How `out` is written, by the end of its name. Raises: ConfigurationError for what cannot be."""
    kind = out.suffix.lower()
    if kind == ".svg":
        return lambda svg: _write(out, svg.encode())
    if kind != ".png":
        raise ConfigurationError(f"a chart is a .svg or a .png file, not {str(out)!r}")
    try:
        cairosvg: Any = importlib.import_module("cairosvg")
    except (ImportError, OSError):  # OSError: it is there, and the library cairo is not
        raise ConfigurationError(WITHOUT_CAIRO) from None
    return lambda svg: _write(out, cairosvg.svg2png(bytestring=svg.encode(), output_width=PIXELS_WIDE))


def _write(out: Path, data: bytes) -> None:
    try:
        out.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"cannot write {out}: {error.strerror}") from None
