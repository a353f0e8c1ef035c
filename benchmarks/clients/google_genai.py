"""Google's own library: `client.aio.models.generate_content_stream`."""

from __future__ import annotations

from typing import Any

from google import genai
from google.genai import types

from benchmarks.clients.adapter import KEY, PROMPT, Adapter


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        milliseconds = None if timeout_s is None else int(timeout_s * 1000)
        http_options = types.HttpOptions(base_url=server_url, timeout=milliseconds)
        self.client = genai.Client(api_key=KEY, http_options=http_options)

    async def start(self, model: str) -> Any:
        return await self.client.aio.models.generate_content_stream(model=model, contents=PROMPT)

    @staticmethod
    def text(chunk: Any) -> str | None:
        text: str | None = chunk.text
        return text

    async def chat(self, model: str) -> str:
        answer = await self.client.aio.models.generate_content(model=model, contents=PROMPT)
        return answer.text or ""

    async def aclose(self) -> None:
        await self.client.aio.aclose()
