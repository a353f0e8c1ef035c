"""Odd moments of a session: what comes together that seldom does."""

# ruff: noqa: SIM117, ASYNC110, PT012, PT031 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
import gc
import json
import ssl
from typing import Any

import pytest
import trustme

import exllm
from exllm import live
from exllm.live import Reconnect
from tests.live import gemini, openai
from tests.live.events import names, next_of, speak, until
from tests.live.scripted_server import Peer, ScriptedServer

QUICK = Reconnect(base_s=0.01, cap_s=0.02)
PATIENCE_S = 0.9  # who waits for the other side's goodbye, or for tasks that do not end, needs a second


async def listen(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.keep_receiving()


async def test_entering_a_session_again_is_refused_and_does_not_end_it() -> None:
    async with ScriptedServer(listen) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL) as session:
            with pytest.raises(exllm.StreamClosed, match="before"):
                async with session:
                    pytest.fail("it must not be entered")
            await session.send("still here")
        await server.all_left()


@pytest.mark.parametrize("overflow", ["block", "drop", "overwrite"])
async def test_around_an_interruption_every_piece_of_audio_is_heard_or_counted(overflow: Any) -> None:
    pieces = 30

    async def talk(peer: Peer) -> None:
        await openai.set_up(peer)
        for turn in range(4):
            name = f"r{turn}"
            await peer.send(*openai.begin(name, f"i{turn}"))
            await peer.send(*[openai.audio(name, f"i{turn}", bytes([turn, 0]))] * pieces)
            if turn % 2:
                await peer.send(openai.SPEECH, openai.audio(name, f"i{turn}", bytes([turn, 0])))
            await peer.send(*openai.done(peer, name, f"i{turn}", "x", "cancelled" if turn % 2 else "completed"))
        await peer.keep_receiving()

    async with ScriptedServer(talk) as server, openai.client_for(server.url) as client:
        async with client.live(openai.MODEL, audio_overflow=overflow, audio_capacity=8) as session:
            events = []
            for _ in range(4):
                await asyncio.sleep(0.03)
                events += await until(session, live.TurnComplete)
            heard = sum(isinstance(event, live.AudioOut) for event in events)
            stats = session.stats
            lost = stats.audio_dropped + stats.audio_overwritten + stats.audio_discarded
            assert heard + lost + stats.waiting_audio == 4 * pieces + 2
            assert names(events).count("Interrupted") >= 2
            assert names(events).count("TurnComplete") == 4


async def test_a_server_that_never_answers_the_close_over_tls_is_not_waited_for() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    has_left = asyncio.Event()

    async def deaf(peer: Peer) -> None:
        await gemini.set_up(peer)
        peer.connection.transport.pause_reading()
        await has_left.wait()
        peer.drop()

    async with ScriptedServer(deaf, tls=context) as server:
        async with gemini.client_for(server.url, ssl_context=trusting) as client:
            async with client.live(gemini.MODEL) as session:
                sending = asyncio.create_task(speak(session, 1000))
                while not session.stats.buffered_bytes:
                    await asyncio.sleep(0.01)
                assert not sending.done()
                began = asyncio.get_running_loop().time()
            assert asyncio.get_running_loop().time() - began < PATIENCE_S
            has_left.set()
            with pytest.raises(exllm.StreamClosed):
                await sending


async def test_a_tls_handshake_that_never_ends_can_be_cancelled_and_has_its_time() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    listener = await asyncio.start_server(mute, "127.0.0.1", 0)
    url = f"wss://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, gemini.client_for(url) as client:
        with pytest.raises(exllm.ConnectTimeout):
            async with client.live(gemini.MODEL, timeout=exllm.Timeouts(connect=0.1)):
                pytest.fail("it must not open")

        async def enter() -> None:
            async with client.live(gemini.MODEL):
                pytest.fail("it must not open")

        entering = asyncio.create_task(enter())
        await asyncio.sleep(0.05)
        entering.cancel()
        await asyncio.wait([entering], timeout=1)
        assert entering.cancelled()
    await asyncio.sleep(0)
    gc.collect()


@pytest.mark.parametrize("ends_well", [True, False])
async def test_tasks_that_listen_get_each_event_once_and_all_learn_of_the_end(ends_well: bool) -> None:
    async def talk(peer: Peer) -> None:
        await gemini.set_up(peer)
        for number in range(300):
            pcm = bytes([number % 256, number // 256])
            await peer.send(gemini.audio(pcm) if number % 3 else gemini.text(f"{number}"))
        if ends_well:
            await peer.close(1000)
        else:
            await peer.send_raw("{")

    heard = []
    async with ScriptedServer(talk) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, audio_capacity=4) as session:

            async def take_in() -> None:
                async for event in session:
                    if isinstance(event, live.AudioOut):
                        heard.append(event.data[0] + 256 * event.data[1])
                    elif isinstance(event, live.TextOut):
                        heard.append(int(event.text))
                    await asyncio.sleep(0)

            async with asyncio.timeout(3):
                ends = await asyncio.gather(take_in(), take_in(), take_in(), return_exceptions=True)
    assert heard == list(range(300))
    assert [type(end) for end in ends] == [type(None) if ends_well else exllm.ProtocolError] * 3


@pytest.mark.parametrize("by_another_thread", [False, True])
async def test_a_session_that_is_forgotten_while_it_reconnects_and_calls_a_tool_leaves_nothing(
    by_another_thread: bool,
) -> None:
    async def ask_and_drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h"), gemini.call("c", "endless"))
        await peer.receive()
        peer.drop()

    async def silent(peer: Peer) -> None:
        await peer.receive()

    async def endless() -> None:
        """Never ends."""
        await asyncio.sleep(60)

    async with ScriptedServer(ask_and_drop, silent) as server, gemini.client_for(server.url) as client:
        session = client.live(gemini.MODEL, tools=[endless], auto_tools=True)
        await session.__aenter__()
        await session.send("Hello")
        await until(session, live.Reconnecting)
        await asyncio.sleep(0.02)
        kept = [session]
        del session
        with pytest.warns(ResourceWarning, match="abandoned"):
            if by_another_thread:
                await asyncio.to_thread(kept.clear)
            else:
                kept.clear()
        await server.all_left()
        async with asyncio.timeout(1):
            while [task for task in asyncio.all_tasks() if task.get_name().startswith("exllm")]:
                await asyncio.sleep(0.01)


async def test_an_interruption_by_the_application_also_drops_the_piece_that_waits_for_room() -> None:
    async def talk(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(*[gemini.audio(bytes([number, 0])) for number in range(10)])
        await peer.receive_until("clientContent")
        await peer.send(gemini.INTERRUPTED, gemini.COMPLETE, gemini.audio(b"\xff\0"), gemini.COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(talk) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, audio_capacity=4) as session:
            while session.stats.waiting_audio < 4:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.02)
            await session.interrupt()
            events = await until(session, live.TurnComplete)
            assert not [event for event in events if isinstance(event, live.AudioOut)]
            assert (await next_of(session, live.AudioOut)).data == b"\xff\0"
            assert session.stats.audio_discarded == 10


async def test_a_session_whose_tasks_are_cancelled_by_somebody_else_says_so() -> None:
    """Such as by whoever cancels all tasks there are, also before they have begun."""
    for turns in range(40):
        async with ScriptedServer(listen) as server, gemini.client_for(server.url) as client:

            def cancel_later(left: int) -> None:
                if left:
                    asyncio.get_running_loop().call_soon(cancel_later, left - 1)
                    return
                for task in asyncio.all_tasks():
                    if task.get_name() == "exllm-live":
                        task.cancel()

            async def converse(client: exllm.Client = client) -> None:
                async with client.live(gemini.MODEL) as session:
                    await session.send("Hello")
                    await until(session, live.TurnComplete)

            cancel_later(turns)
            conversing = asyncio.create_task(converse())
            await asyncio.wait([conversing], timeout=0.15 if turns else 0)
            for task in asyncio.all_tasks():
                if task.get_name() == "exllm-live":
                    task.cancel()
            async with asyncio.timeout(1):
                with pytest.raises(exllm.StreamClosed, match="cancelled"):
                    await conversing
            await server.all_left()


async def test_audio_whose_sender_was_cancelled_is_counted_when_it_was_sent() -> None:
    reads = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await gemini.set_up(peer)
        await reads.wait()
        await peer.keep_receiving()

    async with ScriptedServer(slow, read_ahead=1) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL) as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await speak(session, 1000)
            reads.set()
            await session.audio_end()
            counted = session.stats.audio_out_bytes
        await server.all_left()
    pieces = [message for message in server.peers[0].received if "audio" in message.get("realtimeInput", {})]
    assert counted == 32_000 * len(pieces)


async def test_bytes_are_counted_as_they_are_on_the_wire() -> None:
    words = "grüße, 世界"

    async def echo(peer: Peer) -> None:
        await gemini.set_up(peer)
        sizes.append(len(await peer.connection.recv(decode=False)))
        message = json.dumps(gemini.text(words), ensure_ascii=False)
        sizes.append(len(message.encode()))
        await peer.send_raw(message)
        await peer.keep_receiving()

    sizes: list[int] = []
    async with ScriptedServer(echo) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL) as session:
            before = session.stats
            await session.send(words)
            await next_of(session, live.TextOut)
            after = session.stats
            assert after.bytes_out - before.bytes_out == sizes[0]
            assert after.bytes_in - before.bytes_in == sizes[1]


async def test_an_error_that_is_raised_again_and_again_does_not_grow() -> None:
    async def refuse(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send_raw("{")

    async with ScriptedServer(refuse) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL) as session:
            depths = []
            for _ in range(20):
                with pytest.raises(exllm.ProtocolError) as listening:
                    await until(session, live.TurnComplete)
                with pytest.raises(exllm.ProtocolError) as speaking:
                    await session.send_audio(bytes(2))
                depths.append((len(listening.traceback), len(speaking.traceback)))
            assert len(set(depths)) == 1


async def test_a_budget_that_is_used_up_within_a_turn_ends_tools_and_loses_no_event() -> None:
    was_cancelled = asyncio.Event()

    async def endless() -> None:
        """Never ends."""
        try:
            await asyncio.sleep(60)
        finally:
            was_cancelled.set()

    async def answer(peer: Peer) -> None:
        await openai.set_up(peer)
        counts = {"type": "tokens", "total_tokens": 9_000_000, "input_tokens": 9_000_000, "output_tokens": 0}
        heard = {"item_id": "u1", "content_index": 0, "transcript": "Hi", "usage": counts}
        item = openai.function_call("c1", "endless")
        await peer.send(*openai.begin("r1", "i1"))
        await peer.send({"type": "response.output_item.done", "event_id": "e", "response_id": "r1", "item": item})
        await peer.send(*[openai.audio("r1", "i1", bytes(2))] * 10)
        await peer.send({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e", **heard})
        await peer.send(openai.said("r1", "i1", "too late"))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, openai.client_for(server.url) as client:
        budget = exllm.Budget(0.01)
        how = {"tools": [endless], "auto_tools": True, "input_transcription": True, "audio_capacity": 2}
        async with client.live(openai.MODEL, budget=budget, **how) as session:  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
            events = []
            with pytest.raises(exllm.BudgetExceeded):
                async for event in session:
                    events.append(event)  # noqa: PERF401
            kinds = names(events)
            assert kinds.count("AudioOut") == 10
            assert kinds[-1] in ("UsageReport", "ProviderEvent")
            assert "UsageReport" in kinds
            assert session.stats.reconnects == 0
            with pytest.raises(exllm.BudgetExceeded):
                await session.send("more")
        await server.all_left()
    assert was_cancelled.is_set()
    assert len(server.peers) == 1
    assert budget.spent > 0.01
