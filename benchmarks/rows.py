"""What is measured: one `Row` for each table of RESULTS.md, with its clients, its figures and its targets."""

from __future__ import annotations

from typing import Any, NamedTuple

ALL_STREAMING = [
    "floor", "raw", "exllm", "exllm-accumulating", "raw-uvloop", "exllm-uvloop", "raw-anthropic", "exllm-anthropic",
    "raw-gemini", "anthropic", "openai", "any-llm", "aisuite", "langchain", "google-genai", "pydantic-ai", "litellm",
]  # fmt: skip
WIRES = ["gemini", "responses", "bedrock", "ollama", "cohere"]
"""Protocols that have rows of their own, so that the others stay readable."""
FAST = ["floor", "raw", "exllm", "raw-anthropic", "exllm-anthropic", "anthropic"]


class Column(NamedTuple):
    """One figure of a row."""

    metric: str  # its name in what measure.py prints
    title: str
    form: str = "{:,.1f}"


class Target(NamedTuple):
    """What exllm is to reach in one figure. `client` is compared with `raw` on the same bytes, unless `absolute`."""

    metric: str
    limit: float
    client: str = "exllm"
    at_least: bool = False
    kind: str = "ratio"  # or "added" (client minus raw), or "absolute"
    unit: str = ""


class Row(NamedTuple):
    """One table.

    `params` go to the job; `slow_params` are the smaller amounts for clients that are marked slow, so that a run stays
    short. Both are printed with the table.
    """

    key: str
    title: str
    job: str
    params: dict[str, Any]
    slow_params: dict[str, Any]
    clients: list[str]
    columns: list[Column]
    targets: list[Target] = []
    repeat: int = 5
    quick_params: dict[str, Any] = {}
    chart: str = ""  # the metric to draw


CPU = Column("cpu_us_per_chunk", "CPU us/chunk")
WALL = Column("wall_s", "wall s", "{:,.2f}")
STREAM_KIB = Column("peak_kib_per_stream", "peak KiB/stream")
FIRST_P50 = Column("first_chunk_p50_ms", "first chunk p50 ms", "{:,.2f}")
FIRST_P95 = Column("first_chunk_p95_ms", "p95 ms", "{:,.2f}")

AT_ONCE_TARGETS = [
    Target(metric, 1.5, client)
    for client in ("exllm", "exllm-anthropic")
    for metric in ("cpu_us_per_chunk", "peak_kib_per_stream", "first_chunk_p95_ms")
]

ROWS = [
    Row(
        "fast",
        "One stream of 20,000 chunks as fast as it comes, one event per HTTP chunk",
        "one_stream",
        {"model": "burst-20000"},
        {"model": "burst-5000"},
        ALL_STREAMING,
        [CPU._replace(form="{:,.2f}"), Column("chunks_per_s", "chunks/s", "{:,.0f}")],
        [Target("cpu_us_per_chunk", 1.5, client) for client in ("exllm", "exllm-accumulating", "exllm-anthropic")],
        quick_params={"model": "burst-2000"},
        chart="cpu_us_per_chunk",
    ),
    Row(
        "blocks",
        "One stream of 20,000 chunks, 16 KiB of events in each HTTP chunk",
        "one_stream",
        {"model": "block-20000", "warm_up": "block-1000"},
        {"model": "block-5000", "warm_up": "block-500"},
        [
            "floor",
            "raw",
            "exllm",
            "exllm-accumulating",
            "raw-anthropic",
            "exllm-anthropic",
            "anthropic",
            "openai",
            "litellm",
        ],
        [CPU._replace(form="{:,.2f}"), Column("chunks_per_s", "chunks/s", "{:,.0f}")],
        [Target("cpu_us_per_chunk", 1.5, client) for client in ("exllm", "exllm-accumulating", "exllm-anthropic")],
        quick_params={"model": "block-2000", "warm_up": "block-200"},
    ),
    Row(
        "live",
        "A live stream: one event per TCP write every 2 ms",
        "one_stream",
        {"model": "paced-1000-2", "warm_up": "burst-200"},
        {"model": "paced-500-2", "warm_up": "burst-200"},
        ALL_STREAMING,
        [CPU],
        [Target("cpu_us_per_chunk", 1.2, client) for client in ("exllm", "exllm-anthropic")],
        quick_params={"model": "paced-100-2", "warm_up": "burst-200"},
        chart="cpu_us_per_chunk",
    ),
    Row(
        "streams-200",
        "200 streams of 200 chunks at once, one event per TCP write, unpaced",
        "many_streams",
        {"model": "rounds-200", "streams": 200},
        {"model": "rounds-50", "streams": 200},
        [*FAST, "openai", "pydantic-ai", "litellm"],
        [WALL, CPU, STREAM_KIB, FIRST_P50, FIRST_P95],
        AT_ONCE_TARGETS,
        quick_params={"model": "rounds-20", "streams": 50},
        chart="cpu_us_per_chunk",
    ),
    Row(
        "streams-1000",
        "1,000 streams of 200 chunks at once, one event per TCP write, unpaced",
        "many_streams",
        {"model": "rounds-200", "streams": 1000},
        {"model": "rounds-20", "streams": 1000},
        [*FAST, "openai"],
        [WALL, CPU, STREAM_KIB, FIRST_P50, FIRST_P95],
        AT_ONCE_TARGETS,
        quick_params={"model": "rounds-10", "streams": 100},
    ),
    Row(
        "live-load",
        "1,000 live streams at 50 chunks/s each (50,000 chunks/s offered)",
        "many_streams",
        {"model": "paced-100-20", "streams": 1000},
        {"model": "paced-20-20", "streams": 1000},
        [*FAST, "openai"],
        [WALL, CPU, STREAM_KIB, FIRST_P50, FIRST_P95],
        [Target("cpu_us_per_chunk", 1.5, client) for client in ("exllm", "exllm-anthropic")],
        repeat=3,
        quick_params={"model": "paced-10-20", "streams": 50},
    ),
    Row(
        "requests",
        "Not streamed: 2,000 requests, 64 at a time",
        "whole_requests",
        {"requests": 2000, "concurrency": 64},
        {"requests": 500, "concurrency": 64},
        [client for client in ALL_STREAMING if client not in ("exllm-accumulating",)],
        [
            Column("requests_per_s", "requests/s", "{:,.0f}"),
            Column("cpu_ms_per_request", "CPU ms/request", "{:,.3f}"),
            Column("latency_p50_ms", "latency p50 ms"),
            Column("latency_p95_ms", "p95 ms"),
        ],
        [Target("requests_per_s", 0.8, client, at_least=True) for client in ("exllm", "exllm-anthropic")],
        quick_params={"requests": 100, "concurrency": 16},
        chart="requests_per_s",
    ),
    Row(
        "first-chunk",
        "Time to the first chunk, one short stream after another",
        "first_chunk",
        {"requests": 300},
        {"requests": 100},
        [client for client in ALL_STREAMING if client not in ("exllm-accumulating",)],
        [FIRST_P50, FIRST_P95, Column("cpu_ms_per_request", "CPU ms/request", "{:,.3f}")],
        [Target("first_chunk_p50_ms", 0.3, client, kind="added", unit="ms") for client in ("exllm", "exllm-anthropic")],
        quick_params={"requests": 20},
        chart="first_chunk_p50_ms",
    ),
    Row(
        "memory",
        "Growth of the process over a stream of 200,000 chunks (after one of 20,000)",
        "memory",
        {"events": 200_000, "warm_up_events": 20_000},
        {"events": 20_000, "warm_up_events": 2_000},
        ["raw", "exllm", "exllm-accumulating", "anthropic", "openai", "google-genai", "langchain", "litellm"],
        [
            Column("peak_growth_mib", "peak growth MiB", "{:,.2f}"),
            Column("growth_bytes_per_chunk", "bytes/chunk", "{:,.0f}"),
        ],
        [
            Target("peak_growth_mib", 1.0, kind="absolute", unit="MiB"),
            # Q13: at most twice the text, which is 8 characters a chunk. This is the peak of the whole process, the
            # making of the response included.
            Target("growth_bytes_per_chunk", 16.0, "exllm-accumulating", kind="absolute", unit="bytes"),
        ],
        repeat=3,
        quick_params={"events": 5_000, "warm_up_events": 2_000},
    ),
    Row(
        "linearity",
        "CPU per chunk of a stream of 1,000 and of 32,000 chunks",
        "linearity",
        {"few": 1_000, "many": 32_000},
        {"few": 500, "many": 8_000},
        ["raw", "exllm", "exllm-accumulating", "exllm-anthropic", "anthropic", "openai", "litellm"],
        [
            Column("few_us_per_chunk", "1,000: CPU us/chunk", "{:,.2f}"),
            Column("many_us_per_chunk", "32,000: CPU us/chunk", "{:,.2f}"),
            Column("many_over_few", "ratio", "{:,.2f}"),
        ],
        [Target("many_over_few", 1.2, client, kind="absolute") for client in ("exllm", "exllm-accumulating")],
        repeat=3,
        quick_params={"few": 500, "many": 2_000},
    ),
    Row(
        "import",
        "Import, byte-compiled, in a fresh interpreter",
        "import",
        {},
        {},
        [
            "asyncio",
            "exllm",
            "raw",
            "aisuite",
            "openai",
            "pydantic-ai",
            "google-genai",
            "anthropic",
            "langchain",
            "any-llm",
            "litellm",
        ],
        [
            Column("wall_ms", "wall ms", "{:,.0f}"),
            Column("cpu_ms", "CPU ms", "{:,.0f}"),
            Column("modules", "modules", "{:,.0f}"),
        ],
        [Target("cpu_ms", 1.3), Target("modules", 250, kind="absolute", unit="modules")],
        repeat=5,
        chart="cpu_ms",
    ),
]


def _of_the_wires(row: Row) -> Row:
    """The same row for the other protocols, with the targets of `exllm-anthropic`, each against `raw` on its bytes."""
    return row._replace(
        key=f"wires-{row.key}",
        title=f"{row.title}: the other protocols",
        slow_params=row.params,
        clients=[f"{library}-{wire}" for wire in WIRES for library in ("raw", "exllm")],
        targets=[
            target._replace(client=f"exllm-{wire}")
            for wire in WIRES
            for target in row.targets
            if target.client == "exllm-anthropic"
        ],
        repeat=3,
        chart="",
    )


ROWS += [
    _of_the_wires(row)
    for row in ROWS
    if row.key in ("fast", "blocks", "live", "streams-200", "requests", "first-chunk")
]
