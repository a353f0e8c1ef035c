"""Every setting of Google's own client for live sessions can be said, and is said in the same words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types as google

from exllm.providers import registry
from exllm.providers.gemini_live import WIRE
from exllm.providers.gemini_live_protocol import GeminiLiveProtocol
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Image, Text, ToolResult
from exllm.types.tool import ServerTool, Tool
from tests.providers.google_live_client import google_message, google_setup

MODELS = {"gemini": "gemini-live", "vertex": "projects/p/locations/l/publishers/google/models/gemini-live"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "get_weather", "description": "Look", "parameters_json_schema": SCHEMA}
QUICK = {**TOOL, "behavior": "BLOCKING"}
SLOW = {**TOOL, "name": "book", "behavior": "NON_BLOCKING"}
SPEAKERS = {
    "speaker_voice_configs": [
        {"speaker": "Ann", "voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
        {"speaker": "Bob", "voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}},
    ]
}
SENSITIVITIES: list[tuple[Any, Any]] = [("low", "high"), ("high", "low")]
SAFETY = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}

# A field of Google's `LiveConnectConfig`, what it is set to, and how that is said here.
SAID: list[tuple[str, Any, dict[str, Any]]] = [
    ("generation_config", {"temperature": 0.5, "presence_penalty": 1.0},
     {"temperature": 0.5, "extra": {"generationConfig": {"presencePenalty": 1.0}}}),
    ("response_modalities", ["TEXT"], {"modalities": ("text",)}),
    ("response_modalities", ["AUDIO"], {"modalities": ("audio",)}),
    ("response_modalities", ["VIDEO"], {"extra": {"generationConfig": {"responseModalities": ["VIDEO"]}}}),
    ("temperature", 0.5, {"temperature": 0.5}),
    ("top_p", 0.9, {"top_p": 0.9}),
    ("top_k", 40, {"top_k": 40}),
    ("max_output_tokens", 500, {"max_tokens": 500}),
    ("seed", 7, {"seed": 7}),
    *[("media_resolution", f"MEDIA_RESOLUTION_{level.upper()}", {"media_resolution": level})
      for level in ("low", "medium", "high")],
    ("speech_config", {"language_code": "de-DE"}, {"language": "de-DE"}),
    ("speech_config", {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}}, {"voice": "Kore"}),
    ("speech_config", {"voice_config": {"voice": "mine"}},
     {"extra": {"generationConfig": {"speechConfig": {"voiceConfig": {"voice": "mine"}}}}}),
    ("thinking_config", {"include_thoughts": True}, {"thinking": True}),
    ("thinking_config", {"include_thoughts": True, "thinking_budget": 512}, {"thinking": 512}),
    ("thinking_config", {"thinking_level": "LOW"}, {"thinking": {"thinkingLevel": "LOW"}}),
    ("enable_affective_dialog", True, {"affective_dialog": True}),
    ("system_instruction", "Be kind.", {"instructions": "Be kind."}),
    ("tools", [{"function_declarations": [TOOL]}], {"tools": (Tool("get_weather", "Look", SCHEMA),)}),
    ("tools", [{"function_declarations": [QUICK]}],
     {"tools": (Tool("get_weather", "Look", SCHEMA),), "non_blocking_tools": False}),
    ("tools", [{"function_declarations": [SLOW]}],
     {"tools": (Tool("book", "Look", SCHEMA),), "non_blocking_tools": True}),
    ("tools", [{"function_declarations": [QUICK, SLOW]}],
     {"tools": (Tool("get_weather", "Look", SCHEMA), Tool("book", "Look", SCHEMA)), "non_blocking_tools": ("book",)}),
    ("tools", [{"google_search": {}}, {"code_execution": {}}, {"url_context": {}}],
     {"tools": tuple(ServerTool({name: {}}) for name in ("googleSearch", "codeExecution", "urlContext"))}),
    ("session_resumption", {}, {"resumable": True}),
    ("session_resumption", {"handle": "h"}, {"resumption_handle": "h"}),
    ("session_resumption", {"transparent": True}, {"extra": {"sessionResumption": {"transparent": True}}}),
    ("session_resumption", {"handle": "h", "transparent": True},
     {"resumption_handle": "h", "extra": {"sessionResumption": {"transparent": True}}}),
    ("input_audio_transcription", {}, {"input_transcription": True}),
    ("input_audio_transcription", {"language_codes": ["de"], "custom_vocabulary": ["exllm"], "word_timestamp": True},
     {"input_transcription": {"languageCodes": ["de"], "customVocabulary": ["exllm"], "wordTimestamp": True}}),
    ("output_audio_transcription", {}, {"output_transcription": True}),
    ("output_audio_transcription", {"language_codes": ["de"]}, {"output_transcription": {"languageCodes": ["de"]}}),
    ("realtime_input_config", {"automatic_activity_detection": {"disabled": True}},
     {"turn_detection": TurnDetection("manual")}),
    ("realtime_input_config",
     {"automatic_activity_detection": {"disabled": True}, "activity_handling": "NO_INTERRUPTION"},
     {"turn_detection": TurnDetection("manual", interrupts=False)}),
    *[("realtime_input_config",
       {"automatic_activity_detection": {
           "start_of_speech_sensitivity": f"START_SENSITIVITY_{start.upper()}",
           "end_of_speech_sensitivity": f"END_SENSITIVITY_{end.upper()}",
           "prefix_padding_ms": 0, "silence_duration_ms": 300},
        "activity_handling": "START_OF_ACTIVITY_INTERRUPTS"},
       {"turn_detection": TurnDetection(
           start_sensitivity=start, end_sensitivity=end, prefix_padding_ms=0, silence_ms=300, interrupts=True)})
      for start, end in SENSITIVITIES],
    ("realtime_input_config", {"turn_coverage": "TURN_INCLUDES_ONLY_ACTIVITY"}, {"turn_coverage": "activity"}),
    ("realtime_input_config", {"turn_coverage": "TURN_INCLUDES_ALL_INPUT"}, {"turn_coverage": "all"}),
    ("realtime_input_config", {"turn_coverage": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"},
     {"turn_coverage": "activity_and_video"}),
    ("realtime_input_config", {"interim_transcript_timestamp_enabled": True},
     {"extra": {"realtimeInputConfig": {"interimTranscriptTimestampEnabled": True}}}),
    ("context_window_compression", {"sliding_window": {}}, {"context_compression": True}),
    ("context_window_compression", {"trigger_tokens": 25_600, "sliding_window": {"target_tokens": 12_800}},
     {"context_compression": {"trigger_tokens": 25_600, "target_tokens": 12_800}}),
    ("proactivity", {"proactive_audio": True}, {"proactive_audio": True}),
    ("proactivity", {"proactive_audio": True, "proactive_video": True},
     {"proactive_audio": True, "extra": {"proactivity": {"proactiveVideo": True}}}),
    ("explicit_vad_signal", True, {"extra": {"explicitVadSignal": True}}),
    ("history_config", {"initial_history_in_client_content": True},
     {"extra": {"historyConfig": {"initialHistoryInClientContent": True}}}),
    ("avatar_config", {"avatar_name": "Kai", "video_bitrate_bps": 1_000_000},
     {"extra": {"avatarConfig": {"avatarName": "Kai", "videoBitrateBps": 1_000_000}}}),
    ("safety_settings", [SAFETY], {"safety_settings": (SAFETY,)}),
    ("translation_config", {"target_language_code": "pl"}, {"kind": "translation", "language": "pl"}),
    ("translation_config", {"target_language_code": "pl", "echo_target_language": True},
     {"kind": "translation", "language": "pl",
      "extra": {"generationConfig": {"translationConfig": {"echoTargetLanguage": True}}}}),
    ("labels", {"team": "a"}, {"extra": {"labels": {"team": "a"}}}),
]  # fmt: skip
NOT_OF_A_SETUP = {"http_options"}  # of its client: address, headers


def session(provider: str, **settings: Any) -> GeminiLiveProtocol:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return WIRE.protocol(LiveSettings(**{"model": MODELS[provider], **settings}), spec)


def setup(provider: str, **settings: Any) -> dict[str, Any]:
    """The setup of a session that is not to be resumed, unless it is said."""
    is_resumed = "resumption_handle" in settings or "sessionResumption" in settings.get("extra", {})
    protocol = session(provider, **{"resumable": is_resumed, **settings})
    found: dict[str, Any] = json.loads(protocol.connect()[0])["setup"]
    return found


def said_by_google(provider: str, name: str, value: Any) -> dict[str, Any] | None:
    """The setup of Google's client; None where the setting is of the other service alone. Callers say it in extra."""
    try:
        return google_setup(provider, MODELS[provider], {name: value})
    except ValueError as error:
        if "only supported in" not in str(error):
            raise
    return None


def test_every_setting_of_google_s_client_is_here() -> None:
    assert {name for name, _, _ in SAID} | NOT_OF_A_SETUP == {*google.LiveConnectConfig.model_fields}


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
@pytest.mark.parametrize(("name", "value", "settings"), SAID, ids=lambda each: each if isinstance(each, str) else "")
def test_settings_are_said_as_google_s_client_says_them(
    provider: str, name: str, value: Any, settings: dict[str, Any]
) -> None:
    theirs = said_by_google(provider, name, value)
    assert theirs is None or setup(provider, **settings) == theirs


def test_what_one_of_the_services_does_not_know_is_of_these_alone() -> None:
    asked = [(provider, name, value) for provider in MODELS for name, value, _ in SAID]
    refused = {(provider, name) for provider, name, value in asked if said_by_google(provider, name, value) is None}
    assert refused == {("gemini", "explicit_vad_signal"), ("gemini", "session_resumption")}  # transparent resumption


def test_a_service_that_lives_has_one_speaker() -> None:
    with pytest.raises(ValueError, match="multi_speaker_voice_config"):
        google_setup("gemini", "m", {"speech_config": {"multi_speaker_voice_config": SPEAKERS}})


# -- messages

CALL = {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}}


def opened(provider: str, **settings: Any) -> GeminiLiveProtocol:
    protocol = session(provider, tools=(Tool("get_weather", "Look", SCHEMA),), **settings)
    protocol.connect()
    protocol.receive(Frame(b'{"setupComplete":{}}'))
    protocol.receive(Frame(json.dumps(CALL).encode()))
    return protocol


MESSAGES: list[tuple[str, dict[str, Any], Any]] = [
    ("send_client_content", {"turns": {"role": "user", "parts": [{"text": "Hi"}]}, "turn_complete": True},
     lambda protocol: protocol.turn([Message("user", "Hi")], complete=True)),
    ("send_client_content",
     {"turns": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}],
      "turn_complete": False},
     lambda protocol: protocol.turn([Message("user", "Hi"), Message("assistant", "Hello")], complete=False)),
    ("send_client_content", {"turn_complete": True}, lambda protocol: protocol.respond()),
    ("send_client_content", {"turn_complete": False}, lambda protocol: protocol.interrupt(0)),
    ("send_realtime_input", {"text": "Hi"}, lambda protocol: protocol.realtime_text("Hi")),
    ("send_realtime_input", {"audio": {"data": b"\x00\xff\xfe\x01", "mime_type": "audio/pcm;rate=16000"}},
     lambda protocol: protocol.audio(b"\x00\xff\xfe\x01", 16_000)),
    ("send_realtime_input", {"audio_stream_end": True}, lambda protocol: protocol.audio_end()),
    ("send_realtime_input", {"video": {"data": b"\xff\xd8", "mime_type": "image/jpeg"}},
     lambda protocol: protocol.video(b"\xff\xd8", "image/jpeg")),
    ("send_realtime_input", {"activity_start": {}}, lambda protocol: protocol.activity_start()),
    ("send_realtime_input", {"activity_end": {}}, lambda protocol: protocol.activity_end()),
    *[("send_tool_response",
       {"function_responses": [{"id": "c1", "name": "get_weather", "response": {"temp": 20}, "scheduling": theirs,
                                "will_continue": goes_on}]},
       lambda protocol, ours=ours, goes_on=goes_on: protocol.tool_results(
           [ToolResult("c1", '{"temp": 20}')], scheduling=ours, will_continue=goes_on))
      for theirs, ours in (("SILENT", "silent"), ("WHEN_IDLE", "when_idle"), ("INTERRUPT", "interrupt"))
      for goes_on in (True, False)],
    ("send_context_update", {"system_instruction": "Be brief."},
     lambda protocol: protocol.update(LiveSettings(
         protocol._settings.model, instructions="Be brief.", turn_detection=TurnDetection("manual"),
         tools=protocol._settings.tools))),
    ("send_context_update", {"tools": []},
     lambda protocol: protocol.update(LiveSettings(
         protocol._settings.model, turn_detection=TurnDetection("manual")))),
    ("send_context_update", {"tools": [{"function_declarations": [SLOW]}]},
     lambda protocol: protocol.update(LiveSettings(
         protocol._settings.model, turn_detection=TurnDetection("manual"), tools=(Tool("book", "Look", SCHEMA),),
         non_blocking_tools=True))),
]  # fmt: skip


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
@pytest.mark.parametrize(
    ("method", "arguments", "say"), MESSAGES, ids=[f"{number}-{each[0]}" for number, each in enumerate(MESSAGES)]
)
def test_messages_are_those_of_google_s_client(provider: str, method: str, arguments: dict[str, Any], say: Any) -> None:
    (ours,) = say(opened(provider, turn_detection=TurnDetection("manual")))
    assert json.loads(ours) == google_message(provider, method, **arguments)


def test_every_message_that_google_s_types_know_is_sent() -> None:
    sent: dict[str, set[str]] = {}
    for _, _, say in MESSAGES:
        for said in say(opened("gemini", turn_detection=TurnDetection("manual"))):
            for kind, fields in json.loads(said).items():
                sent.setdefault(kind, set()).update(fields)
    kinds = {field.alias for field in google.LiveClientMessage.model_fields.values()}
    assert sent.keys() | {"setup"} == kinds
    realtime = {field.alias for field in google.LiveClientRealtimeInput.model_fields.values()}
    assert sent["realtimeInput"] | {"mediaChunks"} == realtime  # mediaChunks is what audio and video were before


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_images_of_tools_are_sent_as_google_s_client_sends_them(provider: str) -> None:
    model = MODELS[provider].replace("gemini-live", "gemini-3.1-flash-live-preview")
    protocol = session(provider, model=model, tools=(Tool("get_weather", "Look", SCHEMA),))
    protocol.connect()
    protocol.receive(Frame(b'{"setupComplete":{}}'))
    protocol.receive(Frame(json.dumps(CALL).encode()))
    result = ToolResult("c1", (Text("a map"), Image(data=b"\x89PNG", media_type="image/png")))
    response = {
        "id": "c1", "name": "get_weather", "response": {"output": "a map"},
        "parts": [{"inline_data": {"mime_type": "image/png", "data": b"\x89PNG"}}],
    }  # fmt: skip
    (ours,) = protocol.tool_results([result])
    assert json.loads(ours) == google_message(provider, "send_tool_response", function_responses=[response])
