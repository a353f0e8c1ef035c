"""`raw` for the Responses API, Bedrock, Ollama and Cohere: see `benchmarks.clients.raw`.

Bedrock's messages are read with one `struct.unpack_from` each and their headers are looked up whole; the checksums are
not verified, since TLS has done that for every byte.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from struct import Struct
from typing import Any

import msgspec

from benchmarks.clients import raw
from benchmarks.clients.adapter import KEY, PROMPT, Consumed


class ResponsesText(msgspec.Struct, gc=False):
    delta: str


class ResponsesUsage(msgspec.Struct, gc=False):
    input_tokens: int
    output_tokens: int


class ResponsesContent(msgspec.Struct, gc=False):
    text: str


class ResponsesItem(msgspec.Struct, gc=False):
    content: list[ResponsesContent]


class ResponsesBody(msgspec.Struct, gc=False):
    status: str
    usage: ResponsesUsage
    output: list[ResponsesItem]


class ResponsesEnd(msgspec.Struct, gc=False):
    response: ResponsesBody


class BedrockDelta(msgspec.Struct, gc=False):
    text: str = ""


class BedrockBlockDelta(msgspec.Struct, gc=False):
    delta: BedrockDelta


class BedrockStop(msgspec.Struct, gc=False):
    stopReason: str


class BedrockUsage(msgspec.Struct, gc=False):
    inputTokens: int
    outputTokens: int


class BedrockMetadata(msgspec.Struct, gc=False):
    usage: BedrockUsage


class BedrockMessage(msgspec.Struct, gc=False):
    content: list[BedrockDelta]


class BedrockOutput(msgspec.Struct, gc=False):
    message: BedrockMessage


class BedrockBody(msgspec.Struct, gc=False):
    output: BedrockOutput
    stopReason: str
    usage: BedrockUsage


class OllamaMessage(msgspec.Struct, gc=False):
    content: str = ""


class OllamaLine(msgspec.Struct, gc=False):
    message: OllamaMessage
    done: bool
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None


class CohereText(msgspec.Struct, gc=False):
    text: str


class CohereMessage(msgspec.Struct, gc=False):
    content: CohereText


class CohereDelta(msgspec.Struct, gc=False):
    message: CohereMessage


class CohereContent(msgspec.Struct, gc=False):
    delta: CohereDelta


class CohereTokens(msgspec.Struct, gc=False):
    input_tokens: float
    output_tokens: float


class CohereUsage(msgspec.Struct, gc=False):
    tokens: CohereTokens


class CohereEndDelta(msgspec.Struct, gc=False):
    finish_reason: str
    usage: CohereUsage


class CohereEnd(msgspec.Struct, gc=False):
    delta: CohereEndDelta


class CohereBodyMessage(msgspec.Struct, gc=False):
    content: list[CohereText]


class CohereBody(msgspec.Struct, gc=False):
    message: CohereBodyMessage
    finish_reason: str
    usage: CohereUsage


decode_responses_text = msgspec.json.Decoder(ResponsesText).decode
decode_responses_end = msgspec.json.Decoder(ResponsesEnd).decode
decode_responses_body = msgspec.json.Decoder(ResponsesBody).decode
decode_bedrock_delta = msgspec.json.Decoder(BedrockBlockDelta).decode
decode_bedrock_stop = msgspec.json.Decoder(BedrockStop).decode
decode_bedrock_metadata = msgspec.json.Decoder(BedrockMetadata).decode
decode_bedrock_body = msgspec.json.Decoder(BedrockBody).decode
decode_ollama = msgspec.json.Decoder(OllamaLine).decode
decode_ollama_lines = msgspec.json.Decoder(OllamaLine).decode_lines  # msgspec reads this framing itself
decode_cohere_content = msgspec.json.Decoder(CohereContent).decode
decode_cohere_end = msgspec.json.Decoder(CohereEnd).decode
decode_cohere_body = msgspec.json.Decoder(CohereBody).decode

RESPONSES_TEXT = b"event: response.output_text.delta\ndata: "
RESPONSES_END = b"event: response.completed\ndata: "
COHERE_TEXT = b"event: content-delta\ndata: "
COHERE_END = b"event: message-end\ndata: "
unpack_prelude = Struct(">III").unpack_from
PRELUDE_BYTES, CHECKSUM_BYTES = 12, 4
EVENT_TYPE = b"\x0b:event-type\x07"


def event_type(headers: bytes) -> str:
    """The ``:event-type`` of a block of headers; fails for messages that are no events."""
    length_at = headers.index(EVENT_TYPE) + len(EVENT_TYPE)
    length = int.from_bytes(headers[length_at : length_at + 2], "big")
    return headers[length_at + 2 : length_at + 2 + length].decode()


class Client(raw.Client):
    def request(self, model: str, stream: bool) -> tuple[str, dict[str, str], bytes]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        messages: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
        document: dict[str, Any] = {"model": model, "messages": messages, "stream": stream}
        path = {"ollama": "/api/chat", "cohere": "/v2/chat", "responses": "/v1/responses"}.get(self.dialect, "")
        if self.dialect == "bedrock":
            path = f"/model/{model}/converse-stream" if stream else f"/model/{model}/converse"
            document = {"messages": [{"role": "user", "content": [{"text": PROMPT}]}]}
        elif self.dialect == "responses":
            document = {"model": model, "input": messages, "stream": stream, "store": False}
        return path, headers, msgspec.json.encode(document)

    async def _consume_responses(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        end = None
        tail = b""
        text_at = len(RESPONSES_TEXT)
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                events = (tail + block if tail else block).split(b"\n\n")
                tail = events.pop()
                for event in events:
                    if event.startswith(RESPONSES_TEXT):
                        text = decode_responses_text(event[text_at:]).delta
                        if not pieces:
                            first_at = time.perf_counter()
                        pieces += 1
                        chars += len(text)
                    elif event.startswith(RESPONSES_END):
                        end = decode_responses_end(event[len(RESPONSES_END) :]).response
        assert end is not None
        assert end.status == "completed"
        return Consumed(pieces, chars, first_at)

    async def _consume_bedrock(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        stop_reason = usage = None
        tail = b""
        kinds: dict[bytes, str] = {}
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                data = tail + block if tail else block
                start, size = 0, len(data)
                while size - start >= PRELUDE_BYTES:
                    total, headers_bytes, _ = unpack_prelude(data, start)
                    if size - start < total:
                        break
                    payload_at = start + PRELUDE_BYTES + headers_bytes
                    headers = data[start + PRELUDE_BYTES : payload_at]
                    start += total
                    payload = data[payload_at : start - CHECKSUM_BYTES]
                    kind = kinds.get(headers)
                    if kind is None:
                        kind = kinds[headers] = event_type(headers)
                    if kind == "contentBlockDelta":
                        text = decode_bedrock_delta(payload).delta.text
                        if text:
                            if not pieces:
                                first_at = time.perf_counter()
                            pieces += 1
                            chars += len(text)
                    elif kind == "messageStop":
                        stop_reason = decode_bedrock_stop(payload).stopReason
                    elif kind == "metadata":
                        usage = decode_bedrock_metadata(payload).usage
                tail = data[start:]
        assert stop_reason == "end_turn"
        assert usage is not None
        return Consumed(pieces, chars, first_at)

    async def _consume_ollama(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        end = None
        tail = b""
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                lines, _, tail = (tail + block if tail else block).rpartition(b"\n")
                for line in decode_ollama_lines(lines):
                    text = line.message.content
                    if text:
                        if not pieces:
                            first_at = time.perf_counter()
                        pieces += 1
                        chars += len(text)
                    if line.done:
                        end = line
        assert end is not None
        assert end.done_reason == "stop"
        return Consumed(pieces, chars, first_at)

    async def _consume_cohere(self, model: str) -> Consumed:
        pieces = chars = 0
        first_at = 0.0
        end = None
        tail = b""
        text_at = len(COHERE_TEXT)
        async with self.post(model, stream=True) as response:
            async for block in response.content.iter_any():
                events = (tail + block if tail else block).split(b"\n\n")
                tail = events.pop()
                for event in events:
                    if event.startswith(COHERE_TEXT):
                        text = decode_cohere_content(event[text_at:]).delta.message.content.text
                        if not pieces:
                            first_at = time.perf_counter()
                        pieces += 1
                        chars += len(text)
                    elif event.startswith(COHERE_END):
                        end = decode_cohere_end(event[len(COHERE_END) :]).delta
        assert end is not None
        assert end.finish_reason == "COMPLETE"
        return Consumed(pieces, chars, first_at)

    async def chat(self, model: str) -> str:
        async with self.post(model, stream=False) as response:
            body = await response.read()
        if self.dialect == "responses":
            return "".join([part.text for item in decode_responses_body(body).output for part in item.content])
        if self.dialect == "bedrock":
            return "".join([block.text for block in decode_bedrock_body(body).output.message.content])
        if self.dialect == "ollama":
            return decode_ollama(body).message.content
        return "".join([block.text for block in decode_cohere_body(body).message.content])

    async def _texts(self, model: str) -> AsyncIterator[str]:
        async with self.post(model, stream=True) as response:
            body = await response.read()
        if self.dialect == "bedrock":
            start = 0
            while start < len(body):
                total, headers_bytes, _ = unpack_prelude(body, start)
                payload_at, start = start + PRELUDE_BYTES + headers_bytes, start + total
                if b"contentBlockDelta" in body[payload_at - headers_bytes : payload_at]:
                    yield decode_bedrock_delta(body[payload_at : start - CHECKSUM_BYTES]).delta.text
            return
        if self.dialect == "ollama":
            for line in decode_ollama_lines(body):
                yield line.message.content
            return
        for event in body.split(b"\n\n"):
            if event.startswith(RESPONSES_TEXT):
                yield decode_responses_text(event[len(RESPONSES_TEXT) :]).delta
            elif event.startswith(COHERE_TEXT):
                yield decode_cohere_content(event[len(COHERE_TEXT) :]).delta.message.content.text
