"""OpenAI Realtime: addresses, the session that settings ask for in each dialect, and keys for others."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exllm.errors import InvalidRequest, ProtocolError, UnsupportedOption
from exllm.providers.openai_realtime import WIRE
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import SessionStarted, SessionUpdated
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.tool import ServerTool
from tests.providers.openai_realtime_talk import MANUAL, TOOL, kinds, read, session_for, spec_of, tell


def test_addresses() -> None:
    def path(provider: str, **settings: Any) -> str:
        return WIRE.protocol(LiveSettings("gpt-realtime", **settings), spec_of(provider)).address().path

    assert path("openai") == "/v1/realtime?model=gpt-realtime"
    assert path("openai", kind="transcription") == "/v1/realtime?intent=transcription"
    assert path("azure") == "/openai/v1/realtime?model=gpt-realtime"
    assert path("azure", kind="transcription") == "/openai/v1/realtime?intent=transcription"
    assert path("xai") == "/v1/realtime?model=gpt-realtime"
    assert path("xai", resumption_handle="c/1") == "/v1/realtime?model=gpt-realtime&conversation_id=c%2F1"
    assert path("azure-voice-live").startswith("/voice-live/realtime?api-version=2026-07-15&model=gpt-realtime")


def test_the_session_starts_when_the_settings_are_taken() -> None:
    protocol = WIRE.protocol(LiveSettings("m"), spec_of())
    assert kinds(protocol.connect()) == ["session.update"]
    created = tell(protocol, "session.created", session={"id": "s1", "model": "gpt-realtime-2025"})
    assert [type(event) for event in created] == [ProviderEvent]
    assert not protocol.ready
    started, updated = tell(protocol, "session.updated", session={"voice": "ash"})
    assert started == SessionStarted("s1", "gpt-realtime-2025")
    assert updated == SessionUpdated({"voice": "ash"})
    assert protocol.ready
    assert [type(event) for event in tell(protocol, "session.updated", session={})] == [SessionUpdated]


def test_dialects_put_the_same_settings_where_their_service_looks() -> None:
    asked: dict[str, Any] = {
        "instructions": "Hi", "modalities": ("audio",), "voice": "ash", "input_transcription": "w",
        "turn_detection": TurnDetection(silence_ms=300), "max_tokens": 9, "tools": (TOOL,),
        "noise_reduction": "near_field",
    }  # fmt: skip
    detection = {"type": "server_vad", "silence_duration_ms": 300}
    tools = [{"type": "function", "name": "get_weather", "parameters": TOOL.schema, "description": "Look it up"}]
    pcm = {"type": "audio/pcm", "rate": 24_000}
    listening = {"format": pcm, "transcription": {"model": "w"}, "noise_reduction": {"type": "near_field"}}
    assert session_for("openai", **asked) == {
        "type": "realtime",
        "instructions": "Hi",
        "output_modalities": ["audio"],
        "max_output_tokens": 9,
        "tools": tools,
        "audio": {
            "input": {**listening, "turn_detection": detection},
            "output": {"format": pcm, "voice": "ash"},
        },
    }
    assert session_for("xai", **asked, input_rate_hz=16_000) == {
        "instructions": "Hi",
        "voice": "ash",
        "turn_detection": detection,
        "max_output_tokens": 9,
        "tools": tools,
        "audio": {"input": {**listening, "format": {**pcm, "rate": 16_000}}, "output": {"format": pcm}},
        "resumption": {"enabled": True},
    }
    assert session_for("azure-voice-live", **asked) == {
        "instructions": "Hi",
        "modalities": ["text", "audio"],
        "voice": "ash",
        "turn_detection": detection,
        "max_response_output_tokens": 9,
        "tools": tools,
        "input_audio_format": "pcm16",
        "input_audio_sampling_rate": 24_000,
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "w"},
        "input_audio_noise_reduction": {"type": "near_field"},
    }


def test_formats_and_detection() -> None:
    session = session_for(audio_format="g711_alaw", turn_detection=MANUAL)
    assert session["audio"]["input"] == {"format": {"type": "audio/pcma"}, "turn_detection": None}
    semantic = TurnDetection("semantic", eagerness="high", responds=False, interrupts=False)
    assert session_for(turn_detection=semantic)["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad", "eagerness": "high", "create_response": False, "interrupt_response": False,
    }  # fmt: skip
    assert session_for(extra={"audio": {"input": {"format": {"rate": 8000}}}})["audio"]["input"]["format"] == {
        "type": "audio/pcm", "rate": 8000,
    }  # fmt: skip
    heard = session_for(input_transcription=True, language="de")["audio"]["input"]["transcription"]
    assert heard == {"model": "gpt-realtime-whisper", "language": "de"}
    alone = session_for(kind="transcription", language="de")
    assert alone == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "m", "language": "de"},
            }
        },
    }


@pytest.mark.parametrize(
    ("provider", "settings", "words"),
    [
        ("openai", {"top_p": 0.5}, "top_p"),
        ("openai", {"temperature": 0.5}, "temperature"),
        ("openai", {"resumption_handle": "x"}, "handles"),
        ("openai", {"input_rate_hz": 16_000}, "24000"),
        ("openai", {"language": "de"}, "input_transcription"),
        ("openai", {"output_transcription": False}, "writes down"),
        ("openai", {"output_transcription": {"languageCodes": ["de"]}}, "no settings"),
        ("openai", {"turn_detection": TurnDetection("semantic", threshold=0.5)}, "threshold"),
        ("openai", {"turn_detection": TurnDetection(start_sensitivity="low")}, "start_sensitivity"),
        ("openai", {"kind": "transcription", "voice": "ash"}, "voice"),
        ("openai", {"context_compression": True}, "context_compression"),
        ("openai", {"modalities": ("text", "audio")}, "not in both; with modalities='audio'"),
        ("azure", {"modalities": ("text", "audio")}, "not in both"),
        ("xai", {"modalities": ("text",)}, "always speaks"),
        ("xai", {"kind": "transcription"}, "kind"),
        ("azure-voice-live", {"speed": 1.1}, "speed"),
    ],
)
def test_what_a_service_has_no_words_for_is_refused_before_anything_is_sent(
    provider: str, settings: Any, words: str
) -> None:
    with pytest.raises(UnsupportedOption, match=words) as caught:
        WIRE.protocol(LiveSettings("m", **settings), spec_of(provider))
    assert caught.value.provider == provider


def test_azure_wants_the_deployment_that_transcribes() -> None:
    with pytest.raises(InvalidRequest, match="input_transcription='"):
        WIRE.protocol(LiveSettings("m", input_transcription=True), spec_of("azure"))


def test_what_a_tool_cannot_be_is_told() -> None:
    protocol = WIRE.protocol(LiveSettings("m", tools=(TOOL,)), spec_of())
    assert protocol.warnings == ["realtime sessions know no strict of a tool; it was left out"]
    mcp = {"type": "mcp", "server_label": "d", "server_url": "https://x.y", "strict": True}
    assert session_for(tools=(ServerTool(mcp),))["tools"] == [mcp]


def test_only_what_changes_is_sent_and_what_is_taken_back_is_cleared() -> None:
    settings = LiveSettings(
        "m", instructions="Hi", tools=(TOOL,), noise_reduction="near_field", input_transcription="w"
    )
    protocol = WIRE.protocol(settings, spec_of())
    protocol.connect()
    tell(protocol, "session.updated", session={})
    changed = LiveSettings("m", voice="ash", input_transcription="v", turn_detection=MANUAL)
    (update,) = read(protocol.update(changed))
    assert update["session"] == {
        "type": "realtime",
        "instructions": "",
        "tools": [],
        "audio": {
            "input": {"noise_reduction": None, "transcription": {"model": "v"}, "turn_detection": None},
            "output": {"voice": "ash"},
        },
    }
    assert protocol.update(changed) == []
    assert kinds(protocol.activity_start()) == ["input_audio_buffer.clear"]
    for name, value in (("model", "n"), ("audio_format", "g711_ulaw"), ("kind", "transcription")):
        with pytest.raises(UnsupportedOption, match=name):
            protocol.update(msgspec.structs.replace(changed, **{name: value}))


def test_a_secret_is_read_and_never_shown() -> None:
    token = WIRE.read_token(b'{"value":"ek_1","expires_at":1767225600,"session":{}}', spec_of())
    assert (token.value, token.expires_at) == ("ek_1", 1767225600)
    assert WIRE.read_token(b'{"client_secret":{"value":"ek_2","expires_at":1}}', spec_of()).value == "ek_2"
    assert "ek_1" not in repr(token)
    for bad in (b"{}", b"[]", b"x", b'{"value":7}', b'{"value":"a","expires_at":"soon"}'):
        with pytest.raises(ProtocolError):
            WIRE.read_token(bad, spec_of())
    request = WIRE.token_request(spec_of("xai"), None, now_s=0.0, expires_in_s=300)
    assert (request.path, json.loads(request.body)) == ("/realtime/client_secrets", {"expires_after": {"seconds": 300}})
    assert WIRE.token_request(spec_of("azure"), None, now_s=0.0).path == "/openai/v1/realtime/client_secrets"
    with pytest.raises(InvalidRequest, match="hold no settings"):
        WIRE.token_request(spec_of("xai"), LiveSettings("m"), now_s=0.0)
    with pytest.raises(InvalidRequest, match="no short-lived keys"):
        WIRE.token_request(spec_of("azure-voice-live"), None, now_s=0.0)
