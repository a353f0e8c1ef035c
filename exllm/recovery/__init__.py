"""Answers that survive a broken connection, or the end of the process.

recovery = exllm.recovery.Recovery(store=exllm.recovery.SQLiteStore("answers.db"))
async with client.stream("anthropic", "Tell me a long story", recover=recovery) as stream:
    ...                                        # goes on by itself when the connection breaks

for cursor in await recovery.store.list():     # later, perhaps in another process
    async with client.resume(cursor) as stream:
        print(cursor.text, end="")
        async for text in stream.text(): print(text, end="")
"""

from __future__ import annotations

from exllm.recovery.settings import Recovery
from exllm.recovery.sqlite_store import SQLiteStore
from exllm.recovery.stores import MemoryStore, RecoveryStore
from exllm.types.cursor import Cursor, ResumeStrategy, StreamHandle

__all__ = ["Cursor", "MemoryStore", "Recovery", "RecoveryStore", "ResumeStrategy", "SQLiteStore", "StreamHandle"]
