"""What the end-to-end tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.aimock.server import Aimock, running_aimock


@pytest.fixture(scope="session")
def aimock() -> Iterator[Aimock]:
    """One aimock for all tests; it is stateless but for `sequenceIndex` fixtures and its journal."""
    with running_aimock() as server:
        yield server
