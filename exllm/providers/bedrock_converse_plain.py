"""The short way for most unstreamed answers: one block of text and nothing else.

It gives the chunks that `ConverseDecoder` gives, at a third of the cost; the tests hold the two against each other. An
answer with anything that is not named here is left to the general way.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from exllm.types.chunks import Chunk, Finish, FinishReason, ProviderEvent, StreamStart, TextDelta, UsageUpdate
from exllm.types.usage import Usage

_REASONS: dict[str, FinishReason] = {"end_turn": "stop", "max_tokens": "length"}


class _Struct(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pass


class _Block(_Struct):
    text: str


class _Message(_Struct):
    content: tuple[_Block]
    role: Literal["assistant"] = "assistant"


class _Output(_Struct):
    message: _Message


class _Tools(_Struct):
    """Nothing was counted of tools."""


class _Counts(_Struct):
    inputTokens: int
    outputTokens: int
    totalTokens: int = 0
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None
    cacheReadInputTokenCount: int | None = None
    cacheWriteInputTokenCount: int | None = None
    serverToolUsage: _Tools | None = None


class _Body(_Struct):
    output: _Output
    stopReason: Literal["end_turn", "max_tokens"]
    usage: _Counts
    metrics: dict[str, Any] | None = None
    trace: None = None
    performanceConfig: None = None
    serviceTier: None = None
    additionalModelResponseFields: None = None


_decode = msgspec.json.Decoder(_Body).decode


def plain_answer(body: bytes, provider: str, answering: str | None) -> list[Chunk] | None:
    """The chunks of `body`, or None when it is anything but a message of text."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    text = answer.output.message.content[0].text
    if not text:
        return None
    reason = answer.stopReason
    chunks: list[Chunk] = [StreamStart(model=answering), TextDelta(text), UsageUpdate(_usage(answer.usage))]
    if answer.metrics:
        chunks.append(ProviderEvent("metrics", answer.metrics, provider))
    chunks.append(Finish(_REASONS[reason], raw=reason))
    return chunks


def _usage(counts: _Counts) -> Usage:
    read, written, made = counts.cacheReadInputTokens, counts.cacheWriteInputTokens, counts.outputTokens
    if read is None:
        read = counts.cacheReadInputTokenCount
    if written is None:
        written = counts.cacheWriteInputTokenCount
    used = counts.inputTokens + (read or 0) + (written or 0)
    return Usage(used, made, used + made, read, written, provenance="reported")
