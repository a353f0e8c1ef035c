"""How much may be spent, counted without I/O and by any number of threads."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from exllm.errors import BudgetExceeded

Per = Literal["total", "call", "day"]
IfUnknown = Literal["refuse", "allow"]
_SECONDS_PER_DAY = 86_400


class Budget:
    """A limit in US dollars for calls that share it. Give it to a client, to single calls, or to both.

        client = exllm.Client(budget=exllm.Budget(20.0, per="day", each_key=True))
        team = exllm.Budget(5.0, alert_at=[4.0], on_alert=lambda usd, budget: print("spent", usd))
        await client.chat("openai/gpt-4o", "Hi", budget=[team, 0.05])

    A call is refused before anything is sent when the limit is reached, or when what is sent would alone cost more than
    is left, by an estimate. A stream is stopped at the read that takes it over the limit: its connection is closed, and
    what had arrived is handed out and is in the error's `partial`. Both raise `BudgetExceeded`. An answer that has come
    to its own end is never withheld.

    While a call runs, the estimate of what it has used counts; at its end, the cost of the usage that the provider
    reports. So calls that run at the same time spend more than the limit by no more than what was in flight when it was
    reached: the rest of a read of each stream, and the answers of calls that are not streamed.

    One object may serve any number of clients, event loops and threads.

    Args:
        usd: the limit; `math.inf` only counts.
        per: ``"total"`` for all calls together; ``"call"`` for each of them; ``"day"`` for those that begin on one day
            (UTC), whose count starts again with the next.
        each_key: count for each API key by itself. The key is not kept, only a fingerprint of it.
        unknown: what becomes of a call whose price is not known: ``"refuse"`` raises before sending, ``"allow"`` lets
            it run and counts what becomes known of its cost, which may be nothing (see `unknown_calls`).
        alert_at: amounts in US dollars; when the count reaches one, `on_alert` is called with it and the budget, once
            for each call, day or key that has a count of its own.
        on_alert: called in the thread that makes the call; what it raises is logged (logger ``exllm``).
        clock: gives the time in seconds since 1970.

    Raises: TypeError, ValueError for wrong arguments.
    """

    def __init__(
        self,
        usd: float,
        *,
        per: Per = "total",
        each_key: bool = False,
        unknown: IfUnknown = "refuse",
        alert_at: Iterable[float] = (),
        on_alert: Callable[[float, Budget], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(usd, bool) or not isinstance(usd, int | float):
            raise TypeError(f"a budget is a number of US dollars, got {usd!r}")
        if not usd >= 0:
            raise ValueError(f"a budget is 0 US dollars or more, got {usd!r}")
        if per not in ("total", "call", "day"):
            raise ValueError(f'per must be "total", "call" or "day", got {per!r}')
        if unknown not in ("refuse", "allow"):
            raise ValueError(f'unknown must be "refuse" or "allow", got {unknown!r}')
        self.usd = float(usd)
        self.per = per
        self.each_key = each_key
        self.unknown = unknown
        self._alert_at = tuple(sorted(alert_at))
        self._on_alert = on_alert
        self._clock = clock
        self._counting = threading.Lock()
        self._day = 0
        self._counts: dict[str, _Count] = {}  # by fingerprint of the key; "" for all
        self._running: set[_Count] = set()  # of calls that have a count of their own
        self._ended_calls_usd = 0.0  # of the same
        self._unknown_calls = 0

    def __repr__(self) -> str:
        return f"Budget({self.usd:g}, per={self.per!r}, spent={self.spent:g})"

    @property
    def spent(self) -> float:
        """US dollars of the calls that have ended, of all keys; for a budget by day, of today's."""
        with self._counting:
            self._turn_day()
            return self._ended_calls_usd + sum(count.spent for count in self._counts.values())

    @property
    def in_flight(self) -> float:
        """US dollars, estimated, of the calls that are running."""
        with self._counting:
            self._turn_day()
            return sum(count.held for count in (*self._counts.values(), *self._running))

    @property
    def remaining(self) -> float:
        """What is left for the next call, at least 0; with `each_key`, of the key that has spent most."""
        with self._counting:
            self._turn_day()
            return max(0.0, self.usd - max((count.used for count in self._counts.values()), default=0.0))

    @property
    def unknown_calls(self) -> int:
        """How many calls ended without a known cost; of these `spent` has only what was set aside, perhaps nothing."""
        return self._unknown_calls

    def hold(self, usd: float | None, key: str) -> Hold:
        """Set `usd` aside for a call that is about to be sent; None where its price is not known.

        Raises: BudgetExceeded when there is not so much left.
        """
        if usd is None and self.unknown == "refuse":
            raise self._exceeded(
                f"a call whose price is not known was not made under a budget of {_dollars(self.usd)}; give the model "
                f'a price in a catalog file, or make the budget with unknown="allow"',
                0.0,
            )
        usd = usd or 0.0
        with self._counting:
            self._turn_day()
            if self.per == "call":
                count = _Count(self._alert_at)
                self._running.add(count)
            else:
                name = _fingerprint(key) if self.each_key else ""
                count = self._counts.get(name) or self._counts.setdefault(name, _Count(self._alert_at))
            used = count.used
            if is_refused := used >= self.usd or used + usd > self.usd:
                self._running.discard(count)
            else:
                count.held += usd
                count.calls += 1
        if is_refused:
            raise self._exceeded(
                f"the budget of {_dollars(self.usd)}{self._period()} is used up"
                if used >= self.usd
                else f"sending this call would alone cost about {_dollars(usd)}, and {_dollars(self.usd - used)} is "
                f"left of the budget of {_dollars(self.usd)}{self._period()}",
                used,
            )
        hold = Hold(self, count, usd)
        self._alert(count)
        return hold

    def _period(self) -> str:
        whose = " of this key" if self.each_key else ""
        return {"total": whose, "call": " per call", "day": f"{whose} for today"}[self.per]

    def _turn_day(self) -> None:
        if self.per == "day":
            today = int(self._clock() // _SECONDS_PER_DAY)
            if today != self._day:
                self._day = today
                self._counts = {}  # calls that run over midnight keep the count of the day on which they began

    def _alert(self, count: _Count) -> None:
        if not count.alerts or count.used < count.alerts[0]:
            return
        with self._counting:
            reached = [usd for usd in count.alerts if usd <= count.used]
            count.alerts = count.alerts[len(reached) :]
        for usd in reached if self._on_alert is not None else ():
            try:
                self._on_alert(usd, self)  # type: ignore[misc]
            except Exception:
                import logging  # only here: most programs have no budget that fails to tell

                logging.getLogger("exllm").exception("on_alert of %r failed", self)

    def _exceeded(self, message: str, spent_usd: float) -> BudgetExceeded:
        return BudgetExceeded(message, limit_usd=self.usd, spent_usd=spent_usd)


class Hold:
    """The share of one running call in a budget. Belongs to the task that makes the call."""

    __slots__ = ("_budget", "_count", "_is_settled", "_usd")

    def __init__(self, budget: Budget, count: _Count, usd: float) -> None:
        self._budget = budget
        self._count = count
        self._usd = usd
        self._is_settled = False

    def count(self, usd: float) -> bool:
        """The call has cost about `usd` by now; returns whether the budget is still kept."""
        budget, count = self._budget, self._count
        with budget._counting:
            count.held += usd - self._usd
            self._usd = usd
            used = count.used
        if count.alerts:
            budget._alert(count)
        return used <= budget.usd

    def exceeded(self) -> BudgetExceeded:
        """Why the call is stopped."""
        budget, used = self._budget, self._count.used
        return budget._exceeded(
            f"the answer was stopped: with about {_dollars(used)} the budget of {_dollars(budget.usd)}"
            f"{budget._period()} is exceeded",
            used,
        )

    def settle(self, usd: float | None) -> None:
        """The call has ended and cost `usd`; None where that is not known, and the last estimate stands. Idempotent."""
        budget, count = self._budget, self._count
        with budget._counting:
            if self._is_settled:
                return
            self._is_settled = True
            count.calls -= 1
            count.held = count.held - self._usd if count.calls else 0.0  # floats leave dust
            if usd is None:
                budget._unknown_calls += 1
                usd = self._usd
            count.spent += usd
            if count in budget._running:
                budget._running.discard(count)
                budget._ended_calls_usd += usd
        budget._alert(count)


class _Count:
    __slots__ = ("alerts", "calls", "held", "spent")

    def __init__(self, alerts: tuple[float, ...]) -> None:
        self.spent = 0.0
        self.held = 0.0  # by so many running
        self.calls = 0
        self.alerts = alerts

    @property
    def used(self) -> float:
        return self.spent + self.held


BudgetArgument: TypeAlias = float | Budget | list[float | Budget] | tuple[float | Budget, ...] | None
"""What `budget=` takes: a number of US dollars, a `Budget`, or several of these, all of which hold."""


def budgets_of(budget: BudgetArgument) -> tuple[Budget, ...]:
    """The budgets that a `budget` argument means; a number is a new one. Raises TypeError and ValueError."""
    if budget is None:
        return ()
    several = budget if isinstance(budget, list | tuple) else (budget,)
    return tuple(one if isinstance(one, Budget) else Budget(one) for one in several)


def _fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16] if key else "no key"


def _dollars(usd: float) -> str:
    return "no limit" if usd == math.inf else f"${usd:.4g}"
