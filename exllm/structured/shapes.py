"""How a type looks to somebody who fills it bit by bit: what grows, what has fields, what comes only whole."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

__all__ = ["Fields", "Items", "Plain", "Shape", "Text", "Values", "Whole", "shape_of"]


class Whole(msgspec.Struct, frozen=True):
    """A value that is there when it is whole, converted to `type`."""

    type: Any


class Text(msgspec.Struct, frozen=True):
    """A string that grows."""


class Plain(msgspec.Struct, frozen=True):
    """Anything: plain data that grows."""


class Items:
    """A list that grows, and its last item with it."""

    def __init__(self, item: Any) -> None:
        self._item = item

    @functools.cached_property
    def item(self) -> Shape:
        return shape_of(self._item)


class Values:
    """A dict with text keys that grows, and its last value with it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    @functools.cached_property
    def value(self) -> Shape:
        return shape_of(self._value)


class Field(msgspec.Struct, frozen=True):
    """One field: its name in Python, and what it is when the object is whole without it (None: nothing is known)."""

    name: str
    shape: Shape
    default: Callable[[], Any] | None = None


class Fields:
    """An object of a class, made empty and then filled."""

    def __init__(self, kind: Any, made: Callable[[], tuple[Callable[[], Any], dict[str, Field]]]) -> None:
        self.put, self.get, self.is_mapping = _ACCESS[kind]
        self._made = made

    @functools.cached_property
    def _parts(self) -> tuple[Callable[[], Any], dict[str, Field]]:
        return self._made()  # not before it is needed: classes may refer to themselves

    @property
    def new(self) -> Callable[[], Any]:
        """Makes an object of which every field is None, or a dict without any."""
        return self._parts[0]

    @property
    def by_key(self) -> dict[str, Field]:
        """The fields by their names in JSON."""
        return self._parts[1]


Shape = Whole | Text | Plain | Items | Values | Fields


def shape_of(type_: Any) -> Shape:
    """The shape of a type. What is not known to grow comes whole."""
    try:
        return _shape_of(type_)
    except TypeError:  # not hashable, such as Annotated with a dict in it
        return _shape_of.__wrapped__(type_)


@functools.lru_cache(maxsize=1024)
def _shape_of(type_: Any) -> Shape:
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        inner = shape_of(arguments[0])
        return Whole(type_) if isinstance(inner, Whole) else inner
    if origin in (typing.Union, types.UnionType):
        real = [argument for argument in arguments if argument not in (type(None), msgspec.UnsetType)]
        return shape_of(real[0]) if len(real) == 1 else Whole(type_)
    if origin in (typing.Required, typing.NotRequired, typing.Final):
        return shape_of(arguments[0])
    if type_ is str:
        return Text()
    if type_ is Any or type_ is object or type_ in (dict, list):
        return Plain()
    if origin is list:
        return Items(arguments[0])
    if origin is dict and arguments[0] is str:
        return Values(arguments[1])
    return _class_shape(type_) if isinstance(type_, type) and origin is None else Whole(type_)


def _class_shape(cls: Any) -> Shape:
    if typing.is_typeddict(cls):
        return Fields(dict, functools.partial(_typed_dict, cls))
    if issubclass(cls, msgspec.Struct):
        return (
            Whole(cls) if cls.__struct_config__.array_like else Fields(msgspec.Struct, functools.partial(_struct, cls))
        )
    if dataclasses.is_dataclass(cls):
        return Fields(dataclasses.dataclass, functools.partial(_dataclass, cls))
    if hasattr(cls, "__pydantic_fields__"):
        is_model = "__pydantic_root_model__" in dir(cls) and not cls.__pydantic_root_model__
        return Fields("pydantic", functools.partial(_pydantic, cls)) if is_model else Whole(cls)
    return Whole(cls)


# -- kinds of classes: the maker of an empty object, and its fields


def _typed_dict(cls: Any) -> tuple[Callable[[], Any], dict[str, Field]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return dict, {name: Field(name, shape_of(hint)) for name, hint in hints.items()}


def _struct(cls: Any) -> tuple[Callable[[], Any], dict[str, Field]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {}
    for field in msgspec.structs.fields(cls):
        default = _default(field.default, field.default_factory, msgspec.NODEFAULT)
        fields[field.encode_name] = Field(field.name, shape_of(hints[field.name]), default)
    made = cls
    if hasattr(cls, "__post_init__"):  # it expects an object that is whole
        made = msgspec.defstruct(cls.__name__, [], bases=(cls,), namespace={"__post_init__": _do_nothing})
    return functools.partial(made, **dict.fromkeys(cls.__struct_fields__)), fields


def _dataclass(cls: Any) -> tuple[Callable[[], Any], dict[str, Field]]:
    names = [field.name for field in dataclasses.fields(cls)]
    if hasattr(cls, "__pydantic_fields__"):
        fields = _pydantic_fields(cls)
    else:
        hints = typing.get_type_hints(cls, include_extras=True)
        fields = {
            field.name: Field(
                field.name,
                shape_of(hints[field.name]),
                _default(field.default, field.default_factory, dataclasses.MISSING),
            )
            for field in dataclasses.fields(cls)
        }

    def new() -> Any:
        made = object.__new__(cls)
        for name in names:
            object.__setattr__(made, name, None)
        return made

    return new, fields


def _pydantic_fields(cls: Any) -> dict[str, Field]:
    fields = {}
    for name, info in cls.__pydantic_fields__.items():
        default = None if info.is_required() else functools.partial(info.get_default, call_default_factory=True)
        field = Field(name, shape_of(info.annotation), default)
        alias = info.validation_alias or info.alias or name
        keys = [name, *getattr(alias, "choices", [alias])]  # by its name as well, in some models
        fields.update({key: field for key in keys if isinstance(key, str)})
    return fields


def _pydantic(cls: Any) -> tuple[Callable[[], Any], dict[str, Field]]:
    def new() -> Any:
        made = cls.__new__(cls)  # as `model_construct`, but without defaults
        object.__setattr__(made, "__dict__", dict.fromkeys(cls.__pydantic_fields__))
        object.__setattr__(made, "__pydantic_fields_set__", set())
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    return new, _pydantic_fields(cls)


def _default(default: Any, factory: Any, missing: Any) -> Callable[[], Any] | None:
    if factory is not missing:
        made: Callable[[], Any] = factory
        return made
    return None if default is missing else lambda: default


def _do_nothing(_made: Any) -> None:
    """In the place of `__post_init__`."""


def _put_pydantic(made: Any, name: str, value: Any) -> None:
    made.__dict__[name] = value
    made.__pydantic_fields_set__.add(name)


# How a field is put into an object, frozen or not, and read from it; whether it is a mapping.
_ACCESS: Mapping[Any, tuple[Callable[[Any, str, Any], None], Callable[[Any, str], Any], bool]] = {
    dict: (dict.__setitem__, dict.__getitem__, True),
    msgspec.Struct: (msgspec.structs.force_setattr, getattr, False),
    dataclasses.dataclass: (object.__setattr__, getattr, False),
    "pydantic": (_put_pydantic, getattr, False),
}
