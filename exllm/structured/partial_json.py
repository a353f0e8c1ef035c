"""The value of a JSON text that is not over yet."""

from __future__ import annotations

from typing import Any

from exllm.structured.json_reader import JSONReader, JSONSyntaxError

__all__ = ["JSONSyntaxError", "PartialJSON"]


class PlainBuilder:
    """Dicts, lists, strings and numbers that grow in place; see `exllm.structured.json_reader.Builder`."""

    def __init__(self) -> None:
        self.has_value = False
        self.value: Any = None
        self._stack: list[Any] = []
        self._keys: list[str] = []
        self._key = ""

    @property
    def has_content(self) -> bool:
        """More than the beginning of an object or array."""
        return bool(self.value)

    def start_object(self) -> None:
        self._descend({})

    def start_array(self) -> None:
        self._descend([])

    def end(self) -> None:
        self._stack.pop()
        self._key = self._keys.pop()

    def key(self, name: str) -> None:
        self._key = name

    def scalar(self, value: Any) -> None:
        self._place(value)

    def start_string(self) -> None:
        self._place("")

    def grow_string(self, piece: str) -> None:
        # The slot lets go of the text first: Python then lengthens it where it lies, instead of copying all of it.
        if not self._stack:
            text, self.value = self.value, None
            text += piece
            self.value = text
            return
        container = self._stack[-1]
        slot = -1 if type(container) is list else self._key
        text = container[slot]
        container[slot] = None
        text += piece
        container[slot] = text

    def end_string(self) -> None:
        """The text is there already."""

    def _descend(self, container: Any) -> None:
        self._place(container)
        self._stack.append(container)
        self._keys.append(self._key)

    def _place(self, value: Any) -> None:
        if not self._stack:
            self.value, self.has_value = value, True
            return
        container = self._stack[-1]
        if type(container) is list:
            container.append(value)
        else:
            container[self._key] = value


class PartialJSON:
    """Turn JSON text that comes in pieces into a value that is there from the first character on.

    ::

        partial = PartialJSON()
        partial.feed('{"name": "Ad')
        partial.value                       # {"name": "Ad"}
        partial.feed('a", "age": 3')
        partial.value                       # {"name": "Ada"}: 3 may yet become 36
        partial.feed("6}")
        partial.close()                     # {"name": "Ada", "age": 36}

    What is not whole is told so: strings as far as they have come; numbers, true, false and null when they are over;
    a key when its value has begun. So the value only ever grows (where an object names a key twice, the later one
    counts, as in `json.loads`).

    The containers are the same objects all along and grow in place: copy what you want to keep as it is now. A piece
    costs the same however much came before it.

    Raises (from `feed` and `close`): JSONSyntaxError; `value` keeps what had come.
    """

    def __init__(self) -> None:
        self._builder = PlainBuilder()
        self._reader = JSONReader(self._builder)

    @property
    def value(self) -> Any:
        """The value so far; None before it has begun, which `has_value` tells from a JSON null."""
        return self._builder.value

    @property
    def has_value(self) -> bool:
        """Something of the value has come."""
        return self._builder.has_value

    @property
    def is_done(self) -> bool:
        """The value is whole; only white space may follow."""
        return self._reader.is_done

    def feed(self, text: str) -> None:
        """Read more of the text."""
        self._reader.feed(text)

    def close(self) -> Any:
        """The text is over: the whole value. Raises JSONSyntaxError when it is not whole."""
        self._reader.close()
        return self.value
