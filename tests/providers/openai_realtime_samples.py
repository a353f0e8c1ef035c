"""What can be received and sent, as OpenAI's SDK has it: samples of its models, and what of them no event says."""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pydantic
import typing_extensions

from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import LiveEvent

_UNIONS = (typing.Union, types.UnionType)
_WRAPPERS = (
    typing.Annotated, typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired,
)  # fmt: skip


def samples(kind: Any, path: str = "", numbers: Iterator[int] | None = None) -> list[Any]:
    """Data that validates as `kind`: one sample with every field filled, and one more for each other type or word that
    a field may hold. Texts and numbers are found once each."""
    numbers = itertools.count(1_001) if numbers is None else numbers
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _WRAPPERS:
        return samples(arguments[0], path, numbers)
    if origin is typing.Literal:
        return list(arguments)
    if origin in _UNIONS:
        return [each for one in arguments if one is not type(None) for each in samples(one, path, numbers)]
    if origin is list:
        return [[each] for each in samples(arguments[0], path, numbers)]
    if origin is dict:
        return [{"key": each} for each in samples(arguments[1], f"{path}.key", numbers)]
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        found = {
            field.alias or name: samples(field.annotation, f"{path}.{field.alias or name}", numbers)
            for name, field in kind.model_fields.items()
        }
        whole = {name: values[0] for name, values in found.items()}
        return [whole, *({**whole, name: value} for name, values in found.items() for value in values[1:])]
    simple: dict[Any, Any] = {str: f"<{path}>", int: next(numbers), float: next(numbers) + 0.5, bool: True}
    return [simple.get(kind, {"any": f"<{path}>"})]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What `value` is made of, each by its place; those of a list have the place of the list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


def fields(kind: Any, whole: frozenset[str], path: str = "") -> Iterator[str]:
    """The places of a typed dict that hold something, in all forms that it may have; what is at `whole` is not looked
    into."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _WRAPPERS:
        yield from fields(arguments[0], whole, path)
    elif origin in _UNIONS:
        for each in arguments:
            if each is not type(None):
                yield from fields(each, whole, path)
    elif typing_extensions.is_typeddict(kind) and path not in whole:
        for name, inner in typing_extensions.get_type_hints(kind).items():
            yield from fields(inner, whole, f"{path}.{name}" if path else name)
    else:
        yield path


# What no event of ours says, and why nobody misses it. Of all others nothing may be missing.
LEFT_OUT = {
    "type": "the event of ours has a name of its own",
    "event_id": "the name of the message, which nothing else refers to",
    "output_index": "the place of a piece: its item and its response are named",
    "content_index": "the same",
}
OF_AN_EVENT = {
    "response.function_call_arguments.done": {"item_id": "the item comes whole with response.output_item.done"},
    "session.output_audio.delta": {
        "channels": "always 1", "format": "always pcm16", "elapsed_ms": "the audio itself tells",
    },
    "session.output_transcript.delta": {"elapsed_ms": "where in the audio; the pieces come beside it"},
    "session.input_transcript.delta": {"elapsed_ms": "the same"},
}  # fmt: skip


def lost(event: dict[str, Any], events: list[LiveEvent]) -> list[str]:
    """The places of `event` of which nothing is in ours."""
    if any(isinstance(each, ProviderEvent) and each.data == event for each in events):
        return []
    told = {value for _, value in leaves(msgspec.to_builtins(events)) if value is not None}
    words = "\n".join(value for value in told if isinstance(value, str))
    missing = []
    for place, value in leaves(event):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_told = value in told or (is_number and value / 1000 in told) or (isinstance(value, str) and value in words)
        if not is_told and place not in LEFT_OUT and place not in OF_AN_EVENT.get(event["type"], {}):
            missing.append(place)
    return missing


def with_audio(event: dict[str, Any]) -> dict[str, Any]:
    """With a piece of audio that is one."""
    return {**event, "delta": "AAAA"} if event["type"].endswith("output_audio.delta") else event
