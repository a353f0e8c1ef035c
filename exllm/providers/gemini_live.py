"""The realtime wire of Gemini: the Live API of the Gemini API and of Vertex AI."""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers import gemini_live_tokens
from exllm.providers.gemini_live_protocol import GeminiLiveProtocol
from exllm.providers.gemini_live_setup import SETTINGS
from exllm.providers.gemini_live_translation import TranslationProtocol
from exllm.providers.live_translation import KIND
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.live_settings import LiveSettings
from exllm.types.live_token import LiveToken

QUIRKS: dict[str, str] = {}


class GeminiLiveWire:
    """See `LiveWire`."""

    name = "gemini_live"
    settings = SETTINGS
    input_rate_hz = 16_000
    quirks = QUIRKS

    def protocol(self, settings: LiveSettings, spec: ProviderSpec) -> GeminiLiveProtocol:
        """See `LiveWire`."""
        try:
            return (TranslationProtocol if settings.kind == KIND else GeminiLiveProtocol)(settings, spec)
        except InvalidRequest as error:
            error.provider = error.provider or spec.name
            raise

    def token_request(
        self, spec: ProviderSpec, settings: LiveSettings | None, *, now_s: float, **how: Any
    ) -> HttpRequest:
        """See `LiveWire`, and `exllm.providers.gemini_live_tokens.token_request`."""
        return gemini_live_tokens.token_request(spec, settings, now_s=now_s, **how)

    def read_token(self, body: bytes, spec: ProviderSpec) -> LiveToken:
        """See `LiveWire`."""
        return gemini_live_tokens.read_token(body, spec)


WIRE = GeminiLiveWire()
