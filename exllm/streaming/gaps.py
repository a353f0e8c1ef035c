"""Quantiles of the time between chunks, in constant memory."""

from __future__ import annotations

import math

_PER_DECADE = 24  # buckets per factor of ten: each is 10 % wide
_SMALLEST_S = 1e-6
_BUCKETS = 9 * _PER_DECADE  # 1 microsecond to 1,000 seconds


class GapHistogram:
    """Counts gaps in logarithmic buckets; quantiles are exact to within 10 %."""

    __slots__ = ("_counts", "_total", "_zeros")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._zeros = 0
        self._total = 0

    def add(self, gap_s: float, together: int) -> None:
        """`together` chunks arrived at once, `gap_s` after those before them: one such gap, the others are 0."""
        self._total += together
        self._zeros += together - 1
        bucket = min(int(math.log10(gap_s / _SMALLEST_S) * _PER_DECADE), _BUCKETS) if gap_s > _SMALLEST_S else 0
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def quantile_s(self, share: float) -> float | None:
        """The gap that `share` (0 to 1) of all gaps do not exceed; None when there was none."""
        if not self._total:
            return None
        seen = self._zeros
        rank = share * self._total
        if seen >= rank:
            return 0.0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                return float(_SMALLEST_S * 10 ** ((bucket + 0.5) / _PER_DECADE))
        return None
