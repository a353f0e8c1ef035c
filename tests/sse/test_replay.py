"""Streams that go on without their clients."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import exllm
from exllm import StreamClosed, TextDelta
from exllm.integrations.fastapi import ReplayResponse, resume_response
from exllm.sse import Replay, ReplayLost, Replays
from exllm.streaming.frame import Frame
from exllm.streaming.sse import SSEDecoder
from exllm.testing import MockProvider, Wait
from tests.cancel_at import CancelAt
from tests.integrations.web import serving
from tests.sse.answers import CUT, PLAIN, mock

WORDS = [f"w{number} " for number in range(200)]


def frames_of(*data: bytes) -> list[Frame]:
    decoder = SSEDecoder()
    return [*decoder.feed(b"".join(data)), *decoder.close()]


@pytest.fixture
async def client() -> AsyncIterator[exllm.Client]:
    async with exllm.Client() as made:
        yield made


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it is what an outsider sees that is waited for
            await asyncio.sleep(0.001)


async def test_all_events_for_a_client_that_stays(client: exllm.Client) -> None:
    with mock(PLAIN):
        async with Replays() as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            data = [data async for data in replay.events()]
            assert replay.is_ended
    frames = frames_of(*data)
    assert [frame.id for frame in frames] == [f"{replay.id}:{number + 1}" for number in range(len(PLAIN) + 1)]


@pytest.mark.parametrize("got", [0, 1, 7, 150, 203])
async def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(client: exllm.Client, got: int) -> None:
    with mock(WORDS):
        async with Replays() as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            first: list[Frame] = []
            reader = replay.events()
            while len(first) < got:
                first += frames_of(await anext(reader))
            first = first[:got]  # what arrived before the connection was lost
            await reader.aclose()
            last = str(first[-1].id) if first else None
            found = replays.find(last or replay.id)
            rest = frames_of(*[data async for data in found.events(after=last)])
    numbers = [int(str(frame.id).split(":")[1]) for frame in (*first, *rest)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert rest[-1].event == "response"


async def test_without_a_client_it_reads_on_until_the_ring_is_full(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS * 4]) as llm:  # more than the stream's own ring holds
        async with Replays(capacity=40) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            await until(lambda: replay.last >= 20)
            await asyncio.sleep(0.05)
            assert replay.last == 20  # half of the ring is for what was not fetched yet
            assert llm.open_answers == 1
            frames = frames_of(*[data async for data in replay.events()])
    assert "".join(exllm_text(frame) for frame in frames) == "".join(WORDS * 4)
    assert llm.open_answers == 0


def exllm_text(frame: Frame) -> str:
    if frame.event != "text_delta":
        return ""
    return msgspec.json.decode(frame.data, type=TextDelta).text


async def test_a_slow_client_slows_the_stream(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS]):
        async with Replays(capacity=40) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            reader = replay.events()
            seen = len(frames_of(await anext(reader)))
            await asyncio.sleep(0.05)
            assert replay.last <= seen + 21
            frames = frames_of(*[data async for data in reader])
            assert frames[-1].event == "response"


async def test_the_ring_is_bounded_and_says_what_it_has_no_more(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS]):
        async with Replays(capacity=40) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            async for _data in replay.events():
                assert len(replay._events) <= 42
            with pytest.raises(ReplayLost, match="not kept any more"):
                replay.events()
            with pytest.raises(ReplayLost):
                replay.events(after=f"{replay.id}:3")
            recent = f"{replay.id}:{replay.last - 5}"
            assert len(frames_of(*[data async for data in replay.events(after=recent)])) == 5


async def test_two_clients_get_the_same(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS]):
        async with Replays(capacity=40) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))

            async def read(pause_s: float) -> bytes:
                data = b""
                async for piece in replay.events():
                    data += piece
                    await asyncio.sleep(pause_s)
                return data

            fast, slow = await asyncio.gather(read(0), read(0.002))
    assert fast == slow
    assert "".join(map(exllm_text, frames_of(fast))) == "".join(WORDS)


async def test_nobody_comes_back_in_time(client: exllm.Client) -> None:
    with mock(["a ", Wait(30), "b"]) as llm:
        async with Replays(keep_s=0.05) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            reader = replay.events()
            await anext(reader)
            await asyncio.sleep(0.1)
            assert not replay.is_expired  # somebody is there
            await reader.aclose()
            await until(lambda: replay.is_expired)
            await until(lambda: llm.open_answers == 0)
            with pytest.raises(ReplayLost):
                replays.find(replay.id)
            with pytest.raises(ReplayLost):
                replay.events()
            assert len(replays) == 0


async def test_closing_ends_streams_and_tells_their_clients(client: exllm.Client) -> None:
    with mock(["a ", Wait(30), "b"]) as llm:
        replays = Replays()
        replay = replays.start(client.stream("mocked", "Hi"), "openai")
        reader = replay.events()
        first = await anext(reader)
        await replays.aclose()
        assert llm.open_answers == 0
        rest = [data async for data in reader]
    assert b'"content":"a "' in first + b"".join(rest)
    assert b"the server closed the stream" in b"".join(rest)


async def test_a_failure_is_replayed_as_well(client: exllm.Client) -> None:
    with mock(CUT):
        async with Replays() as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            await until(lambda: replay.is_ended)
            frames = frames_of(*[data async for data in replay.events()])
    assert frames[-1].event == "error"


async def test_cancelled_while_waiting_nothing_is_lost(client: exllm.Client) -> None:
    with mock(["a ", Wait(0.05), "b"]):
        async with Replays() as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            reader = replay.events()
            data = [await anext(reader)]
            task = asyncio.ensure_future(anext(reader))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            data += [piece async for piece in reader]
    numbers = [int(str(frame.id).split(":")[1]) for frame in frames_of(*data)]
    assert numbers == list(range(1, len(numbers) + 1))
    gc.collect()


async def test_a_replay_needs_sensible_arguments(client: exllm.Client) -> None:
    for wrong in ({"capacity": 1}, {"keep_s": 0}):
        with pytest.raises(ValueError, match="must be"):
            Replays(**wrong)
    with mock(PLAIN):
        async with Replays() as replays:
            replay: Replay = replays.start(client.stream("mocked", "Hi"))
            for wrong_id in ("other:3", f"{replay.id}:x", "nothing"):
                with pytest.raises(ValueError, match="no event id"):
                    replay.events(after=wrong_id)


async def test_closed_before_it_has_begun_readers_are_told(client: exllm.Client) -> None:
    with mock(PLAIN) as llm:
        replays = Replays()
        replay = replays.start(client.stream("mocked", "Hi"))
        reader = replay.events()
        await replays.aclose()
        assert [frame.event for frame in frames_of(*[data async for data in reader])] == ["error"]
        assert llm.open_answers == 0
        with pytest.raises(StreamClosed):
            replays.start(client.stream("mocked", "Hi"))


async def test_closing_that_is_cancelled_closes_all_the_same(client: exllm.Client) -> None:
    with mock(*[["a ", Wait(30)]] * 3) as llm:
        replays = Replays()
        for _ in range(3):
            await anext(replays.start(client.stream("mocked", "Hi")).events())
        closing = asyncio.create_task(replays.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await until(lambda: llm.open_answers == 0)


async def test_closed_after_the_last_event_nothing_is_added(client: exllm.Client) -> None:
    with mock(PLAIN):
        async with Replays() as replays:
            replay = replays.start(client.stream("mocked", "Hi"), "openai")
            await until(lambda: replay.is_ended)
            await replay.aclose()
            data = [data async for data in replay.events()]
    assert frames_of(*data)[-1].data == b"[DONE]"


async def test_a_reader_that_is_dropped_has_left(client: exllm.Client) -> None:
    with mock(["a ", Wait(30), "b"]) as llm:
        async with Replays(keep_s=0.05) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            async for _data in replay.events():
                break
            await until(lambda: replay.is_expired)
            await until(lambda: llm.open_answers == 0)
            assert len(replays) == 0


async def test_a_reader_that_stalls_stops_the_others_for_a_while_only(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS]):
        async with Replays(capacity=40, keep_s=0.1) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            stalled, alone = replay.events(), replay.events()
            assert len(frames_of(await anext(stalled))) < 40
            frames = frames_of(*[data async for data in alone])
            assert "".join(map(exllm_text, frames)) == "".join(WORDS)
            with pytest.raises(ReplayLost, match="not kept any more"):
                await anext(stalled)
            assert [data async for data in stalled] == []


async def test_a_reader_that_stalls_may_go_on_while_its_events_are_kept(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS]):
        async with Replays(capacity=40, keep_s=0.2) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            reader = replay.events()
            first = await anext(reader)
            await until(lambda: not replay._readers)
            frames = frames_of(first, *[data async for data in reader])
    assert "".join(map(exllm_text, frames)) == "".join(WORDS)


async def test_a_stream_that_only_stalled_clients_had_is_closed(client: exllm.Client) -> None:
    with mock([TextDelta(word) for word in WORDS * 4]) as llm:
        async with Replays(capacity=40, keep_s=0.05) as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            stalled = replay.events()
            await anext(stalled)
            await until(lambda: replay.is_expired and llm.open_answers == 0)
            with pytest.raises(ReplayLost):
                await anext(stalled)


@pytest.mark.parametrize("late", [0, 1])
async def test_cancelled_at_any_await_nothing_is_left(client: exllm.Client, late: int) -> None:
    answer = [TextDelta("a "), Wait(0.001), TextDelta("b "), Wait(0.001), TextDelta("c")]

    async def read() -> None:
        async with Replays() as replays:
            replay = replays.start(client.stream("mocked", "Hi"))
            async for _data in replay.events():
                pass

    async def relay() -> None:
        async with client.stream("mocked", "Hi") as stream:
            async for _data in stream.to_sse("anthropic"):
                pass

    before = asyncio.all_tasks()
    for work in (read, relay):
        for step in range(1, 100):
            with mock(answer) as llm:
                at = CancelAt(work(), step, late)
                task = asyncio.ensure_future(_awaited(at))
                await asyncio.wait([task])
                assert llm.open_answers == 0
                assert asyncio.all_tasks() == before
            if not task.cancelled():
                break
        assert 2 < at.steps < 99


async def _awaited(work: CancelAt[None]) -> None:
    await work


class TestOverHttp:
    @pytest.fixture
    async def url(self, client: exllm.Client) -> AsyncIterator[str]:
        async with Replays(keep_s=5) as replays:

            async def start(request: Request) -> Response:
                return ReplayResponse(replays.start(client.stream("mocked", "Hi"), request.query_params["dialect"]))  # type: ignore[arg-type]

            async def resume(request: Request) -> Response:
                return resume_response(replays, request)

            app = Starlette(routes=[Route("/chat", start, methods=["POST"]), Route("/chat", resume)])
            async with serving(app) as url:
                yield f"{url}/chat"

    @pytest.mark.parametrize("dialect", ["exllm", "openai", "anthropic", "vercel", "ag-ui"])
    async def test_a_browser_that_reconnects_misses_nothing(self, url: str, dialect: str) -> None:
        slow = [piece for word in WORDS[:30] for piece in (TextDelta(word), Wait(0.002))]
        frames: list[Frame] = []
        with MockProvider(slow, name="mocked"):
            async with httpx.AsyncClient() as web:
                decoder = SSEDecoder()
                async with web.stream("POST", url, params={"dialect": dialect}) as answer:
                    async for data in answer.aiter_raw():
                        frames += decoder.feed(data)
                        if len(frames) >= 10:
                            break  # the connection is lost
                while True:
                    headers = {"last-event-id": str(frames[-1].id)}
                    async with web.stream("GET", url, headers=headers) as answer:
                        if answer.status_code == 204:
                            break
                        decoder = SSEDecoder()
                        async for data in answer.aiter_raw():
                            frames += decoder.feed(data)
        numbers = [int(str(frame.id).split(":")[1]) for frame in frames]
        assert numbers == list(range(1, len(numbers) + 1))
        text = b"".join(frame.data for frame in frames).decode()
        assert all(word in text for word in WORDS[:30])

    async def test_what_is_not_known_is_gone(self, url: str) -> None:
        async with httpx.AsyncClient() as web:
            assert (await web.get(url, headers={"last-event-id": "abc:3"})).status_code == 410
            assert (await web.get(url)).status_code == 400

    async def test_ids_that_are_none(self, url: str) -> None:
        with mock(PLAIN):
            async with httpx.AsyncClient() as web:
                stream = str(frames_of((await web.post(url, params={"dialect": "openai"})).content)[0].id).split(":")[0]
                for number, status in (
                    ("x", 400),
                    ("", 400),
                    ("-1", 400),
                    ("9" * 5000, 400),
                    ("1000", 410),
                    ("2", 200),
                ):
                    answer = await web.get(url, params={"last_event_id": f"{stream}:{number}"})
                    assert answer.status_code == status


async def test_a_stream_of_the_server_that_is_closed_raises_for_its_reader(client: exllm.Client) -> None:
    with mock(["a ", Wait(30)]):
        stream = client.stream("mocked", "Hi")
        out = stream.to_sse("openai")
        await anext(out)
        await out.aclose()
        with pytest.raises((StreamClosed, StopAsyncIteration)):
            await anext(out)
