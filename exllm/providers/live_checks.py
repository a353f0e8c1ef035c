"""What both realtime wires check and read alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from exllm.errors import InvalidRequest, ProtocolError, UnsupportedOption
from exllm.providers.live_wire import LiveAddress
from exllm.providers.spec import ProviderSpec, near
from exllm.types.live_settings import LiveSettings
from exllm.types.parts import ToolResult

SNIPPET_CHARS = 200
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""

_ALWAYS = frozenset({"model", "extra", "resumable", "endpoint"})
_DEFAULTS = LiveSettings("")
_encode = msgspec.json.Encoder().encode


def refuse_unsupported(settings: LiveSettings, known: frozenset[str], spec: ProviderSpec) -> None:
    """Raise `UnsupportedOption` for a setting that the wire, or the provider, has no words for."""
    known = (known | _ALWAYS) - spec.live.unsupported
    for name in LiveSettings.__struct_fields__:
        if name not in known and getattr(settings, name) != getattr(_DEFAULTS, name):
            raise UnsupportedOption(
                f"realtime sessions of {spec.label} take no {name}; leave it out (extra={{...}} holds its own "
                f"fields of a session)",
                provider=spec.name,
                model=settings.model,
            )


def check_modalities(modalities: Sequence[str] | None, spec: ProviderSpec) -> None:
    """Raise `UnsupportedOption` for answers in text and in speech: services take only one of both."""
    if len(modalities or ()) > 1:
        raise UnsupportedOption(
            f"{spec.label} answers in text or in speech, not in both; with modalities='audio' and "
            f"output_transcription=True speech comes with its words",
            provider=spec.name,
        )


def address_of(settings: LiveSettings, spec: ProviderSpec, endpoint: str | None) -> LiveAddress:
    """The address called `endpoint`, the usual one for None. Raises `InvalidRequest` for one that there is none of."""
    if endpoint is not None and endpoint not in spec.live.paths:
        known = sorted(spec.live.paths)
        raise InvalidRequest(
            f"{spec.label} has no realtime endpoint {endpoint!r}{near(endpoint, known)}; there are {known}",
            provider=spec.name,
        )
    path = spec.live.path if endpoint is None else spec.live.paths[endpoint]
    if not set(settings.model).isdisjoint("?#&% \\"):
        raise InvalidRequest(f"{settings.model!r} is no name of a model of {spec.label}", provider=spec.name)
    path = path.replace("{model}", settings.model).replace("{call_id}", quote(settings.call_id or "", safe=""))
    return LiveAddress(path)


def text_of(result: ToolResult, spec: ProviderSpec) -> str:
    """The text of a tool's result. Raises `InvalidRequest` where it holds anything else."""
    if isinstance(result.content, str):
        return result.content
    pieces = [getattr(part, "text", None) for part in result.content]
    if None in pieces:
        raise InvalidRequest(f"realtime sessions of {spec.label} take text alone from tools", provider=spec.name)
    return "".join(piece for piece in pieces if piece is not None)


def encoded(message: Mapping[str, Any], spec: ProviderSpec) -> str:
    """`message` as it is sent. Raises `InvalidRequest` for what cannot be JSON."""
    try:
        return _encode(message).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the message cannot be written as JSON: {error}", provider=spec.name) from error


def merged(ours: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` over `ours`, objects of the same name field by field."""
    for name, value in extra.items():
        mine = ours.get(name)
        ours[name] = merged(dict(mine), value) if isinstance(mine, dict) and isinstance(value, Mapping) else value
    return ours


def nonsense(what: str, data: bytes, spec: ProviderSpec) -> ProtocolError:
    """The error for a message that makes no sense, with the beginning of it."""
    snippet = _BLOBS.sub("...", data[: SNIPPET_CHARS * 4].decode("utf-8", "replace"))[:SNIPPET_CHARS]
    if len(what) > SNIPPET_CHARS:  # it may repeat a value of the message
        what = f"{what[:SNIPPET_CHARS]}..."
    return ProtocolError(f"the provider sent {what}: {snippet!r}", provider=spec.name, body=snippet)


_BLOBS = re.compile(r"[A-Za-z0-9+/]{80,}={0,2}")
