"""The unit of the corpus: one question with its answer, in up to three forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer.

    Attributes:
        question: what the user says.
        answer: the ordinary answer, one sentence or more.
        short: the same answer in a word or two; empty where there is none.
        fields: the same answer as a JSON object, names in order; None where there is none.
        followups: exchanges that make sense only right after this one.
    """

    question: str
    answer: str
    short: str = ""
    fields: dict[str, str | int] | None = None
    followups: tuple[Exchange, ...] = ()


Generator = Callable[[Random], Exchange]
"""Draws one exchange from a topic."""

Topic = list[tuple[float, Generator]]
"""Generators with their weights."""


def draw(rng: Random, topic: Topic) -> Exchange:
    """One exchange from a topic, by weight."""
    return rng.choices([make for _, make in topic], [weight for weight, _ in topic])[0](rng)
