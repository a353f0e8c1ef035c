"""Many realtime sessions at once, with audio both ways, beside the vendors' own clients.

    python -m benchmarks.live --quick      a few sessions for some seconds: is everything there, in order?
    python -m benchmarks.live              200 sessions for 60 s, every client: about 10 minutes; writes RESULTS.md

A server in a process of its own, on its own core, speaks Gemini Live and OpenAI Realtime; every client is a process on
another core. Frames of 100 ms (``--frame-ms``) travel both ways at the speed of sound; each holds its number and the
moment at which it was made, so loss, order and latency are known for every one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.report import machine, update_sessions

HERE = Path(__file__).parent
RUNS = (
    ("gemini", ("raw", "exllm", "google-genai")),
    ("openai", ("raw", "exllm", "openai")),
)
OVERTIME_S = 60


def measure(client: str, dialect: str, sessions: int, frames: int, frame_ms: float) -> dict[str, Any]:
    """The figures of one client. Raises RuntimeError when it fails as a whole."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    client_core, server_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "benchmarks.live_server", "--frames", str(frames), "--frame-ms", str(frame_ms)]
    if server_core is not None:
        command += ["--core", str(server_core)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        port = json.loads(server.stdout.readline())["port"]
        order = {
            "client": client, "dialect": dialect, "port": port, "sessions": sessions, "frames": frames,
            "frame_ms": frame_ms, "core": client_core,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.live_load", json.dumps(order)],
            capture_output=True, text=True, env=environment, check=False,
            timeout=frames * frame_ms / 1000 + OVERTIME_S,
        )  # fmt: skip
        if done.returncode != 0 or not done.stdout.strip():
            raise RuntimeError(f"{client}: {done.stderr.strip()[-600:]}")
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/report", timeout=10) as told:
            seen = json.load(told)
    finally:
        server.stdin.close()
        server.wait(10)
    expected = sessions * frames
    result = answer["result"]
    result |= {name: seen[name] for name in ("up_p50_ms", "up_p95_ms", "up_p99_ms", "held_back")}
    result["up_reordered"] = seen["reordered"]
    result["lost"] = expected - result["heard"] + expected - seen["received"]
    return answer


def wrong_with(result: dict[str, float], sessions: int) -> str | None:
    """What was not as it must be."""
    if result["lost"] or result["down_reordered"] or result["up_reordered"]:
        return f"{result['lost']:.0f} frames lost, {result['down_reordered'] + result['up_reordered']:.0f} out of order"
    return None if result["completed"] == sessions else f"{result['completed']} of {sessions} sessions were complete"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--frame-ms", type=float, default=100, help="frames of 20 ms are for fewer sessions")
    parser.add_argument("--clients", default="", help="names, separated by commas; nothing is written then")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    sessions, seconds = (20, 3) if options.quick else (options.sessions, options.seconds)
    clients = set(filter(None, options.clients.split(",")))
    frames = round(seconds * 1000 / options.frame_ms)
    began, measured, versions, bad = time.monotonic(), {}, {}, []
    for dialect, names in RUNS:
        for name in names:
            if clients and name not in clients:
                continue
            answer = measure(name, dialect, sessions, frames, options.frame_ms)
            result = answer["result"]
            measured.setdefault(dialect, {})[name] = result
            versions["websockets" if name == "raw" else name] = answer["version"]
            wrong = wrong_with(result, sessions)
            print(dialect, name, json.dumps({key: round(value, 2) for key, value in result.items()}), wrong or "ok",
                  *answer["failures"], flush=True)  # fmt: skip
            if wrong and name == "exllm":
                bad.append(f"{dialect}: {wrong}")
    if bad:
        sys.exit("\n".join(bad))
    if options.quick or clients:
        print(f"all frames came, in order; {time.monotonic() - began:.0f} s")
        return
    amounts = {"sessions": sessions, "seconds": seconds, "frame_ms": options.frame_ms}
    update_sessions(options.out, {"amounts": amounts, "measured": measured, "versions": versions, "machine": machine()})
    print(f"wrote {options.out / 'RESULTS.md'}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
