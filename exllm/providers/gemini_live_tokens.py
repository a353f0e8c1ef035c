"""Ephemeral tokens of the Gemini API: the request for one, and what it answers.

Source: https://ai.google.dev/gemini-api/docs/ephemeral-tokens, https://ai.google.dev/api/live#AuthToken
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from exllm.errors import InvalidRequest, ProtocolError
from exllm.providers.gemini_live_setup import setup_of
from exllm.providers.live_checks import UNREADABLE, encoded
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.live_settings import LiveSettings
from exllm.types.live_token import LiveToken


def token_request(
    spec: ProviderSpec,
    settings: LiveSettings | None,
    *,
    now_s: float,
    expires_in_s: float | None = None,
    opens_in_s: float | None = None,
    uses: int | None = None,
    lock: Sequence[str] | None = None,
) -> HttpRequest:
    """The request for a token.

    Args:
        settings: what sessions opened with it are held to; None leaves them free.
        now_s: the Unix time that the two times below count from.
        expires_in_s: how long it is good for; 30 minutes where None.
        opens_in_s: how long sessions can be opened with it; 1 minute where None.
        uses: how many sessions it opens; 1 where None, 0 for any number.
        lock: with `settings`, which fields cannot be changed: None for all of the setup, an empty list for those that
            `settings` sets, else those and these, by Gemini's path, ``"generationConfig.temperature"``.
    """
    if not spec.live.token_path:
        raise InvalidRequest(f"{spec.label} gives no short-lived keys for realtime sessions", provider=spec.name)
    body: dict[str, Any] = {}
    if uses is not None:
        body["uses"] = uses
    if expires_in_s is not None:
        body["expireTime"] = _time(now_s + expires_in_s)
    if opens_in_s is not None:
        body["newSessionExpireTime"] = _time(now_s + opens_in_s)
    if settings is not None:
        setup = setup_of(settings, spec, [])
        body["bidiGenerateContentSetup"] = setup
        if lock is not None:
            body["fieldMask"] = ",".join([*_paths(setup), *lock])
    elif lock:
        body["fieldMask"] = ",".join(lock)
    return HttpRequest(spec.live.token_path, encoded(body, spec).encode())


def read_token(body: bytes, spec: ProviderSpec) -> LiveToken:
    """The token of an answer. Raises `ProtocolError` for one that holds none."""
    try:
        answer = msgspec.json.decode(body)
        if not isinstance(answer["name"], str):
            raise TypeError("name should be text")
        return LiveToken(
            answer["name"], _unix_time(answer.get("expireTime")), _unix_time(answer.get("newSessionExpireTime")),
            answer.get("uses"),
        )  # fmt: skip
    except (*UNREADABLE, KeyError, TypeError, ValueError, AttributeError) as error:
        # Not shown: it may hold a token all the same.
        raise ProtocolError("the provider answered with no token", provider=spec.name) from error


def _paths(setup: dict[str, Any]) -> list[str]:
    """The fields of a setup, those of objects inside one by one."""
    return [
        path
        for name, value in setup.items()
        for path in ([f"{name}.{inner}" for inner in value] if isinstance(value, dict) and value else [name])
    ]


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix_time(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
