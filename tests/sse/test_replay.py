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
            Replays(**wrong)  # type: ignore[arg-type]
    with mock(PLAIN):
        async with Replays() as replays:
            replay: Replay = replays.start(client.stream("mocked", "Hi"))
            for wrong_id in ("other:3", f"{replay.id}:x", "nothing"):
                with pytest.raises(ValueError, match="no event id"):
                    replay.events(after=wrong_id)


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


async def test_a_stream_of_the_server_that_is_closed_raises_for_its_reader(client: exllm.Client) -> None:
    with mock(["a ", Wait(30)]):
        stream = client.stream("mocked", "Hi")
        out = stream.to_sse("openai")
        await anext(out)
        await out.aclose()
        with pytest.raises((StreamClosed, StopAsyncIteration)):
            await anext(out)
