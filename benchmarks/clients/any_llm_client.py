"""any-llm: one `AnyLLM` kept for all calls, `acompletion(stream=True)`."""

from __future__ import annotations

from typing import Any

from any_llm import AnyLLM

from benchmarks.clients.adapter import KEY, PROMPT, Adapter
from benchmarks.clients.openai_sdk import openai_text


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        settings: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self.client = AnyLLM.create("openai", api_key=KEY, api_base=server_url + "/v1", **settings)
        self._messages: list[Any] = [{"role": "user", "content": PROMPT}]

    async def start(self, model: str) -> Any:
        return await self.client.acompletion(model=model, messages=self._messages, stream=True)

    text = staticmethod(openai_text)

    async def stop(self, stream: Any) -> None:
        await (stream.aclose if hasattr(stream, "aclose") else stream.close)()

    async def chat(self, model: str) -> str:
        answer: Any = await self.client.acompletion(model=model, messages=self._messages)
        return answer.choices[0].message.content or ""
