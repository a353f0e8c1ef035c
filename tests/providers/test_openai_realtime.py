"""OpenAI Realtime: when a response is asked for, what is cut, what is remembered, and the dialects of others."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from exllm.errors import (
    AuthenticationError,
    ExLLMError,
    InvalidRequest,
    NotFound,
    ProtocolError,
    QuotaExceeded,
    ServerError,
    StreamInterrupted,
    UnsupportedOption,
)
from exllm.providers import registry
from exllm.providers.openai_realtime import WIRE, RealtimeProtocol
from exllm.providers.openai_realtime_memory import MAX_CHARS, MOST_UNCONFIRMED
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    InputCommitted,
    InputTranscript,
    Interrupted,
    LiveEvent,
    OutputTranscript,
    RateLimit,
    RateLimits,
    RemoteError,
    ResumptionUpdate,
    SessionStarted,
    SessionUpdated,
    SpeechStarted,
    TextOut,
    ToolCall,
    TurnComplete,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Audio, Image, Reasoning, Text, ToolResult
from exllm.types.parts import ToolCall as Call
from exllm.types.tool import ServerTool, Tool

TOOL = Tool("get_weather", "Look it up", {"type": "object", "properties": {}}, strict=True)
MANUAL = TurnDetection("manual")


def spec_of(provider: str = "openai") -> ProviderSpec:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return spec


def opened(provider: str = "openai", **settings: Any) -> RealtimeProtocol:
    protocol = WIRE.protocol(LiveSettings("gpt-realtime", **settings), spec_of(provider))
    protocol.connect()
    tell(protocol, "session.updated", session={"id": "s1", "model": "gpt-realtime"})
    return protocol


def tell(protocol: RealtimeProtocol, kind: str, **fields: Any) -> list[LiveEvent]:
    return protocol.receive(Frame(msgspec.json.encode({"type": kind, **fields})))


def read(said: list[str | bytes]) -> list[Any]:
    return [json.loads(message) for message in said]


def kinds(said: list[str | bytes]) -> list[str]:
    return [message["type"] for message in read(said)]


def session_for(provider: str = "openai", **settings: Any) -> dict[str, Any]:
    protocol = WIRE.protocol(LiveSettings("m", **settings), spec_of(provider))
    found: dict[str, Any] = read(protocol.connect())[0]["session"]
    return found


def begin(protocol: RealtimeProtocol, id_: str = "r1", **fields: Any) -> list[LiveEvent]:
    return tell(protocol, "response.created", response={"id": id_, **fields})


def end(protocol: RealtimeProtocol, id_: str = "r1", **fields: Any) -> list[LiveEvent]:
    return tell(protocol, "response.done", response={"id": id_, "status": "completed", **fields})


def speak(protocol: RealtimeProtocol, ms: int, item: str = "i1") -> list[LiveEvent]:
    delta = base64.b64encode(b"\x00" * (ms * 48)).decode()
    return tell(protocol, "response.output_audio.delta", item_id=item, response_id="r1", content_index=0, delta=delta)


def call(protocol: RealtimeProtocol, id_: str) -> list[LiveEvent]:
    return tell(
        protocol, "response.function_call_arguments.done", item_id=f"item_{id_}", response_id="r1", call_id=id_,
        name="get_weather", arguments="{}",
    )  # fmt: skip


def reconnected(protocol: RealtimeProtocol) -> list[Any]:
    """What is told over a new connection."""
    protocol.closed(1006, "")
    protocol.connect()
    tell(protocol, "session.updated", session={})
    return read(protocol.replies())


# -- where to, and the session


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
        ("openai", {"turn_detection": TurnDetection("semantic", threshold=0.5)}, "threshold"),
        ("openai", {"turn_detection": TurnDetection(start_sensitivity="low")}, "start_sensitivity"),
        ("openai", {"kind": "transcription", "voice": "ash"}, "voice"),
        ("openai", {"context_compression": True}, "context_compression"),
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


# -- responses


def test_a_turn_is_answered_at_once_or_as_soon_as_the_model_is_silent() -> None:
    protocol = opened()
    assert kinds(protocol.turn([Message("user", "Hi")], complete=True)) == [
        "conversation.item.create", "response.create",
    ]  # fmt: skip
    # asked for and not begun, begun and not ended: no second one
    assert kinds(protocol.turn([Message("user", "and")], complete=True)) == ["conversation.item.create"]
    begin(protocol)
    assert protocol.replies() == []
    end(protocol)
    assert kinds(protocol.replies()) == ["response.create"]
    assert protocol.replies() == []
    begin(protocol, "r2")
    end(protocol, "r2")
    assert protocol.replies() == []
    assert kinds(protocol.turn([Message("user", "so")], complete=False)) == ["conversation.item.create"]
    assert protocol.turn([], complete=False) == []


def test_results_are_answered_when_the_response_is_over_and_every_call_has_its_own() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol)
    call(protocol, "c1")
    call(protocol, "c2")
    assert kinds(protocol.tool_results([ToolResult("c1", "20 C")])) == ["conversation.item.create"]
    end(protocol)
    assert protocol.replies() == []  # one is open
    assert kinds(protocol.tool_results([ToolResult("c2", "21 C")])) == ["conversation.item.create", "response.create"]


def test_results_that_come_before_the_end_of_the_response_wait_for_it() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol)
    call(protocol, "c1")
    assert kinds(protocol.tool_results([ToolResult("c1", "20 C")])) == ["conversation.item.create"]
    assert protocol.replies() == []
    end(protocol)
    assert kinds(protocol.replies()) == ["response.create"]


def test_results_need_not_be_answered() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol)
    call(protocol, "c1")
    end(protocol)
    assert kinds(protocol.tool_results([ToolResult("c1", "20 C")], respond=False)) == ["conversation.item.create"]
    assert protocol.replies() == []
    with pytest.raises(UnsupportedOption, match="scheduling"):
        protocol.tool_results([ToolResult("c1", "")], scheduling="silent")
    image = Image(data=b"x", media_type="image/png")
    with pytest.raises(InvalidRequest, match="text alone"):
        protocol.tool_results([ToolResult("c1", (Text("a"), image))])


def test_a_response_that_was_refused_because_one_is_active_is_asked_for_again() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Hi")], complete=True)
    begin(protocol, "vad")  # the service was faster
    protocol.respond()
    end(protocol, "vad")
    protocol.replies()
    error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response", "message": "busy"}
    assert tell(protocol, "error", error=error) == [RemoteError("busy", "conversation_already_has_active_response")]
    assert kinds(protocol.replies()) == ["response.create"]


def test_a_response_has_options_of_its_own_and_one_beside_the_conversation_needs_no_turn() -> None:
    protocol = opened()
    (asked,) = read(protocol.respond(instructions="Sum up", modalities=("text",), max_tokens=5, tools=[TOOL]))
    assert asked["response"] == {
        "instructions": "Sum up", "output_modalities": ["text"], "max_output_tokens": 5,
        "tools": [{"type": "function", "name": "get_weather", "parameters": TOOL.schema, "description": "Look it up"}],
    }  # fmt: skip
    begin(protocol)
    (beside,) = read(protocol.respond(conversation="none", metadata={"topic": "x"}))
    assert beside["response"] == {"conversation": "none", "metadata": {"topic": "x"}}
    begin(protocol, "r2", conversation_id=None)
    end(protocol, "r2", conversation_id=None)
    protocol.respond()
    assert protocol.replies() == []  # r1 goes on
    end(protocol)
    assert kinds(protocol.replies()) == ["response.create"]
    with pytest.raises(UnsupportedOption, match="speed"):
        protocol.respond(speed=2)


# -- interruption


def test_speech_over_the_model_interrupts_it_and_what_was_heard_is_kept() -> None:
    protocol = opened()
    begin(protocol)
    speak(protocol, 1_000)
    events = tell(protocol, "input_audio_buffer.speech_started", audio_start_ms=1500, item_id="u1")
    assert events == [SpeechStarted(1.5, "u1"), Interrupted("r1", "i1")]
    # The service has cancelled it already.
    assert read(protocol.interrupt(400)) == [
        {"type": "conversation.item.truncate", "item_id": "i1", "content_index": 0, "audio_end_ms": 400}
    ]
    assert protocol.interrupt(400) == []
    (ended,) = end(protocol, status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})
    assert isinstance(ended, TurnComplete)
    assert (ended.status, ended.reason) == ("interrupted", "turn_detected")


def test_more_than_there_is_cannot_have_been_heard() -> None:
    protocol = opened()
    begin(protocol)
    speak(protocol, 250)
    speak(protocol, 250)
    cancel, cut = read(protocol.interrupt(9_000))
    assert cancel == {"type": "response.cancel"}
    assert cut["audio_end_ms"] == 500


def test_speech_over_text_or_where_speech_does_not_interrupt_only_starts() -> None:
    silent = opened()
    begin(silent)
    assert tell(silent, "input_audio_buffer.speech_started") == [SpeechStarted()]
    patient = opened(turn_detection=TurnDetection(interrupts=False))
    begin(patient)
    speak(patient, 100)
    assert tell(patient, "input_audio_buffer.speech_started") == [SpeechStarted()]


def test_audio_that_still_plays_after_its_response_can_be_cut() -> None:
    protocol = opened()
    begin(protocol)
    speak(protocol, 1_000)
    end(protocol)
    assert kinds(protocol.interrupt(100)) == ["conversation.item.truncate"]
    assert opened().interrupt(100) == []
    other = opened("xai")
    begin(other)
    speak(other, 100)
    assert kinds(other.interrupt(50)) == ["response.cancel"]


def test_phone_audio_counts_in_bytes() -> None:
    protocol = opened(audio_format="g711_ulaw")
    begin(protocol)
    delta = base64.b64encode(b"\x00" * 800).decode()
    (audio,) = tell(protocol, "response.output_audio.delta", item_id="i1", response_id="r1", delta=delta)
    assert isinstance(audio, AudioOut)
    assert (audio.rate_hz, audio.media_type) == (8_000, "audio/pcmu")
    assert read(protocol.interrupt(999))[1]["audio_end_ms"] == 100


# -- what the user says


def test_audio_and_its_ends() -> None:
    protocol = opened()
    assert read(protocol.audio(b"\x01\x02", 24_000)) == [{"type": "input_audio_buffer.append", "audio": "AQI="}]
    with pytest.raises(InvalidRequest, match="24000"):
        protocol.audio(b"", 16_000)
    assert protocol.audio_end() == []
    with pytest.raises(InvalidRequest, match="manual"):
        protocol.activity_end()
    manual = opened(turn_detection=MANUAL)
    assert kinds(manual.activity_start()) == ["input_audio_buffer.clear"]
    assert kinds(manual.activity_end()) == ["input_audio_buffer.commit", "response.create"]
    begin(manual)
    speak(manual, 100)
    assert kinds(manual.activity_start()) == ["response.cancel", "input_audio_buffer.clear"]
    assert kinds(opened("xai", turn_detection=MANUAL).activity_end()) == ["input_audio_buffer.commit"]
    quiet = opened(turn_detection=TurnDetection("manual", responds=None), kind="transcription")
    assert kinds(quiet.audio_end()) == ["input_audio_buffer.commit"]


def test_messages_become_items() -> None:
    history = [
        Message("developer", "Be kind"),
        Message.of("user", [
            Text("Look"), Image(url="https://x/y.png", detail="low"), Audio(data=b"\x00", media_type="audio/pcm"),
        ]),
        Message.of("assistant", [Reasoning("hm"), Text("A cat"), Call("c1", "f", ""), Text("Done")]),
        Message.of("tool", [ToolResult("c1", "1")]),
    ]  # fmt: skip
    protocol = opened()
    items = [message["item"] for message in read(protocol.turn(history, complete=False))]
    assert items == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind"}]},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
            {"type": "input_audio", "audio": "AA=="},
        ]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done"}]},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
    ]  # fmt: skip
    assert protocol.warnings == ["Reasoning parts of the assistant have no place in the Realtime API; left out"]
    for bad in (
        Message.of("user", [Call("c", "f")]),
        Message("tool", "x"),
        Message.of("user", [Audio(url="https://x")]),
    ):
        with pytest.raises(InvalidRequest):
            protocol.turn([bad], complete=True)


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


# -- what is read


def test_transcripts_end_with_what_the_pieces_lacked() -> None:
    protocol = opened()
    kind = "conversation.item.input_audio_transcription"
    assert tell(protocol, f"{kind}.delta", item_id="u1", delta=" Hel") == [InputTranscript(" Hel", item="u1")]
    done = tell(
        protocol, f"{kind}.completed", item_id="u1", transcript="Hello.", usage={"type": "duration", "seconds": 3}
    )
    assert done[0] == InputTranscript("lo.", final=True, item="u1")
    assert isinstance(done[1], ProviderEvent)  # seconds have no place in counts of tokens
    tell(protocol, f"{kind}.delta", item_id="u2", delta="Helo")
    usage = {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "input_token_details": {"audio_tokens": 7}}
    put_right, counted = tell(protocol, f"{kind}.completed", item_id="u2", transcript="Hello", usage=usage)
    assert put_right == InputTranscript("Hello", final=True, replaces=True, item="u2")
    assert isinstance(counted, UsageReport)
    assert (counted.usage.input_tokens, counted.usage.audio_input_tokens) == (9, 7)
    failed = tell(protocol, f"{kind}.failed", item_id="u3", error={"code": "x", "message": "no"}, event_id="e")
    assert failed[0] == RemoteError("no", "x", event_id="e")
    assert tell(protocol, "response.output_audio_transcript.done", item_id="i1", response_id="r", transcript="All") == [
        OutputTranscript("All", final=True, turn="r", item="i1")
    ]
    assert tell(protocol, "response.output_text.done", item_id="i2", response_id="r", text="All")[0] == TextOut(
        "All", "r", "i2"
    )


def test_log_probabilities_are_passed_on() -> None:
    kind = "conversation.item.input_audio_transcription.delta"
    said, passed = tell(opened(), kind, item_id="u1", delta="Hi", logprobs=[{"token": "Hi", "logprob": -0.1}])
    assert said == InputTranscript("Hi", item="u1")
    assert isinstance(passed, ProviderEvent)
    assert passed.data["logprobs"][0]["logprob"] == -0.1


def test_a_call_comes_once_whichever_event_completes_it() -> None:
    item = {
        "id": "i1",
        "type": "function_call",
        "call_id": "c1",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
    }
    protocol = opened()
    tell(
        protocol,
        "response.output_item.added",
        response_id="r1",
        item={**item, "arguments": "", "status": "in_progress"},
    )
    first = tell(protocol, "response.function_call_arguments.done", item_id="i1", response_id="r1", arguments='{"a":1}')
    assert first == [ToolCall("c1", "f", '{"a":1}', "r1")]
    again = tell(protocol, "response.output_item.done", response_id="r1", item=item)
    assert [type(event) for event in again] == [ProviderEvent]
    other = opened()  # no name before the item
    late = tell(other, "response.function_call_arguments.done", item_id="i1", response_id="r1", arguments="{}")
    assert [type(event) for event in late] == [ProviderEvent]
    assert tell(other, "response.output_item.done", response_id="r1", item=item)[0] == ToolCall(
        "c1", "f", '{"a":1}', "r1"
    )
    cut = opened()
    dropped = tell(cut, "response.output_item.done", response_id="r1", item={**item, "status": "incomplete"})
    assert [type(event) for event in dropped] == [ProviderEvent]


def test_mcp_approvals_are_answered_like_calls() -> None:
    protocol = opened()
    item = {"id": "mcpr_1", "type": "mcp_approval_request", "name": "search", "arguments": "{}", "server_label": "d"}
    (event,) = tell(protocol, "response.output_item.done", response_id="r1", item=item)
    assert isinstance(event, ProviderEvent)
    assert event.data["item"]["server_label"] == "d"
    (answer,) = [each["item"] for each in read(protocol.tool_results([ToolResult("mcpr_1")])) if "item" in each]
    assert (answer["type"], answer["approval_request_id"], answer["approve"]) == (
        "mcp_approval_response",
        "mcpr_1",
        True,
    )


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("completed", None, ("completed", "completed")),
        ("cancelled", {"reason": "client_cancelled"}, ("interrupted", "client_cancelled")),
        ("incomplete", {"reason": "max_output_tokens"}, ("length", "max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, ("content_filter", "content_filter")),
        ("completed", "unimplemented", ("completed", "completed")),
    ],
)
def test_how_a_turn_ended(status: str, details: Any, expected: tuple[str, str]) -> None:
    (event,) = end(opened(), status=status, status_details=details)
    assert isinstance(event, TurnComplete)
    assert (event.status, event.reason) == expected


def test_a_failed_response_says_why_and_the_session_goes_on() -> None:
    error = {"type": "invalid_request_error", "code": "model_not_found", "message": "no gpt-x"}
    told, ended = end(opened(), status="failed", status_details={"type": "failed", "error": error})
    assert told == RemoteError("no gpt-x", "model_not_found")
    assert isinstance(ended, TurnComplete)
    assert (ended.status, ended.reason) == ("failed", "model_not_found")


def test_counts_by_modality() -> None:
    usage = {
        "total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
        "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "image_tokens": 3, "cached_tokens": 64},
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91, "reasoning_tokens": 4},
    }  # fmt: skip
    for fields in ({"usage": usage}, {"usage": None}):
        protocol = opened()
        outside = {} if fields["usage"] else {"usage": usage}  # xAI
        (event,) = tell(protocol, "response.done", response={"id": "r", "status": "completed", **fields}, **outside)
        assert isinstance(event, TurnComplete)
        counts = event.usage
        assert counts is not None
        assert (counts.input_tokens, counts.output_tokens, counts.total_tokens) == (132, 121, 253)
        assert (counts.audio_input_tokens, counts.audio_output_tokens, counts.image_tokens) == (13, 91, 3)
        assert (counts.cached_input_tokens, counts.reasoning_tokens) == (64, 4)


def test_limits_and_the_rest() -> None:
    limits = [{"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 60.0}]
    assert tell(opened(), "rate_limits.updated", rate_limits=limits) == [
        RateLimits((RateLimit("tokens", 50000, 49950, 60.0),))
    ]
    assert tell(opened(), "input_audio_buffer.committed", item_id="u1") == [InputCommitted("u1")]
    passed = tell(opened(), "brand.new", a=1)
    assert passed == [ProviderEvent("brand.new", {"type": "brand.new", "a": 1}, "openai")]


@pytest.mark.parametrize(
    ("code", "kind", "error", "may_go_on"),
    [
        ("invalid_api_key", "invalid_request_error", AuthenticationError, False),
        ("insufficient_quota", "insufficient_quota", QuotaExceeded, False),
        ("model_not_found", "invalid_request_error", NotFound, False),
        ("session_expired", "invalid_request_error", StreamInterrupted, True),
    ],
)
def test_errors_that_end_a_session(code: str, kind: str, error: type[ExLLMError], may_go_on: bool) -> None:
    with pytest.raises(error) as caught:
        tell(opened(), "error", error={"code": code, "type": kind, "message": "sorry, sk-abcdefghijklmnop"})
    assert caught.value.retryable is may_go_on
    assert caught.value.code == code
    assert may_go_on or "abcdefgh" not in str(caught.value)


def test_other_errors_end_only_what_has_not_begun() -> None:
    fields = {"code": "unknown_parameter", "type": "invalid_request_error", "message": "what?", "param": "session.x"}
    assert tell(opened(), "error", error={**fields, "event_id": "e1"}) == [
        RemoteError("what?", "unknown_parameter", "session.x", "e1")
    ]
    fresh = WIRE.protocol(LiveSettings("m"), spec_of())
    fresh.connect()
    with pytest.raises(InvalidRequest, match="what"):
        tell(fresh, "error", error=fields)
    assert isinstance(tell(opened(), "error", error={"type": "server_error", "message": "oops"})[0], RemoteError)
    assert isinstance(tell(opened(), "error", error="plain")[0], RemoteError)


# -- over another connection


def test_the_history_is_told_once_it_may_be() -> None:
    history = (Message("user", "I am Alice"), Message("assistant", "Hello"))
    protocol = WIRE.protocol(LiveSettings("m", history=history), spec_of())
    protocol.connect()
    assert protocol.replies() == []
    tell(protocol, "session.updated", session={})
    assert kinds(protocol.replies()) == ["conversation.item.create"] * 2
    assert protocol.replies() == []


def conversation(protocol: RealtimeProtocol) -> None:
    """A spoken question, its answer with a call, and a second answer that is interrupted at a third."""
    tell(protocol, "conversation.item.added", item={
        "id": "u1", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}],
    })  # fmt: skip
    tell(protocol, "conversation.item.input_audio_transcription.completed", item_id="u1", transcript="Weather?")
    begin(protocol)
    fields = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "get_weather"}
    tell(protocol, "conversation.item.added", item={**fields, "arguments": "", "status": "in_progress"})
    tell(protocol, "response.output_item.done", item={**fields, "arguments": "{}", "status": "completed"})
    end(protocol)
    protocol.tool_results([ToolResult("c1", "20 C")])
    tell(protocol, "conversation.item.added", item={
        "id": "o1", "type": "function_call_output", "call_id": "c1", "output": "20 C",
    })  # fmt: skip
    begin(protocol, "r2")
    tell(protocol, "conversation.item.added", item={"id": "i1", "type": "message", "role": "assistant", "content": []})
    for piece in ("It is ", "warm and ", "sunny."):
        tell(protocol, "response.output_audio_transcript.delta", item_id="i1", response_id="r2", delta=piece)
    speak(protocol, 3_000)


TOLD = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "20 C"},
]


def test_the_conversation_is_told_again_in_its_order_and_an_answer_that_was_cut_is_asked_for_again() -> None:
    protocol = opened(tools=(TOOL,))
    conversation(protocol)
    assert protocol.resumes_by == "replay"
    told = reconnected(protocol)
    partial = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "It is warm and sunny."}],
    }
    assert [message["item"] for message in told[:-1]] == [*TOLD, partial]
    assert told[-1] == {"type": "response.create"}
    # and again, when the next connection breaks before the service has confirmed anything
    assert [message.get("item") for message in reconnected(protocol)] == [*TOLD, partial, None]


def test_of_what_was_interrupted_about_as_much_is_told_as_was_heard() -> None:
    protocol = opened(tools=(TOOL,))
    conversation(protocol)
    protocol.interrupt(1_000)
    tell(protocol, "conversation.item.truncated", item_id="i1", content_index=0, audio_end_ms=1_000)
    whole = {"id": "i1", "type": "message", "role": "assistant", "content": [{"transcript": "It is warm and sunny."}]}
    end(protocol, "r2", status="cancelled", output=[whole])
    told = reconnected(protocol)
    assert told[-1]["item"]["content"] == [{"type": "output_text", "text": "It is"}]


def test_what_was_sent_and_not_confirmed_is_sent_again_and_what_was_deleted_is_not() -> None:
    protocol = opened()
    protocol.turn([Message("user", "one")], complete=False)
    protocol.turn([Message("user", "two")], complete=False)
    first = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]}
    tell(protocol, "conversation.item.added", item=first)
    tell(protocol, "conversation.item.done", item=first)
    assert [message["item"]["content"][0]["text"] for message in reconnected(protocol)] == ["one", "two"]
    tell(protocol, "conversation.item.added", item={**first, "id": "u2"})
    tell(protocol, "conversation.item.deleted", item_id="u2")
    assert [message["item"]["content"][0]["text"] for message in reconnected(protocol)] == ["two"]


def test_a_response_that_was_asked_for_and_never_came_is_asked_for_again() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Hi")], complete=True)
    assert [message["type"] for message in reconnected(protocol)] == ["conversation.item.create", "response.create"]


def test_items_stand_where_the_service_put_them() -> None:
    protocol = opened()
    for id_, previous in (("a", None), ("b", "a"), ("c", "a")):
        item = {"id": id_, "type": "message", "role": "user", "content": [{"type": "input_text", "text": id_}]}
        tell(protocol, "conversation.item.added", item=item, previous_item_id=previous)
    assert [message["item"]["content"][0]["text"] for message in reconnected(protocol)] == ["a", "c", "b"]


def test_memory_is_bounded_and_says_so() -> None:
    protocol = opened()
    for number in range(40):
        text = f"{number} " + "x" * (MAX_CHARS // 10)
        item = {
            "id": f"u{number}",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
        tell(protocol, "conversation.item.added", item=item)
    told = reconnected(protocol)
    assert len(told) == 9
    assert told[-1]["item"]["content"][0]["text"].startswith("39 ")
    assert protocol.warnings == ["the conversation is long; its beginning was not told again"]


def test_a_service_that_confirms_nothing_does_not_fill_the_memory() -> None:
    protocol = opened()
    for number in range(MOST_UNCONFIRMED + 5):
        protocol.turn([Message("user", str(number))], complete=False)
    told = reconnected(protocol)
    assert len(told) == MOST_UNCONFIRMED
    assert told[0]["item"]["content"][0]["text"] == "5"


def test_a_conversation_that_the_service_no_longer_has_is_told_again() -> None:
    protocol = WIRE.protocol(LiveSettings("grok"), spec_of("xai"))
    protocol.connect()
    created = tell(protocol, "conversation.created", conversation={"id": "conv_1"})
    assert created[1] == ResumptionUpdate("conv_1", resumable=True)
    tell(protocol, "session.updated", session={})
    item = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    tell(protocol, "conversation.item.added", item=item)
    assert protocol.resumes_by == "handle"
    for known, told, resumed in (("conv_1", 0, True), ("conv_2", 1, False)):
        protocol.closed(1006, "")
        assert protocol.address().path.endswith("conversation_id=conv_1")
        protocol.connect()
        tell(protocol, "conversation.created", conversation={"id": known})
        (started, _) = tell(protocol, "session.updated", session={})
        assert isinstance(started, SessionStarted)
        assert started.resumed is resumed
        assert len(protocol.replies()) == told
    assert opened("xai", resumable=False).resumes_by == "new"


def test_a_message_in_the_services_own_words_is_remembered_where_it_is_an_item() -> None:
    protocol = opened()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "raw"}]}
    protocol.raw({"type": "conversation.item.create", "item": item})
    assert reconnected(protocol)[0]["item"] == item
    with pytest.raises(InvalidRequest):
        protocol.raw({"type": object()})


# -- client secrets


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


def test_the_end_of_a_connection_is_told_by_the_provider_s_name() -> None:
    end_ = opened("azure").closed(1011, "")
    assert isinstance(end_.error, ServerError)
    assert (end_.error.provider, end_.resumable) == ("azure", True)
