"""The recorded exchanges of older protocols, and what the vendors' SDKs make of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cohere
import httpx
import msgspec
import ollama
import openai
from openai.types.chat import ChatCompletion

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers import ProviderSpec, registry
from exllm.providers.wire import Wire
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response

RECORDINGS = Path(__file__).parent.parent / "recordings"
PROVIDERS = {
    "openai_completions": "openai-completions",
    "ollama_generate": "ollama-generate",
    "cohere_v1": "cohere-v1",
}
"""By folder, which is the name of the wire."""


class Recording(msgspec.Struct):
    folder: str
    name: str
    path: str
    streaming: bool
    asked: dict[str, Any] | None  # None where nobody recorded it
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def spec(self) -> ProviderSpec:
        spec = registry.get(PROVIDERS[self.folder])
        assert isinstance(spec, ProviderSpec)
        return spec

    @property
    def wire(self) -> Wire:
        return registry.wire(self.folder)

    @property
    def request(self) -> Request:
        return Request(self.spec.name, "some-model", (Message("user", "Hi"),), stream=self.streaming)


@functools.cache
def load(folder: str, name: str) -> Recording:
    data = json.loads((RECORDINGS / folder / f"{name}.json").read_text(encoding="utf-8"))
    response = data["response"]
    headers = {key.lower(): value for key, value in response["headers"].items()}
    asked = json.loads(data["request"]["body"] or "null")
    return Recording(
        folder, name, data["request"]["path"], data["streaming"], asked, response["status"], headers,
        response["body"].encode(),
    )  # fmt: skip


ALL = [load(folder, path.stem) for folder in PROVIDERS for path in sorted((RECORDINGS / folder).glob("*__*.json"))]
ERRORS = [recording for recording in ALL if recording.status >= 400]
STREAMS = [recording for recording in ALL if recording.streaming and recording not in ERRORS]
BODIES = [recording for recording in ALL if not recording.streaming and recording not in ERRORS]


@functools.cache
def expected(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / folder / "expected.json").read_text(encoding="utf-8"))
    return found


# -- ours


def decode_stream(
    recording: Recording, slices: Iterable[bytes], *, is_clean: bool = True
) -> tuple[list[Chunk], ExLLMError | None]:
    """The chunks of a stream whose bytes arrive as `slices`, and the error that ended it."""
    framing = SSEDecoder() if recording.wire.framing == "sse" else NDJSONDecoder()
    decoder = recording.wire.decoder(recording.request, recording.spec)
    chunks: list[Chunk] = []
    try:
        for data in slices:
            chunks += decoder.feed(framing.feed(data))
        rest = framing.close(flush=True) if isinstance(framing, SSEDecoder) else framing.close()
        try:  # as the transport does after a clean end: some servers forget the last line feed
            chunks += decoder.feed(rest if is_clean else [])
        except ProtocolError:
            chunks += decoder.take()
        chunks += decoder.close()
    except ExLLMError as error:
        return chunks + decoder.take(), error
    return chunks, None


def decoded(recording: Recording) -> list[Chunk]:
    if recording.streaming:
        return decode_stream(recording, [recording.body])[0]
    return recording.wire.decode_body(recording.body, recording.request, recording.spec)


def fold(recording: Recording, chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator(recording.spec.name, "some-model")
    accumulator.add(chunks)
    return accumulator.response()


def summary(response: Response) -> dict[str, Any]:
    """What a recording says, as plain data."""
    return {
        "text": response.text,
        "parts": [type(part).__name__ for part in response.parts],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.choices[0].raw_finish_reason if response.choices else None,
        "model": response.model,
        "id": response.id,
        "created": response.created,
        "usage": msgspec.to_builtins(response.usage),
    }


# -- the SDKs'


class Said(NamedTuple):
    """What an SDK made of an answer; None where the protocol does not tell."""

    text: str
    reason: str | None
    id: str | None
    model: str | None
    counts: tuple[int, int] | None
    billed: tuple[int, int] | None = None


def sdk_says(recording: Recording) -> Said:
    """Raises what the SDK raises."""
    return _SDKS[recording.folder](recording)


def _http(recording: Recording) -> httpx.Client:
    def answer(_request: httpx.Request) -> httpx.Response:
        kept = {name: value for name, value in recording.headers.items() if name == "content-type"}
        return httpx.Response(recording.status, headers=kept, content=recording.body)

    return httpx.Client(transport=httpx.MockTransport(answer))


def _openai_says(recording: Recording) -> Said:
    if "/prompts/" in recording.path:  # a stored prompt of Portkey's is answered in the form of Chat Completions
        answer = ChatCompletion.model_validate_json(recording.body)
        content, used = answer.choices[0].message.content or "", answer.usage
        counts = None if used is None else (used.prompt_tokens, used.completion_tokens)
        return Said(content, answer.choices[0].finish_reason, answer.id, answer.model, counts)
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1", http_client=_http(recording))
    if not recording.streaming:
        parts = [client.completions.create(model="m", prompt="Hi")]
    else:
        parts = list(client.completions.create(model="m", prompt="Hi", stream=True))
    choices = [choice for part in parts for choice in part.choices]
    usage = parts[-1].usage
    return Said(
        "".join(choice.text for choice in choices), choices[-1].finish_reason, parts[0].id, parts[0].model,
        None if usage is None else (usage.prompt_tokens, usage.completion_tokens),
    )  # fmt: skip


def _ollama_says(recording: Recording) -> Said:
    client = ollama.Client(transport=httpx.MockTransport(_http(recording)._transport.handle_request))
    parts = list(client.generate("m", "Hi", stream=True)) if recording.streaming else [client.generate("m", "Hi")]
    last = parts[-1]
    counts = None if last.prompt_eval_count is None else (last.prompt_eval_count, last.eval_count or 0)
    return Said("".join(part.response or "" for part in parts), last.done_reason, None, last.model, counts)


def _cohere_says(recording: Recording) -> Said:
    client = cohere.Client("none", httpx_client=_http(recording))
    if not recording.streaming:
        answer = client.chat(message="Hi")
        text = answer.text
    else:
        events = list(client.chat_stream(message="Hi"))
        text = "".join(event.text for event in events if event.event_type == "text-generation")
        answer = events[-1].response
        assert answer.text == text
    tokens, billed = answer.meta.tokens, answer.meta.billed_units
    return Said(
        text, answer.finish_reason, answer.generation_id, None, (tokens.input_tokens, tokens.output_tokens),
        (billed.input_tokens, billed.output_tokens),
    )  # fmt: skip


_SDKS: dict[str, Callable[[Recording], Said]] = {
    "openai_completions": _openai_says,
    "ollama_generate": _ollama_says,
    "cohere_v1": _cohere_says,
}
