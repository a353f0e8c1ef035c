"""The provider over a scripted engine: queue, backpressure, cancellation, ownership of threads."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import exllm
from exllm.errors import ContextLengthExceeded, InvalidRequest, MissingExtra, StreamClosed, UnsupportedOption
from exllm.local.loader import Loader
from exllm.local.provider import LocalProvider
from exllm.local.worker import HANDOFF_CHUNKS
from exllm.testing.conformance import ProviderConformance
from exllm.types.chunks import Finish, StreamStart, TextDelta, ToolCallDelta, UsageUpdate
from tests.local.fake_engine import FakeEngine, Shelf
from tests.local.waiting import local_threads, until

LONG = [b"word "]


@pytest.fixture
def serve(shelf: Shelf, provider: LocalProvider) -> Callable[..., FakeEngine]:
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


Serve = Callable[..., FakeEngine]


# -- answers


async def test_a_stream_begins_with_what_is_known_and_ends_with_exact_counts(
    serve: Serve, client: exllm.Client
) -> None:
    serve(FakeEngine())
    async with client.stream("local/a", "Hello") as stream:
        chunks = [chunk async for chunk in stream]
    assert [type(chunk) for chunk in chunks] == [
        StreamStart, UsageUpdate, TextDelta, TextDelta, TextDelta, UsageUpdate, Finish,
    ]  # fmt: skip
    prompt_tokens = len("user: Hello\n")
    usage = stream.response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (prompt_tokens, 3, prompt_tokens + 3)
    assert usage.provenance == "reported"
    assert stream.response.text == "Good day."
    assert stream.response.finish_reason == "stop"
    assert stream.response.cost.total == 0.0
    assert (stream.response.model, stream.response.provider) == ("a", "local")


async def test_chat_folds_the_same_chunks(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    response = await client.chat("local/a", [exllm.Message("developer", "Be kind."), exllm.Message("user", "Hi")])
    assert (response.text, response.finish_reason, response.cost.total) == ("Good day.", "stop", 0.0)
    assert response.usage.input_tokens == len("system: Be kind.\nuser: Hi\n")


async def test_max_tokens_is_exact(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(LONG, is_endless=True))
    response = await client.chat("local/a", "Hi", max_tokens=7)
    assert (response.text, response.finish_reason, response.usage.output_tokens) == ("word " * 7, "length", 7)


async def test_an_answer_ends_with_the_context(serve: Serve, client: exllm.Client) -> None:
    prompt_tokens = len("user: Hi\n")
    serve(FakeEngine(LONG, is_endless=True, context_tokens=prompt_tokens + 4))
    response = await client.chat("local/a", "Hi", max_tokens=100)
    assert (response.usage.output_tokens, response.finish_reason) == (4, "length")


async def test_messages_that_do_not_fit_are_refused_with_the_counts(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(context_tokens=9))
    with pytest.raises(ContextLengthExceeded, match="are 9 tokens and the context is 9"):
        await client.chat("local/a", "Hi")
    assert not engine.prompts


async def test_a_stop_sequence_ends_generation_and_is_not_shown(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine([b"one ", b"two ST", b"OP three"], is_endless=True))
    response = await client.chat("local/a", "Hi", stop=["STOP"])
    assert (response.text, response.finish_reason) == ("one two ", "stop")
    assert engine.generated == response.usage.output_tokens == 3


async def test_characters_split_over_tokens_arrive_whole(serve: Serve, client: exllm.Client) -> None:
    data = "naïve ☃ 🎉".encode()
    serve(FakeEngine([data[at : at + 1] for at in range(len(data))]))
    async with client.stream("local/a", "Hi") as stream:
        texts = [text async for text in stream.text()]
    assert texts == list("naïve ☃ 🎉")


async def test_log_probabilities_come_with_their_text(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(["é".encode()[:1], "é".encode()[1:], b"!"]))
    async with client.stream("local/a", "Hi", logprobs=True, top_logprobs=1) as stream:
        texts = [chunk async for chunk in stream if isinstance(chunk, TextDelta)]
    assert [(chunk.text, len(chunk.logprobs or ())) for chunk in texts] == [("é", 2), ("!", 1)]
    logprobs = stream.response.logprobs
    assert logprobs is not None
    assert bytes(byte for entry in logprobs for byte in entry.bytes or ()) == "é!".encode()
    assert logprobs[0].top[0].logprob == logprobs[0].logprob == -0.5


async def test_sampling_options_reach_the_engine(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine())
    await client.chat("local/a", "Hi", temperature=0.3, seed=5, frequency_penalty=0.2, extra={"repeat_penalty": 1.2})
    (used,) = engine.samplings
    assert (used.temperature, used.seed, used.frequency_penalty, used.repeat_penalty) == (0.3, 5, 0.2, 1.2)


async def test_json_mode_gives_the_engine_a_grammar(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine([b"{}"]))
    await client.chat("local/a", "Hi", response_format="json")
    assert "root   ::= object" in (engine.samplings[0].grammar or "")


async def test_the_bare_provider_means_the_bundled_model(client: exllm.Client) -> None:
    assert client.default_model("local") == "exllm-tiny"


async def test_models_are_listed_for_the_client(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    await client.chat("local/a", "Hi")
    entry = next(entry for entry in await client.list_models("local") if entry.id == "a")
    assert (entry.provider, entry.raw["loaded"]) == ("local", True)


# -- tools


def _tool() -> exllm.Tool:
    return exllm.Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})


async def test_a_tool_call_in_the_text_becomes_a_tool_call(serve: Serve, client: exllm.Client) -> None:
    engine = serve(
        FakeEngine(
            [b"<tool", b'_call>{"name": "add", ', b'"arguments": {"a": 1}}</tool_', b"call>"], call_style="tagged"
        )
    )
    async with client.stream("local/a", "Hi", tools=[_tool()]) as stream:
        chunks = [chunk async for chunk in stream]
    assert engine.prompts == ["[add]\nuser: Hi\n"]
    assert sum(isinstance(chunk, ToolCallDelta) for chunk in chunks) == 1
    (call,) = stream.response.tool_calls
    assert (call.name, call.parse_arguments(), stream.response.text) == ("add", {"a": 1}, "")
    assert stream.response.finish_reason == "tool_calls"


async def test_one_call_at_a_time_ends_the_answer_after_the_first(serve: Serve, client: exllm.Client) -> None:
    serve(
        FakeEngine([b'<tool_call>{"name": "add", "arguments": {}}</tool_call>'], is_endless=True, call_style="tagged")
    )
    response = await client.chat("local/a", "Hi", tools=[_tool()], parallel_tool_calls=False)
    assert len(response.tool_calls) == 1
    assert response.finish_reason == "tool_calls"


async def test_tools_are_not_offered_when_none_may_be_called(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(call_style="tagged"))
    await client.chat("local/a", "Hi", tools=[_tool()], tool_choice="none")
    assert engine.prompts == ["user: Hi\n"]


@pytest.mark.parametrize(("tools", "choice"), [([], "required"), (["add"], "subtract")])
async def test_a_choice_that_no_tool_meets_is_refused(
    serve: Serve, client: exllm.Client, tools: list[str], choice: str
) -> None:
    engine = serve(FakeEngine(call_style="tagged"))
    with pytest.raises(InvalidRequest, match="tool_choice"):
        await client.chat("local/a", "Hi", tools=[_tool()] if tools else None, tool_choice=choice)
    assert not engine.prompts


async def test_a_template_without_tools_refuses_them(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    with pytest.raises(UnsupportedOption, match="knows no tools"):
        await client.chat("local/a", "Hi", tools=[_tool()])


async def test_pictures_are_refused(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    picture = exllm.Image(data=b"x", media_type="image/png")
    with pytest.raises(UnsupportedOption, match="text only; the messages hold Image"):
        await client.chat("local/a", exllm.Message("user", (picture,)))


# -- backpressure


async def test_a_full_ring_pauses_generation(serve: Serve, provider: LocalProvider) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True))
    await provider.loader.load("a")
    async with exllm.Client(ring_capacity=10) as client, client.stream("local/a", "Hi", max_tokens=500) as stream:
        await until(lambda: any(worker.chunks.waited_for_room for worker in provider.loader._models[0].workers))
        ahead = engine.generated
        await asyncio.sleep(0.1)
        assert engine.generated == ahead  # it stands still, and not for want of time
        assert ahead <= 10 + HANDOFF_CHUNKS + 2  # one in the pump's hand, one in the thread's
        texts = [chunk.text async for chunk in stream]
    assert "".join(texts) == "word " * 500
    assert stream.stats.paused_s > 0
    await provider.loader.aclose()


# -- leaving early


async def test_leaving_a_stream_stops_generation_and_its_thread_before_control_returns(
    serve: Serve, client: exllm.Client
) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True))
    async with client.stream("local/a", "Hi") as stream:
        async for _ in stream.text():
            break
    assert not local_threads()
    generated = engine.generated
    assert generated <= 256 + HANDOFF_CHUNKS + 2
    assert (await client.chat("local/a", "Hi", max_tokens=2)).text == "word word "


async def test_cancelling_in_the_middle_of_a_token_does_not_wait_for_the_next(
    serve: Serve, client: exllm.Client
) -> None:
    engine = FakeEngine(LONG, is_endless=True)

    def step() -> None:
        if engine.generated == 3:
            engine.wait_for_abort()

    engine.step = step
    serve(engine)

    async def read() -> None:
        async with client.stream("local/a", "Hi") as stream:
            await stream.collect()

    reading = asyncio.create_task(read())
    await until(lambda: engine.generated == 3)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert engine.generated == 3
    assert not local_threads()


@pytest.mark.parametrize("is_loaded", [False, True])
async def test_a_stream_may_be_cancelled_at_any_step(
    shelf: Shelf, client: exllm.Client, provider: LocalProvider, is_loaded: bool
) -> None:
    made: list[FakeEngine] = []

    def make(_name: str) -> FakeEngine:
        made.append(FakeEngine([b"a", b"b"]))
        return made[-1]

    shelf.add("a")
    shelf._make = make

    async def read() -> str:
        async with client.stream("local/a", "Hi") as stream:
            return (await stream.collect()).text

    for steps in range(50):
        if is_loaded:
            await provider.loader.load("a")
        task = asyncio.create_task(read())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == "ab"
        if not is_loaded:
            await provider.loader.unload("a")
    assert (await client.chat("local/a", "Hi")).text == "ab"
    await until(lambda: not local_threads())
    (loaded,) = provider.loader._models
    assert (loaded.users, loaded.turn.waiting) == (0, 0)
    assert [engine.is_closed for engine in made] == [engine is not loaded.engine for engine in made]
    assert not any(engine.used_after_close for engine in made)


async def test_cancelling_chat_stops_generation(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    chatting = asyncio.create_task(client.chat("local/a", "Hi"))
    await until(lambda: engine.generated)
    chatting.cancel()
    await asyncio.wait([chatting])
    generated = engine.generated
    assert not local_threads()
    await asyncio.sleep(0.02)
    assert engine.generated == generated


async def test_a_time_limit_stops_generation(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    with pytest.raises(exllm.TotalTimeout):
        await client.chat("local/a", "Hi", timeout=0.1)
    assert not local_threads()


async def test_a_local_model_may_be_silent_for_long(serve: Serve, provider: LocalProvider) -> None:
    assert provider.timeouts.first_chunk == provider.timeouts.idle == float("inf")


async def test_a_stream_that_was_forgotten_frees_the_model(serve: Serve, provider: LocalProvider) -> None:
    serve(FakeEngine(LONG, is_endless=True))
    request = exllm.Request("local", "a", (exllm.Message("user", "Hi"),))
    chunks = provider.stream(request)
    await anext(chunks)
    del chunks
    gc.collect()
    await until(lambda: not local_threads())
    await provider.loader.aclose()


def test_a_loop_that_ends_with_a_stream_open_leaves_no_thread(serve: Serve, provider: LocalProvider) -> None:
    serve(FakeEngine(LONG, is_endless=True))
    kept = []

    async def leave() -> None:
        client = exllm.Client()
        stream = client.stream("local/a", "Hi")
        kept.append((client, stream))
        await stream.__aenter__()
        await anext(stream)

    asyncio.run(leave())
    assert not local_threads()
    asyncio.run(provider.loader.aclose())


async def test_closing_the_loader_ends_answers_with_an_error(serve: Serve, provider: LocalProvider) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    async with exllm.Client() as client, client.stream("local/a", "Hi") as stream:
        await anext(stream)
        await provider.loader.aclose()
        with pytest.raises(StreamClosed, match="loader of local models was closed") as caught:
            await stream.collect()
    assert caught.value.partial is not None
    assert engine.is_closed
    assert not engine.used_after_close
    assert not local_threads()


async def test_closing_the_loader_turns_away_those_in_line(serve: Serve, provider: LocalProvider) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    await provider.loader.load("a")
    async with exllm.Client() as client:
        tasks = [asyncio.create_task(client.chat("local/a", "Hi")) for _ in range(3)]
        await until(lambda: provider.loader._models[0].turn.waiting == 2)
        await provider.loader.aclose()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StreamClosed] * 3
    assert len(engine.prompts) == 1


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
