"""What both realtime wires have in common for sessions that translate speech while it is spoken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from exllm.errors import UnsupportedOption
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import ToolResult

KIND = "translation"


class SpeechAlone:
    """What a `LiveProtocol` refuses where there are no turns, no tools and nothing but speech."""

    _spec: ProviderSpec

    def turn(self, messages: Sequence[Message], *, complete: bool) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def realtime_text(self, text: str) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def video(self, data: bytes, media_type: str) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def activity_start(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def activity_end(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def tool_results(self, results: Sequence[ToolResult], **how: Any) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def interrupt(self, played_ms: int | None) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def give_up(self) -> None:
        """See `LiveProtocol`. There are no answers."""

    def respond(self, **how: Any) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UnsupportedOption(
            "a session of the kind 'translation' takes audio alone: send_audio, audio_end", provider=self._spec.name
        )
