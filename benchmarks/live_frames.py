"""Frames of sound that know their number and when they were made, and the messages that they travel in."""

from __future__ import annotations

import base64
import json
import random
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

_HEAD = struct.Struct("<QQ")
_SOUND = random.Random(1).randbytes(4096)


def made_frame(number: int, size: int) -> bytes:
    """The PCM of one frame, made now."""
    return _HEAD.pack(number, time.monotonic_ns()) + _SOUND[: size - _HEAD.size]


def numbered(pcm: bytes) -> tuple[int, int]:
    """The number of a frame, and the `time.monotonic_ns()` of when it was made; the clock is that of all processes."""
    number, made_ns = _HEAD.unpack_from(pcm)
    return number, made_ns


def warm_up(frames: int) -> int:
    """How many of a session's first frames are not timed: others are still being connected, and modules loaded."""
    return frames // 10


class Dialect(NamedTuple):
    """What a service says; everything is a whole message."""

    hello: tuple[bytes, ...]  # when the connection was opened
    accepted: tuple[bytes, ...]  # when the client's first message, its settings, has come
    output: Callable[[bytes], bytes]  # a frame of the model's speech
    goodbye: tuple[bytes, ...]
    read_input: Callable[[bytes], bytes | None]  # the user's audio in a message
    input_bytes: int  # of 20 ms
    output_bytes: int


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class _Blob(msgspec.Struct):
    data: str = ""


class _Realtime(msgspec.Struct):
    audio: _Blob | None = None


class _GeminiInput(msgspec.Struct):
    realtimeInput: _Realtime | None = None
    realtime_input: _Realtime | None = None  # as google-genai writes it


class _OpenAIInput(msgspec.Struct):
    type: str
    audio: str = ""


_URL_SAFE = str.maketrans("-_", "+/")  # google-genai's base64
_read_gemini = msgspec.json.Decoder(_GeminiInput).decode
_read_openai = msgspec.json.Decoder(_OpenAIInput).decode


def _gemini_output(pcm: bytes) -> bytes:
    data = base64.b64encode(pcm)
    return (
        b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"%b"}}]}}}'
        % data
    )


def _gemini_input(message: bytes) -> bytes | None:
    read = _read_gemini(message)
    realtime = read.realtimeInput or read.realtime_input
    if realtime is None or realtime.audio is None:
        return None
    return base64.b64decode(realtime.audio.data.translate(_URL_SAFE))


def _openai_output(pcm: bytes) -> bytes:
    return (
        b'{"type":"response.output_audio.delta","event_id":"event_CH5Xlwtp0kbgYKIiK7U3y","response_id":"resp_1",'
        b'"item_id":"item_1","output_index":0,"content_index":0,"delta":"%b"}' % base64.b64encode(pcm)
    )


def _openai_input(message: bytes) -> bytes | None:
    read = _read_openai(message)
    return base64.b64decode(read.audio) if read.type == "input_audio_buffer.append" else None


_SESSION = {"id": "sess_1", "object": "realtime.session", "type": "realtime", "model": "gpt-realtime"}
_ITEM = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "assistant"}
_RESPONSE = {"id": "resp_1", "object": "realtime.response", "output_modalities": ["audio"]}
_USAGE = {"total_tokens": 15, "input_tokens": 10, "output_tokens": 5}

DIALECTS = {
    "gemini": Dialect(
        (),
        (_json({"setupComplete": {}}),),
        _gemini_output,
        (
            _json(
                {
                    "serverContent": {"turnComplete": True},
                    "usageMetadata": {"promptTokenCount": 10, "responseTokenCount": 5, "totalTokenCount": 15},
                }
            ),
        ),
        _gemini_input,
        640,  # 16 kHz
        960,  # 24 kHz
    ),
    "openai": Dialect(
        (_json({"type": "session.created", "event_id": "event_1", "session": _SESSION}),),
        (
            _json({"type": "session.updated", "event_id": "event_2", "session": _SESSION}),
            _json(
                {
                    "type": "response.created",
                    "event_id": "event_3",
                    "response": {**_RESPONSE, "status": "in_progress", "output": []},
                }
            ),
            _json(
                {
                    "type": "response.output_item.added",
                    "event_id": "event_4",
                    "response_id": "resp_1",
                    "output_index": 0,
                    "item": {**_ITEM, "status": "in_progress", "content": []},
                }
            ),
        ),
        _openai_output,
        (
            _json(
                {
                    "type": "response.done",
                    "event_id": "event_5",
                    "response": {**_RESPONSE, "status": "completed", "output": [], "usage": _USAGE},
                }
            ),
        ),
        _openai_input,
        960,
        960,
    ),
}
