"""How much of the model's speech has come, so that it can be told how much of it was heard."""

from __future__ import annotations

from exllm.providers.openai_realtime_session import rate_of
from exllm.providers.spec import ProviderSpec
from exllm.types.live_settings import LiveSettings


class Speech:
    """The audio of the item that the model speaks, or spoke last.

    Attributes:
        item: the item, ``""`` for none.
        content_index: the place of the audio in it.
        size: its bytes so far; `rate_hz` are samples per second.
        is_cut: the service knows how much of it was heard.
    """

    __slots__ = ("_sample_bytes", "content_index", "is_cut", "item", "rate_hz", "size")

    def __init__(self, settings: LiveSettings, spec: ProviderSpec) -> None:
        self.rate_hz = rate_of(settings, spec, output=True)
        self._sample_bytes = 2 if settings.audio_format == "pcm16" else 1
        self.begin("", 0)

    def begin(self, item: str, content_index: int) -> None:
        """The first audio of an item."""
        self.item, self.content_index = item, content_index
        self.size = 0
        self.is_cut = False

    def end(self) -> None:
        """Nothing has been said since the user's last turn."""
        self.begin("", 0)

    @property
    def ms(self) -> int:
        """How long it is so far."""
        return self.size // self._sample_bytes * 1000 // self.rate_hz
