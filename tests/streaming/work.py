"""Counts what a decoder does with the bytes that it keeps, so that tests of linearity need no clock."""

from __future__ import annotations

from typing import Any, Protocol, Self


class _Decoder(Protocol):
    def feed(self, data: bytes) -> list[Any]: ...

    def close(self) -> list[Any]: ...


class CountingTail(bytearray):
    """The unfinished frame, counting the bytes that go in, come out, or are searched."""

    touched = 0

    def __iadd__(self, more: Any) -> Self:
        self.touched += len(more)
        return super().__iadd__(more)

    def __bytes__(self) -> bytes:
        self.touched += len(self)
        return b"".join((self,))

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        self.touched += 1 if isinstance(found, int) else len(found)
        return found

    def find(self, *args: Any) -> int:
        self.touched += len(self)
        return super().find(*args)

    def rfind(self, *args: Any) -> int:
        self.touched += len(self)
        return super().rfind(*args)

    def split(self, *args: Any) -> list[bytearray]:
        self.touched += len(self)
        return super().split(*args)


def bytes_touched(decoder: _Decoder, body: bytes, size: int = 3) -> int:
    """Feed `body` in slices of `size` bytes; return how many bytes of unfinished frames were handled on the way."""
    tail = decoder._tail = CountingTail()  # type: ignore[attr-defined]
    frames = [frame for start in range(0, len(body), size) for frame in decoder.feed(body[start : start + size])]
    frames += decoder.close()
    assert frames
    assert tail is decoder._tail  # type: ignore[attr-defined]
    return tail.touched
