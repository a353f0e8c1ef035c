"""Realtime sessions: one duplex conversation, the same for every provider.

    async with client.live("gemini", voice="Kore", tools=[get_weather], auto_tools=True) as session:
        await session.send("Hello")                    # or send_audio, send_video, send_text
        async for event in session:
            match event:
                case exllm.live.AudioOut(data=pcm): ...
                case exllm.live.OutputTranscript(text=text): ...
                case exllm.live.Interrupted(): ...
                case exllm.live.TurnComplete(usage=usage): ...

Here are the events, what a session is set up with, and help with audio (`exllm.live.audio`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    CitationOut,
    CodeOut,
    GenerationComplete,
    GoAway,
    InputCommitted,
    InputTranscript,
    Interrupted,
    LiveEvent,
    MediaOut,
    OutputTranscript,
    RateLimit,
    RateLimits,
    ReasoningOut,
    Reconnected,
    Reconnecting,
    RemoteError,
    ResumptionUpdate,
    SessionStarted,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextOut,
    ToolCall,
    ToolCallCancelled,
    ToolFinished,
    ToolWaiting,
    TurnComplete,
    TurnStarted,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings, TurnDetection

if TYPE_CHECKING:
    from exllm.live import audio
    from exllm.live.reconnect import Reconnect
    from exllm.live.session import LiveSession
    from exllm.live.stats import LiveStats

__all__ = [
    "AudioOut",
    "CitationOut",
    "CodeOut",
    "GenerationComplete",
    "GoAway",
    "InputCommitted",
    "InputTranscript",
    "Interrupted",
    "LiveEvent",
    "LiveSession",
    "LiveSettings",
    "LiveStats",
    "MediaOut",
    "OutputTranscript",
    "ProviderEvent",
    "RateLimit",
    "RateLimits",
    "ReasoningOut",
    "Reconnect",
    "Reconnected",
    "Reconnecting",
    "RemoteError",
    "ResumptionUpdate",
    "SessionStarted",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextOut",
    "ToolCall",
    "ToolCallCancelled",
    "ToolFinished",
    "ToolWaiting",
    "TurnComplete",
    "TurnDetection",
    "TurnStarted",
    "UsageReport",
    "audio",
]

_LAZY = {
    "LiveSession": "exllm.live.session",
    "LiveStats": "exllm.live.stats",
    "Reconnect": "exllm.live.reconnect",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "audio":
        return import_module("exllm.live.audio")
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm.live' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
