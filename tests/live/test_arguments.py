"""What is wrong with a session's arguments is told before anything is sent."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm import live
from exllm.config import Static
from exllm.live import Reconnect
from tests.live.gemini import KEY, MODEL, client_for, set_up
from tests.live.scripted_server import Peer, ScriptedServer

NOWHERE = "ws://127.0.0.1:1"

WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "an unknown keyword": ({"voise": "Kore"}, TypeError, "unknown setting 'voise'; did you mean 'voice'"),
    "one of ours": ({"time_out": 3}, TypeError, "did you mean 'timeout'"),
    "one that is like none": ({"zzz": 3}, TypeError, r"extra=\{"),
    "the wrong type": ({"voice": 5}, TypeError, "setting 'voice' cannot be 5"),
    "a number in words": ({"temperature": "hot"}, TypeError, "setting 'temperature' cannot be 'hot'"),
    "a truth for a number": ({"max_tokens": True}, TypeError, "max_tokens"),
    "too hot": ({"temperature": 3}, ValueError, "between 0 and 2"),
    "no such modality": ({"modalities": "smell"}, TypeError, "modalities"),
    "no such detection": ({"turn_detection": "psychic"}, TypeError, "turn_detection"),
    "a detection with a wrong field": ({"turn_detection": {"kind": "server", "x": 1}}, TypeError, "turn_detection"),
    "a detection built wrongly": ({"turn_detection": live.TurnDetection(kind="x")}, TypeError, "turn_detection"),  # type: ignore[arg-type]
    "words of another field": ({"system": "Be kind."}, TypeError, "did you mean 'instructions'"),
    "a detection that is none": ({"turn_detection": "none"}, TypeError, "it can be 'server', 'semantic', 'manual'"),
    "a format that is none": ({"audio_format": "mp3"}, TypeError, "it can be 'pcm16', 'g711_ulaw', 'g711_alaw'"),
    "tools that are none": ({"tools": [5]}, TypeError, "tools"),
    "what the wire cannot": ({"tool_choice": "auto"}, exllm.UnsupportedOption, "take no tool_choice"),
    "a history that is none": ({"history": [5]}, TypeError, "messages"),
    "a history from files": (
        {"history": [exllm.Message("user", [exllm.Image(path="x.png")])]},
        exllm.UnsupportedOption,
        "files",
    ),
    "no such overflow": ({"audio_overflow": "explode"}, ValueError, "'block', 'drop' or 'overwrite'"),
    "no room": ({"audio_capacity": 0}, ValueError, "audio_capacity"),
    "a number for the budget": ({"reconnect": 3}, TypeError, "Reconnect"),
    "no time": ({"timeout": 0}, ValueError, "timeout"),
    "extra that is no dict": ({"extra": [1]}, TypeError, "extra must be a dict"),
    "extra that is no JSON": ({"extra": {"x": object()}}, exllm.InvalidRequest, "JSON"),
    "an address that is no text": ({"live_url": 5}, TypeError, "live_url must be text such as 'wss://.*got int"),
    "a key that is no text": ({"api_key": 5}, TypeError, "api_key must be text, got int"),
    "an address that is none": ({"live_url": "localhost"}, exllm.ConfigurationError, "wss://"),
    "an address with a query": ({"live_url": "wss://host?x=1"}, exllm.ConfigurationError, "wss://"),
    "no calls at a time": ({"concurrency": 0}, ValueError, "concurrency"),
    "no time for tools": ({"tool_timeout": -1}, ValueError, "tool_timeout"),
    "what the provider cannot": ({"speed": 1.2}, exllm.UnsupportedOption, "take no speed"),
    "an endpoint that is none": ({"endpoint": "v9"}, exllm.InvalidRequest, "v9"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_argument_is_told_at_once(name: str) -> None:
    arguments, kind, words = WRONG[name]
    async with client_for(NOWHERE) as client:
        with pytest.raises(kind, match=words):
            client.live(MODEL, **arguments)


async def test_a_provider_without_realtime_sessions_says_so() -> None:
    async with exllm.Client(config=Static({"anthropic": {"api_key": KEY}})) as client:
        with pytest.raises(exllm.ConfigurationError, match="Anthropic has no realtime sessions"):
            client.live("anthropic/claude-sonnet-4-5")
        with pytest.raises(exllm.ConfigurationError, match="no realtime sessions"):
            client.live("mock")
        with pytest.raises(exllm.ConfigurationError, match="did you mean"):
            client.live("gemni/x")
        with pytest.raises(exllm.ConfigurationError, match="no key"):
            client.live("openai")


async def test_a_bare_provider_means_its_default_model() -> None:
    config = Static({"gemini": {"api_key": KEY}, "openai": {"api_key": KEY, "default_live_model": "mine"}})
    async with exllm.Client(config=config) as client:
        assert client.live("gemini").model.startswith("gemini/gemini-")
        assert client.live("openai").model == "openai/mine"
        assert "whisper" in client.live("openai", kind="transcription").model


async def test_unsupported_settings_can_be_dropped_and_that_is_told() -> None:
    async def accept(peer: Peer) -> None:
        setup = await set_up(peer)
        assert "speed" not in str(setup)
        await peer.keep_receiving()

    async with ScriptedServer(accept) as server, client_for(server.url, drop_unsupported=True) as client:
        async with client.live(MODEL, speed=1.2, voice="Kore") as session:
            assert any("speed" in words and "dropped" in words for words in session.warnings)
            await session.update(instructions="x", truncation="auto")
            assert any("truncation" in words for words in session.warnings)


async def test_nothing_is_sent_before_the_session_is_entered() -> None:
    async with ScriptedServer(set_up) as server, client_for(server.url) as client:
        client.live(MODEL, voice="Kore")
        assert not server.requests


async def test_none_is_as_good_as_not_given_and_settings_reach_the_wire() -> None:
    async def accept(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(accept) as server, client_for(server.url) as client:
        async with client.live(
            MODEL, voice="Kore", instructions=None, modalities=["audio"], turn_detection="manual", history="Hello",
            reconnect=Reconnect(), extra={"proactivity": {"x": 1}},
        ) as session:  # fmt: skip
            assert session.settings.turn_detection == live.TurnDetection(kind="manual")
            assert [message.text for message in session.transcript] == ["Hello"]
        setup = server.peers[0].received[0]["setup"]
    assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert setup["proactivity"] == {"x": 1}
    assert "Kore" in str(setup["generationConfig"])


@pytest.mark.parametrize(
    ("live_url", "path"),
    [("{url}", "/ws/google"), ("{url}/gateway/", "/gateway/ws/google"), ("http{rest}", "/ws/google")],
)
async def test_an_address_may_be_given_for_one_session(live_url: str, path: str) -> None:
    async def accept(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(accept) as server, client_for(NOWHERE) as client:
        address = live_url.format(url=server.url, rest=server.url.removeprefix("ws"))
        async with client.live(MODEL, live_url=address):
            pass
        assert server.requests[0].path.startswith(path)
