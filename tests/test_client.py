"""What a client promises: connections closed when left, counted and pooled, and nothing done that nobody asked for."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import exllm
from exllm import call as call_module
from exllm.config import Static
from exllm.testing import MockProvider
from tests.faults.dialects import ANTHROPIC, DIALECTS, OPENAI, TEXT, Dialect
from tests.faults.expect import KEY, client_for, open_connections, served
from tests.faults.server import FaultServer, Peer

by_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.provider)
TRIES = 3
"""Limits of a few milliseconds are judged by the best of three: the machine may be busy with something else."""


# -- leaving a stream


async def left_owned(stream: exllm.Stream) -> None:
    async with stream:
        async for chunk in stream:
            if chunk.text:
                break


async def left_unowned(stream: exllm.Stream) -> None:
    async for chunk in stream:
        if chunk.text:
            break


async def left_text(stream: exllm.Stream) -> None:
    async for _ in stream.text():
        break


async def left_batches(stream: exllm.Stream) -> None:
    async with stream:
        async for batch in stream.batches(max_delay=0.001):
            if any(chunk.text for chunk in batch):
                break


async def left_batches_unowned(stream: exllm.Stream) -> None:
    async for batch in stream.batches(max_delay=0.001):
        if any(chunk.text for chunk in batch):
            break


async def left_events(stream: exllm.Stream) -> None:
    async for event in stream.events():
        if b"text_delta" in event:
            break


async def left_tee(stream: exllm.Stream) -> None:
    async with stream:
        first, _ = stream.tee(2)
        async for chunk in first:
            if chunk.text:
                break


async def left_tee_unowned(stream: exllm.Stream) -> None:
    first, _ = stream.tee(2)
    async for chunk in first:
        if chunk.text:
            break


async def left_by_error(stream: exllm.Stream) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with stream:
            async for _ in stream:
                raise ZeroDivisionError


WAYS_TO_LEAVE = (
    left_owned, left_unowned, left_text, left_batches, left_batches_unowned, left_events, left_tee, left_tee_unowned,
    left_by_error,
)  # fmt: skip


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def _seen_to_close_after(dialect: Dialect, leave: Callable[[exllm.Client], Awaitable[Any]]) -> float:
    """Seconds from when `leave` returns until the server sees the connection close."""
    left: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*dialect.opening, dialect.text("one "), dialect.text("two ")):
            await peer.chunk(frame)
        left.set_result(await peer.left())

    async with FaultServer(behave) as server, client_for(dialect, server.url) as client:
        kept = await leave(client)
        at = time.monotonic()
        async with asyncio.timeout(5):
            seen_at = await left
        assert open_connections(client) == 0
        del kept
        return seen_at - at


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "dropped"])
@pytest.mark.parametrize("way", WAYS_TO_LEAVE)
async def test_q06_a_break_closes_the_connection_within_100_ms_without_the_collector(
    way: Callable[[exllm.Stream], Awaitable[None]], is_kept: bool
) -> None:
    async def leave(client: exllm.Client) -> exllm.Stream | None:
        stream = client.stream(OPENAI.name, "Hi")
        with warnings.catch_warnings(record=True):  # an abandoned stream warns, see below
            warnings.simplefilter("always")
            await way(stream)
            if is_kept:
                return stream
            del stream
        return None

    delays = [await _seen_to_close_after(OPENAI, leave) for _ in range(TRIES)]
    assert min(delays) < 0.1, delays


@by_dialect
async def test_a_stream_that_is_abandoned_warns_and_says_what_to_write(dialect: Dialect) -> None:
    async def leave(client: exllm.Client) -> None:
        with pytest.warns(ResourceWarning, match="async with client.stream") as found:
            await left_unowned(client.stream(dialect.name, "Hi"))
        assert len(found) == 1

    await _seen_to_close_after(dialect, leave)


@by_dialect
async def test_q07_closing_from_another_task_ends_the_reader_and_the_socket_within_50_ms(dialect: Dialect) -> None:
    errors = []

    async def leave(client: exllm.Client) -> None:
        stream = client.stream(dialect.name, "Hi")
        is_waiting = asyncio.Event()

        async def read() -> None:
            texts = []
            try:
                async for text in stream.text():
                    texts.append(text)
                    if len(texts) == 2:
                        asyncio.get_running_loop().call_later(0.01, is_waiting.set)
            except exllm.StreamClosed as error:
                errors.append(error)
            assert "".join(texts) == "one two "

        async with stream:
            reader = asyncio.create_task(read())
            await is_waiting.wait()
            await stream.aclose()
            await stream.aclose()
            assert open_connections(client) == 0
        await reader

    delays = [await _seen_to_close_after(dialect, leave) for _ in range(TRIES)]
    assert min(delays) < 0.05, delays
    assert len(errors) == TRIES
    for error in errors:
        assert "closed" in error.message
        assert error.provider == dialect.provider
        assert error.partial is not None
        assert error.partial.text == "one two "


async def test_q07_closing_twice_at_once_is_fine() -> None:
    async def leave(client: exllm.Client) -> None:
        async with client.stream(OPENAI.name, "Hi") as stream:
            await anext(stream)
            await asyncio.gather(stream.aclose(), stream.aclose(), stream.aclose())

    await _seen_to_close_after(OPENAI, leave)


async def test_a_stream_that_was_never_entered_costs_nothing() -> None:
    async with served(OPENAI, OPENAI.reply()) as (server, client):
        stream = client.stream(OPENAI.name, "Hi")
        await stream.aclose()
        with pytest.raises(exllm.StreamClosed):
            await anext(stream)
        del stream
        client.stream(OPENAI.name, "Hi")
        assert server.accepted == 0


# -- the client's own end


@by_dialect
async def test_q11_a_client_that_is_left_leaves_no_socket(dialect: Dialect) -> None:
    async with FaultServer(dialect.reply()) as server:
        async with client_for(dialect, server.url) as client:
            await asyncio.gather(*(client.chat(dialect.name, "Hi") for _ in range(5)))
            assert server.connections > 0
        await server.all_left(0.5)
        await client.aclose()
        assert (await client.chat(dialect.name, "Hi")).text == TEXT  # it may be used again
        await client.aclose()
        await server.all_left(0.5)


async def test_q11_a_forgotten_client_warns_once_and_names_where_it_was_made() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        client = client_for(OPENAI, server.url)
        await client.chat(OPENAI.name, "Hi")
        with pytest.warns(ResourceWarning) as found:
            del client
        (message,) = [str(warning.message) for warning in found]
        assert "expect.py" in message
        assert "async with" in message
        found.clear()  # a warning holds what it is about
        await server.all_left()  # the loop has closed what was open


async def test_q11_a_client_that_was_never_used_need_not_be_closed() -> None:
    exllm.Client()
    gc.collect()


async def test_q12_a_thousand_streams_through_a_pool_of_ten() -> None:
    """30 % are left early, 30 % are told to wait first."""
    numbers = iter(range(10_000))

    async def behave(peer: Peer) -> None:
        if next(numbers) % 10 < 3:
            await OPENAI.refuse("429 Too Many Requests", ("retry-after-ms", "1"))(peer)
        else:
            await OPENAI.reply()(peer)

    asyncio.get_running_loop().set_debug(False)  # it would take most of the time
    policy = exllm.RetryPolicy(attempts=20, base_s=0.001)
    async with served(OPENAI, behave, max_connections=10, retry=policy) as (server, client):
        at_most = asyncio.Semaphore(100)

        async def one(number: int) -> str:
            async with at_most, client.stream(OPENAI.name, "Hi") as stream:
                if number % 10 < 3:
                    async for text in stream.text():
                        return text
                return (await stream.collect()).text

        texts = await asyncio.gather(*map(one, range(1000)))
        assert [text == TEXT for text in texts] == [number % 10 >= 3 for number in range(1000)]
        assert open_connections(client) == 0
        assert server.connections <= 10
        assert len(server.requests) > 1200


# -- no surprise


@by_dialect
async def test_q23_nothing_is_added_to_what_was_said(dialect: Dialect) -> None:
    said = ["Hi", "Hello.", "And?"] if dialect.takes_conversations else ["Hi"]
    async with served(dialect, dialect.reply()) as (server, client):
        await client.chat(
            dialect.name, [{"role": role, "content": text} for role, text in zip(SIDES, said, strict=False)]
        )
        body = server.requests[0].json
    assert not {"system", "systemInstruction", "instructions", "preamble"} & body.keys()
    assert _words_of(body) == said


SIDES = ("user", "assistant", "user")


def _words_of(body: dict[str, Any]) -> list[str]:
    """What a request says, in whatever words its protocol has for it."""
    if isinstance(body.get("input"), dict):  # Replicate: what the model itself takes
        body = body["input"]
    if "prompt" in body:
        return [body["prompt"]]
    if isinstance(body.get("input"), str):
        return [body["input"]]
    if "message" in body:
        return [*(entry["message"] for entry in body.get("chat_history", ())), body["message"]]
    contents = [
        message.get("content", message.get("parts"))
        for message in next(body[name] for name in ("messages", "contents", "input") if name in body)
    ]
    return [
        part["text"] if isinstance(part, dict) else part
        for content in contents
        for part in (content if isinstance(content, list) else [content])
    ]


@pytest.mark.parametrize(
    "dialect", [dialect for dialect in DIALECTS if dialect.tool_frames], ids=lambda dialect: dialect.provider
)
async def test_q23_no_tool_is_run_unasked(dialect: Dialect) -> None:
    ran = []
    assert dialect.tool_frames is not None
    frames = dialect.tool_frames(['{"pla', 'ce": "here"}'])

    def look(place: str) -> str:
        """Look there."""
        ran.append(place)
        return place

    async def behave(peer: Peer) -> None:
        await peer.stream(frames)

    async with served(dialect, behave) as (server, client), client.stream(dialect.name, "Hi", tools=[look]) as stream:
        response = await stream.collect()
        assert len(server.requests) == 1
    assert [(call.name, call.parse_arguments()) for call in response.tool_calls] == [("look", {"place": "here"})]
    assert ran == []


@by_dialect
async def test_q23_repetition_is_no_reason_to_stop_and_nothing_is_printed(
    dialect: Dialect, capfd: pytest.CaptureFixture[str]
) -> None:
    async with served(dialect, dialect.reply(("la ",) * 2000)) as (_, client):
        stream = client.stream(dialect.name, "Sing")
        assert (await stream.collect()).text == "la " * 2000
    assert capfd.readouterr() == ("", "")


# -- long requests


async def test_q24_a_long_request_is_a_stream_underneath_and_has_no_ten_minute_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cap is lowered to 0.3 s for the test; the answer takes twice as long."""
    monkeypatch.setattr(call_module, "DEFAULT_CHAT_TOTAL_S", 0.3)
    monkeypatch.setattr(call_module, "_limits", call_module._limits.__wrapped__)  # not what it remembers

    async def behave(peer: Peer) -> None:
        if not peer.request.json.get("stream"):
            await peer.left()
            return
        await peer.begin_stream()
        for frame in ANTHROPIC.frames():
            await peer.chunk(frame)
            await asyncio.sleep(0.07)
        await peer.end_stream()

    async with served(ANTHROPIC, behave) as (server, client):
        response = await client.chat(ANTHROPIC.name, "Write a book", max_tokens=64_000)
        assert response.text == TEXT
        assert response.finish_reason == "stop"
        assert server.requests[0].json["stream"] is True
        with pytest.raises(exllm.TotalTimeout):
            await client.chat(ANTHROPIC.name, "Hi", max_tokens=100)
        assert not server.requests[1].json.get("stream")


# -- usage


@by_dialect
async def test_q16_usage_is_asked_for_and_reported_in_streams(dialect: Dialect) -> None:
    async with served(dialect, dialect.reply()) as (server, client):
        async with client.stream(dialect.name, "Hi") as stream:
            response = await stream.collect()
        if dialect is OPENAI:
            assert server.requests[0].json["stream_options"] == {"include_usage": True}
    usage = response.usage
    counted = (9, 5, "reported") if dialect.counts_tokens else (None, None, "unknown")
    assert (usage.input_tokens, usage.output_tokens, usage.provenance) == counted


@by_dialect
async def test_q16_an_aborted_stream_never_claims_zeros(dialect: Dialect) -> None:
    async with served(dialect, dialect.reply()) as (_, client):
        async with client.stream(dialect.name, "Hi") as stream:
            async for _ in stream.text():
                break
        usage = stream.response.usage
    assert usage.provenance in ("unknown", "partial", "reported")
    assert usage.output_tokens is None or usage.output_tokens > 0
    assert usage.input_tokens is None or usage.input_tokens == 9


# -- settings


async def test_an_environment_with_a_proxy_is_obeyed_and_can_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(peer: Peer) -> None:
        assert peer.request.path.startswith("http://api.invalid/")
        await OPENAI.reply()(peer)

    async with FaultServer(proxy) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("NO_PROXY", "")
        async with client_for(OPENAI, "http://api.invalid/v1") as client:
            assert (await client.chat(OPENAI.name, "Hi")).text == TEXT
        monkeypatch.delenv("HTTP_PROXY")
        monkeypatch.delenv("http_proxy", raising=False)
        async with client_for(OPENAI, "http://api.invalid/v1", proxy=server.url) as client:
            assert (await client.chat(OPENAI.name, "Hi")).text == TEXT
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        async with client_for(OPENAI, server.url, trust_env=False) as client:
            with pytest.raises(exllm.ExLLMError):  # it came here directly, and the proxy above insists on another path
                await client.chat(OPENAI.name, "Hi")
        server.failures.clear()


async def test_keys_and_addresses_of_one_call_win_over_the_clients() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        async with exllm.Client(
            config=Static({"openai": {"api_key": KEY, "base_url": "http://127.0.0.1:1"}})
        ) as client:
            await client.chat(OPENAI.name, "Hi", base_url=server.url + "/other/", api_key="sk-tenant")
        assert server.requests[0].path == "/other/chat/completions"
        assert server.requests[0].headers["authorization"] == "Bearer sk-tenant"


async def test_a_missing_key_is_known_before_any_request_and_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    async with exllm.Client() as client:
        with pytest.raises(exllm.ConfigurationError, match="OPENAI_API_KEY"):
            client.stream(OPENAI.name, "Hi")


async def test_a_foreign_provider_needs_only_the_protocol() -> None:
    class Echo:
        name = "echo"

        async def chat(self, request: exllm.Request) -> exllm.Response:
            return exllm.Response((exllm.Choice(exllm.Message("assistant", request.messages[-1].text)),))

        async def stream(self, request: exllm.Request) -> Any:
            yield exllm.TextDelta(request.messages[-1].text)
            yield exllm.Finish("stop")

    exllm.providers.register(Echo())
    try:
        async with exllm.Client() as client:
            assert (await client.chat("echo/m", "Hi")).text == "Hi"
            async with client.stream("echo/m", "Hi") as stream:
                assert (await stream.collect()).text == "Hi"
            with pytest.raises(exllm.ConfigurationError, match="default model"):
                await client.chat("echo", "Hi")
    finally:
        exllm.providers.unregister("echo")


async def test_a_time_limit_of_a_foreign_providers_own_is_not_taken_for_the_callers() -> None:
    class Slow:
        name = "slow"

        async def chat(self, request: exllm.Request) -> exllm.Response:
            raise TimeoutError("its database")

        async def stream(self, request: exllm.Request) -> Any:
            raise TimeoutError("its database")
            yield

    exllm.providers.register(Slow())
    try:
        async with exllm.Client() as client:
            for call in (client.chat("slow/m", "Hi"), client.stream("slow/m", "Hi").collect()):
                with pytest.raises(exllm.ProtocolError, match="its database"):
                    await call
    finally:
        exllm.providers.unregister("slow")


async def test_module_level_calls_share_a_client_and_its_streams_are_whole() -> None:
    with MockProvider("One two."):
        assert (await exllm.chat("mock", "Hi")).text == "One two."
        async with exllm.stream("mock", "Hi") as stream:
            assert [text async for text in stream.text()] == ["One", " two."]
