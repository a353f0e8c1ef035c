"""Measure everything, and write it down.

    python -m benchmarks.run                  all rows, peers included (installed into --peers the first time)
    python -m benchmarks.run --quick          a short run without peers: are the results right? Times mean nothing
    python -m benchmarks.run --rows fast,live --clients raw,exllm

The fake server has one core, the measured process another; each measurement is a fresh process; the clients of a row
take turns, and the median counts. RESULTS.md, results.json and charts/ are written to --out by whole runs only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import faults
from benchmarks.clients import CLIENTS
from benchmarks.install_peers import install_all
from benchmarks.report import Measured, machine, write_report
from benchmarks.rows import ROWS, Row

HERE = Path(__file__).parent
SERVER_CORE, CLIENT_CORE = 1, 0
MOST_SECONDS = 180  # for one measurement

IMPORT = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({{"result": {{"wall_ms": wall * 1e3, "cpu_ms": cpu * 1e3, "modules": len(sys.modules)}}}}))
"""


class Server:
    """The fake server's process; it ends with the ``with`` block."""

    def __enter__(self) -> int:
        command = [sys.executable, "-m", "benchmarks.server", "--core", str(SERVER_CORE)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent
        )
        assert self._process.stdout is not None
        port: int = json.loads(self._process.stdout.readline())["port"]
        return port

    def __exit__(self, *_exc: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def _python(environment: str, peers: Path) -> str:
    return sys.executable if environment == "own" else str(peers / environment / "bin" / "python")


def _run(python: str, arguments: list[str]) -> dict[str, Any]:
    """The JSON object that the process prints last. Raises RuntimeError with what it said."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, timeout=MOST_SECONDS, env=environment, check=False
    )
    if done.returncode != 0 or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(arguments)[:200]}: {done.stderr.strip()[-600:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _measure(row: Row, client: str, port: int, peers: Path, *, quick: bool) -> dict[str, Any]:
    if row.job == "import":
        entry = CLIENTS.get(client)
        statement = "import asyncio" if entry is None else entry.import_statement or "import aiohttp, msgspec"
        python = _python("own" if entry is None else entry.environment, peers)
        os.environ.update(entry.setup if entry is not None else {})
        return _run(python, ["-c", IMPORT.format(statement=statement)])
    entry = CLIENTS[client]
    params = row.quick_params if quick else row.slow_params if entry.slow else row.params
    order = {"client": client, "job": row.job, "port": port, "params": params, "core": CLIENT_CORE}
    return _run(_python(entry.environment, peers), ["-m", "benchmarks.measure", json.dumps(order)])


def _wanted(rows: list[Row], clients: set[str], *, quick: bool) -> list[tuple[Row, list[str]]]:
    chosen = []
    for row in rows:
        names = [name for name in row.clients if not clients or name in clients]
        if quick:
            names = [name for name in names if name not in CLIENTS or CLIENTS[name].environment == "own"]
        chosen.append((row, names))
    return chosen


def measure_rows(
    rows: list[tuple[Row, list[str]]], port: int, peers: Path, progress: Progress, *, quick: bool
) -> tuple[Measured, dict[str, str]]:
    """Row key -> client -> the figures of each repetition; and the versions."""
    measured: Measured = defaultdict(lambda: defaultdict(list))
    versions: dict[str, str] = {}
    total = sum(len(names) * row.repeat for row, names in rows)
    task = progress.add_task("measuring", total=total)
    for row, names in rows:
        for repetition in range(row.repeat):
            for name in names:
                progress.update(task, description=f"{row.key}: {name}")
                entry = CLIENTS.get(name)
                if not (entry is not None and entry.slow and repetition >= 3):
                    answer = _measure(row, name, port, peers, quick=quick)
                    measured[row.key][name].append(answer["result"])
                    if entry is not None and "version" in answer:
                        versions[entry.distribution] = answer["version"]
                progress.advance(task)
    return measured, versions


def examine_faults(names: list[str], port: int, peers: Path, progress: Progress) -> dict[str, dict[str, list[str]]]:
    """Client -> fault -> (verdict, what happened)."""
    task = progress.add_task("faults", total=len(names))
    found = {}
    for name in names:
        progress.update(task, description=f"faults: {name}")
        order = json.dumps({"client": name, "port": port})
        found[name] = _run(_python(CLIENTS[name].environment, peers), ["-m", "benchmarks.faults", order])["result"]
        progress.advance(task)
    return found


FAULT_CLIENTS = ["exllm", "exllm-anthropic", "openai", "anthropic", "google-genai", "litellm", "pydantic-ai",
                 "langchain", "any-llm", "aisuite"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", default="", help="keys, separated by commas: " + ", ".join(row.key for row in ROWS))
    parser.add_argument("--clients", default="", help="names, separated by commas: " + ", ".join(CLIENTS))
    parser.add_argument("--repeat", type=int, default=99, help="at most so many times each; the row's own number else")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".peers")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    clients = set(filter(None, options.clients.split(",")))
    keys = set(filter(None, options.rows.split(",")))
    unknown = (clients - CLIENTS.keys()) | (keys - {row.key for row in ROWS})
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    most = 1 if options.quick else options.repeat
    chosen = [row._replace(repeat=min(row.repeat, most)) for row in ROWS if not keys or row.key in keys]
    rows = _wanted(chosen, clients, quick=options.quick)
    fault_clients = [name for name in FAULT_CLIENTS if not clients or name in clients]
    if options.quick:
        fault_clients = [name for name in fault_clients if CLIENTS[name].environment == "own"]
    needed = {CLIENTS[name].environment for _, names in rows for name in names if name in CLIENTS}
    needed |= {CLIENTS[name].environment for name in fault_clients}
    install_all(options.peers, needed - {"own"})

    began = time.monotonic()
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Server() as port, Progress(*columns) as progress:
        measured, versions = measure_rows(rows, port, options.peers, progress, quick=options.quick)
        found = {} if options.no_faults else examine_faults(fault_clients, port, options.peers, progress)
    if options.quick:
        _judge(found)
        print(f"all results are right; {time.monotonic() - began:.0f} s")
    elif not clients and not keys:
        write_report(options.out, measured, found, versions, machine())
        print(f"wrote {options.out / 'RESULTS.md'}; {time.monotonic() - began:.0f} s")
    else:
        for row, names in rows:
            for name in names:
                print(row.key, name, json.dumps(measured[row.key][name]))
        print(json.dumps(found, indent=1))


def _judge(found: dict[str, dict[str, list[str]]]) -> None:
    """exllm itself must do well in every fault."""
    bad = [
        f"{name}: {faults.FAULTS[fault]} -> {happened}"
        for name, outcomes in found.items()
        for fault, (verdict, happened) in outcomes.items()
        if verdict == "bad"
    ]
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
