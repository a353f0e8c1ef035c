"""The recorded exchanges of `tests/recordings/ollama_chat`, and what Ollama's SDK makes of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import ollama

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers import ProviderSpec, registry
from exllm.providers.ollama_chat import WIRE
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "ollama_chat"
SPEC = registry.get("ollama")
assert isinstance(SPEC, ProviderSpec)


class Recording(msgspec.Struct):
    name: str
    streaming: bool
    asked: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    response = data["response"]
    headers = {key.lower(): value for key, value in response["headers"].items()}
    asked = json.loads(data["request"]["body"])
    return Recording(name, data["streaming"], asked, response["status"], headers, response["body"].encode())


ALL = sorted(path.stem for path in DIRECTORY.glob("*__*.json"))
STREAMS = [name for name in ALL if load(name).streaming]
ERRORS = [name for name in ALL if load(name).status >= 400]
BODIES = [name for name in ALL if not load(name).streaming and name not in ERRORS]
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))


# -- ours


def request_for(*, stream: bool = True) -> Request:
    return Request("ollama", "llama3.2", (Message("user", "Hi"),), stream=stream)


def decode_stream(slices: Iterable[bytes], *, is_clean: bool = True) -> tuple[list[Chunk], ExLLMError | None]:
    """The chunks of a stream whose bytes arrive as `slices`, and the error that ended it."""
    framing, decoder = NDJSONDecoder(), WIRE.decoder(request_for(), SPEC)
    chunks: list[Chunk] = []
    try:
        for data in slices:
            chunks += decoder.feed(framing.feed(data))
        rest = framing.close()
        try:  # as the transport does after a clean end: some servers forget the last line feed
            chunks += decoder.feed(rest if is_clean else [])
        except ProtocolError:
            chunks += decoder.take()
        chunks += decoder.close()
    except ExLLMError as error:
        return chunks + decoder.take(), error
    return chunks, None


def decode_body(body: bytes) -> list[Chunk]:
    return WIRE.decode_body(body, request_for(stream=False), SPEC)


def fold(chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator("ollama", "llama3.2")
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "parts": [type(part).__name__ for part in response.parts],
        "tool_calls": [[call.id, call.name, call.arguments] for call in response.tool_calls],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.choices[0].raw_finish_reason if response.choices else None,
        "model": response.model,
        "created": response.created,
        "usage": msgspec.to_builtins(response.usage),
    }


# -- the SDK's


def sdk(recording: Recording) -> ollama.Client:
    """Ollama's client, answered with the recorded bytes."""

    def answer(_request: httpx.Request) -> httpx.Response:
        kept = {name: value for name, value in recording.headers.items() if name == "content-type"}
        return httpx.Response(recording.status, headers=kept, content=recording.body)

    return ollama.Client(transport=httpx.MockTransport(answer))


def sdk_parts(recording: Recording) -> list[ollama.ChatResponse]:
    """The SDK's lines, or its one answer. Raises what the SDK raises."""
    asked = [{"role": "user", "content": "Hi"}]
    if recording.streaming:
        return list(sdk(recording).chat("m", asked, stream=True))
    return [sdk(recording).chat("m", asked)]
