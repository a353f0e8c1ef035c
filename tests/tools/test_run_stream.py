"""Runs as streams: order, backpressure, leaving, closing."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import msgspec
import pytest

import exllm
from exllm import (
    Finish,
    RunEvent,
    RunFinished,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    UsageUpdate,
)
from exllm.testing import MockProvider, Wait
from tests.faults.dialects import OPENAI
from tests.faults.expect import served
from tests.faults.server import Peer
from tests.tools.kit import assert_valid, call, double, model, results, until

DOUBLE = call("double", '{"number": 2}')


class Slow:
    """A tool that waits until it is cancelled, and says so."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.tool = exllm.tool(self._work, name="slow")

    async def _work(self) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.ended.set()


async def test_everything_comes_in_order() -> None:
    async with (
        model(["Let me see.", DOUBLE], "Four.") as (client, _),
        client.stream_run("mock/m", "Hi", tools=[double]) as run,
    ):
        events = [event async for event in run]
    kinds: list[type] = []
    for event in events:
        if not kinds or kinds[-1] is not type(event):
            kinds.append(type(event))
    assert kinds == [
        TurnStarted, StreamStart, TextDelta, ToolCallDelta, UsageUpdate, Finish, ToolStarted, ToolFinished,
        TurnFinished, TurnStarted, StreamStart, TextDelta, UsageUpdate, Finish, TurnFinished, RunFinished,
    ]  # fmt: skip
    assert "".join(event.text for event in events) == "Let me see.Four."
    assert [event.turn for event in events if isinstance(event, TurnStarted | TurnFinished)] == [1, 1, 2, 2]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].run == run.run


async def test_the_chunks_are_those_that_a_stream_of_the_same_answer_has() -> None:
    answers = (["Let me see.", DOUBLE], "Four.")
    async with model(*answers) as (client, mock):
        async with client.stream_run("mock/m", "Hi", tools=[double]) as run:
            events = [event async for event in run]
        mock.answer(*answers)
        chunks: list[Any] = []
        for messages in (run.run.messages[:1], run.run.messages[:3]):
            async with client.stream("mock/m", list(messages)) as stream:
                chunks += [chunk async for chunk in stream]
    own = (TurnStarted, TurnFinished, ToolStarted, ToolFinished, RunFinished)
    of_run = [event for event in events if not isinstance(event, own) and not isinstance(event, StreamStart)]
    assert of_run == [chunk for chunk in chunks if not isinstance(chunk, StreamStart)]


async def test_run_is_the_fold_of_its_stream() -> None:
    answers = (["Let me see.", DOUBLE], "Four.")
    async with model(*answers) as (client, mock):
        run = await client.run("mock/m", "Hi", tools=[double])
        mock.answer(*answers)
        async with client.stream_run("mock/m", "Hi", tools=[double]) as stream:
            collected = await stream.collect()
    assert collected == stream.run

    def known(one: exllm.Run) -> exllm.Run:
        return msgspec.structs.replace(one, response=None)

    assert known(run) == known(collected)
    assert run.text == collected.text


async def test_events_round_trip_as_one_union() -> None:
    async with (
        model(["See.", DOUBLE], "Four.") as (client, _),
        client.stream_run("mock/m", "Hi", tools=[double]) as run,
    ):
        async for event in run:
            assert msgspec.json.decode(msgspec.json.encode(event), type=RunEvent) == event
            assert event.index == 0


async def test_the_text_of_all_turns_is_one_stream() -> None:
    async with (
        model(["One. ", DOUBLE], "Two.") as (client, _),
        client.stream_run("mock/m", "Hi", tools=[double]) as run,
    ):
        assert [text async for text in run.text()] == ["One. ", "Two."]


async def test_calls_finish_as_they_are_done_while_others_run() -> None:
    slow = Slow()
    async with model([call("slow"), DOUBLE]) as (client, _):
        async with client.stream_run("mock/m", "Hi", tools=[double, slow.tool]) as run:
            async for event in run:
                if isinstance(event, ToolFinished):
                    break
            assert event.call.name == "double"
            assert not slow.ended.is_set()
            assert_valid(run.run.messages)
            assert run.run.status == "running"
        assert slow.ended.is_set()
    assert run.run.status == "cancelled"


# -- leaving and closing


async def test_leaving_early_closes_the_answer() -> None:
    async with model(["word "] * 1000) as (client, mock):
        async with client.stream_run("mock/m", "Hi") as run:
            async for event in run:
                if event.text:
                    break
            assert mock.open_answers == 1
        assert mock.open_answers == 0
        assert (run.run.status, run.run.text) == ("cancelled", run.run.response.text if run.run.response else None)
        assert run.run.text.startswith("word")
        assert_valid(run.run.messages)
        with pytest.raises(exllm.StreamClosed):
            await run.__anext__()
        with pytest.raises(exllm.StreamClosed):
            await run.__aenter__()


async def test_leaving_early_closes_the_connection_at_once() -> None:
    async def endless(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*OPENAI.opening, OPENAI.text("word ")):
            await peer.chunk(frame)
        await peer.left()

    async with served(OPENAI, endless) as (server, client):
        async with client.stream_run(OPENAI.name, "Hi") as run:
            async for event in run:
                if event.text:
                    break
            assert server.connections == 1
        await server.all_left(0.1)


async def test_leaving_a_loop_without_a_block_ends_the_run_and_says_so() -> None:
    slow = Slow()
    async with model(["Hi ", call("slow")]) as (client, mock):

        async def read(run: exllm.RunStream, last: type[RunEvent]) -> None:
            async for event in run:
                if isinstance(event, last):
                    break
            gc.collect(0)

        run = client.stream_run("mock/m", "Hi", tools=[slow.tool])
        with pytest.warns(ResourceWarning, match="abandoned"):
            await read(run, TextDelta)
        await until(lambda: mock.open_answers == 0)
        assert run.run.status == "cancelled"

        run = client.stream_run("mock/m", "Hi", tools=[slow.tool])
        with pytest.warns(ResourceWarning, match="abandoned while its tools were called"):
            await read(run, ToolStarted)
        await asyncio.wait_for(slow.ended.wait(), 5)
        assert_valid(run.run.messages)


async def test_a_run_that_is_dropped_cancels_its_calls() -> None:
    slow = Slow()
    async with model(call("slow")) as (client, _):
        run = client.stream_run("mock/m", "Hi", tools=[slow.tool])
        while not isinstance(await run.__anext__(), ToolStarted):
            pass
        await slow.begun.wait()
        with pytest.warns(ResourceWarning, match="abandoned"):  # noqa: PT031
            del run
            gc.collect()
        await asyncio.wait_for(slow.ended.wait(), 5)


async def test_a_run_that_was_never_read_leaves_nothing() -> None:
    async with model("Hi") as (client, mock):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client.stream_run("mock/m", "Hi")
            async with client.stream_run("mock/m", "Hi") as run:
                pass
        assert not mock.requests
    assert (run.run.status, run.run.turns) == ("cancelled", 0)


@pytest.mark.parametrize("phase", ["answer", "calls"])
async def test_closing_from_another_task_ends_the_reader(phase: str) -> None:
    slow = Slow()
    answer = [call("slow")] if phase == "calls" else ["Hi", Wait(60)]
    async with model(answer) as (client, mock):
        run = client.stream_run("mock/m", "Hi", tools=[slow.tool])

        async def read() -> None:
            while True:
                await run.__anext__()

        reader = asyncio.create_task(read())
        if phase == "calls":
            await slow.begun.wait()
        else:
            await until(lambda: mock.open_answers)
        await asyncio.sleep(0.01)
        await asyncio.gather(run.aclose(), run.aclose())
        with pytest.raises(exllm.StreamClosed):
            await reader
        assert run.run.status == "cancelled"
        assert_valid(run.run.messages)
        assert slow.ended.is_set() is (phase == "calls")


async def test_a_wait_that_is_cancelled_loses_nothing() -> None:
    answers = (["One ", Wait(0.05), "two ", DOUBLE], [Wait(0.03), "three"])

    @exllm.tool(name="double")
    async def slow_double(number: int) -> int:
        await asyncio.sleep(0.05)
        return number * 2

    async with model(*answers) as (client, _), client.stream_run("mock/m", "Hi", tools=[slow_double]) as run:
        events: list[RunEvent] = []
        given_up = 0
        while True:
            try:
                events.append(await asyncio.wait_for(run.__anext__(), 0.005))
            except TimeoutError:
                given_up += 1
            except StopAsyncIteration:
                break
    assert given_up > 5
    assert "".join(event.text for event in events) == "One two three"
    assert [type(event) for event in events if isinstance(event, ToolStarted | ToolFinished | RunFinished)] == [
        ToolStarted, ToolFinished, RunFinished,
    ]  # fmt: skip
    assert run.run.status == "completed"


async def test_a_reader_that_stays_away_stops_the_model() -> None:
    given: list[int] = []

    async def words(_request: Any) -> Any:
        for number in range(10_000):
            given.append(number)
            yield "word "

    with MockProvider(words):
        async with exllm.Client(ring_capacity=16) as client, client.stream_run("mock/m", "Hi") as run:
            async for event in run:
                if event.text:
                    break
            await asyncio.sleep(0.3)
            assert len(given) < 100
            rest = [event async for event in run if event.text]
    assert len(rest) == 9_999


async def test_events_after_the_end_are_the_end() -> None:
    async with model("Hi") as (client, _):
        run = client.stream_run("mock/m", "Hi")
        assert len([event async for event in run]) > 3
        assert [event async for event in run] == []
        assert (await run.collect()).status == "completed"


async def test_a_failure_raises_after_what_had_come_and_once() -> None:
    async with model(["Hel", exllm.StreamInterrupted("cut")]) as (client, _):
        run = client.stream_run("mock/m", "Hi")
        texts: list[str] = []

        async def read() -> None:
            async for event in run:
                texts.append(event.text)  # noqa: PERF401 - it raises, and what had come counts

        with pytest.raises(exllm.StreamInterrupted) as failure:
            await read()
        assert "".join(texts) == "Hel"
        assert failure.value.run == run.run
        assert failure.value.partial is not None
        assert run.run.status == "failed"
        assert [event async for event in run] == []


async def test_results_are_in_the_history_when_the_next_turn_begins() -> None:
    async with model(DOUBLE, "Four.") as (client, _), client.stream_run("mock/m", "Hi", tools=[double]) as run:
        async for event in run:
            if event == TurnStarted(2):
                assert [one.content for one in results(run.run)] == ["4"]
            assert_valid(run.run.messages)


async def test_two_readers_share_the_events() -> None:
    calls = [call("double", f'{{"number": {number}}}', str(number)) for number in range(5)]
    async with model(calls, "Two words.") as (client, _), client.stream_run("mock/m", "Hi", tools=[double]) as stream:
        everything: list[str] = []

        async def read() -> None:
            async for event in stream:
                everything.append(event.text)  # noqa: PERF401 - in the order in which all readers get them

        await asyncio.gather(read(), read(), read())
    assert stream.run.status == "completed"
    assert "".join(everything) == "Two words."
