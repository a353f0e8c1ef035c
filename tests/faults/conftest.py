"""All fault tests run for both protocols, and with everything logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.faults.dialects import DIALECTS, Dialect
from tests.faults.expect import assert_log_keeps_the_key


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.provider)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture(autouse=True)
def _no_key_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert_log_keeps_the_key(caplog)
