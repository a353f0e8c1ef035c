"""What all framing decoders promise alike: any slicing, bounded memory, one shape, nothing of asyncio."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

import pytest

import exllm.streaming
from exllm.errors import FrameTooLarge, StreamClosed
from exllm.streaming import EventStreamDecoder, Frame, NDJSONDecoder, SSEDecoder, WebSocketDecoder
from tests.rechunk import rechunk


def sse(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def ndjson(data: bytes) -> bytes:
    return data + b"\n"


def aws(data: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(data), 0)
    message = prelude + struct.pack(">I", crc32(prelude)) + data
    return message + struct.pack(">I", crc32(message))


FRAMINGS: list[Any] = [
    pytest.param(SSEDecoder, sse, id="sse"),
    pytest.param(NDJSONDecoder, ndjson, id="ndjson"),
    pytest.param(EventStreamDecoder, aws, id="aws_eventstream"),
]
Encode = Callable[[bytes], bytes]
KIB, MIB = 1024, 1024 * 1024


def decode(decoder: Any, pieces: Iterable[bytes]) -> list[Frame]:
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    return frames + decoder.close()


@pytest.mark.parametrize(("decoder_type", "encode"), FRAMINGS)
def test_ten_thousand_small_frames_arrive_in_any_slicing(decoder_type: Any, encode: Encode) -> None:
    payloads = [b'{"n":%d}' % number for number in range(10_000)]
    body = b"".join(map(encode, payloads))
    for seed, largest in ((1, 5), (2, 100), (3, 20_000)):
        assert [frame.data for frame in decode(decoder_type(), rechunk(body, seed, largest))] == payloads


@pytest.mark.parametrize(("decoder_type", "encode"), FRAMINGS)
def test_frame_of_fifty_megabytes_is_refused_by_default_and_read_at_a_higher_limit(
    decoder_type: Any, encode: Encode
) -> None:
    data = b"1" * (50 * MIB)
    body = encode(data)
    pieces = [body[start : start + MIB] for start in range(0, len(body), MIB)]
    unread = iter(pieces)
    with pytest.raises(FrameTooLarge, match=str(16 * MIB)):
        decode(decoder_type(), unread)
    assert len(list(unread)) >= len(pieces) - 18
    assert [frame.data == data for frame in decode(decoder_type(max_frame_bytes=64 * MIB), pieces)] == [True]


@pytest.mark.parametrize(("decoder_type", "encode"), FRAMINGS)
def test_large_frame_is_held_at_most_four_times_over(decoder_type: Any, encode: Encode) -> None:
    size = 4 * MIB
    body = encode(b"1" * size)
    pieces = [body[start : start + 16 * KIB] for start in range(0, len(body), 16 * KIB)]
    decoder = decoder_type()
    tracemalloc.start()
    try:
        frames = decode(decoder, pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(frames) == 1
    assert peak < 4 * size


@pytest.mark.parametrize(("decoder_type", "encode"), FRAMINGS)
def test_decoder_keeps_nothing_of_the_frames_that_it_has_handed_out(decoder_type: Any, encode: Encode) -> None:
    read = b"".join(encode(b'{"n":%d}' % number) for number in range(500)) + encode(b"1" * 50)[:20]
    decoder = decoder_type()
    rest = encode(b"1" * 50)[20:]
    decoder.feed(read)
    decoder.feed(rest)
    tracemalloc.start()
    try:
        for _ in range(20):
            assert len(decoder.feed(read)) == 500
            assert len(decoder.feed(rest)) == 1
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 32 * KIB  # of over 200 KiB that went through


@pytest.mark.parametrize(("decoder_type", "encode"), FRAMINGS)
@pytest.mark.parametrize("seed", range(3))
def test_garbage_gives_frames_or_a_typed_error_and_never_anything_else(
    decoder_type: Any, encode: Encode, seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        good = b"".join(encode(b"{}") for _ in range(rng.randrange(3)))
        body = good + rng.randbytes(rng.randrange(200)) + good
        decoder = decoder_type(max_frame_bytes=150)
        try:
            for piece in rechunk(body, rng.randrange(1000)):
                assert all(isinstance(frame, Frame) for frame in decoder.feed(piece))
            decoder.close()
        except exllm.ExLLMError:
            pass
        with pytest.raises(exllm.ExLLMError):
            decoder.feed(b"x" * 200)


@pytest.mark.parametrize("decoder_type", [SSEDecoder, NDJSONDecoder, EventStreamDecoder, WebSocketDecoder])
def test_closed_decoder_says_so(decoder_type: Any) -> None:
    decoder = decoder_type()
    assert decoder.close() == []
    assert decoder.close() == []
    with pytest.raises(StreamClosed, match="closed"):
        decoder.feed(b"")


# -- the package


def test_public_names_are_pinned_sorted_and_can_be_had() -> None:
    assert exllm.streaming.__all__ == sorted(exllm.streaming.__all__) == dir(exllm.streaming)
    assert set(exllm.streaming.__all__) >= {
        "ChunkBatcher", "EventStreamDecoder", "FlowController", "Frame", "NDJSONDecoder", "RingBuffer", "SSEDecoder",
        "Stream", "TeeBranch", "WebSocketDecoder",
    }  # fmt: skip
    for name in exllm.streaming.__all__:
        assert getattr(exllm.streaming, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'SSEParser'"):
        exllm.streaming.SSEParser  # noqa: B018


def test_decoders_are_had_without_loading_asyncio_or_a_client() -> None:
    code = (
        "import sys; from exllm.streaming import SSEDecoder, NDJSONDecoder, EventStreamDecoder, WebSocketDecoder; "
        "print([m for m in ('asyncio', 'aiohttp', 'websockets', 'exllm.streaming.stream') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
