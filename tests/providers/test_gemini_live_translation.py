"""Gemini Live: sessions that translate speech take audio alone, and have nothing to tell again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.gemini_live import WIRE
from exllm.types.live_events import AudioOut, InputTranscript, OutputTranscript, SessionStarted, TurnStarted
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from tests.providers.gemini_live_session import TOOL, content, opened, read, spec_of, tell

MODEL = "gemini-3.5-live-translate-preview"


def translation(**settings: Any) -> Any:
    return opened(model=MODEL, kind="translation", language="pl", **settings)


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_the_model_is_known(provider: str) -> None:
    assert spec_of(provider).live.translation_model == MODEL


def test_speech_goes_in_and_comes_out_in_another_language() -> None:
    protocol = translation(input_transcription=True, output_transcription=True)
    assert read(protocol.audio(b"\x01\x02", 16_000) + protocol.audio_end()) == [
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AQI="}}},
        {"realtimeInput": {"audioStreamEnd": True}},
    ]
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAEC"}}
    heard, said = {"text": "Hello", "languageCode": "en"}, {"text": "Cześć", "languageCode": "pl"}
    assert tell(protocol, content(inputTranscription=heard, modelTurn={"parts": [part]}, outputTranscription=said)) == [
        InputTranscript("Hello", language="en"),
        TurnStarted(),
        AudioOut(b"\x00\x01\x02"),
        OutputTranscript("Cześć", language="pl"),
    ]


def test_over_a_new_connection_it_just_goes_on() -> None:
    protocol = translation(input_transcription=True)
    tell(protocol, content(inputTranscription={"text": "Hello"}, outputTranscription={"text": "Cześć"}))
    assert protocol.resumes_by == "new"
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, content(inputTranscription={"text": "You"}))
    assert protocol.resumes_by == "handle"
    protocol.closed(1006, "")
    (setup,) = read(protocol.connect())
    assert setup["setup"]["sessionResumption"] == {"handle": "h1"}
    assert setup["setup"]["generationConfig"]["translationConfig"] == {"targetLanguageCode": "pl"}
    (started,) = tell(protocol, {"setupComplete": {}})
    assert started == SessionStarted("", MODEL, resumed=True)
    assert protocol.replies() == []


def test_there_is_nothing_but_speech() -> None:
    protocol = translation()
    for say in (
        lambda: protocol.turn([Message("user", "Hi")], complete=True),
        lambda: protocol.realtime_text("Hi"),
        lambda: protocol.video(b"\xff", "image/jpeg"),
        protocol.activity_start,
        protocol.activity_end,
        lambda: protocol.tool_results([ToolResult("c", "x")]),
        lambda: protocol.interrupt(0),
        protocol.respond,
    ):
        with pytest.raises(UnsupportedOption, match="audio alone"):
            say()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"instructions": "Be kind"}, "instructions"),
        ({"tools": (TOOL,)}, "tools"),
        ({"history": (Message("user", "Hi"),)}, "history"),
        ({"voice": "Kore"}, "voice"),
        ({"turn_detection": TurnDetection("manual")}, "turn_detection"),
    ],
)
def test_what_a_translation_takes_not_is_refused(settings: Any, words: str) -> None:
    with pytest.raises(UnsupportedOption, match=words):
        translation(**settings)
    with pytest.raises(UnsupportedOption, match=words):
        translation().update(LiveSettings(MODEL, kind="translation", language="pl", **settings))


def test_the_language_is_needed_and_stays() -> None:
    with pytest.raises(InvalidRequest, match="language='es'"):
        WIRE.protocol(LiveSettings(MODEL, kind="translation"), spec_of())
    with pytest.raises(UnsupportedOption, match="language"):
        translation().update(LiveSettings(MODEL, kind="translation", language="de"))


def test_a_token_can_hold_sessions_to_a_language() -> None:
    settings = LiveSettings(MODEL, kind="translation", language="pl")
    body = json.loads(WIRE.token_request(spec_of(), settings, now_s=0.0).body)
    assert body["bidiGenerateContentSetup"]["generationConfig"] == {"translationConfig": {"targetLanguageCode": "pl"}}
