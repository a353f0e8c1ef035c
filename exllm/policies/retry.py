"""When to send a request again, decided without I/O."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

import msgspec

from exllm.errors import ExLLMError, FirstChunkTimeout, IdleTimeout, TotalTimeout

_NOT_SENT_AGAIN = (FirstChunkTimeout, IdleTimeout, TotalTimeout)
"""Retryable by the caller, but not by us: each has already cost the caller the patience that was set."""


class RetryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When and how long to wait before the request is sent again.

    The n-th wait is random between 0 and ``min(cap_s, base_s * 2**n)`` (full jitter), unless the provider names a wait.
    A provider's wait above `cap_s` is not sat out: the error is raised at once with `retry_at`.
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int):
            raise TypeError(f"attempts must be a whole number, got {self.attempts!r}")
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, which never retries, got {self.attempts!r}")
        for name in ("base_s", "cap_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 seconds or more, got {getattr(self, name)!r}")


class RetrySchedule:
    """The waits between the attempts of one call.

    Attributes:
        attempts: how many requests were sent so far.
    """

    __slots__ = ("_backoff", "_policy", "attempts")

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._backoff: Generator[float, Any, None] | None = None
        self.attempts = 1

    def wait_s(self, error: ExLLMError, time_left_s: float = math.inf) -> float | None:
        """Seconds to wait before the next attempt, or None when `error` should be raised.

        A wait that the provider asks for is taken as it is. One above the policy's cap is not sat out: `error.retry_at`
        then says when to come back. No wait is begun that does not end within `time_left_s`.
        """
        error.attempts = self.attempts
        asked_s = error.retry_after_s
        if asked_s is not None and asked_s > self._policy.cap_s:
            error.retry_at = time.time() + asked_s
            return None
        if not error.retryable or isinstance(error, _NOT_SENT_AGAIN) or self.attempts >= self._policy.attempts:
            return None
        backoff_s = self._next_backoff_s()
        wait_s = backoff_s if asked_s is None else asked_s
        if wait_s >= time_left_s:
            return None
        self.attempts += 1
        return wait_s

    def _next_backoff_s(self) -> float:
        import backoff  # only when something failed: it imports asyncio and logging

        if self._backoff is None:
            self._backoff = backoff.expo(base=2, factor=self._policy.base_s, max_value=self._policy.cap_s)
            next(self._backoff)  # backoff's generators give their first value after a priming send
        return float(backoff.full_jitter(next(self._backoff)))
