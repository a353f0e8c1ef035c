"""A realtime service for the benchmark: WebSockets by hand, so that it costs little beside what is measured.

It speaks as much of Gemini Live and OpenAI Realtime as a session of audio needs. To each connection it sends so many
frames at the speed of sound, each with its number and the moment at which it was made in its first samples,
and checks the frames that it gets. When all were sent and all have come, it says that the turn is complete.
``GET /report`` tells what it has seen since the last report.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import random
import statistics
import sys
import time
from array import array
from typing import Any

from websockets.speedups import apply_mask

from benchmarks.live_frames import DIALECTS, Dialect, made_frame, numbered, warm_up

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MOST_WAITING_BYTES = 2**20
"""A client that is so far behind gets the next frame later: neither side keeps without bound what is not taken."""


class Seen:
    """What all connections have seen since the last report."""

    def __init__(self) -> None:
        self.sent = self.received = self.lost = self.reordered = self.late = self.completed = 0
        self.latency_ms = array("d")

    def report(self) -> dict[str, float]:
        quantiles = statistics.quantiles(self.latency_ms, n=100) if len(self.latency_ms) > 1 else [0.0] * 99
        return {
            "sent": self.sent, "received": self.received, "lost": self.lost, "reordered": self.reordered,
            "held_back": self.late, "completed": self.completed, "up_p50_ms": quantiles[49],
            "up_p95_ms": quantiles[94], "up_p99_ms": quantiles[98],
        }  # fmt: skip


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, frames: int, frame_s: float, seen: list[Seen]) -> None:
        self._frames = frames
        self._frame_s = frame_s
        self._seen = seen
        self._rest = b""
        self._dialect: Dialect | None = None
        self._is_ready = self._is_done = False
        self._sent = self._received = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if self._dialect is None:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not self._shake_hands(head):
                return
        at = 0
        while (frame := _frame_at(data, at)) is not None:
            code, payload, at = frame
            self._take(code, payload)
        self._rest = data[at:]

    def _shake_hands(self, head: bytes) -> bool:
        lines = head.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        if path == "/report":
            body = json.dumps(self._seen[0].report()).encode()
            self._seen[0] = Seen()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
            )
            self._transport.close()
            return False
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + ACCEPT).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        if "sec-websocket-protocol" in headers:
            answer += b"Sec-WebSocket-Protocol: " + headers["sec-websocket-protocol"].split(",")[0].encode() + b"\r\n"
        self._transport.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self._dialect = DIALECTS["openai" if "realtime" in path else "gemini"]
        self._say(*self._dialect.hello)
        return True

    def _take(self, code: int, payload: bytes) -> None:
        assert self._dialect is not None
        if code == CLOSE:
            self._transport.write(b"\x88\x02\x03\xe8")
            self._transport.close()
            return
        if code == PING:
            self._transport.write(bytes((0x80 | PONG, len(payload))) + payload)
            return
        if code not in (TEXT, BINARY):
            return
        if not self._is_ready:
            self._is_ready = True
            self._say(*self._dialect.accepted)
            self._next_at = self._loop.time() + random.random() * self._frame_s  # not all at the same moment
            self._timer = self._loop.call_at(self._next_at, self._send_frame)
            return
        pcm = self._dialect.read_input(payload)
        if pcm is None:
            return
        seen, (number, made_ns) = self._seen[0], numbered(pcm)
        if number >= warm_up(self._frames):
            seen.latency_ms.append((time.monotonic_ns() - made_ns) / 1e6)
        seen.received += 1
        if number > self._received:
            seen.lost += number - self._received
        elif number < self._received:
            seen.reordered += 1
        self._received = number + 1
        self._finish()

    def _send_frame(self) -> None:
        assert self._dialect is not None
        self._next_at += self._frame_s
        if self._transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            self._seen[0].late += 1
        else:
            self._say(self._dialect.output(made_frame(self._sent, self._dialect.output_bytes)))
            self._sent += 1
            self._seen[0].sent += 1
        if self._sent < self._frames:
            self._timer = self._loop.call_at(self._next_at, self._send_frame)
        else:
            self._finish()

    def _finish(self) -> None:
        if self._sent == self._frames and self._received == self._frames and not self._is_done:
            assert self._dialect is not None
            self._is_done = True
            self._seen[0].completed += 1
            self._say(*self._dialect.goodbye)

    def _say(self, *messages: bytes) -> None:
        for message in messages:
            size = len(message)
            head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
            self._transport.write(head + message)


def _frame_at(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """The opcode and payload of the client's frame at `at`, and where the next begins; None where it is not whole."""
    if len(data) < at + 6:
        return None
    code, size, mask_at = data[at] & 0x0F, data[at + 1] & 0x7F, at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < mask_at + wide + 4:
            return None
        size, mask_at = int.from_bytes(data[mask_at : mask_at + wide], "big"), mask_at + wide
    end = mask_at + 4 + size
    if len(data) < end:
        return None
    return code, apply_mask(data[mask_at + 4 : end], data[mask_at : mask_at + 4]), end


async def _serve(frames: int, frame_s: float) -> None:
    seen = [Seen()]
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(frames, frame_s, seen), "127.0.0.1", 0, backlog=1024
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started us has gone
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--frame-ms", type=float, default=20)
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    run: Any = asyncio.run
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        pass
    run(_serve(options.frames, options.frame_ms / 1000))


if __name__ == "__main__":
    main()
