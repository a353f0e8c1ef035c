"""Client secrets of the Realtime API: the request for one, and what it answers.

Source: https://developers.openai.com/api/reference/resources/realtime/subresources/client_secrets/methods/create,
https://docs.x.ai/docs/guides/voice/agent#fetching-ephemeral-tokens
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.errors import InvalidRequest, ProtocolError
from exllm.providers.live_checks import UNREADABLE, encoded
from exllm.providers.live_translation import KIND
from exllm.providers.openai_realtime_quirks import dialect_of
from exllm.providers.openai_realtime_session import session_of
from exllm.providers.openai_translation import translation_session
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.live_settings import LiveSettings
from exllm.types.live_token import LiveToken


def token_request(spec: ProviderSpec, settings: LiveSettings | None, *, expires_in_s: int | None = None) -> HttpRequest:
    """The request for a client secret.

    Args:
        settings: of sessions opened with it; None leaves them free.
        expires_in_s: how long sessions can be opened with it, 10 to 7,200 seconds at OpenAI; 10 minutes where None.
    """
    is_translation = settings is not None and settings.kind == KIND
    path = spec.live.translation_token_path if is_translation else spec.live.token_path
    if not path:
        raise InvalidRequest(f"{spec.label} gives no short-lived keys for realtime sessions", provider=spec.name)
    is_typed = dialect_of(spec.live.quirks).typed
    body: dict[str, Any] = {}
    if expires_in_s is not None:
        anchor = {"anchor": "created_at"} if is_typed else {}
        body["expires_after"] = {**anchor, "seconds": expires_in_s}
    if settings is not None:
        if not is_typed:
            raise InvalidRequest(f"keys of {spec.label} hold no settings; give none", provider=spec.name)
        session = translation_session(settings, spec) if is_translation else session_of(settings, spec, [])
        model = {} if settings.kind == "transcription" else {"model": settings.model}
        body["session"] = {**session, **model}
    return HttpRequest(path, encoded(body, spec).encode())


def read_token(body: bytes, spec: ProviderSpec) -> LiveToken:
    """The secret of an answer. Raises `ProtocolError` for one that holds none."""
    try:
        answer = msgspec.json.decode(body)
        secret = answer.get("client_secret") or answer  # as the beta had it
        value, expires_at = secret["value"], secret.get("expires_at")
        if not isinstance(value, str) or not isinstance(expires_at, int | float | None):
            raise TypeError("value should be text, expires_at a time")
        return LiveToken(value, expires_at)
    except (*UNREADABLE, KeyError, TypeError, ValueError, AttributeError) as error:
        # Not shown: it may hold a secret all the same.
        raise ProtocolError("the provider answered with no client secret", provider=spec.name) from error
