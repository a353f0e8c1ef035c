"""Python types as JSON Schema, and plain JSON data as objects of these types."""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import msgspec

from exllm.types.mismatch import TypeMismatch, mismatch_of
from exllm.types.schema_details import add_details, nodes_of

__all__ = ["TypeMismatch", "convert", "json_schema_of", "json_schemas_of", "shown_type", "type_of"]

_REFERENCE = "#/$defs/{name}"
_PYDANTIC_REFERENCE = "#/$defs/{model}"


def type_of(given: Any, name: str = "Answer") -> Any:
    """The type that `given` stands for: itself, or a TypedDict for a map such as ``{"name": str, "tags": [str]}``.

    Raises: TypeError for what is neither a type nor such a map.
    """
    if isinstance(given, Mapping):
        if not given or not all(isinstance(key, str) for key in given):
            raise TypeError('a map of fields needs names, such as {"name": str, "age": int}')
        fields = {key: type_of(value, f"{name}_{key}") for key, value in given.items()}
        return TypedDict(name, fields)  # type: ignore[operator]
    if isinstance(given, list):
        if len(given) != 1:
            raise TypeError("a list of fields is written with the type of its items alone, such as [str]")
        return list[type_of(given[0], name)]  # type: ignore[misc]
    if given is not None and typing.get_origin(given) is None and not callable(given):
        raise TypeError(f"expected a type, got {given!r}; a JSON Schema goes in response_format={{...}}")
    return given


def json_schema_of(type_: Any) -> dict[str, Any]:
    """The JSON Schema of `type_`, definitions under ``$defs``; an object type stands at the root itself.

    `type_` may be whatever msgspec can describe (Structs, dataclasses, TypedDicts, NamedTuples, enums, `Literal`,
    unions, lists, dicts, tuples, dates, ...), a pydantic model, or these nested in each other; unions of several
    object types are told apart by their fields.

    Raises: TypeError that says what cannot be described.
    """
    (schema,), definitions = json_schemas_of([type_])
    root = schema
    if len(schema) == 1 and (name := schema.get("$ref", "").removeprefix("#/$defs/")) in definitions:
        root = definitions[name]
        if not _mentions(definitions, schema["$ref"]):
            del definitions[name]
    return {**root, "$defs": definitions} if definitions else dict(root)


def json_schemas_of(types_: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schemas of several types, and the definitions under ``$defs`` that they share.

    Raises: TypeError that says what cannot be described.
    """
    types_ = [_readable(type_) for type_ in types_]
    pydantic_definitions: dict[str, Any] = {}
    hook = functools.partial(_foreign_schema, definitions=pydantic_definitions)
    try:
        schemas, definitions = msgspec.json.schema_components(types_, schema_hook=hook, ref_template=_REFERENCE)
    except TypeError:
        raise
    except Exception as error:  # msgspec and a foreign model raise many kinds
        raise TypeError(str(error)) from error
    # By way of JSON: defaults in it may still be tuples, enums, dates.
    plain = msgspec.json.decode(msgspec.json.encode([schemas, {**pydantic_definitions, **definitions}]))
    add_details(msgspec.inspect.multi_type_info(types_), plain[0], plain[1])
    return plain[0], plain[1]


def convert(data: Any, type_: Any, *, strict: bool = True) -> Any:
    """Plain data, as `json.loads` gives it, as an object of `type_` (see `json_schema_of`).

    Args:
        strict: False takes ``"5"`` for 5 and the like; a whole number written as ``5.0`` is an int in either case.

    Raises: TypeMismatch with the path, what was expected and what was there; TypeError for a type that cannot be
    converted to.
    """
    reader = _readable(type_)
    hook = functools.partial(_foreign_object, strict=strict)
    read = functools.partial(msgspec.convert, type=reader, strict=strict, str_keys=True, dec_hook=hook)
    try:
        try:
            return read(data)
        except msgspec.ValidationError as error:
            if "got `float`" not in str(error):
                raise
            return read(_with_whole_numbers(data))
    except msgspec.ValidationError as error:
        raise mismatch_of(error, data, lambda: json_schema_of(type_)) from None
    except NotImplementedError as error:
        raise TypeError(str(error)) from None


def _with_whole_numbers(data: Any) -> Any:
    """JSON has one kind of number, and 5.0 is a whole one; msgspec takes an int for a float, but not the reverse."""
    if isinstance(data, float) and data.is_integer():
        return int(data)
    if isinstance(data, dict):
        return {key: _with_whole_numbers(value) for key, value in data.items()}
    return [_with_whole_numbers(item) for item in data] if isinstance(data, list) else data


def shown_type(type_: Any) -> str:
    """`type_` as a message may name it."""
    return type_.__name__ if isinstance(type_, type) and typing.get_origin(type_) is None else str(type_)


def _mentions(node: Any, reference: str) -> bool:
    if isinstance(node, dict):
        return node.get("$ref") == reference or any(_mentions(value, reference) for value in node.values())
    return isinstance(node, list) and any(_mentions(item, reference) for item in node)


# -- what msgspec leaves to hooks: pydantic's types, and unions of several object types


def _foreign_schema(type_: Any, *, definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(type_, type) and issubclass(type_, _OpenUnion):
        schemas, shared = json_schemas_of(type_.arms)
        definitions.update(shared)
        return {"anyOf": schemas}
    if (adapter := _pydantic_adapter(type_)) is not None:
        schema: dict[str, Any] = adapter.json_schema(ref_template=_PYDANTIC_REFERENCE)
        definitions.update(schema.pop("$defs", {}))
        if "$ref" in schema or schema.get("type") != "object":
            return schema
        name = schema.get("title", type_.__name__)
        if definitions.setdefault(name, schema) != schema:  # another model of that name is described already
            return schema
        return {"$ref": _REFERENCE.format(name=name)}
    raise TypeError("use a dataclass, a TypedDict or a msgspec.Struct")


def _foreign_object(type_: Any, data: Any, *, strict: bool) -> Any:
    if isinstance(type_, type) and issubclass(type_, _OpenUnion):
        return type_.choose(data, strict=strict)
    if (adapter := _pydantic_adapter(type_)) is not None:
        # By way of JSON: pydantic's strict mode then still reads dates, enums and tuples from it.
        try:
            return adapter.validate_json(msgspec.json.encode(data))
        except ValueError as error:
            raise TypeMismatch.of_pydantic(error) from None
    # msgspec would take a TypeError for a fault of the data.
    raise NotImplementedError(f"{shown_type(type_)} cannot be made from JSON; use a dataclass or a msgspec.Struct")


def _pydantic_adapter(type_: Any) -> Any:
    """pydantic's reader of `type_`, None when the type is not pydantic's; pydantic is never imported by us first."""
    if isinstance(type_, type) and issubclass(type_, _ByPydantic):
        return type_.adapter
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(type_, "__get_pydantic_core_schema__"):
        return None
    return _adapter_of(type_)


@functools.lru_cache(maxsize=256)
def _adapter_of(type_: Any) -> Any:
    return sys.modules["pydantic"].TypeAdapter(type_)


class _AnyInstance(type):
    """msgspec asks whether what a hook made is an instance; of a union it need not be."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class _ByPydantic(metaclass=_AnyInstance):
    """In the place of a type that msgspec would read without pydantic's checks."""

    adapter: Any = None


class _OpenUnion(metaclass=_AnyInstance):
    """A union that msgspec cannot read as one type: its arms are tried, and the one that knows most fields wins."""

    arms: tuple[Any, ...] = ()

    @classmethod
    def choose(cls, data: Any, *, strict: bool) -> Any:
        found: list[tuple[int, Any]] = []
        reasons: list[str] = []
        for arm in cls.arms:
            try:
                value = convert(data, arm, strict=strict)
            except TypeMismatch as error:
                reasons.append(f"as {shown_type(arm)}: {error}")
            else:
                found.append((_known(data, arm), value))
        if not found:
            raise TypeMismatch("fits none of the alternatives (" + "; ".join(reasons) + ")")
        return max(found, key=operator.itemgetter(0))[1]


def _known(data: Any, arm: Any) -> int:
    """How many of the object's fields the type has by name."""
    if not isinstance(data, dict):
        return 0
    return len(data.keys() & json_schema_of(arm).get("properties", {}).keys())


def _readable(type_: Any) -> Any:
    """`type_` as msgspec can read it with our hooks. Raises TypeError for what it would read without its checks."""
    try:
        return _made_readable(type_)
    except TypeError:
        if _is_hashable(type_):
            raise
        return _made_readable.__wrapped__(type_)


@functools.lru_cache(maxsize=1024)
def _made_readable(type_: Any) -> Any:
    readable = _with_stand_ins(type_)
    for node in nodes_of(msgspec.inspect.type_info(readable)):
        if isinstance(node, msgspec.inspect.DataclassType) and _is_pydantic_dataclass(node.cls):
            name = node.cls.__name__
            raise TypeError(
                f"the checks of {name}, a dataclass of pydantic's, are only made where it stands alone, in a list or "
                f"dict, or in pydantic's own classes: make {name}, or what it is a field of, a pydantic.BaseModel"
            )
    return readable


def _with_stand_ins(type_: Any) -> Any:
    """`type_`, with stand-ins for what is left to hooks; inside classes, unions must be tagged."""
    origin = typing.get_origin(type_)
    if origin is None:
        return _by_pydantic(type_) if _is_pydantic_dataclass(type_) else type_
    if origin is typing.Literal:
        return type_
    arguments = typing.get_args(type_)
    if origin is typing.Annotated:
        if any(_is_of_pydantic(mark) for mark in type_.__metadata__):
            return _by_pydantic(type_)
        return typing.Annotated[(_with_stand_ins(arguments[0]), *arguments[1:])]
    if origin in (typing.Union, types.UnionType):
        return _readable_union(tuple(_with_stand_ins(argument) for argument in arguments))
    inner = tuple(argument if argument is ... else _with_stand_ins(argument) for argument in arguments)
    return type_ if all(new is old for new, old in zip(inner, arguments, strict=True)) else origin[inner]


def _is_hashable(type_: Any) -> bool:
    try:
        hash(type_)
    except TypeError:
        return False
    return True


def _is_pydantic_dataclass(type_: Any) -> bool:
    return isinstance(type_, type) and "__is_pydantic_dataclass__" in type_.__dict__


def _is_of_pydantic(mark: Any) -> bool:
    """A limit such as ``pydantic.Field(ge=1)``, which msgspec passes over."""
    return "pydantic" in sys.modules and type(mark).__module__.partition(".")[0] in ("pydantic", "annotated_types")


def _by_pydantic(type_: Any) -> Any:
    try:
        adapter = sys.modules["pydantic"].TypeAdapter(type_)
    except Exception as error:  # such as a field that pydantic knows no schema of
        raise TypeError(str(error)) from error
    name = getattr(type_, "__name__", "Checked")
    return _AnyInstance(name, (_ByPydantic,), {"adapter": adapter})


@functools.lru_cache(maxsize=256)
def _readable_union(arms: tuple[Any, ...]) -> Any:
    union = functools.reduce(operator.or_, arms)
    try:
        msgspec.json.Decoder(union)
    except TypeError:
        real = tuple(arm for arm in arms if arm is not type(None))
        name = "_or_".join(shown_type(arm) for arm in real)
        open_union = _AnyInstance(name, (_OpenUnion,), {"arms": real})
        return open_union if len(real) == len(arms) else functools.reduce(operator.or_, (open_union, None))
    return union
