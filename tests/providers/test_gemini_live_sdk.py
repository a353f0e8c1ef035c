"""Google's own types as oracles: what we send is valid to them, what they can receive is an event of ours."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from google.genai import types as google

from exllm.providers import registry
from exllm.providers.live_wire import LiveProtocol, live_wire
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Audio, Image, Text, ToolCall, ToolResult
from exllm.types.tool import ServerTool, Tool

WEATHER = Tool("get_weather", "Look it up", {"type": "object", "properties": {"city": {"type": "string"}}})
SLOW = Tool("book_table", "Takes a while", {"type": "object", "properties": {}})
HISTORY = (
    Message("system", "Be kind."),
    Message.of("user", [Text("What is this?"), Image(data=b"\x89PNG", media_type="image/png", detail="low")]),
    Message.of("assistant", [Text("A cat."), ToolCall("call_9", "get_weather", '{"city":"Rome"}')]),
    Message.of("tool", [ToolResult("call_9", '{"temp": 20}', "get_weather")]),
    Message.of("assistant", [Audio(data=b"", media_type="audio/pcm", transcript="It is warm.")]),
)


def open_session(settings: LiveSettings) -> LiveProtocol:
    spec = registry.get("gemini")
    assert isinstance(spec, ProviderSpec)
    return live_wire(spec.live.wire).protocol(settings, spec)


def ready(protocol: LiveProtocol) -> list[str | bytes]:
    """What is said until the session may be used."""
    said = protocol.connect()
    protocol.receive(Frame(b'{"setupComplete":{}}'))
    assert protocol.ready
    return [*said, *protocol.replies()]


GEMINI_SETTINGS = {
    "plain": LiveSettings("gemini-2.5-flash-native-audio-latest"),
    "all": LiveSettings(
        "gemini-2.5-flash-native-audio-latest",
        instructions="Be short.",
        modalities=("audio",),
        voice="Kore",
        language="en-US",
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=500,
        seed=7,
        thinking=1024,
        tools=(WEATHER, SLOW, ServerTool({"googleSearch": {}}), ServerTool({"codeExecution": {}})),
        non_blocking_tools=("book_table",),
        history=HISTORY,
        turn_detection=TurnDetection(
            "server", prefix_padding_ms=20, silence_ms=300, start_sensitivity="low", end_sensitivity="high",
            interrupts=False,
        ),
        turn_coverage="all",
        input_transcription={"languageCodes": ["en-US"]},
        output_transcription=True,
        media_resolution="low",
        proactive_audio=True,
        affective_dialog=True,
        context_compression={"trigger_tokens": 25_600, "target_tokens": 12_800},
        resumption_handle="handle-1",
        safety_settings=({"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},),
        extra={"historyConfig": {"initialHistoryInClientContent": True}},
    ),
    "manual, gemini 3": LiveSettings(
        "gemini-3.1-flash-live-preview", turn_detection=TurnDetection("manual"), reasoning_effort="low",
        context_compression=True, turn_coverage="activity_and_video",
    ),
}  # fmt: skip


def all_of_gemini(settings: LiveSettings) -> Iterator[str | bytes]:
    protocol = open_session(settings)
    yield from ready(protocol)
    yield from protocol.turn([Message("user", "Hi")], complete=True)
    yield from protocol.realtime_text("And now?")
    yield from protocol.audio(b"\x00\x01" * 160, 16_000)
    yield from protocol.audio_end()
    yield from protocol.video(b"\xff\xd8", "image/jpeg")
    call = {"toolCall": {"functionCalls": [{"id": "f1", "name": "book_table", "args": {}}]}}
    protocol.receive(Frame(msgspec.json.encode(call)))
    yield from protocol.tool_results([ToolResult("f1", "working on it")], will_continue=True, scheduling="silent")
    yield from protocol.tool_results([ToolResult("f1", "done")], scheduling="when_idle")
    yield from protocol.interrupt(100)
    yield from protocol.respond()
    yield from protocol.update(msgspec.structs.replace(settings, instructions="Be long.", tools=(SLOW,)))
    if settings.turn_detection is not None and settings.turn_detection.kind == "manual":
        yield from protocol.activity_start()
        yield from protocol.activity_end()


@pytest.mark.parametrize("name", GEMINI_SETTINGS)
def test_google_s_types_take_all_that_we_send(name: str) -> None:
    fields = set()
    for message in all_of_gemini(GEMINI_SETTINGS[name]):
        sent = json.loads(message)
        setup = sent.get("setup", {})
        # Its type of a setup lacks this field, which it sends all the same: `LiveConnectConfig` has it.
        realtime = setup.pop("realtimeInputConfig", None)
        if realtime is not None:
            google.RealtimeInputConfig.model_validate(realtime)
        google.LiveClientMessage.model_validate(sent)  # refuses fields that it does not know
        fields |= sent.keys()
        fields |= sent.get("realtimeInput", {}).keys()
    assert fields >= {"setup", "clientContent", "realtimeInput", "toolResponse", "contextUpdate"}
    assert fields >= {"audio", "video", "text", "audioStreamEnd"}
    assert not name.startswith("manual") or fields >= {"activityStart", "activityEnd"}


def test_google_s_types_are_set_up_as_we_meant() -> None:
    protocol = open_session(GEMINI_SETTINGS["all"])
    setup = json.loads(protocol.connect()[0])["setup"]
    realtime = google.RealtimeInputConfig.model_validate(setup.pop("realtimeInputConfig"))
    theirs = google.LiveClientSetup.model_validate(setup)
    config = theirs.generation_config
    assert config is not None
    assert config.enable_affective_dialog is True
    assert config.media_resolution == google.MediaResolution.MEDIA_RESOLUTION_LOW
    assert config.response_modalities == [google.Modality.AUDIO]
    assert config.speech_config.voice_config.prebuilt_voice_config.voice_name == "Kore"
    assert config.thinking_config.thinking_budget == 1024
    assert (config.temperature, config.top_p, config.top_k, config.max_output_tokens, config.seed) == (
        0.5,
        0.9,
        40,
        500,
        7,
    )
    assert theirs.session_resumption.handle == "handle-1"
    assert theirs.context_window_compression.trigger_tokens == 25_600
    assert theirs.context_window_compression.sliding_window.target_tokens == 12_800
    assert theirs.proactivity.proactive_audio is True
    assert theirs.input_audio_transcription.language_codes == ["en-US"]
    assert theirs.output_audio_transcription == google.AudioTranscriptionConfig()
    behaviours = {d.name: d.behavior for d in theirs.tools[0].function_declarations}
    assert behaviours == {"get_weather": google.Behavior.BLOCKING, "book_table": google.Behavior.NON_BLOCKING}
    assert [part.text for part in theirs.system_instruction.parts] == ["Be short.", "Be kind."]
    assert realtime.activity_handling == google.ActivityHandling.NO_INTERRUPTION
    assert realtime.turn_coverage == google.TurnCoverage.TURN_INCLUDES_ALL_INPUT
    detection = realtime.automatic_activity_detection
    assert detection.start_of_speech_sensitivity == google.StartSensitivity.START_SENSITIVITY_LOW
    assert detection.end_of_speech_sensitivity == google.EndSensitivity.END_SENSITIVITY_HIGH
    assert (detection.prefix_padding_ms, detection.silence_duration_ms) == (20, 300)


def test_a_token_is_asked_for_as_google_s_sdk_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from google import genai

    asked: list[Any] = []
    client = genai.Client(api_key="none", http_options=google.HttpOptions(api_version="v1alpha"))

    def request(method: str, path: str, body: dict[str, Any], options: Any = None) -> google.HttpResponse:
        asked.append((method, path, body))
        return google.HttpResponse(body='{"name": "auth_tokens/1"}')

    monkeypatch.setattr(client._api_client, "request", request)
    held: dict[str, Any] = {"response_modalities": ["AUDIO"], "temperature": 0.5, "proactivity": {}}
    config: Any = {
        "uses": 2,
        "expire_time": "2026-01-01T00:30:00Z",
        "new_session_expire_time": "2026-01-01T00:01:00Z",
    }
    spec = registry.get("gemini")
    assert isinstance(spec, ProviderSpec)
    settings = LiveSettings("gemini-live", modalities=("audio",), temperature=0.5, extra={"proactivity": {}})
    for lock in (None, (), ("generationConfig.seed",)):
        locked: dict[str, Any] = {} if lock is None else {"lock_additional_fields": [e.split(".")[1] for e in lock]}
        # A setup that is locked as a whole has to allow what its sessions need to go on.
        constraints = held if lock is not None else {**held, "session_resumption": {}}
        locked["live_connect_constraints"] = {"model": "gemini-live", "config": constraints}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls itself experimental
            client.auth_tokens.create(config={**config, **locked})
        method, path, body = asked[-1]
        ours = live_wire("gemini_live").token_request(
            spec, settings, now_s=1767225600.0, expires_in_s=1800, opens_in_s=60, uses=2, lock=lock
        )
        assert (ours.method, ours.path) == (method.upper(), f"/v1alpha/{path}")
        mine, sent = json.loads(ours.body), json.loads(json.dumps(body))
        assert {*mine.pop("fieldMask", "").split(",")} == {*sent.pop("fieldMask", "").split(",")}
        for name in ("expireTime", "newSessionExpireTime"):
            assert datetime.fromisoformat(mine.pop(name)) == datetime.fromisoformat(sent.pop(name))
        assert mine == sent
