"""Budgets over calls: what is refused before it is sent, what is stopped midway, what is counted at the end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm import model_catalog
from exllm.config import Static
from exllm.testing import MockProvider
from tests.faults.server import Behaviour, FaultServer, Peer

INPUT, OUTPUT = 2.5e-6, 10e-6  # dollars a token of gpt-4o
WORD = "word" * 25  # 100 characters: 25 tokens
USD_PER_WORD = 25 * OUTPUT
ONE_USAGE = {"prompt_tokens": 100, "completion_tokens": 50}
ONE_CALL = 100 * INPUT + 50 * OUTPUT


@pytest.fixture(autouse=True)
def _own_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    file = tmp_path / "prices.yml"
    file.write_text("provider: house\nsources: {me: {as_of: 2026-11-01}}\nmodels:\n"
                    "  dear: {modes: [chat], prices: [{input: 1.0, output: 1000.0}], from: {prices: me}}\n"
                    "  free: {modes: [chat], prices: [{input: 0.0, output: 0.0}], from: {prices: me}}\n")  # fmt: skip
    monkeypatch.setenv("EXLLM_CATALOG", str(file))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    model_catalog.reload()
    yield
    monkeypatch.undo()
    model_catalog.reload()


def _client(url: str, **settings: Any) -> exllm.Client:
    keys = {"openai": {"api_key": "sk-test", "base_url": url}}
    return exllm.Client(config=Static(keys), retry=exllm.RetryPolicy(attempts=1), **settings)


def _event(delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "x", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": choices, "usage": usage}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


async def _endless(peer: Peer) -> None:
    """Words until the other side leaves."""
    await peer.begin_stream()
    await peer.chunk(_event({"role": "assistant", "content": ""}))
    leaving = asyncio.ensure_future(peer.left())
    try:
        for _ in range(2_000):
            await peer.chunk(_event({"content": WORD}))
            if (await asyncio.wait([leaving], timeout=0.001))[0]:
                return
    finally:
        leaving.cancel()
    raise AssertionError("nobody stopped it")


def _streamed(words: int = 3, usage: dict[str, int] | None = ONE_USAGE) -> Behaviour:
    async def behave(peer: Peer) -> None:
        events = [_event({"role": "assistant", "content": ""}), *[_event({"content": WORD})] * words]
        events += [_event({}, "stop"), *([_event(None, usage=usage)] if usage else []), b"data: [DONE]\n\n"]
        await peer.stream(events)

    return behave


async def _whole(peer: Peer) -> None:
    message = {"role": "assistant", "content": WORD}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    await peer.answer(json.dumps({"id": "x", "model": "gpt-4o", "choices": [choice], "usage": ONE_USAGE}).encode())


async def _ask(client: exllm.Client, way: str, messages: Any = "Hi", **options: Any) -> exllm.Response:
    if way == "chat":
        return await client.chat("openai/gpt-4o", messages, **options)
    async with client.stream("openai/gpt-4o", messages, **options) as stream:
        return await stream.collect()


both_ways = pytest.mark.parametrize(("way", "behave"), [("chat", _whole), ("stream", _streamed())])


# -- stopped midway


async def test_a_stream_is_stopped_with_what_had_arrived_and_the_server_sees_it_leave() -> None:
    seen = ""
    budget = exllm.Budget(10.5 * USD_PER_WORD)
    async with FaultServer(_endless) as server, _client(server.url) as client:
        with pytest.raises(exllm.BudgetExceeded, match="the answer was stopped") as caught:  # noqa: PT012
            async with client.stream("openai/gpt-4o", "Hi", budget=budget) as stream:
                async for text in stream.text():
                    seen += text
        await server.all_left()
    error = caught.value
    assert (error.provider, error.model, error.retryable) == ("openai", "gpt-4o", False)
    assert error.limit_usd == budget.usd < error.spent_usd < budget.usd * 3
    assert error.partial is not None
    assert error.partial.text == seen
    assert len(seen) >= 1_000, "the words that the limit pays for"
    assert error.partial.finish_reason is None
    assert budget.in_flight == 0.0
    assert budget.spent == pytest.approx(error.spent_usd)


async def test_the_connection_is_closed_before_the_consumer_comes_back() -> None:
    async with FaultServer(_endless) as server, _client(server.url) as client:
        stream = client.stream("openai/gpt-4o", "Hi", budget=3 * USD_PER_WORD)
        async with stream:
            async for chunk in stream:
                if stream.cost.total and stream.cost.total > 3 * USD_PER_WORD:
                    await server.all_left()  # while this task holds the chunk
                    assert chunk.text
                    assert stream.error is None
                    break
            with pytest.raises(exllm.BudgetExceeded):
                await stream.collect()


async def test_a_consumer_who_stays_away_costs_no_more_than_the_limit() -> None:
    async with FaultServer(_endless) as server, _client(server.url) as client:
        stream = client.stream("openai/gpt-4o", "Hi", budget=5 * USD_PER_WORD)
        async with stream:
            await asyncio.sleep(0.3)  # the stream reads ahead
            await server.all_left()
            assert isinstance(stream.error, exllm.BudgetExceeded)


@pytest.mark.parametrize("keep", [True, False])
async def test_all_that_was_said_counts_kept_or_not(keep: bool) -> None:
    async def thinks_and_calls(peer: Peer) -> None:
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
        await peer.stream([
            _event({"role": "assistant", "reasoning_content": WORD}),
            _event({"tool_calls": [call]}),
            *[_event({"tool_calls": [{"index": 0, "function": {"arguments": WORD}}]})] * 3,
            _event({}, "tool_calls"),
            b"data: [DONE]\n\n",
        ])  # fmt: skip

    budget = exllm.Budget(1.0)
    async with FaultServer(thinks_and_calls) as server, _client(server.url) as client:
        stream = client.stream("openai/gpt-4o", "Hi", budget=budget, accumulate=keep)
        await stream.collect()
    assert stream.cost.output == pytest.approx(4 * USD_PER_WORD)
    assert stream.cost.estimated
    assert budget.spent == pytest.approx(stream.cost.total)


async def test_an_answer_that_came_to_its_own_end_is_not_withheld() -> None:
    budget = exllm.Budget(2.5 * USD_PER_WORD)

    async def at_once(peer: Peer) -> None:
        await peer.begin_stream()
        events = [*[_event({"content": WORD})] * 9, _event({}, "stop")]
        await peer.chunk(b"".join(events))
        await asyncio.sleep(0.05)
        await peer.chunk(_event(None, usage=ONE_USAGE) + b"data: [DONE]\n\n")
        await peer.end_stream()

    async with FaultServer(at_once) as server, _client(server.url) as client:
        response = await _ask(client, "stream", budget=budget)
    assert response.text == WORD * 9
    assert budget.spent == response.cost.total == pytest.approx(ONE_CALL)


async def test_streams_at_the_same_time_are_stopped_by_what_they_cost_together() -> None:
    budget = exllm.Budget(40 * USD_PER_WORD)
    texts: list[str] = []

    async def one(client: exllm.Client) -> None:
        with pytest.raises(exllm.BudgetExceeded) as caught:
            await _ask(client, "stream", budget=budget)
        assert caught.value.partial is not None
        texts.append(caught.value.partial.text)

    async with FaultServer(_endless) as server, _client(server.url) as client:
        await asyncio.gather(*(one(client) for _ in range(4)))
        await server.all_left()
    assert 40 * 100 <= sum(map(len, texts)) < 80 * 100, "not 40 words each"
    assert budget.in_flight == 0.0


# -- refused before it is sent


@both_ways
async def test_a_used_up_budget_makes_no_connection(way: str, behave: Behaviour) -> None:
    budget = exllm.Budget(ONE_CALL)
    async with FaultServer(behave) as server, _client(server.url, budget=budget) as client:
        await _ask(client, way)
        assert budget.spent == pytest.approx(ONE_CALL)
        connections, requests = server.accepted, len(server.requests)
        with pytest.raises(exllm.BudgetExceeded, match="used up"):
            await _ask(client, way)
        assert (server.accepted, len(server.requests)) == (connections, requests) == (1, 1)
    assert budget.spent == pytest.approx(ONE_CALL)


@both_ways
async def test_an_input_that_costs_more_than_is_left_is_not_sent(way: str, behave: Behaviour) -> None:
    async with FaultServer(behave) as server, _client(server.url) as client:
        with pytest.raises(exllm.BudgetExceeded, match="alone cost about") as caught:
            await _ask(client, way, "x" * 4_000, budget=999 * INPUT)
        assert server.accepted == 0
        assert caught.value.partial is None
        await _ask(client, way, "x" * 4_000, budget=1_005 * INPUT)


@both_ways
async def test_the_schemas_of_tools_are_input_too(way: str, behave: Behaviour) -> None:
    tool = exllm.Tool("f", "d" * 4_000)
    async with FaultServer(behave) as server, _client(server.url) as client:
        with pytest.raises(exllm.BudgetExceeded, match="alone cost about"):
            await _ask(client, way, "Hi", budget=999 * INPUT, tools=[tool])
        assert server.accepted == 0


@both_ways
async def test_an_unknown_price_is_refused_or_allowed_as_the_budget_says(way: str, behave: Behaviour) -> None:
    async def unpriced(peer: Peer) -> None:
        original = peer.send

        async def send(data: bytes) -> None:
            await original(data.replace(b"gpt-4o", b"gpt-9x"))

        peer.send = send  # type: ignore[method-assign]
        await behave(peer)

    async with FaultServer(unpriced) as server, _client(server.url) as client:

        async def ask(budget: exllm.Budget) -> None:
            if way == "chat":
                await client.chat("openai/gpt-9x", "Hi", budget=budget)
            else:
                await client.stream("openai/gpt-9x", "Hi", budget=budget).collect()

        with pytest.raises(exllm.BudgetExceeded, match="price is not known"):
            await ask(exllm.Budget(1.0))
        assert server.accepted == 0
        allowed = exllm.Budget(1.0, unknown="allow")
        await ask(allowed)
        assert (allowed.spent, allowed.unknown_calls) == (0.0, 1)


async def test_when_one_of_several_budgets_refuses_the_others_set_nothing_aside() -> None:
    rich, poor = exllm.Budget(1.0), exllm.Budget(0.0)
    async with FaultServer(_whole) as server, _client(server.url, budget=rich) as client:
        with pytest.raises(exllm.BudgetExceeded):
            await client.chat("openai/gpt-4o", "Hi", budget=[exllm.Budget(1.0), poor])
        assert server.accepted == 0
    assert (rich.spent, rich.in_flight) == (0.0, 0.0)


# -- what counts


@both_ways
async def test_the_usage_that_the_provider_reports_is_what_counts_at_the_end(way: str, behave: Behaviour) -> None:
    total, client_wide = exllm.Budget(1.0), exllm.Budget(1.0)
    async with FaultServer(behave) as server, _client(server.url, budget=client_wide) as client:
        first = await _ask(client, way, budget=[total, 0.5])
        second = await _ask(client, way, budget=total)
        await _ask(client, way)
    assert (
        total.spent == pytest.approx(2 * ONE_CALL) == pytest.approx((first.cost.total or 0) + (second.cost.total or 0))
    )
    assert client_wide.spent == pytest.approx(3 * ONE_CALL)


async def test_a_stream_that_reports_nothing_counts_its_text() -> None:
    budget = exllm.Budget(1.0)
    async with FaultServer(_streamed(4, usage=None)) as server, _client(server.url) as client:
        response = await _ask(client, "stream", budget=budget)
    assert response.cost.total is None
    assert budget.spent == pytest.approx(4 * USD_PER_WORD + 5 * INPUT)
    assert budget.unknown_calls == 0


async def test_a_stream_that_is_left_counts_what_had_arrived() -> None:
    budget = exllm.Budget(1.0)
    async with FaultServer(_endless) as server, _client(server.url) as client:
        async with client.stream("openai/gpt-4o", "Hi", budget=budget) as stream:
            async for text in stream.text():
                assert text
                assert budget.in_flight > 0.0
                break
        await server.all_left()
    assert budget.in_flight == 0.0
    assert budget.spent == pytest.approx(stream.cost.total)
    assert budget.spent >= USD_PER_WORD


@pytest.mark.parametrize("way", ["chat", "stream"])
async def test_failed_attempts_count_nothing_and_the_one_that_answers_counts_once(way: str) -> None:
    async def fail(peer: Peer) -> None:
        await peer.answer(b"{}", "500 Internal Server Error")

    budget = exllm.Budget(1.0)
    async with FaultServer(fail, fail, _whole if way == "chat" else _streamed()) as server, exllm.Client(
        config=Static({"openai": {"api_key": "k", "base_url": server.url}}), retry=exllm.RetryPolicy(3, 0.0)
    ) as client:  # fmt: skip
        await _ask(client, way, budget=budget)
        assert len(server.requests) == 3
    assert budget.spent == pytest.approx(ONE_CALL)
    async with FaultServer(fail) as server, _client(server.url) as client:
        with pytest.raises(exllm.ServerError):
            await _ask(client, way, budget=budget)
    assert budget.spent == pytest.approx(ONE_CALL)
    assert budget.in_flight == 0.0


@pytest.mark.parametrize("way", ["chat", "stream"])
async def test_a_cancelled_call_gives_back_what_was_set_aside(way: str) -> None:
    asked = asyncio.Event()

    async def silent(peer: Peer) -> None:
        asked.set()
        await peer.left()

    budget = exllm.Budget(1.0)
    async with FaultServer(silent) as server, _client(server.url) as client:
        task = asyncio.ensure_future(_ask(client, way, budget=budget))
        await asked.wait()
        assert budget.in_flight > 0.0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (budget.spent, budget.in_flight) == (0.0, 0.0)


async def test_each_key_has_its_own_budget() -> None:
    budget = exllm.Budget(ONE_CALL, per="day", each_key=True)
    async with FaultServer(_whole) as server, _client(server.url, budget=budget) as client:
        await client.chat("openai/gpt-4o", "Hi", api_key="sk-one")
        with pytest.raises(exllm.BudgetExceeded, match="of this key for today"):
            await client.chat("openai/gpt-4o", "Hi", api_key="sk-one")
        await client.chat("openai/gpt-4o", "Hi", api_key="sk-two")
        assert len(server.requests) == 2


async def test_embeddings_count_and_are_refused() -> None:
    async def embed(peer: Peer) -> None:
        rows = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}]
        usage = {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}
        await peer.answer(json.dumps({"data": rows, "model": "text-embedding-3-small", "usage": usage}).encode())

    budget = exllm.Budget(0.01)
    async with FaultServer(embed) as server, _client(server.url) as client:
        with pytest.raises(exllm.BudgetExceeded, match="alone cost about"):
            await client.embed("openai/text-embedding-3-small", "x" * 4_000_000, budget=budget)
        assert server.accepted == 0
        await client.embed("openai/text-embedding-3-small", "Hi", budget=budget)
        assert budget.spent == pytest.approx(0.02)
        with pytest.raises(exllm.BudgetExceeded, match="used up"):
            await client.embed("openai/text-embedding-3-small", "Hi", budget=budget)
        assert len(server.requests) == 1


# -- other backends


async def test_local_and_free_models_are_not_held_up_by_a_used_up_budget() -> None:
    nothing_left = exllm.Budget(0.0)
    with MockProvider("Hello"):
        async with exllm.Client(budget=nothing_left) as client:
            async with client.stream("mock", "Hi") as stream:
                assert (await stream.collect()).text == "Hello"
            assert (await client.chat("mock", "Hi")).cost.total == 0.0
            assert len((await client.embed("mock", ["Hi"])).vectors) == 1
    assert (stream.cost.total, stream.cost.source, stream.cost.estimated) == (0.0, "local", False)
    with _House(name="house"):
        async with exllm.Client(budget=nothing_left) as client:
            assert (await client.chat("house/free", "Hi")).cost.total == 0.0
    assert nothing_left.spent == 0.0


class _House(MockProvider):
    local = False


async def test_a_foreign_backend_with_a_price_is_stopped_and_closed() -> None:
    with _House(["word "] * 1_000, name="house", delay_s=0.0005) as house:
        async with exllm.Client(budget=0.05) as client:  # of dear: 50 tokens, 40 words
            with pytest.raises(exllm.BudgetExceeded) as caught:
                await client.stream("house/dear", "Hi").collect()
        assert house.open_answers == 0
    assert caught.value.partial is not None
    assert 195 <= len(caught.value.partial.text) <= 210


# -- the cost of a running stream


async def test_the_cost_of_a_stream_is_an_estimate_until_the_provider_reports() -> None:
    ready, go_on = asyncio.Event(), asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(_event({"content": WORD}))
        ready.set()
        await go_on.wait()
        await peer.chunk(_event({}, "stop") + _event(None, usage=ONE_USAGE) + b"data: [DONE]\n\n")
        await peer.end_stream()

    async with FaultServer(behave) as server, _client(server.url) as client:
        stream = client.stream("openai/gpt-4o", "Hi")
        assert stream.cost == exllm.Cost(total=0.0), "nothing was sent"
        async with stream:
            async for _ in stream.text():
                break
            cost = stream.cost
            assert cost.estimated
            assert cost.source == "catalog"
            assert cost.output == pytest.approx(USD_PER_WORD)
            assert cost.input == pytest.approx(5 * INPUT)
            assert stream.response.cost.total is None, "what was reported, which is nothing yet"
            go_on.set()
            response = await stream.collect()
        assert stream.cost == response.cost
        assert not stream.cost.estimated
        assert stream.cost.total == pytest.approx(ONE_CALL)


async def test_usage_that_is_reported_as_it_goes_is_not_guessed() -> None:
    async def behave(peer: Peer) -> None:
        usage = {"prompt_tokens": 100, "completion_tokens": 7}
        await peer.begin_stream()
        await peer.chunk(_event({"content": WORD}, usage=usage))
        await peer.left()

    async with FaultServer(behave) as server, _client(server.url) as client:
        stream = client.stream("openai/gpt-4o", "Hi", budget=exllm.Budget(1.0))
        async with stream:
            async for _ in stream.text():
                break
            assert not stream.cost.estimated
            assert stream.cost.total == pytest.approx(100 * INPUT + 7 * OUTPUT)


async def test_a_stream_that_failed_before_it_began_cost_nothing() -> None:
    async def fail(peer: Peer) -> None:
        await peer.answer(b"{}", "400 Bad Request")

    async with FaultServer(fail) as server, _client(server.url) as client:
        stream = client.stream("openai/gpt-4o", "Hi")
        with pytest.raises(exllm.InvalidRequest):
            await stream.collect()
        assert stream.cost == exllm.Cost(total=0.0)


async def test_a_running_cost_without_a_price_says_why() -> None:
    with _House("Hello", name="house"):
        async with exllm.Client() as client, client.stream("house/unheard-of", "Hi") as stream:
            await stream.collect()
    assert stream.cost == exllm.Cost(reason="the model catalog does not know house/unheard-of")


# -- threads and loops


def test_loops_in_several_threads_share_one_budget() -> None:
    budget = exllm.Budget(10.5 * ONE_CALL)
    refused: list[exllm.BudgetExceeded] = []
    made: list[exllm.Response] = []

    async def calls() -> None:
        async with FaultServer(_whole) as server, _client(server.url, budget=budget) as client:
            for _ in range(10):
                try:
                    made.append(await client.chat("openai/gpt-4o", "Hi"))
                except exllm.BudgetExceeded as error:
                    refused.append(error)

    threads = [threading.Thread(target=asyncio.run, args=(calls(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=15)
    assert len(made) + len(refused) == 40
    assert 11 <= len(made) <= 11 + 3, "at most what the other three had in flight"
    assert budget.spent == pytest.approx(len(made) * ONE_CALL)
    assert budget.in_flight == 0.0


def test_a_client_in_another_thread_is_stopped_by_what_this_one_spends() -> None:
    budget = exllm.Budget(1.0)
    stopped: list[float] = []
    running = threading.Event()

    async def read() -> None:
        async with FaultServer(_endless) as server, _client(server.url) as client:
            with pytest.raises(exllm.BudgetExceeded):  # noqa: PT012
                async with client.stream("openai/gpt-4o", "Hi", budget=budget) as stream:
                    async for _ in stream.text():
                        running.set()
            stopped.append(time.monotonic())
            await server.all_left()

    thread = threading.Thread(target=asyncio.run, args=(read(),))
    thread.start()
    assert running.wait(10)
    spent_at = time.monotonic()
    budget.hold(0.0, "").settle(1.0)
    thread.join(timeout=15)
    assert stopped
    assert stopped[0] - spent_at < 2.0
