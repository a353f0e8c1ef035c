"""An answer handed on as server-sent events, in the words of another protocol, to clients that may lose the connection.

    async for data in stream.to_sse("vercel"): ...            # bytes, for any web framework

    replays = exllm.sse.Replays()                              # one for the application
    replay = replays.start(client.stream(...), "openai")       # goes on while nobody is connected
    async for data in replay.events(): ...
    async for data in replays.find(last_event_id).events(after=last_event_id): ...   # what was missed, and the rest

Dialects: ``"openai"`` (Chat Completions), ``"anthropic"`` (Messages), ``"vercel"`` (AI SDK UI messages), ``"ag-ui"``
(Agent User Interaction Protocol), ``"exllm"`` (our own chunks). `exllm.integrations.fastapi` makes responses of them.
"""

from __future__ import annotations

from exllm.sse.dialects import DIALECTS, Dialect, writer_of
from exllm.sse.emit import SSEStream
from exllm.sse.replay import Replay, ReplayLost, Replays
from exllm.sse.writer import SSEWriter

__all__ = ["DIALECTS", "Dialect", "Replay", "ReplayLost", "Replays", "SSEStream", "SSEWriter", "writer_of"]
