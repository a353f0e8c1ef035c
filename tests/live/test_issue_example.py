"""The first example of a realtime session, as it is written everywhere, over both protocols."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
from typing import Any

import pytest

import exllm
from exllm.config import Static
from tests.live import gemini, openai
from tests.live.scripted_server import Peer, ScriptedServer


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


async def speak_gemini(peer: Peer) -> None:
    setup = await gemini.set_up(peer)
    assert setup["model"] == "models/gemini-2.5-flash-native-audio"
    voice = setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
    assert voice == "Kore"
    assert gemini.turn_text(await peer.receive()) == "Hello"
    await peer.receive_until("realtimeInput")
    await peer.send(gemini.heard("Is it sunny?"), gemini.call("c1", "get_weather", city="Oslo"))
    await peer.receive_until("toolResponse")
    await peer.send(gemini.audio(b"\1\0" * 10), gemini.said("It "), gemini.text("[sun]"))
    await asyncio.sleep(0.05)  # it is heard before
    await peer.send(gemini.INTERRUPTED, gemini.COMPLETE, gemini.go_away(30))
    await peer.close(1000)


async def speak_openai(peer: Peer) -> None:
    settings = await openai.set_up(peer)
    assert settings["audio"]["output"]["voice"] == "Kore"
    await openai.receive(peer, "input_audio_buffer.append")
    heard = {"item_id": "u1", "content_index": 0, "transcript": "Is it sunny?", "usage": {"type": "duration"}}
    await peer.send({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e", **heard})
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Oslo"}'}
    await peer.send(*openai.begin("r1", "i1"))
    await peer.send({"type": "response.output_item.done", "event_id": "e", "response_id": "r1", "item": call})
    await peer.send({"type": "response.done", "event_id": "e", "response": {"id": "r1", "status": "completed"}})
    await openai.receive(peer, "response.create")
    await peer.send(*openai.begin("r2", "i2"), openai.audio("r2", "i2", b"\1\0" * 10), openai.said("r2", "i2", "It "))
    text = {"response_id": "r2", "item_id": "i2", "content_index": 1, "delta": "[sun]"}
    await peer.send({"type": "response.output_text.delta", "event_id": "e", **text})
    await asyncio.sleep(0.05)  # it is heard before
    await peer.send(openai.SPEECH, *openai.done(peer, "r2", "i2", "It ", "cancelled"))
    await peer.close(1000)


@pytest.mark.parametrize(
    ("provider", "model", "speak"),
    [("gemini", "gemini-2.5-flash-native-audio", speak_gemini), ("openai", "gpt-realtime", speak_openai)],
)
async def test_the_example_runs_as_it_is_written(provider: str, model: str, speak: Any) -> None:
    seen: list[Any] = []
    pcm, result = b"\0\0" * 160, "sunny"
    async with ScriptedServer(speak) as server:
        config = Static({provider: {"api_key": "key", "live_url": server.url}})
        async with exllm.Client(config=config) as client:
            async with client.live(f"{provider}/{model}", voice="Kore", tools=[get_weather]) as session:
                await session.send("Hello")  # text turn
                await session.send_audio(pcm)  # realtime input
                async for event in session:  # typed msgspec events
                    match event:
                        case exllm.live.AudioOut(data=pcm):
                            seen.append(pcm)
                        case exllm.live.TextOut(text=t):
                            seen.append(t)
                        case exllm.live.InputTranscript() | exllm.live.OutputTranscript():
                            seen.append(event.text)
                        case exllm.live.ToolCall() as call:
                            await session.send_tool_result(call, result)
                            seen.append(call.name)
                        case exllm.live.Interrupted():
                            seen.append("interrupted")
                        case exllm.live.TurnComplete(usage=u):
                            seen.append(u and u.total_tokens)
                        case exllm.live.GoAway(time_left_s=s):
                            seen.append(s)
    wanted = ["Is it sunny?", "get_weather", b"\1\0" * 10, "It ", "[sun]", "interrupted", 15]
    if provider == "openai":
        wanted.insert(2, None)  # the turn that calls the tool ends, without a count
    else:
        wanted.append(30.0)
    assert seen == wanted
