"""Which item of an answer does this event belong to?

The API numbers its items (`output_index`) and says when each begins and when it is done. Services leave out the number,
give all items the same one, do not say that an item begins, or say all of it at the end.
"""

from __future__ import annotations

from typing import Any

from exllm.providers.openai_responses_items import ItemDecoder, OutputItem
from exllm.types.chunks import Chunk

Item = dict[str, Any]


class OutputItems:
    """The items of one answer, in the order in which they began.

    Args:
        decoder: makes the chunks of each; they are appended to the list that a method is given.
    """

    __slots__ = ("_by_place", "_decoder")

    def __init__(self, decoder: ItemDecoder) -> None:
        self._decoder = decoder
        self._by_place: dict[int, OutputItem] = {}  # below zero: those whose number was given to another one

    def __bool__(self) -> bool:
        return bool(self._by_place)

    def find(self, place: int | None, id_: str | None, kind: str) -> OutputItem:
        """The item that a piece belongs to; made up where the service did not say that it begins."""
        if place is None:
            alike = self._called(id_) or [state for state in self._by_place.values() if state.kind == kind]
            if alike:
                return alike[-1]
            place = len(self._by_place)
        state = self._by_place.get(place)
        if state is None:
            state = self._by_place[place] = OutputItem(kind, id_)
        return state

    def add(self, item: Item, place: int | None, chunks: list[Chunk]) -> OutputItem:
        """An item begins."""
        if place is None:
            place = len(self._by_place)
        known = self._by_place.get(place)
        if known is not None:
            if not known.first and known.kind == item.get("type"):  # its pieces came first
                known.first = item
                return known
            self._decoder.finish(known, known.first, chunks)
            self._by_place[-len(self._by_place) - 1] = known
        state = self._by_place[place] = self._decoder.begin(item, chunks)
        return state

    def finish(self, item: Item, place: int | None, chunks: list[Chunk]) -> None:
        """An item is done."""
        alike = self._called(item.get("id")) if place is None else []
        state = alike[-1] if alike else self._by_place.get(len(self._by_place) if place is None else place)
        if state is None:
            state = self.add(item, place, chunks)
        self._decoder.finish(state, item, chunks)

    def finish_all(self, output: list[Any], chunks: list[Chunk]) -> None:
        """The answer is over; `output` says all of its items once more, or for the first time."""
        for place, state in list(self._by_place.items()):
            if not state.is_done:
                said = output[place] if place < len(output) else None
                if not isinstance(said, dict) or said.get("type") != state.kind:
                    said = state.first
                self._decoder.finish(state, said, chunks)
        if len(output) > len(self._by_place):  # never streamed, or an answer that was not a stream
            for place, item in enumerate(output):
                if place not in self._by_place:
                    self.finish(item, place, chunks)

    def _called(self, id_: Any) -> list[OutputItem]:
        return [state for state in self._by_place.values() if id_ is not None and state.id == id_]
