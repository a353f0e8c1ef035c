from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from exllm.errors import FrameTooLarge, StreamClosed
from exllm.streaming.frame import Frame
from exllm.streaming.sse import SSEDecoder
from tests.rechunk import rechunk, slicings
from tests.streaming.work import bytes_touched
from tests.vectors import load

VECTORS = load("sse")


def decode(slices: list[bytes], *, flush: bool = False) -> tuple[list[Frame], SSEDecoder]:
    decoder = SSEDecoder()
    frames = [frame for piece in slices for frame in decoder.feed(piece)]
    return frames + decoder.close(flush=flush), decoder


def decode_whole(body: bytes, *, flush: bool = False) -> list[Frame]:
    return decode([body], flush=flush)[0]


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_vector_decodes_as_the_standard_says_in_any_slicing(case: dict[str, Any]) -> None:
    given = [base64.b64decode(chunk) for chunk in case["chunks_b64"]]
    expect = case["expect"]
    for name, slices in slicings(b"".join(given), given):
        frames, decoder = decode(slices)
        got = [
            {"type": frame.event, "data": frame.data.decode(), "last_event_id": frame.id}
            for frame in frames
        ]  # fmt: skip
        assert got == expect["events"], name
        assert decoder.retry_ms == expect["retry"], name
        assert decoder.last_event_id == expect["last_event_id"], name


def test_all_vectors_are_there() -> None:
    assert len(VECTORS) == 197


# -- both paths agree

PIECES = [
    b"data: ", b"data:", b"data", b"event: ", b"event:", b"event: ping\ndata: {}\n\n", b"id: ", b"id:7\n",
    b"\n", b"\n", b"\n\n", b"\n\n", b"\r", b"\r\n", b": c\n", b":\n\n", b"retry: 9\n", b"x", b"\0", b" ",
    b"\xc3\xa9", b"\xff", b"\xe2\x80", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b'data: {"a":1}\n\n', b'data: {"a":1}\n\n',
    b"event: a\ndata: b\ndata: c\n\n", b"event: a\n\n", b"data: a\nevent: b\n\n",
]  # fmt: skip


def by_the_standard(body: bytes) -> list[Frame]:
    """Decode as the text of the standard reads, character by character and without any regard for speed."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    frames, data, event, event_id, last_id = [], "", "", "", ""
    for line in text.split("\n")[:-1]:
        if line == "":
            last_id = event_id
            if data:
                frames.append(Frame(data[:-1].encode(), event or "message", last_id))
            data = event = ""
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            data += value + "\n"
        elif field == "event":
            event = value
        elif field == "id" and "\0" not in value:
            event_id = value
    return frames


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_decode_as_the_standard_says_in_any_slicing(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        body = b"".join(rng.choices(PIECES, k=rng.randint(1, 25)))
        expected = by_the_standard(body)
        for name, slices in slicings(body, seeds=2):
            assert decode(slices)[0] == expected, (name, body)


@pytest.mark.parametrize("flush", [False, True])
def test_fast_and_general_path_agree_on_the_common_shapes(flush: bool) -> None:
    # A comment at the start of each read sends it down the general path.
    for template in (b"data: {%d}\n\n", b'event: e%d\ndata: {"a": 1}\n\n', b"data: {%d}\r\n\r\n"):
        body = b"".join(template % i for i in range(100))
        for seed in range(20):
            fast, general = SSEDecoder(), SSEDecoder()
            got, expected = [], []
            for piece in rechunk(body, seed, 300):
                got += fast.feed(piece)
            for event in body.splitlines(keepends=True):
                expected += general.feed(event if event.strip() else b": c\n" + event)
            assert got + fast.close(flush=flush) == expected + general.close(flush=flush)
            assert len(expected) == 100


def test_two_data_lines_in_one_event_and_none_in_the_next_do_not_pass_for_two_of_the_common_shape() -> None:
    body = b"event: a\ndata: x\ndata: y\n\nevent: b\n\nevent: c\ndata: z\n\n"
    assert decode_whole(body) == [Frame(b"x\ny", "a"), Frame(b"z", "c")]


def test_frames_of_the_fast_path_carry_the_last_id() -> None:
    frames = decode([b"id: 7\ndata: a\n\n", b"data: b\n\ndata: c\n\n", b"event: e\ndata: d\n\n", b"data: f\n\n"])[0]
    assert [frame.id for frame in frames] == ["7"] * 5


# -- line ends, text


def test_crlf_split_across_reads_ends_one_line() -> None:
    assert decode([b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n"])[0] == [Frame(b"a\nb")]


def test_event_ended_by_lone_crs_is_returned_without_waiting_for_the_next_byte() -> None:
    assert SSEDecoder().feed(b"data: a\r\r") == [Frame(b"a")]


@pytest.mark.parametrize("char", "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e")
def test_unicode_line_ends_are_data(char: str) -> None:
    data = f'{{"t": "a{char}b"}}'.encode()
    for _, slices in slicings(b"data: " + data + b"\n\n"):
        assert decode(slices)[0] == [Frame(data)]


def test_invalid_utf8_becomes_replacement_characters_and_harms_no_other_event() -> None:
    frames = decode_whole(b"data: a\xff\xe2\x80\n\ndata: \xe2\x80\xa8\n\n")
    assert [frame.data.decode() for frame in frames] == ["a\ufffd\ufffd", "\u2028"]


def test_replacement_characters_that_were_sent_stay_as_they_are() -> None:
    assert decode_whole("data: \ufffd\n\n".encode()) == [Frame("\ufffd".encode())]


def test_comments_give_no_frame() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b": ping\n\n: ping\n\n") == []
    assert decoder.feed(b": OPENROUTER PROCESSING\n\ndata: a\n\n") == [Frame(b"a")]


def test_event_without_data_is_not_dispatched_and_leaks_no_name() -> None:
    assert decode_whole(b"event: ping\n\ndata: a\n\n") == [Frame(b"a")]


def test_retry_of_absurd_length_is_ignored() -> None:
    _, decoder = decode([b"retry: 5\nretry: " + b"9" * 5000 + b"\ndata: a\n\n"])
    assert decoder.retry_ms == 5


def test_server_that_invents_event_names_does_not_grow_the_decoder() -> None:
    decoder = SSEDecoder()
    for i in range(5000):
        assert decoder.feed(b"event: n%d\ndata: a\n\n" % i)[0].event == f"n{i}"
    assert len(decoder._names) <= 256


# -- the end of the body


def test_unfinished_event_is_dropped_at_the_end_of_the_body() -> None:
    assert decode_whole(b"data: a\n\ndata: b\n") == [Frame(b"a")]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
def test_flush_returns_an_event_whose_blank_line_is_missing(ending: bytes) -> None:
    for _, slices in slicings(b'data: {"x":1}\n\nid: 3\ndata: [DONE]' + ending):
        assert decode(slices, flush=True)[0] == [Frame(b'{"x":1}'), Frame(b"[DONE]", id="3")]


def test_flush_after_a_whole_body_returns_nothing() -> None:
    assert decode_whole(b"data: a\n\n", flush=True) == [Frame(b"a")]
    assert decode_whole(b"", flush=True) == []


def test_close_is_idempotent_and_feed_after_it_raises() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"data: a")
    assert decoder.close(flush=True) == [Frame(b"a")]
    assert decoder.close(flush=True) == []
    with pytest.raises(StreamClosed):
        decoder.feed(b"data: b\n\n")
    with pytest.raises(StreamClosed):
        decoder.feed(b"")


# -- limits


def limited(slices: list[bytes], limit: int) -> tuple[list[Frame], bool]:
    """Decode and say whether the limit was hit."""
    decoder = SSEDecoder(max_frame_bytes=limit)
    frames: list[Frame] = []
    try:
        for piece in slices:
            frames += decoder.feed(piece)
        frames += decoder.close()
    except FrameTooLarge:
        return frames, True
    return frames, False


@pytest.mark.parametrize("limit", range(8, 40))
def test_limit_gives_the_same_frames_and_the_same_verdict_in_any_slicing(limit: int) -> None:
    body = b"\n\ndata: 1\n\n\ndata: 22\ndata: 3\n\n: comment\n\n\nevent: long\ndata: 4444\n\ndata: 5\n\n"
    expected = limited([body], limit)
    assert expected[1] == (limit < 24)
    for name, slices in slicings(body, seeds=20):
        assert limited(slices, limit) == expected, name
    for name, slices in slicings(body.replace(b"\n", b"\r\n"), seeds=20):
        assert limited(slices, limit) == expected, name


def test_frames_before_the_oversized_one_come_first_and_the_next_call_raises() -> None:
    decoder = SSEDecoder(max_frame_bytes=20)
    assert decoder.feed(b"data: a\n\ndata: b\n\ndata: " + b"x" * 50) == [Frame(b"a"), Frame(b"b")]
    with pytest.raises(FrameTooLarge, match="20 bytes"):
        decoder.feed(b"data: c\n\n")
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"data: c\n\n")


def test_close_raises_a_failure_that_no_call_has_raised_yet() -> None:
    decoder = SSEDecoder(max_frame_bytes=20)
    assert decoder.feed(b"data: a\n\ndata: " + b"x" * 50) == [Frame(b"a")]
    with pytest.raises(FrameTooLarge):
        decoder.close()


def test_oversized_event_is_refused_before_it_is_finished_and_its_bytes_are_let_go() -> None:
    decoder = SSEDecoder(max_frame_bytes=1000)
    for _ in range(10):
        assert decoder.feed(b"x" * 100) == []
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"x")
    assert not decoder._tail


def test_ten_megabyte_event_arrives_whole() -> None:
    data = b"x" * 10_000_000
    for size in (1400, 65536):
        body = b"data: " + data + b"\n\n"
        assert decode([body[i : i + size] for i in range(0, len(body), size)])[0] == [Frame(data)]


@pytest.mark.parametrize(
    "body",
    [b"data: " + b"x" * 40_000 + b"\n\n", b"data: x\n" * 5_000 + b"\n", b'data: {"a":1}\n\n' * 3_000],
    ids=["one long line", "one event of many lines", "many short events"],
)
def test_each_byte_is_handled_a_fixed_number_of_times(body: bytes) -> None:
    assert bytes_touched(SSEDecoder(), body) <= 4 * len(body)
    assert bytes_touched(SSEDecoder(), body.replace(b"\n", b"\r\n")) <= 4 * len(body) * 2


def test_event_is_put_together_when_it_ends_and_at_no_other_time(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = SSEDecoder()
    blocks: list[int] = []
    original = SSEDecoder._decode
    monkeypatch.setattr(SSEDecoder, "_decode", lambda self, block: blocks.append(len(block)) or original(self, block))
    for _ in range(1000):
        assert decoder.feed(b"data: 0123456789\n") == []
    decoder.feed(b"\n")
    assert blocks == [17_001]


# -- defects of the ancestor


def test_ancestor_defect_carriage_return_does_not_stay_in_the_value() -> None:
    assert decode_whole(b"data: a\r\n\r\n") == [Frame(b"a")]


def test_ancestor_defect_only_one_leading_space_is_removed() -> None:
    assert decode_whole(b"data:   a\n\n") == [Frame(b"  a")]


def test_ancestor_defect_field_without_a_colon_is_not_ignored() -> None:
    assert decode_whole(b"data\n\n") == [Frame(b"")]


def test_ancestor_defect_flush_returns_an_event_whose_last_line_was_still_open() -> None:
    assert decode_whole(b"data: a", flush=True) == [Frame(b"a")]


def test_ancestor_defect_event_cut_by_a_read_boundary_is_not_lost() -> None:
    assert decode([b'data: {"a":', b" 1}\n", b"\ndata: b\n\n"])[0] == [Frame(b'{"a": 1}'), Frame(b"b")]


def test_ancestor_defect_done_marker_is_left_to_the_wire() -> None:
    assert decode_whole(b"data: [DONE]\n\n") == [Frame(b"[DONE]")]
