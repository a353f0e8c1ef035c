from __future__ import annotations

import random

import pytest

from exllm.errors import FrameTooLarge, StreamClosed
from exllm.streaming.frame import Frame
from exllm.streaming.ndjson import NDJSONDecoder
from tests.rechunk import slicings
from tests.streaming.work import bytes_touched


def decode(slices: list[bytes]) -> list[Frame]:
    decoder = NDJSONDecoder()
    frames = [frame for piece in slices for frame in decoder.feed(piece)]
    return frames + decoder.close()


BODIES = {
    "one line": (b'{"a":1}\n', [b'{"a":1}']),
    "several": (b'{"a":1}\n{"b":2}\n3\n', [b'{"a":1}', b'{"b":2}', b"3"]),
    "CRLF": (b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}']),
    "blank lines": (b'\n\r\n \t\n{"a":1}\n\n\n{"b":2}\n\n', [b'{"a":1}', b'{"b":2}']),
    "last line without its end": (b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
    "last line with half of its end": (b'{"a":1}\n{"b":2}\r', [b'{"a":1}', b'{"b":2}']),
    "blank last line": (b'{"a":1}\n \r', [b'{"a":1}']),
    "white space around": (b'  {"a":1}\t\n', [b'{"a":1}']),
    "CR alone ends no line": (b'{"a":\r1}\n', [b'{"a":\r1}']),
    "other line ends are data": ('{"a":"\u2028\x85\u2029"}\n'.encode(), ['{"a":"\u2028\x85\u2029"}'.encode()]),
    "split UTF-8": ('"é𝄞"\n'.encode(), ['"é𝄞"'.encode()]),
    "not JSON": (b"oops\n\x00\xff\n", [b"oops", b"\x00\xff"]),
    "empty": (b"", []),
}


@pytest.mark.parametrize("name", BODIES)
def test_body_gives_its_lines_in_any_slicing(name: str) -> None:
    body, lines = BODIES[name]
    for slicing, slices in slicings(body, seeds=20):
        assert decode(slices) == [Frame(line) for line in lines], slicing


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_give_the_lines_of_a_plain_split_in_any_slicing(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        body = b"".join(rng.choices([b"\n", b"\r\n", b"\r", b" ", b"{}", b'"x"', b"\xe2\x80\xa8", b"\x0b"], k=20))
        expected = [Frame(line) for raw in body.split(b"\n") if (line := raw.strip(b" \t\r"))]
        for slicing, slices in slicings(body, seeds=3):
            assert decode(slices) == expected, (slicing, body)


def test_frame_is_returned_by_the_call_that_brings_its_end() -> None:
    decoder = NDJSONDecoder()
    assert decoder.feed(b'{"a":') == []
    assert decoder.feed(b"1}\n{") == [Frame(b'{"a":1}')]
    assert decoder.feed(b"}\n") == [Frame(b"{}")]


def test_close_is_idempotent_and_feed_after_it_raises() -> None:
    decoder = NDJSONDecoder()
    decoder.feed(b"1")
    assert decoder.close() == [Frame(b"1")]
    assert decoder.close() == []
    with pytest.raises(StreamClosed):
        decoder.feed(b"2\n")


# -- limits


def limited(slices: list[bytes], limit: int) -> tuple[list[bytes], bool]:
    decoder = NDJSONDecoder(max_frame_bytes=limit)
    frames: list[Frame] = []
    try:
        for piece in slices:
            frames += decoder.feed(piece)
        frames += decoder.close()
    except FrameTooLarge:
        return [frame.data for frame in frames], True
    return [frame.data for frame in frames], False


@pytest.mark.parametrize("limit", range(1, 9))
@pytest.mark.parametrize("body", [b"1\n\n22\n4444\n333\n666666\n1\n", b"1\r\n22\r\n666666", b"22\n55555\r\n1\n"])
def test_limit_gives_the_same_frames_and_the_same_verdict_in_any_slicing(body: bytes, limit: int) -> None:
    expected = limited([body], limit)
    assert expected[1] == any(len(line) > limit for line in body.split(b"\n"))
    for slicing, slices in slicings(body, seeds=20):
        assert limited(slices, limit) == expected, slicing


def test_frames_before_the_oversized_line_come_first_and_every_later_call_raises() -> None:
    decoder = NDJSONDecoder(max_frame_bytes=5)
    assert decoder.feed(b"1\n2\n666666\n3\n") == [Frame(b"1"), Frame(b"2")]
    for _ in range(2):
        with pytest.raises(FrameTooLarge, match="5 bytes"):
            decoder.feed(b"4\n")
        with pytest.raises(FrameTooLarge):
            decoder.close()


def test_oversized_line_is_refused_before_it_is_finished_and_its_bytes_are_let_go() -> None:
    decoder = NDJSONDecoder(max_frame_bytes=1000)
    for _ in range(10):
        assert decoder.feed(b"x" * 100) == []
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"x")
    assert not decoder._tail


def test_ten_megabyte_line_arrives_whole() -> None:
    data = b'"' + b"x" * 10_000_000 + b'"'
    body = data + b"\n"
    assert decode([body[i : i + 65536] for i in range(0, len(body), 65536)]) == [Frame(data)]


@pytest.mark.parametrize(
    "body", [b"x" * 40_000 + b"\n", b'{"a":1}\n' * 5_000], ids=["one long line", "many short ones"]
)
def test_each_byte_is_handled_a_fixed_number_of_times(body: bytes) -> None:
    assert bytes_touched(NDJSONDecoder(), body) <= 3 * len(body)
