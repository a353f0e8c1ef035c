"""What was said in a Gemini Live session, as text, to events."""

from __future__ import annotations

from exllm.providers.gemini_live_events import Transcription, fields_of
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import InputTranscript, LiveEvent, OutputTranscript


def read_output(said: Transcription, events: list[LiveEvent], provider: str) -> None:
    """What the model says."""
    if said.text or said.finished:
        events.append(OutputTranscript(said.text or "", bool(said.finished), language=said.language_code or ""))
    _pass_on("outputTranscription", said, events, provider)


def read_input(said: Transcription, events: list[LiveEvent], provider: str, *, interim: bool = False) -> None:
    """What the user says; with `interim` a guess at it."""
    if said.text or said.finished:
        is_final = bool(said.finished) and not interim
        language = said.language_code or ""
        events.append(InputTranscript(said.text or "", is_final, interim=interim, language=language))
    name = "interimInputTranscription" if interim else "inputTranscription"
    _pass_on(name, said, events, provider, interim=interim)


def _pass_on(name: str, said: Transcription, events: list[LiveEvent], provider: str, *, interim: bool = False) -> None:
    """What no event has a place for: words, speakers and times, that a guess is final, a language alone."""
    is_silent = said.text is None and said.language_code is not None and not said.finished
    if is_silent or (interim and said.finished) or said.says_more():
        events.append(ProviderEvent(name, fields_of(said), provider))
