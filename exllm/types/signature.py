"""What a handler takes: the names and types of its parameters."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from exllm.types.tool_context import ToolContext


class Parameters(typing.NamedTuple):
    """The parameters of a handler that a model fills in.

    Attributes:
        by_name: without those that a `functools.partial` has filled in.
        types: their annotations, where they have one.
        context: the name of the parameter that gets the `ToolContext`, which is not among the others.
        is_schema: the tool's schema was made of them; else one was given, and they may be anything.
    """

    by_name: dict[str, inspect.Parameter]
    types: dict[str, Any]
    context: str | None = None
    is_schema: bool = True


def parameters_of(
    function: Callable[..., Any],
    title: str,
    local_names: Mapping[str, Any] | None = None,
    *,
    is_schema: bool = True,
) -> Parameters:
    """What `function` takes, as the tool called `title`.

    Args:
        local_names: of where the tool is made, for annotations that are only names there.
        is_schema: see `Parameters`; otherwise ``**arguments`` is no fault.

    Raises: TypeError for a parameter that no model can fill in, or an annotation that cannot be read.
    """
    by_name = _by_name(function, title, takes_any=not is_schema)
    hints = _hints(function, title, local_names or {})
    context = next((name for name in by_name if _is_context(hints.get(name))), None)
    if context is not None:
        del by_name[context]
    return Parameters(by_name, {name: hints[name] for name in by_name if name in hints}, context, is_schema)


def _is_context(hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(arm is ToolContext for arm in typing.get_args(hint))
    return hint is ToolContext


def _by_name(function: Callable[..., Any], title: str, *, takes_any: bool) -> dict[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:
        raise TypeError(f"tool {title!r}: Python does not know its signature; give schema={{...}}") from None
    bound = _bound(function)
    found: dict[str, inspect.Parameter] = {}
    for position, (name, parameter) in enumerate(parameters.items()):
        if takes_any and parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise TypeError(f"tool {title!r}: parameter '{star}{name}' cannot be described; name each parameter")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"tool {title!r}: parameter {name!r} is positional-only, but models give arguments by name")
        if position == 0 and name in ("self", "cls") and parameter.annotation is parameter.empty:
            raise TypeError(f"tool {title!r}: parameter {name!r} is not bound; use tool(instance.{title}) instead")
        if name not in bound:
            found[name] = parameter
    return found


def _bound(function: Callable[..., Any]) -> frozenset[str]:
    """Parameters that a `functools.partial` has filled in by name: not the model's business."""
    return frozenset(function.keywords) if isinstance(function, functools.partial) else frozenset()


def _hints(function: Callable[..., Any], title: str, local_names: Mapping[str, Any]) -> dict[str, Any]:
    target: Any = function
    while isinstance(target, functools.partial):
        target = target.func
    if inspect.isclass(target):
        target = target.__init__
    elif not inspect.isroutine(target):
        target = type(target).__call__
    try:
        # The caller's locals: under `from __future__ import annotations` a type made in a function is only a name.
        return typing.get_type_hints(inspect.unwrap(target), localns=dict(local_names), include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise TypeError(
            f"tool {title!r}: an annotation cannot be read ({error}); its types must be known where the tool is made"
        ) from None
