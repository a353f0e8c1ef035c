"""The recorded exchanges of `tests/recordings/openai_responses`, and what OpenAI's SDK makes of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers.openai_responses import WIRE
from exllm.providers.spec import Paths, ProviderSpec
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "openai_responses"
SPEC = ProviderSpec(
    "openai-responses", "openai_responses", "https://api.openai.com/v1", paths=Paths(chat="/responses"), label="OpenAI"
)


class Recording(msgspec.Struct):
    name: str
    provider: str
    streaming: bool
    status: int
    headers: dict[str, str]
    body: bytes
    request: Any


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    response, asked = data["response"], data["request"].get("body") or None
    headers = {key.lower(): value for key, value in response["headers"].items()}
    return Recording(
        name,
        data["provider"],
        data["streaming"],
        response["status"],
        headers,
        response["body"].encode(),
        json.loads(asked) if isinstance(asked, str) else asked,
    )


ALL = sorted(path.stem for path in DIRECTORY.glob("*__*.json"))
STREAMS = [name for name in ALL if load(name).streaming]
ERRORS = [name for name in ALL if load(name).status >= 400]
BODIES = [name for name in ALL if not load(name).streaming and name not in ERRORS]
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))


# -- ours


def request_for(recording: Recording | None = None, *, stream: bool = True) -> Request:
    extra = {}
    if recording is not None and recording.request and recording.request.get("tools"):
        extra["tools"] = recording.request["tools"]
    return Request("openai-responses", "gpt-5-nano", (Message("user", "Hi"),), stream=stream, extra=extra)


def decode_stream(slices: Iterable[bytes], request: Request | None = None) -> tuple[list[Chunk], ExLLMError | None]:
    """The chunks of a stream whose bytes arrive as `slices`, and the error that ended it."""
    framing, decoder = SSEDecoder(), WIRE.decoder(request or request_for(), SPEC)
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


def decode_body(body: bytes, request: Request | None = None) -> list[Chunk]:
    return WIRE.decode_body(body, request or request_for(stream=False), SPEC)


def answer_of(recording: Recording) -> Response:
    """The response that a recording holds."""
    request = request_for(recording)
    if recording.streaming:
        return fold(decode_stream([recording.body], request)[0])
    return fold(decode_body(recording.body, request))


def fold(chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator("openai-responses", "gpt-5-nano")
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "parts": [type(part).__name__ for part in response.parts],
        "tool_calls": [[call.id, call.name, call.arguments] for call in response.tool_calls],
        "citations": [[each.url, each.title, each.start, each.end] for each in response.citations],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.choices[0].raw_finish_reason if response.choices else None,
        "model": response.model,
        "id": response.id,
        "created": response.created,
        "usage": msgspec.to_builtins(response.usage),
    }


# -- the SDK's


def sdk(recording: Recording) -> openai.OpenAI:
    """OpenAI's client, answered with the recorded bytes."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        kept = {name: value for name, value in recording.headers.items() if name in ("content-type", "x-request-id")}
        return httpx2.Response(recording.status, headers=kept, content=recording.body)

    return openai.OpenAI(
        api_key="none", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)), max_retries=0
    )


def sdk_response(recording: Recording) -> dict[str, Any]:
    """The SDK's response. Raises what the SDK raises."""
    with sdk(recording) as client:
        if not recording.streaming:
            return client.responses.create(model="m", input="Hi").to_dict(mode="json", warnings=False)
        said = ""
        for event in client.responses.create(model="m", input="Hi", stream=True):
            if event.type == "response.output_text.delta":
                said += event.delta
            elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                return {**event.response.to_dict(mode="json", warnings=False), "said": said}
        raise AssertionError("a recorded stream has its end")
