"""Many calls at once, failures and conformance, over a scripted engine."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import exllm
from exllm.errors import InvalidRequest, MissingExtra
from exllm.local.loader import Loader
from exllm.local.provider import LocalProvider
from exllm.testing.conformance import ProviderConformance
from tests.local.fake_engine import LONG, FakeEngine, Serve, Shelf
from tests.local.waiting import until

# -- many at once


async def test_calls_for_one_model_are_answered_in_their_order(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine())
    await client.chat("local/a", "first")  # loads it
    await asyncio.gather(*(client.chat("local/a", f"{number}") for number in range(20)))
    assert engine.prompts[1:] == [f"user: {number}\n" for number in range(20)]


async def test_answers_of_one_model_do_not_mix(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine([b"a", b"b", b"c"]))
    responses = await asyncio.gather(*(client.chat("local/a", "Hi") for _ in range(10)))
    assert {response.text for response in responses} == {"abc"}


async def test_one_who_waits_in_line_and_gives_up_is_never_answered(
    serve: Serve, client: exllm.Client, provider: LocalProvider
) -> None:
    go_on = threading.Event()
    engine = serve(FakeEngine(step=lambda: go_on.wait(10) and None))
    await provider.loader.load("a")
    tasks = [asyncio.create_task(client.chat("local/a", str(number))) for number in range(3)]
    await until(lambda: provider.loader._models[0].turn.waiting == 2)
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    go_on.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert engine.prompts == ["user: 0\n", "user: 2\n"]


async def test_different_models_answer_at_the_same_time(serve: Serve, client: exllm.Client) -> None:
    meeting = threading.Barrier(2, timeout=10)
    serve(FakeEngine([b"x"], step=lambda: meeting.wait() and None), "a")
    serve(FakeEngine([b"y"], step=lambda: meeting.wait() and None), "b")
    one, two = await asyncio.gather(client.chat("local/a", "Hi"), client.chat("local/b", "Hi"))
    assert (one.text, two.text) == ("x", "y")


def test_loops_in_several_threads_share_one_model_in_turn(serve: Serve, provider: LocalProvider) -> None:
    serve(FakeEngine([b"a", b"b"]))
    texts: list[str] = []

    async def ask() -> None:
        async with exllm.Client() as client:
            texts.extend([(await client.chat("local/a", "Hi")).text for _ in range(10)])

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts == ["ab"] * 40
    asyncio.run(provider.loader.aclose())


# -- what goes wrong


async def test_a_wrong_setting_is_refused(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    with pytest.raises(InvalidRequest, match="did you mean 'n_ctx'"):
        await client.chat("local/a", "Hi", extra={"n_ctxx": 1})


async def test_an_engine_that_breaks_is_an_error_of_ours_with_what_had_come(serve: Serve, client: exllm.Client) -> None:
    engine = FakeEngine(LONG, is_endless=True)

    def step() -> None:
        if engine.generated == 2:
            raise OSError("the graphics card is gone")

    engine.step = step
    serve(engine)
    with pytest.raises(exllm.ServerError, match="graphics card is gone") as caught:
        async with client.stream("local/a", "Hi") as stream:
            await stream.collect()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "word word "
    assert caught.value.partial.usage.provenance == "partial"
    engine.step = None
    assert (await client.chat("local/a", "Hi", max_tokens=1)).text == "word "


async def test_without_llama_cpp_python_it_says_which_extra_brings_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exllm.local import llama_library

    llama_library.llama_library.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "llama_cpp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setitem(sys.modules, "llama_cpp.llama_cpp", None)
    shelf.add("a")
    loader = Loader(directories=[shelf.folder])
    with pytest.raises(MissingExtra, match=r'pip install "exllm\[local\]"'):
        await loader.load("a")
    await loader.aclose()


class TestConformance(ProviderConformance):
    model = "local/conforming"
    refused_option = {"n": 2}  # noqa: RUF012
    failing_model = "local/absent"
    failing_error = exllm.NotFound

    @asynccontextmanager
    async def client(self) -> AsyncIterator[exllm.Client]:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            shelf = Shelf(Path(folder), lambda _name: FakeEngine([b"This ", b"is ", b"short."]))
            shelf.add("conforming")
            loader = Loader(directories=[shelf.folder], open_engine=shelf.open)
            exllm.providers.register(LocalProvider(loader), replace=True)
            try:
                async with exllm.Client() as client:
                    yield client
                await loader.aclose()
            finally:
                exllm.providers.registry.unregister("local")
