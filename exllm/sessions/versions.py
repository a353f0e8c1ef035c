"""Sessions as bytes: the version tag, and how data of older versions becomes a session of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from exllm.errors import ConfigurationError, InvalidRequest
from exllm.sessions.session import SESSION_VERSION, Session
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages

Data = dict[str, Any]


class _Tag(msgspec.Struct):
    version: int = 0  # what has no tag is the form of ExLLM, the Elixir library


_JSON = msgspec.json.Encoder()
_TAG, _SESSION = msgspec.json.Decoder(_Tag), msgspec.json.Decoder(Session)
_MESSAGE = msgspec.json.Decoder(Message)


def to_json(session: Session) -> bytes:
    """The session as JSON. Binary content is base64."""
    return _JSON.encode(session)


def from_json(data: bytes | str) -> Session:
    """The session of `to_json`, of an older version, or of ExLLM's ``to_json``.

    Raises: ConfigurationError for data of a newer version, or of something else.
    """
    return _read(lambda: _SESSION.decode(data) if _is_current(_TAG.decode(data)) else _migrated(_as_dict(data)))


def to_msgpack(session: Session) -> bytes:
    """The session as MessagePack."""
    return msgspec.msgpack.encode(session)


def from_msgpack(data: bytes) -> Session:
    """The session of `to_msgpack`, also of an older version. Raises: as `from_json`."""

    def decode() -> Session:
        if _is_current(msgspec.msgpack.decode(data, type=_Tag)):
            return msgspec.msgpack.decode(data, type=Session)
        return _migrated(msgspec.msgpack.decode(data, type=Data))

    return _read(decode)


def split(session: Session) -> tuple[bytes, tuple[Message, ...]]:
    """The session for a store that appends messages: all but its history as JSON, and the history."""
    return _JSON.encode(msgspec.structs.replace(session, history=())), session.history


def message_row(message: Message) -> bytes:
    """One message of `split`, as JSON."""
    return _JSON.encode(message)


def join(head: bytes | str, rows: Iterable[bytes | str]) -> Session:
    """The session of `split`. Raises: as `from_json`."""

    def decode() -> Session:
        if _is_current(_TAG.decode(head)):
            return msgspec.structs.replace(_SESSION.decode(head), history=tuple(map(_MESSAGE.decode, rows)))
        return _migrated({**_as_dict(head), "history": [msgspec.json.decode(row) for row in rows]})

    return _read(decode)


def _is_current(tag: _Tag) -> bool:
    if tag.version > SESSION_VERSION:
        raise ConfigurationError(
            f"this session was stored by a newer exllm (version {tag.version}, not {SESSION_VERSION}); update exllm"
        )
    return tag.version == SESSION_VERSION


def _read(decode: Callable[[], Session]) -> Session:
    try:
        return decode()
    except (
        msgspec.DecodeError,
        InvalidRequest,
        TypeError,
        ValueError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ConfigurationError(f"this is no session of exllm: {type(error).__name__}: {error}") from error


def _as_dict(data: bytes | str) -> Data:
    return msgspec.json.decode(data, type=Data)


def _migrated(data: Data) -> Session:
    version = data.get("version", 0)
    while version < SESSION_VERSION:
        data = MIGRATIONS[version](data)
        version += 1
    return msgspec.convert({**data, "version": SESSION_VERSION}, Session)


def _from_exllm_for_elixir(old: Data) -> Data:
    """``ExLLM.Session.to_json``: id, llm_backend, messages, context, created_at, updated_at, token_usage, name."""
    context = dict(old.get("context") or {})
    model = (context.get("config") or {}).get("model")
    backend = old.get("llm_backend") or ""
    messages = [_without_time(message) for message in old["messages"]]
    usage = old.get("token_usage")
    counts = {name: usage.get(name) for name in ("input_tokens", "output_tokens")} if usage else None
    return {
        "id": old["id"],
        "model": f"{backend}/{model}" if model else backend,
        "name": old.get("name"),
        "status": "completed" if messages else "idle",
        "history": msgspec.to_builtins(normalise_messages(messages)) if messages else [],
        "turn_starts": [place for place, message in enumerate(messages) if message.get("role") == "user"],
        "context": context,
        "settled_usage": {name: count for name, count in counts.items() if count is not None} if counts else None,
        "created_at": datetime.fromisoformat(old["created_at"]).timestamp(),
        "updated_at": datetime.fromisoformat(old["updated_at"]).timestamp(),
    }


def _without_time(message: Data) -> Data:
    return {name: value for name, value in message.items() if name != "timestamp"}


MIGRATIONS: Mapping[int, Callable[[Data], Data]] = {0: _from_exllm_for_elixir}
"""By version: makes the data of the next one."""
