"""The recorded exchanges of Bedrock, what we make of them, and what botocore makes of the same bytes."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import botocore.session
import msgspec
from botocore.eventstream import EventStream
from botocore.parsers import create_parser

from exllm.errors import ExLLMError
from exllm.providers import ProviderSpec, registry
from exllm.providers.wire import Wire
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.request import Request
from exllm.types.response import Response

MODEL = botocore.session.get_session().get_service_model("bedrock-runtime")


class Recording(msgspec.Struct):
    name: str
    model: str
    streaming: bool
    status: int
    headers: dict[str, str]
    body: bytes
    request: Any  # the body that was sent, as data; None where it was not kept


class Recordings:
    """All exchanges of one wire, from ``tests/recordings/<wire>``."""

    def __init__(self, provider: str) -> None:
        spec = registry.get(provider)
        assert isinstance(spec, ProviderSpec)
        self.spec = spec
        self.wire: Wire = registry.wire(spec.wire)
        self.directory = Path(__file__).parent.parent / "recordings" / spec.wire
        self.all = sorted(path.stem for path in self.directory.glob("*__*.json"))
        self.streams = [name for name in self.all if self.load(name).streaming]
        self.errors = [name for name in self.all if self.load(name).status >= 400]
        self.bodies = [name for name in self.all if name not in self.streams and name not in self.errors]
        self.expected: dict[str, Any] = json.loads((self.directory / "expected.json").read_text(encoding="utf-8"))

    @functools.cache  # noqa: B019 - there are two of these, for ever
    def load(self, name: str) -> Recording:
        data = json.loads((self.directory / f"{name}.json").read_text(encoding="utf-8"))
        response, request = data["response"], data["request"]
        encoded = response.get("body_base64")
        body = base64.b64decode(encoded) if encoded else response["body"].encode()
        sent = request["body"]
        return Recording(
            name,
            unquote(request["path"].split("/")[2]),
            data["streaming"],
            response["status"],
            {key.lower(): value for key, value in (response["headers"] or {}).items()},
            body,
            json.loads(sent) if isinstance(sent, str) and sent else sent or None,
        )

    def request(self, name: str, *more: Message, stream: bool | None = None) -> Request:
        recording = self.load(name)
        is_stream = recording.streaming if stream is None else stream
        return Request(self.spec.name, recording.model, (Message("user", "Hi"), *more), stream=is_stream)

    def decode_stream(self, name: str, slices: Iterable[bytes]) -> tuple[list[Chunk], ExLLMError | None]:
        """The chunks of a stream whose bytes arrive as `slices`, and the error that ended it."""
        framing, decoder = EventStreamDecoder(), self.wire.decoder(self.request(name), self.spec)
        chunks: list[Chunk] = []
        try:
            for data in slices:
                chunks += decoder.feed(framing.feed(data))
            chunks += decoder.feed(framing.close())
            chunks += decoder.close()
        except ExLLMError as error:
            return chunks + decoder.take(), error
        return chunks, None

    def chunks(self, name: str) -> list[Chunk]:
        """The chunks of a recording that is no error."""
        recording = self.load(name)
        if not recording.streaming:
            return self.wire.decode_body(recording.body, self.request(name), self.spec)
        chunks, error = self.decode_stream(name, [recording.body])
        assert error is None
        return chunks

    def response(self, name: str) -> Response:
        return self.fold(name, self.chunks(name))

    def fold(self, name: str, chunks: Iterable[Chunk]) -> Response:
        accumulator = Accumulator(self.spec.name, self.load(name).model)
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
        "usage": msgspec.to_builtins(response.usage),
    }


def told_error(error: ExLLMError) -> dict[str, Any]:
    """What an error response says, as plain data."""
    return {
        "error": type(error).__name__,
        "message": error.message,
        "code": error.code,
        "retryable": error.retryable,
        "request_id": error.request_id,
    }


# -- botocore's


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def boto_events(operation: str, body: bytes) -> list[dict[str, Any]]:
    """The events of a stream as botocore gives them out. Raises its errors."""
    shape = MODEL.operation_model(operation).get_event_stream_output()
    parser = create_parser("rest-json")._event_stream_parser
    return list(EventStream(_Raw(body), shape, parser, operation))


def boto_body(operation: str, body: bytes) -> dict[str, Any]:
    """A whole answer as botocore gives it out."""
    response = {"status_code": 200, "headers": {}, "body": body}
    parsed: dict[str, Any] = create_parser("rest-json").parse(response, MODEL.operation_model(operation).output_shape)
    return parsed


def boto_message(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The answer that the events of ConverseStream add up to, in the shape of Converse."""
    blocks: dict[int, dict[str, Any]] = {}
    found: dict[str, Any] = {}
    for event in events:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": index, "start": start}}:
                blocks[index] = {"start": start}
            case {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}:
                block = blocks.setdefault(index, {})
                for name, value in delta.items():
                    block.setdefault(name, []).append(value)
            case {"messageStop": stop}:
                found["stopReason"] = stop["stopReason"]
            case {"metadata": metadata}:
                found |= metadata
    found["content"] = [_joined(blocks[index]) for index in sorted(blocks)]
    return found


def _joined(block: dict[str, Any]) -> dict[str, Any]:
    if "toolUse" in block.get("start", {}):
        arguments = "".join(piece["input"] for piece in block.get("toolUse", ()))
        return {"toolUse": {**block["start"]["toolUse"], "input": json.loads(arguments) if arguments else {}}}
    if "toolResult" in block.get("start", {}):
        content = [piece for pieces in block.get("toolResult", ()) for piece in pieces]
        return {"toolResult": {**block["start"]["toolResult"], "content": content}}
    if "reasoningContent" in block:
        pieces = block["reasoningContent"]
        if any("redactedContent" in piece for piece in pieces):
            return {"reasoningContent": {"redactedContent": b"".join(piece["redactedContent"] for piece in pieces)}}
        text = "".join(piece.get("text", "") for piece in pieces)
        signature = "".join(piece.get("signature", "") for piece in pieces)
        thought = {"text": text, "signature": signature} if signature else {"text": text}
        return {"reasoningContent": {"reasoningText": thought}}
    text = "".join(block.get("text", ()))
    if "citation" in block:
        content = [{"text": text}] if text else []
        return {"citationsContent": {"citations": block["citation"], "content": content}}
    return {"text": text}
