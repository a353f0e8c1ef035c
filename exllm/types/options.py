"""The options of a call: typed, checked, the same for every provider."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, get_args

import msgspec

from exllm.types.parts import CacheControl
from exllm.types.tool import ServerTool, Tool
from exllm.types.tool_choice import check_tool_choice
from exllm.types.tool_dicts import tools_of
from exllm.types.typed import type_of

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ResponseStrategy = Literal["schema", "tool", "json"]
ToolChoice = str | dict[str, Any]
"""``"auto"``, ``"none"``, ``"required"``, the name of a tool, or the provider's own object."""


class Timeouts(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Limits in seconds; None means the provider's default, `float("inf")` no limit.

    Attributes:
        connect: until the connection stands, TLS included (10 s). Looking up the host, and a proxy's answer, are not
            in it; `first_chunk` and `total` are over everything.
        first_chunk: from sending the request until something of the answer can be decoded (120 s).
        idle: between decoded chunks; pings and comments do not count as life (120 s).
        total: the whole call (600 s for `chat`, none for a stream).
    """

    connect: float | None = None
    first_chunk: float | None = None
    idle: float | None = None
    total: float | None = None

    def over(self, base: Timeouts) -> Timeouts:
        """These limits where set, those of `base` elsewhere."""
        return Timeouts(
            base.connect if self.connect is None else self.connect,
            base.first_chunk if self.first_chunk is None else self.first_chunk,
            base.idle if self.idle is None else self.idle,
            base.total if self.total is None else self.total,
        )


DEFAULT_TIMEOUTS = Timeouts(connect=10.0, first_chunk=120.0, idle=120.0, total=None)
DEFAULT_CHAT_TOTAL_S = 600.0


class Options(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything that can be asked of a model, None where it was not asked for.

    Attributes:
        temperature, top_p, top_k, min_p, seed, stop, frequency_penalty, presence_penalty, logit_bias: sampling.
        max_tokens: most output tokens, reasoning included.
        n: how many answers.
        logprobs, top_logprobs: log probabilities of the chosen token, and how many alternatives.
        user: an opaque id of your end user, for the provider's abuse detection.
        tools, tool_choice, parallel_tool_calls: what the model may call.
        response_format: ``"text"``, ``"json"``, or a JSON Schema: a bare schema object, or
            ``{"name":, "schema":, "strict":, "description":}``.
        response_model: the type that the answer is to be an object of, in ``response.parsed``: a Struct, dataclass,
            TypedDict, pydantic model, enum, `Literal`, a list or dict of these, or a map such as
            ``{"name": str, "age": int}``.
        response_strategy: how the model is held to it: ``"schema"`` (`response_format`), ``"tool"`` (a tool that it
            must call) or ``"json"`` (JSON mode, with the schema told in a system message). By default the first of
            these that the provider and model have.
        max_retries: how often an answer that does not fit goes back to the model; 2 for `chat`, 0 for a stream.
        validators: called with the `exllm.AnswerSoFar` while the answer arrives; one that returns words, or raises
            `ValueError`, stops the answer at once, and it counts as one that does not fit.
        reasoning_effort: how long to think.
        thinking: True, a token budget, False, or the provider's own object.
        modalities, audio: what the answer may consist of, e.g. ``["text", "audio"]``,
            ``{"voice": "alloy", "format": "pcm16"}``.
        prediction: the likely answer, for faster edits.
        web_search: True, or the provider's own search options.
        service_tier, store, metadata, verbosity: as the provider defines them.
        cache_control: cache the whole prompt so far.
        safety_settings: the provider's own objects.
        betas: names of beta features to switch on.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    user: str | None = None
    tools: tuple[Tool | ServerTool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: str | dict[str, Any] | None = None
    response_model: Any = None
    response_strategy: str | None = None
    max_retries: int | None = None
    validators: tuple[Any, ...] | None = None
    reasoning_effort: str | None = None
    thinking: bool | int | dict[str, Any] | None = None
    modalities: tuple[str, ...] | None = None
    audio: dict[str, Any] | None = None
    prediction: str | dict[str, Any] | None = None
    web_search: bool | dict[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    verbosity: str | None = None
    cache_control: CacheControl | None = None
    safety_settings: tuple[dict[str, Any], ...] | None = None
    betas: tuple[str, ...] | None = None

    def given(self) -> dict[str, Any]:
        """The options that were asked for, by name."""
        if self is NO_OPTIONS:
            return {}
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class OptionArguments(TypedDict, total=False):
    """The same options as keyword arguments of `Client.chat` and `Client.stream`; `Options` explains them."""

    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    logit_bias: Mapping[str, float] | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    user: str | None
    tools: Sequence[Any] | None
    tool_choice: ToolChoice | Tool | None
    parallel_tool_calls: bool | None
    response_format: str | Mapping[str, Any] | None
    response_model: Any
    response_strategy: ResponseStrategy | str | None
    max_retries: int | None
    validators: Sequence[Callable[[Any], str | None]] | Callable[[Any], str | None] | None
    reasoning_effort: ReasoningEffort | str | None
    thinking: bool | int | Mapping[str, Any] | None
    modalities: Sequence[str] | None
    audio: Mapping[str, Any] | None
    prediction: str | Mapping[str, Any] | None
    web_search: bool | Mapping[str, Any] | None
    service_tier: str | None
    store: bool | None
    metadata: Mapping[str, str] | None
    verbosity: str | None
    cache_control: CacheControl | Mapping[str, Any] | bool | None
    safety_settings: Sequence[Mapping[str, Any]] | None
    betas: Sequence[str] | None


NO_OPTIONS = Options()
STRUCTURED_OPTIONS = frozenset({"response_model", "response_strategy", "max_retries", "validators"})
"""Options that `Client.chat` and `Client.stream` act on themselves: no provider is asked for them."""
_LONGEST_SHOWN = 200  # characters of a wrong value in a message
_NAMES = Options.__struct_fields__
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "top_k": (0, 2**31),
    "max_tokens": (1, 2**31),
    "n": (1, 128),
    "top_logprobs": (0, 20),
    "max_retries": (0, 100),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_CALL_ARGUMENTS = ("timeout", "extra", "api_key", "base_url")


def check_options(arguments: Mapping[str, Any], others: Iterable[str] = _CALL_ARGUMENTS) -> Options:
    """Turn keyword arguments into `Options`.

    Args:
        arguments: by name.
        others: what the call takes beside options, which a name may be meant for.

    Raises:
        TypeError: an unknown keyword, with the nearest known name, or a value of the wrong type.
        ValueError: a number outside the range that any provider takes.
        InvalidRequest: a `tool_choice` that names none of the tools.
    """
    if not arguments:
        return NO_OPTIONS
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in _CONVERTERS:
            near = difflib.get_close_matches(name, [*_NAMES, *others], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; a provider's own fields go in extra={...}"
            raise TypeError(f"unknown option {name!r}{hint}")
        if value is None:
            continue
        try:
            values[name] = _CONVERTERS[name](value)
        except (TypeError, ValueError, msgspec.ValidationError) as error:
            raise TypeError(f"option {name!r} cannot be {_shown(value)}: {error}") from None
        bounds = _RANGES.get(name)
        if bounds is not None and not bounds[0] <= values[name] <= bounds[1]:
            raise ValueError(f"option {name!r} must be between {bounds[0]:g} and {bounds[1]:g}, got {value!r}")
    if (choice := values.get("tool_choice")) is not None:
        if choice == "any" and not any(getattr(tool, "name", "") == "any" for tool in values.get("tools", ())):
            choice = values["tool_choice"] = "required"  # Anthropic's and Mistral's word for it
        check_tool_choice(choice, values.get("tools"), web_search=bool(values.get("web_search")))
    return Options(**values)


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]}..."


def _strings(value: Any) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else tuple(value)
    for item in items:
        if not isinstance(item, str):
            raise TypeError(f"expected text, got {item!r}")
    return items


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("expected a number")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("expected a whole number")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected True or False")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("expected a dict")
    return dict(value)


def _texts_by_name(value: Any) -> dict[str, str]:
    return {_text(name): _text(item) for name, item in _mapping(value).items()}


def _numbers_by_name(value: Any) -> dict[str, float]:
    return {_text(name): _number(item) for name, item in _mapping(value).items()}


def _mappings(value: Any) -> tuple[dict[str, Any], ...]:
    return tuple(_mapping(item) for item in value)


def _text_or_mapping(value: Any) -> str | dict[str, Any]:
    return value if isinstance(value, str) else _mapping(value)


def _switch_or_mapping(value: Any) -> bool | dict[str, Any]:
    return value if isinstance(value, bool) else _mapping(value)


def _thinking(value: Any) -> bool | int | dict[str, Any]:
    return value if isinstance(value, int) else _mapping(value)


def _response_format(value: Any) -> str | dict[str, Any]:
    if isinstance(value, str) and value not in ("text", "json"):
        raise TypeError("expected 'text', 'json' or a JSON Schema")
    return _text_or_mapping(value)


def _tool_choice(value: Any) -> ToolChoice:
    return value.name if isinstance(value, Tool) else _text_or_mapping(value)


def _cache_control(value: Any) -> CacheControl | None:
    if isinstance(value, bool):
        return CacheControl() if value else None
    return value if isinstance(value, CacheControl) else msgspec.convert(value, CacheControl)


def _type(value: Any) -> Any:
    return type_of(value)


def _response_strategy(value: Any) -> str:
    if value not in get_args(ResponseStrategy):
        raise TypeError(f"expected one of {', '.join(get_args(ResponseStrategy))}")
    return _text(value)


def _callables(value: Any) -> tuple[Callable[[Any], str | None], ...]:
    functions = (value,) if callable(value) else tuple(value)
    if not all(map(callable, functions)):
        raise TypeError("expected functions")
    return functions


_CONVERTERS: dict[str, Any] = {
    "temperature": _number,
    "max_tokens": _integer,
    "top_p": _number,
    "top_k": _integer,
    "min_p": _number,
    "stop": _strings,
    "seed": _integer,
    "frequency_penalty": _number,
    "presence_penalty": _number,
    "logit_bias": _numbers_by_name,
    "n": _integer,
    "logprobs": _boolean,
    "top_logprobs": _integer,
    "user": _text,
    "tools": tools_of,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _boolean,
    "response_format": _response_format,
    "response_model": _type,
    "response_strategy": _response_strategy,
    "max_retries": _integer,
    "validators": _callables,
    "reasoning_effort": _text,
    "thinking": _thinking,
    "modalities": _strings,
    "audio": _mapping,
    "prediction": _text_or_mapping,
    "web_search": _switch_or_mapping,
    "service_tier": _text,
    "store": _boolean,
    "metadata": _texts_by_name,
    "verbosity": _text,
    "cache_control": _cache_control,
    "safety_settings": _mappings,
    "betas": _strings,
}
