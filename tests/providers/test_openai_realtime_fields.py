"""OpenAI's own types, field by field: nothing that can be received is lost, all that can be sent can be said."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from openai.types.realtime import (
    RealtimeClientEventParam,
    RealtimeSessionCreateRequestParam,
    RealtimeTranscriptionSessionCreateRequestParam,
    RealtimeTranslationSessionUpdateRequestParam,
    realtime_server_event,
    realtime_translation_server_event,
)
from openai.types.realtime.realtime_response_create_params_with_references_param import (
    RealtimeResponseCreateParamsWithReferencesParam,
)

from exllm.providers.openai_realtime import WIRE
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Image, ToolResult
from exllm.types.tool import ServerTool, Tool
from tests.providers.openai_realtime_samples import fields, lost, samples, with_audio
from tests.providers.openai_realtime_talk import begin, opened, read, session_for, speak, spec_of

# -- what can be received


@pytest.mark.parametrize(
    "model",
    get_args(get_args(realtime_server_event.RealtimeServerEvent)[0]),
    ids=lambda model: model.__name__,
)
def test_nothing_of_an_event_is_lost_in_silence(model: Any) -> None:
    for sample in samples(model):
        event = with_audio(sample)
        model.model_validate(event)
        events = opened().receive(Frame(msgspec.json.encode(event)))
        assert events
        assert lost(event, events) == []
        assert msgspec.json.decode(msgspec.json.encode(events), type=list[LiveEvent])


@pytest.mark.parametrize(
    "model",
    get_args(get_args(realtime_translation_server_event.RealtimeTranslationServerEvent)[0]),
    ids=lambda model: model.__name__,
)
def test_nothing_of_an_event_of_a_translation_is_lost_in_silence(model: Any) -> None:
    for sample in samples(model):
        event = with_audio(sample)
        model.model_validate(event)
        protocol = WIRE.protocol(LiveSettings("m", kind="translation", language="es"), spec_of())
        protocol.connect()
        protocol.receive(Frame(b'{"type":"session.updated","session":{}}'))
        assert lost(event, protocol.receive(Frame(msgspec.json.encode(event)))) == []


# -- what can be sent

TOOL = Tool("f", "", {"type": "object", "properties": {}})
MCP = {"type": "mcp", "server_label": "d", "server_url": "https://x.y"}
TRANSCRIPTION = {
    "model": "w", "delay": "low", "keywords": ["a"], "language": "de", "languages": ["de"], "prompt": "b",
}  # fmt: skip
SERVER = TurnDetection(
    "server", threshold=0.6, prefix_padding_ms=2, silence_ms=4, interrupts=True, responds=False, idle_timeout_ms=6,
)  # fmt: skip
SEMANTIC = TurnDetection("semantic", eagerness="low")
NO_OTHER_WAY = "extra"
"""There is no setting for it, but the provider's own fields."""

SESSION: dict[str, Any] = {
    "type": LiveSettings("m"),
    "model": "in the address",
    "instructions": LiveSettings("m", instructions="x"),
    "output_modalities": LiveSettings("m", modalities=("text",)),
    "max_output_tokens": LiveSettings("m", max_tokens=5),
    "parallel_tool_calls": LiveSettings("m", parallel_tool_calls=False),
    "reasoning.effort": LiveSettings("m", reasoning_effort="low"),
    "prompt": LiveSettings("m", prompt={"id": "p", "version": "1", "variables": {"a": "b"}}),
    "tools": LiveSettings("m", tools=(TOOL, ServerTool(MCP))),
    "tool_choice": LiveSettings("m", tool_choice={"type": "mcp", "server_label": "d", "name": "f"}),
    "tracing": LiveSettings("m", tracing={"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}}),
    "truncation": LiveSettings("m", truncation={"type": "retention_ratio", "retention_ratio": 0.5}),
    "include": LiveSettings("m", include=("item.input_audio_transcription.logprobs",)),
    "audio.input.format": LiveSettings("m", audio_format="g711_alaw"),
    "audio.output.format": LiveSettings("m", audio_format="g711_ulaw"),
    "audio.output.voice": LiveSettings("m", voice="ash"),
    "audio.output.speed": LiveSettings("m", speed=1.2),
    "audio.input.noise_reduction.type": LiveSettings("m", noise_reduction="far_field"),
    "audio.input.noise_reduction.strength": NO_OTHER_WAY,
    **{
        f"audio.input.transcription.{name}": LiveSettings("m", input_transcription=TRANSCRIPTION)
        for name in TRANSCRIPTION
    },
    **{
        f"audio.input.turn_detection.{name}": LiveSettings("m", turn_detection=SERVER)
        for name in ("type", "threshold", "prefix_padding_ms", "silence_duration_ms", "interrupt_response",
                     "create_response", "idle_timeout_ms")
    },
    "audio.input.turn_detection.eagerness": LiveSettings("m", turn_detection=SEMANTIC),
}  # fmt: skip
_WHOLE = frozenset({"prompt", "tools", "tool_choice", "tracing", "truncation", "audio.input.format", "input",
                    "audio.output.format", "audio.output.voice", "metadata"})  # fmt: skip


def at(tree: Any, place: str) -> Any:
    for name in place.split("."):
        tree = tree[name]
    return tree


def within(place: str, value: Any) -> dict[str, Any]:
    for name in reversed(place.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


@pytest.mark.parametrize("place", sorted({*fields(RealtimeSessionCreateRequestParam, _WHOLE)}))
def test_every_field_of_a_session_can_be_said(place: str) -> None:
    way = SESSION[place]
    if isinstance(way, LiveSettings):
        protocol = WIRE.protocol(way, spec_of())
        assert at(read(protocol.connect())[0]["session"], place) is not None
    extra = session_for(extra=within(place, "mine"))
    assert at(extra, place) == "mine"


def test_every_field_of_a_transcription_and_of_a_translation_can_be_said() -> None:
    asked = {"turn_detection": SERVER, "noise_reduction": "near_field", "input_transcription": TRANSCRIPTION}
    places = {*fields(RealtimeTranscriptionSessionCreateRequestParam, _WHOLE)}
    assert places <= {*SESSION}
    listening = session_for(kind="transcription", include=("item.input_audio_transcription.logprobs",), **asked)
    semantic = session_for(kind="transcription", turn_detection=SEMANTIC)
    unsaid = {place for place in places if not any(is_at(session, place) for session in (listening, semantic))}
    assert unsaid == {"audio.input.noise_reduction.strength"}
    translation = session_for(
        kind="translation", language="es", input_transcription={"model": "w"}, noise_reduction="near_field"
    )
    places = {*fields(RealtimeTranslationSessionUpdateRequestParam, _WHOLE)}
    assert {place for place in places if not is_at(translation, place)} <= {"audio.input.noise_reduction.strength"}


def is_at(session: dict[str, Any], place: str) -> bool:
    try:
        return at(session, place) is not None
    except (KeyError, TypeError):
        return False


OPTIONS: dict[str, Any] = {
    "conversation": {"conversation": "none"},
    "input": {"input": [{"type": "item_reference", "id": "i"}]},
    "instructions": {"instructions": "x"},
    "max_output_tokens": {"max_tokens": "inf"},
    "metadata": {"metadata": {"a": "b"}},
    "output_modalities": {"modalities": ("text",)},
    "parallel_tool_calls": {"parallel_tool_calls": True},
    "prompt": {"prompt": {"id": "p"}},
    "reasoning.effort": {"reasoning_effort": "low"},
    "tool_choice": {"tool_choice": "none"},
    "tools": {"tools": [TOOL]},
    "audio.output.voice": {"voice": "ash"},
    "audio.output.format": NO_OTHER_WAY,
}


@pytest.mark.parametrize("place", sorted({*fields(RealtimeResponseCreateParamsWithReferencesParam, _WHOLE)}))
def test_every_option_of_a_response_can_be_said(place: str) -> None:
    way = OPTIONS[place]
    if way != NO_OTHER_WAY:
        assert at(read(opened().respond(**way))[0]["response"], place) is not None
    assert at(read(opened().respond(extra=within(place, "mine")))[0]["response"], place) == "mine"


RAW = "in the application's own words"


def said(kind: str) -> Any:
    """What we say of this kind, by a method for it; `RAW` where there is none."""
    if kind == "input_audio_buffer.append":
        return opened().audio(b"\0\0", 24_000)
    if kind in ("input_audio_buffer.clear", "input_audio_buffer.commit"):
        manual = opened(turn_detection=TurnDetection("manual"))
        return manual.activity_start() if kind.endswith("clear") else manual.activity_end()
    if kind in ("response.cancel", "conversation.item.truncate"):
        protocol = opened()
        begin(protocol)
        speak(protocol, 100)
        return protocol.interrupt(50)
    if kind == "output_audio_buffer.clear":
        protocol = opened(call_id="rtc_1")
        begin(protocol)
        protocol.receive(Frame(b'{"type":"output_audio_buffer.started","response_id":"r1"}'))
        return protocol.interrupt(None)
    if kind == "conversation.item.create":
        image = Message.of("user", [Image(data=b"x", media_type="image/png")])
        return [*opened().turn([image], complete=False), *opened().tool_results([ToolResult("c", "1")])]
    if kind == "response.create":
        return opened().respond()
    if kind == "session.update":
        return opened().update(LiveSettings("gpt-realtime", instructions="x"))
    return RAW


@pytest.mark.parametrize("model", get_args(RealtimeClientEventParam), ids=lambda model: model.__name__)
def test_every_event_of_a_client_can_be_said(model: Any) -> None:
    (kind,) = get_args(get_type_hints(model)["type"])
    ours = said(kind)
    if ours == RAW:
        assert kind in ("conversation.item.delete", "conversation.item.retrieve")
    else:
        assert kind in [json.loads(message)["type"] for message in ours]
    assert read(opened().raw({"type": kind, "event_id": "mine"})) == [{"type": kind, "event_id": "mine"}]
