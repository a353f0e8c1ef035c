"""Calls that ask for an object: what is asked for, and the attempts of one that is not streamed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from exllm.structured.answer_so_far import Validator
from exllm.structured.attempts import Attempts, together, with_object, without_answer_tool
from exllm.structured.means import means_of
from exllm.structured.plan import Plan, make_plan
from exllm.types.message import Message
from exllm.types.normalise import Messages, normalise_messages
from exllm.types.options import STRUCTURED_OPTIONS, check_options
from exllm.types.response import Response

CHAT_RETRIES = 2
STREAM_RETRIES = 0
"""What was handed out cannot be taken back, so a stream begins again only where that was asked for."""


class Asked(msgspec.Struct, frozen=True):
    """What a call asks for beside an answer.

    Attributes:
        plan: how an answer becomes an object; None where only validators look at it.
        options: of the requests.
    """

    plan: Plan | None
    validators: tuple[Validator, ...]
    max_retries: int
    options: dict[str, Any]

    def attempts(self, messages: Messages) -> Attempts:
        """The attempts at an answer to `messages`."""
        return Attempts(self.plan, normalise_messages(messages), self.max_retries)


def asked_for(model: str, options: Mapping[str, Any], default_retries: int) -> Asked:
    """Take the options of this module out of a call's, and put in what they come to.

    Raises: what `check_options` and `make_plan` raise.
    """
    rest = {name: value for name, value in options.items() if name not in STRUCTURED_OPTIONS}
    mine = check_options({name: value for name, value in options.items() if name in STRUCTURED_OPTIONS})
    validators: tuple[Validator, ...] = mine.validators or ()
    retries = default_retries if mine.max_retries is None else mine.max_retries
    if mine.response_model is None:
        if mine.response_strategy is not None or not (validators or options.get("max_retries") is None):
            raise TypeError("response_strategy and max_retries are for calls with response_model or validators")
        return Asked(None, validators, retries, rest)
    plan = make_plan(mine.response_model, means_of(model), mine.response_strategy, rest)
    return Asked(plan, validators, retries, {**rest, **plan.options})


async def chat_for_object(
    asked: Asked, messages: Messages, ask: Callable[[tuple[Message, ...]], Awaitable[Response]]
) -> Response:
    """The first answer that is an object of the type; `ask` sends the messages.

    Raises: StructuredOutputError, and what `ask` raises.
    """
    attempts = asked.attempts(messages)
    responses: list[Response] = []
    while True:
        response = await ask(attempts.messages)
        if asked.plan is not None and asked.plan.tool:
            response = without_answer_tool(response, asked.plan.tool)
        responses.append(response)
        whole = together(responses)
        if attempts.accepts(whole):
            return with_object(whole, attempts)
