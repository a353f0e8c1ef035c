"""One source after another: what is known of each, and that none stays open."""

from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.streaming.attempts import Attempts
from exllm.streaming.source import ChunkSource
from exllm.types.chunks import Chunk


class Source:
    """Opens, or fails to, and notes what is done with it."""

    is_shared = True
    bytes_read = 7

    def __init__(self, name: str, failure: Exception | None = None) -> None:
        self.request_id: str | None = None
        self.warnings: tuple[str, ...] = ()
        self.done: list[str] = []
        self._name = name
        self._failure = failure

    def raw(self) -> Any:
        return {"of": self._name}

    async def open(self) -> None:
        self.done.append("open")
        if self._failure is not None:
            raise self._failure
        self.request_id, self.warnings = self._name, (f"a warning of {self._name}",)

    async def read(self) -> list[Chunk] | None:
        return None

    def abort(self) -> None:
        self.done.append("abort")

    async def aclose(self) -> None:
        self.done.append("aclose")


def attempts_of(*sources: ChunkSource, most: int = 3) -> Attempts:
    left = list(sources)

    async def connect() -> ChunkSource:
        return left.pop(0)

    return Attempts(connect, RetrySchedule(RetryPolicy(attempts=most, base_s=0.0)))


async def test_the_request_is_sent_once_however_often_it_is_opened() -> None:
    source = Source("one")
    attempts = attempts_of(source)
    assert await attempts.connect() is source
    assert source.done == []
    assert (attempts.is_open, attempts.request_id, attempts.warnings) == (False, None, ())
    assert [await attempts.open(), await attempts.open()] == [source, source]
    assert source.done == ["open"]
    assert (attempts.is_open, attempts.request_id, attempts.warnings) == (True, "one", ("a warning of one",))


async def test_an_attempt_that_failed_is_closed_and_forgotten_before_the_next_one() -> None:
    failing, answering = Source("one", exllm.Overloaded("busy")), Source("two")
    attempts = attempts_of(failing, answering)
    with pytest.raises(exllm.Overloaded) as caught:
        await attempts.open()
    assert attempts.wait_s(caught.value, 60.0) == 0.0
    await attempts.forget()
    assert failing.done == ["open", "abort", "aclose"]
    assert (attempts.source, attempts.is_open, attempts.request_id, attempts.bytes_read) == (None, False, None, 0)
    assert await attempts.open() is answering
    assert (attempts.count, attempts.request_id, attempts.bytes_read) == (2, "two", 7)


async def test_an_attempt_that_had_answered_is_forgotten_too() -> None:
    attempts = attempts_of(Source("one"), Source("two", exllm.Overloaded("busy")))
    await attempts.open()
    await attempts.forget()
    with pytest.raises(exllm.Overloaded):
        await attempts.open()
    assert (attempts.is_open, attempts.request_id) == (False, None)


async def test_an_attempt_that_could_not_even_be_made_is_followed_by_another() -> None:
    answering = Source("one")
    outcomes: list[ChunkSource | Exception] = [exllm.ConnectionFailed("no token today"), answering]

    async def connect() -> ChunkSource:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    attempts = Attempts(connect, RetrySchedule(RetryPolicy(base_s=0.0)))
    with pytest.raises(exllm.ConnectionFailed):
        await attempts.open()
    await attempts.forget()
    assert await attempts.open() is answering


async def test_the_handle_is_that_of_the_source_that_counts_now() -> None:
    kept = Source("kept")
    kept.handle = "where it is kept"  # type: ignore[attr-defined]  # few sources have one
    attempts = attempts_of(Source("not kept"), kept)
    await attempts.open()
    assert attempts.handle is None
    await attempts.forget()
    await attempts.open()
    assert attempts.handle == "where it is kept"


async def test_no_attempt_follows_the_last_one_that_is_allowed() -> None:
    attempts = attempts_of(Source("one"), most=1)
    assert attempts.wait_s(exllm.Overloaded("busy"), 60.0) is None
    assert attempts.count == 1


async def test_what_the_source_can_tell_is_kept_when_it_is_let_go() -> None:
    source = Source("one")
    attempts = attempts_of(source)
    await attempts.open()
    source.warnings = (*source.warnings, "one from the body")
    attempts.let_go()
    assert source.done == ["open", "abort"]
    assert attempts.raw == {"of": "one"}
    assert attempts.warnings == ("a warning of one", "one from the body")


def test_nothing_is_let_go_where_nothing_was_begun() -> None:
    attempts = attempts_of()
    attempts.let_go()
    assert (attempts.raw, attempts.warnings, attempts.handle, attempts.bytes_read) == (None, (), None, 0)
