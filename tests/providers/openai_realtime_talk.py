"""A session with OpenAI Realtime, spoken to event by event, and what it says in return."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec

from exllm.providers import registry
from exllm.providers.openai_realtime import WIRE, RealtimeProtocol
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.tool import Tool

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
