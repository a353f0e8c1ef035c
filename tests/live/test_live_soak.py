"""Hundreds of sessions that end, are cancelled and lose their connection at random moments leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
from pathlib import Path

import pytest

import exllm
from exllm import live
from tests.live import gemini, openai
from tests.live.scripted_server import Peer, ScriptedServer

SEED = 20_251_121
CONCURRENT = 12
PATIENCE_S = 0.5
"""How long the application waits for a service that says nothing more."""

GROWTH_KIB = 6 * 1024
"""How much the second half of the sessions may add to the memory of the process, which also holds the server."""


def _resident_kib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def weather(city: str) -> str:
    """The weather."""
    await asyncio.sleep(0.002)
    return f"fine in {city}"


class Chaos:
    """The server's side: talks, calls tools, announces its end, drops, closes, stays silent, answers nonsense."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    async def gemini(self, peer: Peer) -> None:
        chance = self._random
        if chance.random() < 0.1:
            peer.drop()  # before the settings were taken
            return
        await gemini.set_up(peer)
        await peer.send(gemini.handle(f"h{chance.random()}"))
        reader = asyncio.create_task(peer.keep_receiving())
        try:
            for _ in range(chance.randrange(1, 12)):
                await self._say(peer)
                await asyncio.sleep(chance.random() * 0.004)
            await self._end(peer)
        finally:
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled():
                reader.exception()  # the connection was over
        peer.received.clear()  # the server's own memory is not what is measured

    async def openai(self, peer: Peer) -> None:
        chance = self._random
        await openai.set_up(peer)
        reader = asyncio.create_task(peer.keep_receiving())
        try:
            for number in range(chance.randrange(1, 5)):
                turn, item = f"r{number}", f"i{number}"
                await peer.send(*openai.begin(turn, item), openai.said(turn, item, "Well"))
                await peer.send(*[openai.audio(turn, item, bytes(960))] * chance.randrange(8))
                if chance.random() < 0.3:
                    await peer.send(openai.SPEECH)
                if chance.random() < 0.8:
                    await peer.send(*openai.done(peer, turn, item, "Well"))
                await asyncio.sleep(chance.random() * 0.004)
            await self._end(peer)
        finally:
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled():
                reader.exception()
        peer.received.clear()

    async def _say(self, peer: Peer) -> None:
        chance = self._random
        match chance.randrange(7):
            case 0:
                await peer.send(gemini.said("Well"), *[gemini.audio(bytes(960))] * chance.randrange(10))
            case 1:
                await peer.send(gemini.call(f"c{chance.random()}", "weather", city="Oslo"))
            case 2:
                await peer.send(gemini.audio(bytes(4800)), gemini.INTERRUPTED, gemini.COMPLETE)
            case 3:
                await peer.send(gemini.go_away(chance.choice([0.0, 0.01, 60])))
            case 4:
                await peer.send({"toolCallCancellation": {"ids": ["c1"]}})
            case 5:
                await peer.send({"somethingNew": {}})
            case _:
                await peer.send(gemini.text("Hm"), gemini.COMPLETE)

    async def _end(self, peer: Peer) -> None:
        match self._random.randrange(6):
            case 0 | 1:
                peer.drop()
            case 2:
                await peer.close(1000)
            case 3:
                await peer.close(self._random.choice([1001, 1008, 1011, 1013]), "no more")
            case 4:
                await peer.send_raw("{")
            case _:
                await asyncio.sleep(0.05)


async def _converse(session: live.LiveSession, chance: random.Random) -> None:
    async with session:

        async def speak() -> None:
            for _ in range(chance.randrange(1, 20)):
                match chance.randrange(6):
                    case 0:
                        await session.send("Hello")
                    case 1:
                        await session.interrupt(chance.choice([None, 10]))
                    case 2:
                        await session.audio_end()
                    case _:
                        await session.send_audio(bytes(640), chance.choice([None, 48_000]))
                await asyncio.sleep(chance.random() * 0.003)

        speaking = asyncio.create_task(speak())
        try:
            left = chance.randrange(1, 40)
            async with asyncio.timeout(PATIENCE_S):
                async for _event in session:
                    left -= 1
                    if left == 0:
                        if chance.random() < 0.2:
                            raise ZeroDivisionError("the application's own")
                        return
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)


async def _one(clients: dict[str, exllm.Client], chance: random.Random, folder: Path, number: int) -> str:
    """One session; how it ended."""
    policy = live.Reconnect(attempts=chance.randrange(4), within_s=2, base_s=0.001, cap_s=0.01, anew=True)
    how = {"auto_tools": True, "tools": [weather]} if chance.random() < 0.5 else {}
    overflow = chance.choice(["block", "drop", "overwrite"])
    name = chance.choice(["gemini", "gemini", "openai"])
    model = {"gemini": gemini.MODEL, "openai": openai.MODEL}[name]
    session = clients[name].live(
        model, reconnect=policy, audio_capacity=chance.randrange(1, 8), audio_overflow=overflow, timeout=5, **how
    )
    if chance.random() < 0.2:
        session.record(folder / f"{number}.wav")
    task = asyncio.create_task(_converse(session, chance))
    if chance.random() < 0.4:
        await asyncio.sleep(chance.random() * 0.06)
        task.cancel()
    elif chance.random() < 0.2:
        await asyncio.sleep(chance.random() * 0.03)
        await session.aclose()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    except (exllm.ExLLMError, ZeroDivisionError, TimeoutError) as error:
        return type(error).__name__
    finally:
        await session.aclose()
    return "ended"


async def _many(clients: dict[str, exllm.Client], folder: Path, count: int, seed: int) -> dict[str, int]:
    chance = random.Random(seed)
    gate = asyncio.Semaphore(CONCURRENT)
    outcomes: dict[str, int] = {}

    async def guarded(number: int, own: random.Random) -> None:
        async with gate:
            outcome = await _one(clients, own, folder, number)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(guarded(number, random.Random(chance.random())))
    return outcomes


async def _soak(folder: Path, rounds: int, count: int) -> tuple[dict[str, int], list[int]]:
    """`rounds` times `count` sessions: how they ended, and the memory after each round."""
    chaos = Chaos(SEED)
    outcomes: dict[str, int] = {}
    resident = []
    async with (
        ScriptedServer(chaos.gemini) as one,
        ScriptedServer(chaos.openai) as other,
        gemini.client_for(one.url) as first,
        openai.client_for(other.url) as second,
    ):
        await _many({"gemini": first, "openai": second}, folder, 20, SEED)  # what is loaded late is loaded now
        tasks, threads = len(asyncio.all_tasks()), threading.active_count()
        for number in range(rounds):
            for outcome, times in (
                await _many({"gemini": first, "openai": second}, folder, count, SEED + number)
            ).items():
                outcomes[outcome] = outcomes.get(outcome, 0) + times
            for server in (one, other):
                await server.all_left()
                server.peers.clear()
                server.requests.clear()
                server.failures.clear()
            gc.collect()
            resident.append(_resident_kib())
        for _ in range(200):
            if len(asyncio.all_tasks()) <= tasks:
                break
            await asyncio.sleep(0.01)
        own = [task for task in asyncio.all_tasks() if "exllm" in repr(task.get_coro())]
        assert not own
        assert threading.active_count() <= threads
    return outcomes, resident


def _check(outcomes: dict[str, int], count: int) -> None:
    assert sum(outcomes.values()) == count
    assert {"cancelled", "ended", "ZeroDivisionError"} <= outcomes.keys()
    assert outcomes.keys() - {"cancelled", "ended", "ZeroDivisionError"}, "some end because the server fails"


@pytest.mark.filterwarnings("error")
async def test_sessions_that_end_at_random_leave_nothing_behind(tmp_path: Path) -> None:
    before = _descriptors()
    outcomes, _ = await _soak(tmp_path, 1, 80)
    _check(outcomes, 80)
    gc.collect()
    assert _descriptors() <= before + 1  # the loop's own


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hundreds_of_sessions_need_no_more_memory_than_the_first_ones(tmp_path: Path) -> None:
    before = _descriptors()
    outcomes, resident = await _soak(tmp_path, 8, 100)
    _check(outcomes, 800)
    gc.collect()
    assert _descriptors() <= before + 1
    assert resident[-1] - resident[3] < GROWTH_KIB, resident
