"""An object of a type whose JSON is not over yet. Sans-IO."""

from __future__ import annotations

from typing import Any

from exllm.structured.json_reader import JSONReader
from exllm.structured.partial_json import PlainBuilder
from exllm.structured.shapes import Fields, Items, Plain, Shape, Text, Values, Whole, shape_of
from exllm.types.typed import TypeMismatch, convert


class PartialObject:
    """Turn JSON text that comes in pieces into an object that is there from its first character on.

    `value` is an object of the class itself (a list or dict of them), and grows in place:

    - a field that has not come is None, in a TypedDict absent; when its object is whole, it has its default;
    - strings, lists, dicts with text keys and objects grow; the last of a list is the one that grows;
    - all else (numbers, enums, dates, tuples, unions of several types, ...) comes when it is whole, as what its type
      says, and is not in a list or dict before;
    - what does not fit its type is None; whoever needs the whole object checks the whole text.

    Nothing is validated on the way but the types of single values: no ``__post_init__``, no pydantic validator runs.
    A piece costs the same however much came before it.

    Raises (from `feed` and `close`): JSONSyntaxError.
    """

    def __init__(self, type_: Any) -> None:
        self._builder = TypedBuilder(type_)
        self._reader = JSONReader(self._builder)

    @property
    def value(self) -> Any:
        """The object so far, always the same; None before it has begun."""
        return self._builder.value

    @property
    def is_done(self) -> bool:
        """The document is whole."""
        return self._reader.is_done

    def feed(self, text: str) -> None:
        """Read more of the text."""
        self._reader.feed(text)

    def close(self) -> Any:
        """The text is over."""
        self._reader.close()
        return self.value


class _Root:
    """Where the outermost value stands."""

    def __init__(self, builder: TypedBuilder, shape: Shape) -> None:
        self._builder = builder
        self.next: Shape | None = shape

    def put(self, value: Any) -> None:
        self._builder.value = value

    replace = put

    def last(self) -> Any:
        return self._builder.value


class _List:
    def __init__(self, items: list[Any], shape: Items) -> None:
        self._items = items
        self.next: Shape | None = shape.item
        self.put = items.append

    def replace(self, value: Any) -> None:
        self._items[-1] = value

    def last(self) -> Any:
        return self._items[-1]


class _Dict:
    def __init__(self, values: dict[str, Any], shape: Values) -> None:
        self._values = values
        self.next: Shape | None = shape.value
        self.key = ""

    def put(self, value: Any) -> None:
        self._values[self.key] = value

    replace = put

    def last(self) -> Any:
        return self._values[self.key]


class _Object:
    """An object with fields; `next` is None while its key is not one of them."""

    def __init__(self, made: Any, shape: Fields) -> None:
        self._made = made
        self._shape = shape
        self._seen: set[str] = set()
        self._name = ""
        self.next: Shape | None = None

    def enter(self, key: str) -> None:
        field = self._shape.by_key.get(key)
        self.next = None
        if field is not None:
            self._name, self.next = field.name, field.shape
            self._seen.add(field.name)

    def put(self, value: Any) -> None:
        self._shape.put(self._made, self._name, value)

    replace = put

    def last(self) -> Any:
        return self._shape.get(self._made, self._name)

    def end(self) -> None:
        if self._shape.is_mapping:
            return
        for field in self._shape.by_key.values():
            if field.default is not None and field.name not in self._seen:
                self._seen.add(field.name)
                self._shape.put(self._made, field.name, field.default())


_Place = _Root | _List | _Dict | _Object


class TypedBuilder:
    """See `exllm.structured.json_reader.Builder`."""

    def __init__(self, type_: Any) -> None:
        self.value: Any = None
        self.has_content = False  # more than the beginning of an object or array
        self._place: _Place = _Root(self, shape_of(type_))
        self._above: list[_Place] = []
        self._inner: PlainBuilder | None = None  # builds what comes whole, is plain data, or is not wanted
        self._inner_depth = 0
        self._inner_shape: Shape | None = None

    def start_object(self) -> None:
        if self._inner is None:
            shape = self._begin()
            if isinstance(shape, Fields):
                made = shape.new()
                self._place.put(made)
                self._descend(_Object(made, shape))
                return
            if isinstance(shape, Values):
                values: dict[str, Any] = {}
                self._place.put(values)
                self._descend(_Dict(values, shape))
                return
            self._inner, self._inner_shape = PlainBuilder(), shape
        self._inner.start_object()
        self._descend_inner(self._inner)

    def start_array(self) -> None:
        if self._inner is None:
            shape = self._begin()
            if isinstance(shape, Items):
                items: list[Any] = []
                self._place.put(items)
                self._descend(_List(items, shape))
                return
            self._inner, self._inner_shape = PlainBuilder(), shape
        self._inner.start_array()
        self._descend_inner(self._inner)

    def end(self) -> None:
        if self._inner is not None:
            self._inner.end()
            self._inner_depth -= 1
            if not self._inner_depth:
                self._end_inner()
            return
        if isinstance(self._place, _Object):
            self._place.end()
        self._place = self._above.pop()

    def key(self, name: str) -> None:
        if self._inner is not None:
            self._inner.key(name)
        elif isinstance(self._place, _Object):
            self._place.enter(name)
        elif isinstance(self._place, _Dict):
            self._place.key = name

    def scalar(self, value: Any) -> None:
        if self._inner is not None:
            self._inner.scalar(value)
            return
        shape = self._begin()
        if shape is not None:
            self._place.put(_fitting(value, shape))

    def start_string(self) -> None:
        if self._inner is None:
            shape = self._begin()
            if isinstance(shape, Text | Plain):
                self._place.put("")
                return
            self._inner, self._inner_shape = PlainBuilder(), shape
        self._inner.start_string()

    def grow_string(self, piece: str) -> None:
        if self._inner is not None:
            self._inner.grow_string(piece)
            return
        place = self._place
        text = place.last()
        place.replace(None)  # see `PlainBuilder.grow_string`
        text += piece
        place.replace(text)

    def end_string(self) -> None:
        if self._inner is not None and not self._inner_depth:
            self._end_inner()

    # -- inside

    def _begin(self) -> Shape | None:
        self.has_content = bool(self._above)
        return self._place.next

    def _descend(self, place: _Place) -> None:
        self._above.append(self._place)
        self._place = place

    def _descend_inner(self, inner: PlainBuilder) -> None:
        self._inner_depth += 1
        if self._inner_depth == 1 and isinstance(self._inner_shape, Plain):
            self._place.put(inner.value)  # grows where it stands

    def _end_inner(self) -> None:
        inner, shape = self._inner, self._inner_shape
        assert inner is not None
        self._inner = None
        if shape is not None and not isinstance(shape, Plain):
            self._place.put(_fitting(inner.value, shape))


def _fitting(value: Any, shape: Shape) -> Any:
    """A whole value as its shape has it; None where it does not fit."""
    if isinstance(shape, Plain) or value is None:
        return value
    if isinstance(shape, Text):
        return value if isinstance(value, str) else None
    if not isinstance(shape, Whole):
        return None
    try:
        return convert(value, shape.type)
    except TypeMismatch:
        return None
