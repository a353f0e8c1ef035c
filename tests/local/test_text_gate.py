from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.local.text_gate import TextGate


def _run(data: bytes, stops: tuple[str, ...], sizes: list[int]) -> tuple[str, bool]:
    gate, at, out = TextGate(stops), 0, ""
    for size in sizes:
        out += gate.feed(data[at : at + size])
        at += size
    out += gate.feed(data[at:])
    return out + gate.close(), gate.is_stopped


def test_the_bytes_of_a_character_are_held_until_it_is_complete() -> None:
    gate = TextGate()
    snowman = "☃".encode()
    assert [gate.feed(snowman[:1]), gate.feed(snowman[1:2]), gate.feed(snowman[2:])] == ["", "", "☃"]


def test_an_unfinished_character_at_the_end_is_dropped() -> None:
    gate = TextGate()
    assert gate.feed(b"ok " + "☃".encode()[:2]) + gate.close() == "ok "


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    gate = TextGate()
    assert gate.feed(b"a\xff\xfeb") == "a��b"


def test_what_may_be_a_stop_sequence_is_held_back() -> None:
    gate = TextGate(["END"])
    assert gate.feed(b"the E") == "the "
    assert gate.feed(b"N") == ""
    assert gate.feed(b"ergy") == "ENergy"
    assert not gate.is_stopped


def test_nothing_is_shown_from_the_stop_sequence_on() -> None:
    gate = TextGate(["\n\n", "END"])
    assert gate.feed(b"a E") == "a "
    assert gate.feed(b"ND b") == ""
    assert gate.is_stopped
    assert gate.feed(b"more") + gate.close() == ""


def test_held_text_comes_out_when_the_answer_ends_without_the_stop_sequence() -> None:
    gate = TextGate(["<|im_end|>"])
    assert gate.feed(b"x <|im") + gate.close() == "x <|im"


@pytest.mark.parametrize("stops", [(), ("ab",), ("aab", "ba"), ("abcd", "bc"), ("é", "éa")])
@given(text=st.text(alphabet="abcdé☃", max_size=30), seed=st.integers(0, 1000))
def test_slicing_makes_no_difference(stops: tuple[str, ...], text: str, seed: int) -> None:
    chance = random.Random(seed)
    data = text.encode()
    byte_by_byte = _run(data, stops, [1] * len(data))
    assert _run(data, stops, [chance.randint(0, 4) for _ in data]) == byte_by_byte
    assert _run(data, stops, []) == byte_by_byte
    if not any(stop in text for stop in stops):
        assert byte_by_byte == (text, False)
    else:
        assert byte_by_byte[1]
        assert text.startswith(byte_by_byte[0])
        assert not any(stop in byte_by_byte[0] for stop in stops)
