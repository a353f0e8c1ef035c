"""Gemini Live: what is read of what the service says."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.errors import AuthenticationError, ProtocolError, RateLimited
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    CitationOut,
    CodeOut,
    GenerationComplete,
    GoAway,
    InputTranscript,
    Interrupted,
    MediaOut,
    OutputTranscript,
    ReasoningOut,
    ResumptionUpdate,
    SpeechStarted,
    SpeechStopped,
    TextOut,
    ToolCall,
    TurnComplete,
    TurnStarted,
    UsageReport,
)
from exllm.types.tool import ServerTool
from tests.providers.gemini_live_session import content, opened, parts, tell


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
        ("TURN_COMPLETE_REASON_UNSPECIFIED", "completed"),
        ("0", "completed"),
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
        "cachedContentTokenCount": 20,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}, {"modality": "TEXT", "tokenCount": 40}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 15}, {"modality": "TEXT", "tokenCount": 5}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 44}],
    }  # fmt: skip
    protocol = opened()
    (apart,) = tell(protocol, {"usageMetadata": counts})
    assert isinstance(apart, UsageReport)
    (end,) = tell(protocol, {**content(turnComplete=True), "usageMetadata": counts})
    assert isinstance(end, TurnComplete)
    assert end.usage == apart.usage
    usage = apart.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 55, 155)
    assert (usage.audio_input_tokens, usage.audio_output_tokens, usage.cached_input_tokens) == (60, 44, 20)
    assert (usage.cached_audio_tokens, usage.cached_image_tokens) == (15, None)
    assert usage.provenance == "reported"
    vertex = {name.replace("response", "candidates"): value for name, value in counts.items()}
    assert tell(protocol, {"usageMetadata": vertex}) == [apart]


@pytest.mark.parametrize(
    "more",
    [
        {"toolUsePromptTokenCount": 7},
        {"promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 30}]},
        {"cacheTokensDetails": [{"modality": "VIDEO", "tokenCount": 30}]},
        {"newTokenCount": 3},
        {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5, "newCount": 3}]},
    ],
)
def test_counts_that_usage_has_no_place_for_are_passed_on_before_the_turn_ends(more: dict[str, Any]) -> None:
    counts = {"promptTokenCount": 100, "responseTokenCount": 50, **more}
    passed, end = tell(opened(), {**content(turnComplete=True), "usageMetadata": counts})
    assert passed == ProviderEvent("usageMetadata", counts, "gemini")
    assert isinstance(end, TurnComplete)
    assert end.usage is not None
    assert end.usage.output_tokens == 50


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
    [("10s", 10.0), ("9.5s", 9.5), ("0.000001s", 1e-6), (None, 0.0), (7, 7.0),
     ({"seconds": "12", "nanos": 500_000_000}, 12.5)],
)  # fmt: skip
def test_go_away(left: Any, seconds: float) -> None:
    assert tell(opened(), {"goAway": {} if left is None else {"timeLeft": left}}) == [GoAway(seconds)]


@pytest.mark.parametrize("left", ["soon", "-3s", "infs", True, {"seconds": {}}])
def test_a_time_that_makes_no_sense_is_none_and_passed_on(left: Any) -> None:
    passed = ProviderEvent("goAway.timeLeft", left, "gemini")
    assert tell(opened(), {"goAway": {"timeLeft": left}}) == [GoAway(0.0), passed]


@pytest.mark.parametrize("name", ["type", "voiceActivityType"])  # on the wire, and in the reference
def test_speech_that_the_service_hears(name: str) -> None:
    protocol = opened()
    start = {"voiceActivity": {name: "ACTIVITY_START", "audioOffset": "1.5s"}}
    assert tell(protocol, start) == [SpeechStarted(1.5)]
    assert tell(protocol, {"voiceActivity": {name: "ACTIVITY_END"}}) == [SpeechStopped()]
    neither = {"voiceActivity": {name: "TYPE_UNSPECIFIED", "audioOffset": "1.5s"}}
    assert tell(protocol, neither) == [ProviderEvent("voiceActivity", neither["voiceActivity"], "gemini")]


def test_speech_that_the_service_hears_by_signals() -> None:
    for word, event in (("SOS", SpeechStarted()), ("EOS", SpeechStopped())):
        signal = {"voiceActivityDetectionSignal": {"vadSignalType": f"VAD_SIGNAL_TYPE_{word}"}}
        assert tell(opened(), signal) == [event]


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


def test_a_part_with_text_and_sound_says_both() -> None:
    events = tell(opened(), parts({"inlineData": {"mimeType": "audio/pcm", "data": "AAEC"}, "text": "Hi"}))
    assert events == [TurnStarted(), AudioOut(b"\x00\x01\x02"), TextOut("Hi")]


def test_sound_and_images_of_thoughts_are_not_played() -> None:
    thought = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAEC"}, "thought": True}
    passed = {"mimeType": "audio/pcm;rate=24000", "data": b"\x00\x01\x02"}
    assert tell(opened(), parts(thought)) == [TurnStarted(), ProviderEvent("thoughtMedia", passed, "gemini")]


def test_code_and_what_came_of_it_have_the_same_id() -> None:
    assert tell(
        opened(),
        parts(
            {"executableCode": {"language": 1, "code": "1+1", "id": "x7"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2", "id": "x7"}},
        ),
    )[1:] == [CodeOut(code="1+1", language="1", id="x7"), CodeOut(outcome="OUTCOME_OK", output="2", id="x7")]


def test_the_language_of_both_sides_is_told() -> None:
    heard = {"text": "Guten Tag", "languageCode": "de-DE"}
    said = {"text": "Good day", "languageCode": "en-US"}
    assert tell(opened(), content(inputTranscription=heard, outputTranscription=said)) == [
        InputTranscript("Guten Tag", language="de-DE"),
        TurnStarted(),
        OutputTranscript("Good day", language="en-US"),
    ]


def test_sources_of_a_turn_that_was_lost_are_told_again_in_the_next() -> None:
    protocol = opened(tools=(ServerTool({"googleSearch": {}}),))
    metadata = {"groundingChunks": [{"web": {"uri": "https://w.it", "title": "w.it"}}]}
    assert len(tell(protocol, content(groundingMetadata=metadata))) == 2
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    assert len(tell(protocol, content(groundingMetadata=metadata))) == 2


def test_an_error_without_an_envelope_is_one() -> None:
    with pytest.raises(RateLimited, match="slow down"):
        tell(opened(), {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"})


def test_an_error_repeats_little_of_what_came() -> None:
    path = "9" * 1_000_000
    call = {"id": "c", "name": "f", "partialArgs": [{"jsonPath": path, "stringValue": "x"}]}
    with pytest.raises(ProtocolError) as caught:
        tell(opened(), {"toolCall": {"functionCalls": [call]}})
    assert len(str(caught.value)) < 1_000


def test_base64_may_be_that_for_urls() -> None:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": "-_-_"}
    assert tell(opened(), parts({"inlineData": blob})) == [TurnStarted(), AudioOut(b"\xfb\xff\xbf")]
