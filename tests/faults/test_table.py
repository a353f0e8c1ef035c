"""Q9 as a table: whatever goes wrong, one of our errors, with what the caller needs to decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import pytest

import exllm
from exllm import Timeouts
from tests.faults.dialects import WORDS, Dialect
from tests.faults.expect import fail, served
from tests.faults.server import REQUEST_ID, Behaviour, Peer


class Fault(NamedTuple):
    """A fault after the first two words of a stream (or before it, where `words` is 0) and what it must become."""

    name: str
    send: Callable[[Peer, Dialect], object]
    error: type[exllm.ExLLMError]
    retryable: bool
    has_cause: bool
    words: int = 2


async def cut(peer: Peer, dialect: Dialect) -> None:
    await peer.end_stream()


async def reset(peer: Peer, dialect: Dialect) -> None:
    await asyncio.sleep(0.02)
    peer.reset()


async def stall(peer: Peer, dialect: Dialect) -> None:
    await peer.left()


async def bad_json(peer: Peer, dialect: Dialect) -> None:
    await peer.chunk(dialect.frame(b"{nonsense"))
    await peer.left()


async def bad_utf8(peer: Peer, dialect: Dialect) -> None:
    await peer.chunk(dialect.frame(b"\xff\xfe"))
    await peer.left()


async def error_event(peer: Peer, dialect: Dialect) -> None:
    await peer.chunk(dialect.error("broke", True))
    await peer.left()


async def refusal_event(peer: Peer, dialect: Dialect) -> None:
    await peer.chunk(dialect.error("no", False))
    await peer.left()


async def large_frame(peer: Peer, dialect: Dialect) -> None:
    await peer.chunk(dialect.frame(b"x" * 200_000)[:-2])
    await peer.left()


FAULTS = (
    Fault("cut", cut, exllm.StreamInterrupted, True, False),
    Fault("cut before the first word", cut, exllm.StreamInterrupted, True, False, 0),
    Fault("reset", reset, exllm.StreamInterrupted, True, True),
    Fault("stall", stall, exllm.IdleTimeout, True, False),
    Fault("bad JSON", bad_json, exllm.ProtocolError, False, True),
    Fault("bad UTF-8", bad_utf8, exllm.ProtocolError, False, True),
    Fault("error in the stream", error_event, exllm.ServerError, True, False),
    Fault("refusal in the stream", refusal_event, exllm.InvalidRequest, False, False),
    Fault("frame over the limit", large_frame, exllm.FrameTooLarge, False, False),
)


def behaviour(fault: Fault, dialect: Dialect) -> Behaviour:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*dialect.opening, *map(dialect.text, WORDS[: fault.words])):
            await peer.chunk(frame)
        await fault.send(peer, dialect)  # type: ignore[misc]

    return behave


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_q09_every_fault_is_one_of_our_errors_with_its_facts(dialect: Dialect, fault: Fault) -> None:
    async with served(dialect, behaviour(fault, dialect), max_frame_bytes=100_000) as (_, client):
        error, seen = await fail(client, dialect, timeout=Timeouts(idle=0.2, first_chunk=2))
    assert isinstance(error, fault.error)
    assert error.retryable is fault.retryable
    assert error.provider == dialect.provider
    assert error.model == dialect.model
    assert error.request_id == REQUEST_ID
    assert (error.__cause__ is not None) is fault.has_cause
    assert error.status is None or dialect.names_status
    assert seen == "".join(WORDS[: fault.words])
