"""Many sessions at once, audio both ways: nothing is lost, nothing changes places, nothing is left."""

from __future__ import annotations

import asyncio
import base64

import exllm
from exllm import live
from tests.live.gemini import COMPLETE, MODEL, audio, client_for, set_up
from tests.live.scripted_server import Peer, ScriptedServer

SESSIONS = 25
PIECES = 150


async def echo(peer: Peer) -> None:
    """Says what it hears, until the microphone is off."""
    await set_up(peer)
    while "audio" in (heard := (await peer.receive())["realtimeInput"]):
        peer.received.clear()
        await peer.send(audio(base64.b64decode(heard["audio"]["data"])))
    await peer.send(COMPLETE)
    await peer.keep_receiving()


def piece_of(session: int, number: int) -> bytes:
    return f"{session:04}{number:06}".encode() * 64  # 640 bytes: 20 ms


async def talk(client: exllm.Client, name: int) -> live.LiveStats:
    async with client.live(MODEL) as session:

        async def speak() -> None:
            for number in range(PIECES):
                await session.send_audio(piece_of(name, number))
                await asyncio.sleep(0)
            await session.audio_end()

        speaking = asyncio.create_task(speak())
        heard = []
        async for event in session:
            if isinstance(event, live.AudioOut):
                heard.append(event.data)
            elif isinstance(event, live.TurnComplete):
                break
        await speaking
        assert heard == [piece_of(name, number) for number in range(PIECES)]
        return session.stats


async def test_many_sessions_side_by_side_lose_nothing() -> None:
    async with ScriptedServer(echo) as server, client_for(server.url) as client:
        figures = await asyncio.gather(*(talk(client, name) for name in range(SESSIONS)))
        await server.all_left()
    for stats in figures:
        assert stats.audio_in_bytes == stats.audio_out_bytes == PIECES * 640
        assert (stats.connections, stats.audio_dropped, stats.audio_overwritten) == (1, 0, 0)
        assert stats.messages_in == PIECES + 2
        assert stats.messages_out == PIECES + 2
