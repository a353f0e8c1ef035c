"""How near the estimates of `exllm.context` are to what providers reported, on the recorded calls.

    python tools/measure_token_estimates.py          # a table: calls, error, how many are within the band
    python tools/measure_token_estimates.py --worst  # the calls outside the band
    python tools/measure_token_estimates.py --fit    # the rows of `exllm/context/families.py`, computed anew

A row is fitted to the least sum of relative errors, each cut at 1 so that what a gateway adds in secret does not count
for more than one call. The band is the least that holds for `WITHIN` of the family's calls.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable

import msgspec

sys.path.insert(0, __file__.rpartition("/")[0])

from token_recordings import Measured, measured

from exllm.context.estimate import Estimator, _tool_text
from exllm.context.families import FAMILIES, OTHER, Family, family_of
from exllm.context.text_tokens import text_tokens
from exllm.types.parts import Text, ToolCall, ToolResult

WITHIN = 0.9
FLOOR = 20  # tokens: below that an error counts as of so many
GRID = {
    "text": [0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3],
    "message": [0, 1, 2, 3, 4, 5, 6, 8, 10],
    "call": [0, 4, 8, 12, 16, 24, 32, 40, 48],
    "request": [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 25, 30, 35, 40, 50, 60, 70, 80, 90, 120, 150, 180],
    "tools": [0, 10, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 240, 280, 320, 360, 400, 440, 480, 560, 800, 1000],
    "tool": [0, 5, 10, 15, 20, 30, 40, 60],
    "tool_text": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3],
}  # fmt: skip


class Features(msgspec.Struct):
    """What a call is made of, before a family's figures."""

    text: float
    messages: int
    calls: int
    tools: int
    tool_text: float
    truth: int

    def estimate(self, family: Family) -> float:
        total = family.request + family.text * self.text + family.message * self.messages + family.call * self.calls
        if self.tools:
            total += family.tools + family.tool * self.tools + family.tool_text * self.tool_text
        return total


def features(call: Measured) -> Features:
    text, calls = 0.0, 0
    for message in call.messages:
        for part in message.parts:
            match part:
                case Text(text=words):
                    text += text_tokens(words)
                case ToolCall(name=name, arguments=arguments):
                    text, calls = text + text_tokens(f"{name} {arguments}"), calls + 1
                case ToolResult(content=content):
                    words = content if isinstance(content, str) else "".join(inner.text for inner in content)  # type: ignore[union-attr]
                    text, calls = text + text_tokens(words), calls + 1
    tool_text = sum(text_tokens(_tool_text(tool)) for tool in call.tools)
    return Features(text, len(call.messages), calls, len(call.tools), tool_text, call.input_tokens)


def by_family(calls: Iterable[Measured]) -> dict[str, list[Measured]]:
    groups: dict[str, list[Measured]] = defaultdict(list)
    for call in calls:
        groups[family_of(f"{call.provider}/{call.model}").name].append(call)
    return groups


def error(estimate: float, truth: int) -> float:
    return abs(estimate - truth) / max(truth, FLOOR)


def fit(family: Family, rows: list[Features]) -> Family:
    """Coordinate descent over the grids, of calls without tools first, then of what tools add.

    Plain figures on purpose, so that nothing is fitted closer than it is known.
    """
    plain = [row for row in rows if not row.tools]
    if plain:
        family = _descend(family, plain, ("text", "message", "request"))
    family = _descend(family, rows, ("tools", "tool", "tool_text", "call"))
    return _with_band(family, rows)


def _descend(family: Family, rows: list[Features], names: tuple[str, ...]) -> Family:
    def loss(candidate: Family) -> float:
        return sum(min(1.0, error(row.estimate(candidate), row.truth)) for row in rows)

    best, least = family, loss(family)
    while True:
        before = least
        for name in names:
            for value in GRID[name]:
                candidate = msgspec.structs.replace(best, **{name: value})
                if (found := loss(candidate)) < least - 1e-9:
                    best, least = candidate, found
        if least >= before:
            return best


def _with_band(family: Family, rows: list[Features]) -> Family:
    bands = {}
    for name, some in (
        ("request_band", [row for row in rows if not row.tools]),
        ("tools_band", [row for row in rows if row.tools]),
    ):
        beyond = sorted(
            max(0.0, abs(row.estimate(family) - row.truth) - family.relative * row.estimate(family)) for row in some
        )
        if len(some) < 5:  # too few to tell: the other half's, or the default
            continue
        bands[name] = float(max(5, 5 * math.ceil(beyond[math.ceil(WITHIN * len(beyond)) - 1] / 5)))
    if "request_band" in bands:
        bands["tools_band"] = max(bands["request_band"], bands.get("tools_band", family.tools_band))
    return msgspec.structs.replace(family, **bands)


def report(groups: dict[str, list[Measured]]) -> list[tuple[str, int, float, float, float]]:
    """Family, calls, median error, 90th percentile of the error, share of the calls within the band."""
    lines = []
    for name, calls in sorted(groups.items()):
        errors, within = [], 0
        for call in calls:
            count = Estimator(f"{call.provider}/{call.model}", call.tools).count(call.messages)
            errors.append(abs(count.tokens - call.input_tokens) / call.input_tokens)
            within += count.low <= call.input_tokens <= count.high
        errors.sort()
        ninth = errors[math.ceil(0.9 * len(errors)) - 1]
        lines.append((name, len(calls), statistics.median(errors), ninth, within / len(calls)))
    return lines


def main() -> None:
    groups = by_family(measured())
    if "--worst" in sys.argv:
        for calls in groups.values():
            for call in calls:
                count = Estimator(f"{call.provider}/{call.model}", call.tools).count(call.messages)
                if not count.low <= call.input_tokens <= count.high:
                    band = f"{count.low}..{count.tokens}..{count.high}"
                    print(f"{call.input_tokens:6} reported, {band}: {call.model} {call.file}")
    if "--fit" in sys.argv:
        for family in (*FAMILIES, OTHER):
            if rows := [features(call) for call in groups.get(family.name, ())]:
                shown = msgspec.to_builtins(fit(family, rows))
                fields = ", ".join(
                    f"{name}={tuple(value) if isinstance(value, list) else value!r}" for name, value in shown.items()
                )
                print(f"    Family({fields}),")
    print("| family | calls | median error | 90th percentile | within the band |\n|---|---|---|---|---|")
    for name, calls, median, ninth, within in report(groups):
        print(f"| {name} | {calls} | {median:.0%} | {ninth:.0%} | {within:.0%} |")


if __name__ == "__main__":
    main()
