from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer

from exllm.errors import ExLLMError, FrameTooLarge, ProtocolError, StreamClosed, StreamInterrupted
from exllm.streaming import aws_eventstream
from exllm.streaming.aws_eventstream import EventStreamDecoder, EventStreamFrame
from exllm.streaming.frame import Frame
from tests.rechunk import slicings
from tests.streaming.work import bytes_touched
from tests.vectors import load

VECTORS = load("aws_eventstream")
GOOD = [case for case in VECTORS if case["expect"] == "success"]
# One of each type, with the sign bits set and no ASCII where that can be.
HEADER_VALUES = [
    b"\x00",
    b"\x01",
    b"\x02\x80",
    b"\x03\x80\x00",
    b"\x04\x80\x00\x00\x00",
    b"\x05" + b"\xff" * 8,
    b"\x06\x00\x02ab",
    b"\x07\x00\x02\xc3\xa9",
    b"\x08" + b"\x00\x01" * 4,
    b"\x09" + b"u" * 16,
]
BAD = [case for case in VECTORS if case["expect"] == "failure"]


def encode(payload: bytes, headers: Mapping[str, str] | bytes = b"") -> bytes:
    """One message; `headers` are strings by name, or the bytes of the header block."""
    if not isinstance(headers, bytes):
        headers = b"".join(
            bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
            for name, value in headers.items()
        )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def decode(slices: Iterable[bytes]) -> list[Any]:
    """The frames, then the error, if there was one."""
    decoder = EventStreamDecoder()
    frames: list[Any] = []
    try:
        for piece in slices:
            frames += decoder.feed(piece)
        frames += decoder.close()
    except ExLLMError as error:
        frames.append(type(error))
    return frames


def as_typed(value: Any, kind: str) -> Any:
    match kind:
        case "binary":
            return bytes.fromhex(value)
        case "uuid":
            return UUID(value)
        case "long":
            return int(value)
    return value


def expected(case: dict[str, Any]) -> list[tuple[bytes, dict[str, Any]]]:
    found = []
    for message in case["messages"]:
        headers = {
            name: as_typed(typed["value"], typed["type"]) for name, typed in message["typed_headers"].items()
        } if "typed_headers" in message else message["headers"]  # fmt: skip
        found.append((bytes.fromhex(message["payload_hex"]), headers))
    return found


@pytest.mark.parametrize("case", GOOD, ids=[case["name"] for case in GOOD])
def test_good_vector_gives_its_messages_in_any_slicing(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["frame_hex"])
    for name, slices in slicings(body):
        frames = decode(slices)
        assert [(frame.data, frame.headers) for frame in frames] == expected(case), name
        for frame in frames:
            assert [type(value) for value in frame.headers.values()] == [
                type(value) for _, headers in expected(case) for value in headers.values()
            ] or len(frames) > 1


@pytest.mark.parametrize("case", BAD, ids=[case["name"] for case in BAD])
def test_bad_vector_is_a_protocol_error_in_any_slicing(case: dict[str, Any]) -> None:
    for name, slices in slicings(bytes.fromhex(case["frame_hex"])):
        assert decode(slices) == [ProtocolError], name


def test_header_that_comes_twice_is_an_error() -> None:
    (case,) = [case for case in VECTORS if case["expect"] == "implementation-defined"]
    assert case["name"] == "botocore-duplicate_header"
    assert decode([bytes.fromhex(case["frame_hex"])]) == [ProtocolError]


def test_all_vectors_are_there() -> None:
    assert (len(GOOD), len(BAD), len(VECTORS)) == (45, 7, 53)


def test_all_good_vectors_in_one_body_give_all_messages_in_any_slicing() -> None:
    body = b"".join(bytes.fromhex(case["frame_hex"]) for case in GOOD)
    messages = [message for case in GOOD for message in expected(case)]
    for size in (1, 7, 12, 13, 100, 4096, len(body)):
        frames = decode(body[start : start + size] for start in range(0, len(body), size))
        assert [(frame.data, frame.headers) for frame in frames] == messages, size


@pytest.mark.parametrize("case", GOOD, ids=[case["name"] for case in GOOD])
def test_any_flipped_bit_is_noticed(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["frame_hex"])
    whole = decode([body])
    rng = random.Random(case["name"])
    for bit in rng.sample(range(8 * len(body)), min(200, 8 * len(body))):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        frames = decode([bytes(flipped)])
        assert frames[-1] in (ProtocolError, StreamInterrupted, FrameTooLarge)
        assert frames[:-1] == whole[: len(frames) - 1]


def test_decodes_as_botocore_does() -> None:
    rng = random.Random(7)
    for _ in range(200):
        bodies = []
        for _ in range(rng.randint(1, 4)):
            block = b"".join(b"\x02h%d" % i + rng.choice(HEADER_VALUES) for i in range(rng.randint(0, 9)))
            bodies.append(encode(rng.randbytes(rng.randint(0, 60)), block))
        body = b"".join(bodies)
        buffer = EventStreamBuffer()
        buffer.add_data(body)
        theirs = [(message.payload, message.headers) for message in buffer]
        ours = [
            (
                frame.data,
                {name: value.bytes if isinstance(value, UUID) else value for name, value in frame.headers.items()},
            )
            for frame in decode([body])
        ]
        assert ours == theirs


# -- what a wire reads


def test_event_is_named_by_the_header_of_its_message_type() -> None:
    body = (
        encode(b"{}", {":message-type": "event", ":event-type": "contentBlockDelta"})
        + encode(b'{"message":"slow down"}', {":message-type": "exception", ":exception-type": "throttlingException"})
        + encode(b"", {":message-type": "error", ":error-code": "InternalError", ":error-message": "boom"})
        + encode(b"x")
    )
    frames = decode([body])
    assert [(frame.message_type, frame.event, frame.data, frame.id) for frame in frames] == [
        ("event", "contentBlockDelta", b"{}", ""),
        ("exception", "throttlingException", b'{"message":"slow down"}', ""),
        ("error", "InternalError", b"", ""),
        ("event", "message", b"x", ""),
    ]
    assert frames[2].headers[":error-message"] == "boom"
    assert all(isinstance(frame, Frame) for frame in frames)


def test_headers_of_one_frame_are_not_those_of_the_next() -> None:
    message = encode(b"{}", {":event-type": "chunk"})
    first, second = decode([message * 2])
    first.headers.clear()
    assert second.headers == {":event-type": "chunk"}
    assert decode([message]) == [second]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"\x01a", "longer than"),
        (b"\x05a\x00", "longer than"),
        (b"\x01a\x07\x00\x05abc", "longer than"),
        (b"\x01a\x06\x00", "longer than"),
        (b"\x01a\x04\x00\x00", "longer than"),
        (b"\x01a\x09short", "longer than"),
        (b"\x01a\x0a", "type 10"),
        (b"\x01a\xff", "type 255"),
        (b"\x00\x00", "no name"),
        (b"\x01a\x00\x01a\x01", "twice"),
        (b"\x01\xff\x00", "UTF-8"),
        (b"\x01a\x07\x00\x01\xff", "UTF-8"),
        (b"\x0d:message-type\x07\x00\x05event\x0b:event-type\x00", "not a string"),
        (b"\x0d:message-type\x07\x00\x04evil", "'evil'"),
        (b"\x0d:message-type\x00", "True"),
    ],
)
def test_bad_header_is_a_protocol_error_though_the_checksums_are_right(block: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        EventStreamDecoder().feed(encode(b"{}", block))


def test_lengths_that_contradict_each_other_are_a_protocol_error_though_the_checksum_is_right() -> None:
    for total, headers in ((0, 0), (15, 0), (16, 1), (100, 85), (16, 0xFFFFFFFF)):
        prelude = struct.pack(">II", total, headers)
        with pytest.raises(ProtocolError, match="claims"):
            EventStreamDecoder().feed(prelude + struct.pack(">I", crc32(prelude)))


# -- errors, limits, the end


def test_frames_before_a_bad_message_come_first_and_every_later_call_raises() -> None:
    good = encode(b"1")
    decoder = EventStreamDecoder()
    assert [frame.data for frame in decoder.feed(good + good + b"x" * 16)] == [b"1", b"1"]
    for _ in range(2):
        with pytest.raises(ProtocolError, match="prelude"):
            decoder.feed(good)
        with pytest.raises(ProtocolError):
            decoder.close()


def test_message_over_the_limit_is_refused_by_its_first_twelve_bytes() -> None:
    message = encode(b"x" * 100)
    assert len(EventStreamDecoder(max_frame_bytes=116).feed(message)) == 1
    decoder = EventStreamDecoder(max_frame_bytes=115)
    assert decoder.feed(message[:11]) == []
    with pytest.raises(FrameTooLarge, match="116 bytes is over the limit of 115"):
        decoder.feed(message[11:12])
    assert not decoder._tail
    with pytest.raises(FrameTooLarge):
        decoder.feed(message[12:])


def test_message_of_four_gigabytes_is_refused_by_default() -> None:
    prelude = struct.pack(">II", 0xFFFFFFFF, 0)
    with pytest.raises(FrameTooLarge):
        EventStreamDecoder().feed(prelude + struct.pack(">I", crc32(prelude)))


def test_body_that_ends_within_a_message_is_interrupted_and_the_frames_before_it_are_kept() -> None:
    body = encode(b"1") + encode(b"2")
    for cut in range(len(body) // 2 + 1, len(body)):
        frames = decode([body[:cut]])
        assert frames == [EventStreamFrame(b"1"), StreamInterrupted], cut


def test_close_is_idempotent_and_feed_after_it_raises() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(encode(b"1")) == [EventStreamFrame(b"1")]
    assert decoder.close() == []
    assert decoder.close() == []
    with pytest.raises(StreamClosed):
        decoder.feed(encode(b"2"))
    interrupted = EventStreamDecoder()
    interrupted.feed(b"\0")
    with pytest.raises(StreamInterrupted, match="1 bytes"):
        interrupted.close()
    assert interrupted.close() == []


def test_frame_is_returned_by_the_call_that_brings_its_last_byte() -> None:
    message = encode(b"1", {":event-type": "chunk"})
    decoder = EventStreamDecoder()
    assert decoder.feed(message[:-1]) == []
    assert [frame.data for frame in decoder.feed(message[-1:] + message + message[:5])] == [b"1", b"1"]
    assert [frame.data for frame in decoder.feed(message[5:])] == [b"1"]


@pytest.mark.parametrize(
    "body",
    [encode(b"x" * 40_000), encode(b'{"a":1}', {":event-type": "chunk"}) * 1_000],
    ids=["one long", "many short"],
)
def test_each_byte_is_handled_a_fixed_number_of_times(body: bytes) -> None:
    assert bytes_touched(EventStreamDecoder(), body) <= 5 * len(body)


def test_server_that_invents_headers_and_lengths_does_not_grow_the_decoder() -> None:
    decoder = EventStreamDecoder()
    for i in range(2_000):
        assert decoder.feed(encode(b"", {":event-type": f"e{i}"}))[0].event == f"e{i}"
    assert len(aws_eventstream._blocks) <= 64
    for size in range(2_000):
        assert decoder.feed(encode(b"x" * size))[0].data == b"x" * size
    assert len(decoder._preludes) <= 1024
    large = encode(b"", {"k": "v" * 5_000})
    assert len(EventStreamDecoder().feed(large)) == 1
    assert max(map(len, aws_eventstream._blocks)) <= aws_eventstream._LARGEST_BLOCK


def test_what_one_stream_taught_does_not_loosen_the_limit_of_another() -> None:
    message = encode(b"x" * 1_000)
    assert len(EventStreamDecoder().feed(message)) == 1
    with pytest.raises(FrameTooLarge):
        EventStreamDecoder(max_frame_bytes=len(message) - 1).feed(message)
    assert len(EventStreamDecoder(max_frame_bytes=len(message)).feed(message)) == 1
