"""Whatever Bedrock sends in place of what it should: one of our errors, or an answer. Never a crash."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from exllm.errors import ExLLMError
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder, EventStreamFrame
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from tests.providers.bedrock_recordings import Recordings

WIRES = [Recordings("bedrock"), Recordings("bedrock-invoke")]
GARBAGE: tuple[Any, ...] = (None, True, 0, -1, 1e300, 2**80, "", "x", [], [None], {}, {"x": None}, [[]], {"": {}})


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, the whole first."""
    yield path
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(value, (*path, key))


def spoilt(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of `document` with `value` at one place."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = spoilt(copy[path[0]], path[1:], value)
    return copy


def decode(recorded: Recordings, name: str, frames: list[Frame]) -> None:
    """Decode and fold; anything but one of our errors fails the test."""
    decoder = recorded.wire.decoder(recorded.request(name), recorded.spec)
    chunks: list[Chunk] = []
    try:
        chunks += decoder.feed(frames)
        chunks += decoder.close()
    except ExLLMError:
        chunks += decoder.take()
    _fold(recorded, name, chunks)


def _fold(recorded: Recordings, name: str, chunks: list[Chunk]) -> None:
    accumulator = Accumulator(recorded.spec.name, recorded.load(name).model)
    accumulator.add(chunks)
    assert accumulator.response().text is not None


STREAMS = [(recorded, name) for recorded in WIRES for name in recorded.streams]
BODIES = [(recorded, name) for recorded in WIRES for name in recorded.bodies if "imported" not in name]


@pytest.mark.parametrize(("recorded", "name"), STREAMS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_stream_with_anything_at_any_place(recorded: Recordings, name: str) -> None:
    chosen = random.Random(name)
    frames = EventStreamDecoder().feed(recorded.load(name).body)
    for at, frame in enumerate(frames):
        if at > 12 and at < len(frames) - 6:  # the middle of a text says nothing new
            continue
        assert isinstance(frame, EventStreamFrame)
        document = json.loads(frame.data)
        inner = json.loads(base64.b64decode(document["bytes"])) if frame.event == "chunk" else None
        for path in places(document if inner is None else inner):
            value = chosen.choice(GARBAGE)
            if inner is None:
                data = json.dumps(spoilt(document, path, value)).encode()
            else:
                payload = json.dumps(spoilt(inner, path, value)).encode()
                data = json.dumps({"bytes": base64.b64encode(payload).decode()}).encode()
            strange = EventStreamFrame(data, frame.event, "", frame.message_type, frame.headers)
            decode(recorded, name, [*frames[:at], strange, *frames[at + 1 :]])


@pytest.mark.parametrize(("recorded", "name"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_whole_answer_with_anything_at_any_place(recorded: Recordings, name: str) -> None:
    document = json.loads(recorded.load(name).body)
    for path in places(document):
        for value in GARBAGE:
            data = json.dumps(spoilt(document, path, value)).encode()
            try:
                chunks = recorded.wire.decode_body(data, recorded.request(name), recorded.spec)
            except ExLLMError:
                continue
            _fold(recorded, name, chunks)
