"""The recorded exchanges of `tests/recordings/openai_chat`, and what OpenAI's SDK makes of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai

from exllm.providers.openai_chat import WIRE
from exllm.providers.spec import ProviderSpec
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.parts import Reasoning
from exllm.types.request import Request
from exllm.types.response import Choice, Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "openai_chat"


class Row(msgspec.Struct):
    file: str
    kind: str
    provider: str
    status: int
    source: str
    licence: str


INDEX = msgspec.json.decode((DIRECTORY / "INDEX.json").read_bytes(), type=list[Row])


def names(kind: str) -> list[str]:
    """The recordings of a kind: ``stream``, ``body`` or ``error``."""
    return [row.file.removesuffix(".json") for row in INDEX if row.kind == kind]


class Recording(msgspec.Struct):
    name: str
    provider: str
    status: int
    headers: dict[str, str]
    body: bytes


@functools.lru_cache(maxsize=4)
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    response = data["response"]
    headers = {key.lower(): value for key, value in response["headers"].items()}
    return Recording(name, data["provider"], response["status"], headers, response["body"].encode())


# -- ours


def spec_for(provider: str) -> ProviderSpec:
    return ProviderSpec(provider, "openai_chat", "https://api.example/v1")


def request_for(provider: str, *, stream: bool = True) -> Request:
    return Request(provider, "some-model", (Message("user", "Hi"),), stream=stream)


def decode_stream(provider: str, slices: Iterable[bytes]) -> list[Chunk]:
    """The chunks of a stream whose bytes arrive as `slices`; the error, when there is one, carries them as `seen`."""
    framing, decoder = SSEDecoder(), WIRE.decoder(request_for(provider), spec_for(provider))
    chunks: list[Chunk] = []
    try:
        for data in slices:
            chunks += decoder.feed(framing.feed(data))
        chunks += decoder.feed(framing.close())
        chunks += decoder.close()
    except Exception as error:
        chunks += decoder.take()
        error.seen = chunks  # type: ignore[attr-defined]
        raise
    return chunks


def decode_body(provider: str, body: bytes) -> list[Chunk]:
    return WIRE.decode_body(body, request_for(provider, stream=False), spec_for(provider))


def fold(provider: str, chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator(provider, "some-model")
    accumulator.add(chunks)
    return accumulator.response()


def reasoning_of(choice: Choice) -> str:
    return "".join(part.text for part in choice.message.parts if isinstance(part, Reasoning))


def summary(response: Response) -> dict[int, dict[str, Any]]:
    """What can be compared with the SDK, by choice."""
    return {
        choice.index: {
            "text": choice.message.text,
            "reasoning": reasoning_of(choice),
            "tool_calls": [(call.id, call.name, call.arguments) for call in choice.message.tool_calls],
            "finish_reason": choice.raw_finish_reason,
        }
        for choice in response.choices
    }


# -- the SDK's


def sdk(recording: Recording) -> openai.OpenAI:
    """OpenAI's client, answered with the recorded bytes."""

    def answer(_request: httpx.Request) -> httpx.Response:
        unpacked = {
            name: value
            for name, value in recording.headers.items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        }
        return httpx.Response(recording.status, headers=unpacked, content=recording.body)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return openai.OpenAI(api_key="none", base_url="https://api.example/v1", http_client=client, max_retries=0)


def sdk_stream(recording: Recording) -> tuple[dict[int, dict[str, Any]], dict[str, Any] | None]:
    """The SDK's deltas joined, and its last usage. Raises what the SDK raises."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    with sdk(recording) as client, client.chat.completions.create(model="m", messages=[], stream=True) as stream:
        for event in stream:
            x_groq = (event.model_extra or {}).get("x_groq") or {}
            usage = (event.usage and event.usage.to_dict()) or x_groq.get("usage") or usage
            for choice in event.choices or ():
                _join(choices.setdefault(choice.index or 0, _nothing()), choice.delta, choice.finish_reason)
    return {index: _shown(choice) for index, choice in choices.items()}, usage


def sdk_body(recording: Recording) -> tuple[dict[int, dict[str, Any]], dict[str, Any] | None]:
    """The SDK's view of a whole answer."""
    with sdk(recording) as client:
        answer = client.chat.completions.create(model="m", messages=[])
    choices: dict[int, dict[str, Any]] = {}
    for position, choice in enumerate(answer.choices):
        index = position if choice.index is None else choice.index
        joined = choices[index] = _nothing()
        for place, call in enumerate(choice.message.tool_calls or ()):
            _add_call(joined, place, call)
        choice.message.tool_calls = None
        _join(joined, choice.message, choice.finish_reason)
    return {index: _shown(choice) for index, choice in choices.items()}, answer.usage and answer.usage.to_dict()


def _nothing() -> dict[str, Any]:
    return {"text": "", "reasoning": "", "tool_calls": {}, "finish_reason": None}


def _join(choice: dict[str, Any], delta: Any, finish_reason: str | None) -> None:
    choice["finish_reason"] = finish_reason or choice["finish_reason"]
    if delta is None:
        return
    extra = delta.model_extra or {}
    choice["text"] += delta.content if isinstance(delta.content, str) else ""
    choice["reasoning"] += extra.get("reasoning") or extra.get("reasoning_content") or ""
    for call in delta.tool_calls or ():
        _add_call(choice, call.index, call)


def _add_call(choice: dict[str, Any], place: int | None, call: Any) -> None:
    calls = choice["tool_calls"]
    entry = calls.setdefault(len(calls) if place is None else place, {"id": "", "name": "", "arguments": ""})
    entry["id"] = entry["id"] or call.id or ""
    entry["name"] = entry["name"] or call.function.name or ""
    entry["arguments"] += call.function.arguments or ""


def _shown(choice: dict[str, Any]) -> dict[str, Any]:
    calls = [(call["id"], call["name"], call["arguments"]) for call in choice["tool_calls"].values()]
    return {**choice, "tool_calls": calls}
