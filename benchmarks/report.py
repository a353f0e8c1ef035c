"""From measurements to RESULTS.md, results.json and the charts.

python -m benchmarks.report               writes RESULTS.md and the charts again, from results.json
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.chart import bar_chart
from benchmarks.clients import BASELINES, CLIENTS
from benchmarks.faults import FAULTS
from benchmarks.rows import ROWS, Row, Target

Measured = dict[str, dict[str, list[dict[str, float]]]]  # row key -> client -> repetitions
Found = Mapping[str, Mapping[str, Iterable[str]]]  # client -> fault -> (verdict, what happened)
Medians = dict[str, dict[str, float]]  # client -> metric -> median

MARKS = {"good": "✓", "bad": "✗", "neutral": "–"}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            model = f"{names[0]}, {len(names)} cores"
    return {"cpu": model, "system": platform.system(), "python": platform.python_version()}


def medians_of(repetitions: Mapping[str, list[dict[str, float]]]) -> Medians:
    return {
        client: {metric: statistics.median([run[metric] for run in runs]) for metric in runs[0]}
        for client, runs in repetitions.items()
        if runs
    }


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def row_table(row: Row, medians: Medians) -> str:
    """One line per client, with the first column against `raw` on the same bytes."""
    metric = row.columns[0].metric
    lines = []
    for client in row.clients:
        figures = medians.get(client)
        if figures is None:
            continue
        base = medians.get(_baseline(row, client), {}).get(metric)
        ratio = f"{figures[metric] / base:.2f}" if base else ""
        name = f"**{client}**" if client.startswith("exllm") else client
        lines.append([name, *[column.form.format(figures[column.metric]) for column in row.columns], ratio])
    against = "asyncio" if row.job == "import" else "raw"
    return table(["client", *[column.title for column in row.columns], f"{row.columns[0].title} / {against}"], lines)


def _baseline(row: Row, client: str) -> str:
    if row.job == "import":
        return "asyncio"
    base = BASELINES[CLIENTS[client].dialect]
    return f"{base}-uvloop" if CLIENTS[client].loop == "uvloop" else base


def verdict(row: Row, target: Target, medians: Medians) -> tuple[str, bool] | None:
    """The target in words with what was reached, and whether it was; None when it was not measured."""
    own = medians.get(target.client, {}).get(target.metric)
    if own is None:
        return None
    value = own
    if target.kind != "absolute":
        base = medians.get(_baseline(row, target.client), {}).get(target.metric)
        if not base:
            return None
        value = own / base if target.kind == "ratio" else own - base
    against = {"ratio": " x " + _baseline(row, target.client), "added": f" {target.unit} added",
               "absolute": f" {target.unit}"}[target.kind]  # fmt: skip
    sign = ">=" if target.at_least else "<="
    reached = value >= target.limit if target.at_least else value <= target.limit
    return f"{target.client}: {target.metric} {sign} {target.limit:g}{against}: {value:.2f}", reached


def faults_table(found: Found) -> str:
    """Faults down, clients across."""
    clients = list(found)
    lines = []
    for fault, description in FAULTS.items():
        cells = []
        for client in clients:
            mark, happened = found[client].get(fault, ("neutral", "not tried"))
            cells.append(f"{MARKS[mark]} {happened}")
        lines.append([description, *cells])
    return table(["what happens", *clients], lines)


def write_report(
    folder: Path,
    measured: Measured,
    found: Found,
    versions: Mapping[str, str],
    where: Mapping[str, str],
    when: str | None = None,
    notes: Mapping[str, str] | None = None,
    sessions: Mapping[str, Any] | None = None,
) -> None:
    """Write RESULTS.md, results.json and charts/*.svg into `folder`. `when` is today unless given.

    `notes` says, by row, what a reader must know of how it was measured. `sessions` is what `benchmarks.live` has
    found, those of before unless given.
    """
    notes = notes or {}
    sessions = _saved(folder).get("sessions") if sessions is None else sessions
    medians = {key: medians_of(clients) for key, clients in measured.items()}
    when = when or datetime.now(UTC).date().isoformat()
    parts = [_HEAD.format(when=when, **where)]
    parts.append(
        table(["package", "version"], [[name, versions[name]] for name in sorted(versions) if name != "unknown"])
    )
    parts.append(_targets(medians))
    charts = folder / "charts"
    charts.mkdir(exist_ok=True)
    for row in ROWS:
        if row.key not in medians:
            continue
        repeats = max(len(runs) for runs in measured[row.key].values())
        parts.append(f"\n## {row.title}\n\n{_amounts(row, repeats)} {notes.get(row.key, '')}".rstrip() + "\n")
        if row.chart:
            bars = {client: medians[row.key][client][row.chart] for client in row.clients if client in medians[row.key]}
            column = next(column for column in row.columns if column.metric == row.chart)
            (charts / f"{row.key}.svg").write_text(bar_chart(f"{row.title}: {column.title}", bars))
            parts.append(f"![{row.title}](charts/{row.key}.svg)\n")
        parts.append(row_table(row, medians[row.key]))
    if found:
        parts.append(f"\n## When things go wrong\n\n{_FAULTS_HEAD}\n{faults_table(found)}")
    if sessions:
        parts.append(sessions_section(sessions))
    (folder / "RESULTS.md").write_text("\n".join(parts))
    raw = {
        "when": when,
        "machine": dict(where),
        "versions": dict(versions),
        "measured": measured,
        "faults": found,
        "notes": dict(notes),
        **({"sessions": sessions} if sessions else {}),
    }
    (folder / "results.json").write_text(json.dumps(raw, indent=1) + "\n")


def update_sessions(folder: Path, sessions: Mapping[str, Any]) -> None:
    """Write the report again, with what `benchmarks.live` has found."""
    saved = _saved(folder)
    write_report(
        folder, saved["measured"], saved["faults"], saved["versions"], saved["machine"], saved["when"],
        saved.get("notes"), {**sessions, "when": datetime.now(UTC).date().isoformat()},
    )  # fmt: skip


def sessions_section(sessions: Mapping[str, Any]) -> str:
    """Realtime sessions, one table for each protocol."""
    amounts, where = sessions["amounts"], sessions["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(sessions["versions"].items()))
    parts = [
        _SESSIONS_HEAD.format(
            **amounts, when=sessions["when"], cpu=where["cpu"], python=where["python"], versions=versions
        )
    ]
    for dialect, clients in sessions["measured"].items():
        raw = clients.get("raw", {})
        lines = []
        for name, figures in clients.items():
            added = figures["down_p95_ms"] - raw["down_p95_ms"] if raw and name != "raw" else None
            lines.append([
                f"**{name}**" if name == "exllm" else name,
                f"{figures['completed']:.0f}",
                f"{figures['lost']:.0f}",
                f"{figures['down_reordered'] + figures['up_reordered']:.0f}",
                f"{figures['down_p50_ms']:.2f} / {figures['down_p95_ms']:.2f}",
                f"{figures['up_p50_ms']:.2f} / {figures['up_p95_ms']:.2f}",
                "" if added is None else f"{added:+.2f}",
                f"{figures['cpu_us_per_message']:.0f}",
                f"{100 * figures['cpu_share']:.0f}",
                f"{figures['resident_mib']:.0f}",
                f"{figures['growth_kib'] / 1024:+.1f}",
            ])  # fmt: skip
        header = ["client", "sessions complete", "frames lost", "out of order", "to us p50 / p95 ms",
                  "from us p50 / p95 ms", "p95 added ms", "CPU us per frame", "CPU %", "RSS MiB",
                  "RSS grown MiB"]  # fmt: skip
        parts.append(f"### {_PROTOCOLS[dialect]}\n\n{table(header, lines)}")
    return "\n".join(parts)


def _saved(folder: Path) -> dict[str, Any]:
    path = folder / "results.json"
    saved: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return saved


def _targets(medians: Mapping[str, Medians]) -> str:
    lines = []
    for row in ROWS:
        for target in row.targets:
            outcome = verdict(row, target, medians.get(row.key, {}))
            if outcome is not None:
                lines.append([row.key, outcome[0], "✓" if outcome[1] else "✗"])
    return "\n## Targets\n\n" + table(["row", "target: reached", ""], lines)


def _amounts(row: Row, repeats: int) -> str:
    if not row.params:
        return f"Median of {repeats}."
    slow = f"; slow clients: `{json.dumps(row.slow_params)}`, at most 3" if row.slow_params != row.params else ""
    return f"Job `{row.job}` with `{json.dumps(row.params)}`, median of {repeats}{slow}."


_HEAD = """# Benchmarks

Measured by `python -m benchmarks.run` on {when}: {cpu}; {system}; Python {python}.
Ratios hold from machine to machine, absolute times do not.

One fake server (a process of its own on its own core) sends every client the same bytes on loopback; each measurement
is a fresh process on another core; the clients of a row take turns. Before it is timed, each client must make the right
text of three streams and one whole body. `raw` is aiohttp, a hand-split stream and typed msgspec decoding in one loop:
what a careful engineer would write by hand for one provider, with no timeouts, retries, errors, ring or statistics.
`floor` is an `asyncio.Protocol` below aiohttp. `exllm` streams with `accumulate=False`, as the others keep nothing
either; `exllm-accumulating` is the default, which also builds the final response. CPU is that of the client's process.
"""

_PROTOCOLS = {"gemini": "Gemini Live", "openai": "OpenAI Realtime"}

_SESSIONS_HEAD = """
## Realtime sessions

Measured by `python -m benchmarks.live` on {when}: {cpu}; Python {python}; {versions}. {sessions} sessions at once,
{seconds:g} s of audio both ways in frames of {frame_ms:g} ms (PCM in base64 in JSON, 24 kHz to the client, 16 or 24 kHz
from it). The server has a core of its own, each client another. Every frame holds its number and the moment at which it
was made: latency is from there to the application, at the other side. `raw` is the `websockets` client and typed
msgspec decoding. RSS grown is over the second half of the run, the benchmark's own list of latencies included.
The first tenth of each session's frames is not in the latencies; loss and order are counted over all.
"""

_FAULTS_HEAD = """Each library used as its documentation says, against a server that misbehaves. Where a time limit
matters it was told 1 s, and watched for 5 s. ✓ is what we would want of a library, ✗ is not, – is a matter of taste.
"""


def main() -> None:
    here = Path(__file__).parent
    saved = json.loads((here / "results.json").read_text())
    write_report(
        here, saved["measured"], saved["faults"], saved["versions"], saved["machine"], saved["when"], saved.get("notes")
    )


if __name__ == "__main__":
    main()
