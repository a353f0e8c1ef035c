"""Events of Anthropic's Messages: https://platform.claude.com/docs/en/build-with-claude/streaming.

Blocks follow one another, but for tool calls, which stay open until the answer ends: pieces of several may come
mixed. Claude's own blocks, such as results of its searches, are told as they came. What the protocol has no block for
(audio, images, what other providers have) comes as an event of our own, ``exllm.audio_delta``, which its clients pass
over. Tokens are told at the end: providers do not know them before. In a run, calls that were made on the server are
not told.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from exllm.errors import ExLLMError, InvalidRequest, Overloaded, RateLimited
from exllm.sse.writer import NO_HEADERS, OpenCalls, error_words, said
from exllm.types.chunks import (
    AudioDelta,
    CitationDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
)
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent, TurnStarted
from exllm.types.usage import Usage

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_CLAUDES = ("anthropic", "vertex-anthropic", "bedrock-invoke")
_ERRORS: tuple[tuple[type[ExLLMError], str], ...] = (
    (RateLimited, "rate_limit_error"),
    (Overloaded, "overloaded_error"),
    (InvalidRequest, "invalid_request_error"),
)


class AnthropicWriter:
    """Implements `SSEWriter`. Of several choices it tells the first."""

    headers: Mapping[str, str] = NO_HEADERS

    def __init__(self) -> None:
        self._is_run = False
        self._is_begun = False
        self._start = StreamStart()
        self._blocks = 0
        self._open: tuple[str, Any] | None = None  # kind and part of the block that may grow
        self._call_blocks: dict[int, int] = {}
        self._calls = OpenCalls()

    def event(self, event: RunEvent) -> Iterable[bytes]:
        """See `SSEWriter.event`."""
        if event.index:
            return
        match event:
            case StreamStart():
                if not self._is_begun:
                    self._start = event
            case TextDelta(text=text, part=part):
                yield from self._begin("text", part, {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": text})
            case RefusalDelta(refusal=refusal):
                yield from self._begin("text", "refusal", {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": refusal})
            case ReasoningDelta():
                yield from self._reasoning(event)
            case CitationDelta(part=part, citation=citation):
                cited = {
                    "type": "web_search_result_location",
                    "url": citation.url or "",
                    "title": citation.title,
                    "cited_text": citation.text or "",
                    "encrypted_index": "",
                }
                yield from self._begin("text", part, {"type": "text", "text": ""})
                yield self._delta({"type": "citations_delta", "citation": cited})
            case ToolCallDelta() if not self._is_run:
                yield from self._call(event)
            case ProviderEvent(content=True, data={"type": str()} as block, provider=provider) if provider in _CLAUDES:
                if not self._is_run:  # which tells no calls on the server, and so no results of them
                    yield from self._begin_message()
                    yield from self._end_block()
                    yield self._block(block)
                    yield _stop(self._blocks - 1)
            case AudioDelta() | ImageDelta() | ProviderEvent():
                yield from self._begin_message()
                yield said(event, f"exllm.{event.__struct_config__.tag}")
            case TurnStarted():
                self._is_run = True
                yield from self._end_block()

    def close(self, response: Response, run: Run | None) -> Iterable[bytes]:
        """See `SSEWriter.close`."""
        usage, reason = response.usage, _REASONS.get(response.finish_reason or "", "end_turn")
        yield from self._begin_message()
        if run is not None:
            usage = run.usage
            for place, pending in enumerate(run.pending):
                call = pending.call
                yield from self._call(ToolCallDelta(place, call.id, call.name, call.arguments))
            reason = "tool_use" if run.pending else reason
        yield from self._end_block()
        for block in self._call_blocks.values():
            yield _stop(block)
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield said({"type": "message_delta", "delta": delta, "usage": _usage(usage)}, "message_delta")
        yield said({"type": "message_stop"}, "message_stop")

    def fail(self, error: ExLLMError) -> Iterable[bytes]:
        """See `SSEWriter.fail`."""
        kind = next((name for kind, name in _ERRORS if isinstance(error, kind)), "api_error")
        return [said({"type": "error", "error": {"type": kind, "message": error_words(error)}}, "error")]

    def _reasoning(self, event: ReasoningDelta) -> Iterable[bytes]:
        if event.redacted is not None:
            block = {"type": "redacted_thinking", "data": event.redacted}
            yield from self._begin("redacted", (event.part, event.redacted), block)
            return
        yield from self._begin("thinking", event.part, {"type": "thinking", "thinking": "", "signature": ""})
        if event.reasoning:
            yield self._delta({"type": "thinking_delta", "thinking": event.reasoning})
        if event.signature is not None:
            yield self._delta({"type": "signature_delta", "signature": event.signature})

    def _call(self, event: ToolCallDelta) -> Iterable[bytes]:
        call, is_new = self._calls.add(event)
        if is_new:
            kind = "server_tool_use" if call.provider_executed else "tool_use"
            yield from self._begin_message()
            yield from self._end_block()
            self._call_blocks[event.call] = self._blocks
            yield self._block({"type": kind, "id": call.id, "name": call.name, "input": {}})
        if event.arguments:
            delta = {"type": "input_json_delta", "partial_json": event.arguments}
            yield said(
                {"type": "content_block_delta", "index": self._call_blocks[event.call], "delta": delta},
                "content_block_delta",
            )  # fmt: skip

    def _begin_message(self) -> Iterable[bytes]:
        if self._is_begun:
            return
        self._is_begun = True
        message: dict[str, Any] = {
            "id": self._start.id or f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": self._start.model or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        yield said({"type": "message_start", "message": message}, "message_start")

    def _begin(self, kind: str, part: Any, block: dict[str, Any]) -> Iterable[bytes]:
        yield from self._begin_message()
        if self._open == (kind, part):
            return
        yield from self._end_block()
        self._open = (kind, part)
        yield self._block(block)

    def _block(self, block: dict[str, Any]) -> bytes:
        index = self._blocks
        self._blocks += 1
        return said({"type": "content_block_start", "index": index, "content_block": block}, "content_block_start")

    def _delta(self, delta: dict[str, Any]) -> bytes:
        # The block that may grow is the last one: a call that begins ends it.
        return said({"type": "content_block_delta", "index": self._blocks - 1, "delta": delta}, "content_block_delta")

    def _end_block(self) -> Iterable[bytes]:
        if self._open is not None:
            self._open = None
            yield _stop(self._blocks - 1)


def _stop(index: int) -> bytes:
    return said({"type": "content_block_stop", "index": index}, "content_block_stop")


def _usage(usage: Usage) -> dict[str, Any]:
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    told: dict[str, Any] = {
        "input_tokens": max(0, (usage.input_tokens or 0) - cached - written),
        "output_tokens": usage.output_tokens or 0,
    }
    if cached:
        told["cache_read_input_tokens"] = cached
    if written:
        told["cache_creation_input_tokens"] = written
    return told
