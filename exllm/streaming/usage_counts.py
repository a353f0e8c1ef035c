"""Usage that a provider reports piece by piece, or anew with every piece of the answer."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from exllm.types.usage import Usage

UNKNOWN_USAGE = Usage()
"""Before anything was reported."""


def merge_usage(old: Usage, new: Usage) -> Usage:
    """The fields of `new` where it sets them, those of `old` elsewhere."""
    if old is UNKNOWN_USAGE:
        return new
    kept = {
        name: value
        for name in Usage.__struct_fields__
        if getattr(new, name) is None and (value := getattr(old, name)) is not None
    }
    return msgspec.structs.replace(new, **kept) if kept else new


class UsageCounts:
    """The reports of one answer, as `merge_usage` takes them together.

    Some services send all counts with every piece of the answer. Reports that set the same fields as those before need
    no merging, and are told by one look at those fields.
    """

    __slots__ = ("_missing", "_reports", "_those_set")

    def __init__(self) -> None:
        self._reports = 0
        self._those_set: Callable[[Usage], tuple[Any, ...]] | None = None  # known once reports come again
        self._missing = 0  # how many fields are not among them

    def add(self, old: Usage, new: Usage) -> Usage:
        """All that is known by `new`, where `old` was known before it."""
        those_set = self._those_set
        if (
            those_set is not None
            and None not in those_set(new)
            and msgspec.structs.astuple(new).count(None) == self._missing
        ):
            return new
        merged = merge_usage(old, new)
        self._reports += 1
        if self._reports > 2:  # one at the start and one at the end are usual, and teach nothing
            names = [name for name in Usage.__struct_fields__ if getattr(merged, name) is not None]
            self._those_set = attrgetter("provenance", *names)  # with two names it gives a tuple
            self._missing = len(Usage.__struct_fields__) - len(names)
        return merged
