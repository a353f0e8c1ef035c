"""Conversations as data, that can be stored, moved, taken back and gone on with.

session = exllm.Session("anthropic/claude-sonnet-4-5", instructions="Be brief.")
async with client.conversation(session, store="chats.db") as chat:
    print((await chat.send("Hi")).text)

async with client.conversation(session.id, store="chats.db") as chat:      # later, in another process
    async with chat.stream("Tell me more") as turn:
        async for text in turn.text(): print(text, end="")
"""

from __future__ import annotations

from exllm.sessions.conversation import Conversation
from exllm.sessions.export import export
from exllm.sessions.file_store import FileStore
from exllm.sessions.redis_store import RedisStore
from exllm.sessions.session import SESSION_VERSION, Session, SessionStatus, Summary
from exllm.sessions.shown import Fit
from exllm.sessions.sqlite_store import SQLiteStore
from exllm.sessions.stores import SessionInfo, SessionStore
from exllm.sessions.transitions import ALLOWED, answers_for, begin_turn, fork, settle, to_run, undo
from exllm.sessions.turn import Turn
from exllm.sessions.versions import from_json, from_msgpack, to_json, to_msgpack

__all__ = [
    "ALLOWED",
    "SESSION_VERSION",
    "Conversation",
    "FileStore",
    "Fit",
    "RedisStore",
    "SQLiteStore",
    "Session",
    "SessionInfo",
    "SessionStatus",
    "SessionStore",
    "Summary",
    "Turn",
    "answers_for",
    "begin_turn",
    "export",
    "fork",
    "from_json",
    "from_msgpack",
    "settle",
    "to_json",
    "to_msgpack",
    "to_run",
    "undo",
]
