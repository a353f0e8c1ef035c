"""Both sides do what comes to their minds: no event is lost, repeated or out of its order, and nothing is left."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import random
from collections import defaultdict
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from exllm import live
from exllm.live import Reconnect
from tests.live import gemini, openai
from tests.live.scripted_server import Peer, ScriptedServer

LAST = "the end"
CONNECTIONS = 6
AUDIO_BYTES = 64


async def look_up(seconds: float) -> str:
    """Looks up."""
    await asyncio.sleep(seconds)
    return "found"


class Gemini:
    """The other side, as Google plays it. Every message carries the number of its connection, and its own.

    Args:
        is_brutal: connections just break; else they are closed after all was sent.
    """

    def __init__(self, seed: int, *, is_brutal: bool) -> None:
        self.told: dict[int, list[int]] = defaultdict(list)
        self.audio: dict[int, list[int]] = defaultdict(list)
        self._dice = random.Random(seed)
        self._is_brutal = is_brutal
        self._connections = 0

    async def serve(self, peer: Peer) -> None:
        """One connection."""
        self._connections += 1
        number, dice = self._connections, self._dice
        is_last = number >= CONNECTIONS
        if not is_last and number > 1 and dice.random() < 0.3:
            peer.drop()  # before it was set up
            return
        await self.set_up(peer, number)
        listening = asyncio.create_task(self._listen(peer))
        try:
            for place in range(dice.randrange(1, 40)):
                await peer.send(self._message(number, place))
                if dice.random() < 0.2:
                    await peer.send(*self.turn(number, place))
                if dice.random() < 0.3:
                    await asyncio.sleep(dice.random() * 0.004)
            if is_last:
                await peer.send(self.said(number, LAST))
                await asyncio.wait([listening])
            elif not self._is_brutal:
                await peer.close(dice.choice([1001, 1012, 1013]))
            else:
                if dice.random() < 0.3:
                    await peer.send(*self.farewell())
                    await asyncio.sleep(0.05)
                peer.drop()
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    def _message(self, number: int, place: int) -> dict[str, Any]:
        name, dice = f"{number} {place}", self._dice
        if dice.random() < 0.5:
            self.audio[number].append(place)
            return self.spoken(number, bytes([number, place]) * (AUDIO_BYTES // 2))
        self.told[number].append(place)
        return dice.choice([self.said(number, name), *self.others(number, name)])

    async def _listen(self, peer: Peer) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.heard(peer, await peer.receive())

    # -- as Google plays it

    async def set_up(self, peer: Peer, number: int) -> None:
        """Take the settings."""
        await gemini.set_up(peer)
        await peer.send(gemini.handle(f"h{number}"))

    def said(self, number: int, words: str) -> dict[str, Any]:
        """The model says something."""
        return gemini.text(words)

    def spoken(self, number: int, pcm: bytes) -> dict[str, Any]:
        """The model speaks."""
        return gemini.audio(pcm)

    def others(self, number: int, name: str) -> list[dict[str, Any]]:
        """What else may come."""
        call = gemini.call(name, "look_up", seconds=self._dice.random() * 0.01)
        return [gemini.said(name), gemini.heard(name), {"somethingNew": name}, call]

    def turn(self, number: int, place: int) -> list[dict[str, Any]]:
        """Something begins or ends."""
        return [self._dice.choice([gemini.COMPLETE, gemini.INTERRUPTED])]

    def farewell(self) -> list[dict[str, Any]]:
        """The connection will be closed."""
        return [gemini.go_away(0.02)]

    async def heard(self, peer: Peer, message: Any) -> None:
        """The application says something."""


class OpenAI(Gemini):
    """The other side, as OpenAI plays it."""

    _turn = ""
    _confirms = True

    async def set_up(self, peer: Peer, number: int) -> None:
        """Take the settings."""
        await openai.set_up(peer)
        self._turn, self._confirms = "", True

    def said(self, number: int, words: str) -> dict[str, Any]:
        """The model says something."""
        return openai.said(self._turn or f"r{number}", f"i{number}", words)

    def spoken(self, number: int, pcm: bytes) -> dict[str, Any]:
        """The model speaks."""
        return openai.audio(self._turn or f"r{number}", f"i{number}", pcm)

    def others(self, number: int, name: str) -> list[dict[str, Any]]:
        """What else may come."""
        item = {"id": f"f{name}", "type": "function_call", "call_id": name, "name": "look_up", "status": "completed"}
        item["arguments"] = json.dumps({"seconds": self._dice.random() * 0.01})
        return [
            {"type": "something.new", "event_id": "e", "name": name},
            {"type": "response.output_item.done", "event_id": "e", "response_id": f"r{number}", "item": item},
        ]

    def turn(self, number: int, place: int) -> list[dict[str, Any]]:
        """Something begins or ends."""
        if self._dice.random() < 0.3:
            return [openai.SPEECH]
        ended, self._turn = self._turn, "" if self._turn else f"r{number}-{place}"
        kind, response = ("response.done", ended) if ended else ("response.created", self._turn)
        return [{"type": kind, "event_id": "e", "response": {"id": response, "status": "completed", "output": []}}]

    def farewell(self) -> list[dict[str, Any]]:
        """The connection will be closed."""
        return []

    async def heard(self, peer: Peer, message: Any) -> None:
        """The application says something; from some moment on that is not confirmed any more."""
        self._confirms = self._confirms and self._dice.random() < 0.9
        if message["type"] == "conversation.item.create" and self._confirms:
            await peer.send(*openai.added(peer, message["item"]))


class Application:
    """Speaks and listens, with pauses, and is cancelled while it does."""

    def __init__(self, seed: int) -> None:
        self.told: dict[int, list[int]] = defaultdict(list)
        self.audio: dict[int, list[int]] = defaultdict(list)
        self.calls: list[str] = []
        self.cancelled: set[str] = set()
        self.finished: list[str] = []
        self._dice = random.Random(seed)

    async def listen(self, session: live.LiveSession) -> None:
        """Take events up to the last, most of them in a hurry."""
        dice = self._dice
        while True:
            try:
                async with asyncio.timeout(dice.choice([0.0005, 1])):
                    event = await anext(session)
            except TimeoutError:
                continue
            if dice.random() < 0.1:
                await asyncio.sleep(dice.random() * 0.005)
            match event:
                case live.TextOut(text=words) | live.OutputTranscript(text=words) if words == LAST:
                    return
                case live.TextOut(text=words) | live.OutputTranscript(text=words) | live.InputTranscript(text=words):
                    self._note(words)
                case live.ProviderEvent(event="somethingNew", data=str(words)):
                    self._note(words)
                case live.ProviderEvent(event="something.new", data={"name": words}):
                    self._note(words)
                case live.ToolCall(id=id):
                    self.calls.append(id)
                    self._note(id)
                case live.ToolCallCancelled(ids=ids):
                    self.cancelled.update(ids)
                case live.ToolFinished(id=id, result=result):
                    assert result == "found"
                    self.finished.append(id)
                case live.AudioOut(data=pcm):
                    self.audio[pcm[0]].append(pcm[1])

    async def speak(self, session: live.LiveSession) -> None:
        """Say this and that until the session is over."""
        dice = self._dice
        for number in range(10_000):
            saying: Any
            match dice.randrange(6):
                case 0 | 1:
                    saying = session.send(f"{number}", complete=dice.random() < 0.5)
                case 2:
                    saying = session.interrupt(dice.choice([None, 10]))
                case 3:
                    saying = session.update(instructions=f"Be {number}.")
                case _:
                    saying = session.send_audio(bytes([number % 256, number // 256]) * 320)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.choice([0.0001, 1])):
                    await saying
            await asyncio.sleep(dice.random() * 0.002)

    def _note(self, words: str) -> None:
        number, place = words.split(" ")
        self.told[int(number)].append(int(place))


WIRES: dict[type[Gemini], Any] = {Gemini: gemini, OpenAI: openai}


def _spoken(peer: Peer) -> list[int]:
    """The numbers of the pieces of audio that came over a connection."""
    audio = [message["audio"] for message in peer.received if "audio" in message]
    audio += [message["realtimeInput"]["audio"]["data"] for message in peer.received if "realtimeInput" in message]
    pieces = [base64.b64decode(data) for data in audio]
    return [piece[0] + 256 * piece[1] for piece in pieces]


def _typed(peer: Peer) -> list[int]:
    """The numbers of the turns that did."""
    contents = [message["clientContent"].get("turns", []) for message in peer.received if "clientContent" in message]
    words = [turn["parts"][0]["text"] for turns in contents for turn in turns if turn["role"] == "user"]
    items = [message["item"] for message in peer.received if "item" in message]
    words += [item["content"][0]["text"] for item in items if item.get("role") == "user"]
    return [int(text) for text in words if text.isdigit()]  # all else was heard


def _answered(peer: Peer) -> list[str]:
    """The ids of the calls that were answered over it."""
    answers = [message["toolResponse"]["functionResponses"] for message in peer.received if "toolResponse" in message]
    items = [message["item"] for message in peer.received if "item" in message]
    ids = [item["call_id"] for item in items if item["type"] == "function_call_output"]
    return ids + [response["id"] for responses in answers for response in responses]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("overflow", ["block", "drop", "overwrite"])
@pytest.mark.parametrize("is_brutal", [False, True])
@pytest.mark.parametrize("plays", [Gemini, OpenAI])
async def test_whatever_both_sides_do_every_event_comes_once_and_in_order(
    plays: type[Gemini], seed: int, overflow: Any, is_brutal: bool, caplog: pytest.LogCaptureFixture
) -> None:
    service, application, wire = plays(seed, is_brutal=is_brutal), Application(seed), WIRES[plays]
    policy = Reconnect(attempts=50, base_s=0.001, cap_s=0.002, anew=True)
    async with ScriptedServer(service.serve) as server, wire.client_for(server.url) as client:
        session = client.live(
            wire.MODEL, reconnect=policy, audio_overflow=overflow, audio_capacity=5, tools=[look_up], auto_tools=True
        )
        async with session:
            speaking = asyncio.create_task(application.speak(session))
            async with asyncio.timeout(10):
                await application.listen(session)
            speaking.cancel()
            await asyncio.wait([speaking])
            assert speaking.cancelled()
            stats = session.stats
        await server.all_left()
    for number in range(1, CONNECTIONS + 1):
        told, heard = application.told[number], application.audio[number]
        if is_brutal and number < CONNECTIONS:  # what was on its way is lost
            assert told == service.told[number][: len(told)]
        else:
            assert told == service.told[number]
        assert heard == sorted(set(heard))
        assert set(heard) <= set(service.audio[number])
    known = sum(map(len, application.audio.values())) + stats.audio_dropped + stats.audio_overwritten
    sent = sum(map(len, service.audio.values()))
    assert known + stats.audio_discarded + stats.waiting_audio <= sent
    if not is_brutal:
        assert known + stats.audio_discarded + stats.waiting_audio == sent
    for peer in server.peers:
        assert _spoken(peer) == sorted(set(_spoken(peer)))
        assert _typed(peer) == sorted(set(_typed(peer)))
        assert len(set(_answered(peer))) == len(_answered(peer))
    assert len(set(application.finished)) == len(application.finished)
    assert set(application.calls) >= set(application.finished) | application.cancelled
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("exllm")]
    gc.collect()
    assert "never retrieved" not in caplog.text
