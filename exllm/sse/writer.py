"""What every dialect has to know: how to say a chunk, an end, a failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from exllm.errors import ExLLMError
from exllm.types.chunks import ToolCallDelta
from exllm.types.plain import foreign
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent


class SSEWriter(Protocol):
    """Says one answer, or one run of answers and tools, in the words of a dialect. No I/O; made anew for each.

    What is returned are events without their ids and without the blank line at their end, see `said`.
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that clients of this dialect look for, beside the content type."""

    def event(self, event: RunEvent) -> Iterable[bytes]:
        """The next chunk, or event of a run."""

    def close(self, response: Response, run: Run | None) -> Iterable[bytes]:
        """The answer is whole; `run` is given where it was the last one of a run."""

    def fail(self, error: ExLLMError) -> Iterable[bytes]:
        """The answer was broken off: the last events."""


NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def said(data: Any, event: str | None = None) -> bytes:
    """The lines of one event: its data as JSON, or as it is where it is bytes."""
    lines = b"data: %b\n" % (data if isinstance(data, bytes) else msgspec.json.encode(data, enc_hook=foreign))
    return lines if event is None else b"event: %b\n%b" % (event.encode(), lines)


class OpenCall(msgspec.Struct):
    """A tool call that is arriving."""

    id: str
    name: str
    provider_executed: bool
    arguments: str = ""
    signature: str | None = None


class OpenCalls:
    """The tool calls of the answer that is arriving, by the place where their pieces say that they belong."""

    def __init__(self) -> None:
        self._calls: dict[int, OpenCall] = {}

    def add(self, delta: ToolCallDelta) -> tuple[OpenCall, bool]:
        """The call that `delta` belongs to, with its piece in it, and whether that is its first."""
        call = self._calls.get(delta.call)
        is_new = call is None
        if call is None:
            # The id as the response has it where the provider gives none.
            call = OpenCall(delta.id or f"call_{delta.index}_{delta.call}", delta.name, delta.provider_executed)
            self._calls[delta.call] = call
        call.arguments += delta.arguments
        call.signature = delta.signature or call.signature
        return call, is_new

    def take(self) -> list[OpenCall]:
        """All calls of the answer, which is over."""
        calls = list(self._calls.values())
        self._calls.clear()
        return calls


def error_words(error: ExLLMError) -> str:
    """What a client may know of a failure: the message, without the facts of the application's accounts."""
    return error.message
