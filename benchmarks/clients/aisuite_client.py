"""aisuite: `client.chat.completions.acreate(stream=True)`."""

from __future__ import annotations

from typing import Any

import aisuite

from benchmarks.clients.adapter import KEY, PROMPT, Adapter
from benchmarks.clients.openai_sdk import openai_text


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        settings: dict[str, Any] = {"api_key": KEY, "base_url": server_url + "/v1"}
        if timeout_s is not None:
            settings["timeout"] = timeout_s
        self.client = aisuite.Client({"openai": settings})
        self._messages = [{"role": "user", "content": PROMPT}]

    async def start(self, model: str) -> Any:
        return await self.client.chat.completions.acreate(f"openai:{model}", self._messages, stream=True)

    text = staticmethod(openai_text)

    async def chat(self, model: str) -> str:
        answer = await self.client.chat.completions.acreate(f"openai:{model}", self._messages)
        return answer.choices[0].message.content or ""
