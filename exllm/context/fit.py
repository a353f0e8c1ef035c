"""Leave out of a conversation what does not fit.

A strategy is an order: what is to be kept, the most important first. As much of that order is kept as fits, and nothing
after the first piece that does not, so that a larger window never keeps less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from exllm.context.estimate import Estimator
from exllm.context.exchanges import Conversation, read_conversation
from exllm.context.window import context_window, reserve_for
from exllm.errors import ConfigurationError, ContextLengthExceeded
from exllm.types.message import Message
from exllm.types.normalise import Messages, normalise_messages
from exllm.types.tool_dicts import tools_of

Strategy = Literal["sliding_window", "smart", "fifo", "lifo"]
Piece = tuple[int, ...]
"""Indexes of messages that stay or go together."""

_RECENT_STEPS = 3


def fit_messages(
    messages: Messages,
    model: str | None = None,
    *,
    max_tokens: int | None = None,
    strategy: Strategy = "smart",
    max_output_tokens: int | None = None,
    tools: Sequence[Any] | None = None,
    budgets: Mapping[str, int] | None = None,
    count: Callable[[Message], int] | None = None,
) -> list[Message]:
    """The messages that fit, in their order and unchanged. What fits whole comes back whole.

    System and developer messages are always kept, and the last thing that the user said with the newest step of the
    work on it. A tool call stays and goes with its results. What nobody can count before sending (audio, PDFs, images
    at URLs) takes no place here; leave room for it with `max_tokens`.

    Args:
        model: whose window it is, and whose estimate counts: by its upper bound, so that what is kept fits even where
            the estimate is as far off as it may be.
        max_tokens: instead of the model's window, or less than it.
        strategy: what is kept first.
            ``sliding_window``: the newest, exchange by exchange.
            ``fifo``: the oldest goes first, step by step: the newest, and of the oldest exchange the question and the
            answer longer than the steps between.
            ``lifo``: the newest goes first: the beginning, and the question that is open.
            ``smart``: the newest three steps of the work at hand, the first exchange (it tells what this is about),
            then questions and answers from the newest back, then what lies between a question and its answer.
        max_output_tokens: kept for the answer. By default the model's longest answer, at most a quarter of the window;
            nothing where `max_tokens` is given.
        tools: what goes along with the messages, and takes its place.
        budgets: role to the most tokens that its messages may take together; what goes beyond is left out.
        count: tokens of a message, with what stands around it, in place of the estimate; `tools` are still estimated.

    Raises: ContextLengthExceeded when even what must stay does not fit; ConfigurationError for a strategy that is none,
        or without any limit; TypeError, InvalidRequest for messages that are none.
    """
    checked = normalise_messages(messages)
    if strategy not in STRATEGIES:
        asked: str = strategy
        hint = "; it asks a model: await exllm.context.summarize_messages(...)" if asked == "summarize" else ""
        raise ConfigurationError(f"the strategy is one of {', '.join(STRATEGIES)}, got {strategy!r}{hint}")
    room = Room(model, max_tokens, max_output_tokens, tools, budgets, count)
    kept = room.choose(checked, strategy)
    return [message for index, message in enumerate(checked) if index in kept]


class Room:
    """What messages may take."""

    def __init__(
        self,
        model: str | None,
        max_tokens: int | None,
        max_output_tokens: int | None,
        tools: Sequence[Any] | None,
        budgets: Mapping[str, int] | None,
        count: Callable[[Message], int] | None,
    ) -> None:
        window = context_window(model) if model is not None else None
        if max_tokens is None and window is None:
            raise ConfigurationError(
                f"the window of {model} is not known; pass max_tokens=" if model else "pass a model, or max_tokens="
            )
        self.limit = min(limit for limit in (max_tokens, window) if limit is not None)
        if max_output_tokens is None:
            max_output_tokens = reserve_for(model) if model is not None and max_tokens is None else 0
        self.model = model
        self.reserved = max_output_tokens
        self._budgets = dict(budgets or {})
        self._estimator = Estimator(model or "", tools_of(tools) if tools else ())
        self._count = count

    def tokens(self, message: Message) -> float:
        """What `message` takes."""
        return self._estimator.message(message) if self._count is None else self._count(message)

    def total(self, tokens: float) -> float:
        """What a call with messages of so many tokens takes, at most."""
        if self._count is not None:
            return tokens + self._estimator.base - self._estimator.family.request + self.reserved
        return self._estimator.high(tokens + self._estimator.base) + self.reserved

    def choose(self, messages: Sequence[Message], strategy: str, kept_free: float = 0.0) -> frozenset[int]:
        """The indexes of what is kept. `kept_free` is room for what will be put in."""
        sizes = [self.tokens(message) for message in messages]
        conversation = read_conversation(messages)
        first, *pieces = STRATEGIES[strategy](conversation)
        spent, by_role = kept_free, dict.fromkeys(self._budgets, 0.0)
        kept: set[int] = set()
        for piece in (first, *pieces):
            if piece is not first and not self._is_within_budgets(piece, messages, sizes, by_role):
                continue
            size = sum(sizes[index] for index in piece)
            if self.total(spent + size) > self.limit:
                if piece is first:
                    raise self._too_long(self.total(spent + size))
                break
            spent += size
            kept.update(piece)
            for index in piece:
                role = messages[index].role
                if role in by_role:
                    by_role[role] += sizes[index]
            if piece is first:
                self._check_budgets(by_role)
        return frozenset(kept)

    def _is_within_budgets(
        self, piece: Piece, messages: Sequence[Message], sizes: Sequence[float], by_role: Mapping[str, float]
    ) -> bool:
        return all(
            by_role[role] + sum(sizes[index] for index in piece if messages[index].role == role) <= most
            for role, most in self._budgets.items()
        )

    def _check_budgets(self, by_role: Mapping[str, float]) -> None:
        for role, most in self._budgets.items():
            if by_role[role] > most:
                raise ContextLengthExceeded(
                    f"the {role} messages that must stay have {by_role[role]:,.0f} tokens, their budget is {most:,}"
                )

    def _too_long(self, total: float) -> ContextLengthExceeded:
        provider, _, name = (self.model or "").partition("/")
        kept = f", {self.reserved:,} of them kept for the answer" if self.reserved else ""
        return ContextLengthExceeded(
            f"what must stay of the messages (the system's, and the newest exchange) needs up to {total:,.0f} tokens"
            f"{kept}; there is room for {self.limit:,}",
            provider=provider or None,
            model=name or None,
        )


# -- orders: what must stay, then the pieces, the most important first


def _pinned(conversation: Conversation) -> Piece:
    last = conversation.exchanges[-1].core if conversation.exchanges else ()
    return (*conversation.system, *last)


def _sliding_window(conversation: Conversation) -> Iterator[Piece]:
    yield _pinned(conversation)
    *older, last = conversation.exchanges or [None]
    if last is not None:
        yield from reversed(last.middles)
    for exchange in reversed(older):
        yield exchange.whole  # type: ignore[union-attr]


def _fifo(conversation: Conversation) -> Iterator[Piece]:
    yield _pinned(conversation)
    for number, exchange in enumerate(reversed(conversation.exchanges)):
        if number:
            yield exchange.core
        yield from reversed(exchange.middles)


def _lifo(conversation: Conversation) -> Iterator[Piece]:
    yield _pinned(conversation)
    last = len(conversation.exchanges) - 1
    for number, exchange in enumerate(conversation.exchanges):
        if number != last:
            yield exchange.core
        yield from exchange.middles


def _smart(conversation: Conversation) -> Iterator[Piece]:
    yield _pinned(conversation)
    exchanges = conversation.exchanges
    if not exchanges:
        return
    *older, last = exchanges
    at_hand = last.middles[::-1]
    yield from at_hand[:_RECENT_STEPS]
    if older:
        yield older[0].core
    for exchange in reversed(older[1:]):
        yield exchange.core
    yield from at_hand[_RECENT_STEPS:]
    for exchange in reversed(older):
        yield from reversed(exchange.middles)


STRATEGIES: Mapping[str, Callable[[Conversation], Iterable[Piece]]] = {
    "sliding_window": _sliding_window,
    "smart": _smart,
    "fifo": _fifo,
    "lifo": _lifo,
}
"""The strategies of `fit_messages` by name. `summarize_messages` is one more."""
