"""The counting itself, without calls."""

from __future__ import annotations

import logging
import math
import pickle
import threading
from typing import Any

import pytest

import exllm
from exllm.policies.budget import budgets_of


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0 // 86_400 * 86_400 + 3_600  # one o'clock at night, UTC

    def __call__(self) -> float:
        return self.now


def _spend(budget: exllm.Budget, usd: float, key: str = "") -> None:
    hold = budget.hold(0.0, key)
    hold.settle(usd)


def test_what_is_set_aside_and_what_was_spent_both_count() -> None:
    budget = exllm.Budget(1.0)
    first = budget.hold(0.4, "")
    assert [budget.spent, budget.in_flight, budget.remaining] == pytest.approx([0.0, 0.4, 0.6])
    with pytest.raises(exllm.BudgetExceeded, match=r"alone cost about \$0.7, and \$0.6 is left of the budget of \$1"):
        budget.hold(0.7, "")
    first.settle(0.1)
    assert (budget.spent, budget.in_flight) == (0.1, 0.0)
    budget.hold(0.7, "").settle(0.7)
    assert budget.spent == pytest.approx(0.8)


def test_a_hold_that_is_settled_twice_counts_once() -> None:
    budget = exllm.Budget(1.0)
    hold = budget.hold(0.1, "")
    hold.settle(0.2)
    hold.settle(0.0)
    assert (budget.spent, budget.in_flight) == (0.2, 0.0)


def test_a_used_up_budget_refuses_and_says_what_was_spent() -> None:
    budget = exllm.Budget(0.5)
    _spend(budget, 0.6)
    assert budget.remaining == 0.0
    with pytest.raises(exllm.BudgetExceeded, match="is used up") as caught:
        budget.hold(0.0, "")
    assert (caught.value.limit_usd, caught.value.spent_usd, caught.value.retryable) == (0.5, 0.6, False)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.limit_usd, again.spent_usd, str(again)) == (0.5, 0.6, str(caught.value))


def test_a_running_call_is_over_the_limit_only_when_it_is_above_it() -> None:
    budget = exllm.Budget(1.0)
    hold = budget.hold(0.5, "")
    assert hold.count(1.0)
    assert not hold.count(1.25)
    assert hold.exceeded().spent_usd == 1.25


def test_running_calls_see_each_other() -> None:
    budget = exllm.Budget(1.0)
    first, second = budget.hold(0.0, ""), budget.hold(0.0, "")
    assert first.count(0.6)
    assert not second.count(0.6)
    second.settle(0.2)
    assert first.count(0.7)


def test_each_call_has_its_own_limit() -> None:
    budget = exllm.Budget(1.0, per="call")
    for _ in range(3):
        hold = budget.hold(0.9, "")
        assert not hold.count(1.1)
        hold.settle(1.1)
    assert budget.spent == pytest.approx(3.3)
    assert budget.remaining == 1.0
    with pytest.raises(exllm.BudgetExceeded, match=r"of the budget of \$1 per call"):
        budget.hold(1.1, "")
    assert budget.in_flight == 0.0


def test_a_new_day_begins_at_midnight_utc_and_a_call_keeps_the_day_on_which_it_began() -> None:
    clock = Clock()
    budget = exllm.Budget(1.0, per="day", clock=clock)
    _spend(budget, 0.7)
    late = budget.hold(0.2, "")
    clock.now += 22 * 3_600
    assert budget.spent == 0.7
    with pytest.raises(exllm.BudgetExceeded, match="for today"):
        budget.hold(0.2, "")
    clock.now += 3_600
    assert (budget.spent, budget.in_flight, budget.remaining) == (0.0, 0.0, 1.0)
    assert not late.count(0.4), "yesterday's limit still holds for it"
    late.settle(0.4)
    assert budget.spent == 0.0
    budget.hold(0.9, "").settle(0.9)
    assert budget.spent == 0.9


def test_each_key_has_its_own_count_and_is_not_kept() -> None:
    budget = exllm.Budget(1.0, each_key=True)
    _spend(budget, 1.0, "sk-first-key")
    with pytest.raises(exllm.BudgetExceeded, match="of this key") as caught:
        budget.hold(0.1, "sk-first-key")
    _spend(budget, 0.25, "sk-second-key")
    assert budget.spent == 1.25
    assert budget.remaining == 0.0
    assert "sk-" not in f"{budget!r} {vars(budget)} {caught.value}"


def test_a_call_without_a_price_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(exllm.BudgetExceeded, match='unknown="allow"'):
        exllm.Budget(1.0).hold(None, "")
    budget = exllm.Budget(1.0, unknown="allow")
    budget.hold(None, "").settle(None)
    assert (budget.spent, budget.unknown_calls) == (0.0, 1)


def test_alerts_are_given_once_each_as_they_are_reached_running_calls_included() -> None:
    told: list[float] = []
    budget = exllm.Budget(10.0, alert_at=[2.0, 1.0, 5.0], on_alert=lambda usd, _budget: told.append(usd))
    hold = budget.hold(0.5, "")
    assert told == []
    hold.count(2.5)
    assert told == [1.0, 2.0]
    hold.settle(2.5)
    _spend(budget, 0.5)
    assert told == [1.0, 2.0]
    _spend(budget, 2.0)
    assert told == [1.0, 2.0, 5.0]


def test_alerts_come_again_on_the_next_day() -> None:
    clock, told = Clock(), []
    budget = exllm.Budget(10.0, per="day", alert_at=[1.0], on_alert=lambda usd, _: told.append(usd), clock=clock)
    _spend(budget, 1.0)
    clock.now += 86_400
    _spend(budget, 1.0)
    assert told == [1.0, 1.0]


def test_an_alert_may_use_the_budget_and_what_it_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_usd: float, budget: exllm.Budget) -> None:
        raise ValueError(f"spent {budget.spent:g}")

    budget = exllm.Budget(10.0, alert_at=[1.0], on_alert=fail)
    with caplog.at_level(logging.ERROR, "exllm"):
        _spend(budget, 1.0)
    assert budget.spent == 1.0
    assert "spent 1" in caplog.text


def test_threads_together_spend_what_there_is_and_not_more() -> None:
    budget = exllm.Budget(1_000.0)
    made: list[int] = []

    def work() -> None:
        for _ in range(500):
            try:
                hold = budget.hold(1.0, "")
            except exllm.BudgetExceeded:
                continue
            made.append(1)
            hold.settle(1.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.in_flight == 0.0
    assert budget.spent == 1_000.0, "4,000 calls were tried, and exactly as many made as there is money for"
    assert len(made) == 1_000


def test_a_budget_without_a_limit_only_counts() -> None:
    budget = exllm.Budget(math.inf)
    _spend(budget, 1e9)
    assert budget.spent == 1e9
    assert budget.remaining == math.inf


@pytest.mark.parametrize("wrong", ["5", True, None])
def test_what_is_no_number_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="number of US dollars"):
        exllm.Budget(wrong)


@pytest.mark.parametrize(
    "wrong", [{"usd": -1.0}, {"usd": math.nan}, {"usd": 1, "per": "week"}, {"usd": 1, "unknown": "ignore"}]
)
def test_what_is_no_limit_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"budget|per must|unknown must"):
        exllm.Budget(**wrong)


def test_an_argument_is_a_number_a_budget_or_several() -> None:
    mine = exllm.Budget(1.0)
    assert budgets_of(None) == ()
    assert [one.usd for one in budgets_of(2)] == [2.0]
    assert budgets_of(mine) == (mine,)
    several = budgets_of([mine, 0.5])
    assert several[0] is mine
    assert several[1].usd == 0.5
    with pytest.raises(TypeError):
        budgets_of("5")  # type: ignore[arg-type]
