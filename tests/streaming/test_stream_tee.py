from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

import exllm
from exllm.streaming.tee import TeeBranch
from exllm.testing import MockProvider, Wait

Branch = TeeBranch[exllm.Chunk]
WORDS = [f"{number} " for number in range(100)]
TEXT = "".join(WORDS)


@pytest.fixture
async def client() -> AsyncGenerator[exllm.Client, None]:
    with MockProvider([exllm.TextDelta(word) for word in WORDS]):
        async with exllm.Client(ring_capacity=8) as client:
            yield client


async def join(branch: Branch, pause_s: float = 0.0) -> str:
    text = ""
    async for chunk in branch:
        text += chunk.text
        if pause_s:
            await asyncio.sleep(pause_s)
    return text


async def test_each_branch_gets_everything(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        texts = await asyncio.gather(*map(join, stream.tee(3)))
    assert texts == [TEXT] * 3
    assert stream.response.text == TEXT


async def test_a_branch_gets_what_is_still_to_come(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        seen = ""
        async for text in stream.text():
            seen += text
            if text == "9 ":
                break
        texts = await asyncio.gather(*map(join, stream.tee(2)))
    assert [seen + text for text in texts] == [TEXT] * 2


async def test_the_branches_need_not_run_at_once(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        first, second = stream.tee(2, capacity=1000)
        assert await join(first) == TEXT
        assert await join(second) == TEXT


async def test_a_slow_block_consumer_slows_all(client: exllm.Client) -> None:
    loop = asyncio.get_running_loop()
    async with client.stream("mock", "Hi") as stream:
        fast, slow = stream.tee(2, capacity=4)
        started = loop.time()

        async def timed(branch: Branch, pause_s: float) -> tuple[str, float]:
            return await join(branch, pause_s), loop.time() - started

        (fast_text, fast_s), (slow_text, slow_s) = await asyncio.gather(timed(fast, 0), timed(slow, 0.005))
    assert fast_text == slow_text == TEXT
    assert slow_s > 0.5
    assert fast_s > slow_s - 0.25
    assert fast.statistics().overwritten == slow.statistics().overwritten == 0


@pytest.mark.parametrize("overflow", ["overwrite", "drop"])
async def test_a_slow_lossy_consumer_slows_nobody_and_its_counts_add_up(client: exllm.Client, overflow: str) -> None:
    async with client.stream("mock", "Hi") as stream:
        fast, slow = stream.tee(2, overflow=("block", overflow), capacity=16)  # type: ignore[arg-type]
        assert await join(fast) == TEXT  # before the slow one has taken anything
        chunks = [chunk async for chunk in slow]
    figures = slow.statistics()
    assert len(chunks) == figures.popped == 16
    assert figures.popped + figures.overwritten + figures.dropped == fast.statistics().popped
    got = "".join(chunk.text for chunk in chunks)
    assert TEXT.endswith(got) if overflow == "overwrite" else TEXT.startswith(got)
    assert stream.response.text == TEXT


async def test_an_error_reaches_every_branch_after_what_came_before() -> None:
    with MockProvider(["one ", "two ", exllm.ServerError("broke")]):
        async with exllm.Client() as client, client.stream("mock", "Hi") as stream:
            for branch in stream.tee(2):
                seen = ""
                with pytest.raises(exllm.ServerError) as caught:  # noqa: PT012
                    async for chunk in branch:
                        seen += chunk.text
                assert seen == "one two "
                assert caught.value.partial is not None
                assert caught.value.partial.text == seen


@pytest.mark.parametrize("is_owned", [True, False])
async def test_a_cancelled_branch_does_not_end_the_others(is_owned: bool) -> None:
    """Whichever of them happens to fetch for both."""
    with MockProvider(["one ", Wait(0.05), "two ", Wait(0.05), "three "]):
        async with exllm.Client() as client:
            stream = client.stream("mock", "Hi")
            if is_owned:
                await stream.__aenter__()
            first, second = stream.tee(2)
            reading = [asyncio.create_task(join(branch)) for branch in (first, second)]
            await asyncio.sleep(0.02)
            reading[0].cancel()
            assert await reading[1] == "one two three "
            assert "".join([chunk.text async for chunk in first]).endswith("two three ")
            await stream.aclose()


async def test_closing_a_full_branch_lets_the_others_go_on(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        idle, reader = stream.tee(2, capacity=4)
        reading = asyncio.create_task(join(reader))
        await asyncio.sleep(0.05)
        assert not reading.done()
        await idle.aclose()
        async with asyncio.timeout(5):
            assert await reading == TEXT


async def test_dropping_a_full_branch_lets_the_others_go_on(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        branches = list(stream.tee(2, capacity=4))
        reading = asyncio.create_task(join(branches.pop()))
        await asyncio.sleep(0.05)
        assert not reading.done()
        branches.clear()
        async with asyncio.timeout(5):
            assert await reading == TEXT


async def test_a_closed_branch_gives_nothing_any_more(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        first, second = stream.tee(2)
        await anext(first)
        await first.aclose()
        await first.aclose()
        with pytest.raises(exllm.StreamClosed):
            await anext(first)
        assert await join(second)


async def test_the_last_branch_to_leave_closes_an_unowned_stream() -> None:
    with MockProvider(["one ", Wait(30), "two "]) as mock:
        async with exllm.Client() as client:
            stream = client.stream("mock", "Hi")
            first, second = stream.tee(2)
            await anext(first)
            assert mock.open_answers == 1
            await first.aclose()
            assert mock.open_answers == 1
            await second.aclose()
            assert mock.open_answers == 0


async def test_it_takes_a_policy_for_each_branch(client: exllm.Client) -> None:
    async with client.stream("mock", "Hi") as stream:
        with pytest.raises(ValueError, match="3"):
            stream.tee(2, overflow=("block", "block", "drop"))
        with pytest.raises(ValueError, match="overflow"):
            stream.tee(2, overflow="discard")  # type: ignore[arg-type]
