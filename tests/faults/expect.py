"""What every fault test expects, whatever the fault: the right error with its facts, nothing lost, nothing left."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import pytest

import exllm
from exllm.config import Static
from tests.faults.dialects import Dialect
from tests.faults.server import Behaviour, FaultServer

KEY = "sk-secret-0123456789abcdef"
ONCE = exllm.RetryPolicy(attempts=1)
HANGS_AFTER_S = 10.0
"""No fault test waits longer for the library, limits under test included."""

Way = Literal["stream", "chat"]
WAYS: tuple[Way, ...] = ("stream", "chat")


def client_for(dialect: Dialect, url: str, **settings: Any) -> exllm.Client:
    """A client whose calls to the dialect's provider go to `url`, without retries unless asked for."""
    keys = {dialect.provider: {"api_key": KEY, "base_url": url, **dialect.settings}}
    return exllm.Client(config=Static(keys), **{"retry": ONCE, **settings})


@asynccontextmanager
async def served(
    dialect: Dialect, *behaviours: Behaviour, **settings: Any
) -> AsyncIterator[tuple[FaultServer, exllm.Client]]:
    """A server with these behaviours and a client for it. At the end the server has seen every connection close."""
    async with FaultServer(*behaviours, detour=dialect.detour) as server:
        async with client_for(dialect, server.url, **settings) as client:
            yield server, client
        await server.all_left()


def open_connections(client: exllm.Client) -> int:
    """Connections that are in use: taken from the pool and not given back."""
    pool = client._transport.pool
    sessions = [guarded.session for guarded in pool._sessions.values()]
    return sum(len(session.connector._acquired) for session in sessions if session.connector is not None)


class Failure(NamedTuple):
    """How a call failed.

    Attributes:
        error: what it raised.
        seen: the text that the consumer had got before.
    """

    error: exllm.ExLLMError
    seen: str


async def fail(client: exllm.Client, dialect: Dialect, way: Way = "stream", **arguments: Any) -> Failure:
    """Make a call that fails; returns the failure after the checks that hold for all of them."""
    seen = ""
    stream = None
    with pytest.raises(exllm.ExLLMError) as caught:  # noqa: PT012 - one call, in two ways
        async with asyncio.timeout(HANGS_AFTER_S):
            if way == "chat":
                await client.chat(dialect.name, "Hi", **arguments)
            else:
                async with client.stream(dialect.name, "Hi", **arguments) as stream:
                    async for text in stream.text():
                        seen += text
    error = caught.value
    assert type(error).__module__ == "exllm.errors"
    assert error.provider == dialect.provider
    assert error.message
    assert_keeps_the_key(error)
    assert open_connections(client) == 0
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.status) == (type(error), error.message, error.status)
    if way == "stream":
        assert (error.partial.text if error.partial else "") == seen, "text that had arrived was lost"
        if stream is not None and error.partial is not None:
            assert stream.response.text == seen
            assert stream.response.finish_reason is None or dialect.finishes_early
    return Failure(error, seen)


def assert_keeps_the_key(error: BaseException) -> None:
    """The key is in nothing that anybody may print, log or store."""
    link: BaseException | None = error
    while link is not None:
        assert KEY not in str(link)
        assert KEY not in repr(link)
        assert KEY not in repr(link.__dict__)
        link = link.__cause__ or link.__context__
    assert KEY not in "".join(traceback.format_exception(error))
    assert KEY.encode() not in pickle.dumps(error)


def assert_log_keeps_the_key(caplog: pytest.LogCaptureFixture) -> None:
    assert all(KEY not in record.getMessage() for record in caplog.records)
    assert caplog.handler.level <= logging.DEBUG
