from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest

from exllm.config import Static
from exllm.errors import ConfigurationError, InvalidRequest, NotFound, Overloaded, ServerError
from exllm.local.loader import Loader
from exllm.local.settings import LoadOptions
from tests.local.fake_engine import Shelf
from tests.local.waiting import local_threads, until


async def test_a_model_is_loaded_once_however_many_ask(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a")
    loaded = await asyncio.gather(*(loader.load("a") for _ in range(10)))
    assert shelf.opened == ["a"]
    assert all(model.loaded and model.name == "a" for model in loaded)
    await loader.aclose()
    assert not local_threads()


async def test_other_options_load_it_again_and_fewer_do_not(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a")
    await loader.load("a", n_ctx=512)
    await loader.load("a")
    await loader.load("a", n_ctx=512)
    assert shelf.opened == ["a"]
    await loader.load("a", n_ctx=1024)
    assert shelf.options == [LoadOptions(n_ctx=512), LoadOptions(n_ctx=1024)]
    await loader.aclose()


async def test_options_of_the_config_hold_where_a_call_says_nothing(shelf: Shelf) -> None:
    shelf.add("a")
    config = Static({"local": {"models_dir": str(shelf.folder), "n_ctx": "512", "n_threads": "1"}})
    loader = Loader(config=config, open_engine=shelf.open)
    await loader.load("a")
    await loader.load("a", n_ctx=512)
    await loader.load("a", n_ctx=2048)
    assert shelf.options == [LoadOptions(n_ctx=512, n_threads=1), LoadOptions(n_ctx=2048, n_threads=1)]
    await loader.aclose()


async def test_different_models_load_at_the_same_time(shelf: Shelf, loader: Loader) -> None:
    meeting = threading.Barrier(2, timeout=10)
    shelf.before_open = lambda _name, _stop: meeting.wait() and None
    shelf.add("a")
    shelf.add("b")
    await asyncio.gather(loader.load("a"), loader.load("b"))
    await loader.aclose()


async def test_the_least_recently_used_model_makes_room(shelf: Shelf, loader: Loader) -> None:
    for name in "abc":
        shelf.add(name, 1000)
    loader.memory_budget_bytes = 2500
    for name in "abac":
        await loader.load(name)
    assert {name: engine.is_closed for name, engine in shelf.engines.items()} == {"a": False, "b": True, "c": False}
    assert [model.name for model in await loader.list_models() if model.loaded] == ["a", "c"]
    await loader.aclose()


async def test_the_attention_cache_counts_towards_the_budget(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a", 1000, {
        "general.architecture": "llama", "llama.context_length": 1000, "llama.block_count": 2,
        "llama.embedding_length": 8, "llama.attention.head_count": 2, "llama.attention.head_count_kv": 1,
    })  # fmt: skip
    per_token = 2 * (4 + 4) * 2  # layers, keys and values of one head, f16
    assert (await loader.load("a")).bytes == 1000 + 1000 * per_token
    assert (await loader.load("a", n_ctx=10)).bytes == 1000 + 10 * per_token
    await loader.aclose()


async def test_a_model_in_use_is_not_evicted(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a", 1000)
    shelf.add("b", 1000)
    loader.memory_budget_bytes = 1500
    async with loader.use("a", LoadOptions()):
        with pytest.raises(Overloaded, match="in use: a") as caught:
            await loader.load("b")
        assert caught.value.retryable
        assert not shelf.engines["a"].is_closed
    await loader.load("b")
    assert shelf.engines["a"].is_closed
    await loader.aclose()


async def test_a_model_larger_than_the_budget_is_refused_and_nothing_evicted(shelf: Shelf, loader: Loader) -> None:
    shelf.add("small", 1000)
    shelf.add("large", 5000)
    loader.memory_budget_bytes = 4000
    await loader.load("small")
    with pytest.raises(ConfigurationError, match="large needs about"):
        await loader.load("large")
    assert not shelf.engines["small"].is_closed
    await loader.aclose()


async def test_the_budget_may_come_from_the_config(shelf: Shelf) -> None:
    shelf.add("a", 1000)
    for text, expected in (("500", "needs about"), ("much", "number of bytes")):
        config = Static({"local": {"memory_bytes": text, "models_dir": str(shelf.folder)}})
        with pytest.raises(ConfigurationError, match=expected):
            await Loader(config=config, open_engine=shelf.open).load("a")


async def test_unloading_frees_a_model_and_a_later_call_loads_it_again(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a")
    assert not await loader.unload("a")
    await loader.load("a")
    first = shelf.engines["a"]
    assert await loader.unload("a")
    assert first.is_closed
    await loader.load("a")
    assert shelf.opened == ["a", "a"]
    await loader.aclose()
    assert shelf.engines["a"].is_closed


async def test_a_model_whose_file_is_gone_can_still_be_unloaded(shelf: Shelf, loader: Loader) -> None:
    path = shelf.add("a")
    await loader.load("a")
    path.unlink()
    assert await loader.unload("a")
    assert shelf.engines["a"].is_closed


async def test_a_name_and_a_path_mean_the_same_model(shelf: Shelf, loader: Loader) -> None:
    path = shelf.add("a")
    await loader.load("a")
    await loader.load(str(path))
    await loader.load(f"{shelf.folder}/../{shelf.folder.name}/a.gguf")
    assert shelf.opened == ["a"]
    assert await loader.unload(str(path))


async def test_unloading_waits_for_those_who_use_it(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a")
    async with loader.use("a", LoadOptions()):
        unloading = asyncio.create_task(loader.unload("a"))
        await asyncio.sleep(0.05)
        assert not unloading.done()
        assert not shelf.engines["a"].is_closed
    assert await unloading
    assert shelf.engines["a"].is_closed


async def test_who_gives_up_unloading_frees_the_model_all_the_same(shelf: Shelf, loader: Loader) -> None:
    for name in "ab":
        shelf.add(name)
        await loader.load(name)
    async with loader.use("a", LoadOptions()):
        unloading = asyncio.create_task(loader.aclose())
        await asyncio.sleep(0.05)
        unloading.cancel()
        await asyncio.wait([unloading])
        assert unloading.cancelled()
        assert not shelf.engines["a"].is_closed
    assert shelf.engines["a"].is_closed
    assert shelf.engines["b"].is_closed


async def test_a_failed_load_tells_all_who_wait_and_may_be_tried_again(shelf: Shelf, loader: Loader) -> None:
    def fail(_name: str, _stop: Callable[[], bool]) -> None:
        raise InvalidRequest("no such architecture")

    shelf.add("a")
    shelf.before_open = fail
    outcomes = await asyncio.gather(*(loader.load("a") for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [InvalidRequest] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    shelf.before_open = None
    assert (await loader.load("a")).loaded
    await loader.aclose()


async def test_a_load_that_breaks_in_an_unforeseen_way_is_an_error_of_ours(shelf: Shelf, loader: Loader) -> None:
    def fail(_name: str, _stop: Callable[[], bool]) -> None:
        raise MemoryError("too much")

    shelf.add("a")
    shelf.before_open = fail
    with pytest.raises(ServerError, match="MemoryError: too much") as caught:
        await loader.load("a")
    assert not caught.value.retryable


async def test_a_load_that_nobody_waits_for_any_more_is_stopped(shelf: Shelf, loader: Loader) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def load_for_ever(_name: str, should_stop: Callable[[], bool]) -> None:
        begun.set()
        while not should_stop():
            stopped.wait(0.001)
        stopped.set()

    shelf.add("a")
    shelf.before_open = load_for_ever
    waiting = asyncio.create_task(loader.load("a"))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert await asyncio.to_thread(stopped.wait, 10)
    shelf.before_open = None
    await loader.load("a")  # afresh
    await loader.aclose()
    assert all(engine.is_closed for engine in shelf.engines.values())
    assert not local_threads()


async def test_one_who_gives_up_does_not_stop_the_load_of_another(shelf: Shelf, loader: Loader) -> None:
    go_on = threading.Event()
    shelf.add("a")
    shelf.before_open = lambda _name, _stop: go_on.wait(10) and None
    first, second = asyncio.create_task(loader.load("a")), asyncio.create_task(loader.load("a"))
    await until(lambda: shelf.opened)
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait([first])
    go_on.set()
    assert (await second).loaded
    assert shelf.opened == ["a"]
    await loader.aclose()


def test_event_loops_one_after_another_share_what_is_loaded(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a")
    for _ in range(3):
        asyncio.run(loader.load("a"))
    assert shelf.opened == ["a"]
    asyncio.run(loader.aclose())


def test_event_loops_in_several_threads_share_what_is_loaded(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a")
    failures: list[Exception] = []

    def use() -> None:
        try:
            asyncio.run(loader.load("a"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not failures
    assert shelf.opened == ["a"]
    asyncio.run(loader.aclose())


async def test_the_list_tells_what_is_loaded_and_what_could_be(shelf: Shelf, loader: Loader) -> None:
    shelf.add("a", 1000)
    shelf.add("b", 2000, {"general.architecture": "llama", "llama.context_length": 77})
    (shelf.folder / "broken.gguf").write_bytes(b"nothing")
    await loader.load("a")
    models = [model for model in await loader.list_models() if model.name != "exllm-tiny"]
    assert [(model.name, model.loaded, model.context_tokens) for model in models] == [
        ("a", True, 100_000),
        ("b", False, 77),
    ]
    assert models[1].bytes == 2000
    await loader.aclose()


async def test_a_model_that_is_not_there_is_not_found(loader: Loader) -> None:
    with pytest.raises(NotFound):
        await loader.load("nothing")


async def test_a_forgotten_loader_leaves_no_thread(shelf: Shelf) -> None:
    shelf.add("a")
    await Loader(directories=[shelf.folder], open_engine=shelf.open).load("a")
    gc.collect()
    assert not local_threads()
