"""Where a continuation meets the text that it continues."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.recovery.seam import LONGEST_OVERLAP, Seam


def joined(text: str, pieces: list[str], **more: bool) -> str:
    seam = Seam(text, **more)
    return text + "".join([*map(seam.feed, pieces), seam.close()])


@pytest.mark.parametrize(
    ("text", "continuation", "whole"),
    [
        ("The quick brown fox jum", "ps over", "The quick brown fox jumps over"),
        ("The quick brown fox jum", "jumps over", "The quick brown fox jumps over"),
        ("The quick brown fox", " jumps over", "The quick brown fox jumps over"),
        ("The quick brown fox", "fox jumps over", "The quick brown fox jumps over"),
        ("The quick brown ", "brown fox", "The quick brown fox"),
        ("one two three four", "...three four five", "one two three four five"),
        ("one two three four", "… four five", "one two three four five"),
        ("It ends so. ", "It ends so. And goes on.", "It ends so. And goes on."),
        ("Line one\nLine two", "Line two\nLine three", "Line one\nLine two\nLine three"),
        ("Line one\n", "\nLine one\nLine two", "Line one\nLine two"),
        ("Hello wor", "ld!", "Hello world!"),
        ("He said so", "soon after", "He said soon after"),
        ("banana", "nas are yellow", "banananas are yellow"),  # no word begins with "na": nothing is repeated
        ("so far...", "...and further", "so far...and further"),
        ("so far", "...", "so far..."),
        ("anything", "", "anything"),
        ("a ", " b", "a b"),  # the space was not shown to the model
        ("End.\n\n", "\n\nNext", "End.\n\nNext"),
        ("End.\n", "\n\nNext", "End.\n\nNext"),
        ("| 1 |", "| 1 | 2 |", "| 1 | 2 |"),
        ("1. one\n2. tw", "2. two\n3. three", "1. one\n2. two\n3. three"),
        ("caf", "e\u0301 noir", "cafe\u0301 noir"),
        ("cafe", "\u0301 noir", "cafe\u0301 noir"),
        ("a \U0001f468\u200d", "\U0001f469 b", "a \U0001f468\u200d\U0001f469 b"),
        ("今日は天気が", "天気がいい", "今日は天気がいい"),
        ("今日は天気が", "いい", "今日は天気がいい"),
        ("สวัสดีครับ", "ครับผม", "สวัสดีครับผม"),
        ("```python\nx =", "```python\nx = 1\n```", "```python\nx = 1\n```"),
        ("```python\nx =", " 1\n```", "```python\nx = 1\n```"),
        ("```python\nx = 1\n", "```\nDone.", "```python\nx = 1\n```\nDone."),
        ("```\nx = 1\n", "```\nDone.", "```\nx = 1\n```\nDone."),  # it closes the block
        ("```python\nx\n```\nAnd ", "```python\ny\n```", "```python\nx\n```\nAnd ```python\ny\n```"),  # another block
        ("~~~sh\nls", "~~~sh\nls -l", "~~~sh\nls -l"),
        ("", "all of it", "all of it"),
    ],
)
def test_what_is_repeated_is_left_out(text: str, continuation: str, whole: str) -> None:
    assert joined(text, [continuation]) == whole
    assert joined(text, list(continuation)) == whole


def test_spaces_that_a_provider_refused_are_not_doubled() -> None:
    assert joined(" ", [" next"], is_asked=False) == " next"
    assert joined("\n", ["next"], is_asked=False) == "\nnext"


PIECES = ["a", "b", " ", "c", ".", "\n", "\r\n", "```a\n", "```", "天", "気", "\u0301"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@given(TEXTS, TEXTS, st.lists(st.integers(0, 40), max_size=6), st.booleans())
def test_any_slicing_gives_the_same(text: str, continuation: str, cuts: list[int], is_asked: bool) -> None:
    edges = sorted({0, len(continuation), *(cut for cut in cuts if cut < len(continuation))})
    pieces = [continuation[start:end] for start, end in pairwise(edges)]
    whole = joined(text, [continuation], is_asked=is_asked)
    assert joined(text, pieces, is_asked=is_asked) == whole
    assert joined(text, list(continuation), is_asked=is_asked) == whole


@given(TEXTS, TEXTS.filter(lambda rest: "..." not in rest and "```" not in rest))
def test_nothing_but_a_repetition_is_left_out(text: str, rest: str) -> None:
    whole = joined(text, [rest])
    assert whole.startswith(text)
    new = whole[len(text) :]
    left_out = rest[: len(rest) - len(new)] if rest.endswith(new) else None
    assert left_out is not None
    assert text.endswith(left_out.lstrip()) or not left_out.strip()


def test_a_long_text_is_held_back_no_longer_than_an_overlap_may_be() -> None:
    seam = Seam("x" * 5000)
    given_out = 0
    for taken in range(1, 3 * LONGEST_OVERLAP):
        given_out += len(seam.feed("x"))
        if given_out:
            assert taken <= LONGEST_OVERLAP + 1
            break
    assert given_out
