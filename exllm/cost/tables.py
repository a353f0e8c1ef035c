"""Rows of figures as text, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from exllm.cost.formatting import format as dollars
from exllm.errors import ConfigurationError

if TYPE_CHECKING:
    from exllm.cost.ledger import Line

TableFormat = Literal["text", "markdown", "csv", "json"]

COLUMNS = ("provider", "model", "calls", "input tokens", "output tokens", "input", "cache", "output", "rest", "total")


def table(lines: Sequence[Line], format: TableFormat) -> str:
    """The lines as a table, without a line end. Raises `ConfigurationError` for a format that there is not."""
    if format == "json":
        return msgspec.json.format(msgspec.json.encode([msgspec.structs.asdict(line) for line in lines])).decode()
    if format == "csv":
        return _csv(lines)
    rows = [_row(line) for line in lines]
    if format == "markdown":
        head = [f"| {' | '.join(COLUMNS)} |", "|---|---|" + "---:|" * (len(COLUMNS) - 2)]
        return "\n".join(
            [*head, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)]
        )
    if format == "text":
        return _text(rows)
    raise ConfigurationError(f"unknown format {format!r}; there are text, markdown, csv and json")


def _row(line: Line) -> tuple[str, ...]:
    cache = line.cached_input + line.cache_write
    rest = line.reasoning + line.audio + line.image + line.search + line.other
    total = dollars(line.total) + (f" + {line.unknown} unknown" if line.unknown else "")
    return (
        line.provider, line.model or "", f"{line.calls:,}", f"{line.input_tokens:,}", f"{line.output_tokens:,}",
        dollars(line.input), dollars(cache), dollars(line.output), dollars(rest), total,
    )  # fmt: skip


def _text(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in [COLUMNS, *rows]) for column in range(len(COLUMNS))]
    lines = []
    for row in [COLUMNS, *rows]:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _csv(lines: Sequence[Line]) -> str:
    from exllm.cost.ledger import Line

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Line.__struct_fields__)
    writer.writerows([getattr(line, name) for name in Line.__struct_fields__] for line in lines)
    return text.getvalue().rstrip("\n")
