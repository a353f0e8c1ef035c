"""A provider's own parameters as data: what each takes, checked before anything is sent.

In a spec a parameter is written as short as it can be: a list of the values allowed, the name of a type, or the fields
of a `Rule`::

    parameters:
      search_mode: [web, academic, sec]
      return_images: boolean
      max_results: {type: integer, min: 1, max: 50}
      image_format_filter: {type: list, max_items: 10, items: [gif, jpg, png, webp]}
      include_reasoning: {type: boolean, not_with: [reasoning_format]}
      provider: {fields: {allow_fallbacks: boolean, sort: {any_of: [[price, latency], object]}}}
      metadata: any
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from exllm.errors import ConfigurationError

_LONGEST_SHOWN = 80  # characters of a wrong value in a message
_CLOSE = 0.84  # `top_a` and `top_k` are 0.8 alike, and both real
_NOT_LETTERS = re.compile(r"[^a-z0-9]")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a parameter takes. Nothing said means anything goes; None always does, as it means "not set".

    Attributes:
        type: ``boolean``, ``integer``, ``number``, ``string``, ``list``, ``object`` or ``any``; where it is left out,
            what the other fields are for.
        values: the only ones allowed.
        min, max: range of a number, both included.
        max_length: most characters of a text.
        pattern: regular expression that the whole text matches; `form` says the same to people, ``MM/DD/YYYY``.
        min_items, max_items: how many entries a list has.
        items: the rule of every entry of a list.
        all_or_none: every entry of the list begins with this prefix, or none does.
        fields: rules for the fields of an object; it may hold others, too.
        required: fields that an object cannot be without.
        not_with: neighbours that cannot be set together with this one.
        any_of: rules, one of which must hold.
        refused: the provider takes it no more; why, and what to use instead.
        warning: what who sets it should know.
    """

    type: str = "any"
    values: tuple[Any, ...] = ()
    min: float | None = None
    max: float | None = None
    max_length: int | None = None
    pattern: str | None = None
    form: str | None = None
    min_items: int = 0
    max_items: int | None = None
    items: Rule | None = None
    all_or_none: str | None = None
    fields: dict[str, Rule] = {}
    required: tuple[str, ...] = ()
    not_with: tuple[str, ...] = ()
    any_of: tuple[Rule, ...] = ()
    refused: str | None = None
    warning: str | None = None


class Misfit(Exception):
    """A value breaks its rule; the text says what is taken and what was given."""


# -- reading


def rules_of(written: Mapping[str, Any], where: str) -> dict[str, Rule]:
    """The rules of `written`, by name. Raises `ConfigurationError` that names `where` and the parameter."""
    return {str(name): _rule_of(data, f"{where}.{name}") for name, data in written.items()}


def _rule_of(written: object, where: str) -> Rule:
    if isinstance(written, Rule):
        return written
    if isinstance(written, str):
        written = {"type": written}
    elif isinstance(written, list | tuple):
        written = {"values": written}
    elif not isinstance(written, Mapping):
        raise ConfigurationError(f"{where} must be a list of values, a type or a mapping, got {type(written).__name__}")
    data = dict(written)
    data.setdefault("type", next((type_ for field, type_ in _TYPE_OF_FIELD.items() if field in data), "any"))
    if "items" in data:
        data["items"] = _rule_of(data["items"], f"{where}.items")
    if isinstance(data.get("fields"), Mapping):
        data["fields"] = rules_of(data["fields"], where)
    if isinstance(data.get("any_of"), list | tuple):
        data["any_of"] = [_rule_of(one, f"{where}.any_of") for one in data["any_of"]]
    try:
        rule: Rule = msgspec.convert(data, Rule)
        re.compile(rule.pattern or "")
    except (msgspec.ValidationError, re.error) as error:
        raise ConfigurationError(f"{where}: {str(error).replace('`$.', '`')}") from None
    if rule.type not in _TYPES:
        raise ConfigurationError(f"{where}: type {rule.type!r} is not known; there are {', '.join(_TYPES)}")
    return rule


# -- checking


def check_object(
    rules: Mapping[str, Rule], values: Mapping[str, Any], known: Collection[str] = (), path: str = ""
) -> list[str]:
    """Hold the fields `values` of an object to their rules.

    Returns warnings, as what is said of the provider: of names that neither a rule nor `known` has, those that are
    nearly one of these, ``"is not known to take x.serach_mode; did you mean 'search_mode'?"``. Raises `Misfit`.
    """
    warnings: list[str] = []
    for name, value in values.items():
        rule = rules.get(name)
        if rule is None:
            is_strange = rules and isinstance(name, str) and name not in known
            if is_strange and (likely := _nearly(name, frozenset((*rules, *known)))):
                warnings.append(f"is not known to take {path}{name}; did you mean {likely!r}?")
        elif value is not None:
            for other in rule.not_with:
                if values.get(other) is not None:
                    raise Misfit(f"{path}{name} or {path}{other}, not both")
            _check(rule, value, f"{path}{name}", warnings)
    return warnings


def _check(rule: Rule, value: Any, path: str, warnings: list[str]) -> None:
    if rule.refused is not None:
        raise Misfit(f"no {path}: {rule.refused}")
    if rule.warning is not None:
        warnings.append(f"and {path}: {rule.warning}")
    if rule.any_of:
        _check_any(rule, value, path, warnings)
    elif not _TYPES[rule.type][1](value) or (rule.values and not _is_among(value, rule.values)):
        raise _misfit(rule, value, path)
    elif isinstance(value, str):
        if len(value) > (rule.max_length or len(value)) or not re.fullmatch(rule.pattern or ".*", value, re.DOTALL):
            raise _misfit(rule, value, path)
    elif isinstance(value, Mapping):
        if any(value.get(name) is None for name in rule.required):
            raise _misfit(rule, value, path)
        warnings += check_object(rule.fields, value, path=f"{path}.")
    elif isinstance(value, list | tuple):
        _check_list(rule, value, path, warnings)
    elif isinstance(value, int | float):
        low, high = value if rule.min is None else rule.min, value if rule.max is None else rule.max
        if not low <= value <= high:
            raise _misfit(rule, value, path)


def _check_any(rule: Rule, value: Any, path: str, warnings: list[str]) -> None:
    for one in rule.any_of:
        its_own: list[str] = []
        try:
            _check(one, value, path, its_own)
        except Misfit:
            if one.type in ("list", "object") and _TYPES[one.type][1](value):
                raise  # of the right kind: what is wrong inside of it says more
        else:
            warnings += its_own
            return
    raise _misfit(rule, value, path)


def _check_list(rule: Rule, value: list[Any] | tuple[Any, ...], path: str, warnings: list[str]) -> None:
    if len(value) < rule.min_items or len(value) > (len(value) if rule.max_items is None else rule.max_items):
        raise Misfit(f"{path} = {describe(rule)}, got {len(value)} entries")
    if rule.items is not None:
        for place, item in enumerate(value):
            _check(rule.items, item, f"{path}[{place}]", warnings)
    if rule.all_or_none is not None:
        prefixed = sum(isinstance(item, str) and item.startswith(rule.all_or_none) for item in value)
        if 0 < prefixed < len(value):
            raise _misfit(rule, value, path)


def _is_among(value: Any, values: Iterable[Any]) -> bool:
    return any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in values)


def _misfit(rule: Rule, value: Any, path: str) -> Misfit:
    shown = repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}..."
    return Misfit(f"{path} = {describe(rule)}, got {shown}")


# -- words


def describe(rule: Rule) -> str:
    """What the rule takes, for a message: ``'web' | 'academic'``, ``a whole number from 1 to 50``."""
    if rule.any_of:
        return " | ".join(describe(one) for one in rule.any_of)
    if rule.values:
        return " | ".join(map(repr, rule.values))
    words = _TYPES[rule.type][0]
    if rule.type in ("integer", "number"):
        return words + _range(rule.min, rule.max)
    if rule.type == "list":
        least = f" of at least {rule.min_items}" if rule.min_items else ""
        most = "" if rule.max_items is None else f"{' and' if least else ' of'} at most {rule.max_items}"
        each = "" if rule.items is None else f", each {describe(rule.items)}"
        same = "" if rule.all_or_none is None else f", all beginning with {rule.all_or_none!r} or none"
        return f"{words}{least}{most}{each}{same}"
    if rule.type == "object":
        return f"{words} with {', '.join(rule.required)}" if rule.required else words
    if rule.form or rule.pattern:
        words += f" of the form {rule.form or rule.pattern}"
    return words if rule.max_length is None else f"{words} of at most {rule.max_length} characters"


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    if least is not None:
        return f" of at least {least:g}"
    return "" if most is None else f" of at most {most:g}"


@lru_cache(256)
def _nearly(name: str, known: frozenset[str]) -> str | None:
    plain = {_plain(one): one for one in sorted(known)}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_CLOSE)
    return close[0] if close else None


def _plain(name: str) -> str:
    return _NOT_LETTERS.sub("", name.lower())


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "any": ("anything", lambda value: True),
    "boolean": ("True | False", lambda value: isinstance(value, bool)),
    "integer": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "number": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "string": ("text", lambda value: isinstance(value, str)),
    "list": ("a list", lambda value: isinstance(value, list | tuple)),
    "object": ("a dict", lambda value: isinstance(value, Mapping)),
}
"""How each type is called in messages, and what belongs to it."""

_TYPE_OF_FIELD = {
    "min": "number", "max": "number",
    "max_length": "string", "pattern": "string", "form": "string",
    "min_items": "list", "max_items": "list", "items": "list", "all_or_none": "list",
    "fields": "object", "required": "object",
}  # fmt: skip
