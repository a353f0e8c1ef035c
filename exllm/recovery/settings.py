"""How hard to try to finish an answer that was cut off."""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.recovery.stores import MemoryStore, RecoveryStore


class Recovery(msgspec.Struct, frozen=True):
    """``client.stream(..., recover=Recovery(...))``; ``recover=True`` is `Recovery` as it comes.

    Attributes:
        store: where unfinished answers are kept; in memory, for each client, when it is None.
        attempts: how often one answer may be gone on with.
        save_every_s: seconds between saves of a running answer. It is saved in any case when it breaks off or is left,
            and forgotten when it is whole.
        automatic: go on by itself when the connection breaks. False only saves.
    """

    store: RecoveryStore | None = None
    attempts: int = 3
    save_every_s: float = 1.0
    automatic: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ValueError(f"attempts must be a whole number above 0, got {self.attempts!r}")
        if not self.save_every_s > 0:
            raise ValueError(f"save_every_s must be above 0 seconds, got {self.save_every_s!r}")
        if self.store is not None and not isinstance(self.store, RecoveryStore):
            raise TypeError(f"store must have save, get, list, delete and clear; {type(self.store).__name__} has not")


RecoverArgument = bool | Recovery | None


def recovery_of(recover: Any, default_store: MemoryStore) -> Recovery | None:
    """The settings that a `recover` argument stands for, with a store; None for none. Raises TypeError."""
    if recover is None or recover is False:
        return None
    recovery = Recovery() if recover is True else recover
    if not isinstance(recovery, Recovery):
        raise TypeError(f"recover must be True or an exllm.recovery.Recovery, got {recover!r}")
    return recovery if recovery.store is not None else msgspec.structs.replace(recovery, store=default_store)
