"""One instance of any pydantic model, every field of it filled: what an SDK says that can be received."""

from __future__ import annotations

import datetime
import enum
import types
import typing
from typing import Any

import pydantic

_SIMPLE: dict[Any, Any] = {
    str: "text", int: 3, float: 0.5, bool: True, bytes: b"\x00\x01\x02\x03", object: {"a": 1}, Any: {"a": 1},
    dict: {"a": 1}, type(None): None, datetime.datetime: "2026-01-01T00:00:00Z",
}  # fmt: skip


def sample(kind: Any, depth: int = 0, name: str = "") -> Any:
    """Data that validates as `kind`; models deep inside are left out where they may be."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin is typing.Annotated:
        return sample(arguments[0], depth, name)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (typing.Union, types.UnionType):
        return sample(next(each for each in arguments if each is not type(None)), depth, name)
    if origin in (list, tuple, set) or kind in (list, tuple):
        return [] if depth > 7 else [sample(arguments[0], depth + 1, name)] if arguments else []
    if origin is dict:
        return {"a": sample(arguments[1], depth + 1)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next((each.value for each in kind if "UNSPECIFIED" not in str(each.value)), next(iter(kind)).value)
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return {
            field.alias or key: sample(field.annotation, depth + 1, key)
            for key, field in kind.model_fields.items()
            if depth < 7 or field.is_required()
        }
    if kind is str and any(word in name for word in ("offset", "time_left")):
        return "1.5s"
    if name == "json_path":
        return "$.city"
    return _SIMPLE.get(kind, "text")
