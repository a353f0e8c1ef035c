"""Q1-Q3: importing costs little, does nothing, and the top level pins what is public."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import exllm

HEAVY = ["aiohttp", "websockets", "yaml", "llama_cpp", "anyio", "backoff", "typer", "rich", "fastapi", "pydantic",
         "asyncio", "ssl", "botocore", "google.auth", "requests", "exllm.client", "exllm.credentials"]  # fmt: skip

WATCH = """
import json, os, sys
events = []
class Environment(type(os.environ)):
    def __getitem__(self, name):
        events.append(("environment", name)); return super().__getitem__(name)
os.environ.__class__ = Environment
def hook(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "urllib.Request"):
        events.append((event, ""))
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        events.append((event, str(args[0])))
sys.addaudithook(hook)
before = set(sys.modules)
import exllm
print(json.dumps({"events": events, "loaded": sorted(set(sys.modules) - before), "all": len(sys.modules)}))
"""


def _import_in_a_fresh_interpreter() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-B", "-c", WATCH], capture_output=True, text=True, check=True, timeout=30)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_q01_import_loads_nothing_heavy_and_under_250_modules() -> None:
    seen = _import_in_a_fresh_interpreter()
    assert not set(HEAVY) & set(seen["loaded"])
    assert seen["all"] < 250


def test_q01_q03_import_opens_no_socket_reads_no_environment_and_writes_no_file() -> None:
    assert _import_in_a_fresh_interpreter()["events"] == []


def test_every_public_name_can_be_had() -> None:
    for name in exllm.__all__:
        assert getattr(exllm, name) is not None, name


def test_all_is_sorted_and_dir_shows_it() -> None:
    assert exllm.__all__ == sorted(exllm.__all__)
    assert dir(exllm) == exllm.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(exllm, "no_such_name")
