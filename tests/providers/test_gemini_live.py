"""Gemini Live: where a session goes, how it is set up, what is said in it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exllm.errors import InvalidRequest, ProtocolError, UnsupportedOption
from exllm.providers.gemini_live import WIRE
from exllm.types.live_events import (
    CitationOut,
    SessionStarted,
)
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Image, Text
from exllm.types.tool import ServerTool
from tests.providers.gemini_live_session import TOOL, content, opened, parts, read, spec_of, tell


def test_addresses() -> None:
    service = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"

    def path(**settings: Any) -> str:
        return WIRE.protocol(LiveSettings("m", **settings), spec_of()).address().path

    assert path() == service.format("v1beta")
    assert path(affective_dialog=True) == service.format("v1alpha")
    assert path(proactive_audio=True) == service.format("v1alpha")
    assert path(extra={"proactivity": {"proactiveVideo": True}}) == service.format("v1alpha")
    assert path(extra={"generationConfig": {"enableAffectiveDialog": True}}) == service.format("v1alpha")
    assert path(endpoint="v1alpha") == service.format("v1alpha")
    assert path(endpoint="token") == service.format("v1alpha") + "Constrained"
    with pytest.raises(InvalidRequest, match="v1alpha"):
        path(endpoint="v1alfa")
    live = spec_of().live
    assert live.is_token("auth_tokens/abc")
    assert not live.is_token("AIza")
    assert live.token_parameter == "access_token"


def test_vertex_has_its_own_address_and_names_models_in_full() -> None:
    spec = spec_of("vertex")
    model = spec.live.model_name("gemini-live", {"project": "p", "location": "us-central1"})
    assert model == "projects/p/locations/us-central1/publishers/google/models/gemini-live"
    assert spec.live.model_name("publishers/google/models/x", {"project": "p", "location": "l"}) == (
        "projects/p/locations/l/publishers/google/models/x"
    )
    protocol = WIRE.protocol(LiveSettings(model, affective_dialog=True), spec)
    assert protocol.address().path == "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
    assert read(protocol.connect())[0]["setup"]["model"] == model
    with pytest.raises(InvalidRequest, match="no name of a model"):
        WIRE.protocol(LiveSettings("a?b"), spec_of()).address()


def test_nothing_may_be_said_before_the_setup_is_complete() -> None:
    protocol = WIRE.protocol(LiveSettings("m", instructions="Be kind"), spec_of())
    (setup,) = read(protocol.connect())
    assert setup["setup"]["model"] == "models/m"
    assert setup["setup"]["sessionResumption"] == {}
    assert not protocol.ready
    assert protocol.replies() == []
    (started,) = tell(protocol, {"setupComplete": {"sessionId": "s1"}})
    assert started == SessionStarted("s1", "m", resumed=False)
    assert protocol.ready


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"speed": 1.2}, "speed"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"kind": "transcription"}, "kind"),
        ({"modalities": ("audio", "text")}, "not in both; with modalities='audio' and output_transcription=True"),
        ({"audio_format": "g711_ulaw"}, "audio_format"),
        ({"turn_detection": TurnDetection("semantic")}, "semantic|server"),
        ({"turn_detection": TurnDetection(threshold=0.5)}, "threshold"),
        ({"turn_detection": TurnDetection(responds=False)}, "responds"),
        ({"turn_detection": TurnDetection("manual", silence_ms=300)}, "silence_ms"),
        ({"turn_detection": TurnDetection("manual", start_sensitivity="low")}, "start_sensitivity"),
        ({"input_transcription": "whisper-1"}, "no model"),
    ],
)
def test_what_gemini_has_no_words_for_is_refused_before_anything_is_sent(settings: Any, words: str) -> None:
    with pytest.raises(UnsupportedOption, match=words) as caught:
        WIRE.protocol(LiveSettings("m", **settings), spec_of())
    assert caught.value.provider == "gemini"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"trigger_tokens": "many"}, "trigger_tokens"),
        ({"target_tokens": -1}, "target_tokens"),
        ({"target_tokens": True}, "target_tokens"),
        ({"window": 1}, "window"),
        ({"slidingWindow": {}, "target_tokens": 1}, "slidingWindow"),
    ],
)
def test_how_a_conversation_is_shortened_is_checked(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        WIRE.protocol(LiveSettings("m", context_compression=asked), spec_of())
    assert caught.value.provider == "gemini"


@pytest.mark.parametrize("asked", [{"slidingWindow": {"targetTokens": "100"}}, {"triggerTokens": 5}, {}])
def test_how_a_conversation_is_shortened_in_google_s_own_words(asked: dict[str, Any]) -> None:
    protocol = WIRE.protocol(LiveSettings("m", context_compression=asked), spec_of())
    (setup,) = read(protocol.connect())
    assert setup["setup"]["contextWindowCompression"] == (asked or {"slidingWindow": {}})


def test_a_tool_that_is_not_there_cannot_be_asynchronous() -> None:
    with pytest.raises(InvalidRequest, match="no tool 'book'"):
        WIRE.protocol(LiveSettings("m", tools=(TOOL,), non_blocking_tools=("book",)), spec_of())


def test_functions_in_google_s_own_words_can_be_asynchronous_and_stay_the_caller_s() -> None:
    definition = {"functionDeclarations": [{"name": "book", "parameters": {"type": "OBJECT"}}]}
    protocol = WIRE.protocol(
        LiveSettings("m", tools=(TOOL, ServerTool(definition)), non_blocking_tools=("book",)), spec_of()
    )
    ours, theirs = read(protocol.connect())[0]["setup"]["tools"]
    assert ours["functionDeclarations"][0]["behavior"] == "BLOCKING"
    assert theirs["functionDeclarations"][0]["behavior"] == "NON_BLOCKING"
    assert "behavior" not in definition["functionDeclarations"][0]


# -- what is said


def test_what_the_user_says() -> None:
    protocol = opened()
    message = Message.of("user", [Text("Look"), Image(data=b"\x89PNG", media_type="image/png")])
    (turn,) = read(protocol.turn([message], complete=False))
    assert turn["clientContent"]["turnComplete"] is False
    assert turn["clientContent"]["turns"][0]["parts"][1]["inlineData"]["mimeType"] == "image/png"
    assert read(protocol.realtime_text("Hi")) == [{"realtimeInput": {"text": "Hi"}}]
    assert read(protocol.audio(b"\x01\x02", 16_000)) == [
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AQI="}}}
    ]
    assert read(protocol.audio_end()) == [{"realtimeInput": {"audioStreamEnd": True}}]
    assert read(protocol.video(b"\xff", "image/jpeg")) == [
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "/w=="}}}
    ]
    assert protocol.turn([], complete=False) == []
    assert read(protocol.turn([], complete=True)) == [{"clientContent": {"turnComplete": True}}]
    assert read(protocol.raw({"x": 1})) == [{"x": 1}]
    with pytest.raises(InvalidRequest, match="update"):
        protocol.turn([Message("system", "Be rude"), Message("user", "Hi")], complete=True)


def test_video_is_images() -> None:
    with pytest.raises(InvalidRequest, match="frame by frame"):
        opened().video(b"\x00", "video/mp4")


def test_activity_is_said_only_where_the_service_does_not_listen_for_it() -> None:
    with pytest.raises(InvalidRequest, match="manual"):
        opened().activity_start()
    protocol = opened(turn_detection=TurnDetection("manual"))
    assert read(protocol.activity_start() + protocol.activity_end()) == [
        {"realtimeInput": {"activityStart": {}}},
        {"realtimeInput": {"activityEnd": {}}},
    ]


def test_an_answer_is_interrupted_only_while_there_is_one() -> None:
    protocol = opened()
    assert protocol.interrupt(10) == []
    tell(protocol, parts({"text": "Hi"}))
    assert read(protocol.interrupt(10)) == [{"clientContent": {"turnComplete": False}}]
    tell(protocol, content(interrupted=True))
    assert protocol.interrupt(10) == []


def test_only_instructions_and_tools_change_in_a_running_session() -> None:
    protocol = opened(instructions="Be kind")
    settings = LiveSettings("gemini-2.5-flash-live", instructions="Be brief")
    (update,) = read(protocol.update(settings))
    assert update == {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be brief"}], "role": "user"}}}
    (update,) = read(protocol.update(msgspec.structs.replace(settings, tools=(TOOL,))))
    assert update["contextUpdate"]["tools"]["tools"][0]["functionDeclarations"][0]["name"] == "get_weather"
    assert protocol.update(msgspec.structs.replace(settings, tools=(TOOL,))) == []
    with pytest.raises(UnsupportedOption, match="voice"):
        protocol.update(msgspec.structs.replace(settings, voice="Kore"))
    with pytest.raises(UnsupportedOption, match="for one answer"):
        protocol.respond(voice="Kore")
    (setup,) = read(protocol.connect())  # a new connection is set up with what holds now
    assert setup["setup"]["systemInstruction"]["parts"] == [{"text": "Be brief"}]
    assert "tools" in setup["setup"]


def test_instructions_of_the_history_outlast_an_update() -> None:
    history = (Message("system", "Be kind"), Message("user", "Hi"))
    protocol = opened(history=history)
    settings = LiveSettings("gemini-2.5-flash-live", history=history, tools=(TOOL,))
    protocol.update(settings)
    (update,) = read(protocol.update(msgspec.structs.replace(settings, instructions="Be brief")))
    parts_then = [{"text": "Be brief"}, {"text": "Be kind"}]
    assert update["contextUpdate"]["systemInstruction"]["parts"] == parts_then
    (setup,) = read(protocol.connect())
    assert setup["setup"]["systemInstruction"]["parts"] == parts_then


def test_sources_have_their_place_once_a_tool_that_gives_some_was_added() -> None:
    protocol = opened()
    protocol.update(LiveSettings("gemini-2.5-flash-live", tools=(ServerTool({"googleSearch": {}}),)))
    tell(protocol, parts({"text": "Rome is warm."}))
    support = {"segment": {"startIndex": 0, "endIndex": 4, "text": "Rome"}, "groundingChunkIndices": [0]}
    metadata = {"groundingChunks": [{"web": {"uri": "https://w.it"}}], "groundingSupports": [support]}
    cited = tell(protocol, content(groundingMetadata=metadata))[-1]
    assert isinstance(cited, CitationOut)
    assert (cited.citation.start, cited.citation.end) == (0, 4)


# -- tokens


@pytest.mark.parametrize(
    "how",
    [{"uses": -1}, {"uses": True}, {"uses": 1.5}, {"expires_in_s": 0}, {"expires_in_s": float("nan")},
     {"opens_in_s": float("inf")}, {"opens_in_s": 20 * 3600}, {"expires_in_s": "60"}],
)  # fmt: skip
def test_a_token_is_for_some_sessions_and_some_time(how: Any) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(how))):
        WIRE.token_request(spec_of(), None, now_s=0.0, **how)


def test_what_a_token_cannot_hold_sessions_to_is_refused() -> None:
    for settings in ({"history": (Message("user", "Hi"),)}, {"kind": "transcription"}):
        with pytest.raises(UnsupportedOption):
            WIRE.token_request(spec_of(), LiveSettings("m", **settings), now_s=0.0)


def test_sessions_of_a_token_can_go_on_where_all_of_their_setup_is_locked() -> None:
    def setup(lock: Any, **settings: Any) -> Any:
        request = WIRE.token_request(spec_of(), LiveSettings("m", **settings), now_s=0.0, lock=lock)
        return json.loads(request.body)["bidiGenerateContentSetup"]

    assert setup(None)["sessionResumption"] == {}
    assert setup(None, resumption_handle="h")["sessionResumption"] == {"handle": "h"}
    assert "sessionResumption" not in setup(None, resumable=False)
    assert "sessionResumption" not in setup(())  # open, and so free


def test_a_token_is_read_and_never_shown() -> None:
    body = b'{"name":"auth_tokens/abc","expireTime":"2026-01-01T00:30:00Z","uses":1}'
    token = WIRE.read_token(body, spec_of())
    assert (token.value, token.expires_at, token.uses) == ("auth_tokens/abc", 1767227400.0, 1)
    assert "abc" not in repr(token)
    for bad in (b"{}", b"[]", b"x", b'{"name":7}', b'{"name":"a","expireTime":"soon"}', b'{"name":"a","uses":"many"}'):
        with pytest.raises(ProtocolError):
            WIRE.read_token(bad, spec_of())
    with pytest.raises(InvalidRequest, match="no short-lived keys"):
        WIRE.token_request(spec_of("vertex"), None, now_s=0.0)
    assert json.loads(WIRE.token_request(spec_of(), None, now_s=0.0).body) == {}
