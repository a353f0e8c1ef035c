"""Taking fields out of a content block that was given as a dict. What is left over in the end has no meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.types.parts import CacheControl

Block = Mapping[str, Any]


def pop_cache_control(fields: dict[str, Any]) -> CacheControl | None:
    """The block's cache breakpoint, or None."""
    given = fields.pop("cache_control", None)
    return given if given is None else msgspec.convert(given, CacheControl)


def result_content(content: Any, where: str) -> Any:
    """The content of a tool's result; whoever builds the message turns the blocks in it into parts and checks them."""
    if content is None:
        return ""
    if isinstance(content, Mapping):
        return (content,)
    return tuple(content) if isinstance(content, Sequence) and not isinstance(content, str | bytes) else content


def pop_text(fields: dict[str, Any], name: str) -> str:
    """The text in the field `name`. Raises KeyError when there is none, TypeError when it is something else."""
    value = fields.pop(name)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")
    return value


def pop_all(fields: dict[str, Any]) -> dict[str, Any]:
    """All fields that are left, for what goes back as it came."""
    rest = dict(fields)
    fields.clear()
    return rest


def to_json(value: Any, where: str) -> str:
    """`value` as JSON text. Raises InvalidRequest for what is no JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}: {error}") from None
