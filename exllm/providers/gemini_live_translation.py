"""Sessions that translate speech while it is spoken: Gemini Live, ``kind="translation"``.

Audio goes in without pause, silence too, and comes out in another language, that of the settings. There are no
instructions, turns and tools, and there is nothing to tell again: over a new connection the translation just goes on.
Source: https://ai.google.dev/gemini-api/docs/live-api/live-translate
"""

from __future__ import annotations

from exllm.providers.gemini_live_protocol import GeminiLiveProtocol
from exllm.providers.live_translation import SpeechAlone


class TranslationProtocol(SpeechAlone, GeminiLiveProtocol):
    """See `LiveProtocol`."""

    _remembers = False
