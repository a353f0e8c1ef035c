"""What every provider owes its callers, asked of OpenAI, Anthropic and Gemini as aimock plays them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

import exllm
from exllm.testing import ProviderConformance
from tests.e2e.aimock.server import Aimock


@pytest.mark.shows("chat", "stream")
class _OverAimock(ProviderConformance):
    prompt = "say hello"
    options = {"max_tokens": 500}  # noqa: RUF012 - as the base class declares it

    @pytest.fixture(autouse=True)
    def _server(self, aimock: Aimock) -> None:
        self._aimock = aimock

    def client(self) -> AbstractAsyncContextManager[exllm.Client]:
        return self._aimock.client()


@pytest.mark.node
class TestOpenAI(_OverAimock):
    model = "openai/gpt-4.1-mini"
    refused_option = {"top_k": 5}  # noqa: RUF012


@pytest.mark.node
class TestResponses(_OverAimock):
    model = "openai-responses/gpt-4.1-mini"
    refused_option = {"seed": 5}  # noqa: RUF012


@pytest.mark.node
class TestAnthropic(_OverAimock):
    model = "anthropic/claude-sonnet-4-5"
    refused_option = {"seed": 5}  # noqa: RUF012


@pytest.mark.node
class TestBedrock(_OverAimock):
    model = "bedrock/amazon.nova-lite-v1:0"
    refused_option = {"min_p": 0.5}  # noqa: RUF012


@pytest.mark.node
class TestGemini(_OverAimock):
    model = "gemini/gemini-2.5-flash"
    refused_option = {"min_p": 0.5}  # noqa: RUF012


@pytest.mark.node
class TestInteractions(_OverAimock):
    model = "gemini-interactions/gemini-2.5-flash"
    refused_option = {"top_k": 5}  # noqa: RUF012


@pytest.mark.node
class TestVertex(_OverAimock):
    model = "vertex/gemini-2.5-flash"
    refused_option = {"store": True}  # noqa: RUF012


@pytest.mark.node
class TestOllama(_OverAimock):
    model = "ollama/llama3.2"
    refused_option = {"n": 2}  # noqa: RUF012

    async def test_usage_is_counted_or_said_to_be_unknown(self) -> None:
        """aimock counts no tokens in Ollama's name: zeros, whatever its fixtures say."""
        async with self._client() as client:
            _, streamed = await self._chunks(client)
            whole = await client.chat(self.model, self.prompt, **self.options)
        assert streamed.usage == whole.usage == exllm.Usage(0, 0, 0, provenance="reported")


@pytest.mark.node
class TestOllamaGenerate(TestOllama):
    model = "ollama-generate/llama3.2"


@pytest.mark.node
class TestCohere(_OverAimock):
    model = "cohere/command-a-03-2025"
    refused_option = {"n": 2}  # noqa: RUF012
