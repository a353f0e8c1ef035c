"""From the JSON of a call to the objects that its handler takes."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from exllm.tools.arguments import ArgumentsError
from exllm.tools.schema_check import problems_of
from exllm.types.mismatch import TypeMismatch
from exllm.types.signature import Parameters, parameters_of
from exllm.types.tool import Tool
from exllm.types.typed import convert


def bind(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments checked and converted to the types of the handler's annotations.

    A tool whose schema was given by hand is checked against that schema, and converted where its handler has
    annotations. ``"5"`` is taken for the number 5, as models often quote numbers.

    Raises: ArgumentsError with all that is wrong, and where, for the model to read.
    """
    parameters = handler_parameters(tool)
    if parameters is not None and parameters.is_schema:
        _check_names(parameters, arguments)
        return _converted(parameters, arguments, all_described=True)
    if problems := problems_of(arguments, tool.schema):
        raise ArgumentsError("; ".join(problems))
    return arguments if parameters is None else _converted(parameters, arguments, all_described=False)


def handler_parameters(tool: Tool) -> Parameters | None:
    """What the handler takes; None where its signature cannot tell, and it gets whatever the model gives."""
    if tool.parameters is not None or tool.handler is None:
        return tool.parameters
    try:
        return parameters_of(tool.handler, tool.name, is_schema=False)
    except TypeError:
        return None


def _check_names(parameters: Parameters, arguments: dict[str, Any]) -> None:
    problems: list[str] = []
    names = list(parameters.by_name)
    for name in arguments:
        if name not in parameters.by_name:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"the parameters are {_listed(names)}"
            problems.append(f"there is no parameter `{name}`; {hint}")
    for name, parameter in parameters.by_name.items():
        if name not in arguments and parameter.default is inspect.Parameter.empty:
            problems.append(f"the parameter `{name}` is missing")
    if problems:
        raise ArgumentsError("; ".join(problems))


def _converted(parameters: Parameters, arguments: dict[str, Any], *, all_described: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in arguments.items():
        try:
            made[name] = _as(value, parameters.types.get(name, Any))
        except TypeMismatch as error:
            problems.append(str(error.below(f"$.{name}")))
        except TypeError:  # no type of data; beside a schema made by hand an annotation may be anything
            if all_described:
                raise
            made[name] = value
    if problems:
        raise ArgumentsError("; ".join(problems))
    return made


def _as(value: Any, hint: Any) -> Any:
    try:
        return convert(value, hint)
    except TypeMismatch:
        try:
            return convert(value, hint, strict=False)
        except TypeMismatch:
            pass
        raise


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
