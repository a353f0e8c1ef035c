"""Whatever a server sends, a session gets events or one of our errors, and what it says stays valid."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers import registry
from exllm.providers.live_wire import LiveProtocol, live_wire
from exllm.providers.openai_realtime import RealtimeProtocol
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent
from exllm.types.live_settings import LiveSettings
from tests.providers.live_recordings import ALL, received

PROVIDERS = ("gemini", "openai", "xai", "azure-voice-live")


def open_session(provider: str) -> LiveProtocol:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    protocol = live_wire(spec.live.wire).protocol(LiveSettings("m"), spec)
    protocol.connect()
    is_gemini = spec.live.wire == "gemini_live"
    protocol.receive(Frame(b'{"setupComplete":{}}' if is_gemini else b'{"type":"session.updated","session":{}}'))
    assert protocol.ready
    return protocol


def take(protocol: LiveProtocol, data: bytes) -> list[LiveEvent]:
    """The events of a message, none where it is refused in the right way."""
    try:
        events = protocol.receive(Frame(data))
    except ExLLMError:
        events = []
    for message in protocol.replies():
        json.loads(message)
    assert msgspec.json.decode(msgspec.json.encode(events), type=list[LiveEvent]) is not None
    return events


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_GEMINI_FIELDS = st.sampled_from(
    ["serverContent", "modelTurn", "parts", "text", "inlineData", "data", "mimeType", "turnComplete", "toolCall",
     "goAway", "functionCalls", "timeLeft", "usageMetadata", "promptTokenCount", "outputTranscription",
     "sessionResumptionUpdate",
     "newHandle", "interrupted", "setupComplete", "voiceActivity", "groundingMetadata", "toolCallCancellation", "ids"]
)  # fmt: skip
_OPENAI_FIELDS = st.sampled_from(
    ["item", "item_id", "delta", "response", "id", "usage", "transcript", "error", "code", "session", "output", "type",
     "status", "status_details", "rate_limits", "call_id", "arguments", "name", "content_index", "audio_end_ms"]
)  # fmt: skip


def _openai_events() -> list[str]:
    protocol = open_session("openai")
    assert isinstance(protocol, RealtimeProtocol)
    return sorted(protocol._reader.readers)


_OPENAI_EVENTS = _openai_events()


def trees(fields: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        json_values,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(fields, inner, max_size=4),
        max_leaves=12,
    )


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_error_of_ours(data: bytes) -> None:
    for provider in PROVIDERS:
        take(open_session(provider), data)


@settings(max_examples=150, deadline=None)
@given(trees(_GEMINI_FIELDS))
def test_any_json_is_fit_for_gemini(value: Any) -> None:
    take(open_session("gemini"), json.dumps(value).encode())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_OPENAI_EVENTS) | st.text(max_size=8), st.dictionaries(_OPENAI_FIELDS, trees(_OPENAI_FIELDS)))
def test_any_event_is_fit_for_openai(kind: str, fields: dict[str, Any]) -> None:
    for provider in ("openai", "xai"):
        take(open_session(provider), json.dumps({**fields, "type": kind}).encode())


@pytest.mark.parametrize("name", ALL)
def test_recorded_sessions_with_anything_in_the_wrong_place_end_in_events_or_errors_of_ours(name: str) -> None:
    provider = "gemini" if "goog" in name or "gemini" in name else "openai"
    chance = random.Random(name)
    messages = received(name)
    for _ in range(3):
        protocol = open_session(provider)
        for data in messages:
            take(protocol, _spoilt(data, chance) if chance.random() < 0.4 else data)
        protocol.closed(1006, "")
        for message in (*protocol.connect(), *protocol.replies()):
            json.loads(message)


def _spoilt(data: bytes, chance: random.Random) -> bytes:
    """A message that is cut, or holds something else in one place."""
    if chance.random() < 0.2:
        return data[: chance.randrange(len(data))]
    tree = json.loads(data)
    node = tree
    while isinstance(node, dict | list) and node:
        key: Any = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        if not isinstance(node[key], dict | list) or not node[key] or chance.random() < 0.2:
            node[key] = chance.choice([None, 7, -1, "text", [], {}, [None], {"a": 1}, True, 1e300, "9" * 30])
            break
        node = node[key]
    return json.dumps(tree).encode()


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"1", b'"text"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"nul", b'{"type":7}'],
    ids=range(11),
)
def test_what_is_no_message_is_told_with_what_it_was(provider: str, data: bytes) -> None:
    protocol = open_session(provider)
    if provider == "gemini" and data == b'{"type":7}':  # a field that nobody knows is passed on
        (event,) = protocol.receive(Frame(data))
        assert getattr(event, "event", None) == "type"
        return
    with pytest.raises(ProtocolError) as caught:
        protocol.receive(Frame(data))
    assert caught.value.provider == provider
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    "message",
    [
        {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "not base64!"}}]}}},
        {"serverContent": "text"},
        {"toolCall": {"functionCalls": "x"}},
        {"usageMetadata": {"promptTokenCount": "many"}},
        {"sessionResumptionUpdate": {"lastConsumedClientMessageIndex": "x"}},
        {"serverContent": {"groundingMetadata": {"groundingChunks": [7]}}},
    ],
)
def test_gemini_fields_of_the_wrong_type_are_a_protocol_error(message: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        open_session("gemini").receive(Frame(msgspec.json.encode(message)))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "response.output_audio.delta", "delta": "not base64!"},
        {"type": "response.output_audio.delta", "delta": 7},
        {"type": "response.output_text.delta", "delta": None},
        {"type": "response.done", "response": "x"},
        {"type": "response.done", "response": {"usage": {"input_tokens": "many"}}},
        {"type": "session.updated", "session": []},
        {"type": "rate_limits.updated", "rate_limits": [7]},
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": "soon"},
        {"type": "error", "error": 7},
    ],
)
def test_openai_fields_of_the_wrong_type_are_a_protocol_error(message: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        open_session("openai").receive(Frame(msgspec.json.encode(message)))


def test_audio_does_not_stand_in_errors() -> None:
    blob = "A" * 5_000
    with pytest.raises(ProtocolError) as caught:
        open_session("openai").receive(
            Frame(b'{"type":"response.output_audio.delta","delta":"%s","item_id":7}' % blob.encode())
        )
    assert "AAAA" not in str(caught.value)
