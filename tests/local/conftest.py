"""Models for the tests of the local provider."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exllm.local.loader import Loader
from exllm.local.places import BUNDLED_PATH
from exllm.local.provider import LocalProvider
from exllm.providers import registry
from tests.local.fake_engine import Shelf


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


@pytest.fixture(scope="session")
def real_model() -> Path:
    """A GGUF file: the bundled model, or the one that EXLLM_TEST_GGUF names."""
    return Path(os.environ.get("EXLLM_TEST_GGUF") or BUNDLED_PATH)
