"""Gemini's sessions that translate speech: the same code as for OpenAI's."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import base64
from typing import Any

import pytest

import exllm
from exllm import live
from exllm.live import Reconnect
from tests.live.events import next_of
from tests.live.gemini import audio, client_for, heard, said, set_up
from tests.live.scripted_server import Peer, ScriptedServer


async def test_speech_is_translated_and_goes_on_over_a_new_connection() -> None:
    setups: list[Any] = []

    async def translate(peer: Peer, words: str) -> None:
        setups.append(await set_up(peer))
        spoken = (await peer.receive())["realtimeInput"]["audio"]
        assert (spoken["mimeType"], base64.b64decode(spoken["data"])) == ("audio/pcm;rate=16000", b"\1\0" * 160)
        await peer.send(heard("Hello"), said(words), audio(b"\2\0"))

    async def lose(peer: Peer) -> None:
        await translate(peer, "Cześć")
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await translate(peer, "Witaj")
        assert await peer.receive() == {"realtimeInput": {"audioStreamEnd": True}}
        await peer.close(1000)

    async with ScriptedServer(lose, go_on) as server, client_for(server.url) as client:
        async with client.live(
            "gemini", kind="translation", language="pl", output_transcription=True,
            reconnect=Reconnect(base_s=0.01, cap_s=0.02),
        ) as session:  # fmt: skip
            assert session.model == "gemini/gemini-3.5-live-translate-preview"
            await session.send_audio(b"\1\0" * 160)
            assert (await next_of(session, live.OutputTranscript)).text == "Cześć"
            assert (await next_of(session, live.AudioOut)).data == b"\2\0"
            assert (await next_of(session, live.Reconnected)).resumed_by == "new"
            with pytest.raises(exllm.UnsupportedOption, match="audio alone"):
                await session.send("text")
            await session.send_audio(b"\1\0" * 160)
            assert (await next_of(session, live.OutputTranscript)).text == "Witaj"
            await session.audio_end()
            assert [event async for event in session]
            assert session.error is None
    assert setups[0] == setups[1]
    assert setups[0]["generationConfig"] == {"translationConfig": {"targetLanguageCode": "pl"}}
