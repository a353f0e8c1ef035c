"""The matrix at the end of the test report: which provider passed which check of `ProviderConformance`.

Hooks of pytest, for a conftest to import. A provider that was run more than once (over several servers) has one row: a
check is passed when it passed each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exllm.testing import ProviderConformance

CHECKS = tuple(name for name in vars(ProviderConformance) if name.startswith("test_"))
MARKS = {"passed": "+", "skipped": "-", "failed": "X"}
"""From the best to the worst."""

_KEY = "conformance"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Note in the report of a check which provider and which check it was."""
    report = yield
    cls = getattr(item, "cls", None)
    name = getattr(item, "originalname", None)
    if (
        cls is not None
        and issubclass(cls, ProviderConformance)
        and name in CHECKS
        and (report.when == "call" or not report.passed)
    ):
        report.user_properties.append((_KEY, f"{item.instance.model.partition('/')[0]} {name}"))  # type: ignore[attr-defined]
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the matrix; one line of it with ``-q``, where nothing failed."""
    rows = results(
        (report.outcome, value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for key, value in getattr(report, "user_properties", ())
        if key == _KEY
    )
    if not rows:
        return
    failed = sum(outcome == "failed" for row in rows.values() for outcome in row.values())
    terminalreporter.section("conformance", sep="-")
    if failed or terminalreporter.verbosity >= 0:
        for line in drawn(rows, terminalreporter._tw.fullwidth):
            terminalreporter.write_line(line)
    terminalreporter.write_line(f"{len(rows)} providers, {len(CHECKS)} checks: {failed or 'none'} failed")


def results(reports: Iterator[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """The worst outcome of each check, by provider and check."""
    order = list(MARKS)
    rows: dict[str, dict[str, str]] = {}
    for outcome, value in reports:
        provider, _, check = value.partition(" ")
        row = rows.setdefault(provider, {})
        row[check] = max(row.get(check, "passed"), outcome, key=order.index)
    return dict(sorted(rows.items()))


def drawn(rows: dict[str, dict[str, str]], width: int) -> list[str]:
    """Lines of the matrix: what the columns are, then the providers, as many side by side as there is room for."""
    letters = "abcdefghijklmnopqrstuvwxyz"[: len(CHECKS)]
    lines = [
        f"  {letter} {check.removeprefix('test_').replace('_', ' ')}"
        for letter, check in zip(letters, CHECKS, strict=True)
    ]
    lines.append(
        f"  {MARKS['passed']} passed, {MARKS['failed']} failed, {MARKS['skipped']} not offered, blank: not run"
    )
    name_width = max(map(len, rows))
    cells = [
        f"{name:<{name_width}} {''.join(MARKS.get(row.get(check, ''), ' ') for check in CHECKS)}"
        for name, row in rows.items()
    ]
    blank = f"{'':<{name_width}} {letters}"
    columns = max(1, (width + 2) // (len(blank) + 2))
    height = -(-len(cells) // columns)
    lines.append("  ".join([blank] * min(columns, len(cells))))
    return lines + ["  ".join(cells[line::height]).rstrip() for line in range(height)]
