"""Azure's own SDK as oracle for Voice Live, which speaks the beta of OpenAI's protocol with more in it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from azure.ai.voicelive import models as azure

from exllm.errors import UnsupportedOption
from exllm.providers import registry
from exllm.providers.openai_realtime import WIRE, RealtimeProtocol
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from exllm.types.tool import Tool
from tests.providers.openai_realtime_samples import lost, with_audio
from tests.providers.voice_live_samples import events, sample

SETTINGS = LiveSettings(
    "gpt-realtime",
    instructions="Be short.",
    modalities=("audio",),
    voice="alloy",
    language="en",
    temperature=0.7,
    max_tokens=500,
    reasoning_effort="low",
    tools=(Tool("get_weather", "Look it up"),),
    tool_choice="auto",
    parallel_tool_calls=False,
    turn_detection=TurnDetection("semantic", threshold=0.4, silence_ms=300, prefix_padding_ms=200, interrupts=True),
    input_transcription="azure-speech",
    input_rate_hz=16_000,
    output_rate_hz=16_000,
    noise_reduction="near_field",
    include=("item.input_audio_transcription.logprobs",),
)


def protocol_for(settings: LiveSettings) -> RealtimeProtocol:
    spec = registry.get("azure-voice-live")
    assert isinstance(spec, ProviderSpec)
    return WIRE.protocol(settings, spec)


def fields_of(model: Any) -> set[str]:
    return {name for kind in model.__mro__ for name in getattr(kind, "__annotations__", {}) if not name.startswith("_")}


def test_every_field_of_a_session_is_one_that_azure_knows() -> None:
    session = json.loads(protocol_for(SETTINGS).connect()[0])["session"]
    assert session.keys() <= fields_of(azure.RequestSession)
    assert session["turn_detection"].keys() <= fields_of(azure.AzureSemanticVad) | {"type"}
    assert session["turn_detection"]["type"] in [each.value for each in azure.TurnDetectionType]
    assert session["input_audio_format"] in [each.value for each in azure.InputAudioFormat]
    assert session["output_audio_format"] in [each.value for each in azure.OutputAudioFormat]
    assert session["input_audio_transcription"].keys() <= fields_of(azure.AudioInputTranscriptionOptions)
    assert {*session["modalities"]} <= {each.value for each in azure.Modality}
    assert (session["output_audio_format"], session["input_audio_sampling_rate"]) == ("pcm16_16000hz", 16_000)


def test_every_option_of_a_response_is_one_that_azure_knows() -> None:
    protocol = protocol_for(SETTINGS)
    (message,) = protocol.respond(
        instructions="Sum up", modalities=("audio",), voice="ash", max_tokens=5, temperature=0.2,
        reasoning_effort="low", tools=SETTINGS.tools, tool_choice="none", metadata={"a": "b"}, input=[],
    )  # fmt: skip
    response = json.loads(message)["response"]
    assert response.keys() <= fields_of(azure.ResponseCreateParams)
    assert response["modalities"] == ["text", "audio"]
    with pytest.raises(UnsupportedOption, match="conversation"):
        protocol.respond(conversation="none")


def test_everything_we_say_is_an_event_that_azure_knows() -> None:
    protocol = protocol_for(SETTINGS)
    said = protocol.connect()
    protocol.receive(Frame(b'{"type":"session.updated","session":{}}'))
    said += protocol.turn([Message("user", "Hi")], complete=True) + protocol.audio(b"\x00\x00", 16_000)
    protocol.receive(Frame(b'{"type":"response.created","response":{"id":"r"}}'))
    protocol.receive(Frame(b'{"type":"response.audio.delta","item_id":"i","response_id":"r","delta":"AAAA"}'))
    said += protocol.interrupt(0) + protocol.tool_results([ToolResult("c", "1")])
    assert {json.loads(each)["type"] for each in said} <= {each.value for each in azure.ClientEventType}


@pytest.mark.parametrize("kind", [each.value for each in azure.ServerEventType if each.value != "error"])
def test_every_event_that_azure_knows_is_read(kind: str) -> None:
    protocol = protocol_for(SETTINGS)
    fields = {"type": kind, "item_id": "i", "response_id": "r", "delta": "AAAA", "name": "f", "call_id": "c"}
    events = protocol.receive(Frame(msgspec.json.encode(fields)))
    assert events


@pytest.mark.parametrize("model", events(), ids=lambda model: model.__name__)
def test_nothing_of_an_event_that_azure_knows_is_lost_in_silence(model: Any) -> None:
    event = with_audio(sample(model))
    protocol = protocol_for(SETTINGS)
    protocol.connect()
    protocol.receive(Frame(b'{"type":"session.updated","session":{}}'))
    read = protocol.receive(Frame(msgspec.json.encode(event)))
    assert read
    assert lost(event, read) == []


def test_these_are_all_events_that_azure_knows() -> None:
    names = {sample(model)["type"] for model in events()}
    assert names <= {each.value for each in azure.ServerEventType}
    assert len(names) > 40
