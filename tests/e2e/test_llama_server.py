"""The server that llama-cpp-python ships, over HTTP, against the same model in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import exllm
from exllm.config import Chain, Env, Static
from exllm.local.loader import Loader
from exllm.local.places import BUNDLED_PATH
from exllm.local.provider import LocalProvider
from exllm.providers import registry
from tests.local.waiting import local_threads, until

pytestmark = pytest.mark.local

START_S = 60.0
PROMPTS = ["Tell me a story.", "What is exllm?", "Hello!"]
ALIAS = "tiny-over-http"


@pytest.fixture(scope="module")
def gguf() -> Path:
    """The bundled model, or the file that EXLLM_TEST_GGUF names."""
    return Path(os.environ.get("EXLLM_TEST_GGUF") or BUNDLED_PATH)


@pytest.fixture(scope="module")
def server(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a running ``python -m llama_cpp.server``."""
    with _running(gguf, tmp_path_factory.mktemp("server") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def embedding_server(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, with a model that was loaded to embed."""
    with _running(gguf, tmp_path_factory.mktemp("embedding-server") / "log", "--embedding", "true") as url:
        yield url


@contextmanager
def _running(gguf: Path, log: Path, *more: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--model", str(gguf), "--model_alias", ALIAS, "--host", "127.0.0.1", "--port", str(port), *more]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.local.real.plain_weights",
                *arguments,
                "--n_ctx",
                "1024",
                "--verbose",
                "false",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(process, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


@pytest.fixture
async def client(server: str, gguf: Path) -> AsyncIterator[exllm.Client]:
    """A client for both: ``llama-cpp-python/...`` over HTTP and ``local/...`` in process, loaded alike."""
    loader = Loader()
    registry.register(LocalProvider(loader), replace=True)
    # The server has no flash attention unless asked.
    await loader.load(str(gguf), n_ctx=1024, flash_attn=False, use_extra_bufts=False)
    config = Chain(Static({"llama-cpp-python": {"base_url": server}}), Env())
    async with exllm.Client(config=config) as made:
        yield made
    await until(lambda: not local_threads())
    await loader.aclose()
    registry.unregister("local")


REMOTE = f"llama-cpp-python/{ALIAS}"
# The server penalises repetition by 1.1 unless told otherwise, llama.cpp and llama-cpp-python's `Llama` do not.
OPTIONS: dict[str, Any] = {"temperature": 0, "max_tokens": 50, "extra": {"repeat_penalty": 1.0}}


@pytest.mark.shows("chat", "stream", "usage", providers=("local", "llama-cpp-python"), by="itself")
@pytest.mark.parametrize("prompt", PROMPTS)
async def test_chat_and_stream_give_the_same_text_over_http_and_in_process(
    client: exllm.Client, gguf: Path, prompt: str
) -> None:
    here = await client.chat(f"local/{gguf}", prompt, **OPTIONS)
    there = await client.chat(REMOTE, prompt, **OPTIONS)
    async with client.stream(REMOTE, prompt, **OPTIONS) as stream:
        texts = [text async for text in stream.text()]
    assert here.text
    assert there.text == here.text
    assert "".join(texts) == here.text
    assert there.finish_reason == stream.response.finish_reason == here.finish_reason
    assert there.usage.input_tokens == here.usage.input_tokens
    assert there.usage.output_tokens == here.usage.output_tokens


async def test_a_conversation_with_a_system_message_is_the_same(client: exllm.Client, gguf: Path) -> None:
    messages = [exllm.Message("developer", "Answer in one sentence."), exllm.Message("user", "Who are you?")]
    here = await client.chat(f"local/{gguf}", messages, **OPTIONS)
    there = await client.chat(REMOTE, messages, **OPTIONS)
    assert there.text == here.text
    assert there.usage.input_tokens == here.usage.input_tokens


async def test_a_repeat_penalty_means_the_same(client: exllm.Client, gguf: Path) -> None:
    options = {**OPTIONS, "extra": {"repeat_penalty": 1.1}}
    here = await client.chat(f"local/{gguf}", PROMPTS[0], **options)
    there = await client.chat(REMOTE, PROMPTS[0], **options)
    assert there.text == here.text


async def test_a_stop_sequence_means_the_same(client: exllm.Client, gguf: Path) -> None:
    whole = (await client.chat(f"local/{gguf}", PROMPTS[0], **OPTIONS)).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    here = await client.chat(f"local/{gguf}", PROMPTS[0], stop=[stop], **OPTIONS)
    there = await client.chat(REMOTE, PROMPTS[0], stop=[stop], **OPTIONS)
    assert there.text == here.text == whole[: whole.index(stop)]


@pytest.mark.shows("structured output", providers=("local", "llama-cpp-python"), by="itself")
async def test_a_schema_holds_the_answer_over_http_too(client: exllm.Client, gguf: Path) -> None:
    schema = {"type": "object", "properties": {"color": {"enum": ["red", "blue"]}}, "required": ["color"]}
    for model in (REMOTE, f"local/{gguf}"):
        text = (await client.chat(model, "A color?", response_format=schema, **OPTIONS)).text
        assert exllm.types.parts.ToolCall("", "", text).parse_arguments()["color"] in ("red", "blue")


@pytest.mark.shows("model list", providers=("llama-cpp-python",), by="itself")
async def test_the_model_list_names_the_served_model(client: exllm.Client) -> None:
    assert [entry.id for entry in await client.list_models("llama-cpp-python")] == [ALIAS]


async def test_embeddings_are_those_of_this_process(embedding_server: str, client: exllm.Client, gguf: Path) -> None:
    """The server gives a vector for each token of a model that was made to chat; ours is their mean."""
    texts = ["What is exllm?", "Hello!", "Tell me a long, long story about the sea."]
    extra = {"n_ctx": 1024, "flash_attn": False, "use_extra_bufts": False, "normalize": False}
    here = await client.embed(f"local/{gguf}", texts, extra=extra)
    url, counted = f"{embedding_server}/embeddings", 0
    async with aiohttp.ClientSession() as session:
        for text, vector in zip(texts, here.vectors, strict=True):  # one by one: it mixes up several
            async with session.post(url, json={"model": ALIAS, "input": text}) as response:
                answer = await response.json()
            tokens = answer["data"][0]["embedding"]
            mean = [sum(column) / len(tokens) for column in zip(*tokens, strict=True)]
            assert vector == pytest.approx(mean, abs=1e-4)
            counted += answer["usage"]["prompt_tokens"]
    assert here.usage.input_tokens == counted


async def test_a_vector_for_each_token_is_not_taken_for_one_of_the_text(
    embedding_server: str, client: exllm.Client
) -> None:
    with pytest.raises(exllm.ProtocolError, match="embeddings that cannot be read"):
        await client.embed(REMOTE, "Hello!", base_url=embedding_server)


@pytest.mark.shows("errors", providers=("local", "llama-cpp-python"), by="itself")
async def test_a_prompt_that_does_not_fit_is_the_same_error_in_both(client: exllm.Client, gguf: Path) -> None:
    for model in (REMOTE, f"local/{gguf}"):
        with pytest.raises(exllm.ContextLengthExceeded):
            await client.chat(model, "word " * 3000)


async def test_an_unknown_route_is_not_found(client: exllm.Client, server: str) -> None:
    with pytest.raises(exllm.NotFound) as caught:
        await client.chat(REMOTE, "Hi", base_url=f"{server}/nowhere")
    assert caught.value.status == 404


async def test_leaving_a_stream_frees_the_server(client: exllm.Client) -> None:
    # It answers one request at a time, so one that went on would hold up the next.
    for _ in range(3):
        async with client.stream(REMOTE, PROMPTS[0], temperature=1.0, max_tokens=900) as stream:
            async for _text in stream.text():
                break
    async with asyncio.timeout(10):
        assert (await client.chat(REMOTE, "Hello!", temperature=0, max_tokens=5)).usage.output_tokens


async def test_a_server_that_is_gone_is_a_connection_error(client: exllm.Client) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(exllm.ConnectionFailed):
        await client.chat(REMOTE, "Hi", base_url=f"http://127.0.0.1:{port}/v1")


COMPLETION = f"llama-cpp-python-completions/{ALIAS}"


@pytest.fixture
async def completing(server: str) -> AsyncIterator[exllm.Client]:
    """A client for the server's text completion, which is found by the address of its chat."""
    async with exllm.Client(config=Static({"llama-cpp-python": {"base_url": server}})) as made:
        yield made


@pytest.mark.shows("chat", "stream", "usage", providers=("llama-cpp-python-completions",), by="itself")
async def test_a_text_is_completed_whole_and_streamed(completing: exllm.Client) -> None:
    whole = await completing.chat(COMPLETION, "Once upon", **OPTIONS)
    async with completing.stream(COMPLETION, "Once upon", **OPTIONS) as stream:
        texts = [text async for text in stream.text()]
    assert whole.text
    assert "".join(texts) == whole.text
    assert len(texts) > 1
    assert whole.finish_reason == stream.response.finish_reason
    assert whole.usage.provenance == "reported"
    assert whole.usage.output_tokens


async def test_the_beginning_of_an_answer_is_part_of_the_text_that_is_completed(completing: exllm.Client) -> None:
    begun = [exllm.Message("user", "Once upon"), exllm.Message("assistant", " a time")]
    one, two = [await completing.chat(COMPLETION, asked, **OPTIONS) for asked in ("Once upon a time", begun)]
    assert one.text == two.text
    assert one.usage.input_tokens == two.usage.input_tokens


async def test_text_completion_says_the_prompt_again_when_asked(completing: exllm.Client) -> None:
    plain = await completing.chat(COMPLETION, "Once upon", **OPTIONS)
    extra = {**OPTIONS["extra"], "echo": True}
    echoed = await completing.chat(COMPLETION, "Once upon", **{**OPTIONS, "extra": extra})
    assert echoed.text == "Once upon" + plain.text
