"""What one more piece of a streamed JSON answer costs, when much of it is there already.

    python -m benchmarks.partial_json [--peers DIRECTORY]

`--peers` is the directory of `install_peers.py`: its environment ``partial`` has pydantic-ai and instructor. Each reads
the same answer, a list of rows, in the same pieces, and gives an object with these rows after each.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
PIECE = 16  # characters, some four tokens
PIECES = 40  # that are timed at each size
PEER_PIECES = 5  # theirs take long
LONGEST_US = 200_000  # a peer whose piece takes longer is not asked for a larger size
Times = dict[int, float]  # size to microseconds a piece


def answer(size: int) -> str:
    """A list of at least `size` characters."""
    rows, written, number = [], 0, 0
    while written < size:
        row = json.dumps({"id": number, "name": f"row {number}", "tags": ["a", "b"], "score": number / 8})
        rows.append(row)
        written += len(row) + 2
        number += 1
    return '{"rows": [' + ", ".join(rows) + "]}"


TEXT = answer(SIZES[-1] + PIECE * PIECES * 2)


def pieces_from(start: int, count: int) -> Iterator[str]:
    return (TEXT[at : at + PIECE] for at in range(start, start + PIECE * count, PIECE))


def median_us(steps: Iterator[Any]) -> float:
    """The median time of a step."""
    taken = []
    began = time.perf_counter()
    for _ in steps:
        now = time.perf_counter()
        taken.append((now - began) * 1e6)
        began = now
    return statistics.median(taken)


# -- exllm


def exllm_times(make: Callable[[], Any]) -> tuple[Times, float]:
    """At each size; and seconds for all of the text, looked at after each piece."""
    times: Times = {}
    reader, at, began = make(), 0, time.perf_counter()
    for size in SIZES:
        for piece in pieces_from(at, (size - at) // PIECE):
            reader.feed(piece)
            assert reader.value is not None
        at = size // PIECE * PIECE

        def steps(at: int = at) -> Iterator[Any]:
            for piece in pieces_from(at, PIECES):
                reader.feed(piece)
                yield reader.value

        times[size] = median_us(steps())
        at += PIECES * PIECE
    total = time.perf_counter() - began
    reader.feed(TEXT[at:])
    value = reader.close()
    rows = value["rows"] if isinstance(value, dict) else value.rows
    expected = json.loads(TEXT)["rows"]
    assert len(rows) == len(expected)
    assert (rows[-1]["id"] if isinstance(rows[-1], dict) else rows[-1].id) == expected[-1]["id"]
    return times, total


def own() -> None:
    import msgspec

    from exllm.structured import PartialJSON, PartialObject

    class Row(msgspec.Struct):
        id: int
        name: str
        tags: list[str]
        score: float

    class Table(msgspec.Struct):
        rows: list[Row]

    for name, make in (("exllm, plain data", PartialJSON), ("exllm, Structs", lambda: PartialObject(Table))):
        times, total = exllm_times(make)
        report(name, times, f"{total:.1f} s for all {SIZES[-1] / 1e6:.0f} MB")


def report(name: str, times: Times, note: str = "") -> None:
    shown = "".join(f"{times[size]:>12,.0f}" if size in times else f"{'-':>12}" for size in SIZES)
    print(f"{name:<24}{shown}   {note}", flush=True)


# -- peers, run by the interpreter of their environment


def instructor_times() -> Times:
    import instructor
    from pydantic import BaseModel

    class Row(BaseModel):
        id: int
        name: str
        tags: list[str]
        score: float

    class Table(BaseModel):
        rows: list[Row]

    times: Times = {}
    for size in SIZES:
        start = size // PIECE * PIECE
        objects = instructor.Partial[Table].model_from_chunks(iter([TEXT[:start], *pieces_from(start, PEER_PIECES)]))
        first = next(objects)
        assert len(first.rows) >= size // 80
        times[size] = median_us(objects)
        if times[size] > LONGEST_US:
            break
    return times


def pydantic_ai_times() -> Times:
    from pydantic import BaseModel
    from pydantic_ai import Agent
    from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

    class Row(BaseModel):
        id: int
        name: str
        tags: list[str]
        score: float

    class Table(BaseModel):
        rows: list[Row]

    async def measure(size: int) -> float:
        start, whole = size // PIECE * PIECE, answer(size + 2 * PIECE * PEER_PIECES)  # begins as `TEXT` does

        async def write(_messages: Any, info: AgentInfo) -> AsyncIterator[Any]:
            yield {0: DeltaToolCall(info.output_tools[0].name, TEXT[:start], tool_call_id="1")}
            for piece in pieces_from(start, PEER_PIECES):
                yield {0: DeltaToolCall(json_args=piece)}
            yield {0: DeltaToolCall(json_args=whole[start + PIECE * PEER_PIECES :])}

        agent = Agent(FunctionModel(stream_function=write), output_type=Table)
        taken: list[float] = []
        async with agent.run_stream("go") as run:
            began = time.perf_counter()
            async for table in run.stream_output(debounce_by=None):
                now = time.perf_counter()
                taken.append((now - began) * 1e6)
                began = now
                assert len(table.rows) >= size // 80
                if len(taken) >= PEER_PIECES:
                    break
        return statistics.median(taken[1:])

    times: Times = {}
    for size in SIZES:
        times[size] = asyncio.run(measure(size))
        if times[size] > LONGEST_US:
            break
    return times


PEERS: dict[str, Callable[[], Times]] = {"instructor": instructor_times, "pydantic-ai": pydantic_ai_times}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--peers", type=Path)
    options.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        report(chosen.one, PEERS[chosen.one]())
        return
    print(f"microseconds for one more piece of {PIECE} characters, when so many are there; median of {PIECES}")
    print(f"{'':<24}" + "".join(f"{size:>12,}" for size in SIZES))
    own()
    if chosen.peers:
        python = chosen.peers / "partial" / "bin" / "python"
        for peer in PEERS:
            subprocess.run([python, __file__, "--one", peer], check=True, stdout=sys.stdout)


if __name__ == "__main__":
    main()
