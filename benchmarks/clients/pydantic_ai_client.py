"""pydantic-ai: `direct.model_request_stream`, its thinnest way to a model."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import ModelRequest
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.clients.adapter import KEY, PROMPT, Adapter


class _Stream:
    """The stream and the context manager that owns it, dropped together."""

    def __init__(self, owner: AbstractAsyncContextManager[Any], stream: Any) -> None:
        self.owner = owner
        self._stream = stream

    def __aiter__(self) -> Any:
        return aiter(self._stream)


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        settings: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self._sdk = AsyncOpenAI(api_key=KEY, base_url=server_url + "/v1", **settings)
        self._provider = OpenAIProvider(openai_client=self._sdk)
        self._messages: list[Any] = [ModelRequest.user_text_prompt(PROMPT)]

    def _model(self, name: str) -> OpenAIChatModel:
        return OpenAIChatModel(name, provider=self._provider)

    async def start(self, model: str) -> Any:
        owner = model_request_stream(self._model(model), self._messages)
        return _Stream(owner, await owner.__aenter__())

    @staticmethod
    def text(chunk: Any) -> str | None:
        if isinstance(chunk, PartDeltaEvent):
            return getattr(chunk.delta, "content_delta", None)
        if isinstance(chunk, PartStartEvent):
            return getattr(chunk.part, "content", None)
        return None

    async def stop(self, stream: Any) -> None:
        await stream.owner.__aexit__(None, None, None)

    finish = stop  # it is an `async with` in its documentation

    async def chat(self, model: str) -> str:
        answer = await model_request(self._model(model), self._messages)
        return "".join([part.content for part in answer.parts if part.part_kind == "text"])

    async def aclose(self) -> None:
        await self._sdk.close()
