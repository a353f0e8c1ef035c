"""Every provider here runs through the conformance class; so do some that break its rules, which it must notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import exllm
from exllm.config import Static
from exllm.testing import MockProvider, ProviderConformance, Wait
from tests.faults.dialects import ANTHROPIC, GEMINI, INTERACTIONS, OPENAI, RESPONSES, Dialect
from tests.faults.server import FaultServer, Peer


class TestMock(ProviderConformance):
    failing_model = "mock/broken"
    failing_error = exllm.InvalidRequest

    @asynccontextmanager
    async def client(self) -> AsyncIterator[exllm.Client]:
        def answer(request: exllm.Request) -> Any:
            return exllm.InvalidRequest("no such thing") if request.model == "broken" else "Three words suffice."

        with MockProvider(answer):
            async with exllm.Client() as client:
                yield client


class TestMockUnconfigured(ProviderConformance):
    """As it is built in."""


class TestMockWithDelays(TestMock):
    @asynccontextmanager
    async def client(self) -> AsyncIterator[exllm.Client]:
        with MockProvider(["Slowly ", Wait(0.01), "but ", Wait(0.01), "surely."], options={"temperature"}):
            async with exllm.Client() as client:
                yield client

    refused_option = {"top_k": 3}  # noqa: RUF012
    failing_model = None


class OverHttp(ProviderConformance):
    """A fake server of one protocol that knows every model but ``broken``."""

    dialect: Dialect

    @asynccontextmanager
    async def client(self) -> AsyncIterator[exllm.Client]:
        fine, broken = self.dialect.reply(), self.dialect.refuse("400 Bad Request")

        async def behave(peer: Peer) -> None:
            asked = peer.request.json.get("model") or peer.request.path  # some name the model there
            await (broken if "broken" in asked else fine)(peer)

        async with FaultServer(behave) as server:
            keys = {self.dialect.provider: {"api_key": "sk-test-0123456789", "base_url": server.url}}
            async with exllm.Client(config=Static(keys)) as client:
                yield client
            await server.all_left()


class TestOpenAI(OverHttp):
    dialect = OPENAI
    model = OPENAI.name
    refused_option = {"top_k": 3}  # noqa: RUF012
    failing_model = "openai/broken"
    failing_error = exllm.InvalidRequest


class TestResponses(OverHttp):
    dialect = RESPONSES
    model = RESPONSES.name
    refused_option = {"seed": 3}  # noqa: RUF012
    failing_model = "openai-responses/broken"
    failing_error = exllm.InvalidRequest


class TestAnthropic(OverHttp):
    dialect = ANTHROPIC
    model = ANTHROPIC.name
    refused_option = {"seed": 3}  # noqa: RUF012
    failing_model = "anthropic/broken"
    failing_error = exllm.InvalidRequest


class TestGemini(OverHttp):
    dialect = GEMINI
    model = GEMINI.name
    refused_option = {"min_p": 0.5}  # noqa: RUF012
    failing_model = "gemini/broken"
    failing_error = exllm.InvalidRequest


class TestInteractions(OverHttp):
    dialect = INTERACTIONS
    model = INTERACTIONS.name
    refused_option = {"top_k": 3}  # noqa: RUF012
    failing_model = "gemini-interactions/broken"
    failing_error = exllm.InvalidRequest


# -- the class notices what it is there for


async def _failures(provider: Any) -> set[str]:
    """The names of the conformance tests that `provider` fails."""
    failed = set()

    class Case(ProviderConformance):
        model = "case/any"

    exllm.providers.register(provider, replace=True)
    try:
        for name in dir(Case):
            if name.startswith("test_"):
                try:
                    async with asyncio.timeout(5):
                        await getattr(Case(), name)()
                except Exception:  # noqa: BLE001 - however it fails, it fails
                    failed.add(name)
    finally:
        exllm.providers.unregister("case")
    return failed


async def test_a_provider_that_keeps_the_rules_fails_nothing() -> None:
    assert await _failures(MockProvider("One two three.", name="case")) == set()


@pytest.mark.parametrize(
    ("answers", "fails"),
    [
        (lambda number: [exllm.Finish("stop"), "text after the end"], "begins_with_a_start_and_ends"),
        (lambda number: ["a", exllm.Finish("stop"), exllm.Finish("stop")], "begins_with_a_start_and_ends"),
        (lambda number: f"another answer each time: {number}", "chat_gives_what_the_stream_gives"),
        (lambda number: ["no counts", exllm.Usage()], "usage_is_counted"),
        (lambda number: "", "join_to_the_text"),
    ],
)
async def test_a_provider_that_breaks_a_rule_fails_the_test_of_it(answers: Any, fails: str) -> None:
    numbers = iter(range(1000))
    provider = MockProvider(lambda request: answers(next(numbers)), name="case")
    failed = await _failures(provider)
    assert any(fails in name for name in failed), failed


async def test_a_provider_that_leaves_a_task_behind_fails() -> None:
    forever = asyncio.Event()
    left = []

    def answer(request: exllm.Request) -> str:
        left.append(asyncio.create_task(forever.wait()))
        return "One two three."

    try:
        assert len(await _failures(MockProvider(answer, name="case"))) > 5
    finally:
        forever.set()
        await asyncio.wait(left)
