"""Gemini Live: what is said when, what is read of what, and how a session goes on over another connection."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exllm.errors import AuthenticationError, InvalidRequest, ProtocolError, RateLimited, UnsupportedOption
from exllm.providers import registry
from exllm.providers.gemini_live import WIRE, GeminiLiveProtocol
from exllm.providers.gemini_live_memory import MAX_CHARS
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    CitationOut,
    CodeOut,
    GenerationComplete,
    GoAway,
    InputTranscript,
    Interrupted,
    LiveEvent,
    MediaOut,
    OutputTranscript,
    ReasoningOut,
    ResumptionUpdate,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    TextOut,
    ToolCall,
    ToolCallCancelled,
    TurnComplete,
    TurnStarted,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Image, Text, ToolResult
from exllm.types.parts import ToolCall as Call
from exllm.types.tool import ServerTool, Tool

TOOL = Tool("get_weather", "Look it up", {"type": "object", "properties": {}})


def spec_of(provider: str = "gemini") -> ProviderSpec:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return spec


def opened(provider: str = "gemini", model: str = "gemini-2.5-flash-live", **settings: Any) -> GeminiLiveProtocol:
    protocol = WIRE.protocol(LiveSettings(model, **settings), spec_of(provider))
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    return protocol


def tell(protocol: GeminiLiveProtocol, message: dict[str, Any]) -> list[LiveEvent]:
    return protocol.receive(Frame(msgspec.json.encode(message), "binary"))


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def parts(*given: dict[str, Any]) -> dict[str, Any]:
    return content(modelTurn={"parts": list(given)})


def read(said: list[str | bytes]) -> list[Any]:
    return [json.loads(message) for message in said]


# -- where to, and the setup


def test_addresses() -> None:
    service = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"

    def path(**settings: Any) -> str:
        return WIRE.protocol(LiveSettings("m", **settings), spec_of()).address().path

    assert path() == service.format("v1beta")
    assert path(affective_dialog=True) == service.format("v1alpha")
    assert path(proactive_audio=True) == service.format("v1alpha")
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
        ({"audio_format": "g711_ulaw"}, "audio_format"),
        ({"turn_detection": TurnDetection("semantic")}, "semantic|server"),
        ({"turn_detection": TurnDetection(threshold=0.5)}, "threshold"),
        ({"turn_detection": TurnDetection(responds=False)}, "responds"),
        ({"input_transcription": "whisper-1"}, "no model"),
    ],
)
def test_what_gemini_has_no_words_for_is_refused_before_anything_is_sent(settings: Any, words: str) -> None:
    with pytest.raises(UnsupportedOption, match=words) as caught:
        WIRE.protocol(LiveSettings("m", **settings), spec_of())
    assert caught.value.provider == "gemini"


def test_a_tool_that_is_not_there_cannot_be_asynchronous() -> None:
    with pytest.raises(InvalidRequest, match="no tool 'book'"):
        WIRE.protocol(LiveSettings("m", tools=(TOOL,), non_blocking_tools=("book",)), spec_of())


# -- what is read


def test_every_kind_of_part_has_its_event_in_order() -> None:
    events = tell(
        opened(),
        parts(
            {"text": "thinking", "thought": True},
            {"text": "Hi"},
            {"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": "AAEC"}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
            {"executableCode": {"language": "PYTHON", "code": "1+1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}},
        ),
    )
    assert events == [
        TurnStarted(),
        ReasoningOut("thinking"),
        TextOut("Hi"),
        AudioOut(b"\x00\x01\x02", 16_000),
        MediaOut(b"\x89\x50\x4e", "image/png"),
        CodeOut(code="1+1", language="python"),
        CodeOut(outcome="OUTCOME_OK", output="2"),
        ToolCall("c", "f", '{"a":1}'),
    ]


def test_transcripts_interim_ones_and_what_is_known_of_their_words() -> None:
    protocol = opened()
    assert tell(protocol, content(interimInputTranscription={"text": "He"})) == [InputTranscript("He", interim=True)]
    heard = tell(protocol, content(inputTranscription={"text": "Hello", "languageCode": "en", "finished": True}))
    assert heard == [InputTranscript("Hello", final=True, language="en")]
    words = [{"word": "Hi", "startOffset": "0s"}]
    said = tell(protocol, content(outputTranscription={"text": "Hi", "words": words}))
    assert said == [
        TurnStarted(),
        OutputTranscript("Hi"),
        ProviderEvent("outputTranscription", {"text": "Hi", "words": words}, "gemini"),
    ]
    assert tell(protocol, content(outputTranscription={})) == []


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (None, "completed"),
        ("NEED_MORE_INPUT", "completed"),
        ("MALFORMED_FUNCTION_CALL", "failed"),
        ("PROHIBITED_INPUT_CONTENT", "content_filter"),
        ("GENERATED_AUDIO_SAFETY", "content_filter"),
    ],
)
def test_how_a_turn_ended(reason: str | None, status: str) -> None:
    protocol = opened()
    tell(protocol, parts({"text": "Hi"}))
    (end,) = tell(protocol, content(turnComplete=True, **({} if reason is None else {"turnCompleteReason": reason})))
    assert end == TurnComplete(None, status, reason or "")  # type: ignore[arg-type]


def test_an_interrupted_turn_says_so_and_the_next_one_does_not() -> None:
    protocol = opened()
    tell(protocol, parts({"text": "Hi"}))
    assert tell(protocol, content(interrupted=True)) == [Interrupted()]
    assert tell(protocol, content(turnComplete=True)) == [TurnComplete(status="interrupted")]
    tell(protocol, parts({"text": "Hi"}))
    assert tell(protocol, content(generationComplete=True, turnComplete=True)) == [GenerationComplete(), TurnComplete()]


def test_counts_by_modality_with_the_turn_or_apart_from_it() -> None:
    counts = {
        "promptTokenCount": 100, "responseTokenCount": 50, "thoughtsTokenCount": 5, "totalTokenCount": 155,
        "toolUsePromptTokenCount": 7, "cachedContentTokenCount": 20,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}, {"modality": "VIDEO", "tokenCount": 30}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 44}],
    }  # fmt: skip
    protocol = opened()
    (apart,) = tell(protocol, {"usageMetadata": counts})
    assert isinstance(apart, UsageReport)
    (end,) = tell(protocol, {**content(turnComplete=True), "usageMetadata": counts})
    assert isinstance(end, TurnComplete)
    assert end.usage == apart.usage
    usage = apart.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (107, 55, 155)
    assert (usage.audio_input_tokens, usage.audio_output_tokens, usage.cached_input_tokens) == (60, 44, 20)
    assert usage.provenance == "reported"
    vertex = {name.replace("response", "candidates"): value for name, value in counts.items()}
    assert tell(protocol, {"usageMetadata": vertex}) == [apart]


def test_sources_are_citations_at_their_place_once_and_the_rest_is_passed_on() -> None:
    protocol = opened(tools=(ServerTool({"googleSearch": {}}),))
    tell(protocol, parts({"text": "Rome is warm."}))
    metadata = {
        "groundingChunks": [{"web": {"uri": "https://w.it", "title": "w.it"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 0, "endIndex": 4, "text": "Rome"}, "groundingChunkIndices": [0]}
        ],
        "searchEntryPoint": {"renderedContent": "<div/>"},
    }
    passed, cited = tell(protocol, content(groundingMetadata=metadata))
    assert passed == ProviderEvent("groundingMetadata", metadata, "gemini")
    assert isinstance(cited, CitationOut)
    assert (cited.citation.url, cited.citation.start, cited.citation.end) == ("https://w.it", 0, 4)
    assert len(tell(protocol, content(groundingMetadata=metadata))) == 1
    pages = {"urlMetadata": [{"retrievedUrl": "https://a.b", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]}
    _, page = tell(protocol, content(urlContextMetadata=pages))
    assert isinstance(page, CitationOut)
    assert page.citation.url == "https://a.b"


@pytest.mark.parametrize(
    ("left", "seconds"),
    [("10s", 10.0), ("9.5s", 9.5), ("0.000001s", 1e-6), (None, 0.0), ("soon", 0.0), ("-3s", 0.0), (7, 7.0),
     ({"seconds": "12", "nanos": 0}, 12.0), ("infs", 0.0)],
)  # fmt: skip
def test_go_away(left: Any, seconds: float) -> None:
    assert tell(opened(), {"goAway": {} if left is None else {"timeLeft": left}}) == [GoAway(seconds)]


def test_speech_that_the_service_hears() -> None:
    protocol = opened()
    start = {"voiceActivity": {"voiceActivityType": "ACTIVITY_START", "audioOffset": "1.5s"}}
    assert tell(protocol, start) == [SpeechStarted(1.5)]
    assert tell(protocol, {"voiceActivity": {"voiceActivityType": "ACTIVITY_END"}}) == [SpeechStopped()]
    signal = {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}}
    assert tell(protocol, signal) == [SpeechStarted()]


def test_what_nobody_knows_is_passed_on_beside_what_is_known() -> None:
    message = parts({"text": "Hi", "aura": 7})
    message["serverContent"]["mood"] = {"a": 1}
    message["newThing"] = [1]
    assert tell(opened(), message) == [
        TurnStarted(),
        TextOut("Hi"),
        ProviderEvent("serverContent.modelTurn.parts.aura", 7, "gemini"),
        ProviderEvent("serverContent.mood", {"a": 1}, "gemini"),
        ProviderEvent("newThing", [1], "gemini"),
    ]
    assert tell(opened(), content(waitingForInput=True)) == [ProviderEvent("waitingForInput", True, "gemini")]


def test_content_with_something_beside_it_loses_nothing() -> None:
    message = {**content(turnComplete=True), "sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}
    assert tell(opened(), message) == [ResumptionUpdate("h", True), TurnComplete()]


def test_errors_in_messages() -> None:
    with pytest.raises(RateLimited):
        tell(opened(), {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}})
    with pytest.raises(AuthenticationError):
        tell(opened(), {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid."}})


# -- tools


def test_results_carry_the_name_of_their_call_and_go_once() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    (sent,) = read(protocol.tool_results([ToolResult("c1", '{"temp": 20}')]))
    assert sent == {
        "toolResponse": {"functionResponses": [{"id": "c1", "name": "get_weather", "response": {"temp": 20}}]}
    }
    assert protocol.tool_results([ToolResult("c1", "again")]) == []
    assert "nobody waits" in protocol.warnings[0]


def test_errors_of_tools_and_how_the_model_is_to_take_a_result() -> None:
    protocol = opened(tools=(TOOL,), non_blocking_tools=True)
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    (first,) = read(protocol.tool_results([ToolResult("c1", "soon")], will_continue=True, scheduling="SILENT"))
    assert first["toolResponse"]["functionResponses"][0] == {
        "id": "c1", "name": "get_weather", "response": {"output": "soon"}, "scheduling": "SILENT", "willContinue": True,
    }  # fmt: skip
    (last,) = read(protocol.tool_results([ToolResult("c1", "broken", is_error=True)], scheduling="interrupt"))
    response = last["toolResponse"]["functionResponses"][0]
    assert (response["response"], response["scheduling"]) == ({"error": "broken"}, "INTERRUPT")
    with pytest.raises(InvalidRequest, match="when_idle"):
        protocol.tool_results([ToolResult("c1", "")], scheduling="later")
    with pytest.raises(UnsupportedOption, match="urgent"):
        protocol.tool_results([ToolResult("c1", "")], urgent=True)


def test_calls_without_an_id_have_one_here_and_none_there() -> None:
    protocol = opened(tools=(TOOL,))
    calls = [{"name": "get_weather", "args": {"city": city}} for city in ("Rome", "Oslo")]
    events = [event for event in tell(protocol, {"toolCall": {"functionCalls": calls}}) if isinstance(event, ToolCall)]
    assert len({event.id for event in events}) == 2
    (sent,) = read(protocol.tool_results([ToolResult(event.id, "20") for event in events]))
    assert sent["toolResponse"]["functionResponses"] == [{"name": "get_weather", "response": {"output": "20"}}] * 2


def test_a_call_in_pieces_is_told_when_it_is_complete() -> None:
    protocol = opened(tools=(TOOL,))
    begin, rest = ({"partialArgs": [{"jsonPath": "$.city", "stringValue": text}]} for text in ("Ro", "me"))
    piece = {"id": "c", "name": "get_weather", "willContinue": True, **begin}
    assert tell(protocol, {"toolCall": {"functionCalls": [piece]}}) == [TurnStarted()]
    assert tell(protocol, {"toolCall": {"functionCalls": [rest]}}) == [ToolCall("c", "get_weather", '{"city":"Rome"}')]


def test_cancelled_calls_want_no_result() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    assert tell(protocol, {"toolCallCancellation": {"ids": ["c1"]}}) == [ToolCallCancelled(("c1",))]
    assert protocol.tool_results([ToolResult("c1", "late")]) == []


def test_images_of_tools_go_to_models_that_take_them() -> None:
    image = Image(data=b"\x89PNG", media_type="image/png")
    for model, takes in (("gemini-3.1-flash-live-preview", True), ("gemini-2.5-flash-live", False)):
        protocol = opened(model=model, tools=(TOOL,))
        tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
        result = ToolResult("c1", (Text("a map"), image))
        if not takes:
            with pytest.raises(InvalidRequest, match="text alone"):
                protocol.tool_results([result])
            continue
        (sent,) = read(protocol.tool_results([result]))
        (response,) = sent["toolResponse"]["functionResponses"]
        assert response["response"] == {"output": "a map"}
        assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}]


# -- turns


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


# -- over another connection


def test_the_history_is_told_first_and_asks_for_nothing() -> None:
    history = (Message("system", "Be kind"), Message("user", "I am Alice"), Message("assistant", "Hello Alice"))
    protocol = WIRE.protocol(LiveSettings("m", history=history), spec_of())
    (setup,) = read(protocol.connect())
    assert setup["setup"]["systemInstruction"]["parts"] == [{"text": "Be kind"}]
    tell(protocol, {"setupComplete": {}})
    (told,) = read(protocol.replies())
    assert [turn["role"] for turn in told["clientContent"]["turns"]] == ["user", "model"]
    assert told["clientContent"]["turnComplete"] is False
    assert protocol.replies() == []


def test_a_session_is_resumed_by_its_last_handle() -> None:
    protocol = opened(history=(Message("user", "I am Alice"), Message("assistant", "Hello")))
    protocol.replies()
    assert protocol.resumes_by == "replay"
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "", "resumable": False}})  # while it answers
    assert protocol.resumes_by == "handle"
    protocol.closed(1006, "")
    assert not protocol.ready
    (setup,) = read(protocol.connect())
    assert setup["setup"]["sessionResumption"] == {"handle": "h1"}
    (started,) = tell(protocol, {"setupComplete": {}})
    assert isinstance(started, SessionStarted)
    assert started.resumed
    assert protocol.replies() == []  # it knows all


def test_what_was_said_after_the_handle_is_told_again_and_asked_again_where_it_was_not_answered() -> None:
    protocol = opened()
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    tell(protocol, content(outputTranscription={"text": "It is"}))
    tell(protocol, content(outputTranscription={"text": " two."}))
    tell(protocol, content(turnComplete=True))
    tell(protocol, content(inputTranscription={"text": "And 2+2?"}))
    tell(protocol, content(outputTranscription={"text": "That is"}))
    protocol.turn([Message("user", "Or 3+3?")], complete=True)
    protocol.closed(1011, "")
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    (told,) = read(protocol.replies())
    words = [(turn["role"], turn["parts"][0]["text"]) for turn in told["clientContent"]["turns"]]
    assert words == [
        ("user", "What is 1+1?"), ("model", "It is two."), ("user", "And 2+2?"), ("model", "That is"),
        ("user", "Or 3+3?"),
    ]  # fmt: skip
    assert told["clientContent"]["turnComplete"] is True
    tell(protocol, content(outputTranscription={"text": "Six."}))
    tell(protocol, content(turnComplete=True))
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h2", "resumable": True}})
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    assert protocol.replies() == []


def asked_again(protocol: GeminiLiveProtocol) -> list[Any]:
    """The connection is lost: what is said over the next one."""
    protocol.closed(1006, "")
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    return read(protocol.replies())


def test_a_handle_that_crosses_a_question_does_not_lose_it() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Old")], complete=True)
    tell(protocol, content(modelTurn={"parts": [{"text": "New?"}]}))
    tell(protocol, content(turnComplete=True))
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})  # given before
    (told,) = asked_again(protocol)
    assert told["clientContent"] == {
        "turns": [{"parts": [{"text": "What is 1+1?"}], "role": "user"}],
        "turnComplete": True,
    }


def test_a_question_asked_while_the_model_answers_another_is_still_to_be_answered_after_that() -> None:
    protocol = opened()
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, content(modelTurn={"parts": [{"text": "Once upon"}]}))
    protocol.turn([Message("user", "Stop. What is 1+1?")], complete=True)
    tell(protocol, content(interrupted=True))
    tell(protocol, content(turnComplete=True))
    (told,) = asked_again(protocol)
    assert told["clientContent"]["turns"][-1]["parts"][0]["text"] == "Stop. What is 1+1?"
    assert told["clientContent"]["turnComplete"] is True


def test_a_spoken_question_is_asked_again_where_its_answer_had_begun() -> None:
    protocol = opened()
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, content(inputTranscription={"text": "And 2+2?"}))
    tell(protocol, content(outputTranscription={"text": "That is"}))
    (told,) = asked_again(protocol)
    assert [turn["role"] for turn in told["clientContent"]["turns"]] == ["user", "model"]
    assert told["clientContent"]["turnComplete"] is True
    tell(protocol, content(outputTranscription={"text": "Four."}))
    tell(protocol, content(turnComplete=True))
    (told,) = asked_again(protocol)
    assert told["clientContent"]["turnComplete"] is False


def test_results_of_calls_that_nobody_waits_for_are_not_sent() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": id_, "name": "get_weather"} for id_ in ("a", "b", "c")]}})
    tell(protocol, {"toolCallCancellation": {"ids": ["a"]}})
    assert protocol.tool_results([ToolResult("a", "late", "get_weather")]) == []
    assert "'a'" in protocol.warnings[0]
    (sent,) = read(protocol.tool_results([ToolResult("b", "in time", "get_weather")]))
    assert [one["id"] for one in sent["toolResponse"]["functionResponses"]] == ["b"]
    asked_again(protocol)
    assert protocol.tool_results([ToolResult("c", "lost", "get_weather")]) == []
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c", "name": "get_weather"}]}})  # it comes again
    assert len(protocol.tool_results([ToolResult("c", "found", "get_weather")])) == 1


def test_speech_that_goes_on_over_a_new_connection_is_begun_there() -> None:
    protocol = opened(turn_detection=TurnDetection("manual"))
    protocol.activity_start()
    assert asked_again(protocol) == [{"realtimeInput": {"activityStart": {}}}]
    protocol.activity_end()
    assert asked_again(protocol) == []


def test_calls_of_a_lost_connection_are_cancelled() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    protocol.connect()
    cancelled, started = tell(protocol, {"setupComplete": {}})
    assert cancelled == ToolCallCancelled(("c1",))
    assert isinstance(started, SessionStarted)


def test_a_session_of_before_is_resumed_by_the_handle_that_is_given() -> None:
    protocol = WIRE.protocol(LiveSettings("m", resumption_handle="h0", resumable=False), spec_of())
    assert read(protocol.connect())[0]["setup"]["sessionResumption"] == {"handle": "h0"}
    assert protocol.resumes_by == "handle"
    plain = WIRE.protocol(LiveSettings("m", resumable=False), spec_of())
    assert "sessionResumption" not in read(plain.connect())[0]["setup"]
    assert plain.resumes_by == "new"


def test_memory_is_bounded_and_says_so() -> None:
    protocol = opened()
    for _ in range(30):
        protocol.turn([Message("user", "x" * (MAX_CHARS // 10))], complete=True)
        tell(protocol, content(turnComplete=True))
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    (told,) = protocol.replies()
    assert MAX_CHARS // 2 < len(told) < MAX_CHARS * 1.2
    assert "not told again" in protocol.warnings[0]


def test_calls_in_a_history_go_along() -> None:
    history = (
        Message("user", "Weather?"),
        Message.of("assistant", [Call("c9", "get_weather", "{}")]),
        Message.of("tool", [ToolResult("c9", "20 C")]),
    )
    protocol = opened(history=history)
    (told,) = read(protocol.replies())
    kinds = [next(iter(turn["parts"][0])) for turn in told["clientContent"]["turns"]]
    assert kinds == ["text", "functionCall", "functionResponse"]


# -- tokens


def test_a_token_is_read_and_never_shown() -> None:
    body = b'{"name":"auth_tokens/abc","expireTime":"2026-01-01T00:30:00Z","uses":1}'
    token = WIRE.read_token(body, spec_of())
    assert (token.value, token.expires_at, token.uses) == ("auth_tokens/abc", 1767227400.0, 1)
    assert "abc" not in repr(token)
    for bad in (b"{}", b"[]", b"x", b'{"name":7}', b'{"name":"a","expireTime":"soon"}'):
        with pytest.raises(ProtocolError):
            WIRE.read_token(bad, spec_of())
    with pytest.raises(InvalidRequest, match="no short-lived keys"):
        WIRE.token_request(spec_of("vertex"), None, now_s=0.0)
    assert json.loads(WIRE.token_request(spec_of(), None, now_s=0.0).body) == {}
