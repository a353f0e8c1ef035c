"""One measurement of one client, in a process of its own.

    python -m benchmarks.measure '{"client": "raw", "job": "one_stream", "port": 8000, "params": {...}, "core": 0}'

It first checks that the client makes the right text of a stream (and of a whole body), then measures, checks the amount
of text that it was given while measuring, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.clients import CLIENTS
from benchmarks.clients.adapter import Adapter
from benchmarks.dialect import PIECE_CHARS, whole_text
from benchmarks.playlists import ModelName
from benchmarks.process_memory import forget_peak, peak_kib, resident_kib

Result = dict[str, float]
Job = Callable[..., Awaitable[Result]]

CHECKED_EVENTS = 200


class WrongResult(AssertionError):
    """A client did not make of the stream what the server sent."""


def _same(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise WrongResult(f"{what}: got {str(got)[:120]!r}, expected {str(expected)[:120]!r}")


async def check(adapter: Adapter) -> Result:
    """The text of a stream, of one in large blocks and of a whole body is what was sent. Warms the client up too."""
    for model in (f"burst-{CHECKED_EVENTS}", f"block-{CHECKED_EVENTS}", f"rounds-{CHECKED_EVENTS}"):
        _same(model, await adapter.whole_text(model), whole_text(CHECKED_EVENTS))
    await _consume(adapter, f"burst-{CHECKED_EVENTS}")
    _same("chat", await adapter.chat("plain-50"), whole_text(50))
    return {}


async def _consume(adapter: Adapter, model: str) -> float:
    consumed = await adapter.consume(model)
    _same(f"characters of {model}", consumed.chars, ModelName.parse(model).events * PIECE_CHARS)
    return consumed.first_at


async def one_stream(adapter: Adapter, model: str, warm_up: str = "burst-1000") -> Result:
    """One stream, read to its end."""
    await _consume(adapter, warm_up)
    gc.collect()
    chunks = ModelName.parse(model).events
    forget_peak()
    resident_before_kib = resident_kib()
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    await _consume(adapter, model)
    wall_s, cpu_s = time.perf_counter() - wall_start, time.process_time() - cpu_start
    return {
        "cpu_us_per_chunk": cpu_s / chunks * 1e6,
        "chunks_per_s": chunks / wall_s,
        "wall_s": wall_s,
        "peak_growth_mib": (peak_kib() - resident_before_kib) / 1024,
    }


async def many_streams(adapter: Adapter, model: str, streams: int) -> Result:
    """`streams` streams at once, each on its own connection."""
    chunks = ModelName.parse(model).events * streams
    gc.collect()
    forget_peak()
    resident_before_kib = resident_kib()
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    first_at = await asyncio.gather(*[_consume(adapter, model) for _ in range(streams)])
    wall_s, cpu_s = time.perf_counter() - wall_start, time.process_time() - cpu_start
    return {
        "cpu_us_per_chunk": cpu_s / chunks * 1e6,
        "wall_s": wall_s,
        "peak_kib_per_stream": (peak_kib() - resident_before_kib) / streams,
        **_percentiles("first_chunk", [moment - wall_start for moment in first_at]),
    }


async def whole_requests(adapter: Adapter, requests: int, concurrency: int) -> Result:
    """Requests that are not streamed, `concurrency` of them under way at a time."""
    latencies_s: list[float] = []
    expected = whole_text(50)
    remaining = iter(range(requests))

    async def ask_in_turn() -> None:
        for _ in remaining:
            start = time.perf_counter()
            text = await adapter.chat("plain-50")
            latencies_s.append(time.perf_counter() - start)
            if text != expected:
                _same("chat", text, expected)

    await asyncio.gather(*[adapter.chat("plain-50") for _ in range(concurrency)])  # opens the connections
    gc.collect()
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    await asyncio.gather(*[ask_in_turn() for _ in range(concurrency)])
    wall_s, cpu_s = time.perf_counter() - wall_start, time.process_time() - cpu_start
    return {
        "requests_per_s": requests / wall_s,
        "cpu_ms_per_request": cpu_s / requests * 1e3,
        **_percentiles("latency", latencies_s),
    }


async def first_chunk(adapter: Adapter, requests: int, model: str = "burst-5") -> Result:
    """Short streams one after another: from the call to the first text."""
    for _ in range(20):
        await _consume(adapter, model)
    gc.collect()
    waits_s: list[float] = []
    cpu_start = time.process_time()
    for _ in range(requests):
        start = time.perf_counter()
        waits_s.append(await _consume(adapter, model) - start)
    cpu_s = time.process_time() - cpu_start
    return {"cpu_ms_per_request": cpu_s / requests * 1e3, **_percentiles("first_chunk", waits_s)}


async def linearity(adapter: Adapter, few: int, many: int) -> Result:
    """CPU per chunk of a short and of a long stream. The short one is repeated until it is as much work."""
    few_runs = [await one_stream(adapter, f"burst-{few}", f"burst-{few}") for _ in range(max(1, many // few // 2))]
    few_us = statistics.median([run["cpu_us_per_chunk"] for run in few_runs])
    many_us = (await one_stream(adapter, f"burst-{many}"))["cpu_us_per_chunk"]
    return {"few_us_per_chunk": few_us, "many_us_per_chunk": many_us, "many_over_few": many_us / few_us}


async def memory(adapter: Adapter, events: int, warm_up_events: int) -> Result:
    """How far a long stream grows the process, after a shorter one has shown it what a stream takes."""
    result = await one_stream(adapter, f"burst-{events}", f"burst-{warm_up_events}")
    return {
        "peak_growth_mib": result["peak_growth_mib"],
        "growth_bytes_per_chunk": result["peak_growth_mib"] * 1024 * 1024 / events,
        "cpu_us_per_chunk": result["cpu_us_per_chunk"],
    }


def _percentiles(name: str, seconds: list[float]) -> Result:
    ordered = sorted(seconds)
    return {
        f"{name}_p50_ms": statistics.median(ordered) * 1e3,
        f"{name}_p95_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1e3,
    }


JOBS: dict[str, Job] = {
    job.__name__: job for job in (check, one_stream, many_streams, whole_requests, first_chunk, linearity, memory)
}


def _models(job: str, params: dict[str, Any]) -> list[str]:
    """The playlists to have ready, so that the server's making them is not measured."""
    if "model" in params:
        return [params["model"]]
    return [f"burst-{params[name]}" for name in ("few", "many", "events", "warm_up_events") if name in params]


async def _run(order: dict[str, Any]) -> Result:
    entry = CLIENTS[order["client"]]
    server_url = f"http://127.0.0.1:{order['port']}"
    adapter = entry.adapter(server_url)
    for model in _models(order["job"], order["params"]):
        with urllib.request.urlopen(f"{server_url}/control/prepare/{entry.dialect}/{model}") as answer:  # noqa: ASYNC210
            answer.read()
    try:
        await check(adapter)
        return await JOBS[order["job"]](adapter, **order["params"])
    finally:
        await adapter.aclose()


def main() -> None:
    order: dict[str, Any] = json.loads(sys.argv[1])
    entry = CLIENTS[order["client"]]
    os.environ.update(entry.setup)
    if order.get("core") is not None:
        os.sched_setaffinity(0, {order["core"]})
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    loop_factory = None
    if entry.loop == "uvloop":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result = runner.run(_run(order))
    print(json.dumps({"result": result, "version": _version(entry.distribution), "cpu_s": time.process_time()}))


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    main()
