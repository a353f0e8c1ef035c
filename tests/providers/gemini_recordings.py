"""The recorded exchanges of `tests/recordings/gemini_generate`, and what Google's SDK makes of the same bytes."""

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
from exllm.providers.gemini_generate import WIRE
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.request import Request
from exllm.types.response import Choice, Response

DIRECTORY = Path(__file__).parent.parent / "recordings" / "gemini_generate"
MODEL = "gemini-2.5-flash"


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


SPEC = spec_of("gemini")


class Recording(msgspec.Struct):
    name: str
    provider: str
    streaming: bool
    framing: str | None
    status: int
    headers: dict[str, str]
    body: bytes
    path: str
    request: dict[str, Any] | None


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    response, request = data["response"], data["request"]
    headers = {key.lower(): value for key, value in response["headers"].items()}
    return Recording(
        name,
        data["provider"],
        data["streaming"],
        data["framing"],
        response["status"],
        headers,
        response["body"].encode(),
        request["path"],
        json.loads(request["body"]) if request["body"] else None,
    )


ALL = sorted(path.stem for path in DIRECTORY.glob("*__*.json"))
STREAMS = [name for name in ALL if load(name).framing == "sse"]
LISTS = [name for name in ALL if load(name).framing == "json-array-stream"]
ERRORS = [name for name in ALL if load(name).status >= 400]
BODIES = [name for name in ALL if not load(name).streaming and name not in ERRORS]
ANSWERS = [*STREAMS, *LISTS, *BODIES]
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))


# -- ours


def request_for(*, stream: bool = True, searches: bool = True) -> Request:
    """`searches` says that a tool of Gemini's was asked for, so that sources are placed in the text."""
    options = Options(web_search=True) if searches else Options()
    return Request("gemini", MODEL, (Message("user", "Hi"),), options, stream=stream)


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


def decode_body(body: bytes) -> list[Chunk]:
    return WIRE.decode_body(body, request_for(stream=False), SPEC)


def decode(name: str) -> list[Chunk]:
    """The chunks of a recorded answer, however it is framed."""
    recording = load(name)
    if recording.framing == "sse":
        chunks, error = decode_stream([recording.body])
        assert error is None
        return chunks
    return decode_body(recording.body)


def fold(chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator("gemini", MODEL)
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "parts": [type(part).__name__ for part in response.parts],
        "tool_calls": [[call.id, call.name, call.arguments] for call in response.tool_calls],
        "citations": [[each.url or each.title, each.text, each.start, each.end] for each in response.citations],
        "logprobs": [[each.token, each.logprob, len(each.top)] for each in response.logprobs or ()],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.choices[0].raw_finish_reason,
        "finish_message": response.choices[0].finish_message,
        "model": response.model,
        "id": response.id,
        "created": response.created,
        "usage": msgspec.to_builtins(response.usage),
    }


def as_sent_back(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of an answer as a request holds them: pieces of plain text joined, empty ones left out."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if part == {"text": ""}:
            continue
        last = joined[-1] if joined else {}
        if part.keys() == last.keys() and part.keys() <= {"text", "thought"}:
            joined[-1] = {**last, "text": last["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


# -- the SDK's


class _Replay(httpx2.BaseTransport):
    """Answers with a recording."""

    playing: ClassVar[Recording]

    def handle_request(self, _request: httpx2.Request) -> httpx2.Response:
        now = _Replay.playing
        kept = {"content-type": now.headers.get("content-type", "application/json")}
        return httpx2.Response(now.status, headers=kept, content=now.body)


@functools.cache
def _client(vertex: bool) -> genai.Client:
    options = types.HttpOptions(httpx_client=httpx2.Client(transport=_Replay()))
    return genai.Client(api_key="none", vertexai=vertex, http_options=options)


def sdk(recording: Recording) -> genai.Client:
    """Google's client, which will be answered with the recorded bytes."""
    _Replay.playing = recording
    return _client(recording.provider == "vertex")


def sdk_answers(name: str) -> list[types.GenerateContentResponse]:
    """What the SDK reads, one object per event. Raises what the SDK raises."""
    recording = load(name)
    if recording.framing == "json-array-stream":  # the SDK never asks for it: each entry is a whole answer to it
        return [
            sdk(msgspec.structs.replace(recording, body=json.dumps(entry).encode())).models.generate_content(
                model=MODEL, contents="Hi"
            )
            for entry in json.loads(recording.body)
        ]
    models = sdk(recording).models
    if recording.streaming:
        return list(models.generate_content_stream(model=MODEL, contents="Hi"))
    return [models.generate_content(model=MODEL, contents="Hi")]


def sdk_parts(answers: Iterable[types.GenerateContentResponse]) -> list[types.Part]:
    """All parts of the first candidate, in order."""
    return [
        part
        for answer in answers
        for candidate in answer.candidates or []
        if candidate.content is not None
        for part in candidate.content.parts or []
    ]


def only_choice(response: Response) -> Choice:
    (choice,) = response.choices
    return choice
