"""A Gemini Live session without a socket, for the tests of its wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from exllm.providers import registry
from exllm.providers.gemini_live import WIRE
from exllm.providers.gemini_live_protocol import GeminiLiveProtocol
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent
from exllm.types.live_settings import LiveSettings
from exllm.types.tool import Tool

TOOL = Tool("get_weather", "Look it up", {"type": "object", "properties": {}})


def spec_of(provider: str = "gemini") -> ProviderSpec:
    """The provider's spec."""
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return spec


def opened(provider: str = "gemini", model: str = "gemini-2.5-flash-live", **settings: Any) -> GeminiLiveProtocol:
    """A session that may be used."""
    protocol = WIRE.protocol(LiveSettings(model, **settings), spec_of(provider))
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    return protocol


def tell(protocol: GeminiLiveProtocol, message: dict[str, Any]) -> list[LiveEvent]:
    """The events of a message of the service."""
    return protocol.receive(Frame(msgspec.json.encode(message), "binary"))


def content(**fields: Any) -> dict[str, Any]:
    """A message with content."""
    return {"serverContent": fields}


def parts(*given: dict[str, Any]) -> dict[str, Any]:
    """A message with parts of the model's turn."""
    return content(modelTurn={"parts": list(given)})


def read(said: list[str | bytes]) -> list[Any]:
    """What we say, as data."""
    return [json.loads(message) for message in said]
