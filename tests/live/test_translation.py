"""OpenAI's sessions that translate, and sessions that join a call."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import base64
from typing import Any

import pytest

import exllm
from exllm import live
from exllm.live import Reconnect
from tests.live.events import names, next_of, until
from tests.live.openai import MODEL, added, client_for, receive, set_up
from tests.live.scripted_server import Peer, ScriptedServer

QUICK = Reconnect(base_s=0.01, cap_s=0.02)


async def begin(peer: Peer) -> Any:
    session = {"id": "sess_1", "type": "translation", "model": "gpt-realtime-translate"}
    await peer.send({"type": "session.created", "event_id": "e", "session": session})
    asked = await peer.receive()
    assert asked["type"] == "session.update"
    await peer.send({"type": "session.updated", "event_id": "e", "session": session})
    return asked["session"]


def spoken(pcm: bytes) -> dict[str, Any]:
    data = base64.b64encode(pcm).decode()
    return {"type": "session.output_audio.delta", "event_id": "e", "delta": data, "sample_rate": 24_000}


async def test_speech_is_translated_while_it_is_spoken() -> None:
    async def translate(peer: Peer) -> None:
        assert await begin(peer) == {
            "audio": {
                "input": {"transcription": {"model": "gpt-realtime-whisper"}, "noise_reduction": {"type": "far_field"}},
                "output": {"language": "es"},
            }
        }
        heard = await peer.receive()
        assert heard["type"] == "session.input_audio_buffer.append"
        assert base64.b64decode(heard["audio"]) == b"\1\0" * 480
        await peer.send({"type": "session.input_transcript.delta", "event_id": "e", "delta": "Hello"})
        await peer.send({"type": "session.output_transcript.delta", "event_id": "e", "delta": "Ho"}, spoken(b"\2\0"))
        await peer.send({"type": "session.output_transcript.delta", "event_id": "e", "delta": "la"})
        assert (await peer.receive())["session"] == {
            "audio": {"input": {"transcription": None, "noise_reduction": {"type": "far_field"}},
                      "output": {"language": "fr"}},
        }  # fmt: skip
        assert (await peer.receive())["type"] == "session.close"
        await peer.send(spoken(b"\3\0"), {"type": "session.closed", "event_id": "e"})
        await peer.close(1000)

    async with ScriptedServer(translate) as server, client_for(server.url) as client:
        async with client.live(
            "openai", kind="translation", language="es", input_transcription=True, noise_reduction="far_field"
        ) as session:
            assert session.model == "openai/gpt-realtime-translate"
            await session.send_audio(b"\1\0" * 480)
            assert (await next_of(session, live.InputTranscript)).text == "Hello"
            events = await until(session, live.AudioOut)
            events += await until(session, live.OutputTranscript)
            assert "".join(event.text for event in events if isinstance(event, live.OutputTranscript)) == "Hola"
            await session.update(language="fr", input_transcription=False)
            with pytest.raises(exllm.UnsupportedOption, match="audio alone"):
                await session.send("text")
            await session.audio_end()
            rest = [event async for event in session]
            assert names(rest) == ["AudioOut", "ProviderEvent"]
            assert session.error is None
        assert server.requests[0].path == "/v1/realtime/translations?model=gpt-realtime-translate"


async def test_a_translation_goes_on_over_another_connection() -> None:
    async def drop(peer: Peer) -> None:
        await begin(peer)
        await peer.send(spoken(b"\1\0"), {"type": "session.output_transcript.delta", "event_id": "e", "delta": "Ho"})
        await peer.receive()
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await begin(peer)
        await peer.send(spoken(b"\2\0"))

    async with ScriptedServer(drop, go_on) as server, client_for(server.url) as client:
        async with client.live("openai", kind="translation", language="es", reconnect=QUICK) as session:
            await next_of(session, live.OutputTranscript)
            await session.send_audio(bytes(960))
            await next_of(session, live.Reconnected)
            assert (await next_of(session, live.AudioOut)).data == b"\2\0"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ('{"type": "session.output_audio.delta", "delta": 5}', exllm.ProtocolError),
        ("[]", exllm.ProtocolError),
        ("nonsense", exllm.ProtocolError),
        ('{"type": "error", "error": {"code": "invalid_api_key", "message": "no"}}', exllm.AuthenticationError),
    ],
)
async def test_what_a_translation_cannot_go_on_after(message: str, error: type[Exception]) -> None:
    async def answer(peer: Peer) -> None:
        await begin(peer)
        await peer.send({"type": "error", "error": {"type": "invalid_request_error", "message": "odd"}}, {"type": "x"})
        await peer.send_raw(message)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live("openai", kind="translation") as session:
            assert (await next_of(session, live.RemoteError)).message == "odd"
            with pytest.raises(error):
                await until(session, live.AudioOut)


@pytest.mark.parametrize("settings", [{"voice": "marin"}, {"tools": [exllm.Tool("x")]}, {"input_rate_hz": 16_000}])
async def test_a_translation_has_no_other_settings(settings: Any) -> None:
    async with client_for("ws://127.0.0.1:9") as client:
        with pytest.raises(exllm.UnsupportedOption):
            client.live("openai", kind="translation", **settings)
        with pytest.raises(exllm.UnsupportedOption, match="kind"):
            client.live("xai/grok-voice-latest", kind="translation", api_key="x")


async def test_a_call_is_joined_and_joined_again_without_telling_it_what_it_knows() -> None:
    async def lose(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(*added(peer, {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "said in the browser"}]}))  # fmt: skip
        await receive(peer, "conversation.item.create")
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(lose, go_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, call_id="rtc_1/2", instructions="Be brief.", reconnect=QUICK) as session:
            await session.send("typed here", complete=False)
            assert (await next_of(session, live.Reconnected)).resumed_by == "handle"
            await session.send("and here", complete=False)
        await server.all_left()
    assert [request.path for request in server.requests] == ["/v1/realtime?call_id=rtc_1%2F2"] * 2
    told = [message["item"]["content"][0]["text"] for message in server.peers[1].received[1:]]
    assert told in (["and here"], ["typed here", "and here"])  # whether the call has it was not confirmed
    async with client_for("ws://127.0.0.1:9") as client:
        with pytest.raises(exllm.UnsupportedOption, match="call_id"):
            client.live("gemini", call_id="x")
