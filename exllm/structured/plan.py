"""How a model is held to a type, and how its answer becomes an object. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.structured.adapt import adapt
from exllm.structured.dialects import Dialect
from exllm.structured.find_json import find_json
from exllm.structured.json_in_text import JSONInText
from exllm.structured.partial_json import PlainBuilder
from exllm.structured.restore import restore
from exllm.types.message import Message
from exllm.types.tool import Tool
from exllm.types.typed import TypeMismatch, convert, json_schema_of

Strategy = Literal["schema", "tool", "json", "grammar"]
WRAPPED_IN = "value"
"""The field of an object that holds an answer which is none itself: providers take objects alone."""


class Means(msgspec.Struct, frozen=True):
    """What a provider and model have to hold an answer to a type.

    Attributes:
        label: of the provider, for messages.
        schema: `response_format` takes a JSON Schema.
        tool: a tool can be forced.
        json: `response_format` takes ``"json"``.
        dialect: of its schemas; None for one that takes any.
        strict: the schema is only held to when it is called strict.
        grammar: the schema becomes a grammar of the tokens, and need not be an object.
    """

    label: str
    schema: bool = True
    tool: bool = True
    json: bool = True
    dialect: Dialect | None = None
    strict: bool = False
    grammar: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What is sent for one type, and how the answer is read.

    Attributes:
        strategy: as it is reported.
        type: of the object.
        schema: of the type; not yet adapted.
        is_wrapped: the answer is in the field `WRAPPED_IN` of an object.
        options: that the call gets beside its own.
        system: what the model is told in a system message; "" for nothing.
        tool: the name of the tool that the answer is given to; "" for none.
        warnings: for the response.
    """

    strategy: Strategy
    type: Any
    schema: dict[str, Any]
    is_wrapped: bool
    options: dict[str, Any]
    system: str = ""
    tool: str = ""
    warnings: tuple[str, ...] = ()

    def with_system(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The messages, with what the model is told behind the system messages at their start."""
        if not self.system:
            return messages
        place = next(
            (at for at, message in enumerate(messages) if message.role not in ("system", "developer")), len(messages)
        )
        return (*messages[:place], Message("system", self.system), *messages[place:])

    def read(self, text: str) -> Any:
        """The object in an answer's text.

        Raises: TypeMismatch that says what is wrong with it.
        """
        failed: TypeMismatch | None = None
        for data in find_json(text):
            try:
                return self._object(data)
            except TypeMismatch as error:
                failed = failed or error
        raise failed or TypeMismatch(_without_json(text))

    def _object(self, data: Any) -> Any:
        if not self.is_wrapped:
            return convert(restore(data, self.schema), self.type)
        inner = {**self.schema["properties"][WRAPPED_IN], "$defs": self.schema.get("$defs", {})}
        if isinstance(data, dict) and WRAPPED_IN in data:
            return convert(restore(data[WRAPPED_IN], inner), self.type)
        return convert(restore(data, inner), self.type)  # models forget the object around it


def _without_json(text: str) -> str:
    """What is wrong with an answer in which no JSON was found."""
    if not text.strip():
        return "the answer is empty"
    broken = JSONInText(lambda _start: PlainBuilder(), "{[")
    broken.feed(text)
    if broken.error is not None:
        return f"the JSON in the answer is broken: {broken.error}"
    return "the JSON in the answer has no end" if broken.builder.has_content else "there is no JSON in the answer"


def make_plan(
    type_: Any, means: Means, wanted: str | None, options: Mapping[str, Any], *, name: str | None = None
) -> Plan:
    """Choose how the answer becomes an object of `type_`.

    Args:
        wanted: the strategy that was asked for; None for the first that will do.
        options: of the call.
        name: for the provider, in place of the type's own.

    Raises: InvalidRequest for options that cannot stand beside it; UnsupportedOption when no strategy, or not the one
    that was asked for, will do; TypeError for a type that JSON Schema cannot describe.
    """
    for option in ("response_format", "n"):
        if options.get(option) not in (None, 1):
            raise InvalidRequest(f"{option} cannot be given beside response_model, which says what the answer is")
    schema, is_wrapped = _root_object(json_schema_of(type_), keep_root=means.grammar and wanted in (None, "schema"))
    title = name or _name_of(type_)
    plan = Plan("schema", type_, schema, is_wrapped, {})
    reasons: list[str] = []
    if wanted in (None, "schema"):
        if means.schema:
            made, reason = _by_schema(plan, means, title, must=wanted == "schema")
            if made is not None:
                return made
            reasons.append(reason)
        else:
            reasons.append(f"{means.label} takes no schema")
    if wanted in (None, "tool"):
        if means.tool:
            return _by_tool(plan, title, options, tuple(reasons) if means.schema else ())
        reasons.append(f"{means.label} cannot force a call of a tool")
    if wanted in (None, "json"):
        return _by_telling(plan, means)
    raise UnsupportedOption(f"response_strategy={wanted!r} will not do: {'; '.join(reasons)}")


def _by_schema(plan: Plan, means: Means, title: str, *, must: bool) -> tuple[Plan | None, str]:
    """The plan, or why it will not do."""
    adapted = adapt(plan.schema, means.dialect) if means.dialect is not None else None
    schema: dict[str, Any] = plan.schema if adapted is None else adapted.schema
    warnings: tuple[str, ...] = ()
    named: dict[str, Any] = {"name": title, "schema": schema}
    if adapted is not None and adapted.problems:
        reason = f"the schema of {means.label} cannot express it: {', '.join(adapted.problems)}"
        if means.dialect is not None and means.dialect.all_required:
            # Without strict the schema is told to the model, which is not held to it.
            named["schema"] = plan.schema
            warnings = (f"{reason}; the model was told the schema, and not held to it",)
        elif not must:
            return None, reason
        else:
            warnings = (reason,)
    elif means.strict:
        named["strict"] = True
    strategy: Strategy = "grammar" if means.grammar else "schema"
    options = {"response_format": named}
    return msgspec.structs.replace(plan, strategy=strategy, options=options, warnings=warnings), ""


def _by_tool(plan: Plan, title: str, options: Mapping[str, Any], warnings: tuple[str, ...]) -> Plan:
    others = tuple(options.get("tools") or ())
    names = {getattr(tool, "name", None) for tool in others}
    while title in names:
        title += "_"
    tool = Tool(title, "Gives the answer, which is all in the arguments.", plan.schema)
    choice = options.get("tool_choice")
    if choice in (None, "auto"):
        choice = "required" if others else title
    chosen = {"tools": (*others, tool), "tool_choice": choice}
    return msgspec.structs.replace(plan, strategy="tool", options=chosen, tool=title, warnings=warnings)


def _by_telling(plan: Plan, means: Means) -> Plan:
    schema = msgspec.json.encode(plan.schema).decode()
    return msgspec.structs.replace(
        plan,
        strategy="json",
        options={"response_format": "json"} if means.json else {},
        system=f"Answer with JSON alone, without any other words, that fits this JSON Schema:\n{schema}",
        warnings=(f"{means.label} holds no model to a schema: it was told to the model in a system message",),
    )


def _root_object(schema: dict[str, Any], *, keep_root: bool) -> tuple[dict[str, Any], bool]:
    """The schema with an object at its root, and whether one had to be put there."""
    if keep_root or (schema.get("type") == "object" and "anyOf" not in schema):
        return schema, False
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {WRAPPED_IN: inner},
        "required": [WRAPPED_IN],
        "additionalProperties": False,
    }
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    return wrapped, True


def _name_of(type_: Any) -> str:
    """A name that every provider takes."""
    own = getattr(type_, "__name__", "") if isinstance(type_, type) else ""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", own)[:60] or "answer"
