"""Ephemeral tokens of the Gemini API: the request for one, and what it answers.

Source: https://ai.google.dev/gemini-api/docs/ephemeral-tokens, https://ai.google.dev/api/live#AuthToken
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from exllm.errors import InvalidRequest, ProtocolError, UnsupportedOption
from exllm.providers.gemini_live_setup import setup_of
from exllm.providers.live_checks import UNREADABLE, encoded
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.live_settings import LiveSettings
from exllm.types.live_token import LiveToken

_LONGEST_S = 20 * 3600
"""No token lives so long: google-genai, `CreateAuthTokenConfig`."""


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
        if isinstance(uses, bool) or not isinstance(uses, int) or uses < 0:
            raise InvalidRequest(f"uses is how many sessions a token opens, 0 for any number; got {uses!r}")
        body["uses"] = uses
    for field, name, after_s in (
        ("expireTime", "expires_in_s", expires_in_s),
        ("newSessionExpireTime", "opens_in_s", opens_in_s),
    ):
        if after_s is not None:
            body[field] = _time(now_s, after_s, name)
    if settings is not None:
        if settings.history:
            raise UnsupportedOption("a token holds no history; give it to the session itself", provider=spec.name)
        setup = setup_of(settings, spec, [])
        if lock is None and (settings.resumable or settings.resumption_handle is not None):
            # Nothing can be added to a setup that is locked as a whole, handles by which to go on neither.
            handle = {} if settings.resumption_handle is None else {"handle": settings.resumption_handle}
            setup["sessionResumption"] = {**(setup.get("sessionResumption") or {}), **handle}
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
        uses = answer.get("uses")
        return LiveToken(
            answer["name"], _unix_time(answer.get("expireTime")), _unix_time(answer.get("newSessionExpireTime")),
            None if uses is None else int(uses),
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


def _time(now_s: float, after_s: float, name: str) -> str:
    if not isinstance(after_s, int | float) or not 0 < after_s < _LONGEST_S:
        raise InvalidRequest(f"{name} is a number of seconds below {_LONGEST_S}, got {after_s!r}")
    return datetime.fromtimestamp(now_s + after_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix_time(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
