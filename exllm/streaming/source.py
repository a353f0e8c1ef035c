"""Where chunks come from: the seam between transports, foreign backends, local models and the pump."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, get_args

from exllm.errors import ProtocolError
from exllm.types.chunks import Chunk, StreamStart, UsageUpdate


class ChunkSource(Protocol):
    """One attempt at one answer. One task reads at a time; any task of the loop may call `abort` at any time."""

    request_id: str | None
    is_shared: bool
    """Any task may read, and `abort` ends a read that is under way. Otherwise one task reads from `open` to the end."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be sent as it was given, in words."""

    @property
    def bytes_read(self) -> int:
        """Bytes of the body so far; 0 where there is none."""

    def raw(self) -> Any:
        """The provider's last object as plain data; None unless the request asked for it."""

    async def open(self) -> None:
        """Send the request; return when the answer has begun. Raises an `ExLLMError`."""

    async def read(self) -> list[Chunk] | None:
        """The next chunks, at least one; None after the end.

        Raises an `ExLLMError`. A cancelled read loses nothing that had arrived.
        """

    def abort(self) -> None:
        """Let go of the connection at once, without waiting. Idempotent; does nothing after the end."""

    async def aclose(self) -> None:
        """Finish what `abort` began: the connection is closed when this returns. Idempotent."""


class IteratorSource:
    """The source over a foreign provider's ``stream(request)``."""

    request_id: str | None = None
    bytes_read = 0
    is_shared = False  # asynchronous generators may be bound to their task, by timeouts and task groups

    def __init__(self, chunks: AsyncIterator[Chunk], warnings: tuple[str, ...] = ()) -> None:
        self._chunks = aiter(chunks)
        self.warnings = warnings + tuple(getattr(chunks, "warnings", ()))

    def raw(self) -> None:
        return None

    async def open(self) -> None:
        """The iterator opens itself at its first step."""

    async def read(self) -> list[Chunk] | None:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        if type(chunk) not in _CHUNKS:
            raise ProtocolError(f"a provider's stream gives chunks such as exllm.TextDelta, got {type(chunk).__name__}")
        return [chunk]

    def abort(self) -> None:
        """The pump's cancellation reaches the iterator at the await where it stands."""

    async def aclose(self) -> None:
        aclose = getattr(self._chunks, "aclose", None)
        if aclose is not None:
            await aclose()


_CHUNKS = frozenset(get_args(Chunk))
_HEAD = frozenset({StreamStart, UsageUpdate})


def has_content(chunks: list[Chunk]) -> bool:
    """Whether any of the answer itself is among `chunks`, and not only its head."""
    return any(type(chunk) not in _HEAD for chunk in chunks)
