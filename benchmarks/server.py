"""The fake provider: a process of its own that answers on loopback in every dialect. `playlists` says what it plays.

    python -m benchmarks.server [--core N] [--max-seconds S]

It prints ``{"port": N}``, and ends when its standard input closes, so that it cannot outlive the benchmark.

``GET /control/stream/<model>`` tells what became of the last stream of that model. ``GET
/control/prepare/<dialect>/<model>`` builds a playlist ahead of time, so that its making is not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from urllib.parse import unquote

from benchmarks import playlists
from benchmarks.playlists import Ending, ModelName, Pace, Playlist

_MODEL_FIELD = re.compile(rb'"model"\s*:\s*"([^"]+)"')
_STREAM_FIELD = re.compile(rb'"stream"\s*:\s*true')
_CONTENT_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
# Google and Amazon name the model in the path, and whether to stream.
_MODEL_IN_PATH = {
    "gemini": re.compile(r"models/(?P<model>[^/:]+):(?P<stream>stream)?"),
    "bedrock": re.compile(r"/model/(?P<model>[^/]+)/converse(?P<stream>-stream)?"),
}
_DIALECT_OF_PATH = {"/messages": "anthropic", "/responses": "responses", "/api/chat": "ollama", "/v2/chat": "cohere"}
TICK_S = 0.001
WRITES_PER_TURN = 64


class Metronome:
    """Steps each stream once per its period; the streams of one period are spread over its milliseconds."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[set[Connection]]] = {}
        self._next_bucket: dict[int, count[int]] = defaultdict(count)
        self._tick = 0
        self._task: asyncio.Task[None] | None = None

    def add(self, connection: Connection, period_ms: int) -> None:
        buckets = self._buckets.setdefault(period_ms, [set() for _ in range(period_ms)])
        buckets[next(self._next_bucket[period_ms]) % period_ms].add(connection)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        start = time.monotonic() - self._tick * TICK_S
        while any(map(any, self._buckets.values())):
            while self._tick * TICK_S <= time.monotonic() - start:
                self._tick += 1
                for period_ms, buckets in self._buckets.items():
                    bucket = buckets[self._tick % period_ms]
                    bucket -= {connection for connection in bucket if not connection.step()}
            await asyncio.sleep(max(0.0, start + self._tick * TICK_S - time.monotonic()))


class Rounds:
    """Gives every stream one write per round, as fast as the machine can.

    It writes past `Connection.step`, because here the server must keep ahead of the fastest client.
    """

    def __init__(self) -> None:
        self._streams: list[Connection] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, connection: Connection) -> None:
        self._streams.append(connection)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._streams:
            ended = False
            for connection in self._streams:
                if not connection.paused:
                    data = next(connection.remaining, None)
                    if data is None:
                        connection.completed()
                        ended = True
                    else:
                        connection.write(data)
            if ended:
                self._streams = [connection for connection in self._streams if connection.playing]
            await asyncio.sleep(0)


class Server:
    """What all connections share: the pacers, and the record of the last stream of each model."""

    def __init__(self) -> None:
        self.metronome = Metronome()
        self.rounds = Rounds()
        self.records: dict[str, dict[str, float | int | None]] = {}

    def opened(self, model: str) -> dict[str, float | int | None]:
        record = self.records.setdefault(model, {"requests": 0})
        record["requests"] = (record["requests"] or 0) + 1
        record.update(opened_at=time.monotonic(), closed_at=None, completed_at=None, sent_bytes=0)
        if len(self.records) > 4096:
            del self.records[next(iter(self.records))]
        return record


class Connection(asyncio.Protocol):
    """One client connection: parses requests, plays one playlist at a time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.paused = False
        self.remaining: Iterator[bytes] = iter(())  # of a playlist in rounds
        self._received = b""
        self._transport: asyncio.Transport
        self._playlist: Playlist | None = None
        self._next_write = 0
        self._record: dict[str, float | int | None] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.write = transport.write

    def connection_lost(self, error: Exception | None) -> None:
        if self._record.get("closed_at") is None:
            self._record["closed_at"] = time.monotonic()
        self.remaining = iter(())
        self._playlist = None

    def eof_received(self) -> None:
        self._record["closed_at"] = time.monotonic()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._playlist and self._playlist.pace is Pace.PUSH:
            self._push()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _CONTENT_LENGTH.search(self._received, 0, head_end)
        request_end = head_end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < request_end:
            return
        target = self._received[: self._received.find(b"\r\n")].split(b" ")[1].decode()
        body = self._received[head_end + 4 : request_end]
        self._received = self._received[request_end:]
        if target.startswith("/control/"):
            self._control(target.split("/")[2:])
        else:
            self._answer(target, body)

    def _control(self, words: list[str]) -> None:
        answer: object = {}
        if words[0] == "prepare":
            _, dialect, model = words
            for with_usage in (True, False):
                playlists.playlist(dialect, model, with_usage)
        elif words[0] == "stream":
            answer = {**self.server.records.get(words[1], {}), "now": time.monotonic()}
        self._transport.write(playlists.http_body("200 OK", json.dumps(answer).encode()))

    def _answer(self, target: str, body: bytes) -> None:
        dialect, model, streamed = _asked(unquote(target), body)
        name = model.partition(".")[0]
        if not streamed and "." not in model:
            self._transport.write(playlists.whole_answer(dialect, name))
            return
        self._record = self.server.opened(model)
        kind = ModelName.parse(name).kind
        if kind == "always429" or (kind == "once429" and self._record["requests"] == 1):
            self._transport.write(playlists.too_many_requests(dialect))
        elif streamed:
            self._play(playlists.playlist(dialect, name, b'"include_usage"' in body))
        else:
            self._transport.write(playlists.whole_answer(dialect, name))

    def _play(self, chosen: Playlist) -> None:
        self._playlist = chosen
        self._next_write = 0
        if chosen.pace is Pace.PUSH:
            self._write(chosen.head)
            self._push()
            return
        self._write(chosen.head + chosen.writes[0])
        self._next_write = 1
        if chosen.pace is Pace.ROUNDS:
            self.remaining = iter(chosen.writes[1:])
            self.server.rounds.add(self)
        else:
            self.server.metronome.add(self, chosen.period_ms)

    @property
    def playing(self) -> bool:
        return self._playlist is not None

    def completed(self) -> None:
        self._playlist = None
        self._record["completed_at"] = time.monotonic()

    def step(self) -> bool:
        """Play the next write. False when there is none left."""
        chosen = self._playlist
        if chosen is None:
            return False
        self._write(chosen.writes[self._next_write])
        self._next_write += 1
        if self._next_write == len(chosen.writes):
            self._end(chosen)
        return self._playlist is not None

    def _push(self) -> None:
        for _ in range(WRITES_PER_TURN):
            if self.paused or not self.step():
                return
        # A client that drains as fast as we write must not keep the server from its other connections.
        asyncio.get_running_loop().call_soon(self._push)

    def _write(self, data: bytes) -> None:
        self._record["sent_bytes"] = (self._record["sent_bytes"] or 0) + len(data)
        self._transport.write(data)

    def _end(self, chosen: Playlist) -> None:
        if chosen.ending is Ending.REPEAT:
            self._next_write -= 1
            return
        self._playlist = None
        if chosen.ending is Ending.KEEP_ALIVE:
            self.completed()
        elif chosen.ending is Ending.CUT:
            self._transport.close()
        elif chosen.ending is Ending.KEEPALIVES:
            asyncio.get_running_loop().call_later(playlists.KEEPALIVE_PERIOD_MS / 1000, self._keep_alive, chosen)

    def _keep_alive(self, chosen: Playlist) -> None:
        if not self._transport.is_closing():
            self._write(chosen.keepalive)
            asyncio.get_running_loop().call_later(playlists.KEEPALIVE_PERIOD_MS / 1000, self._keep_alive, chosen)


def _asked(target: str, body: bytes) -> tuple[str, str, bool]:
    """Which dialect and model a request is for, and whether the answer is to be streamed."""
    for dialect, pattern in _MODEL_IN_PATH.items():
        if found := pattern.search(target):
            return dialect, found["model"], found["stream"] is not None
    named = _MODEL_FIELD.search(body)
    dialect = next((name for path, name in _DIALECT_OF_PATH.items() if path in target), "openai")
    return dialect, named[1].decode() if named else "plain", _STREAM_FIELD.search(body) is not None


async def _serve(max_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    state = Server()
    listener = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0, backlog=4096)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1) else ended.set())
    print(json.dumps({"port": listener.sockets[0].getsockname()[1]}), flush=True)
    try:
        await asyncio.wait_for(ended.wait(), max_seconds)
    except TimeoutError:
        print(f"the server ends itself after {max_seconds} s", file=sys.stderr)
    os._exit(0)  # playlists may still be running; nothing here needs an orderly end


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--core", type=int, help="the processor core to stay on")
    options.add_argument("--max-seconds", type=float, default=3600)
    chosen = options.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    asyncio.run(_serve(chosen.max_seconds))


if __name__ == "__main__":
    main()
