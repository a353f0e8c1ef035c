"""OpenAI's own types as oracles: what we send is valid to them, what they can receive is an event of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pydantic
import pytest
from openai.types.realtime import (
    RealtimeClientEventParam,
    RealtimeTranslationClientEventParam,
    realtime_server_event,
    realtime_translation_server_event,
)
from openai.types.realtime.client_secret_create_params import ClientSecretCreateParams
from openai.types.realtime.translations.client_secret_create_params import (
    ClientSecretCreateParams as TranslationSecretParams,
)

from exllm.providers import registry
from exllm.providers.live_wire import LiveProtocol, live_wire
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import LiveEvent
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Audio, Image, Text, ToolCall, ToolResult
from exllm.types.tool import ServerTool, Tool
from tests.providers.live_samples import sample

WEATHER = Tool("get_weather", "Look it up", {"type": "object", "properties": {"city": {"type": "string"}}})
SLOW = Tool("book_table", "Takes a while", {"type": "object", "properties": {}})
HISTORY = (
    Message("system", "Be kind."),
    Message.of("user", [Text("What is this?"), Image(data=b"\x89PNG", media_type="image/png", detail="low")]),
    Message.of("assistant", [Text("A cat."), ToolCall("call_9", "get_weather", '{"city":"Rome"}')]),
    Message.of("tool", [ToolResult("call_9", '{"temp": 20}', "get_weather")]),
    Message.of("assistant", [Audio(data=b"", media_type="audio/pcm", transcript="It is warm.")]),
)


def open_session(provider: str, settings: LiveSettings) -> LiveProtocol:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return live_wire(spec.live.wire).protocol(settings, spec)


# -- OpenAI

OPENAI_SETTINGS = {
    "plain": LiveSettings("gpt-realtime"),
    "all": LiveSettings(
        "gpt-realtime",
        instructions="Be short.",
        modalities=("audio",),
        voice="marin",
        language="en",
        speed=1.2,
        max_tokens=500,
        reasoning_effort="low",
        tools=(
            WEATHER,
            ServerTool({"type": "mcp", "server_label": "d", "server_url": "https://x.y", "require_approval": "always"}),
        ),
        tool_choice="get_weather",
        parallel_tool_calls=False,
        history=HISTORY,
        turn_detection=TurnDetection(
            "server", threshold=0.6, prefix_padding_ms=200, silence_ms=400, interrupts=True, responds=True,
            idle_timeout_ms=6000,
        ),
        input_transcription="gpt-4o-transcribe",
        noise_reduction="near_field",
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
        include=("item.input_audio_transcription.logprobs",),
        tracing="auto",
        prompt="pmpt_1",
    ),
    "semantic": LiveSettings("gpt-realtime", turn_detection=TurnDetection("semantic", eagerness="low", responds=False)),
    "manual, phone": LiveSettings("gpt-realtime", audio_format="g711_ulaw", turn_detection=TurnDetection("manual")),
    "transcription": LiveSettings(
        "gpt-4o-transcribe", kind="transcription", language="de", noise_reduction="far_field",
        include=("item.input_audio_transcription.logprobs",), turn_detection=TurnDetection("server"),
    ),
}  # fmt: skip
_CLIENT_EVENT: Any = pydantic.TypeAdapter(RealtimeClientEventParam)


def ready(protocol: LiveProtocol) -> list[str | bytes]:
    """What is said until the session may be used."""
    said = protocol.connect()
    start = b'{"type":"session.updated","session":{}}'
    protocol.receive(Frame(start))
    assert protocol.ready
    return [*said, *protocol.replies()]


def all_of_openai(settings: LiveSettings) -> Iterator[str | bytes]:
    protocol = open_session("openai", settings)
    yield from ready(protocol)
    rate = 8_000 if settings.audio_format == "g711_ulaw" else 24_000
    yield from protocol.audio(b"\x00\x01" * 240, rate)
    yield from protocol.audio_end()
    if settings.kind == "transcription":
        return
    yield from protocol.turn([Message("user", "Hi")], complete=True)
    protocol.receive(Frame(b'{"type":"response.created","response":{"id":"r1"}}'))
    delta = base64.b64encode(b"\x00" * 48_000).decode()
    piece = {
        "type": "response.output_audio.delta",
        "item_id": "i1",
        "response_id": "r1",
        "content_index": 0,
        "delta": delta,
    }
    protocol.receive(Frame(msgspec.json.encode(piece)))
    yield from protocol.interrupt(500)
    protocol.receive(Frame(b'{"type":"response.done","response":{"id":"r1","status":"cancelled"}}'))
    yield from protocol.video(b"\xff\xd8", "image/jpeg")
    yield from protocol.realtime_text("And now?")
    protocol.receive(Frame(b'{"type":"response.done","response":{"id":"r2","status":"completed"}}'))
    protocol.receive(Frame(b'{"type":"response.created","response":{"id":"r3"}}'))
    protocol.receive(Frame(b'{"type":"response.done","response":{"id":"r3","status":"completed"}}'))
    request = {"type": "conversation.item.added", "item": {"id": "mcpr_1", "type": "mcp_approval_request"}}
    protocol.receive(Frame(msgspec.json.encode(request)))
    yield from protocol.tool_results([ToolResult("mcpr_1", "not today", is_error=True), ToolResult("call_1", "20 C")])
    protocol.receive(Frame(b'{"type":"response.created","response":{"id":"r4"}}'))
    protocol.receive(Frame(b'{"type":"response.done","response":{"id":"r4","status":"completed"}}'))
    yield from protocol.respond(
        instructions="Sum up", modalities=("text",), tools=[WEATHER], tool_choice="required", max_tokens=50,
        voice="ash", metadata={"topic": "x"}, conversation="none", input=[], parallel_tool_calls=True,
        reasoning_effort="low",
    )  # fmt: skip
    yield from protocol.update(msgspec.structs.replace(settings, instructions="Be long.", tools=(SLOW,)))
    if settings.turn_detection is not None and settings.turn_detection.kind == "manual":
        yield from protocol.activity_start()
        yield from protocol.activity_end()


def plain(value: Any) -> Any:
    """Validated data with what it iterates over read."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return [plain(each) for each in value]


@pytest.mark.parametrize("name", OPENAI_SETTINGS)
def test_openai_s_types_take_all_that_we_send(name: str) -> None:
    kinds = []
    for message in all_of_openai(OPENAI_SETTINGS[name]):
        sent = json.loads(message)
        # Fields that the type does not know are not in what it makes of the data.
        assert plain(_CLIENT_EVENT.validate_python(sent)) == sent
        kinds.append(sent["type"])
    assert kinds[0] == "session.update"
    assert "input_audio_buffer.append" in kinds
    if name == "all":
        assert {*kinds} >= {
            "conversation.item.create", "conversation.item.truncate", "response.create", "response.cancel",
        }  # fmt: skip
    if name.startswith("manual"):
        assert {*kinds} >= {"input_audio_buffer.commit", "input_audio_buffer.clear"}


def test_openai_s_types_take_all_that_a_translation_sends() -> None:
    adapter: Any = pydantic.TypeAdapter(RealtimeTranslationClientEventParam)
    settings = LiveSettings(
        "gpt-realtime-translate", kind="translation", language="es", input_transcription=True,
        noise_reduction="near_field",
    )  # fmt: skip
    protocol = open_session("openai", settings)
    said = [*ready(protocol), *protocol.audio(bytes(480), 24_000)]
    said += protocol.update(LiveSettings("gpt-realtime-translate", kind="translation", language="fr"))
    said += protocol.audio_end()
    for message in map(json.loads, said):
        assert plain(adapter.validate_python(message)) == message
    assert [json.loads(message)["type"] for message in said] == [
        "session.update", "session.input_audio_buffer.append", "session.update", "session.close",
    ]  # fmt: skip
    spec = registry.get("openai")
    assert isinstance(spec, ProviderSpec)
    request = live_wire("openai_realtime").token_request(spec, settings, now_s=0, expires_in_s=60)
    body = json.loads(request.body)
    assert plain(pydantic.TypeAdapter(TranslationSecretParams).validate_python(body)) == body
    assert request.path == "/realtime/translations/client_secrets"


@pytest.mark.parametrize(
    "event",
    get_args(get_args(realtime_translation_server_event.RealtimeTranslationServerEvent)[0]),
    ids=lambda event: event.__name__,
)
def test_every_event_that_openai_s_types_know_of_translations_is_read(event: type[pydantic.BaseModel]) -> None:
    data = sample(event)
    if data["type"] == "session.output_audio.delta":
        data["delta"] = "AAAA"
    event.model_validate(data)
    protocol = open_session("openai", LiveSettings("gpt-realtime-translate", kind="translation"))
    ready(protocol)
    (read,) = protocol.receive(Frame(msgspec.json.encode(data)))
    assert isinstance(read, ProviderEvent) == (data["type"] in ("session.created", "session.closed"))


_SERVER_EVENTS = get_args(get_args(realtime_server_event.RealtimeServerEvent)[0])


@pytest.mark.parametrize("event", _SERVER_EVENTS, ids=lambda event: event.__name__)
def test_every_event_that_openai_s_types_know_is_read(event: type[pydantic.BaseModel]) -> None:
    data = sample(event)
    event.model_validate(data)
    kind = data["type"]
    protocol = open_session("openai", LiveSettings("m"))
    ready(protocol)
    if kind == "response.output_audio.delta":
        data["delta"] = "AAAA"
    events = protocol.receive(Frame(msgspec.json.encode(data)))
    assert events
    assert msgspec.json.decode(msgspec.json.encode(events), type=list[LiveEvent])
    named = [each for each in events if not isinstance(each, ProviderEvent)]
    passed_on = [each.event for each in events if isinstance(each, ProviderEvent)]
    assert named or passed_on == [kind]


def test_half_of_the_events_that_openai_s_types_know_have_a_name_here() -> None:
    passed_on = set()
    for event in _SERVER_EVENTS:
        protocol = open_session("openai", LiveSettings("m"))
        ready(protocol)
        data = sample(event)
        if data["type"] == "response.output_audio.delta":
            data["delta"] = "AAAA"
        events = protocol.receive(Frame(msgspec.json.encode(data)))
        if all(isinstance(each, ProviderEvent) for each in events):
            passed_on.add(data["type"])
    assert len(_SERVER_EVENTS) == 46
    assert passed_on == {
        "session.created", "conversation.created",
        "conversation.item.created", "conversation.item.added", "conversation.item.done", "conversation.item.retrieved",
        "conversation.item.deleted", "conversation.item.truncated",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared", "input_audio_buffer.dtmf_event_received", "input_audio_buffer.timeout_triggered",
        "output_audio_buffer.started", "output_audio_buffer.stopped", "output_audio_buffer.cleared",
        "response.content_part.added", "response.content_part.done",
        "response.output_item.added", "response.output_item.done",  # a `ToolCall` where the item is one
        "response.output_audio.done", "response.function_call_arguments.delta",
        "mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_list_tools.failed",
        "response.mcp_call_arguments.delta", "response.mcp_call_arguments.done", "response.mcp_call.in_progress",
        "response.mcp_call.completed", "response.mcp_call.failed",
    }  # fmt: skip


def test_openai_s_types_take_our_request_for_a_client_secret() -> None:
    spec = registry.get("openai")
    assert isinstance(spec, ProviderSpec)
    wire = live_wire("openai_realtime")
    adapter: Any = pydantic.TypeAdapter(ClientSecretCreateParams)
    for settings in OPENAI_SETTINGS.values():
        request = wire.token_request(spec, msgspec.structs.replace(settings, history=()), now_s=0.0, expires_in_s=60)
        body = json.loads(request.body)
        assert plain(adapter.validate_python(body)) == body
        assert request.path == "/realtime/client_secrets"
        assert body["expires_after"] == {"anchor": "created_at", "seconds": 60}
