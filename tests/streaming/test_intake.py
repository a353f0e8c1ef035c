"""The head of an answer is held back until its body begins, and everything else is counted, timed and folded."""

from __future__ import annotations

import math

from exllm.streaming.accumulator import Accumulator
from exllm.streaming.intake import Intake
from exllm.streaming.timing import Timing
from exllm.types.chunks import Chunk, Finish, StreamStart, TextDelta, UsageUpdate
from exllm.types.options import Timeouts
from exllm.types.usage import Usage

HEAD: list[Chunk] = [StreamStart("id"), UsageUpdate(Usage(input_tokens=7, provenance="reported"))]


def begun() -> tuple[Intake, Timing]:
    timing = Timing(Timeouts(math.inf, math.inf, math.inf, math.inf))
    timing.started_at = timing.sent_at = 0.0
    return Intake(Accumulator("p", "m"), timing), timing


def test_the_head_is_held_back_until_the_body_begins() -> None:
    intake, timing = begun()
    assert intake.take(HEAD[:1], 1.0) == []
    assert intake.take(HEAD[1:], 2.0) == []
    assert (intake.chunks, timing.last_at, timing.first_chunk_s) == (0, 2.0, None)
    assert not intake.is_telling
    assert intake.take([TextDelta("a")], 3.0) == [*HEAD, TextDelta("a")]
    assert (intake.chunks, timing.last_at, timing.first_chunk_s) == (3, 3.0, 3.0)
    assert intake.accumulator.response().text == "a"
    assert intake.take([StreamStart("late")], 4.0) == [StreamStart("late")]  # no head any more


def test_the_end_gives_none_after_a_head_that_was_held_back() -> None:
    intake, _ = begun()
    assert intake.take(HEAD[:1], 1.0) == []
    assert intake.take(None, 2.0) == HEAD[:1]
    assert intake.take(None, 2.0) is None
    assert intake.chunks == 1


def test_an_answer_of_nothing_ends_at_once() -> None:
    intake, timing = begun()
    assert intake.take(None, 1.0) is None
    assert (intake.chunks, timing.first_chunk_s) == (0, None)


def test_the_head_of_another_attempt_takes_the_place_of_the_first() -> None:
    intake, _ = begun()
    intake.take([StreamStart("one")], 1.0)
    intake.begin_again()
    assert intake.take([StreamStart("two"), TextDelta("a")], 2.0) == [StreamStart("two"), TextDelta("a")]
    assert intake.accumulator.response().id == "two"


def test_a_head_that_nothing_follows_is_folded_but_not_counted() -> None:
    intake, _ = begun()
    intake.take(list(HEAD), 1.0)
    intake.keep_head()
    assert (intake.chunks, intake.is_telling) == (0, True)
    assert intake.accumulator.usage.input_tokens == 7


def test_what_was_handed_out_is_folded_once() -> None:
    intake, _ = begun()
    intake.take([*HEAD, TextDelta("a")], 1.0)
    intake.take([TextDelta("b"), Finish("stop")], 2.0)
    intake.keep_head()
    assert intake.accumulator.response().text == "ab"
    assert intake.chunks == 5
