"""What one client does when a stream goes wrong, in a process of its own.

    python -m benchmarks.faults '{"client": "openai", "port": 8000}'

Prints a JSON object: the name of each fault -> `[verdict, what happened]`, where the verdict is "good", "bad" or
"neutral". Nothing here is asserted: it is a report on the peers as much as on exllm.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
import tracemalloc
import urllib.request
import uuid
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.clients import CLIENTS, ClientEntry
from benchmarks.clients.adapter import Adapter

Outcome = tuple[str, str]

TIMEOUT_S = 1.0  # what the client is told
PATIENCE_S = 5.0  # how long a silent stream is watched
CLOSE_WATCH_S = 1.5  # how long a socket is watched for its close
EVENTS = 20


class Patient:
    """One client under examination."""

    def __init__(self, entry: ClientEntry, server_url: str) -> None:
        self.entry = entry
        self.server_url = server_url
        self.own_modules = {entry.adapter(server_url).__class__.__module__, *_own_packages(entry)}

    def adapter(self, timeout_s: float | None = None) -> Adapter:
        return self.entry.adapter(self.server_url, timeout_s)

    def record(self, model: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.server_url}/control/stream/{model}") as answer:
            record: dict[str, Any] = json.load(answer)
            return record

    def described(self, error: BaseException) -> str:
        package = type(error).__module__.partition(".")[0]
        name = type(error).__name__ if package in self.own_modules else f"{package}.{type(error).__name__}"
        return f"raises {name}"

    def is_own(self, error: BaseException) -> bool:
        return type(error).__module__.partition(".")[0] in self.own_modules


def _own_packages(entry: ClientEntry) -> set[str]:
    words = entry.import_statement.replace(",", " ").split()
    package = words[words.index("from") + 1] if "from" in words else words[-1] if words else "exllm"
    # What a library is a thin layer over counts as its own: its users are told to catch those errors.
    layered = {"any_llm": {"openai"}, "aisuite": {"openai"}, "langchain_openai": {"openai", "langchain_core"}}
    return {package.partition(".")[0], *layered.get(package, set())}


def unique(model: str) -> str:
    return f"{model}.{uuid.uuid4().hex[:8]}"


async def _read(patient: Patient, model: str, timeout_s: float | None = None) -> tuple[str, BaseException | None]:
    """The text that arrived, and the error that ended the stream. `TimeoutError` of ours: it waited for ever."""
    adapter = patient.adapter(timeout_s)
    pieces: list[str] = []

    async def read() -> None:
        stream = await adapter.start(model)
        async for chunk in stream:
            pieces.append(adapter.text(chunk) or "")  # noqa: PERF401 - what came before an error must be kept
        await adapter.finish(stream)

    reading = asyncio.ensure_future(read())
    done, _ = await asyncio.wait([reading], timeout=PATIENCE_S)
    error: BaseException | None
    if done:
        error = reading.exception()
    else:
        reading.cancel()
        await asyncio.wait([reading], timeout=1)
        error = StillWaiting()
    await adapter.aclose()
    return "".join(pieces), error


class StillWaiting(Exception):
    """The client had not given up when we lost patience."""


async def _silent_or_raises(patient: Patient, kind: str) -> Outcome:
    text, error = await _read(patient, unique(f"{kind}-{EVENTS}"))
    if error is None:
        return "bad", f"SILENT: {len(text)} characters as if that were all"
    return ("good" if patient.is_own(error) else "bad"), patient.described(error)


async def truncated(patient: Patient) -> Outcome:
    """The body ends cleanly before the end marker."""
    return await _silent_or_raises(patient, "eof")


async def cut(patient: Patient) -> Outcome:
    """The connection closes in the middle of an event."""
    return await _silent_or_raises(patient, "cut")


async def garbage(patient: Patient) -> Outcome:
    """One event is not JSON."""
    return await _silent_or_raises(patient, "garbage")


async def error_event(patient: Patient) -> Outcome:
    """The provider reports an error in the middle of the stream."""
    return await _silent_or_raises(patient, "error")


async def _stalled(patient: Patient, kind: str) -> Outcome:
    start = time.perf_counter()
    _, error = await _read(patient, unique(f"{kind}-{EVENTS}"), TIMEOUT_S)
    after_s = time.perf_counter() - start
    if isinstance(error, StillWaiting):
        return "bad", f"WAITS (> {PATIENCE_S:.0f} s)"
    if error is None:
        return "bad", "SILENT"
    return ("good" if patient.is_own(error) else "bad"), f"{patient.described(error)} after {after_s:.1f} s"


async def stall(patient: Patient) -> Outcome:
    """Silence, with a timeout of 1 s."""
    return await _stalled(patient, "stall")


async def keepalive_stall(patient: Patient) -> Outcome:
    """Only keepalives every 0.4 s, with a timeout of 1 s."""
    return await _stalled(patient, "keepalive")


async def too_many_requests(patient: Patient) -> Outcome:
    """The first answer is a 429 with `Retry-After: 1`; default settings."""
    model = unique(f"once429-{EVENTS}")
    start = time.perf_counter()
    text, error = await _read(patient, model)
    after_s = time.perf_counter() - start
    requests = patient.record(model).get("requests", 0)
    if error is not None:
        return "bad", f"{patient.described(error)}, {requests} request(s)"
    _ = text
    return ("good" if after_s >= 0.9 else "bad"), f"{requests} requests, answer after {after_s:.1f} s"


async def backpressure(patient: Patient) -> Outcome:
    """How much an endless flood gets sent to a consumer that takes one chunk and sleeps 2 s."""
    adapter = patient.adapter()
    model = unique("flood-1")
    stream = await adapter.start(model)
    chunk = await anext(aiter(stream))
    await asyncio.sleep(2)
    sent_mb = patient.record(model)["sent_bytes"] / 1e6
    del chunk
    await asyncio.wait([asyncio.ensure_future(_quietly(adapter.stop(stream)))], timeout=1)
    return ("good" if sent_mb < 8 else "bad"), f"{sent_mb:.1f} MB"


async def _quietly(awaitable: Awaitable[Any]) -> None:
    try:
        await awaitable
    except Exception as error:
        print(f"  while closing: {error!r}"[:200], file=sys.stderr)


async def _take_three(adapter: Adapter, stream: Any) -> None:
    seen = 0
    async for chunk in stream:
        seen += bool(adapter.text(chunk))
        if seen == 3:
            break


async def _closed(patient: Patient, model: str, since: float, limit_s: float) -> Outcome:
    """Whether and when the server saw the connection close."""
    deadline = time.monotonic() + CLOSE_WATCH_S
    while time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        closed_at = patient.record(model)["closed_at"]
        if closed_at is not None:
            after_s = max(0.0, closed_at - since)
            return ("good" if after_s <= limit_s else "bad"), f"closed after {after_s * 1e3:,.0f} ms"
    return "bad", f"STILL OPEN after {CLOSE_WATCH_S} s"


async def break_and_drop(patient: Patient) -> Outcome:
    """`break` out of the loop and drop the stream, garbage collector off: does the provider stop generating?"""
    adapter = patient.adapter()
    model = unique("endless-1")
    gc.collect()
    gc.disable()
    try:
        stream = await adapter.start(model)
        await _take_three(adapter, stream)
        moment = time.monotonic()
        del stream
        return await _closed(patient, model, moment, 0.1)
    finally:
        gc.enable()
        gc.collect()


async def close(patient: Patient) -> Outcome:
    """The library's own way to close a stream early."""
    adapter = patient.adapter()
    model = unique("endless-1")
    stream = await adapter.start(model)
    await _take_three(adapter, stream)
    moment = time.monotonic()
    await _quietly(adapter.stop(stream))
    return await _closed(patient, model, moment, 0.05)


async def close_while_reading(patient: Patient) -> Outcome:
    """Close from another task while a read is pending."""
    adapter = patient.adapter()
    model = unique(f"stall-{EVENTS}")
    stream = await adapter.start(model)

    async def read() -> None:
        async for _ in stream:
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0.3)
    moment = time.monotonic()
    closing = asyncio.ensure_future(adapter.stop(stream))
    done, _ = await asyncio.wait([closing], timeout=1)
    how = "" if done else "close() HANGS, "
    if done and closing.exception():
        how = f"close() {patient.described(closing.exception() or Exception())}, "
    verdict, when = await _closed(patient, model, moment, 0.05)
    done, _ = await asyncio.wait([reading], timeout=1)
    if not done:
        reader = "reader HANGS"
        verdict = "bad"
    else:
        error = reading.exception()
        reader = "reader just ends" if error is None else f"reader {patient.described(error)}"
        if error is None or how or not patient.is_own(error):
            verdict = "bad"
    reading.cancel()
    return verdict, f"{how}{when}, {reader}"


async def cancel(patient: Patient) -> Outcome:
    """Cancel the task that reads."""
    adapter = patient.adapter()
    model = unique("endless-1")

    async def read() -> None:
        stream = await adapter.start(model)
        async for _ in stream:
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0.3)
    moment = time.monotonic()
    reading.cancel()
    done, _ = await asyncio.wait([reading], timeout=1)
    if not done:
        return "bad", "does not end"
    swallowed = not reading.cancelled()
    verdict, when = await _closed(patient, model, moment, 0.05)
    return ("bad", f"{when}, CancelledError SWALLOWED") if swallowed else (verdict, when)


def two_loops(patient: Patient) -> Outcome:
    """One client used in two `asyncio.run` in a row."""
    adapter = patient.adapter()

    async def ask() -> str:
        return await asyncio.wait_for(adapter.whole_text("burst-20"), 5)

    for attempt in (1, 2):
        try:
            asyncio.run(ask())
        except BaseException as error:
            return "bad", f"run {attempt} {patient.described(error)}: {str(error)[:40]}"
    return "good", "works"


async def retained_memory(patient: Patient) -> Outcome:
    """Python memory still held per chunk after a stream of 4,000 chunks of 8 characters, stream object kept."""
    adapter = patient.adapter()
    await adapter.whole_text("burst-500")
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        stream = await adapter.start("burst-4000")
        async for chunk in stream:
            del chunk
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    await adapter.finish(stream)
    per_chunk = max(0.0, (after - before) / 4000)
    return ("good" if per_chunk <= 80 else "bad"), f"{per_chunk:,.0f} bytes"


Fault = Callable[[Patient], Awaitable[Outcome]]
AT_ONCE: list[Fault] = [truncated, cut, garbage, error_event, stall, keepalive_stall, too_many_requests]
ONE_BY_ONE: list[Fault] = [break_and_drop, close, close_while_reading, cancel, backpressure, retained_memory]
FAULTS: dict[str, str] = {fault.__name__: (fault.__doc__ or "").strip() for fault in (*AT_ONCE, *ONE_BY_ONE, two_loops)}


async def _guarded(fault: Fault, patient: Patient) -> Outcome:
    try:
        return await asyncio.wait_for(fault(patient), 20)
    except Exception as error:
        return "bad", f"{patient.described(error)}: {str(error)[:60]}"


async def _together(patient: Patient) -> list[Outcome]:
    return await asyncio.gather(*[_guarded(fault, patient) for fault in AT_ONCE])


def examine(patient: Patient) -> dict[str, Outcome]:
    outcomes = dict(zip([fault.__name__ for fault in AT_ONCE], asyncio.run(_together(patient)), strict=True))
    for fault in ONE_BY_ONE:
        # A loop for each, so that what a fault leaves behind cannot touch the next.
        outcomes[fault.__name__] = asyncio.run(_guarded(fault, patient))
    outcomes["two_loops"] = two_loops(patient)
    return outcomes


def main() -> None:
    order: dict[str, Any] = json.loads(sys.argv[1])
    entry = CLIENTS[order["client"]]
    os.environ.update(entry.setup)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    result = examine(Patient(entry, f"http://127.0.0.1:{order['port']}"))
    print(json.dumps({"result": result}))
    sys.stdout.flush()
    os._exit(0)  # some clients leave threads behind


if __name__ == "__main__":
    main()
