"""The schedule of retries, without I/O. That it is obeyed over HTTP is shown in `tests/faults/test_statuses.py`."""

from __future__ import annotations

import time

import pytest

import exllm
from exllm.policies.retry import RetryPolicy, RetrySchedule


def waits(policy: RetryPolicy, error: exllm.ExLLMError) -> list[float]:
    schedule, found = RetrySchedule(policy), []
    while (wait_s := schedule.wait_s(error)) is not None:
        found.append(wait_s)
    assert schedule.attempts == error.attempts == len(found) + 1
    return found


def test_so_many_attempts_and_no_more() -> None:
    assert len(waits(RetryPolicy(attempts=4), exllm.ServerError("x"))) == 3
    assert waits(RetryPolicy(attempts=1), exllm.ServerError("x")) == []


def test_each_wait_is_random_up_to_a_bound_that_doubles_to_the_cap() -> None:
    policy = RetryPolicy(attempts=6, base_s=1.0, cap_s=5.0)
    rounds = [waits(policy, exllm.ServerError("x")) for _ in range(300)]
    for number, bound in enumerate((1, 2, 4, 5, 5)):
        column = [row[number] for row in rounds]
        assert all(0 <= wait_s <= bound for wait_s in column)
        assert max(column) > 0.8 * bound
        assert min(column) < 0.2 * bound


def test_a_wait_that_was_asked_for_is_taken_as_it_is() -> None:
    error = exllm.RateLimited("x", retry_after_s=12.5)
    assert waits(RetryPolicy(attempts=3), error) == [12.5, 12.5]
    assert error.retry_at is None


def test_a_wait_above_the_cap_is_not_sat_out() -> None:
    error = exllm.RateLimited("x", retry_after_s=61)
    assert waits(RetryPolicy(attempts=3, cap_s=60), error) == []
    assert error.retry_at == pytest.approx(time.time() + 61, abs=5)


def test_no_wait_is_begun_that_the_time_left_does_not_hold() -> None:
    schedule = RetrySchedule(RetryPolicy(attempts=3))
    error = exllm.RateLimited("x", retry_after_s=5)
    assert schedule.wait_s(error, time_left_s=5) is None
    assert schedule.attempts == 1
    assert schedule.wait_s(error, time_left_s=6) == 5


@pytest.mark.parametrize(
    "error",
    [
        exllm.InvalidRequest("x"),
        exllm.AuthenticationError("x"),
        exllm.QuotaExceeded("x"),
        exllm.ProtocolError("x"),
        exllm.ConnectionFailed("x", retryable=False),
        exllm.FirstChunkTimeout("x"),
        exllm.IdleTimeout("x"),
        exllm.TotalTimeout("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_fail_again_or_has_used_up_the_callers_patience_is_raised(error: exllm.ExLLMError) -> None:
    assert waits(RetryPolicy(attempts=3), error) == []


@pytest.mark.parametrize(
    "error",
    [
        exllm.RateLimited("x"),
        exllm.ServerError("x"),
        exllm.Overloaded("x"),
        exllm.ConnectionFailed("x"),
        exllm.ConnectTimeout("x"),
        exllm.StreamInterrupted("x"),
        exllm.RequestTimeout("x", status=408),
        exllm.InvalidRequest("x", retryable=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again(error: exllm.ExLLMError) -> None:
    assert len(waits(RetryPolicy(attempts=3), error)) == 2
