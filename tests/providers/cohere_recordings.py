"""The recorded exchanges of `tests/recordings/cohere_chat`, and what Cohere's SDK makes of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cohere
import httpx
import msgspec

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers import ProviderSpec, registry
from exllm.providers.cohere_chat import WIRE
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "cohere_chat"
SPEC = registry.get("cohere")
assert isinstance(SPEC, ProviderSpec)


class Recording(msgspec.Struct):
    name: str
    streaming: bool
    asked: dict[str, Any] | None  # None where nobody recorded it
    status: int
    headers: dict[str, str]
    body: bytes


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    response = data["response"]
    headers = {key.lower(): value for key, value in response["headers"].items()}
    asked = json.loads(data["request"]["body"] or "null")
    return Recording(name, data["streaming"], asked, response["status"], headers, response["body"].encode())


ALL = sorted(path.stem for path in DIRECTORY.glob("*__*.json"))
STREAMS = [name for name in ALL if load(name).streaming]
ERRORS = [name for name in ALL if load(name).status >= 400]
BODIES = [name for name in ALL if not load(name).streaming and name not in ERRORS]
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))


# -- ours


def request_for(*, stream: bool = True) -> Request:
    return Request("cohere", "command-a-03-2025", (Message("user", "Hi"),), stream=stream)


def decode_stream(slices: Iterable[bytes]) -> tuple[list[Chunk], ExLLMError | None]:
    """The chunks of a stream whose bytes arrive as `slices`, and the error that ended it."""
    framing, decoder = SSEDecoder(), WIRE.decoder(request_for(), SPEC)
    chunks: list[Chunk] = []
    try:
        for data in slices:
            chunks += decoder.feed(framing.feed(data))
        try:  # as the transport does after a clean end: some servers forget the last blank line
            chunks += decoder.feed(framing.close(flush=True))
        except ProtocolError:
            chunks += decoder.take()
        chunks += decoder.close()
    except ExLLMError as error:
        return chunks + decoder.take(), error
    return chunks, None


def decode_body(body: bytes) -> list[Chunk]:
    return WIRE.decode_body(body, request_for(stream=False), SPEC)


def fold(chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator("cohere", "command-a-03-2025")
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "parts": [type(part).__name__ for part in response.parts],
        "tool_calls": [[call.id, call.name, call.arguments] for call in response.tool_calls],
        "citations": [[each.url, each.title, each.start, each.end, each.document] for each in response.citations],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.choices[0].raw_finish_reason if response.choices else None,
        "model": response.model,
        "id": response.id,
        "usage": msgspec.to_builtins(response.usage),
    }


# -- the SDK's


def sdk(recording: Recording) -> cohere.ClientV2:
    """Cohere's client, answered with the recorded bytes."""

    def answer(_request: httpx.Request) -> httpx.Response:
        kept = {name: value for name, value in recording.headers.items() if name == "content-type"}
        return httpx.Response(recording.status, headers=kept, content=recording.body)

    return cohere.ClientV2("none", httpx_client=httpx.Client(transport=httpx.MockTransport(answer)))


ASKED: Any = [{"role": "user", "content": "Hi"}]


def sdk_message(recording: Recording) -> dict[str, Any]:
    """The SDK's answer as plain data; of a stream, its events folded as Cohere's documentation does it."""
    if not recording.streaming:
        return sdk(recording).chat(model="m", messages=ASKED).model_dump(mode="json", exclude_none=True)
    answer: dict[str, Any] = {}
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    calls: dict[int, Any] = {}
    for event in sdk(recording).chat_stream(model="m", messages=ASKED):
        data = event.model_dump(mode="json", exclude_none=True)
        change = data.get("delta", {}).get("message", {})
        match event.type:
            case "message-start":
                answer["id"] = data["id"]
            case "content-start":
                blocks[data["index"]] = dict(change["content"])
            case "content-delta":
                for field, piece in change["content"].items():
                    blocks[data["index"]][field] = blocks[data["index"]].get(field, "") + piece
            case "tool-plan-delta":
                message["tool_plan"] = message.get("tool_plan", "") + change["tool_plan"]
            case "tool-call-start":
                calls[data["index"]] = change["tool_calls"]
            case "tool-call-delta":
                calls[data["index"]]["function"]["arguments"] += change["tool_calls"]["function"]["arguments"]
            case "citation-start":
                message.setdefault("citations", []).append(change["citations"])
            case "message-end":
                answer |= data["delta"]
    if blocks:
        message["content"] = [blocks[index] for index in sorted(blocks)]
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {**answer, "message": message}
