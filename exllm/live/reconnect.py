"""How hard a session tries to go on when its connection is lost."""

from __future__ import annotations

import msgspec

from exllm.errors import ConnectionFailed, ExLLMError, RequestTimeout
from exllm.policies.retry import RetryPolicy, RetrySchedule

STABLE_S = 10.0
"""A connection on which a turn was completed, or that lasted so long and did not break within a turn, was a good one:
the next loss may cost the whole budget again."""


class Reconnect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The budget of tries for one loss of the connection. ``Reconnect(attempts=0)`` never tries.

    The first try comes at once. The wait before the n-th is random between 0 and ``min(cap_s, base_s * 2**n)``, or as
    long as the service asks for.

    Attributes:
        attempts: most tries.
        within_s: seconds that all tries together may take; while an application that has not taken its events is
            waited for, none pass.
        base_s, cap_s: of the waits.
        pending_audio_s: seconds of realtime audio that are kept while there is no connection; the oldest goes first,
            and is counted in ``session.stats.pending_dropped_bytes``.
        anew: also go on where the service can neither resume the conversation nor be told it: it then knows nothing of
            what was said. Without it such a loss is a `SessionLost`.
    """

    attempts: int = 5
    within_s: float = 60.0
    base_s: float = 0.25
    cap_s: float = 10.0
    pending_audio_s: float = 10.0
    anew: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int):
            raise TypeError(f"attempts must be a whole number, got {self.attempts!r}")
        for name in ("attempts", "within_s", "base_s", "cap_s", "pending_audio_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number, got {value!r}")
            if not value >= 0:
                raise ValueError(f"{name} must be 0 or more, got {value!r}")


class Tries:
    """The tries that one loss may cost; those of losses in quick succession are counted together.

    Attributes:
        made: how many there were.
        left_s: seconds that are left for more.
    """

    def __init__(self, policy: Reconnect) -> None:
        self._policy = policy
        self._schedule = RetrySchedule(RetryPolicy(max(policy.attempts, 1), policy.base_s, policy.cap_s))
        self.made = 0
        self.left_s = policy.within_s

    def wait_s(self, error: ExLLMError) -> float | None:
        """Seconds to wait before the next try, None when there is none left. `error` ended the last one, or the
        connection."""
        if self.made >= self._policy.attempts or self.left_s <= 0:
            return None
        if self.made == 0:
            return 0.0
        if isinstance(error, RequestTimeout):  # a service that restarts may take a connection and not answer
            error = ConnectionFailed(error.message)
        return self._schedule.wait_s(error, self.left_s)

    def took(self, seconds: float) -> None:
        """One more try was made."""
        self.made += 1
        self.left_s -= seconds
