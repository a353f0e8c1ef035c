"""Reasoning: how a request asks for it, and OpenRouter's ``reasoning_details``, which must go back as they came.

Source: openrouter.ai/docs, "Preserving reasoning blocks". A block is readable text (``reasoning.text`` with an optional
signature, ``reasoning.summary``) or ``reasoning.encrypted``. A signature is worth nothing without the block's `format`,
`id` and `index`. So the opaque token that a `Reasoning` part carries is the provider's name, a colon and JSON: in
`signature` the block without its text, one line for each piece that said something new, in `redacted` a whole encrypted
block. Blocks that the caller gave as dicts have no name before them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from exllm.errors import UnsupportedOption
from exllm.providers.spec import ProviderSpec
from exllm.types.chunks import ReasoningDelta
from exllm.types.options import Options
from exllm.types.parts import Reasoning

_TEXT_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}
_PLAIN_FORMATS = (None, "", "unknown")  # plain text of these needs no token


def reasoning_fields(options: Options, spec: ProviderSpec) -> dict[str, Any]:
    """The body's fields for `reasoning_effort` and `thinking`.

    Raises `UnsupportedOption` for a token budget where the service has only a switch.
    """
    effort, thinking, quirks = options.reasoning_effort, options.thinking, spec.quirks
    if "reasoning_object" in quirks:
        asked = {} if thinking is None else _reasoning_object(thinking)
        if effort is not None:
            asked["effort"] = effort
        return {"reasoning": asked} if asked else {}
    fields: dict[str, Any] = {} if effort is None else {"reasoning_effort": effort}
    if thinking is None:
        return fields
    own = thinking if isinstance(thinking, dict) else None
    budget = thinking if isinstance(thinking, int) and not isinstance(thinking, bool) and thinking > 0 else None
    if "enable_thinking" in quirks:
        switch = {"enable_thinking": bool(thinking)} if own is None else own
        return {**fields, **switch, **({} if budget is None else {"thinking_budget": budget})}
    if budget is not None:
        raise UnsupportedOption(
            f"{spec.label} can switch thinking on and off, but takes no token budget for it; use True or False, or "
            f"reasoning_effort",
            provider=spec.name,
        )
    if "template_thinking" in quirks:
        fields["chat_template_kwargs"] = {"enable_thinking": bool(thinking)} if own is None else own
    elif "reasoning_switch" in quirks:
        fields["reasoning"] = {"enabled": bool(thinking)} if own is None else own
    else:
        fields["thinking"] = {"type": "enabled" if thinking else "disabled"} if own is None else own
    return fields


def _reasoning_object(thinking: bool | int | dict[str, Any]) -> dict[str, Any]:
    if isinstance(thinking, dict):
        return dict(thinking)
    if isinstance(thinking, bool) or thinking <= 0:
        return {"enabled": bool(thinking)}
    return {"max_tokens": thinking}


class ReasoningParts:
    """Numbers the blocks of one choice in the order in which they began, and makes their chunks.

    Args:
        provider: whose blocks they are; nobody else can read what is signed or encrypted in them.
    """

    __slots__ = ("_described", "_numbers", "_owner")

    def __init__(self, provider: str) -> None:
        self._owner = f"{provider}:"
        self._numbers: dict[object, int] = {}
        self._described: set[int] = set()

    def text(self, thought: str, index: int) -> ReasoningDelta:
        """A piece of plain thought."""
        return ReasoningDelta(thought, index, self._number(0))

    def details(self, blocks: list[dict[str, Any]], plain: str | None, index: int) -> list[ReasoningDelta]:
        """The chunks of one delta. `plain` is the same thought as a string, for blocks that have none readable."""
        chunks: list[ReasoningDelta] = []
        if plain and not any(_text_of(block) for block in blocks):
            chunks.append(self.text(plain, index))
        for block in blocks:
            kind, place = str(block.get("type")), _whole_number(block.get("index"))
            field = _TEXT_FIELDS.get(kind)
            id_ = _string(block.get("id"))
            if field is None:
                number = self._number((place, len(self._numbers)))
                token = self._owner + msgspec.json.encode(block).decode()
                chunks.append(ReasoningDelta("", index, number, redacted=token, id=id_))
                continue
            number = self._number(place)
            signed = block.get("signature") is not None
            described = number in self._described or (
                kind == "reasoning.text" and block.get("format") in _PLAIN_FORMATS
            )
            line = None
            if signed or not described:
                self._described.add(number)
                rest = {name: value for name, value in block.items() if name != field}
                line = f"{self._owner}{msgspec.json.encode(rest).decode()}\n"
            text = _text_of(block)
            if text or line:
                chunks.append(ReasoningDelta(text, index, number, line, id=id_))
        return chunks

    def _number(self, key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def blocks_of(parts: Iterable[Reasoning], provider: str) -> list[dict[str, Any]]:
    """The ``reasoning_details`` of `provider` that `parts` were made of; what others signed is left out."""
    return [block for part in parts if (block := _block_of(part, f"{provider}:")) is not None]


def _block_of(part: Reasoning, owner: str) -> dict[str, Any] | None:
    if part.redacted is not None:
        return _merged(part.redacted, owner)
    block = _merged(part.signature, owner) if part.signature is not None else {"type": "reasoning.text"}
    if block is None:
        return None  # signed by somebody else
    return {**block, _TEXT_FIELDS.get(str(block["type"]), "text"): part.text}


def _merged(lines: str, owner: str) -> dict[str, Any] | None:
    block: dict[str, Any] = {}
    for line in lines.splitlines():
        try:
            block.update(msgspec.json.decode(line.removeprefix(owner), type=dict[str, Any]))
        except msgspec.DecodeError:
            return None
    return block if "type" in block else None


def _text_of(block: dict[str, Any]) -> str:
    field = _TEXT_FIELDS.get(str(block.get("type")))
    value = block.get(field) if field else None
    return value if isinstance(value, str) else ""


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) else 0
