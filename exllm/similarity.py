"""How near vectors are to each other, and which of many are nearest to one.

    reply = await client.embed("openai/text-embedding-3-small", texts)
    asked = await client.embed("openai/text-embedding-3-small", "Which of them is about cats?")
    for match in exllm.similarity.find_similar(asked.vector, reply.vectors, top_k=3):
        print(texts[match.index], match.score)

Vectors are lists of numbers, `exllm.Vectors`, or NumPy arrays. With NumPy (the extra ``embeddings``) many are compared
at once; without it everything works, a hundred times slower. Numbers are compared as float32 unless they are float64.
Bits that are packed into bytes (``encoding_format="binary"``) must be unpacked first, e.g. by ``numpy.unpackbits``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from itertools import islice
from operator import mul
from typing import Any, Literal, Protocol, cast, get_args

import msgspec

from exllm.types.vectors import Vectors

__all__ = ["Index", "Match", "Metric", "cosine", "dot", "euclidean", "find_similar", "scores"]

Metric = Literal["cosine", "dot", "euclidean"]
"""``cosine`` of the angle, -1 to 1; ``dot`` product; ``euclidean`` distance, where less is nearer."""


class Array(Protocol):
    """What NumPy reads as an array: its own ones, tensors, data frames."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __array__(self) -> Any: ...


Vector = Sequence[float] | Array
Matrix = Vectors | Sequence[Vector] | Array

_METRICS: tuple[Metric, ...] = get_args(Metric)
# Rows that are looked at in one go, where that is done twice: they stay in the processor's cache. With a thousand, BLAS
# shares each block between cores, which takes ten times as long where these are busy.
_BLOCK_ROWS = 64


class Match(msgspec.Struct, frozen=True, gc=False):
    """One of the nearest vectors: its place among those that were searched, and its score by the metric."""

    index: int
    score: float


def cosine(left: Vector, right: Vector) -> float:
    """The cosine of the angle between two vectors: 1 in the same direction, 0 at right angles, -1 opposite.

    0.0 where one of them is all zeros. Raises ValueError for vectors of different length.
    """
    lengths = math.sqrt(dot(left, left)) * math.sqrt(dot(right, right))
    found = dot(left, right) / lengths if lengths else 0.0
    return found if math.isnan(found) else max(-1.0, min(1.0, found))  # rounding may lead a little beyond


def dot(left: Vector, right: Vector) -> float:
    """The dot product of two vectors. Raises ValueError for vectors of different length."""
    _same_length(len(left), len(right))
    return float(sum(map(mul, _plain(left), _plain(right))))


def euclidean(left: Vector, right: Vector) -> float:
    """The distance between the ends of two vectors. Raises ValueError for vectors of different length."""
    _same_length(len(left), len(right))
    return math.dist(_plain(left), _plain(right))


def find_similar(
    query: Vector,
    vectors: Matrix | Index,
    *,
    top_k: int = 10,
    metric: Metric = "cosine",
    threshold: float | None = None,
) -> list[Match]:
    """The `top_k` of `vectors` that are nearest to `query`, nearest first; of equals the earlier one first.

    Those whose score is not a number, because one of their numbers is none, come last.

    Args:
        query: a vector of the same length as the others.
        vectors: what is searched: `Vectors`, a NumPy matrix, a list of lists; or an `Index` of one of these, which
            saves half of the work where the same vectors are searched again.
        metric: see `Metric`.
        threshold: leave out what is farther: a score below it, or for ``euclidean`` above it.

    Raises: ValueError for vectors of another length, an unknown metric, or a `top_k` below 1.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ValueError(f"top_k must be a whole number above 0, got {top_k!r}")
    index = vectors if isinstance(vectors, Index) else Index(vectors)
    matches = [Match(place, score) for place, score in index.nearest(query, metric, top_k)]
    if threshold is None:
        return matches
    if metric == "euclidean":
        return [match for match in matches if match.score <= threshold]
    return [match for match in matches if match.score >= threshold]


def scores(query: Vector, vectors: Matrix | Index, metric: Metric = "cosine") -> Any:
    """The score of each of `vectors` against `query`: a NumPy array, or a list where NumPy is missing.

    Raises: as `find_similar`.
    """
    return (vectors if isinstance(vectors, Index) else Index(vectors)).scores(query, metric)


class Index:
    """Vectors that are searched more than once: their lengths are worked out once.

    It keeps the vectors that it was given, without copying those that NumPy can read as they are; they must not be
    changed meanwhile. Raises ValueError for rows of different length.
    """

    def __init__(self, vectors: Matrix) -> None:
        numpy = _numpy()
        self._matrix: Any = _matrix(numpy, vectors) if numpy else _rows(vectors)
        self._lengths: Any = None

    def __len__(self) -> int:
        return len(self._matrix)

    def scores(self, query: Vector, metric: Metric = "cosine") -> Any:
        """As `exllm.similarity.scores`."""
        if metric not in _METRICS:
            raise ValueError(f"metric must be {' | '.join(_METRICS)}, got {metric!r}")
        if not len(self._matrix):
            return []
        _same_length(len(query), len(self._matrix[0]))
        numpy = _numpy()
        if not numpy:
            return self._scores_by_hand(query, metric)
        with numpy.errstate(all="ignore"):  # what is too large, or no number, shows in the scores
            asked = self._asked(numpy, query)
            if metric == "euclidean":
                return self._distances(numpy, asked)
            dots = self._dots(numpy, asked, with_lengths=metric == "cosine")
            if metric == "dot":
                return dots
            scale = self._lengths * numpy.sqrt(asked @ asked)
            cosines = numpy.divide(dots, scale, out=numpy.zeros_like(dots), where=scale != 0)
            return numpy.clip(cosines, -1, 1, out=cosines)  # rounding may lead a little beyond

    def nearest(self, query: Vector, metric: Metric, top_k: int) -> list[tuple[int, float]]:
        """The places and scores of the `top_k` that are nearest to `query`, nearest first."""
        numpy = _numpy()
        sign = 1.0 if metric == "euclidean" else -1.0  # so that less is nearer
        if not numpy:
            return _nearest_of_list(self.scores(query, metric), top_k, sign)
        if metric == "euclidean" and top_k < len(self._matrix):
            _same_length(len(query), len(self._matrix[0]))
            near = self._near(numpy, query, top_k)
            if top_k <= len(near) <= len(self._matrix) // 8:
                few = Index(self._matrix[near])
                found = _nearest_of_array(few.scores(query, metric), top_k, sign)
                return [(int(near[place]), score) for place, score in found]
        return _nearest_of_array(self.scores(query, metric), top_k, sign)

    def _near(self, numpy: Any, query: Vector, top_k: int) -> Any:
        """Places among which are those with the smallest distances.

        ``|row|² - 2 row·query + |query|²`` takes less time than the differences, but is off where vectors are near each
        other: a dot product of n numbers by n times the rounding of one, at most (Higham, "Accuracy and Stability of
        Numerical Algorithms", section 3.1). What may be among the nearest is looked at again.
        """
        with numpy.errstate(all="ignore"):
            asked = self._asked(numpy, query)
            dots = self._dots(numpy, asked, with_lengths=True)
            lengths, length = self._lengths, numpy.sqrt(asked @ asked)
            rough = lengths * lengths - 2 * dots + length * length
            off = 2 * (len(asked) + 4) * numpy.finfo(rough.dtype).eps * (lengths + length) ** 2
            farthest = numpy.partition(rough + off, top_k - 1)[top_k - 1]
            return numpy.flatnonzero(rough - off <= farthest)

    def _asked(self, numpy: Any, query: Vector) -> Any:
        kind = self._matrix.dtype
        asked = numpy.asarray(query, kind if kind.kind == "f" and kind.itemsize >= 4 else numpy.dtype("f4"))
        if asked.ndim != 1:
            raise ValueError(f"the query must be one vector, got an array of {asked.ndim} dimensions")
        return asked

    def _dots(self, numpy: Any, asked: Any, *, with_lengths: bool) -> Any:
        """The dot products of all rows with `asked`; the rows' lengths as well, where they are not known."""
        rows = self._matrix
        is_counting = with_lengths and self._lengths is None
        if rows.dtype == asked.dtype and not is_counting:
            return rows @ asked
        found, squares = numpy.empty(len(rows), asked.dtype), numpy.empty(len(rows), asked.dtype)
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            block = rows[part].astype(asked.dtype, copy=False)
            found[part] = block @ asked
            if is_counting:
                squares[part] = _squares(numpy, block)
        if is_counting:
            self._lengths = numpy.sqrt(squares)
        return found

    def _distances(self, numpy: Any, asked: Any) -> Any:
        rows = self._matrix
        squares = numpy.empty(len(rows), asked.dtype)
        differences = numpy.empty((_BLOCK_ROWS, len(asked)), asked.dtype)
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = rows[start : start + _BLOCK_ROWS].astype(asked.dtype, copy=False)
            apart = numpy.subtract(block, asked, out=differences[: len(block)])
            squares[start : start + len(block)] = _squares(numpy, apart)
        return numpy.sqrt(squares)

    def _scores_by_hand(self, query: Vector, metric: Metric) -> list[float]:
        measure: Callable[[Vector, Vector], float] = {"cosine": cosine, "dot": dot, "euclidean": euclidean}[metric]
        return [measure(row, query) for row in self._matrix]


def _squares(numpy: Any, rows: Any) -> Any:
    """The squares of the rows' lengths."""
    if hasattr(numpy, "vecdot"):  # NumPy 2, and faster
        return numpy.vecdot(rows, rows)
    return numpy.einsum("ij,ij->i", rows, rows)


def _nearest_of_array(found: Any, top_k: int, sign: float) -> list[tuple[int, float]]:
    numpy = _numpy()
    if not len(found):
        return []
    order = numpy.where(numpy.isnan(found), numpy.inf, found * sign)
    if top_k < len(order):
        farthest = numpy.partition(order, top_k - 1)[top_k - 1]
        places = numpy.flatnonzero(order <= farthest)  # with all that are as far as the last one
    else:
        places = numpy.arange(len(order))
    sorted_places = places[numpy.argsort(order[places], kind="stable")]
    return [(int(place), float(found[place])) for place in sorted_places[:top_k]]


def _nearest_of_list(found: list[float], top_k: int, sign: float) -> list[tuple[int, float]]:
    return nsmallest(
        top_k, enumerate(found), key=lambda scored: math.inf if math.isnan(scored[1]) else sign * scored[1]
    )  # fmt: skip


def _matrix(numpy: Any, vectors: Matrix) -> Any:
    try:
        is_array = hasattr(vectors, "__array_interface__") or hasattr(vectors, "__array__")  # the second: data frames
        matrix = numpy.asarray(vectors if is_array else list(vectors))
    except ValueError:  # rows of different length
        raise ValueError("vectors must be of one length, these are not") from None
    if matrix.size == 0:
        return matrix.reshape(0, 0)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        raise ValueError(f"vectors must be rows of numbers, got an array of {matrix.ndim} dimensions, {matrix.dtype}")
    return matrix


def _rows(vectors: Matrix) -> Sequence[Sequence[float]]:
    if isinstance(vectors, Vectors):
        return vectors[:]
    rows = [_plain(row) for row in vectors]
    for row in islice(rows, 1, None):
        if len(row) != len(rows[0]):
            raise ValueError("vectors must be of one length, these are not")
    return rows


def _plain(vector: Vector) -> Sequence[float]:
    """Python's own numbers, which are faster one by one than an array's."""
    as_list: Callable[[], list[float]] | None = getattr(vector, "tolist", None)
    return cast(Sequence[float], vector) if as_list is None else as_list()


def _same_length(left: int, right: int) -> None:
    if left != right:
        raise ValueError(f"vectors of {left} and {right} numbers cannot be compared; embed both with the same model")


def _numpy() -> Any:
    """NumPy, or None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy
