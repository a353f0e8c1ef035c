"""Connections that break at random while turns are sent: the service knows every turn in the end, in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

import pytest

from exllm import live
from exllm.live import Reconnect
from tests.live import gemini, openai
from tests.live.scripted_server import Peer, ScriptedServer

MANY = Reconnect(attempts=50, base_s=0.01, cap_s=0.02)
TURNS = [f"t{number}" for number in range(30)]


async def drain(session: live.LiveSession) -> None:
    async for _ in session:
        pass


@pytest.mark.parametrize("seed", range(5))
async def test_a_service_that_remembers_nothing_is_told_every_turn_once(seed: int) -> None:
    dice, all_known, conversations = random.Random(seed), asyncio.Event(), []

    async def flaky(peer: Peer) -> None:
        known: list[str] = []
        conversations.append(known)
        is_good, messages_left = len(conversations) > 7, dice.randint(2, 12)
        await openai.set_up(peer)
        while True:
            message = await peer.receive()
            messages_left -= 1
            if message["type"] == "conversation.item.create":
                known.append(message["item"]["content"][0]["text"])
                if not is_good and dice.random() < 0.3:
                    peer.drop()  # before it is confirmed
                    return
                await peer.send(*openai.added(peer, message["item"]))
            if not is_good and messages_left <= 0:
                peer.drop()
                return
            if known[-1:] == TURNS[-1:]:
                all_known.set()

    async with ScriptedServer(flaky) as server, openai.client_for(server.url) as client:
        async with client.live(openai.MODEL, reconnect=MANY) as session:
            reading = asyncio.create_task(drain(session))
            for turn in TURNS:
                await session.send(turn, complete=False)
                if dice.random() < 0.3:
                    await asyncio.sleep(0.01)
            await asyncio.wait_for(all_known.wait(), 5)
        await asyncio.wait([reading])
    assert len(conversations) > 2
    assert conversations[-1] == TURNS


@pytest.mark.parametrize("seed", range(5))
async def test_a_service_that_gives_handles_is_told_every_turn_that_they_do_not_hold(seed: int) -> None:
    """Each handle holds what had been consumed when it was given. What was asked and not answered may come twice."""
    dice, all_known, connections = random.Random(seed), asyncio.Event(), 0
    states: dict[str | None, list[str]] = {None: []}
    known: list[str] = []

    async def flaky(peer: Peer) -> None:
        nonlocal known, connections
        connections += 1
        is_good, messages_left = connections > 7, dice.randint(3, 9)
        known = list(states[(await gemini.set_up(peer))["sessionResumption"].get("handle")])
        while True:
            message = await peer.receive()
            messages_left -= 1
            if not is_good and messages_left < 0:
                peer.drop()
                return
            turns = message["clientContent"]["turns"]
            with contextlib.suppress(TimeoutError):  # it reads while it answers
                while True:
                    turns += json.loads(await asyncio.wait_for(peer.connection.recv(), 0.001))["clientContent"]["turns"]
            known += [turn["parts"][0]["text"] for turn in turns if turn["role"] == "user"]
            await peer.send(gemini.text("Yes."), gemini.COMPLETE)
            if dice.random() < 0.6:
                name = f"h{len(states)}"
                states[name] = list(known)
                await asyncio.sleep(dice.random() * 0.005)  # on its way
                await peer.send(gemini.handle(name))
            if TURNS[-1] in known:
                all_known.set()

    async with ScriptedServer(flaky) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, reconnect=MANY) as session:
            reading = asyncio.create_task(drain(session))
            for turn in TURNS:
                await session.send(turn)
                await asyncio.sleep(dice.random() * 0.01)
            await asyncio.wait_for(all_known.wait(), 5)
        await asyncio.wait([reading])
    assert connections > 1
    assert list(dict.fromkeys(known)) == TURNS
