"""exllm, as its users write it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import exllm
from benchmarks.clients.adapter import KEY, PROMPT, Adapter, Consumed


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None, accumulate: bool = False) -> None:
        super().__init__(dialect, server_url, timeout_s)
        self.provider = "openai-responses" if dialect == "responses" else dialect
        base_url = server_url + ("/v1" if dialect in ("openai", "responses") else "")
        settings: dict[str, Any] = {}
        if timeout_s is not None:
            settings["timeout"] = exllm.Timeouts(first_chunk=timeout_s, idle=timeout_s)
        config = exllm.config.Static({self.provider: {"api_key": KEY, "base_url": base_url}})
        self.client = exllm.Client(config=config, **settings)
        self._stream_options: dict[str, Any] = {"accumulate": accumulate}
        self._options: dict[str, Any] = {"max_tokens": 1024} if dialect == "anthropic" else {}

    def stream(self, model: str) -> Any:
        return self.client.stream(f"{self.provider}/{model}", PROMPT, **self._stream_options, **self._options)

    async def consume(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        async with self.stream(model) as stream:
            async for chunk in stream:
                text = chunk.text
                if text:
                    if not pieces:
                        first_at = time.perf_counter()
                    pieces += 1
                    chars += len(text)
        return Consumed(pieces, chars, first_at)

    async def start(self, model: str) -> AsyncIterator[Any]:
        stream: AsyncIterator[Any] = self.stream(model)
        return stream

    @staticmethod
    def text(chunk: Any) -> str:
        text: str = chunk.text
        return text

    async def chat(self, model: str) -> str:
        reply = await self.client.chat(f"{self.provider}/{model}", PROMPT, **self._options)
        return reply.text

    async def aclose(self) -> None:
        await self.client.aclose()
