"""Fake models for the tests of the local provider; `tests/local/real` has real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import exllm
from exllm.local.loader import Loader
from exllm.local.provider import LocalProvider
from exllm.providers import registry
from tests.local.fake_engine import FakeEngine, Serve, Shelf
from tests.local.waiting import local_threads, until


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A folder of fake models."""
    return Shelf(tmp_path)


@pytest.fixture
def loader(shelf: Shelf) -> Loader:
    """A loader of the models on the shelf; close it in the test, or leave it empty."""
    return Loader(directories=[shelf.folder], open_engine=shelf.open)


@pytest.fixture
def provider(loader: Loader) -> Iterator[LocalProvider]:
    """The provider `local`, with the models on the shelf."""
    made = LocalProvider(loader)
    registry.register(made, replace=True)
    yield made
    registry.unregister("local")


@pytest.fixture
def serve(shelf: Shelf, provider: LocalProvider) -> Serve:
    """Puts a scripted engine behind ``local/a``, or another name."""
    engines: dict[str, FakeEngine] = {}
    shelf._make = engines.__getitem__

    def put(engine: FakeEngine, name: str = "a") -> FakeEngine:
        shelf.add(name)
        engines[name] = engine
        return engine

    return put


@pytest.fixture
async def client(provider: LocalProvider) -> AsyncIterator[exllm.Client]:
    """A client; after the test no thread is left, and the engines are closed."""
    async with exllm.Client() as made:
        yield made
    await until(lambda: not local_threads())
    await provider.loader.aclose()
