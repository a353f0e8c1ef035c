"""All fault tests run for every protocol, and with everything logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from tests.faults.dialects import DIALECTS, Dialect
from tests.faults.expect import assert_log_keeps_the_key, served


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.provider)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture(scope="session", autouse=True)
def _what_calls_load_is_loaded() -> None:
    """The first call of a process loads two hundred modules, which on a busy machine outlasts the limits of a test."""

    async def call_each() -> None:
        for dialect in DIALECTS:
            async with served(dialect, dialect.reply()) as (_, client):
                await client.stream(dialect.name, "Hi").collect()

    asyncio.run(call_each())


@pytest.fixture(autouse=True)
def _no_key_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert_log_keeps_the_key(caplog)
