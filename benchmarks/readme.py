"""The two tables of the README, from results.json.

python -m benchmarks.readme
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.report import MARKS, Medians, medians_of, table

HERE = Path(__file__).parent
README = HERE.parent / "README.md"

CLIENTS = ["exllm", "raw", "anthropic", "openai", "google-genai", "pydantic-ai", "langchain", "litellm"]
FIGURES = [
    ("one fast stream, CPU per chunk", "fast", "cpu_us_per_chunk", "{:,.1f} us"),
    ("a live stream, CPU per chunk", "live", "cpu_us_per_chunk", "{:,.0f} us"),
    ("200 streams at once, CPU per chunk", "streams-200", "cpu_us_per_chunk", "{:,.1f} us"),
    ("requests per second, not streamed", "requests", "requests_per_s", "{:,.0f}"),
    ("time to the first chunk", "first-chunk", "first_chunk_p50_ms", "{:,.2f} ms"),
    ("import, CPU", "import", "cpu_ms", "{:,.0f} ms"),
]
FAULTS = {
    "truncated": "the body ends before the answer does",
    "keepalive_stall": "the server sends nothing but pings",
    "error_event": "an error in the middle of the stream",
    "break_and_drop": "`break` out of the loop",
    "close": "close the stream early",
    "two_loops": "one client, two event loops",
    "backpressure": "a consumer that sleeps",
    "retained_memory": "memory kept per chunk",
}


def _figures(medians: dict[str, Medians]) -> str:
    rows = []
    for title, row, metric, form in FIGURES:
        found = medians.get(row, {})
        cells = [form.format(found[client][metric]) if client in found else "" for client in CLIENTS]
        cells[0] = f"**{cells[0]}**"
        rows.append([title, *cells])
    return table(["", *CLIENTS], rows)


def _faults(found: dict[str, dict[str, list[str]]]) -> str:
    clients = [client for client in CLIENTS if client in found]
    rows = []
    for fault, title in FAULTS.items():
        outcomes = [found[client].get(fault, ["neutral", ""]) for client in clients]
        rows.append([title, *[f"{MARKS[verdict]} {happened}" for verdict, happened in outcomes]])
    return table(["what happens", *clients], rows)


def write_readme(results: dict[str, Any]) -> None:
    """Put both tables between their marks in README.md."""
    text = README.read_text()
    medians = {key: medians_of(clients) for key, clients in results["measured"].items()}
    for mark, content in (("figures", _figures(medians)), ("faults", _faults(results["faults"]))):
        pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, content=content: found[1] + content + found[2], text)
        assert count == 1, f"README.md has no place for the {mark}"
    README.write_text(text)


if __name__ == "__main__":
    write_readme(json.loads((HERE / "results.json").read_text()))
