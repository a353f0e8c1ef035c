"""LangChain: `ChatOpenAI.astream`."""

from __future__ import annotations

from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from benchmarks.clients.adapter import KEY, PROMPT, Adapter


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        settings: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self._model = ChatOpenAI(model="benchmark", api_key=SecretStr(KEY), base_url=server_url + "/v1", **settings)

    async def start(self, model: str) -> Any:
        return self._model.astream(PROMPT, model=model)

    @staticmethod
    def text(chunk: Any) -> str | None:
        text: str = chunk.content
        return text

    async def chat(self, model: str) -> str:
        answer = await self._model.ainvoke(PROMPT, model=model)
        return str(answer.content)
