"""Cancel a session at every await: nothing is left, and nothing is swallowed."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import exllm
from exllm import live
from exllm.live import Reconnect
from tests.cancel_at import CancelAt
from tests.live import gemini, openai
from tests.live.events import until
from tests.live.gemini import COMPLETE, MODEL, call, client_for, handle, said, set_up
from tests.live.scripted_server import Peer, Refusal, ScriptedServer

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


async def deaf(peer: Peer) -> None:
    await gemini.set_up(peer)
    peer.connection.transport.pause_reading()
    await asyncio.sleep(0.3)
    peer.connection.transport.resume_reading()  # to see that the client has gone


async def fill_the_socket(client: exllm.Client) -> None:
    async with client.live(gemini.MODEL, reconnect=Reconnect(attempts=0)) as session:
        async with asyncio.timeout(0.05):
            while True:
                await session.send_audio(bytes(64_000))


async def wait_for_another_connection(client: exllm.Client) -> None:
    async with client.live(gemini.MODEL, reconnect=Reconnect(base_s=0.01, cap_s=0.02, attempts=3)) as session:
        await session.send("Hello")
        await session.send("Hello?")
        await session.send("Hello!")
        await until(session, live.TurnComplete)


async def ask(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.send(gemini.call("c1", "slow"), gemini.call("c2", "stubborn"), gemini.text("x"))
    await peer.keep_receiving()


async def slow() -> None:
    """Takes long."""
    await asyncio.sleep(60)


async def stubborn() -> None:
    """Cleans up."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.to_thread(lambda: None)
        raise


async def leave_while_tools_run(client: exllm.Client) -> None:
    async with client.live(gemini.MODEL, tools=[slow, stubborn], auto_tools=True) as session:
        await until(session, live.TextOut)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def restart(peer: Peer) -> None:
    await openai.set_up(peer)
    await openai.receive(peer, "response.create")
    await peer.send(*openai.begin("r1", "i1"), openai.said("r1", "i1", "Par"))
    await peer.close(1012)


async def answer(peer: Peer) -> None:
    await openai.set_up(peer)
    await openai.receive(peer, "response.create")
    await peer.send(*openai.begin("r2", "i2"), *openai.done(peer, "r2", "i2", "Paris"))
    await peer.keep_receiving()


async def replay(client: exllm.Client) -> None:
    async with client.live(openai.MODEL, reconnect=Reconnect(base_s=0.001, cap_s=0.002)) as session:
        await session.send("France?")
        await until(session, live.Reconnected)
        await session.update(instructions="Be brief.")
        await until(session, live.TurnComplete)
        await session.aclose()


WORK: dict[str, tuple[Callable[[exllm.Client], Coroutine[Any, Any, None]], Any, tuple[Any, ...]]] = {
    "a conversation": (whole_conversation, gemini, (converse,)),
    "a conversation over two connections": (whole_conversation, gemini, (drop_first, converse)),
    "a session that nobody uses": (no_goodbye, gemini, (converse,)),
    "a full socket": (fill_the_socket, gemini, (deaf,)),
    "connections that are refused": (wait_for_another_connection, gemini, (drop_first, Refusal(503))),
    "calls of tools": (leave_while_tools_run, gemini, (ask,)),
    "a conversation that is told again": (replay, openai, (restart, Refusal(503), answer)),
}

ITS_OWN: dict[str, type[BaseException]] = {
    "a full socket": TimeoutError,
    "connections that are refused": exllm.SessionLost,
}


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("name", WORK)
async def test_cancelled_anywhere_it_leaves_nothing(name: str, late: int, caplog: pytest.LogCaptureFixture) -> None:
    work, wire, behaviours = WORK[name]
    for step in range(1, MOST_STEPS):
        async with ScriptedServer(*behaviours) as server, wire.client_for(server.url) as client:
            attempt = CancelAt(work(client), step, late)

            async def run(attempt: CancelAt[None] = attempt) -> None:
                await attempt

            task = asyncio.create_task(run())
            done, _ = await asyncio.wait([task], timeout=5)
            assert done, f"it hangs when it is cancelled at await {step}"
            if not task.cancelled():
                error = task.exception()
                assert error is None or isinstance(error, ITS_OWN.get(name, ())), f"at await {step}: {error!r}"
            others = [
                other for other in asyncio.all_tasks() if other.get_name().startswith("exllm") and not other.done()
            ]
            assert not others, f"at await {step}: {others}"
            await server.all_left()
        if attempt.steps < step:
            break
    else:
        pytest.fail(f"more than {MOST_STEPS} awaits")
    gc.collect()
    assert "never retrieved" not in caplog.text


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
