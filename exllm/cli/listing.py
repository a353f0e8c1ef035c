"""The table of providers, and how tables are printed: drawn on a terminal, tab-separated in a pipe, JSON on request."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence

import msgspec
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from exllm.cli.failures import LOCAL, run
from exllm.cli.screen import Screen, printable
from exllm.providers import registry
from exllm.providers.registry import ProviderInfo


def show_providers(as_json: bool) -> int:
    """Print all providers; returns the exit code. A key is never shown, only whether there is one."""
    screen = Screen()
    return run(lambda: _show_providers(as_json, screen), screen)


def _show_providers(as_json: bool, screen: Screen) -> int:
    rows = [(info, _access(info)) for info in registry.list_providers()]
    if as_json:
        return print_json(screen, [{**msgspec.structs.asdict(info), "access": access} for info, access in rows])
    return print_table(
        screen,
        ("provider", "name", "wire", "access", "default model"),
        [(info.name, info.label, info.wire or "-", access, info.default_model or "-") for info, access in rows],
        links=[info.docs or "-" for info, _ in rows],
    )


def _access(info: ProviderInfo) -> str:
    """``ready``, or what is missing."""
    if info.name == LOCAL:
        return "ready" if can_load_models() else 'needs pip install "exllm[local]"'
    if not info.requires_key:
        return "no key needed"
    missing = registry.missing(info.name)
    return f"needs {' and '.join(missing)}" if missing else "ready"


def can_load_models() -> bool:
    """Whether what the local models need is installed."""
    return importlib.util.find_spec("llama_cpp") is not None


def print_json(screen: Screen, value: object) -> int:
    """Print JSON, for people to read; returns the exit code."""
    return _print(screen, msgspec.json.format(msgspec.json.encode(value)).decode())


def print_table(
    screen: Screen,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    links: Sequence[str] = (),
    figures: Collection[str] = (),
    styles: Mapping[str, str] = {},
    optional: Sequence[str] = (),
) -> int:
    """Print rows of text: on a terminal the columns of `figures` to the right, and in the colours of `styles`.

    `links` are shown in a last column of their own where there is room for it; on a terminal where there is not, the
    first column leads to them (OSC 8, which terminals that do not know it ignore). The columns of `optional` are left
    out of a terminal that has no room for them, the last one first.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    rows_with_links = [(*row, link) for row, link in zip(rows, links, strict=True)] if links else rows
    if not screen.out.is_terminal:
        return _print(screen, "\n".join("\t".join(row) for row in rows_with_links))
    if dropped := _without_room(columns, rows, optional, console.width):
        kept = [number for number, column in enumerate(columns) if column not in dropped]
        columns = tuple(columns[number] for number in kept)
        rows = [tuple(row[number] for number in kept) for row in rows]
    has_room = bool(links) and _width(rows_with_links) <= console.width
    table = Table(*columns, *(["documentation"] if has_room else []), box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"  # a name that is cut short cannot be copied
        column.style = styles.get(str(column.header), "none")
        if column.header in figures:
            column.justify, column.no_wrap = "right", True
    if rows and optional:  # the others wrap before the names do
        table.columns[0].min_width = min(max(len(row[0]) for row in rows), console.width // 2)
    for number, row in enumerate(rows_with_links if has_room else rows):
        first, *others = (Text(printable(cell)) for cell in row)
        if links and not has_room and links[number] != "-":
            first.stylize(Style(link=links[number]))
        table.add_row(first, *others)
    console.print(table)
    return 0


def _without_room(
    columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], optional: Sequence[str], width: int
) -> set[str]:
    """Those of the optional columns that would leave too little to each other."""
    widths = {
        column: max(len(cell) for cell in (column, *cells)) + 2 for column, *cells in zip(columns, *rows, strict=True)
    }
    left = width - sum(wide for column, wide in widths.items() if column not in optional)
    dropped = set()
    for column in optional:
        if left >= min(widths[column], LEAST_WIDTH):
            left -= min(widths[column], LEAST_WIDTH)
        else:
            dropped.add(column)
    return dropped


LEAST_WIDTH = 18


def _width(rows: Sequence[tuple[str, ...]]) -> int:
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True))


def _print(screen: Screen, text: str) -> int:
    screen.out.write_now(f"{text}\n" if text else "")
    return 0
