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
from collections.abc import Callable, Sequence
from heapq import nsmallest
from itertools import islice
from operator import mul
from typing import Any, Literal, get_args

import msgspec

from exllm.types.vectors import Vectors

__all__ = ["Index", "Match", "Metric", "cosine", "dot", "euclidean", "find_similar", "scores"]

Metric = Literal["cosine", "dot", "euclidean"]
"""``cosine`` of the angle, -1 to 1; ``dot`` product; ``euclidean`` distance, where less is nearer."""

Vector = Sequence[float]
Matrix = Vectors | Sequence[Vector]

_METRICS: tuple[Metric, ...] = get_args(Metric)
# Rows that are compared in one go. Products of many rows are shared between cores; differences are written down, and
# should stay in the processor's cache.
_BLOCK_ROWS: dict[Metric, int] = {"cosine": 1024, "dot": 1024, "euclidean": 64}


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
    found = index.scores(query, metric)
    nearest = _nearest_of_array if _numpy() else _nearest_of_list
    sign = 1.0 if metric == "euclidean" else -1.0  # so that less is nearer
    matches = [Match(place, score) for place, score in nearest(found, top_k, sign)]
    if threshold is None:
        return matches
    return [match for match in matches if sign * match.score <= sign * threshold]


def scores(query: Vector, vectors: Matrix | Index, metric: Metric = "cosine") -> Any:
    """The score of each of `vectors` against `query`: a NumPy array, or a list where NumPy is missing.

    Raises: as `find_similar`.
    """
    return (vectors if isinstance(vectors, Index) else Index(vectors)).scores(query, metric)


class Index:
    """Vectors that are searched more than once: their lengths, which ``cosine`` needs, are worked out once.

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
            return self._scores_by_numpy(numpy, query, metric)

    def _scores_by_numpy(self, numpy: Any, query: Vector, metric: Metric) -> Any:
        rows = self._matrix
        kind = rows.dtype if rows.dtype.kind == "f" and rows.dtype.itemsize >= 4 else numpy.dtype("f4")
        asked = numpy.asarray(query, dtype=kind)
        if asked.ndim != 1:
            raise ValueError(f"the query must be one vector, got an array of {asked.ndim} dimensions")
        found = numpy.empty(len(rows), kind)
        lengths = self._lengths
        is_counting = metric == "cosine" and lengths is None
        if is_counting:
            lengths = numpy.empty(len(rows), kind)
        step = _BLOCK_ROWS[metric]
        differences = numpy.empty((step, len(asked)), kind)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            block = rows[part].astype(kind, copy=False)
            if metric == "euclidean":
                apart = numpy.subtract(block, asked, out=differences[: len(block)])
                found[part] = numpy.einsum("ij,ij->i", apart, apart)
                continue
            found[part] = block @ asked
            if is_counting:
                lengths[part] = numpy.einsum("ij,ij->i", block, block)
        if metric == "dot":
            return found
        if metric == "euclidean":
            return numpy.sqrt(found)
        if is_counting:
            self._lengths = lengths = numpy.sqrt(lengths)
        scale = lengths * numpy.sqrt(asked @ asked)
        cosines = numpy.divide(found, scale, out=numpy.zeros_like(found), where=scale != 0)
        return numpy.clip(cosines, -1, 1, out=cosines)  # rounding may lead a little beyond

    def _scores_by_hand(self, query: Vector, metric: Metric) -> list[float]:
        measure: Callable[[Vector, Vector], float] = {"cosine": cosine, "dot": dot, "euclidean": euclidean}[metric]
        return [measure(row, query) for row in self._matrix]


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


def _rows(vectors: Matrix) -> Sequence[Vector]:
    if isinstance(vectors, Vectors):
        return vectors[:]
    rows = [_plain(row) for row in vectors]
    for row in islice(rows, 1, None):
        if len(row) != len(rows[0]):
            raise ValueError("vectors must be of one length, these are not")
    return rows


def _plain(vector: Vector) -> Vector:
    """Python's own numbers, which are faster one by one than an array's."""
    as_list: Callable[[], list[float]] | None = getattr(vector, "tolist", None)
    return vector if as_list is None else as_list()


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
