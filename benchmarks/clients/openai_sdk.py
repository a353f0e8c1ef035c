"""OpenAI's own library: `client.chat.completions.create(stream=True)`."""

from __future__ import annotations

from typing import Any

import openai

from benchmarks.clients.adapter import KEY, PROMPT, Adapter


def openai_text(chunk: Any) -> str | None:
    """The text of a `ChatCompletionChunk`, or of what is shaped like one."""
    return chunk.choices[0].delta.content if chunk.choices else None


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        settings: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self.client = openai.AsyncOpenAI(api_key=KEY, base_url=server_url + "/v1", **settings)
        self._messages: Any = [{"role": "user", "content": PROMPT}]

    async def start(self, model: str) -> Any:
        return await self.client.chat.completions.create(model=model, messages=self._messages, stream=True)

    text = staticmethod(openai_text)

    async def stop(self, stream: Any) -> None:
        await stream.close()

    async def chat(self, model: str) -> str:
        answer = await self.client.chat.completions.create(model=model, messages=self._messages)
        return answer.choices[0].message.content or ""

    async def aclose(self) -> None:
        await self.client.close()
