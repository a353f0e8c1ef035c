"""The recorded exchanges of `tests/recordings/anthropic_messages`, and what Anthropic's SDK makes of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import msgspec

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers.anthropic_messages import WIRE
from exllm.providers.spec import Auth, Paths, ProviderSpec
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "anthropic_messages"
SPEC = ProviderSpec(
    "anthropic",
    "anthropic_messages",
    "https://api.anthropic.com",
    paths=Paths(chat="/v1/messages"),
    auth=Auth("x-api-key", ""),
    label="Anthropic",
)


class Recording(msgspec.Struct):
    name: str
    streaming: bool
    status: int
    headers: dict[str, str]
    body: bytes


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    response = data["response"]
    headers = {key.lower(): value for key, value in response["headers"].items()}
    return Recording(name, data["streaming"], response["status"], headers, response["body"].encode())


ALL = sorted(path.stem for path in DIRECTORY.glob("*__*.json"))
STREAMS = [name for name in ALL if load(name).streaming]
ERRORS = [name for name in ALL if load(name).status >= 400]
BODIES = [name for name in ALL if not load(name).streaming and name not in ERRORS]
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))


# -- ours


def request_for(*, stream: bool = True) -> Request:
    return Request("anthropic", "claude-sonnet-4-5", (Message("user", "Hi"),), stream=stream)


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
    accumulator = Accumulator("anthropic", "claude-sonnet-4-5")
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "parts": [type(part).__name__ for part in response.parts],
        "tool_calls": [[call.id, call.name, call.arguments] for call in response.tool_calls],
        "citations": [[each.url or each.title, each.text] for each in response.citations],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.choices[0].raw_finish_reason if response.choices else None,
        "model": response.model,
        "id": response.id,
        "usage": msgspec.to_builtins(response.usage),
    }


# -- the SDK's


def sdk(recording: Recording) -> anthropic.Anthropic:
    """Anthropic's client, answered with the recorded bytes."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        kept = {name: value for name, value in recording.headers.items() if name in ("content-type", "request-id")}
        return httpx2.Response(recording.status, headers=kept, content=recording.body)

    return anthropic.Anthropic(
        api_key="none", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)), max_retries=0
    )


def sdk_message(recording: Recording) -> dict[str, Any]:
    """The SDK's message. Raises what the SDK raises."""
    arguments: dict[str, Any] = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
    with sdk(recording) as client:
        if not recording.streaming:
            return client.messages.create(**arguments).to_dict(mode="json", warnings=False)
        with client.messages.stream(**arguments) as stream:
            return stream.get_final_message().to_dict(mode="json", warnings=False)
