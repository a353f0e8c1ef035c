"""Events of the Realtime API that say what the user does: speech that begins and ends, and what was understood of it.

Source: https://developers.openai.com/api/reference/resources/realtime/server-events; what xAI sends besides,
https://docs.x.ai/docs/guides/voice/agent.
"""

from __future__ import annotations

from exllm.providers.error_mapping import mask_secrets
from exllm.providers.openai_realtime_events import Fields, Reader, list_in, number, object_in, passed_on, text
from exllm.providers.openai_realtime_memory import Conversation
from exllm.providers.openai_realtime_pieces import OpenTexts
from exllm.providers.openai_realtime_speech import Speech
from exllm.providers.openai_realtime_turns import Turns
from exllm.providers.openai_realtime_usage import usage_of
from exllm.types.live_events import (
    InputCommitted,
    InputTranscript,
    Interrupted,
    LiveEvent,
    RemoteError,
    SpeechStarted,
    SpeechStopped,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings
from exllm.types.usage import Usage


class HeardReader:
    """Reads what the service hears.

    Attributes:
        model: what writes down the user's speech, ``""`` where that is not known.
        readers: by the event's name.
    """

    def __init__(
        self,
        settings: LiveSettings,
        provider: str,
        conversation: Conversation,
        turns: Turns,
        texts: OpenTexts,
        speech: Speech,
    ) -> None:
        self.model = ""
        self._provider = provider
        self._conversation = conversation
        self._turns = turns
        self._texts = texts
        self._speech = speech
        self.configure(settings)
        self.readers: dict[str, Reader] = {
            "input_audio_buffer.committed": self._committed,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "conversation.item.input_audio_transcription.updated": self._understood_so_far,
            "conversation.item.input_audio_transcription.completed": self._understood,
            "conversation.item.input_audio_transcription.failed": self._not_understood,
        }

    def configure(self, settings: LiveSettings) -> None:
        """These settings are in force."""
        detection = settings.turn_detection
        self._speech_interrupts = detection is None or detection.interrupts is not False

    def _speech_started(self, fields: Fields) -> list[LiveEvent]:
        events: list[LiveEvent] = [SpeechStarted(_seconds(fields, "audio_start_ms"), text(fields, "item_id"))]
        turn = self._turns.talk_over() if self._speech_interrupts else ""
        if turn:
            events.append(Interrupted(turn, self._speech.item))
        return events

    def _speech_stopped(self, fields: Fields) -> list[LiveEvent]:
        return [SpeechStopped(_seconds(fields, "audio_end_ms"), text(fields, "item_id"))]

    def _committed(self, fields: Fields) -> list[LiveEvent]:
        return [InputCommitted(text(fields, "item_id"), text(fields, "previous_item_id"))]

    def _understood_so_far(self, fields: Fields) -> list[LiveEvent]:
        """xAI: all that was understood so far, which later events put right."""
        return [InputTranscript(text(fields, "transcript"), interim=True, item=text(fields, "item_id"))]

    def _understood(self, fields: Fields) -> list[LiveEvent]:
        item, whole = text(fields, "item_id"), text(fields, "transcript")
        if fields.get("status") == "in_progress":  # xAI
            return self._understood_so_far(fields)
        rest, replaces = self._texts.complete(item, -1, whole)
        self._conversation.whole(item, whole)
        languages = list_in(fields, "languages")
        language = text(languages[0], "code") if languages else ""
        events: list[LiveEvent] = [InputTranscript(rest, True, replaces, item=item, language=language)]
        usage = object_in(fields, "usage")
        counts = usage_of(usage)
        seconds = number(usage, "seconds")
        if counts is not None:
            events.append(UsageReport(counts, self.model))
        elif seconds:
            events.append(UsageReport(Usage(), self.model, seconds))
        if (usage and len(events) == 1) or fields.get("logprobs") or languages:
            events.append(passed_on(fields, self._provider))
        return events

    def _not_understood(self, fields: Fields) -> list[LiveEvent]:
        item = text(fields, "item_id")
        self._texts.drop(item, -1)
        error = object_in(fields, "error")
        code, kind = text(error, "code"), text(error, "type")
        message = mask_secrets(text(error, "message"))
        return [
            RemoteError(message, code or kind, text(error, "param"), kind=kind),
            passed_on(fields, self._provider),
        ]


def _seconds(fields: Fields, name: str) -> float | None:
    value = number(fields, name)
    return None if value is None else value / 1000
