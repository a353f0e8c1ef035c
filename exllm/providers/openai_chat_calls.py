"""Fragments of tool calls to positions: which call does this piece belong to?

OpenAI numbers its calls and names the id once. Others leave out the index (Mistral), the id after the first piece or
altogether (Gemini), give every call the index 0 (Ollama before 0.5, Gemini), make up a new id for every piece (vLLM
before 0.9), or repeat the id in each piece. The rules, in this order:

1. A known index is its call, unless both have a name and something else shows that a new call has begun: another id,
   another name, or that the call at that index was complete in its first piece.
2. Without an index, a known id is its call.
3. Without an index, a piece with a name, or with an unknown id when there is no call yet, begins a call.
4. Otherwise it continues: the call at the same place of the list if several pieces came together, else the last call.
"""

from __future__ import annotations

import msgspec

from exllm.providers.openai_chat_events import FunctionPiece, ToolCallPiece, google_signature
from exllm.types.chunks import ToolCallDelta

CUSTOM_SIGNATURE = "custom"
"""`ToolCall.signature` of OpenAI's custom tools, whose input is free text: the call must go back as one."""


class _Call:
    __slots__ = ("complete", "id", "name", "position")

    def __init__(self, position: int) -> None:
        self.position = position
        self.id = ""
        self.name = ""
        self.complete = False  # its first piece had all of its arguments


class Calls:
    """The tool calls of one choice, in the order in which they began."""

    __slots__ = ("_all", "_by_id", "_by_index", "_executed", "_last", "_legacy", "any_for_caller")

    def __init__(self) -> None:
        self.any_for_caller = False
        self._all: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._last: _Call | None = None
        self._legacy: _Call | None = None
        self._executed: set[object] = set()

    def pieces(self, pieces: list[ToolCallPiece], index: int, *, whole: bool = False) -> list[ToolCallDelta]:
        """The chunks for one delta's list of pieces; with `whole` every piece is a call of its own."""
        chunks: list[ToolCallDelta] = []
        for place, piece in enumerate(pieces):
            function = piece.function
            name = function.name or "" if function is not None else ""
            given = function.arguments if function is not None else ""
            signature = None
            custom = piece.custom
            if custom is not None and (custom.name or custom.input):
                name, given, signature = custom.name or name, custom.input or given, CUSTOM_SIGNATURE
            if piece.extra_content is not None:
                signature = google_signature(piece.extra_content) or signature
            arguments = given if type(given) is str else _json_text(given)
            if whole:
                call: _Call | None = None
            else:
                call = self._known(piece, name, arguments, place, len(pieces))
                if call is None and not (name or piece.id or arguments):
                    continue
            if call is None:
                call = self._begin(piece.index)
                call.complete = arguments != "" and _is_json(arguments)
                fresh = True
            else:
                fresh = False
            self._last = call
            new_id = new_name = ""
            if piece.id and not call.id:
                call.id = new_id = piece.id
                self._by_id.setdefault(piece.id, call)
            if name and not call.name:
                call.name = new_name = name
            if fresh or new_id or new_name or arguments or signature:
                chunks.append(ToolCallDelta(call.position, new_id, new_name, arguments, index, signature=signature))
        return chunks

    def legacy(self, function: FunctionPiece, index: int) -> list[ToolCallDelta]:
        """The chunk for a piece of ``function_call``, of which there is one."""
        name = function.name or ""
        given = function.arguments
        arguments = given if type(given) is str else _json_text(given)
        if not (name or arguments):
            return []
        call = self._legacy
        if call is None:
            call = self._legacy = self._begin(None)
        new_name = "" if call.name else name
        call.name = call.name or name
        return [ToolCallDelta(call.position, "", new_name, arguments, index)]

    def executed(self, number: object) -> int | None:
        """The position for a tool that the provider ran, None when it has one already."""
        if number in self._executed:
            return None
        self._executed.add(number)
        call = _Call(len(self._all))
        self._all.append(call)
        return call.position

    def _known(self, piece: ToolCallPiece, name: str, arguments: str, place: int, together: int) -> _Call | None:
        id_ = piece.id or ""
        if piece.index is not None:
            call = self._by_index.get(piece.index)
            if call is None or not name or not call.name:
                return call
            if id_ and call.id:
                return call if id_ == call.id else self._by_id.get(id_)
            return None if name != call.name or (call.complete and arguments) else call
        if id_ and id_ in self._by_id:
            return self._by_id[id_]
        if name or not self._all:
            return None
        if together > 1:
            first = max(0, len(self._all) - together)
            return self._all[min(first + place, len(self._all) - 1)]
        return self._last

    def _begin(self, number: int | None) -> _Call:
        call = _Call(len(self._all))
        self._all.append(call)
        if number is not None:
            self._by_index[number] = call
        self.any_for_caller = True
        return call


def _json_text(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
