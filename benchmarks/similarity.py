"""Searching 100,000 vectors of 1,536 numbers: `python -m benchmarks.similarity`.

Prints the median of several searches, beside the raw product of NumPy over the same numbers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy

from exllm.similarity import Index, find_similar

ROWS, NUMBERS, REPEATS, BEST = 100_000, 1_536, 7, 10


def median_ms(search: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        search()
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


def main() -> None:
    numbers = numpy.random.default_rng(7)
    matrix = numbers.standard_normal((ROWS, NUMBERS), dtype=numpy.float32)
    query = numbers.standard_normal(NUMBERS, dtype=numpy.float32)
    index = Index(matrix)
    cosines = (matrix @ query) / (numpy.linalg.norm(matrix, axis=1) * numpy.linalg.norm(query))
    best = numpy.argsort(-cosines)[:BEST].tolist()
    assert [match.index for match in find_similar(query, matrix)] == best
    assert [match.index for match in find_similar(query, index)] == best
    nearest = numpy.argsort(numpy.concatenate([((part - query) ** 2).sum(1) for part in numpy.split(matrix, 100)]))
    assert [match.index for match in find_similar(query, matrix, metric="euclidean")] == nearest[:BEST].tolist()
    print(f"{ROWS:,} vectors of {NUMBERS:,} numbers, float32, the nearest {BEST}; median of {REPEATS}")
    print(f"  matrix @ query, NumPy alone        {median_ms(lambda: matrix @ query):6.1f} ms")
    print(
        f"  find_similar, dot                  {median_ms(lambda: find_similar(query, matrix, metric='dot')):6.1f} ms"
    )
    print(f"  find_similar, cosine               {median_ms(lambda: find_similar(query, matrix)):6.1f} ms")
    print(f"  find_similar, cosine, an Index     {median_ms(lambda: find_similar(query, index)):6.1f} ms")
    for name, searched in (("euclidean", matrix), ("euclidean, an Index", index)):
        far = median_ms(lambda searched=searched: find_similar(query, searched, metric="euclidean"))  # type: ignore[misc]
        print(f"  find_similar, {name:20} {far:6.1f} ms")


if __name__ == "__main__":
    main()
