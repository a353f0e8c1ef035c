"""What a model is shown of a session: the instructions, and as much of the conversation as is to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from exllm.context import fit_messages, summarize_messages
from exllm.context.fit import STRATEGIES
from exllm.context.summary import Chat
from exllm.sessions.session import Session, Summary
from exllm.types.message import Message

ContextStrategy = Literal["sliding_window", "smart", "fifo", "lifo", "summarize"]


class Fit(msgspec.Struct, frozen=True):
    """``client.conversation(session, context=Fit("smart", max_tokens=8000))``: what is sent of a long conversation.

    The history stays whole; what was left out is told in ``response.warnings``.

    Attributes:
        strategy: one of `exllm.context.fit_messages`; or ``summarize``: the older part is told to the model in a
            summary, which the session keeps and which is made anew when that no longer fits.
        max_tokens: instead of the model's window, or less than it.
        max_output_tokens: kept for the answer, see `fit_messages`.
        summary_tokens: room for the summary.
        by: the model that summarises; the session's by default.
    """

    strategy: ContextStrategy = "smart"
    max_tokens: int | None = None
    max_output_tokens: int | None = None
    summary_tokens: int = 1000
    by: str | None = None

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES and self.strategy != "summarize":
            raise ValueError(f"context is one of {', '.join((*STRATEGIES, 'summarize'))}, got {self.strategy!r}")


ContextArgument = Fit | ContextStrategy | None


def fit_of(context: ContextArgument) -> Fit | None:
    """The settings that an argument stands for. Raises TypeError, ValueError."""
    if context is None or isinstance(context, Fit):
        return context
    if not isinstance(context, str):
        raise TypeError(f"context must be a strategy or exllm.sessions.Fit(...), got {type(context).__name__}")
    return Fit(context)


class Shown:
    """Makes the messages of each request of a turn.

    Args:
        model: ``"provider/model"``, whose window it is.
        tools: which take room, too.

    Attributes:
        warnings: what was left out of the last one, in words.
        summary: for the session to keep.
    """

    def __init__(self, session: Session, fit: Fit | None, model: str, tools: Sequence[Any] | None) -> None:
        self.warnings: tuple[str, ...] = ()
        self.summary = session.summary if fit is not None and fit.strategy == "summarize" else None
        self._session = session
        self._fit = fit
        self._model = model
        self._tools = tools
        self._front = (Message("system", session.instructions),) if session.instructions else ()
        self._begun: tuple[int, tuple[Message, ...]] = (
            0,
            self._front,
        )  # so much of the history, and what is sent of it

    async def prepare(self, chat: Chat) -> None:
        """Summarise where that is asked for and needed. Raises: what `summarize_messages` raises."""
        fit, session = self._fit, self._session
        if fit is None or fit.strategy != "summarize":
            return
        history = session.history
        before = self._with_summary(history)
        sent = await summarize_messages(
            before, self._model, chat=chat, by=fit.by, max_tokens=fit.max_tokens,
            max_output_tokens=fit.max_output_tokens, summary_tokens=fit.summary_tokens, tools=self._tools,
        )  # fmt: skip
        known = {id(message) for message in before}
        told = next((message for message in sent if id(message) not in known), None)
        if told is not None:
            kept = {id(message) for message in sent}
            first = next(
                (place for place, message in enumerate(history) if id(message) in kept and not _of_system(message)),
                len(history),
            )
            self.summary = Summary(told, first)
        self._begun = (len(history), tuple(sent))

    def __call__(self, history: tuple[Message, ...]) -> tuple[Message, ...]:
        """What is sent of `history`. Raises: what `fit_messages` raises."""
        fit = self._fit
        if fit is None:
            return (*self._front, *history)
        if fit.strategy == "summarize":
            if self.summary is not None:
                self.warnings = (f"the first {self.summary.covers} messages were sent as a summary",)
            count, sent = self._begun
            return (*sent, *history[count:])
        whole = (*self._front, *history)
        fitting = tuple(
            fit_messages(
                whole, self._model, strategy=fit.strategy, max_tokens=fit.max_tokens,
                max_output_tokens=fit.max_output_tokens, tools=self._tools,
            )
        )  # fmt: skip
        left_out = len(whole) - len(fitting)
        words = f"{left_out} of {len(whole)} messages were not sent, for want of room ({fit.strategy})"
        self.warnings = (words,) if left_out else ()
        return fitting

    def _with_summary(self, history: tuple[Message, ...]) -> tuple[Message, ...]:
        summary = self.summary
        if summary is None:
            return (*self._front, *history)
        of_system = tuple(message for message in history[: summary.covers] if _of_system(message))
        return (*self._front, *of_system, summary.message, *history[summary.covers :])


def _of_system(message: Message) -> bool:
    return message.role in ("system", "developer")
