"""One client of the benchmark of realtime sessions, in a process of its own: so many sessions, both ways at once.

python -m benchmarks.live_load '{"client": "exllm", "dialect": "gemini", "port": 4010, "sessions": 200, ...}'
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import statistics
import sys
import time
from array import array
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

import msgspec

from benchmarks.live_frames import DIALECTS, made_frame, numbered, warm_up
from benchmarks.process_memory import resident_kib

OVERTIME_S = 20.0
"""How much longer than planned a client may take; what has not come by then counts as lost."""


class Meter:
    """What all sessions of a client have seen."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.lost = self.reordered = self.received = self.completed = 0
        self.latency_ms = array("d")

    def listener(self) -> Callable[[bytes], None]:
        """Takes the frames of one session, in their order."""
        expected = 0
        latency_ms, clock_ns, begin = self.latency_ms, time.monotonic_ns, warm_up(self.frames)

        def heard(pcm: bytes) -> None:
            nonlocal expected
            number, made_ns = numbered(pcm)
            if number >= begin:
                latency_ms.append((clock_ns() - made_ns) / 1e6)
            self.received += 1
            if number > expected:
                self.lost += number - expected
            elif number < expected:
                self.reordered += 1
            expected = number + 1

        return heard


async def speak(send: Callable[[bytes], Awaitable[None]], frames: int, frame_s: float, size: int) -> None:
    """Frames at the speed of sound."""
    clock = asyncio.get_running_loop().time
    next_at = clock()
    for number in range(frames):
        await asyncio.sleep(next_at - clock())
        next_at += frame_s
        await send(made_frame(number, size))


Session = Callable[["Order", Meter, Any], Awaitable[None]]


class Order(msgspec.Struct, frozen=True):
    """What is to be measured."""

    client: str
    dialect: str
    port: int
    sessions: int
    frames: int
    frame_ms: float
    core: int | None = None

    @property
    def speaking(self) -> tuple[int, float, int]:
        return self.frames, self.frame_ms / 1000, DIALECTS[self.dialect].input_bytes


# -- the clients: a session each, until the turn is complete


class _Inline(msgspec.Struct):
    data: str


class _Part(msgspec.Struct):
    inlineData: _Inline | None = None


class _Turn(msgspec.Struct):
    parts: list[_Part] = []


class _Content(msgspec.Struct):
    modelTurn: _Turn | None = None
    turnComplete: bool = False


class _GeminiMessage(msgspec.Struct):
    serverContent: _Content | None = None


class _OpenAIMessage(msgspec.Struct):
    type: str
    delta: str = ""


async def _raw_gemini(order: Order, meter: Meter, _shared: Any) -> None:
    from websockets.asyncio.client import connect

    read = msgspec.json.Decoder(_GeminiMessage).decode
    async with connect(f"ws://127.0.0.1:{order.port}/gemini", proxy=None, compression=None, max_size=None) as socket:
        await socket.send('{"setup":{"model":"models/m"}}')
        await socket.recv()
        heard = meter.listener()

        async def send(pcm: bytes) -> None:
            data = base64.b64encode(pcm).decode()
            await socket.send(f'{{"realtimeInput":{{"audio":{{"data":"{data}","mimeType":"audio/pcm;rate=16000"}}}}}}')

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(send, *order.speaking))
            while True:
                content = read(await socket.recv()).serverContent
                if content is None:
                    continue
                if content.turnComplete:
                    return
                if content.modelTurn is not None:
                    for part in content.modelTurn.parts:
                        if part.inlineData is not None:
                            heard(base64.b64decode(part.inlineData.data))


async def _raw_openai(order: Order, meter: Meter, _shared: Any) -> None:
    from websockets.asyncio.client import connect

    read = msgspec.json.Decoder(_OpenAIMessage).decode
    async with connect(f"ws://127.0.0.1:{order.port}/realtime", proxy=None, compression=None, max_size=None) as socket:
        await socket.recv()
        await socket.send('{"type":"session.update","session":{"type":"realtime"}}')
        heard = meter.listener()

        async def send(pcm: bytes) -> None:
            await socket.send(f'{{"type":"input_audio_buffer.append","audio":"{base64.b64encode(pcm).decode()}"}}')

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(send, *order.speaking))
            while True:
                message = read(await socket.recv())
                if message.type == "response.output_audio.delta":
                    heard(base64.b64decode(message.delta))
                elif message.type == "response.done":
                    return


async def _exllm(order: Order, meter: Meter, client: Any) -> None:
    from exllm import live

    model = {"gemini": "gemini/m", "openai": "openai/gpt-realtime"}[order.dialect]
    never = live.Reconnect(attempts=0)
    async with client.live(model, reconnect=never, api_key="k", live_url=f"ws://127.0.0.1:{order.port}") as session:
        heard = meter.listener()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(session.send_audio, *order.speaking))
            async for event in session:
                if type(event) is live.AudioOut:
                    heard(event.data)
                elif type(event) is live.TurnComplete:
                    return


async def _google_genai(order: Order, meter: Meter, client: Any) -> None:
    from google.genai import types

    async with client.aio.live.connect(model="m", config={"response_modalities": ["AUDIO"]}) as session:
        heard = meter.listener()

        async def send(pcm: bytes) -> None:
            await session.send_realtime_input(audio=types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(send, *order.speaking))
            async for message in session.receive():  # ends with the turn
                content = message.server_content
                if content is not None and content.model_turn is not None:
                    for part in content.model_turn.parts or ():
                        if part.inline_data is not None and part.inline_data.data is not None:
                            heard(part.inline_data.data)


async def _openai_sdk(order: Order, meter: Meter, client: Any) -> None:
    async with client.realtime.connect(model="gpt-realtime") as connection:
        heard = meter.listener()
        await connection.session.update(session={"type": "realtime"})

        async def send(pcm: bytes) -> None:
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(send, *order.speaking))
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    heard(base64.b64decode(event.delta))
                elif event.type == "response.done":
                    return


def _shared(order: Order) -> tuple[Session, Any, str]:
    """A session of the client, what its sessions have in common, and the distribution whose version counts."""
    match order.client:
        case "exllm":
            import exllm

            return _exllm, exllm.Client(), "exllm"
        case "google-genai":
            from google import genai
            from google.genai import live

            def connect(uri: str, *, ssl: Any = None, **how: Any) -> Any:  # it knows no addresses without TLS
                return plain(uri.replace("wss:", "ws:", 1), proxy=None, **how)

            plain, live.ws_connect = live.ws_connect, connect  # type: ignore[attr-defined]
            options = {"base_url": f"http://127.0.0.1:{order.port}"}
            return _google_genai, genai.Client(api_key="k", http_options=options), "google-genai"  # type: ignore[arg-type]
        case "openai":
            import openai

            sdk = openai.AsyncOpenAI(api_key="k", websocket_base_url=f"ws://127.0.0.1:{order.port}")
            return _openai_sdk, sdk, "openai"
        case _:
            return (_raw_gemini if order.dialect == "gemini" else _raw_openai), None, "websockets"


async def _measure(order: Order) -> dict[str, Any]:
    session, shared, distribution = _shared(order)
    meter = Meter(order.frames)
    resident: list[float] = []
    failures: list[str] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * 0.005)  # handshakes take turns
        try:
            await session(order, meter, shared)
            meter.completed += 1
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}"[:200])

    async def watch() -> None:
        while True:
            resident.append(resident_kib())
            await asyncio.sleep(1)

    watcher = asyncio.create_task(watch())
    tasks = [asyncio.create_task(one(number)) for number in range(order.sessions)]
    wall, cpu = time.perf_counter(), time.process_time()
    planned_s = order.frames * order.frame_ms / 1000 + order.sessions * 0.005
    await asyncio.wait(tasks, timeout=planned_s + OVERTIME_S)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.wait([*tasks, watcher], timeout=5, return_when=asyncio.FIRST_EXCEPTION)
    watcher.cancel()
    quantiles = statistics.quantiles(meter.latency_ms, n=100) if len(meter.latency_ms) > 1 else [0.0] * 99
    half = resident[len(resident) // 2 :] or [0.0]
    return {
        "version": version(distribution),
        "failures": failures[:3],
        "result": {
            "completed": meter.completed,
            "heard": meter.received,
            "down_lost": meter.lost,
            "down_reordered": meter.reordered,
            "down_p50_ms": quantiles[49],
            "down_p95_ms": quantiles[94],
            "down_p99_ms": quantiles[98],
            "cpu_share": cpu / wall,
            "cpu_us_per_message": cpu * 1e6 / max(2 * meter.received, 1),
            "wall_s": wall,
            "resident_mib": max(resident) / 1024,
            # what the second half of the run added, without the figures that the benchmark itself keeps
            "growth_kib": half[-1] - half[0],
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        },
    }


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    if order.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {order.core})
    print(json.dumps(asyncio.run(_measure(order))), flush=True)
    os._exit(0)  # a client that hangs in its own clean-up does not hold up the others


if __name__ == "__main__":
    main()
