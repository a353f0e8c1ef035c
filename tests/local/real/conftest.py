"""A real model, loaded as llama-cpp-python loads it, and that package itself as the oracle."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.local.loader import Loader
from exllm.local.places import BUNDLED_PATH
from exllm.local.provider import LocalProvider
from exllm.providers import registry
from tests.local.real.plain_weights import plain_weights
from tests.local.waiting import local_threads, until


@pytest.fixture(scope="session")
def real_model() -> Path:
    """A GGUF file: the bundled model, or the one that EXLLM_TEST_GGUF names."""
    return Path(os.environ.get("EXLLM_TEST_GGUF") or BUNDLED_PATH)


@pytest.fixture(scope="module")
def oracle(real_model: Path) -> Iterator[Any]:
    """llama-cpp-python's own `Llama` on the same file."""
    import llama_cpp

    with plain_weights():
        made = llama_cpp.Llama(str(real_model), n_ctx=1024, verbose=False)
    yield made
    made.close()


@pytest.fixture
async def loader() -> AsyncIterator[Loader]:
    """A loader of its own, behind the provider ``local``."""
    made = Loader()
    registry.register(LocalProvider(made), replace=True)
    yield made
    await until(lambda: not local_threads())
    await made.aclose()
    registry.unregister("local")


@pytest.fixture
async def model(loader: Loader, real_model: Path) -> str:
    """The model string of the real model, which is loaded as llama-cpp-python loads it, also where there is a GPU:
    without flash attention, whose sums differ in the third decimal, and with the weights as they are in the file.
    """
    await loader.load(str(real_model), flash_attn=False, use_extra_bufts=False)
    return f"local/{real_model}"


@pytest.fixture
async def client() -> AsyncIterator[exllm.Client]:
    async with exllm.Client() as made:
        yield made
