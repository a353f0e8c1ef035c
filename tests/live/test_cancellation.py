"""Cancel a session at every await: nothing is left, and nothing is swallowed."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import exllm
from exllm import live
from exllm.live import Reconnect
from tests.cancel_at import CancelAt
from tests.live.events import until
from tests.live.gemini import COMPLETE, MODEL, call, client_for, handle, said, set_up
from tests.live.scripted_server import Peer, ScriptedServer

MOST_STEPS = 60


async def lookup(key: str) -> str:
    """Looks up."""
    await asyncio.sleep(0.001)
    return key


async def converse(peer: Peer) -> None:
    await set_up(peer)
    await peer.send(handle("h"))
    while True:
        message = await peer.receive()
        if "clientContent" in message:
            await peer.send(said("one"), call("c", "lookup", key="k"), said("two"), COMPLETE)


async def drop_first(peer: Peer) -> None:
    await set_up(peer)
    await peer.send(handle("h"))
    await peer.receive()
    peer.drop()


async def whole_conversation(client: exllm.Client) -> None:
    policy = Reconnect(base_s=0.001, cap_s=0.002)
    async with client.live(MODEL, tools=[lookup], auto_tools=True, reconnect=policy) as session:
        await session.send("Hello")
        await session.send_audio(bytes(640))
        await until(session, live.TurnComplete)
        await session.interrupt()
        await session.send("More")
        await until(session, live.TurnComplete)


async def no_goodbye(client: exllm.Client) -> None:
    session = client.live(MODEL)
    await session.__aenter__()
    await session.aclose()


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("first", [converse, drop_first])
@pytest.mark.parametrize("work", [whole_conversation, no_goodbye])
async def test_cancelled_anywhere_it_leaves_nothing(
    work: Callable[[exllm.Client], Awaitable[None]], first: Callable[[Peer], Awaitable[None]], late: int
) -> None:
    for step in range(1, MOST_STEPS):
        async with ScriptedServer(first, converse) as server, client_for(server.url) as client:
            attempt = CancelAt(work(client), step, late)  # type: ignore[arg-type]

            async def run(attempt: CancelAt[None] = attempt) -> None:
                await attempt

            task = asyncio.create_task(run())
            done, _ = await asyncio.wait([task], timeout=5)
            assert done, f"it hangs when it is cancelled at await {step}"
            was_cancelled = task.cancelled()
            if not was_cancelled:
                assert task.exception() is None, f"at await {step}: {task.exception()!r}"
            await server.all_left()
            others = [
                other for other in asyncio.all_tasks() if other.get_name().startswith("exllm") and not other.done()
            ]
            assert not others, f"at await {step}: {others}"
        if attempt.steps < step:
            return
    pytest.fail(f"more than {MOST_STEPS} awaits")


async def test_a_cancelled_sender_has_sent_all_of_its_group_or_none() -> None:
    """The messages of one group stay together, whoever is cancelled in the middle of it."""
    reads = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await set_up(peer)
        await reads.wait()
        await peer.keep_receiving()

    async with ScriptedServer(slow, read_ahead=1) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            filling = [asyncio.create_task(session.send("x" * 1_000_000, complete=False)) for _ in range(12)]
            await asyncio.sleep(0.2)
            for number in (3, 5, 11):
                filling[number].cancel()
            await asyncio.sleep(0.01)
            reads.set()
            done = await asyncio.gather(*filling, return_exceptions=True)
            await session.send("last")
            sent = sum(result is None for result in done)
        await server.all_left()
    received = [message for message in server.peers[0].received if "clientContent" in message]
    assert received[-1]["clientContent"]["turnComplete"]
    assert sent <= len(received) - 1 <= 12


async def test_a_wait_for_an_event_that_is_cancelled_loses_none() -> None:
    async def drip(peer: Peer) -> None:
        await set_up(peer)
        for number in range(40):
            await peer.send(said(f"{number} "))
            await asyncio.sleep(0.002)
        await peer.send(COMPLETE)

    async with ScriptedServer(drip) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            words = ""
            while True:
                try:
                    event = await asyncio.wait_for(session.__anext__(), 0.0015)
                except TimeoutError:
                    continue
                if isinstance(event, live.OutputTranscript):
                    words += event.text
                if isinstance(event, live.TurnComplete):
                    break
            assert words == "".join(f"{number} " for number in range(40))
