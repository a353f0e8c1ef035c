"""Reasoning items of the Responses API to `Reasoning` parts, and back.

One item may hold several summaries, and readable content besides. Each becomes a part with the item's id. The last of
them has the signature: text that names the provider, the encrypted content, and how many of the parts are summaries.
Source: https://developers.openai.com/api/docs/guides/reasoning#keeping-reasoning-items-in-context
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from exllm.types.parts import Part, Reasoning

Item = dict[str, Any]


_PREFIX = "openai_reasoning:"  # so that it is JSON to nobody else: other wires read signatures that are


class Signature(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a reasoning item holds besides its texts.

    Attributes:
        provider: whose item it is; nobody else can read it.
        summaries: how many of the item's parts, counted from the first, are summaries; the others are its content.
        encrypted: the reasoning itself, readable to the provider alone.
    """

    provider: str
    summaries: int = 0
    encrypted: str | None = None

    def write(self) -> str:
        """As the text that `Reasoning.signature` keeps."""
        return _PREFIX + msgspec.json.encode(self).decode()


_decode = msgspec.json.Decoder(Signature).decode


def read_signature(text: str | None) -> Signature | None:
    """The signature in `text`; None for one of another protocol."""
    if text is None or not text.startswith(_PREFIX):
        return None
    try:
        return _decode(text[len(_PREFIX) :])
    except (msgspec.DecodeError, RecursionError):
        return None


def grouped(parts: Iterable[Part]) -> Iterator[Part | list[Reasoning]]:
    """The parts in order, those of one reasoning item together."""
    run: list[Reasoning] = []
    for part in parts:
        if isinstance(part, Reasoning):
            if run and part.id != run[0].id:
                yield run
                run = []
            run.append(part)
            if part.signature is not None or part.redacted is not None:
                yield run
                run = []
            continue
        if run:
            yield run
            run = []
        yield part
    if run:
        yield run


def reasoning_item(parts: list[Reasoning], provider: str, *, with_id: bool) -> Item | None:
    """The item that `parts` were; None when it is not the provider's, or cannot go back because part of it is missing.

    Items with encrypted content say all by themselves: without an id they are right whatever became of the items
    around them, and need not be stored. Others go back with their id.
    """
    signature = read_signature(parts[-1].signature)
    if signature is None or signature.provider != provider:
        return None
    texts = [part.text for part in parts if part.text]
    item: Item = {"type": "reasoning"}
    if parts[0].id is not None and (with_id or signature.encrypted is None):
        item["id"] = parts[0].id
    item["summary"] = [{"type": "summary_text", "text": text} for text in texts[: signature.summaries]]
    content = [{"type": "reasoning_text", "text": text} for text in texts[signature.summaries :]]
    if content:
        item["content"] = content
    if signature.encrypted is not None:
        item["encrypted_content"] = signature.encrypted
    return item
