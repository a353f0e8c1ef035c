"""The values at a path of a JSON text, each as soon as it is whole. Sans-IO."""

from __future__ import annotations

from typing import Any

from exllm.structured.json_path import parse_path
from exllm.structured.json_reader import JSONReader
from exllm.structured.partial_json import PlainBuilder


class ItemReader:
    """Reads JSON text in pieces, and gives every value that stands at `path`, in order.

    Nothing is kept of what stands elsewhere, nor of values that were given: memory is that of the largest value.

    Args:
        path: see `exllm.structured.json_path.parse_path`.

    Raises: ValueError for a path that cannot be followed; JSONSyntaxError (from `feed` and `close`): the items that
        were whole before are in `take()`.
    """

    def __init__(self, path: str) -> None:
        self._builder = ItemBuilder(path)
        self._reader = JSONReader(self._builder)

    @property
    def is_done(self) -> bool:
        """The document is whole."""
        return self._reader.is_done

    def feed(self, text: str) -> list[tuple[str, Any]]:
        """Read more, and return the values that became whole, each with its own path, such as ``$.rows[7]``."""
        self._reader.feed(text)
        return self.take()

    def take(self) -> list[tuple[str, Any]]:
        """The values that are whole and were not given yet."""
        found, self._builder.found = self._builder.found, []
        return found

    def close(self) -> list[tuple[str, Any]]:
        """The text is over."""
        self._reader.close()
        return self.take()


class ItemBuilder:
    """Follows the path down; inside a value that stands at its end, `PlainBuilder` builds."""

    def __init__(self, path: str) -> None:
        self._steps = parse_path(path)
        self._places: list[str | int] = []  # the key or the position in each open container outside of a value
        self._skipped = 0  # open containers off the path
        self._value: PlainBuilder | None = None
        self._depth = 0  # open containers inside the value
        self.found: list[tuple[str, Any]] = []
        self.has_content = False  # more than the beginning of an object or array

    def start_object(self) -> None:
        if self._enters():
            assert self._value is not None
            self._value.start_object()
        elif not self._skipped:
            self._places.append("")

    def start_array(self) -> None:
        if self._enters():
            assert self._value is not None
            self._value.start_array()
        elif not self._skipped:
            self._places.append(-1)

    def end(self) -> None:
        if self._value is not None:
            self._value.end()
            self._depth -= 1
            if not self._depth:
                self._give(self._value.value)
        elif self._skipped:
            self._skipped -= 1
        else:
            self._places.pop()

    def key(self, name: str) -> None:
        if self._value is not None:
            self._value.key(name)
        elif not self._skipped:
            self._places[-1] = name

    def scalar(self, value: Any) -> None:
        if self._value is not None:
            self._value.scalar(value)
        elif self._begins() and len(self._places) == len(self._steps):
            self._give(value)

    def start_string(self) -> None:
        if self._value is not None:
            self._value.start_string()
        elif self._begins() and len(self._places) == len(self._steps):
            self._value = PlainBuilder()
            self._value.start_string()

    def grow_string(self, piece: str) -> None:
        if self._value is not None:
            self._value.grow_string(piece)

    def end_string(self) -> None:
        if self._value is not None and not self._depth:
            self._give(self._value.value)

    def _enters(self) -> bool:
        """A container begins: whether it is, or lies in, a value at the end of the path."""
        if self._value is None:
            if not self._begins():
                self._skipped += 1
                return False
            if len(self._places) < len(self._steps):
                return False
            self._value = PlainBuilder()
        self._depth += 1
        return True

    def _begins(self) -> bool:
        """A value begins outside of those that are built: whether it lies on the path."""
        places = self._places
        self.has_content = bool(places)
        if self._skipped:
            return False
        if not places:
            return True
        place = places[-1]
        if isinstance(place, int):
            place = places[-1] = place + 1
        step = self._steps[len(places) - 1]
        return step is None or (step == place and type(step) is type(place))

    def _give(self, value: Any) -> None:
        self.found.append((_written(self._places), value))
        self._value = None


def _written(places: list[str | int]) -> str:
    return "$" + "".join(f"[{place}]" if isinstance(place, int) else _field(place) for place in places)


def _field(name: str) -> str:
    return f".{name}" if name.isidentifier() else f"[{name!r}]"
