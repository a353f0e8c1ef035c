"""Recorded sessions, sent by a local server over real sockets: the session hands out what the wire alone decodes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

import exllm
from exllm import live
from exllm.config import Static
from exllm.live import Reconnect
from exllm.live.session import LiveSession
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent
from tests.live.scripted_server import Peer, ScriptedServer
from tests.providers.live_recordings import ALL, load, play, protocol_of, received, settings_of, spec_of

WHOLE = [name for name in ALL if all(step.direction != "closed" for step in load(name)[1])]


def decoded(name: str) -> list[LiveEvent]:
    """What the wire makes of all that was received."""
    protocol = protocol_of(name)
    protocol.connect()
    events: list[LiveEvent] = []
    for data in received(name):
        events += protocol.receive(Frame(data, "text"))
    return events


def test_most_recordings_are_played() -> None:
    assert len(WHOLE) > 30


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("name", WHOLE)
async def test_a_recorded_session_arrives_whole_and_in_order(name: str, binary: bool) -> None:
    async def replay(peer: Peer) -> None:
        for data in received(name):
            await peer.send_raw(data if binary else data.decode())
        await peer.close(1000)

    spec, wanted = spec_of(name), decoded(name)
    config = dict.fromkeys(spec.settings, "x") | {"api_key": "key"}
    async with ScriptedServer(replay) as server:
        client = exllm.Client(config=Static({spec.name: {**config, "live_url": server.url}}))
        async with client:
            settings = settings_of(name)
            call = client.live(f"{spec.name}/{settings.model}", reconnect=Reconnect(attempts=0))._call
            session = LiveSession(msgspec.structs.replace(call, settings=settings))
            got: list[LiveEvent] = []
            with contextlib.suppress(exllm.ExLLMError):  # a turn that was not answered in the recording
                async with session:
                    got.extend([event async for event in session])
    assert got[: len(wanted)] == wanted
    assert not [event for event in got[len(wanted) :] if not isinstance(event, live.TurnComplete)]
    audio = [event for event in wanted if isinstance(event, live.AudioOut)]
    assert session.stats.audio_in_bytes == sum(len(event.data) for event in audio)
    if any(isinstance(event, live.OutputTranscript | live.TextOut) for event in wanted):
        assert any(message.role == "assistant" for message in session.transcript)


async def test_a_recorded_session_that_was_dropped_and_resumed_goes_on_as_it_did_then() -> None:
    """xAI's own: closed with 1011 between two turns, and resumed by the id of its conversation."""
    name = "test-xai-ws-test-session-resumption-after-drop"
    steps = load(name)[1]
    at = next(place for place, step in enumerate(steps) if step.direction == "closed")
    sent: list[list[dict[str, Any]]] = [[], []]

    async def replay(peer: Peer, part: int) -> None:
        for step in (steps[: at + 1], steps[at + 1 :])[part]:
            if step.direction == "received":
                await peer.send(step.data)
            elif step.direction == "sent":
                sent[part].append(await peer.receive())
            else:
                await peer.close(step.code, step.reason)
                return
        await peer.keep_receiving()

    said = [step.data for step in steps if step.direction == "sent"]
    asked = [each["item"]["content"][0]["text"] for each in said if each["type"] == "conversation.item.create"]
    events: list[LiveEvent] = []
    async with ScriptedServer(lambda peer: replay(peer, 0), lambda peer: replay(peer, 1)) as server:
        client = exllm.Client(config=Static({"xai": {"api_key": "key", "live_url": server.url}}))
        async with client, asyncio.timeout(5):
            settings = settings_of(name)
            call = client.live(f"xai/{settings.model}", reconnect=Reconnect(base_s=0.01))._call
            async with LiveSession(msgspec.structs.replace(call, settings=settings)) as session:
                for words in asked:
                    await session.send(words)
                    async for event in session:
                        events.append(event)
                        if isinstance(event, live.TurnComplete):
                            break
                transcript = session.transcript
    assert [type(event) for event in events if isinstance(event, live.Reconnecting | live.Reconnected)] == [
        live.Reconnecting,
        live.Reconnected,
    ]
    recorded = next(step.data["conversation"]["id"] for step in steps if "conversation" in (step.data or {}))
    assert f"conversation_id={recorded}" in server.requests[1].path
    assert [each["type"] for part in sent for each in part] == [each["type"] for each in said]
    of_session = (live.Reconnecting, live.Reconnected)
    assert [event for event in events if not isinstance(event, of_session)] == play(name).events
    assert [message.role for message in transcript] == ["user", "assistant"] * 2
