"""Answers as chunks, for all dialects: what a client must have understood is in the response that they fold into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import exllm
from exllm import (
    AudioDelta,
    Citation,
    CitationDelta,
    Finish,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageUpdate,
)
from exllm.testing import MockProvider

START = StreamStart(id="resp-1", model="model-7", created=1_700_000_000)
USAGE = UsageUpdate(
    Usage(
        input_tokens=20,
        output_tokens=9,
        total_tokens=29,
        cached_input_tokens=5,
        reasoning_tokens=3,
        provenance="reported",
    )
)
PLAIN = [START, TextDelta("Good "), TextDelta("morning — 早上好\u2028."), USAGE, Finish("stop")]
THOUGHT = [
    START,
    ReasoningDelta("Let me "),
    ReasoningDelta("think."),
    ReasoningDelta(signature="c2ln"),
    TextDelta("Done.", part=1),
    USAGE,
    Finish("stop"),
]
TWO_CALLS = [
    START,
    TextDelta("I will look. "),
    ToolCallDelta(0, "a1", "weather", '{"city": '),
    ToolCallDelta(1, "b2", "time", ""),
    ToolCallDelta(0, arguments='"Oslo"}'),
    ToolCallDelta(1, arguments='{"zone": "UTC"}'),
    USAGE,
    Finish("tool_calls"),
]
CITED = [
    START,
    TextDelta("Oslo is cold"),
    CitationDelta(Citation(url="https://example.org/oslo", title="Oslo", text="cold", start=0, end=12)),
    USAGE,
    Finish("stop"),
]
REFUSED = [START, RefusalDelta("I cannot "), RefusalDelta("say that."), USAGE, Finish("refusal")]
SEEN_AND_HEARD = [
    START,
    TextDelta("Look:"),
    ImageDelta(data=b"\x89PNG", media_type="image/png"),
    AudioDelta(data=b"\0\1", media_type="audio/pcm", transcript="Listen", id="au1", expires_at=7),
    ProviderEvent("ping", {"a": 1}, "mock"),
    USAGE,
    Finish("stop"),
]
CUT = [START, TextDelta("Once upon "), exllm.StreamInterrupted("the connection ended")]
ANSWERS: dict[str, list[Any]] = {
    "plain": PLAIN, "thought": THOUGHT, "two calls": TWO_CALLS, "cited": CITED, "refused": REFUSED,
    "seen and heard": SEEN_AND_HEARD,
}  # fmt: skip


@contextmanager
def mock(*answers: Any, **more: Any) -> Iterator[MockProvider]:
    with MockProvider(*answers, name="mocked", **more) as provider:
        yield provider
