"""`raw`: aiohttp, a hand-split stream and typed msgspec decoding in one loop.

What a careful engineer would write by hand for one provider. It reads all that a result needs (text, finish reason,
usage, end marker) and checks that the stream was whole, but has no timeouts, retries, errors, ring or statistics.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from benchmarks.clients.adapter import KEY, PROMPT, Adapter, Consumed


class OpenAIDelta(msgspec.Struct, gc=False):
    content: str | None = None


class OpenAIChoice(msgspec.Struct, gc=False):
    delta: OpenAIDelta
    finish_reason: str | None = None


class OpenAIUsage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int


class OpenAIEvent(msgspec.Struct, gc=False):
    choices: list[OpenAIChoice]
    usage: OpenAIUsage | None = None


class OpenAIMessage(msgspec.Struct, gc=False):
    content: str | None = None


class OpenAIBodyChoice(msgspec.Struct, gc=False):
    message: OpenAIMessage
    finish_reason: str


class OpenAIBody(msgspec.Struct, gc=False):
    choices: list[OpenAIBodyChoice]
    usage: OpenAIUsage | None = None


class AnthropicDelta(msgspec.Struct, gc=False):
    text: str | None = None
    stop_reason: str | None = None


class AnthropicEvent(msgspec.Struct, gc=False):
    type: str
    delta: AnthropicDelta | None = None


class AnthropicBlock(msgspec.Struct, gc=False):
    text: str


class AnthropicBody(msgspec.Struct, gc=False):
    content: list[AnthropicBlock]


class GeminiPart(msgspec.Struct, gc=False):
    text: str = ""


class GeminiContent(msgspec.Struct, gc=False):
    parts: list[GeminiPart] = []


class GeminiCandidate(msgspec.Struct, gc=False):
    content: GeminiContent
    finishReason: str | None = None


class GeminiUsage(msgspec.Struct, gc=False):
    promptTokenCount: int
    candidatesTokenCount: int = 0


class GeminiEvent(msgspec.Struct, gc=False):
    candidates: list[GeminiCandidate]
    usageMetadata: GeminiUsage | None = None


decode_openai = msgspec.json.Decoder(OpenAIEvent).decode
decode_openai_body = msgspec.json.Decoder(OpenAIBody).decode
decode_anthropic = msgspec.json.Decoder(AnthropicEvent).decode
decode_anthropic_body = msgspec.json.Decoder(AnthropicBody).decode
decode_gemini = msgspec.json.Decoder(GeminiEvent).decode


def request_for(dialect: str, model: str, stream: bool) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of a request."""
    headers = {"Content-Type": "application/json"}
    messages = [{"role": "user", "content": PROMPT}]
    document: dict[str, Any]
    if dialect == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        document = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
        path, headers["x-goog-api-key"] = f"/v1beta/models/{model}:{verb}", KEY
    elif dialect == "anthropic":
        document = {"model": model, "max_tokens": 1024, "messages": messages, "stream": stream}
        path, headers["x-api-key"] = "/v1/messages", KEY
    else:
        document = {"model": model, "messages": messages, "stream": stream}
        if stream:
            document["stream_options"] = {"include_usage": True}
        path, headers["Authorization"] = "/v1/chat/completions", f"Bearer {KEY}"
    return path, headers, msgspec.json.encode(document)


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._consume: Callable[[str], Awaitable[Consumed]] = getattr(self, f"_consume_{dialect}")

    def request(self, model: str, stream: bool) -> tuple[str, dict[str, str], bytes]:
        """Path, headers and body of a request."""
        return request_for(self.dialect, model, stream)

    def post(self, model: str, stream: bool) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(sock_read=self.timeout_s)
            )
        path, headers, body = self.request(model, stream)
        return self._session.post(self.server_url + path, data=body, headers=headers)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def consume(self, model: str) -> Consumed:
        return await self._consume(model)

    async def _consume_openai(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        finish_reason = usage = None
        done = False
        tail = b""
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                events = (tail + block if tail else block).split(b"\n\n")
                tail = events.pop()
                for event in events:
                    if event == b"data: [DONE]":
                        done = True
                        break
                    chunk = decode_openai(event[6:])
                    if chunk.choices:
                        choice = chunk.choices[0]
                        text = choice.delta.content
                        if text:
                            if not pieces:
                                first_at = time.perf_counter()
                            pieces += 1
                            chars += len(text)
                        if choice.finish_reason is not None:
                            finish_reason = choice.finish_reason
                    else:
                        usage = chunk.usage
        assert done
        assert finish_reason == "stop"
        assert usage is not None
        return Consumed(pieces, chars, first_at)

    async def _consume_anthropic(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        stop_reason = None
        done = False
        tail = b""
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                events = (tail + block if tail else block).split(b"\n\n")
                tail = events.pop()
                for event in events:
                    chunk = decode_anthropic(event[event.index(b"\ndata: ") + 7 :])
                    delta = chunk.delta
                    if delta is not None:
                        if delta.text is not None:
                            if not pieces:
                                first_at = time.perf_counter()
                            pieces += 1
                            chars += len(delta.text)
                        else:
                            stop_reason = delta.stop_reason
                    elif chunk.type == "message_stop":
                        done = True
        assert done
        assert stop_reason == "end_turn"
        return Consumed(pieces, chars, first_at)

    async def _consume_gemini(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        finish_reason = usage = None
        tail = b""
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                events = (tail + block if tail else block).split(b"\r\n\r\n")
                tail = events.pop()
                for event in events:
                    answer = decode_gemini(event[6:])
                    usage = answer.usageMetadata or usage
                    candidate = answer.candidates[0]
                    for part in candidate.content.parts:
                        if part.text:
                            if not pieces:
                                first_at = time.perf_counter()
                            pieces += 1
                            chars += len(part.text)
                    if candidate.finishReason is not None:
                        finish_reason = candidate.finishReason
        assert finish_reason == "STOP"
        assert usage is not None
        return Consumed(pieces, chars, first_at)

    async def chat(self, model: str) -> str:
        async with self.post(model, stream=False) as response:
            body = await response.read()
        if self.dialect == "anthropic":
            return "".join([block.text for block in decode_anthropic_body(body).content])
        if self.dialect == "gemini":
            return "".join([part.text for part in decode_gemini(body).candidates[0].content.parts])
        return decode_openai_body(body).choices[0].message.content or ""

    async def start(self, model: str) -> AsyncIterator[str]:
        return self._texts(model)

    async def _texts(self, model: str) -> AsyncIterator[str]:
        """The text alone, for checking what the server sends."""
        async with self.post(model, stream=True) as response:
            body = await response.read()
        for event in body.replace(b"\r", b"").split(b"\n\n"):
            data = event.partition(b"data: ")[2]
            if not data or data == b"[DONE]":
                continue
            if self.dialect == "anthropic":
                delta = decode_anthropic(data).delta
                yield (delta.text or "") if delta else ""
            elif self.dialect == "gemini":
                yield "".join([part.text for part in decode_gemini(data).candidates[0].content.parts])
            else:
                choices = decode_openai(data).choices
                yield (choices[0].delta.content or "") if choices else ""

    @staticmethod
    def text(chunk: str) -> str:
        return chunk
