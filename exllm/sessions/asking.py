"""What a turn asks the model with: for an answer, for the rest of one that was cut off, for a summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from exllm.context.summary import Chat
from exllm.cost.totals import add_cost, add_usage, cost_without, usage_without
from exllm.sessions.session import Session
from exllm.sessions.shown import Shown
from exllm.streaming.stream import Stream
from exllm.types.cursor import Cursor, ResumeStrategy
from exllm.types.message import Message
from exllm.types.options import STRUCTURED_OPTIONS, Options, check_options
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.usage import Cost, Usage

if TYPE_CHECKING:
    from exllm.client import Client

_OF_RESUME = frozenset({"timeout", "budget", "api_key", "base_url"})


class Asking:
    """`Client.stream` for a run, with what the model is to be shown of its history."""

    def __init__(self, client: Client, shown: Shown) -> None:
        self._client = client
        self._shown = shown

    def __call__(self, model: str, history: tuple[Message, ...], **arguments: Any) -> Stream:
        return self._client.stream(model, self._shown(history), **arguments)


class AskingForRest(Asking):
    """The same, but what is asked for first is the rest of `partial`."""

    def __init__(self, client: Client, shown: Shown, partial: Response, strategy: ResumeStrategy) -> None:
        super().__init__(client, shown)
        self._partial = partial
        self._strategy: ResumeStrategy = strategy
        self._is_first = True

    def can(self, run: Run, arguments: Mapping[str, Any]) -> bool:
        """Whether `partial` can be gone on with; else the model is to be asked again."""
        options = {**run.options, **_options(arguments)}
        if not STRUCTURED_OPTIONS.isdisjoint(options):
            return False
        cursor = Cursor("", run.model, (), check_options(options), partial=self._partial)
        return cursor.obstacle is None and bool(cursor.text.strip())

    def without_partial(self, run: Run) -> Run:
        """`run` without what `partial` took: that will be counted as part of the whole answer."""
        if run.turns == 0:
            return msgspec.structs.replace(run, response=None, usage=Usage(), cost=Cost())
        usage, cost = usage_without(run.usage, self._partial.usage), cost_without(run.cost, self._partial.cost)
        return msgspec.structs.replace(run, usage=usage, cost=cost)

    def __call__(self, model: str, history: tuple[Message, ...], **arguments: Any) -> Stream:
        if not self._is_first:
            return super().__call__(model, history, **arguments)
        self._is_first = False
        options, extra = check_options(_options(arguments)), arguments.get("extra") or {}
        cursor = Cursor(secrets.token_hex(12), model, self._shown(history), options, extra, self._partial)
        how = {name: value for name, value in arguments.items() if name in _OF_RESUME}
        return self._client.resume(cursor, strategy=self._strategy, **how)


def chat_for_summary(client: Client, arguments: Mapping[str, Any], spent: list[Response]) -> Chat:
    """`Client.chat` with the key, the address and the limits of the turn; its answers are added to `spent`."""
    how = {name: arguments[name] for name in _OF_RESUME if name in arguments}

    async def chat(model: str, messages: Any, /, *, max_tokens: int | None) -> Response:
        reply = await client.chat(model, messages, max_tokens=max_tokens, **how)
        spent.append(reply)
        return reply

    return chat


def with_spent(session: Session, replies: list[Response]) -> Session:
    """`session` with what `replies` took."""
    usage, cost = session.settled_usage, session.settled_cost
    for reply in replies:
        usage = reply.usage if usage is None else add_usage(usage, reply.usage)
        cost = reply.cost if cost is None else add_cost(cost, reply.cost)
    return msgspec.structs.replace(session, settled_usage=usage, settled_cost=cost)


def _options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in Options.__struct_fields__ and value is not None}
