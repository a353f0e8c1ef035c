"""Answers that are judged one after the other, until one is an object of the type. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from exllm.cost.totals import add_cost, add_usage
from exllm.errors import (
    StructuredOutputError,
    StructuredOutputInvalid,
    StructuredOutputRefused,
    StructuredOutputTruncated,
)
from exllm.structured.plan import Plan
from exllm.types.chunks import Chunk, Finish, TextDelta, ToolCallDelta
from exllm.types.message import Message
from exllm.types.parts import Part, Text, ToolCall
from exllm.types.response import Response, Structured
from exllm.types.typed import TypeMismatch, json_schema_of

RETRY_EVENT = "exllm.retry"
"""The `ProviderEvent` in a stream that begins again: what came before is not of the answer."""

_AGAIN = "That answer cannot be used: {problems}. Answer again, with the whole answer."
_ANSWER_PART = 1_000_000
"""The number of the text part that the arguments of the answer's tool become: no text beside a call has it."""


class Attempts:
    """The answers to one question, each judged when it is there.

    Args:
        plan: how an answer becomes an object; None where validators alone look at it.
        messages: the conversation.
        max_retries: how many answers may be sent back.

    Attributes:
        messages: what to send next: the conversation, and behind it the last answer and what is wrong with it.
        parsed: the object, when an answer was accepted.
        structured: how it came about.
    """

    def __init__(self, plan: Plan | None, messages: tuple[Message, ...], max_retries: int) -> None:
        self.plan = plan
        self.messages = messages if plan is None else plan.with_system(messages)
        self.parsed: object = None
        self.structured: Structured | None = None
        self._begun = self.messages
        self._retries_left = max_retries
        self._rejected: list[str] = []

    @property
    def last_problem(self) -> str:
        """What was wrong with the last answer that was sent back."""
        return self._rejected[-1]

    def accepts(self, response: Response, complaint: str | None = None) -> bool:
        """Whether the answer will do; if not, `messages` are those of the next attempt.

        An answer that calls tools of the user's is accepted as it is, and `parsed` stays None: it is not the last.

        Args:
            complaint: of a validator.

        Raises: StructuredOutputError when there is no next attempt, or it would be no use.
        """
        error = self._fault(response, complaint)
        if error is None:
            if self.plan is not None:
                self.structured = Structured(self.plan.strategy, len(self._rejected) + 1, tuple(self._rejected))
            return True
        if not error.retryable or not self._retries_left:
            error.attempts = len(self._rejected) + 1
            raise error
        self._retries_left -= 1
        problems = "; ".join(error.problems)
        self._rejected.append(problems)
        said = _said(response, is_whole=complaint is None)
        again = Message("user", _AGAIN.format(problems=problems))
        self.messages = (*self._begun, *said, again)
        return False

    def _fault(self, response: Response, complaint: str | None) -> StructuredOutputError | None:
        facts: dict[str, Any] = {
            "raw": response.text,
            "provider": response.provider,
            "model": response.model,
            "partial": response,
        }
        if complaint is not None:
            return StructuredOutputInvalid(
                f"a validator stopped the answer: {complaint}", problems=(complaint,), **facts
            )
        if self.plan is None or response.tool_calls:
            return None
        if response.refusal is not None or response.finish_reason in ("refusal", "content_filter"):
            words = response.refusal or f"it ended with {response.finish_reason!r}"
            return StructuredOutputRefused(f"the model gave no answer: {words}", problems=(words,), **facts)
        try:
            self.parsed = self.plan.read(response.text)
        except TypeMismatch as mismatch:
            if response.finish_reason == "length":
                return StructuredOutputTruncated(
                    "the answer reached its token limit before its end: raise max_tokens, or ask for less",
                    problems=("the answer was cut off",),
                    **facts,
                )
            problems = tuple(words if path == "$" else f"at {path}: {words}" for path, words in mismatch.problems)
            return StructuredOutputInvalid(
                f"the answer is not what response_model asks for: {mismatch}", problems=problems, **facts
            )
        return None


def _said(response: Response, *, is_whole: bool) -> tuple[Message, ...]:
    """The answer as it goes back: one that was stopped loses all but its text, which may be broken off anywhere."""
    message = response.message
    if not is_whole:
        return (Message("assistant", message.text),) if message.text.strip() else ()
    return (message,) if any(not isinstance(part, Text) or part.text.strip() for part in message.parts) else ()


def object_of(response: Response, type_: Any) -> Any:
    """The object of `type_` that the answer to a plain call is. Raises StructuredOutputError."""
    attempts = Attempts(Plan("schema", type_, json_schema_of(type_), False, {}), (), 0)
    attempts.accepts(response)
    return attempts.parsed


def with_object(response: Response, attempts: Attempts) -> Response:
    """The response, with the object and how it came about."""
    warnings = () if attempts.plan is None else attempts.plan.warnings
    return msgspec.structs.replace(
        response, parsed=attempts.parsed, structured=attempts.structured, warnings=(*warnings, *response.warnings)
    )


def together(responses: Iterable[Response]) -> Response:
    """The last response, with the usage and cost of all."""
    first, *rest = responses
    usage, cost = first.usage, first.cost
    for response in rest:
        usage, cost = add_usage(usage, response.usage), add_cost(cost, response.cost)
    return msgspec.structs.replace(rest[-1] if rest else first, usage=usage, cost=cost)


# -- the answer is the arguments of a tool


def without_answer_tool(response: Response, tool: str) -> Response:
    """The response with the arguments of `tool` as its text, so that the message can go into a conversation."""
    choices = []
    for choice in response.choices:
        parts: tuple[Part, ...] = tuple(
            Text(part.arguments) if isinstance(part, ToolCall) and part.name == tool else part
            for part in choice.message.parts
        )
        if parts != choice.message.parts:
            message = msgspec.structs.replace(choice.message, content=parts)
            reason = choice.finish_reason
            if reason == "tool_calls" and not message.tool_calls:
                reason = "stop"
            choice = msgspec.structs.replace(choice, message=message, finish_reason=reason)
        choices.append(choice)
    return msgspec.structs.replace(response, choices=tuple(choices))


class AnswerToolChunks:
    """As `without_answer_tool`, chunk by chunk."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._is_answer: dict[tuple[int, int], bool] = {}

    def translated(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks, with text for each piece of the arguments."""
        return [there for chunk in chunks if (there := self._translated(chunk)) is not None]

    def _translated(self, chunk: Chunk) -> Chunk | None:
        if isinstance(chunk, ToolCallDelta):
            key = (chunk.index, chunk.call)
            if chunk.name or key not in self._is_answer:
                self._is_answer[key] = chunk.name == self._tool
            if self._is_answer[key]:
                return TextDelta(chunk.arguments, chunk.index, _ANSWER_PART) if chunk.arguments else None
        elif isinstance(chunk, Finish) and chunk.reason == "tool_calls":
            mine = [is_answer for (index, _), is_answer in self._is_answer.items() if index == chunk.index]
            if mine and all(mine):
                return msgspec.structs.replace(chunk, reason="stop")
        return chunk
