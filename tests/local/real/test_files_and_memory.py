"""Context, model files and memory of a real model; what is printed; the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from pathlib import Path

import psutil
import pytest

import exllm
from exllm.local.loader import Loader
from tests.local.real.prompts import PROMPTS

pytestmark = pytest.mark.local


# -- context, files, memory


async def test_a_prompt_beyond_the_context_is_refused_before_generation(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.ContextLengthExceeded, match=r"are \d{3,} tokens and the context is 256"):
        await client.chat(model, "word " * 400, extra={"n_ctx": 256})
    response = await client.chat(model, "Hello!", extra={"n_ctx": 256}, max_tokens=1000, temperature=0)
    assert response.usage.total_tokens is not None
    assert response.usage.total_tokens <= 256


@pytest.fixture
def damaged(tmp_path: Path, real_model: Path) -> Path:
    """A copy of the model without its last 100,000 bytes."""
    path = tmp_path / "cut.gguf"
    path.write_bytes(real_model.read_bytes()[:-100_000])
    return path


async def test_a_damaged_model_is_refused_with_llama_cpps_reason(damaged: Path, loader: Loader) -> None:
    with pytest.raises(exllm.InvalidRequest, match=r"llama\.cpp cannot load .*: \w+"):
        await loader.load(str(damaged))


async def test_nothing_is_printed(
    client: exllm.Client, model: str, loader: Loader, capfd: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(exllm.TotalTimeout):
        await client.chat(model, "word " * 900, max_tokens=5, timeout=0.01)
    await client.chat(model, "Hello!", max_tokens=2)
    await loader.unload(model)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


async def test_unloading_gives_the_memory_back(model: str, loader: Loader) -> None:
    process = psutil.Process()

    async def load_and_unload(times: int) -> int:
        for _ in range(times):
            loaded = await loader.load(model, n_ctx=1024, use_mmap=False)
            assert await loader.unload(model)
        return loaded.bytes

    await load_and_unload(10)  # the allocator keeps some memory per thread, up to a limit
    before = process.memory_info().rss
    size_bytes = await load_and_unload(30)
    assert process.memory_info().rss - before < 5 * size_bytes  # and not thirty times


async def test_many_calls_keep_memory_flat(client: exllm.Client, model: str) -> None:
    process = psutil.Process()
    for _ in range(30):
        await client.chat(model, "Hello!", max_tokens=3)
    before = process.memory_info().rss
    for _ in range(150):
        await client.chat(model, "Hello!", max_tokens=3, response_format="json")
    assert process.memory_info().rss - before < 6 * 2**20


async def test_calls_at_once_are_all_answered_alike(client: exllm.Client, model: str) -> None:
    responses = await asyncio.gather(
        *(client.chat(model, PROMPTS[0], temperature=0, max_tokens=10) for _ in range(8))
    )  # fmt: skip
    assert len({response.text for response in responses}) == 1


def test_llama_cpp_python_keeps_its_own_log(real_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import llama_cpp

    from exllm.local.llama_library import llama_library

    llama_library()
    with warnings.catch_warnings():
        llama_cpp.Llama(str(real_model), n_ctx=64, verbose=True).close()
    assert "llama_model_loader" in capfd.readouterr().err
