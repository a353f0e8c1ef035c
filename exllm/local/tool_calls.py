"""Find the tool calls in what a model writes."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from uuid import uuid4

import msgspec

from exllm.local.prompt import CallStyle
from exllm.types.chunks import Chunk, TextDelta, ToolCallDelta

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_MISTRAL = "[TOOL_CALLS]"
_PYTHON_TAG = "<|python_tag|>"  # Llama 3.x puts it before some calls


class ToolCallReader:
    """Turns the text of an answer into chunks, with the calls in it as `ToolCallDelta`, each whole.

    A call is JSON with ``name`` and ``arguments`` or ``parameters``, and names one of the tools. ``tagged``: each is
    between ``<tool_call>`` and ``</tool_call>``, text may be around it. ``mistral``: ``[TOOL_CALLS]`` and a list.
    ``bare``: the whole answer is a call, or a list of calls. What turns out to be no call is given as text, unchanged.
    """

    def __init__(self, style: CallStyle, names: Collection[str]) -> None:
        self._style = style
        self._names = names
        self._held = ""
        self._is_call = style == "bare"  # within a call, or what may be one
        self._has_text = False  # since the last call
        self.calls = 0

    def feed(self, text: str) -> list[Chunk]:
        """The chunks that are certain by now."""
        self._held += text
        if self._style == "tagged":
            return self._tagged()
        if self._is_call:
            return [] if self._style == "mistral" else self._bare_or_not()
        return self._until(_MISTRAL)

    def close(self) -> list[Chunk]:
        """What is left when the answer ends."""
        held, self._held = self._held, ""
        if not held or (self.calls and not held.strip()):
            return []
        if self._is_call and self._style != "tagged":
            text = held.strip().removeprefix(_PYTHON_TAG if self._style == "bare" else _MISTRAL)
            if calls := self._read(text):
                return calls
        return [TextDelta(held)]

    def _tagged(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        while True:
            if not self._is_call:
                chunks += self._until(_OPEN)
                if not self._is_call:
                    return chunks
            end = self._held.find(_CLOSE)
            if end < 0:
                return chunks
            whole, self._held = self._held[: end + len(_CLOSE)], self._held[end + len(_CLOSE) :]
            self._is_call = False
            # Without a call in it, it is text that happens to hold the tags.
            chunks += self._read(whole[len(_OPEN) : end]) or [TextDelta(whole)]

    def _until(self, marker: str) -> list[Chunk]:
        """Text up to `marker`, or up to what may be its beginning."""
        at = self._held.find(marker)
        if at >= 0:
            self._is_call = True
        else:
            at = len(self._held)
            for length in range(min(len(self._held), len(marker) - 1), 0, -1):
                if self._held.endswith(marker[:length]):
                    at -= length
                    break
        # The line breaks that models put before, between and after calls are no text; which they are, shows later.
        if not self._has_text and not self._held[:at].strip():
            if self._is_call:
                self._held = self._held[at:]
            return []
        text, self._held = self._held[:at], self._held[at:]
        self._has_text = not self._is_call
        return [TextDelta(text)] if text else []

    def _bare_or_not(self) -> list[Chunk]:
        start = self._held.lstrip()
        if not start or start[0] in "{[" or _PYTHON_TAG.startswith(start[: len(_PYTHON_TAG)]):
            return []
        self._is_call = False
        self._style = "tagged"  # plain text; should tagged calls follow, they are found as well
        return self._tagged()

    def _read(self, text: str) -> list[Chunk]:
        """The calls written in `text`; none unless all of it is calls."""
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return []
        entries = value if isinstance(value, list) else [value]
        found: list[tuple[str, Any]] = []
        for entry in entries:
            if not isinstance(entry, dict) or entry.get("name") not in self._names:
                return []
            found.append((entry["name"], entry.get("arguments", entry.get("parameters", {}))))
        chunks: list[Chunk] = []
        for name, arguments in found:  # nine characters, because Mistral's templates accept no other length
            written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            chunks.append(ToolCallDelta(self.calls, uuid4().hex[:9], name, written))
            self.calls += 1
        return chunks
