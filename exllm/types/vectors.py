"""Many vectors of the same length, kept as packed numbers."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, overload

import msgspec

NumberKind = Literal["f", "d", "b", "B"]
"""How one number is kept: float32, float64, int8, uint8. The letters are those of the standard module `array`."""

NUMBER_BYTES: dict[NumberKind, int] = {"f": 4, "d": 8, "b": 1, "B": 1}
_NUMPY_TYPE: dict[NumberKind, str] = {"f": "<f4", "d": "<f8", "b": "|i1", "B": "|u1"}
_IS_BIG_ENDIAN = sys.byteorder == "big"


class Vectors(msgspec.Struct, frozen=True, eq=False):
    """Vectors of the same length: a sequence of lists of numbers, which are made when they are asked for.

    A list of Python floats takes 32 bytes for each number; here it is 4 where the provider sent float32, 8 where it
    sent digits, which are kept exactly, and 1 for quantised ones. ``numpy.asarray(vectors)`` gives an array with one
    row for each vector, without copying; so does any library that knows NumPy's array interface.

    Attributes:
        data: the numbers of all vectors, one after the other, little-endian.
        dimensions: how many numbers a vector has. Of bits packed into bytes, each number is eight of them.
        kind: what `data` holds: ``"f"`` float32, ``"d"`` float64, ``"b"`` int8, ``"B"`` uint8.
    """

    data: bytes
    dimensions: int
    kind: NumberKind = "d"

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], kind: NumberKind = "d") -> Vectors:
        """Pack `rows`. Raises ValueError for rows of different or no length, or a number that `kind` cannot hold."""
        dimensions = _same_length(map(len, rows))
        numbers: array.array[Any] = array.array(kind)
        for row in rows:
            try:
                numbers.fromlist(list(row) if kind in "fd" else [_whole(number) for number in row])
            except OverflowError as error:
                raise ValueError(str(error)) from None
        if _IS_BIG_ENDIAN:
            numbers.byteswap()
        return cls(numbers.tobytes(), dimensions, kind)

    @classmethod
    def packed(cls, rows: Sequence[bytes], kind: NumberKind) -> Vectors:
        """Join rows that are packed already. Raises ValueError for rows of different or no length, or half a number."""
        size = _same_length(map(len, rows))
        if size % NUMBER_BYTES[kind]:
            raise ValueError(f"{size} bytes are no whole number of {NUMBER_BYTES[kind]}-byte numbers")
        return cls(b"".join(rows), size // NUMBER_BYTES[kind], kind)

    @classmethod
    def joined(cls, parts: Sequence[Vectors]) -> Vectors:
        """All vectors of `parts`, in order. Raises ValueError when they are not of the same length."""
        if len(parts) == 1:
            return parts[0]
        dimensions = _same_length(part.dimensions for part in parts)
        kinds = {part.kind for part in parts}
        if len(kinds) > 1:
            return cls.of([row for part in parts for row in part])
        return cls(b"".join(part.data for part in parts), dimensions, kinds.pop())

    def __len__(self) -> int:
        return len(self.data) // (self.dimensions * NUMBER_BYTES[self.kind])

    @overload
    def __getitem__(self, index: int) -> list[float]: ...

    @overload
    def __getitem__(self, index: slice) -> list[list[float]]: ...

    def __getitem__(self, index: int | slice) -> list[float] | list[list[float]]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"there are {len(self)} vectors, so none has the index {index}")
        size = self.dimensions * NUMBER_BYTES[self.kind]
        numbers: array.array[float] = array.array(self.kind, self.data[position * size : (position + 1) * size])
        if _IS_BIG_ENDIAN:
            numbers.byteswap()
        return numbers.tolist()

    def __iter__(self) -> Iterator[list[float]]:
        return (self[position] for position in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Equal to whatever sequence holds the same numbers, however it keeps them."""
        if isinstance(other, Vectors) and other.kind == self.kind:
            return self.dimensions == other.dimensions and self.data == other.data
        if isinstance(other, Vectors | list | tuple):
            return len(self) == len(other) and all(mine == list(its) for mine, its in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Vectors({len(self)} of {self.dimensions} numbers, {_NUMPY_TYPE[self.kind][1:]})"

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """NumPy's protocol, version 3: https://numpy.org/doc/stable/reference/arrays.interface.html."""
        return {
            "version": 3,
            "shape": (len(self), self.dimensions),
            "typestr": _NUMPY_TYPE[self.kind],
            "data": self.data,
        }


def _same_length(lengths: Iterable[int]) -> int:
    different = set(lengths)
    if len(different) != 1 or 0 in different:
        raise ValueError(f"vectors must be of one length, above 0; these have {sorted(different)}")
    return different.pop()


def _whole(number: float) -> int:
    whole = int(number)
    if whole != number:
        raise ValueError(f"{number!r} is no whole number")
    return whole
