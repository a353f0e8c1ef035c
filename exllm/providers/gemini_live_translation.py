"""Sessions that translate speech while it is spoken: Gemini Live, ``kind="translation"``.

Audio goes in without pause, silence too, and comes out in another language, that of the settings. There are no
instructions, turns and tools, and there is nothing to tell again: over a new connection the translation just goes on.
Source: https://ai.google.dev/gemini-api/docs/live-api/live-translate
"""

from __future__ import annotations

from exllm.providers.gemini_live_protocol import GeminiLiveProtocol
from exllm.providers.live_translation import SpeechAlone
from exllm.providers.spec import ProviderSpec
from exllm.types.live_events import ResumptionUpdate, SessionStarted
from exllm.types.live_settings import LiveSettings


class TranslationProtocol(SpeechAlone, GeminiLiveProtocol):
    """See `LiveProtocol`."""

    def __init__(self, settings: LiveSettings, spec: ProviderSpec) -> None:
        super().__init__(settings, spec)
        self._notes = {kind: self._notes[kind] for kind in (SessionStarted, ResumptionUpdate)}  # no word is kept
