"""What every provider owes its callers, asked of OpenAI, Anthropic and Gemini as aimock plays them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

import exllm
from exllm.testing import ProviderConformance
from tests.e2e.aimock.server import Aimock


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
class TestGemini(_OverAimock):
    model = "gemini/gemini-2.5-flash"
    refused_option = {"min_p": 0.5}  # noqa: RUF012


@pytest.mark.node
class TestVertex(_OverAimock):
    model = "vertex/gemini-2.5-flash"
    refused_option = {"store": True}  # noqa: RUF012
