"""The attempts at one answer: each has a source of its own, and the last of them counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from exllm.errors import ExLLMError
from exllm.policies.retry import RetrySchedule
from exllm.streaming.source import ChunkSource

if TYPE_CHECKING:
    from exllm.types.cursor import StreamHandle


class Attempts:
    """The source of the attempt that is under way, and what the provider said of itself there.

    Any task of the loop may `let_go` while another one opens or reads.

    Args:
        connect: makes the source of one attempt.
        schedule: when to try again.

    Attributes:
        source: None before the first attempt, and between two.
        is_open: the provider has begun to answer.
        request_id, warnings: known once it is open.
        raw: see `ChunkSource.raw`; known once it was let go.
    """

    __slots__ = ("_connect", "_schedule", "is_open", "raw", "request_id", "source", "warnings")

    def __init__(self, connect: Callable[[], Awaitable[ChunkSource]], schedule: RetrySchedule) -> None:
        self._connect = connect
        self._schedule = schedule
        self.source: ChunkSource | None = None
        self.is_open = False
        self.request_id: str | None = None
        self.warnings: tuple[str, ...] = ()
        self.raw: Any = None

    async def connect(self) -> ChunkSource:
        """Make the source of this attempt; nothing is sent yet."""
        source = self.source = await self._connect()
        return source

    async def open(self) -> ChunkSource:
        """Return when the answer has begun; sends the request if need be. Raises why it did not begin."""
        source = self.source
        if source is None:
            source = await self.connect()
        if not self.is_open:
            await source.open()
            self.is_open = True
            self.request_id, self.warnings = source.request_id, source.warnings
        return source

    def wait_s(self, error: ExLLMError, time_left_s: float) -> float | None:
        """Seconds until the next attempt after this one failed; None when there is none."""
        return self._schedule.wait_s(error, time_left_s)

    async def forget(self) -> None:
        """This attempt has failed, and another one follows: returns when its source is closed."""
        source, self.source, self.is_open, self.request_id = self.source, None, False, None
        if source is not None:
            source.abort()
            await source.aclose()

    def let_go(self) -> None:
        """No other attempt follows: keep what the source can tell, and give up its connection at once."""
        source = self.source
        if source is not None:
            self.raw, self.warnings = source.raw(), source.warnings
            source.abort()

    @property
    def count(self) -> int:
        """How many there were, with this one."""
        return self._schedule.attempts

    @property
    def bytes_read(self) -> int:
        """Bytes of the body so far."""
        return 0 if self.source is None else self.source.bytes_read

    @property
    def handle(self) -> StreamHandle | None:
        """Where the provider keeps the stream, and the last of its events that arrived."""
        return getattr(self.source, "handle", None)
