"""From the arguments of `Client.live` to a checked session that may be opened. No I/O."""

from __future__ import annotations

import difflib
import math
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from exllm.access import Access, Ways, fill
from exllm.call import CallSettings, Timeout, timeouts_of
from exllm.config import lookup
from exllm.errors import ConfigurationError, UnsupportedOption
from exllm.live.reconnect import Reconnect
from exllm.policies.budget import Budget
from exllm.policies.retry import RetryPolicy
from exllm.providers import registry
from exllm.providers.live_wire import LiveProtocol, LiveWire, live_wire
from exllm.providers.spec import ProviderSpec
from exllm.streaming.ring import Overflow
from exllm.tools.settings import CallRules
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.normalise import has_paths, normalise_messages
from exllm.types.options import DEFAULT_TIMEOUTS, Timeouts
from exllm.types.tool import Tool
from exllm.types.tool_choice import check_tool_choice
from exllm.types.tool_dicts import tools_of

SETUP_S = 30.0
"""How long the service may take to answer the settings, where no timeout says otherwise."""

_FREELY_SET = frozenset({"model", "extra", "resumable", "kind", "endpoint", "audio_format"})
_TYPES = {field.name: field.type for field in msgspec.structs.fields(LiveSettings)}
_DEFAULTS = LiveSettings("")
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (0, 2**31),
    "speed": (0.25, 4),
    "max_tokens": (1, 2**31),
    "input_rate_hz": (4_000, 192_000),
    "output_rate_hz": (4_000, 192_000),
}
_ARGUMENTS = (
    "audio_overflow", "audio_capacity", "auto_tools", "concurrency", "tool_timeout", "state", "reconnect", "timeout",
    "api_key", "live_url", "extra",
)  # fmt: skip


_KNOWN = (*_TYPES, *_ARGUMENTS)
_OTHER_WORDS = {
    **dict.fromkeys(("system", "system_prompt", "system_instruction"), "instructions"),
    "vad": "turn_detection",
    "response_modalities": "modalities",
}
"""What others call some of the settings."""


class LiveCall(msgspec.Struct, frozen=True):
    """A session that may be opened: everything was checked, nothing was sent. Its repr hides the key."""

    provider: str
    settings: LiveSettings
    spec: ProviderSpec
    wire: LiveWire
    way: Access
    url: str
    timeouts: Timeouts
    retry: RetryPolicy
    reconnect: Reconnect
    audio_overflow: Overflow
    audio_capacity: int
    rules: CallRules | None
    warnings: tuple[str, ...]
    drop_unsupported: bool
    max_message_bytes: int
    budgets: tuple[Budget, ...]
    proxy: str | None = None
    ssl_context: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"LiveCall({self.provider}/{self.settings.model})"

    @property
    def unfilled(self) -> tuple[str, ...]:
        """The placeholders of addresses and model names that only the credentials can fill, when they are asked."""
        fills = () if self.way.signer is None else self.way.signer.fills
        return tuple(name for name in fills if "{" + name + "}" in self.spec.live.model)

    def protocol(self, values: Mapping[str, str]) -> LiveProtocol:
        """A fresh session of the wire. `values` are those of `unfilled`. Raises: UnsupportedOption, InvalidRequest."""
        live = self.spec.live
        spec = msgspec.structs.replace(
            self.spec,
            live=msgspec.structs.replace(
                live,
                model=_replaced(live.model, values),
                path=_replaced(live.path, values),
                paths={name: _replaced(path, values) for name, path in live.paths.items()},
            ),
        )
        return self.wire.protocol(self.settings, spec)

    @property
    def input_rate_hz(self) -> int:
        """Samples per second that the service expects."""
        return input_rate_hz(self.settings, self.wire)


def input_rate_hz(settings: LiveSettings, wire: LiveWire) -> int:
    """Samples per second of the audio that is sent."""
    if settings.audio_format != "pcm16":
        return 8_000
    return settings.input_rate_hz or wire.input_rate_hz


def tools_by_name(settings: LiveSettings) -> dict[str, Tool]:
    """The tools that the application has to call, or the session for it."""
    return {tool.name: tool for tool in settings.tools if isinstance(tool, Tool)}


def live_model(client: CallSettings, model: str, kind: object = None) -> tuple[ProviderSpec, str]:
    """The provider of ``"provider/model"``, and its id of the model: by default that for sessions of this `kind`.

    Raises: ConfigurationError.
    """
    name, model_id = registry.parse_model(model)
    spec = registry.get(name)
    if not isinstance(spec, ProviderSpec) or not spec.live.wire:
        label = spec.label if isinstance(spec, ProviderSpec) else name
        raise ConfigurationError(
            f"{label} has no realtime sessions; these have: {', '.join(registry.live_providers())}", provider=name
        )
    if model_id is None and kind == "transcription":
        model_id = spec.live.transcription_model
    elif model_id is None and kind == "translation":
        model_id = spec.live.translation_model
    elif model_id is None:
        model_id = lookup(client.config, name, "default_live_model") or spec.live.default_model
    if not model_id:
        raise ConfigurationError(f"{name!r} has no default realtime model; write '{name}/<model>'", provider=name)
    return spec, model_id


def prepare_live(
    client: CallSettings,
    ways: Ways,
    model: str,
    arguments: Mapping[str, Any],
    *,
    timeout: Timeout,
    api_key: str | None,
    live_url: str | None,
    extra: Mapping[str, Any] | None,
    reconnect: Reconnect | None,
    auto_tools: bool,
    concurrency: int,
    tool_timeout: float | None,
    state: Any,
    audio_overflow: Overflow,
    audio_capacity: int,
    max_message_bytes: int,
    budgets: tuple[Budget, ...],
    proxy_for: Callable[[str], str | None],
    ssl_context: ssl.SSLContext | None,
) -> LiveCall:
    """Check everything that can be checked without I/O.

    Raises: ConfigurationError, UnsupportedOption, InvalidRequest; TypeError and ValueError for wrong arguments.
    """
    spec, model_id = live_model(client, model, arguments.get("kind"))
    name, wire = spec.name, live_wire(spec.live.wire)
    if not isinstance(extra, Mapping | None):
        raise TypeError(f"extra must be a dict of the provider's own fields, got {type(extra).__name__}")
    if not isinstance(live_url, str | None):
        raise TypeError(f"live_url must be text such as {spec.live.url!r}, got {type(live_url).__name__}")
    if not isinstance(reconnect, Reconnect | None):
        raise TypeError(f"reconnect must be an exllm.live.Reconnect, such as Reconnect(attempts=3), got {reconnect!r}")
    if audio_overflow not in ("block", "drop", "overwrite"):
        raise ValueError(f"audio_overflow is {audio_overflow!r}; it can be 'block', 'drop' or 'overwrite'")
    if isinstance(audio_capacity, bool) or not isinstance(audio_capacity, int) or audio_capacity < 1:
        raise ValueError(f"audio_capacity must be at least 1, got {audio_capacity!r}")
    settings = LiveSettings(model_id, extra=dict(extra) if extra else {})
    settings, warnings = changed(settings, arguments, wire, spec, drop_unsupported=client.drop_unsupported)
    rules = CallRules(tools_by_name(settings), concurrency=concurrency, tool_timeout=tool_timeout, state=state)
    if auto_tools and not any(tool.handler is not None for tool in rules.tools.values()):
        raise ConfigurationError("auto_tools=True needs tools=[...] with functions in it, for the session to call")
    way = ways.to(spec, api_key)
    if way.secret and spec.live.is_token(way.secret) and settings.endpoint is None and "token" in spec.live.paths:
        settings = msgspec.structs.replace(settings, endpoint="token")
    given = live_url or lookup(client.config, spec.address_names, "live_url")
    live = spec.live

    def filled(text: str) -> str:
        return fill(text, spec, client.config, way.signer) if "{" in text else text

    configured = lookup(client.config, spec.address_names, "base_url", spec.base_url_env)
    if given is not None:
        address = given
    elif configured is not None and urlsplit(way.base_url).hostname != urlsplit(live.url).hostname:
        address = way.base_url  # a gateway, or one's own resource: its key is shown to nobody else
    else:
        address = filled(f"{live.url}/").removesuffix("/")  # hosts are told by what stands between slashes
    filled_live = msgspec.structs.replace(
        live,
        model=filled(live.model),
        path=filled(live.path),
        paths={name: filled(path) for name, path in live.paths.items()},
    )
    limits = timeouts_of(timeout)
    url = _websocket_url(address, spec, is_given=given is not None)
    call = LiveCall(
        name,
        settings,
        msgspec.structs.replace(way.spec, live=filled_live),
        wire,
        way,
        url,
        limits.over(Timeouts(client.timeouts.connect, client.timeouts.first_chunk)).over(
            Timeouts(DEFAULT_TIMEOUTS.connect, SETUP_S, math.inf, math.inf)
        ),
        client.retry or spec.retry,
        Reconnect() if reconnect is None else reconnect,
        audio_overflow,
        audio_capacity,
        rules if auto_tools else None,
        warnings,
        client.drop_unsupported,
        max_message_bytes,
        budgets,
        proxy_for("http" + url.removeprefix("ws")),
        ssl_context,
    )
    protocol = call.protocol(dict.fromkeys(call.unfilled, "-"))  # this and what follows raises what only the wire knows
    protocol.address()
    protocol.connect()
    return call


def changed(
    settings: LiveSettings,
    arguments: Mapping[str, Any],
    wire: LiveWire,
    spec: ProviderSpec,
    *,
    drop_unsupported: bool,
) -> tuple[LiveSettings, tuple[str, ...]]:
    """`settings` with `arguments`, checked, and warnings of what was dropped.

    Raises: TypeError for an unknown keyword or a value of the wrong type; ValueError, UnsupportedOption and
        InvalidRequest.
    """
    values: dict[str, Any] = {}
    warnings: list[str] = []
    supported = (wire.settings | _FREELY_SET) - spec.live.unsupported
    for name, given in arguments.items():
        if name not in _TYPES or name in ("model", "extra"):
            near = [_OTHER_WORDS[name]] if name in _OTHER_WORDS else difflib.get_close_matches(name, _KNOWN, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; a provider's own fields go in extra={...}"
            raise TypeError(f"unknown setting {name!r}{hint}")
        if given is None:
            continue
        value = _converted(name, given)
        if name not in supported and value != getattr(_DEFAULTS, name):
            words = f"realtime sessions of {spec.label} take no {name}"
            if not drop_unsupported:
                raise UnsupportedOption(
                    f"{words}. Leave it out, pass the provider's own field in extra={{...}}, or build the client with "
                    f"drop_unsupported=True.",
                    provider=spec.name,
                    model=settings.model,
                )
            warnings.append(f"{words}; it was dropped")
            continue
        values[name] = value
    settings = msgspec.structs.replace(settings, **values)
    if isinstance(settings.tool_choice, str | dict) and "tool_choice" in values:
        check_tool_choice(settings.tool_choice, settings.tools, web_search=False)
    if has_paths(settings.history):
        raise UnsupportedOption("history= takes no media from files; give their bytes in data=", provider=spec.name)
    return settings, tuple(warnings)


def _converted(name: str, given: Any) -> Any:
    if name == "history":
        return normalise_messages(given) if given else ()
    try:
        match name:
            case "tools":
                value: Any = tools_of(given)
            case "turn_detection" if isinstance(given, str):
                value = msgspec.convert({"kind": given}, TurnDetection)
            case "modalities" | "include" if isinstance(given, str):
                value = msgspec.convert((given,), _TYPES[name])
            case "tool_choice" if isinstance(given, Tool):
                value = given.name
            case "turn_detection" if isinstance(given, TurnDetection):
                value = msgspec.convert(msgspec.to_builtins(given), TurnDetection)  # checks what was constructed
            case _:
                value = msgspec.convert(given, _TYPES[name])
    except (TypeError, ValueError) as error:  # `msgspec.ValidationError` is a ValueError
        choices = _words_of(_TYPES[name])
        why = f"it can be {', '.join(map(repr, choices))}" if choices and isinstance(given, str) else error
        raise TypeError(f"setting {name!r} cannot be {_shown(given)}: {why}") from None
    bounds = _RANGES.get(name)
    if bounds is not None and not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"setting {name!r} must be between {bounds[0]:g} and {bounds[1]:g}, got {given!r}")
    return value


def _words_of(wanted: Any) -> tuple[str, ...]:
    """The words that a type allows; empty where any will do."""
    if wanted is TurnDetection:
        wanted = get_type_hints(TurnDetection)["kind"]
    if get_origin(wanted) is Literal:
        return get_args(wanted)
    return tuple(word for part in get_args(wanted) for word in _words_of(part))


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 200 else f"{words[:200]}..."


def _websocket_url(address: str, spec: ProviderSpec, *, is_given: bool) -> str:
    """Scheme and host for a WebSocket, with a path in front of the provider's own where one was given."""
    try:
        parts = urlsplit(address)
        scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
        is_usable = scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
        is_usable = is_usable and not (parts.query or parts.fragment) and address.isprintable() and " " not in address
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(
            f"the realtime URL for {spec.label} must look like {spec.live.url}: wss:// or ws://, a host, perhaps "
            f"a port",
            provider=spec.name,
        )
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/') if is_given else ''}"


def _replaced(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text
