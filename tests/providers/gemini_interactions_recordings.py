"""The recorded exchanges of `tests/recordings/gemini_interactions`, and what Google's SDK makes of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import msgspec
from google import genai
from google.genai import types

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers import ProviderSpec, registry
from exllm.providers.gemini_interactions import WIRE
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.options import Options, check_options
from exllm.types.request import Request
from exllm.types.response import Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "gemini_interactions"
MODEL = "gemini-2.5-flash"


def _spec() -> ProviderSpec:
    spec = registry.get("gemini-interactions")
    assert isinstance(spec, ProviderSpec)
    return spec


SPEC = _spec()


class Recording(msgspec.Struct):
    name: str
    streaming: bool
    status: int
    body: bytes
    request: dict[str, Any] | None


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    asked = data["request"]["body"]
    return Recording(
        name,
        data["streaming"],
        data["response"]["status"],
        data["response"]["body"].encode(),
        json.loads(asked) if asked else None,
    )


ALL = sorted(path.stem for path in DIRECTORY.glob("*__*.json"))
STREAMS = [name for name in ALL if load(name).streaming]
BODIES = [name for name in ALL if not load(name).streaming]
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))


# -- ours


def request_for(*, stream: bool = True, searches: bool = True, model: str = MODEL) -> Request:
    options = Options(web_search=True) if searches else Options()
    return Request("gemini-interactions", model, (Message("user", "Hi"),), options, stream=stream)


def decode_stream(slices: Iterable[bytes], *, searches: bool = True) -> tuple[list[Chunk], ExLLMError | None]:
    """The chunks of a stream whose bytes arrive as `slices`, and the error that ended it."""
    framing, decoder = SSEDecoder(), WIRE.decoder(request_for(searches=searches), SPEC)
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


def decode_body(body: bytes, *, searches: bool = True) -> list[Chunk]:
    return WIRE.decode_body(body, request_for(stream=False, searches=searches), SPEC)


def decode(name: str) -> list[Chunk]:
    recording = load(name)
    if not recording.streaming:
        return decode_body(recording.body)
    chunks, error = decode_stream([recording.body])
    assert error is None
    return chunks


def fold(chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator("gemini-interactions", MODEL)
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    choice = response.choices[0] if response.choices else None
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "parts": [type(part).__name__ for part in response.parts],
        "tool_calls": [[call.id, call.name, call.arguments] for call in response.tool_calls],
        "citations": [[each.title, each.start, each.end] for each in response.citations],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": None if choice is None else choice.raw_finish_reason,
        "model": response.model,
        "id": response.id,
        "created": response.created,
        "usage": msgspec.to_builtins(response.usage),
    }


def sent(
    messages: Any, *, model: str = MODEL, stream: bool = False, extra: Any = None, **options: Any
) -> dict[str, Any]:
    """The body of our request."""
    messages = (Message("user", messages),) if isinstance(messages, str) else tuple(messages)
    request = Request("gemini-interactions", model, messages, check_options(options), extra or {}, stream=stream)
    body: dict[str, Any] = json.loads(WIRE.build(request, SPEC).body)
    return body


# -- the SDK's


class _Replay(httpx2.BaseTransport):
    """Answers with a recording, and keeps what it was asked."""

    playing: ClassVar[Recording]
    asked: ClassVar[list[httpx2.Request]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        now = _Replay.playing
        kind = "text/event-stream" if now.streaming else "application/json"
        return httpx2.Response(now.status, headers={"content-type": kind}, content=now.body)


@functools.cache
def _client() -> genai.Client:
    options = types.HttpOptions(httpx_client=httpx2.Client(transport=_Replay()), api_version="v1beta")
    return genai.Client(api_key="none", http_options=options)


def sdk_interaction(recording: Recording) -> Any:
    """The SDK's object for a whole answer. Raises what the SDK raises."""
    _Replay.playing = recording
    return _client().interactions.create(model=MODEL, input="Hi")


def sdk_events(recording: Recording) -> list[Any]:
    """The SDK's events of a stream."""
    _Replay.playing = recording
    return list(_client().interactions.create(model=MODEL, input="Hi", stream=True))


def sent_by_sdk(**arguments: Any) -> tuple[httpx2.Request, dict[str, Any]]:
    """What the SDK sends for a call."""
    _Replay.playing = load(BODIES[-1])
    _Replay.asked.clear()
    _client().interactions.create(**arguments)
    (request,) = _Replay.asked
    body: dict[str, Any] = json.loads(request.content)
    return request, body
