"""Streams that the provider keeps: OpenAI's background responses and Google's stored interactions, as recorded.

A server of ours keeps a recorded stream, breaks off, and gives what follows an event, as the providers document it.
"""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

import exllm
from exllm import NotFound, ProviderEvent, Response, StreamInterrupted
from exllm.config import Static
from exllm.providers.gemini_interactions import WIRE as INTERACTIONS
from exllm.providers.openai_responses import WIRE as RESPONSES
from exllm.recovery import Cursor, Recovery
from exllm.streaming.sse import SSEDecoder
from tests.faults.server import FaultServer, Peer
from tests.providers import gemini_interactions_recordings as of_interactions
from tests.providers import openai_responses_recordings as of_responses

FAST = exllm.RetryPolicy(base_s=0.001)
KEY = "plain0123456789abcdef"


def events_of(body: bytes) -> list[bytes]:
    """The events of a recorded stream, each as it was sent."""
    return [piece + b"\n\n" for piece in body.replace(b"\r\n", b"\n").strip().split(b"\n\n")]


def with_ids(body: bytes) -> bytes:
    """The events of an interaction with the ids that the API documents; those that were recorded have none."""
    events: list[bytes] = []
    for number, event in enumerate(events_of(body)):
        name, _feed, data = event.partition(b"data: {")
        events.append(name + b'data: {"event_id": "evt_%d", ' % number + data if data else event)
    return b"".join(events)


def key_of(wire: Any, event: bytes) -> str | None:
    frames = SSEDecoder().feed(event)
    key: str | None = wire.event_key(frames[0]) if frames else None
    return key


class KeptStream:
    """Breaks off after so many events of a recorded stream; hands over the rest, or the whole, when asked."""

    def __init__(self, wire: Any, body: bytes, breaks_after: list[int], is_forgotten: bool = False) -> None:
        self._wire = wire
        self._events = events_of(body)
        self._breaks_after = breaks_after
        self._is_forgotten = is_forgotten
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    async def __call__(self, peer: Peer) -> None:
        parts = urlsplit(peer.request.path)
        query = parse_qs(parts.query)
        self.asked.append((f"{peer.request.method} {parts.path}", query))
        start = 0
        if peer.request.method == "GET":
            if self._is_forgotten:
                await peer.answer(b'{"error": {"message": "not found"}}', "404 Not Found")
                return
            after = (query.get("starting_after") or query.get("last_event_id") or [None])[0]
            keys = [key_of(self._wire, event) for event in self._events]
            start = 0 if after is None else keys.index(after) + 1
        end = start + self._breaks_after.pop(0) if self._breaks_after else len(self._events)
        await peer.begin_stream()
        for event in self._events[start:end]:
            await peer.chunk(event)
        if end < len(self._events):
            peer.reset()
        else:
            await peer.end_stream()


RESPONSE_STREAMS = [
    name for name in of_responses.STREAMS
    if b'"sequence_number"' in of_responses.load(name).body and of_responses.load(name).status == 200
    and b"response.completed" in of_responses.load(name).body
]  # fmt: skip
INTERACTION_STREAMS = [name for name in of_interactions.STREAMS if b'"id":"v1_' in of_interactions.load(name).body]
CASES = [
    *[("openai-responses", RESPONSES, of_responses.load(name).body, name) for name in RESPONSE_STREAMS],
    *[
        ("gemini-interactions", INTERACTIONS, with_ids(of_interactions.load(name).body), name)
        for name in INTERACTION_STREAMS
    ],
]


def test_there_is_something_to_try_it_on() -> None:
    assert len(RESPONSE_STREAMS) > 10
    assert INTERACTION_STREAMS


def client_of(server: FaultServer) -> exllm.Client:
    names = ("openai-responses", "gemini-interactions")
    return exllm.Client(config=Static({name: {"api_key": KEY, "base_url": server.url} for name in names}), retry=FAST)


def plain(response: Response) -> Response:
    return msgspec.structs.replace(response, stats=None, request_id=None, cost=exllm.Cost(), warnings=())


async def undisturbed(provider: str, wire: Any, body: bytes) -> Response:
    async with FaultServer(KeptStream(wire, body, [])) as server, client_of(server) as client:
        return plain(await client.stream(f"{provider}/m", "Hi", extra={"background": True}).collect())


@pytest.mark.parametrize(("provider", "wire", "body", "name"), CASES, ids=[case[3][:60] for case in CASES])
async def test_the_answer_is_the_same_wherever_it_broke(provider: str, wire: Any, body: bytes, name: str) -> None:
    whole = await undisturbed(provider, wire, body)
    count = len(events_of(body))
    for first in sorted({count // 4, count // 2, count - 3, max(1, count - 1)}):
        kept = KeptStream(wire, body, [first, 1])  # once more at once, after one event
        async with FaultServer(kept) as server, client_of(server) as client:
            stream = client.stream(f"{provider}/m", "Hi", extra={"background": True}, recover=Recovery(attempts=9))
            async with stream:
                chunks = [chunk async for chunk in stream]
        assert plain(stream.response) == whole
        assert "".join(chunk.text for chunk in chunks if chunk.index == 0) == whole.text
        resumed = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent) and chunk.provider == "exllm"]
        if resumed:  # where nothing of the answer had come, it was only asked again
            assert {event.data["by"] for event in resumed} == {"stream"}
            method, query = kept.asked[-1]
            assert method.startswith("GET ")
            assert query["stream"] == ["true"]
            assert "starting_after" in query or "last_event_id" in query


@pytest.mark.parametrize(
    ("provider", "wire", "body", "name"), CASES[::6] + CASES[-1:], ids=lambda value: str(value)[:40]
)
async def test_another_process_goes_on_where_it_broke(provider: str, wire: Any, body: bytes, name: str) -> None:
    whole = await undisturbed(provider, wire, body)
    count = len(events_of(body))
    for first in sorted({count // 2, count - 3}):
        async with FaultServer(KeptStream(wire, body, [first])) as server, client_of(server) as client:
            stream = client.stream(f"{provider}/m", "Hi", extra={"background": True})
            seen: list[exllm.Chunk] = []
            with contextlib.suppress(StreamInterrupted):
                async for chunk in stream:
                    seen.append(chunk)  # noqa: PERF401 - what came before the failure
            assert stream.error is not None
            stored = msgspec.json.encode(stream.cursor)
        cursor = msgspec.json.decode(stored, type=Cursor)
        if cursor.handle is None:
            continue  # nothing had arrived that could be gone on with
        kept = KeptStream(wire, body, [])
        async with FaultServer(kept) as server, client_of(server) as client, client.resume(cursor) as resumed:
            rest = [chunk async for chunk in resumed]
        assert plain(resumed.response) == whole
        joined = "".join(chunk.text for chunk in (*seen, *rest) if chunk.index == 0)
        assert joined == whole.text
        (asked,) = kept.asked
        assert asked[0].startswith("GET ")
        assert asked[1] == {"stream": ["true"]} or "include[]" in asked[1]


async def test_where_it_is_kept_no_more_the_text_is_gone_on_with() -> None:
    provider, wire, body, _name = next(
        case for case in CASES if "text" in case[3] or case[2].count(b"output_text.delta") > 9
    )
    count = len(events_of(body))
    kept = KeptStream(wire, body, [count // 2], is_forgotten=True)
    async with FaultServer(kept) as server, client_of(server) as client:
        stream = client.stream(f"{provider}/m", "Hi", extra={"background": True}, recover=True)
        async with stream:
            chunks = [chunk async for chunk in stream]
    by = [chunk.data["by"] for chunk in chunks if isinstance(chunk, ProviderEvent) and chunk.provider == "exllm"]
    assert by[0] == "stream"
    assert by[1:] in (["continuation"], ["again"])
    assert [method.split()[0] for method, _query in kept.asked] == ["POST", "GET", "POST"]


async def test_a_cursor_of_a_stream_that_is_gone_says_so() -> None:
    provider, wire, body, _name = CASES[0]
    async with (
        FaultServer(KeptStream(wire, body, [len(events_of(body)) // 2], True)) as server,
        client_of(server) as client,
    ):
        stream = client.stream(f"{provider}/m", "Hi", extra={"background": True})
        with pytest.raises(StreamInterrupted):
            await stream.collect()
        assert stream.cursor.handle is not None
        with pytest.raises(NotFound):
            await client.resume(stream.cursor).collect()


async def test_only_what_runs_in_the_background_is_kept_at_openai() -> None:
    provider, wire, body, _name = CASES[0]
    async with FaultServer(KeptStream(wire, body, [])) as server, client_of(server) as client:
        stream = client.stream(f"{provider}/m", "Hi")
        await stream.collect()
        assert stream.cursor.handle is None
