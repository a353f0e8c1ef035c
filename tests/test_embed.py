"""`Client.embed` against a loopback server: order, batches, all or nothing, retries, limits, cancellation."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import gc
import json
import pickle
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

import exllm
from exllm.config import Static
from exllm.providers import registry
from exllm.providers.embedding_batches import estimated_tokens, plan_batches
from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
from exllm.types.vectors import Vectors
from tests.cancel_at import CancelAt
from tests.faults.expect import ONCE, open_connections
from tests.faults.server import FaultServer, Peer

KEY = "plain0123456789abcdef"  # of no form that would be masked anyway

SMALL = {
    "name": "small",
    "label": "Small",
    "wire": "openai_chat",
    "base_url": "https://small.example/v1",
    "api_key_env": ["SMALL_API_KEY"],
    "paths": {"embeddings": "/embeddings"},
    "embeddings": {
        "default_model": "tiny",
        "max_inputs": 3,
        "concurrency": 2,
        "unsupported": ["encoding_format"],
        "task_types": {"query": "q", "document": "d"},
        "models": {
            "fixed": {"unsupported": ["dimensions"]},
            "stepped": {"dimensions": [2, 4]},
            "single": {"max_inputs": 1},
        },
    },
}


@pytest.fixture(autouse=True)
def _small() -> Any:
    registry.register(SMALL)
    yield
    registry.unregister("small")


def client_of(server: FaultServer | None = None, **settings: Any) -> exllm.Client:
    url = server.url if server is not None else "http://127.0.0.1:9"
    config = Static(
        {name: {"api_key": KEY, "base_url": url} for name in ("small", "openai", "openrouter", "perplexity")}
    )
    return exllm.Client(**{"config": config, "retry": ONCE, **settings})


def number_of(text: str) -> float:
    return float(text.removeprefix("t"))


def texts(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


def answer_to(peer: Peer, **more: Any) -> bytes:
    """The vectors of the request's inputs: ``t7`` is embedded as [7, 0.5]."""
    inputs = peer.request.json["input"]
    rows = [{"embedding": [number_of(text), 0.5], "index": place} for place, text in enumerate(inputs)]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs), **more}
    return json.dumps({"data": rows, "model": "tiny-1", "usage": usage}).encode()


async def embed_all(peer: Peer) -> None:
    await peer.answer(answer_to(peer))


# -- what comes back


async def test_a_text_is_one_vector() -> None:
    async with FaultServer(embed_all) as server, client_of(server) as client:
        reply = await client.embed("small/tiny", "t7")
    assert reply.vectors == [[7.0, 0.5]]
    assert reply.vector == [7.0, 0.5]
    assert (reply.dimensions, reply.provider, reply.model) == (2, "small", "tiny-1")
    assert (reply.request_id, reply.request_ids) == ("req-7", ("req-7",))
    assert reply.usage == exllm.Usage(input_tokens=1, total_tokens=1, provenance="reported")
    assert reply.cost.total is None
    assert reply.warnings == ()
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/embeddings")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {"model": "tiny", "input": ["t7"]}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 20])
async def test_many_texts_are_split_and_keep_their_order(count: int) -> None:
    """The first requests answer last."""
    at_once = most_at_once = 0

    async def slow_first(peer: Peer) -> None:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        await asyncio.sleep(0.03 / (1 + number_of(peer.request.json["input"][0])))
        at_once -= 1
        await peer.answer(answer_to(peer))

    async with FaultServer(slow_first) as server, client_of(server) as client:
        reply = await client.embed("small", tuple(texts(count)))
    assert reply.vectors == [[float(number), 0.5] for number in range(count)]
    sent = sorted((request.json["input"] for request in server.requests), key=lambda part: number_of(part[0]))
    assert sent == [texts(count)[start : start + 3] for start in range(0, count, 3)]
    assert most_at_once == min(2, len(sent))
    assert reply.usage.input_tokens == count
    assert len(reply.request_ids) == len(sent)


async def test_a_model_with_a_limit_of_its_own_is_asked_so() -> None:
    async with FaultServer(embed_all) as server, client_of(server) as client:
        reply = await client.embed("small/single-1", texts(3))
    assert len(server.requests) == 3
    assert len(reply.vectors) == 3


async def test_options_and_extra_go_along_with_each_request() -> None:
    async with FaultServer(embed_all) as server, client_of(server) as client:
        await client.embed("small", texts(4), dimensions=2, task_type="search_query", extra={"user": "u"})
    for request in server.requests:
        assert {**request.json, "input": []} == {
            "model": "tiny", "input": [], "dimensions": 2, "input_type": "q", "user": "u",
        }  # fmt: skip


async def test_openai_is_asked_for_base64_and_gives_floats() -> None:
    async def packed(peer: Peer) -> None:
        asked = peer.request.json
        assert asked["encoding_format"] == "base64"
        data = [{"embedding": base64.b64encode(struct.pack("<2f", 0.5, -2.0)).decode(), "index": 0}]
        await peer.answer(json.dumps({"data": data}).encode())

    async with FaultServer(packed) as server, client_of(server) as client:
        reply = await client.embed("openai", "one")
    assert reply.vectors == [[0.5, -2.0]]
    assert reply.vectors.kind == "f"
    assert server.requests[0].json["model"] == "text-embedding-3-small"
    assert reply.usage.provenance == "unknown"


async def test_a_provider_that_states_its_cost_is_believed() -> None:
    async def priced(peer: Peer) -> None:
        await peer.answer(answer_to(peer, cost=0.25))

    async with FaultServer(priced) as server, client_of(server) as client:
        reply = await client.embed("openrouter", texts(100))
    assert len(server.requests) == 2
    assert reply.cost == exllm.Cost(total=0.5, source="provider")


async def test_a_price_that_the_catalog_knows_is_taken() -> None:
    async def million(peer: Peer) -> None:
        answer = json.loads(answer_to(peer))
        await peer.answer(json.dumps({**answer, "usage": {"prompt_tokens": 1_000_000}}).encode())

    async with FaultServer(million) as server, client_of(server) as client:
        reply = await client.embed("openai/text-embedding-3-small", "t1")
    assert (reply.cost.total, reply.cost.source) == (0.02, "catalog")


async def test_usage_that_some_requests_do_not_report_is_partial() -> None:
    async def forgetful(peer: Peer) -> None:
        answer = json.loads(answer_to(peer))
        if peer.request.json["input"][0] == "t0":
            del answer["usage"]
        await peer.answer(json.dumps(answer).encode())

    async with FaultServer(forgetful) as server, client_of(server) as client:
        reply = await client.embed("small", texts(6))
    assert (reply.usage.input_tokens, reply.usage.provenance) == (3, "partial")


async def test_a_response_survives_pickle_copy_and_json() -> None:
    async with FaultServer(embed_all) as server, client_of(server) as client:
        reply = await client.embed("small", texts(5))
    assert pickle.loads(pickle.dumps(reply)) == reply
    assert copy.deepcopy(reply) == reply
    assert msgspec.json.decode(msgspec.json.encode(reply), type=EmbeddingResponse) == reply


async def test_the_module_level_call_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_API_KEY", KEY)
    async with FaultServer(embed_all) as server:
        reply = await exllm.embed("small", "t1", base_url=server.url)
        assert reply.vector == [1.0, 0.5]
        await exllm.default_client.default_client().aclose()


# -- what does not fit is said before anything is sent


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("small", {"encoding_format": "float"}, "Small takes no encoding_format"),
        ("small/fixed-3", {"dimensions": 2}, "fixed-3 takes no dimensions"),
        ("small/stepped", {"dimensions": 3}, r"stepped takes dimensions = 2 \| 4, got 3"),
        ("small", {"task_type": "clustering"}, r"Small takes task_type = query \| document, got 'clustering'"),
        ("openai", {"task_type": "query"}, "OpenAI takes no task_type"),
        ("openai", {"encoding_format": "int8"}, r"OpenAI takes encoding_format = float \| base64, got 'int8'"),
        ("perplexity", {"encoding_format": "float"}, r"takes encoding_format = int8 \| ubinary"),
        ("openai/text-embedding-ada-002", {"dimensions": 256}, "takes no dimensions"),
    ],
)
async def test_an_unsupported_option_is_refused_or_dropped(model: str, options: dict[str, Any], words: str) -> None:
    async with FaultServer(embed_all) as server, client_of(server) as client:
        with pytest.raises(exllm.UnsupportedOption, match=words) as caught:
            await client.embed(model, "t1", **options)
        assert caught.value.provider == model.partition("/")[0]
        assert not server.requests
    async with FaultServer(embed_all) as server, client_of(server, drop_unsupported=True) as client:
        if not model.startswith("perplexity"):  # whose numbers are no floats
            reply = await client.embed(model, "t1", **options)
            (warning,) = reply.warnings
            assert warning.endswith("it was dropped")
            assert set(server.requests[0].json) <= {"model", "input", "encoding_format"}


@pytest.mark.parametrize(
    ("inputs", "options", "error", "words"),
    [
        ([], {}, ValueError, "at least one text"),
        (None, {}, TypeError, "inputs must be text or a list of texts, got NoneType"),
        (b"one", {}, TypeError, "inputs must be text"),
        ({"a": 1}, {}, TypeError, "inputs must be text"),
        (["one", 2], {}, TypeError, r"inputs\[1\] must be text, got int"),
        ("one", {"dimensions": 0}, ValueError, "dimensions must be at least 1"),
        ("one", {"dimensions": 1.5}, TypeError, "dimensions must be a whole number"),
        ("one", {"dimensions": True}, TypeError, "dimensions must be a whole number"),
        ("one", {"encoding_format": "float16"}, ValueError, r"encoding_format must be float \| base64 \| int8"),
        ("one", {"task_type": "serch"}, ValueError, r"task_type must be query \| document"),
        ("one", {"task_type": 3}, ValueError, "task_type must be"),
        ("one", {"timeout": 0}, ValueError, "timeout total must be above 0"),
        ("one", {"extra": [1]}, TypeError, "extra must be a dict"),
        ("one", {"api_key": 3}, TypeError, "api_key must be text"),
    ],
)
async def test_a_wrong_argument_is_told(inputs: Any, options: Any, error: type[Exception], words: str) -> None:
    async with client_of() as client:
        with pytest.raises(error, match=words):
            await client.embed("small", inputs, **options)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("groq", "Groq does not embed texts"),
        ("nobody/x", "unknown provider 'nobody'"),
        ("azure", "'azure' has no default embedding model; write 'azure/<model>'"),
    ],
)
async def test_a_provider_that_cannot_embed_is_told(model: str, words: str) -> None:
    async with client_of() as client:
        with pytest.raises(exllm.ConfigurationError, match=words):
            await client.embed(model, "one")


async def test_the_default_model_can_be_configured() -> None:
    async with FaultServer(embed_all) as server:
        config = Static({"small": {"api_key": KEY, "base_url": server.url, "default_embedding_model": "mine"}})
        async with exllm.Client(config=config) as client:
            await client.embed("small", "t1")
    assert server.requests[0].json["model"] == "mine"


# -- all or nothing


def failing_at(text: str, fail: Callable[[Peer], Awaitable[None]]) -> Callable[[Peer], Awaitable[None]]:
    """Embeds, but for the request that holds `text`; the others are slow."""

    async def behave(peer: Peer) -> None:
        if text in peer.request.json["input"]:
            await fail(peer)
        else:
            await asyncio.sleep(0.05)
            await peer.answer(answer_to(peer))

    return behave


async def refuse(peer: Peer) -> None:
    await peer.answer(b'{"error": {"message": "no such luck: ' + KEY.encode() + b'"}}', "400 Bad Request")


async def test_one_request_that_fails_fails_them_all_and_says_which() -> None:
    async with FaultServer(failing_at("t4", refuse)) as server, client_of(server) as client:
        with pytest.raises(exllm.InvalidRequest, match="no such luck") as caught:
            await client.embed("small", texts(30))
        await asyncio.sleep(0.1)
        assert len(server.requests) <= 4  # no more were begun
        assert not tasks_of_ours()
    error = caught.value
    assert (error.provider, error.model, error.status, error.request_id) == ("small", "tiny", 400, "req-7")
    assert KEY not in str(error)
    assert KEY not in (error.body or "")
    assert error.__notes__ == ["in the request for inputs[3:6]"]
    assert pickle.loads(pickle.dumps(error)).__notes__ == error.__notes__


async def test_several_that_fail_at_once_are_one_error(caplog: pytest.LogCaptureFixture) -> None:
    async with FaultServer(refuse) as server, client_of(server) as client:
        for _ in range(10):
            with pytest.raises(exllm.InvalidRequest, match="no such luck"):
                await client.embed("small", texts(9))
    gc.collect()
    lines = [record.getMessage() for record in caplog.records]
    assert not [line for line in lines if not line.startswith("Executing <")]  # asyncio's, of a busy machine


async def cut(peer: Peer) -> None:
    await peer.head(headers=(("content-type", "application/json"), ("content-length", "1000")))
    await peer.send(b'{"data": [')


async def nonsense(peer: Peer) -> None:
    await peer.answer(b"<html>welcome</html>", content_type="text/html")


async def too_few(peer: Peer) -> None:
    answer = json.loads(answer_to(peer))
    del answer["data"][-1]
    await peer.answer(json.dumps(answer).encode())


async def ragged(peer: Peer) -> None:
    answer = json.loads(answer_to(peer))
    answer["data"][0]["embedding"] = [1.0]
    await peer.answer(json.dumps(answer).encode())


async def shorter(peer: Peer) -> None:
    answer = json.loads(answer_to(peer))
    for row in answer["data"]:
        row["embedding"] = [1.0]
    await peer.answer(json.dumps(answer).encode())


async def reset(peer: Peer) -> None:
    peer.reset()


@pytest.mark.parametrize(
    ("fail", "error", "words"),
    [
        (cut, exllm.StreamInterrupted, "broke in the middle"),
        (nonsense, exllm.ProtocolError, "is the base URL right"),
        (too_few, exllm.ProtocolError, "Small sent 2 vectors for 3 texts"),
        (ragged, exllm.ProtocolError, "vectors must be of one length"),
        (shorter, exllm.ProtocolError, "vectors must be of one length"),
        (reset, exllm.ConnectionFailed, "closed the connection"),
    ],
)
async def test_whatever_goes_wrong_is_one_of_our_errors(fail: Any, error: type[exllm.ExLLMError], words: str) -> None:
    async with FaultServer(failing_at("t4", fail)) as server:
        async with client_of(server) as client:
            with pytest.raises(error, match=words) as caught:
                await client.embed("small", texts(9))
        await server.all_left()
    assert (caught.value.provider, caught.value.model) == ("small", "tiny")


async def test_only_what_failed_is_sent_again() -> None:
    failed: list[str] = []

    async def once_busy(peer: Peer) -> None:
        first = peer.request.json["input"][0]
        if first in ("t0", "t6") and first not in failed:
            failed.append(first)
            status = ("429 Too Many Requests", "503 Service Unavailable")[len(failed) % 2]
            await peer.answer(b'{"error": {"message": "busy"}}', status, "application/json", ("retry-after-ms", "10"))
        else:
            await peer.answer(answer_to(peer))

    async with FaultServer(once_busy) as server, client_of(server, retry=exllm.RetryPolicy(attempts=2)) as client:
        reply = await client.embed("small", texts(9))
    assert reply.vectors == [[float(number), 0.5] for number in range(9)]
    assert sorted(request.json["input"][0] for request in server.requests) == ["t0", "t0", "t3", "t6", "t6"]


async def test_an_error_that_stays_tells_how_often_it_was_tried() -> None:
    async def busy(peer: Peer) -> None:
        await peer.answer(b'{"error": {"message": "busy"}}', "429 Too Many Requests")

    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    async with FaultServer(busy) as server, client_of(server, retry=policy) as client:
        with pytest.raises(exllm.RateLimited) as caught:
            await client.embed("small", "t1")
    assert (len(server.requests), caught.value.attempts) == (3, 3)


# -- time


async def silent(peer: Peer) -> None:
    await peer.left()


@pytest.mark.parametrize("count", [1, 9])
async def test_the_limit_for_the_whole_call_closes_everything(count: int) -> None:
    async with FaultServer(silent) as server, client_of(server) as client:
        with pytest.raises(exllm.TotalTimeout, match=r"no embeddings within 0\.1 s") as caught:
            await client.embed("small", texts(count), timeout=0.1)
        await server.all_left(0.2)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.provider == "small"


async def test_no_wait_is_begun_that_ends_beyond_the_limit() -> None:
    async def busy(peer: Peer) -> None:
        await peer.answer(b"{}", "503 Service Unavailable", "application/json", ("retry-after", "5"))

    loop = asyncio.get_running_loop()
    async with FaultServer(busy) as server, client_of(server, retry=exllm.RetryPolicy(attempts=3)) as client:
        began_at = loop.time()
        with pytest.raises(exllm.Overloaded):
            await client.embed("small", texts(9), timeout=2.0)
        assert loop.time() - began_at < 1


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.05])
async def test_a_cancelled_call_closes_everything(count: int, after_s: float) -> None:
    async with FaultServer(silent) as server, client_of(server) as client:
        task = asyncio.create_task(client.embed("small", texts(count)))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_left(0.2)


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("late", [0, 1, 2])
async def test_a_cancellation_at_any_await_leaves_nothing(count: int, late: int) -> None:
    async with FaultServer(embed_all) as server, client_of(server) as client:
        await client.embed("small", "t1")  # what is imported and opened once
        for step in range(1, 50):
            call = CancelAt(client.embed("small", texts(count)), step, late)
            task = asyncio.ensure_future(_awaited(call))
            with contextlib.suppress(asyncio.CancelledError):
                assert len((await task).vectors) == count
            assert open_connections(client) == 0
            assert not tasks_of_ours()
            if call.steps < step:
                break
        assert step > 1


def tasks_of_ours() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "_Batches" in repr(task.get_coro())]


async def _awaited(call: CancelAt[EmbeddingResponse]) -> EmbeddingResponse:
    return await call


async def test_a_cancellation_after_any_turn_of_the_loop_leaves_nothing() -> None:
    cancelled = 0
    async with FaultServer(embed_all) as server, client_of(server) as client:
        for turns in range(200):
            task = asyncio.create_task(client.embed("small", texts(9)))
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            cancelled += 1
            assert open_connections(client) == 0
            assert not tasks_of_ours()
    assert cancelled > 5


async def test_a_cancelled_wait_for_the_next_attempt_ends_at_once() -> None:
    async def busy(peer: Peer) -> None:
        await peer.answer(b"{}", "503 Service Unavailable", "application/json", ("retry-after", "30"))

    async with FaultServer(busy) as server, client_of(server, retry=exllm.RetryPolicy(attempts=3)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.embed("small", texts(9))


# -- batches


def test_batches_hold_all_in_order_within_the_limits() -> None:
    inputs = ["x" * (number % 50) for number in range(500)]
    for max_inputs, max_tokens in ((1, None), (7, None), (1000, None), (7, 60), (1000, 100), (3, 1)):
        batches = plan_batches(inputs, max_inputs, max_tokens)
        assert [text for batch in batches for text in inputs[batch]] == inputs
        for batch in batches:
            part = inputs[batch]
            assert 1 <= len(part) <= max_inputs
            assert max_tokens is None or len(part) == 1 or sum(map(estimated_tokens, part)) <= max_tokens


def test_a_text_beyond_the_limit_is_sent_alone() -> None:
    assert plan_batches(["a", "b" * 1000, "c"], 10, 20) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_texts_without_ascii_are_counted_by_their_bytes() -> None:
    assert estimated_tokens("abcd") == 2
    assert estimated_tokens("三三") == 3
    assert estimated_tokens("") == 0


# -- foreign backends


class Backend:
    name = "foreign"
    default_model = "own"

    def __init__(self, answer: Callable[[EmbeddingRequest], Awaitable[EmbeddingResponse]] | None = None) -> None:
        self.asked: list[EmbeddingRequest] = []
        self._answer = answer

    async def chat(self, request: exllm.Request) -> exllm.Response:
        raise NotImplementedError

    def stream(self, request: exllm.Request) -> Any:
        raise NotImplementedError

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        self.asked.append(request)
        if self._answer is not None:
            return await self._answer(request)
        rows = [[number_of(text)] for text in request.inputs]
        return EmbeddingResponse(Vectors.of(rows), self.name, request.model)


async def embed_by(backend: Any, inputs: Any = ("t1", "t2"), **options: Any) -> EmbeddingResponse:
    registry.register(backend, replace=True)
    try:
        async with exllm.Client() as client:
            return await client.embed("foreign", inputs, **options)
    finally:
        registry.unregister("foreign")


async def test_a_foreign_backend_gets_the_checked_request() -> None:
    backend = Backend()
    reply = await embed_by(backend, dimensions=3, task_type="PASSAGE", extra={"a": 1}, api_key="k")
    assert reply.vectors == [[1.0], [2.0]]
    (request,) = backend.asked
    assert (request.inputs, request.dimensions, request.task_type, request.extra) == (
        ("t1", "t2"),
        3,
        "document",
        {"a": 1},
    )
    assert request.timeouts.total == 600
    assert reply.warnings == ("foreign takes no api_key; it was not used",)


async def test_a_foreign_backend_that_does_not_embed_is_told() -> None:
    class Chats:
        name = "foreign"
        chat, stream = Backend.chat, Backend.stream

    with pytest.raises(exllm.ConfigurationError, match="'foreign' does not embed texts"):
        await embed_by(Chats())


async def test_what_a_foreign_backend_does_wrong_is_one_of_our_errors() -> None:
    async def too_many(request: EmbeddingRequest) -> EmbeddingResponse:
        return EmbeddingResponse(Vectors.of([[1.0]] * 3), "foreign", "own")

    async def bug(request: EmbeddingRequest) -> EmbeddingResponse:
        raise ZeroDivisionError("by zero")

    async def ours(request: EmbeddingRequest) -> EmbeddingResponse:
        raise exllm.Overloaded("full")

    async def endless(request: EmbeddingRequest) -> EmbeddingResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async def own_limit(request: EmbeddingRequest) -> EmbeddingResponse:
        raise TimeoutError("its own")

    for answer, error, words in (
        (too_many, exllm.ProtocolError, "foreign sent 3 vectors for 2 texts"),
        (bug, exllm.ProtocolError, "unforeseen way: ZeroDivisionError"),
        (own_limit, exllm.ProtocolError, "unforeseen way: TimeoutError"),
        (ours, exllm.Overloaded, "full"),
        (endless, exllm.TotalTimeout, "no embeddings within"),
    ):
        with pytest.raises(error, match=words) as caught:
            await embed_by(Backend(answer), timeout=0.05)
        assert (caught.value.provider, caught.value.model) == ("foreign", "own")
