"""From the arguments of `chat` and `stream` to a checked request and the way to its provider. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from exllm import config as configuration
from exllm.config import ConfigSource
from exllm.errors import ConfigurationError, UnsupportedOption
from exllm.policies.budget import Budget
from exllm.policies.retry import RetryPolicy
from exllm.providers import registry
from exllm.providers.provider import Provider
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire, supported_options
from exllm.types.message import Message
from exllm.types.normalise import Messages, has_paths, normalise_messages
from exllm.types.options import DEFAULT_CHAT_TOTAL_S, DEFAULT_TIMEOUTS, NO_OPTIONS, Options, Timeouts, check_options
from exllm.types.request import Request
from exllm.types.unanswered import with_results

Timeout = float | Timeouts | None
_NO_LIMITS = Timeouts()


class CallSettings(msgspec.Struct, frozen=True):
    """What holds for every call of a client unless the call says otherwise."""

    config: ConfigSource
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy | None = None
    drop_unsupported: bool = False


class Call(msgspec.Struct, frozen=True):
    """A call that may be made: everything was checked, nothing was sent.

    `backend` is the spec of an HTTP provider, with its `wire`, or a foreign `Provider` (`wire` is then None).
    """

    request: Request
    backend: ProviderSpec | Provider
    wire: Wire | None
    retry: RetryPolicy
    warnings: tuple[str, ...]
    has_paths: bool  # media to be read from files before the request can be built
    budgets: tuple[Budget, ...] = ()


def prepare(
    settings: CallSettings,
    model: str,
    messages: Messages,
    options: Mapping[str, Any],
    *,
    stream: bool,
    timeout: Timeout,
    extra: Mapping[str, Any] | None,
    include_raw: bool,
) -> Call:
    """Check everything that can be checked without I/O.

    Raises: ConfigurationError, UnsupportedOption, InvalidRequest; TypeError and ValueError for wrong arguments.
    """
    name, model_id = registry.parse_model(model)
    backend = registry.get(name)
    checked = check_options(options)
    warnings: tuple[str, ...] = ()
    if isinstance(backend, ProviderSpec):
        name = backend.name
        wire: Wire | None = registry.wire(backend.wire)
        assert wire is not None
        if checked is not NO_OPTIONS:
            supported = supported_options(wire, backend)
            checked, warnings = _only_supported(checked, options, supported, backend.label, name, settings)
        defaults, retry = backend.timeouts, settings.retry or backend.retry
    else:
        wire = None
        taken = getattr(backend, "options", None)
        if taken is not None:
            checked, warnings = _only_supported(checked, options, taken, name, name, settings)
        defaults, retry = getattr(backend, "timeouts", Timeouts()), settings.retry or RetryPolicy()
    if model_id is None:
        model_id = configuration.lookup(settings.config, name, "default_model") or getattr(
            backend, "default_model", None
        )
        if not model_id:
            raise ConfigurationError(f"{name!r} has no default model; write '{name}/<model>'", provider=name)
    of_model = getattr(wire, "options_of", None)
    if of_model is not None and settings.drop_unsupported and checked is not NO_OPTIONS:
        # Otherwise the wire itself refuses, and says what else there is to do.
        taken = of_model(model_id, backend)
        checked, dropped = _only_supported(checked, checked.given(), taken, model_id, name, settings)
        warnings += dropped
    if not isinstance(extra, Mapping | None):
        raise TypeError(f"extra must be a dict of the provider's own fields, got {type(extra).__name__}")
    normal: tuple[Message, ...] = normalise_messages(messages)
    if wire is not None:
        normal, put_in = with_results(normal)
        warnings += put_in
    request = Request(
        name,
        model_id,
        normal,
        checked,
        dict(extra) if extra else {},
        stream,
        _limits(timeouts_of(timeout), settings.timeouts, defaults, stream=stream),
        include_raw,
    )
    return Call(request, backend, wire, retry, warnings, has_paths(normal))


def _only_supported(
    options: Options,
    arguments: Mapping[str, Any],
    supported: frozenset[str],
    label: str,
    name: str,
    settings: CallSettings,
) -> tuple[Options, tuple[str, ...]]:
    refused = [option for option in arguments if option not in supported and arguments[option] is not None]
    if not refused:
        return options, ()
    if not settings.drop_unsupported:
        raise UnsupportedOption(
            f"{label} cannot take {', '.join(refused)}. Leave it out, pass the provider's own field in extra={{...}}, "
            f"or build the client with drop_unsupported=True.",
            provider=name,
        )
    kept = Options(**{option: value for option, value in options.given().items() if option in supported})
    return kept, tuple(f"{label} cannot take {option}; it was dropped" for option in refused)


def timeouts_of(timeout: Timeout) -> Timeouts:
    """The limits that a `timeout` argument sets. Raises TypeError and ValueError for what is no time."""
    if timeout is None:
        return _NO_LIMITS
    limits = timeout if isinstance(timeout, Timeouts) else Timeouts(total=timeout)
    for name in Timeouts.__struct_fields__:
        limit = getattr(limits, name)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise TypeError(f"timeout must be seconds or exllm.Timeouts, got {timeout!r}")
        if not limit > 0:
            raise ValueError(f"timeout {name} must be above 0 seconds, got {limit!r}")
    return limits


@lru_cache(256)
def _limits(call: Timeouts, client: Timeouts, provider: Timeouts, *, stream: bool) -> Timeouts:
    """The call's limits over the client's, over the provider's, over the defaults; all set, `inf` for none."""
    limits = call.over(client).over(provider).over(DEFAULT_TIMEOUTS)
    if limits.total is None:
        limits = msgspec.structs.replace(limits, total=math.inf if stream else DEFAULT_CHAT_TOTAL_S)
    for name in Timeouts.__struct_fields__:
        if not getattr(limits, name) > 0:
            raise ValueError(f"timeout {name} must be above 0 seconds, got {getattr(limits, name)!r}")
    return limits
