"""Messages of AWS's event-stream encoding, as a service writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from struct import pack
from typing import Any
from zlib import crc32


def message(payload: bytes, headers: Mapping[str, str]) -> bytes:
    """One message with these headers, all of them strings."""
    block = b"".join(
        pack(">B", len(name)) + name.encode() + pack(">BH", 7, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack(">II", len(payload) + len(block) + 16, len(block))
    body = prelude + pack(">I", crc32(prelude)) + block + payload
    return body + pack(">I", crc32(body))


def event(name: str, document: Any) -> bytes:
    """An event as Bedrock sends it, padding included where there is room for it."""
    fields = {**document, "p": "abcdefgh"} if isinstance(document, dict) else document
    return raw_event(name, json.dumps(fields).encode())


def raw_event(name: str, payload: bytes) -> bytes:
    """An event around these bytes, whatever they are."""
    return message(
        payload, {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    )  # fmt: skip


def exception(name: str, document: Any) -> bytes:
    """An error that the service describes."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(json.dumps(document).encode(), headers)


def error(code: str, text: str) -> bytes:
    """An error with nothing but a code and a message."""
    return message(b"", {":error-code": code, ":error-message": text, ":message-type": "error"})
