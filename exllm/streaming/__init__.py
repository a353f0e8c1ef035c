"""The streaming blocks, each usable alone; what is not asked for is not loaded.

==============================================================  ================================================
bytes to frames, without I/O                                    `SSEDecoder`, `NDJSONDecoder`,
                                                                `EventStreamDecoder`, `WebSocketDecoder`
buffers between producer and consumer                           `RingBuffer`, `FlowController`, `ChunkBatcher`
one answer, as `exllm.Client.stream` hands it out               `Stream`, `TeeBranch`
==============================================================  ================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exllm.streaming.aws_eventstream import EventStreamDecoder, EventStreamFrame
    from exllm.streaming.batcher import BatcherStatistics, ChunkBatcher
    from exllm.streaming.flow import FlowController, FlowStatistics
    from exllm.streaming.frame import Frame
    from exllm.streaming.ndjson import NDJSONDecoder
    from exllm.streaming.ring import Overflow, RingBuffer, RingClosed, RingEmpty, RingStatistics
    from exllm.streaming.sse import SSEDecoder
    from exllm.streaming.stream import Stream
    from exllm.streaming.tee import TeeBranch
    from exllm.streaming.websocket import WebSocketDecoder

# `tee` the function is not here: it would hide the module of the same name. Use `Stream.tee`, or take it from there.
_HOME = {
    "BatcherStatistics": "batcher",
    "ChunkBatcher": "batcher",
    "EventStreamDecoder": "aws_eventstream",
    "EventStreamFrame": "aws_eventstream",
    "FlowController": "flow",
    "FlowStatistics": "flow",
    "Frame": "frame",
    "NDJSONDecoder": "ndjson",
    "Overflow": "ring",
    "RingBuffer": "ring",
    "RingClosed": "ring",
    "RingEmpty": "ring",
    "RingStatistics": "ring",
    "SSEDecoder": "sse",
    "Stream": "stream",
    "TeeBranch": "tee",
    "WebSocketDecoder": "websocket",
}

__all__ = [
    "BatcherStatistics",
    "ChunkBatcher",
    "EventStreamDecoder",
    "EventStreamFrame",
    "FlowController",
    "FlowStatistics",
    "Frame",
    "NDJSONDecoder",
    "Overflow",
    "RingBuffer",
    "RingClosed",
    "RingEmpty",
    "RingStatistics",
    "SSEDecoder",
    "Stream",
    "TeeBranch",
    "WebSocketDecoder",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module 'exllm.streaming' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"exllm.streaming.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
