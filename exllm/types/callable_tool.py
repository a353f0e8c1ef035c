"""`tool`: what the model has to know of a function, taken from its signature and docstring."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, overload

import msgspec

from exllm.types.docstring import parse_docstring
from exllm.types.parts import CacheControl
from exllm.types.signature import Parameters, parameters_of
from exllm.types.tool import Tool
from exllm.types.typed import json_schemas_of, shown_type

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@overload
def tool(
    function: Callable[..., Any],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    schema: Mapping[str, Any] | None = None,
    strict: bool | None = None,
    cache_control: CacheControl | None = None,
    timeout: float | None = None,
    manual: bool = False,
    needs_approval: bool = False,
) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    schema: Mapping[str, Any] | None = None,
    strict: bool | None = None,
    cache_control: CacheControl | None = None,
    timeout: float | None = None,
    manual: bool = False,
    needs_approval: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    schema: Mapping[str, Any] | None = None,
    strict: bool | None = None,
    cache_control: CacheControl | None = None,
    timeout: float | None = None,
    manual: bool = False,
    needs_approval: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function, sync or async; bare, with arguments, or as a plain call.

    ::

        @exllm.tool
        async def weather(city: str, unit: Literal["C", "F"] = "C") -> str:
            '''The weather right now.

            Args:
                city: name of the city, with the country.
            '''

    The result is called like the function, and can be given in ``tools=[...]``. The schema comes from the annotations,
    which may be whatever msgspec can describe (numbers, text, dates, `Literal`, enums, unions, lists, dicts,
    dataclasses, TypedDicts, Structs, nested) and pydantic's models; ``Annotated[int, msgspec.Meta(ge=0)]`` sets limits,
    ``Annotated[str, "words"]`` describes.
    Parameters with a default are optional. One that is annotated with `ToolContext` is not the model's: a run fills it
    in. The docstring may be in Google's, Sphinx' or NumPy's style.

    Args:
        name, description: in place of the function's own.
        schema: JSON Schema of the arguments, in place of the one from the signature.
        strict, cache_control, timeout, manual, needs_approval: see `Tool`.

    Raises: TypeError that names the parameter that cannot be described; ValueError for a name that no provider takes.
    """
    caller = sys._getframe(1).f_locals

    def make(function: Callable[..., Any]) -> Tool:
        if isinstance(function, Tool):
            function = function.handler or function
        if not callable(function):
            raise TypeError(f"@tool needs a function, got {type(function).__name__}")
        title = getattr(function, "__name__", None) if name is None else name
        if title is None:
            raise TypeError(f"a {type(function).__name__} has no name; give one: tool(..., name='...')")
        if not isinstance(title, str) or not _TOOL_NAME.fullmatch(title):
            raise ValueError(
                f"a tool's name is 1 to 64 letters, digits, '_' and '-', got {title!r}; give one: tool(..., name='...')"
            )
        words, documented = parse_docstring(_documentation(function))
        parameters: Parameters | None
        if schema is None:
            parameters = parameters_of(function, title, caller)
            made = _schema(parameters, title, documented)
        else:
            made = dict(schema)
            try:
                parameters = parameters_of(function, title, caller, is_schema=False)
            except TypeError:  # it gets whatever the schema allows
                parameters = None
        said = words if description is None else description
        plain = Tool(title, said, made, strict, cache_control, timeout, manual, needs_approval)
        return plain.with_handler(function, parameters)

    return make if function is None else make(function)


def _documentation(function: Callable[..., Any]) -> str | None:
    """Its docstring, but not that of a builtin type behind a partial or an instance."""
    if isinstance(function, functools.partial):
        return _documentation(function.func)
    if not inspect.isroutine(function) and not inspect.isclass(function):
        return type(function).__call__.__doc__ or type(function).__doc__
    return function.__doc__


def _schema(parameters: Parameters, title: str, documented: Mapping[str, str]) -> dict[str, Any]:
    types: dict[str, Any] = {}
    descriptions: dict[str, str] = {}
    for name in parameters.by_name:
        if name not in parameters.types:
            raise TypeError(
                f"tool {title!r}: parameter {name!r} has no annotation, so the model cannot be told its type"
            )
        types[name], words = _without_words(parameters.types[name])
        if words or documented.get(name):
            descriptions[name] = words or documented[name]
    schemas, components = _describe(types, title)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in parameters.by_name.items():
        properties[name] = schemas[name]
        if name in descriptions:
            properties[name] = {**schemas[name], "description": descriptions[name]}
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            properties[name] = {**properties[name], **_default(parameter.default)}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    if components:
        schema["$defs"] = components
    return schema


def _without_words(hint: Any) -> tuple[Any, str]:
    """``Annotated[T, "words"]`` as T and the words; msgspec would pass over them."""
    if typing.get_origin(hint) is not typing.Annotated:
        return hint, ""
    return hint, " ".join(extra for extra in hint.__metadata__ if isinstance(extra, str))


def _describe(types: Mapping[str, Any], title: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    try:
        schemas, components = json_schemas_of(types.values())
    except TypeError as error:
        for name, hint in types.items():  # which parameter was it?
            try:
                json_schemas_of([hint])
            except TypeError as reason:
                raise TypeError(
                    f"tool {title!r}: JSON Schema cannot describe parameter {name!r} of type {shown_type(hint)}: "
                    f"{reason}, or give schema={{...}}"
                ) from None
        raise TypeError(f"tool {title!r}: JSON Schema cannot describe its parameters together: {error}") from None
    return dict(zip(types, schemas, strict=True)), components


def _default(value: Any) -> dict[str, Any]:
    """``{"default": value}``, or nothing when the default is no JSON, such as a sentinel object."""
    try:
        return {"default": msgspec.to_builtins(value, str_keys=True)}
    except (TypeError, ValueError):
        return {}
