"""Anthropic's own library: `client.messages.create(stream=True)`."""

from __future__ import annotations

from typing import Any

import anthropic

from benchmarks.clients.adapter import KEY, PROMPT, Adapter


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        settings: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self.client = anthropic.AsyncAnthropic(api_key=KEY, base_url=server_url, **settings)
        self._request: dict[str, Any] = {"max_tokens": 1024, "messages": [{"role": "user", "content": PROMPT}]}

    async def start(self, model: str) -> Any:
        return await self.client.messages.create(model=model, stream=True, **self._request)

    @staticmethod
    def text(chunk: Any) -> str | None:
        if chunk.type == "content_block_delta" and chunk.delta.type == "text_delta":
            text: str = chunk.delta.text
            return text
        return None

    async def stop(self, stream: Any) -> None:
        await stream.close()

    async def chat(self, model: str) -> str:
        message = await self.client.messages.create(model=model, **self._request)
        return "".join([block.text for block in message.content if block.type == "text"])

    async def aclose(self) -> None:
        await self.client.close()
