"""Recorded sessions, sent by a local server over real sockets: the session hands out what the wire alone decodes."""

from __future__ import annotations

import contextlib

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
from tests.providers.live_recordings import ALL, load, protocol_of, received, settings_of, spec_of

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
    async def play(peer: Peer) -> None:
        for data in received(name):
            await peer.send_raw(data if binary else data.decode())
        await peer.close(1000)

    spec, wanted = spec_of(name), decoded(name)
    config = dict.fromkeys(spec.settings, "x") | {"api_key": "key"}
    async with ScriptedServer(play) as server:
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
