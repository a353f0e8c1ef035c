"""The same bytes, cut differently: what every decoder must not notice. Tests and benchmarks share it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator


def rechunk(data: bytes, seed: int, largest: int | None = None) -> Iterator[bytes]:
    """Cut `data` at places that `seed` decides, into slices of 0 to `largest` bytes.

    Without `largest`, each seed has its own, from a few bytes to all of them. Empty slices occur: reads can be empty.
    """
    rng = random.Random(seed)
    if largest is None:
        largest = max(1, round(len(data) ** rng.random()))
    start = 0
    while start < len(data):
        size = rng.randint(0, largest)
        yield data[start : start + size]
        start += size


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def slicings(data: bytes, given: Iterable[bytes] | None = None, seeds: int = 8) -> Iterator[tuple[str, list[bytes]]]:
    """Yield ``(name, slices)``: whole, as given, byte by byte, and `seeds` random ways."""
    yield "whole", [data]
    if given is not None:
        yield "given", list(given)
    yield "bytewise", list(bytewise(data))
    for seed in range(seeds):
        yield f"seed {seed}", list(rechunk(data, seed))
