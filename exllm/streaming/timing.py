"""When things happened in one stream, and which time limit they break. Told the time, it never asks for it."""

from __future__ import annotations

import math

from exllm.errors import FirstChunkTimeout, IdleTimeout, RequestTimeout, TotalTimeout
from exllm.streaming.gaps import GapHistogram
from exllm.types.options import Timeouts


class Timing:
    """The moments of one stream, in seconds of the loop's clock; `nan` where one has not come.

    Args:
        limits: all set, `math.inf` for none.
    """

    __slots__ = ("_limits", "ended_at", "first_at", "gaps", "last_at", "sent_at", "started_at", "stopped_at")

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        self.gaps = GapHistogram()
        self.started_at = math.nan
        self.sent_at = math.nan  # the current attempt
        self.first_at = math.nan  # something of the answer came
        self.last_at = math.nan  # the last chunk came, or the last reason not to wait for one ended
        self.stopped_at = math.nan  # nobody reads since then
        self.ended_at = math.nan

    def attempt_begins(self, now: float) -> None:
        """A request is sent at `now`, which may lie ahead: the wait before it is not the provider's silence."""
        self.sent_at = now
        self.last_at = math.nan

    def arrived(self, now: float, chunks: int) -> None:
        """So many chunks of the answer came at once."""
        if self.first_at == self.first_at:  # not nan
            self.gaps.add(now - self.last_at, chunks)
        else:
            self.first_at = now
        self.last_at = now

    def reading_stops(self, now: float) -> None:
        """Nobody reads from `now` on, because the consumer is away; the silence so far still counts."""
        self.stopped_at = now

    def reading_goes_on(self, now: float) -> None:
        """Somebody reads again; the silence since `reading_stops` was the consumer's."""
        self.last_at += now - self.stopped_at

    def deadline(self, now: float, *, is_reading: bool) -> float:
        """When to ask `overdue` next: a limit may be broken then. Silence counts only while somebody reads."""
        limits = self._limits
        return min(
            self._silent_until(now, is_reading),
            now + (limits.idle or math.inf),  # a chunk may come any moment, and silence after it
            self.started_at + (limits.total or math.inf),
        )

    def time_left_s(self, now: float) -> float:
        """What the limit for the whole call leaves."""
        return self.started_at + (self._limits.total or math.inf) - now

    def overdue(self, now: float, *, is_reading: bool) -> RequestTimeout | None:
        """The limit that is broken."""
        limits = self._limits
        if now >= self.started_at + (limits.total or math.inf):
            return TotalTimeout(f"the call took longer than {limits.total:g} s, the limit for the whole of it")
        if now < self._silent_until(now, is_reading):
            return None
        if math.isnan(self.last_at):
            return FirstChunkTimeout(f"nothing of the answer arrived within {limits.first_chunk:g} s")
        return IdleTimeout(f"the stream was silent for {limits.idle:g} s")

    def _silent_until(self, now: float, is_reading: bool) -> float:
        if not is_reading:
            return now + (self._limits.idle or math.inf)
        if math.isnan(self.last_at):
            return self.sent_at + (self._limits.first_chunk or math.inf)
        return self.last_at + (self._limits.idle or math.inf)

    def duration_s(self, now: float) -> float | None:
        """From the start to the end, or to `now`."""
        return _seconds((now if math.isnan(self.ended_at) else self.ended_at) - self.started_at)

    @property
    def first_chunk_s(self) -> float | None:
        """From the start to the first of the answer."""
        return _seconds(self.first_at - self.started_at)

    def tokens_per_s(self, output_tokens: int | None) -> float | None:
        """The rate between the first and the last chunk."""
        if not output_tokens or not self.last_at > self.first_at:
            return None
        return output_tokens / (self.last_at - self.first_at)


def _seconds(span: float) -> float | None:
    return None if math.isnan(span) else span
