"""Text of many small pieces: whole, and hardly larger than its characters."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from exllm.streaming.text_pieces import MOST_LOOSE, CountedText, TextPieces


@given(st.lists(st.text(max_size=5), max_size=40), st.sets(st.integers(0, 40)))
def test_it_is_what_was_appended_whenever_it_is_tidied(pieces: list[str], tidied: set[int]) -> None:
    text = TextPieces()
    for number, piece in enumerate(pieces * 40):
        text.append(piece)
        if number % 41 in tidied:
            text.tidy()
    assert text.text() == "".join(pieces) * 40
    assert text.text() == "".join(pieces) * 40


def test_many_short_pieces_take_hardly_more_than_their_characters() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        text = TextPieces()
        for number in range(200_000):
            text.append(f"{number:08}")
            if number % 7 == 0:
                text.tidy()
        kept, peak = (figure - before for figure in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert kept < 1.1 * 1_600_000
    assert peak < 1.2 * 1_600_000


def test_tidying_leaves_few_pieces_and_no_block_is_joined_again() -> None:
    text = TextPieces()
    for _ in range(20 * MOST_LOOSE):
        text.append("x")
        text.tidy()
    assert len(text._pieces) <= 20 + MOST_LOOSE
    assert max(map(len, text._pieces)) <= MOST_LOOSE + 1


def test_a_counted_text_keeps_its_length_and_nothing_else() -> None:
    text = CountedText()
    for number in range(10 * MOST_LOOSE):
        text.append("ab" if number % 2 else "c")
        text.tidy()
        assert len(text._pieces) <= MOST_LOOSE
    assert text.characters == 15 * MOST_LOOSE
    assert text._pieces == []
    text.append("more")
    assert text.characters == text.characters == 15 * MOST_LOOSE + 4
