"""litellm: `acompletion(stream=True)`."""

from __future__ import annotations

from typing import Any

import litellm

from benchmarks.clients.adapter import KEY, PROMPT, Adapter
from benchmarks.clients.openai_sdk import openai_text

litellm.suppress_debug_info = True


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        self._request: dict[str, Any] = {
            "api_base": server_url + "/v1",
            "api_key": KEY,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        if timeout_s is not None:
            self._request["timeout"] = timeout_s

    async def start(self, model: str) -> Any:
        return await litellm.acompletion(model=f"openai/{model}", stream=True, **self._request)

    text = staticmethod(openai_text)

    async def chat(self, model: str) -> str:
        answer = await litellm.acompletion(model=f"openai/{model}", **self._request)
        text: str | None = answer.choices[0].message.content
        return text or ""
