"""How a Claude model is told to think: the fields `thinking` and `output_config.effort`.

Newer models decide themselves how much to think (``adaptive``) and take an effort; older ones think for as many tokens
as they are given. Each option is said in the words of the model at hand, and a translation is told as a warning.
Whether a model can be kept from thinking, and whether it shows its thoughts unasked, differs from model to model: the
API tells, and ``thinking={"type": "adaptive", "display": "summarized"}`` asks to see them.
Sources: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking,
https://platform.claude.com/docs/en/build-with-claude/extended-thinking,
https://platform.claude.com/docs/en/build-with-claude/effort
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.anthropic_models import FOREIGN, ModelFacts
from exllm.types.options import Options

SMALLEST_BUDGET = 1_024
DEFAULT_BUDGET = 10_000
ROOM_FOR_THE_ANSWER = 4_096
"""Tokens that the default `max_tokens` leaves beyond a thinking budget."""

# For models that know a budget only. Effort is a hint, so these are round figures within the documentation's range.
_BUDGET_OF_EFFORT = {"minimal": 1_024, "low": 4_096, "medium": 10_000, "high": 24_000, "xhigh": 32_000, "max": 48_000}
_EFFORT = {"minimal": "low"}
_INTERLEAVED = "interleaved-thinking"
"""Beta feature in which the budget is for all the turns between tool calls, so it may be more than `max_tokens`."""


class Thinking:
    """What is asked for, in the API's words.

    Attributes:
        max_tokens: the limit to send; it covers thinking and answer.
        thinking, effort: the fields' values, None where they are not sent.
        warnings: what was said in other words than the caller's.

    Raises: InvalidRequest when thinking cannot fit below `max_tokens`, or its budget is below 0.
    """

    def __init__(self, options: Options, facts: ModelFacts, model: str) -> None:
        self.warnings: list[str] = []
        self._facts = facts
        budget = self._asked_budget(options)
        self.max_tokens = options.max_tokens or max(facts.max_output_tokens, budget + ROOM_FOR_THE_ANSWER)
        self.thinking = self._thinking(options.thinking)
        self.effort: str | None = None
        if options.reasoning_effort is not None:
            self._apply_effort(options.reasoning_effort, options.thinking, model)
        if isinstance(options.thinking, int) and budget and not facts.budget:
            self._without_budget(budget, model)
        elif budget >= self.max_tokens and facts is not FOREIGN and not _is_interleaved(options):
            raise InvalidRequest(f"a thinking budget must be less than max_tokens={self.max_tokens}, got {budget}")

    def _asked_budget(self, options: Options) -> int:
        asked = options.thinking
        if isinstance(asked, dict):
            asked = asked.get("budget_tokens")
        return asked if isinstance(asked, int) and not isinstance(asked, bool) else 0

    def _thinking(self, asked: bool | int | dict[str, Any] | None) -> dict[str, Any] | None:
        if asked is None or isinstance(asked, dict):
            return asked
        if asked is False or asked == 0:
            return {"type": "disabled"}
        if asked is True:
            return {"type": "adaptive"} if self._facts.adaptive else self._enabled(DEFAULT_BUDGET)
        if asked < 0:
            raise InvalidRequest(f"thinking must be True, False, a number of tokens or a dict, got {asked}")
        return {"type": "enabled", "budget_tokens": asked}

    def _apply_effort(self, effort: str, asked: bool | int | dict[str, Any] | None, model: str) -> None:
        if effort == "none":
            self.thinking = self.thinking or {"type": "disabled"}
        elif self._facts.effort or effort not in _BUDGET_OF_EFFORT or (asked is not None and asked is not True):
            self.effort = _EFFORT.get(effort, effort)
            if self.effort != effort:
                self.warnings.append(f"{model} knows no effort {effort!r}; {self.effort!r} was sent")
        else:
            self.thinking = self._enabled(_BUDGET_OF_EFFORT[effort])
            budget = self.thinking["budget_tokens"]
            self.warnings.append(
                f"{model} knows no effort; {effort!r} was sent as a thinking budget of {budget} tokens"
            )

    def _without_budget(self, budget: int, model: str) -> None:
        """Say `budget` as the nearest effort, unless the caller named one."""
        self.thinking = {"type": "adaptive"}
        if self.effort is None:
            nearest = min(_BUDGET_OF_EFFORT, key=lambda effort: abs(_BUDGET_OF_EFFORT[effort] - budget))
            self.effort = _EFFORT.get(nearest, nearest)
        self.warnings.append(
            f"{model} takes no thinking budget; {budget} tokens were sent as adaptive thinking, effort {self.effort!r}"
        )

    def _enabled(self, budget: int) -> dict[str, Any]:
        """A budget of our choice: at most four fifths of `max_tokens`, so that an answer fits."""
        budget = max(SMALLEST_BUDGET, min(budget, self.max_tokens * 4 // 5))
        if budget >= self.max_tokens:
            raise InvalidRequest(
                f"thinking takes at least {SMALLEST_BUDGET} tokens; max_tokens={self.max_tokens} is too few"
            )
        return {"type": "enabled", "budget_tokens": budget}


def _is_interleaved(options: Options) -> bool:
    return any(beta.startswith(_INTERLEAVED) for beta in options.betas or ())
