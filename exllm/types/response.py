"""A finished answer, or as much of one as there was."""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.types.chunks import FinishReason, TokenLogprob
from exllm.types.message import Message
from exllm.types.parts import Citation, Part, Reasoning, Refusal, Text, ToolCall
from exllm.types.plain import plain
from exllm.types.stats import StreamStats
from exllm.types.usage import Cost, Usage

DATA_VERSION = 1
"""The version tag that stored responses and requests carry."""


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the `n` answers. `finish_reason` is None when the answer was cut off."""

    message: Message
    index: int = 0
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    finish_message: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None


class Structured(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How an answer became an object.

    Attributes:
        strategy: how the model was held to the type: ``"schema"``, ``"tool"``, ``"json"``, or ``"grammar"`` where its
            tokens themselves are held to it, in a local model.
        attempts: how many answers it took.
        rejected: of each answer before, what was wrong with it.
    """

    strategy: str
    attempts: int = 1
    rejected: tuple[str, ...] = ()


_EMPTY_CHOICE = Choice(Message("assistant"))


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `chat` returns and a stream folds into.

    It is plain data: ``msgspec.json.decode(msgspec.json.encode(r), type=Response) == r`` as long as `parsed` and `raw`
    are JSON-like; `stored` makes them so. The properties speak of the first choice; `choices` holds all.

    Attributes:
        parsed: the object asked for with ``response_model``.
        structured: how it came about; `usage` and `cost` are those of all attempts.
        raw: the provider's own last object, with ``include_raw=True``.
        warnings: what was dropped or converted on the way, in words.
    """

    choices: tuple[Choice, ...] = ()
    usage: Usage = Usage()
    cost: Cost = Cost()
    model: str = ""
    provider: str = ""
    id: str | None = None
    request_id: str | None = None
    created: int | None = None
    stats: StreamStats | None = None
    warnings: tuple[str, ...] = ()
    parsed: Any = None
    raw: Any = None
    version: int = DATA_VERSION
    structured: Structured | None = None

    @property
    def _first(self) -> Choice:
        return self.choices[0] if self.choices else _EMPTY_CHOICE

    @property
    def message(self) -> Message:
        """The assistant's message, ready to be appended to the conversation."""
        return self._first.message

    @property
    def text(self) -> str:
        """The answer's text, ``""`` when there is none."""
        return self._first.message.text

    @property
    def parts(self) -> tuple[Part, ...]:
        """All content parts of the answer, in order."""
        return self._first.message.parts

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that the model wants you to make."""
        return self._first.message.tool_calls

    @property
    def reasoning(self) -> str:
        """The readable part of the model's thinking."""
        return "".join(part.text for part in self.parts if type(part) is Reasoning)

    @property
    def refusal(self) -> str | None:
        """The model's words for declining, or None."""
        return "".join(part.text for part in self.parts if type(part) is Refusal) or None

    @property
    def citations(self) -> tuple[Citation, ...]:
        """All sources cited, in order."""
        return tuple(citation for part in self.parts if type(part) is Text for citation in part.citations)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ended; None when it was cut off."""
        return self._first.finish_reason

    def stored(self) -> Response:
        """The same with `parsed` and `raw` as plain data, so that it can be encoded with any `response_model`.

        An object is not made again when it is read back: ``Model.model_validate(response.parsed)``, or
        ``msgspec.convert(response.parsed, Model)``, makes it.
        """
        return msgspec.structs.replace(self, parsed=plain(self.parsed), raw=plain(self.raw))

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...] | None:
        """Log probabilities of the text's tokens, when asked for."""
        return self._first.logprobs
