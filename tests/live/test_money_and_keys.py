"""What sessions cost, budgets that end them, and short-lived keys."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import json
from typing import Any

import pytest

import exllm
from exllm import live
from exllm.config import Static
from tests.faults.server import FaultServer
from tests.faults.server import Peer as HttpPeer
from tests.live.events import until
from tests.live.openai import KEY, MODEL, begin, client_for, done, receive, said, set_up
from tests.live.scripted_server import Peer, ScriptedServer

MILLION = {"total_tokens": 1_500_000, "input_tokens": 1_000_000, "output_tokens": 500_000}


async def answer_dearly(peer: Peer) -> None:
    await set_up(peer)
    while True:
        await receive(peer, "response.create")
        *events, last = done(peer, "r1", "i1", "Gold")
        last["response"]["usage"] = MILLION
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "Gold"), *events, last)


async def test_the_cost_is_that_of_all_turns() -> None:
    async with ScriptedServer(answer_dearly) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            assert session.cost.total is None
            for _ in range(2):
                await session.send("Speak")
                await until(session, live.TurnComplete)
            assert session.usage.total_tokens == 3_000_000
            one = exllm.cost.calculate(MODEL, exllm.Usage(input_tokens=1_000_000, output_tokens=500_000)).total
            assert one is not None
            assert session.cost.total == pytest.approx(2 * one)


@pytest.mark.parametrize("listener", ["gpt-4o-transcribe", "my-own-deployment"])
async def test_who_writes_down_what_the_user_says_has_prices_of_its_own(listener: str) -> None:
    counts = {"type": "tokens", "total_tokens": 1_100_000, "input_tokens": 1_000_000, "output_tokens": 100_000}

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        heard = {"item_id": "u1", "content_index": 0, "transcript": "Hi", "usage": counts}
        *events, last = done(peer, "r1", "i1", "Gold")
        last["response"]["usage"] = MILLION
        await peer.send({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e", **heard})
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "Gold"), *events, last)
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, input_transcription=listener) as session:
            await until(session, live.TurnComplete)
            assert session.usage.total_tokens == 2_600_000
            usage = exllm.Usage(input_tokens=1_000_000, output_tokens=500_000)
            own = exllm.cost.calculate(MODEL, usage).total
            heard = exllm.Usage(input_tokens=1_000_000, output_tokens=100_000)
            known = exllm.cost.calculate(f"openai/{listener}", heard).total
            assert (known is None) is session.cost.estimated is (listener == "my-own-deployment")
            if known is None:  # as much as the session's model would cost
                known = exllm.cost.calculate(MODEL, heard).total
            assert own is not None
            assert known is not None
            assert session.cost.total == pytest.approx(own + known)


@pytest.mark.parametrize("is_known", [True, False])
async def test_speech_that_is_billed_by_the_second_is_in_the_cost(is_known: bool) -> None:
    listener = "gpt-realtime-whisper" if is_known else "my-own-deployment"
    heard = {"item_id": "u1", "content_index": 0, "transcript": "Hi", "usage": {"type": "duration", "seconds": 60}}

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e", **heard})
        *events, last = done(peer, "r1", "i1", "Gold")
        last["response"]["usage"] = MILLION
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "Gold"), *events, last)
        await peer.keep_receiving()

    minute = exllm.cost.calculate("openai/gpt-realtime-whisper", None, exllm.cost.Quantities(input_seconds=60)).total
    own = exllm.cost.calculate(MODEL, exllm.Usage(input_tokens=1_000_000, output_tokens=500_000)).total
    assert minute
    assert own
    async with ScriptedServer(answer, answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, input_transcription=listener) as session:
            await until(session, live.TurnComplete)
            assert session.usage.total_tokens == 1_500_000
            assert session.cost.total == pytest.approx(own + (minute if is_known else 0.0))
            assert session.cost.estimated is not is_known
        if is_known:
            async with client.live(f"openai/{listener}", kind="transcription") as session:
                report = await until(session, live.UsageReport)
                assert report[-1] == live.UsageReport(exllm.Usage(), listener, 60.0)
                assert session.cost.total == pytest.approx(minute)


async def test_a_budget_ends_a_session_after_the_turn_that_was_too_much() -> None:
    async with ScriptedServer(answer_dearly) as server, client_for(server.url) as client:
        budget = exllm.Budget(0.01)
        async with client.live(MODEL, budget=budget) as session:
            await session.send("Speak")
            await until(session, live.TurnComplete)
            with pytest.raises(exllm.BudgetExceeded):
                await until(session, live.TurnComplete)
            with pytest.raises(exllm.BudgetExceeded):
                await session.send("More")
        assert budget.spent == pytest.approx(session.cost.total)
        with pytest.raises(exllm.BudgetExceeded):
            async with client.live(MODEL, budget=budget):
                pytest.fail("nothing is left")
        assert len(server.requests) == 1


async def test_a_session_that_cost_nothing_takes_nothing_from_a_budget() -> None:
    async with ScriptedServer(answer_dearly) as server, client_for(server.url) as client:
        budget = exllm.Budget(0.01)
        async with client.live(MODEL, budget=budget):
            assert budget.spent == 0
        assert (budget.spent, budget.in_flight) == (0, 0)


SECRETS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "openai": ("/v1", {"value": "ek_123", "expires_at": 1_800_000_000}, "/v1/realtime/client_secrets", "ek_123"),
    "gemini": ("", {"name": "auth_tokens/abc"}, "/v1alpha/auth_tokens", "auth_tokens/abc"),
}


@pytest.mark.parametrize("provider", SECRETS)
async def test_a_short_lived_key_is_made(provider: str) -> None:
    base, answer, path, value = SECRETS[provider]

    async def reply(peer: HttpPeer) -> None:
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        await peer.send(head.encode() + body)

    async with FaultServer(reply) as server:
        config = Static({provider: {"api_key": KEY, "base_url": server.url + base}})
        async with exllm.Client(config=config) as client:
            token = await client.live_token(provider, settings={"instructions": "Be kind"}, expires_in_s=60)
            assert token.value == value
            assert value not in repr(token)
            with pytest.raises(TypeError):
                await client.live_token(provider, settings={"instruction": "Be kind"})  # type: ignore[typeddict-unknown-key]
        (request,) = server.requests
        assert request.path == path
        assert "Be kind" in request.body.decode()


async def test_a_refused_key_for_keys_says_so() -> None:
    async def refuse(peer: HttpPeer) -> None:
        body = b'{"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}'
        head = f"HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        await peer.send(head.encode() + body)

    async with FaultServer(refuse) as server:
        config = Static({"openai": {"api_key": KEY, "base_url": server.url + "/v1"}})
        async with exllm.Client(config=config) as client:
            with pytest.raises(exllm.AuthenticationError):
                await client.live_token("openai")
            with pytest.raises(exllm.ConfigurationError):
                await client.live_token("anthropic")
