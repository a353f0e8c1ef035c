"""Replicate's predictions: an answer is a stream at another address, to which the server's own `detour` leads."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.dialects.dialect import Dialect
from tests.faults.server import Received

PREDICTION = {
    "id": "7vr9my1z3nrj40cjb2vv9pshw0",
    "model": "meta/meta-llama-3-70b-instruct",
    "version": "dp-a557b7387b4940df25b23f779dc534c4",
    "input": {"prompt": "Hi"},
    "logs": "",
    "output": None,
    "data_removed": False,
    "error": None,
    "created_at": "2024-10-04T18:07:37.245Z",
}
STREAM = "/streams/"


def prediction(url: str, status: str = "starting", **fields: Any) -> bytes:
    """A prediction of the server at `url`."""
    own = f"{url}/predictions/{PREDICTION['id']}"
    urls = {"cancel": f"{own}/cancel", "get": own, "stream": f"{url}{STREAM}yr4xaj6trsqlyhoxrxg3fcl2"}
    return json.dumps({**PREDICTION, "status": status, "urls": urls, **fields}).encode()


def detour(request: Received, url: str) -> bytes | None:
    """The way to a stream, and the end of predictions that nobody waits for; whole answers need neither."""
    if request.path.endswith("/cancel"):
        return prediction(url, "canceled")
    if request.method == "POST" and request.json.get("stream"):
        made = json.loads(prediction(url))
        made["urls"]["stream"] = f"{url}{STREAM}{request.path.split('/')[-2]}"
        return json.dumps(made).encode()
    return None


def event(name: str, text: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"event: {name}\nid: 1707756341:0\n{lines}\n".encode()


def _error(message: str, retryable: bool) -> bytes:
    """The service names neither kind nor status: only its words tell a refusal from a failure."""
    words = message if retryable else f"{message}: the input length exceeds the context length"
    return event("error", json.dumps({"detail": words}))


def _body(text: str) -> bytes:
    return prediction("https://api.replicate.com/v1", "succeeded", output=[text])


REPLICATE = Dialect(
    "replicate",
    PREDICTION["model"],  # type: ignore[arg-type]
    (),
    (event("done", "{}"),),
    lambda text: event("output", text),
    (b": hi\n\n",),
    _error,
    lambda message: json.dumps({"title": "Bad", "detail": message}).encode(),
    _body,
    None,
    lambda payload: b"event: error\ndata: %b\n\n" % payload,
    is_streamed=lambda request: request.path.startswith(STREAM),
    counts_tokens=False,
    takes_conversations=False,
    detour=detour,
)
