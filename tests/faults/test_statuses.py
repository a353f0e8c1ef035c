"""Error responses, errors inside the stream, and what they say about trying again."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest

import exllm
from tests.faults.dialects import OPENAI, REPLICATE, TEXT, WORDS, Dialect
from tests.faults.expect import KEY, WAYS, Way, fail, served
from tests.faults.server import REQUEST_ID, Behaviour, Peer

ways = pytest.mark.parametrize("way", WAYS)

STATUSES = [
    (400, exllm.InvalidRequest, False),
    (401, exllm.AuthenticationError, False),
    (402, exllm.QuotaExceeded, False),
    (403, exllm.PermissionDenied, False),
    (404, exllm.NotFound, False),
    (408, exllm.RequestTimeout, True),
    (409, exllm.ServerError, True),
    (413, exllm.InvalidRequest, False),
    (422, exllm.InvalidRequest, False),
    (429, exllm.RateLimited, True),
    (500, exllm.ServerError, True),
    (502, exllm.ServerError, True),
    (503, exllm.Overloaded, True),
    (504, exllm.ServerError, True),
    (529, exllm.Overloaded, True),
]
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def answer(status: int, body: bytes, content_type: str, *headers: tuple[str, str]) -> Behaviour:
    async def behave(peer: Peer) -> None:
        await peer.answer(body, f"{status} Whatever", content_type, *headers)

    return behave


@ways
@pytest.mark.parametrize(("status", "expected", "retryable"), STATUSES)
@pytest.mark.parametrize("kind", ["json", "html", "empty"])
async def test_an_error_status_is_the_right_error_whatever_its_body(
    dialect: Dialect, way: Way, status: int, expected: type[exllm.ExLLMError], retryable: bool, kind: str
) -> None:
    body, content_type = {
        "json": (dialect.error_body("as the test wants"), "application/json"),
        "html": (HTML, "text/html"),
        "empty": (b"", "text/plain"),
    }[kind]
    async with served(dialect, answer(status, body, content_type)) as (server, client):
        error, _ = await fail(client, dialect, way)
        assert len(server.requests) == 1
    assert type(error) is expected
    assert (error.retryable, error.status, error.request_id) == (retryable, status, REQUEST_ID)
    assert error.partial is None
    assert (error.body or "") == body.decode()
    if kind == "json":
        assert "as the test wants" in error.message
    if kind == "html":
        assert "502 Bad Gateway" in error.message
        assert "<html>" not in error.message


@ways
async def test_an_error_body_that_never_ends_is_cut(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        await peer.head("500 Internal Server Error", (("transfer-encoding", "chunked"),))
        while True:
            await peer.chunk(b"words " * 1000)

    async with served(dialect, behave) as (server, client):
        error, _ = await fail(client, dialect, way)
        await server.all_left()
    assert type(error) is exllm.ServerError
    assert error.body is not None
    assert len(error.body) <= 65_536


@ways
async def test_an_error_body_that_breaks_off_is_still_the_error(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        await peer.head("429 Too Many Requests", (("content-length", "1000"), ("retry-after", "3")))
        await peer.send(b'{"error": ')
        peer.reset()

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.RateLimited
    assert error.retry_after_s == 3


@ways
async def test_what_came_of_an_error_body_before_it_broke_off_is_kept(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        await peer.head("400 Bad Request", (("content-length", "1000"),))
        await peer.send(b'{"error": {"message": "as the test wants"}')
        await asyncio.sleep(0.05)  # the reader has taken it; then the connection ends

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.InvalidRequest
    assert error.body == '{"error": {"message": "as the test wants"}'


@ways
async def test_a_key_that_the_server_repeats_is_masked(dialect: Dialect, way: Way) -> None:
    body = dialect.error_body(f"Incorrect API key provided: {KEY}. Find yours in the console.")
    async with served(dialect, answer(401, body, "application/json")) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.AuthenticationError
    assert KEY not in (error.body or "")


# -- Retry-After


def _in(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


@ways
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ((("retry-after-ms", "40"),), 0.04),
        ((("retry-after", "0.05"),), 0.05),
        ((("retry-after-ms", "30"), ("retry-after", "50")), 0.03),
    ],
    ids=["ms", "fraction", "ms before seconds"],
)
async def test_q15_a_wait_that_the_server_asks_for_is_kept(
    dialect: Dialect, way: Way, headers: tuple[tuple[str, str], ...], wait_s: float
) -> None:
    await _refused_and_asked_to_wait(dialect, way, headers, wait_s)


@ways
@pytest.mark.parametrize("dialect", [OPENAI, REPLICATE], ids=lambda dialect: dialect.provider)
async def test_q15_a_wait_of_a_second_is_kept(dialect: Dialect, way: Way) -> None:
    """The shortest one in whole seconds. That each protocol obeys this header is shown with a fraction."""
    await _refused_and_asked_to_wait(dialect, way, (("retry-after", "1"),), 1.0)


async def _refused_and_asked_to_wait(
    dialect: Dialect, way: Way, headers: tuple[tuple[str, str], ...], wait_s: float
) -> None:
    refuse = dialect.refuse("429 Too Many Requests", *headers)
    policy = exllm.RetryPolicy(attempts=2, base_s=0.0)
    async with served(dialect, refuse, dialect.reply(), retry=policy) as (server, client):
        started = time.monotonic()
        if way == "chat":
            response = await client.chat(dialect.name, "Hi")
        else:
            async with client.stream(dialect.name, "Hi") as stream:
                response = await stream.collect()
            assert stream.stats.attempts == 2
        assert wait_s <= time.monotonic() - started < wait_s + 1
        assert len(server.requests) == 2
    assert response.text == TEXT


@ways
async def test_q15_a_wait_until_a_date_is_counted_by_the_servers_own_clock(dialect: Dialect, way: Way) -> None:
    """The server's clock is an hour ahead; the wait is a second all the same."""
    headers = (("date", _in(3600)), ("retry-after", _in(3601)))
    refuse = dialect.refuse("429 Too Many Requests", *headers)
    async with served(dialect, refuse) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.RateLimited
    assert error.retry_after_s is not None
    assert 0 <= error.retry_after_s <= 2


@ways
@pytest.mark.parametrize("form", ["seconds", "ms", "date"])
async def test_q15_a_wait_beyond_the_cap_raises_at_once_and_says_until_when(
    dialect: Dialect, way: Way, form: str
) -> None:
    header = {"seconds": ("retry-after", "500"), "ms": ("retry-after-ms", "500000"), "date": ("retry-after", _in(500))}
    refuse = dialect.refuse("429 Too Many Requests", header[form])
    async with served(dialect, refuse, retry=exllm.RetryPolicy(attempts=3, cap_s=60)) as (server, client):
        started, now = time.monotonic(), time.time()
        error, _ = await fail(client, dialect, way)
        assert time.monotonic() - started < 5
        assert len(server.requests) == 1
    assert type(error) is exllm.RateLimited
    assert error.retry_at == pytest.approx(now + 500, abs=10)
    assert error.attempts == 1


# -- what is sent again


@ways
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_q15_passing_failures_are_sent_again(dialect: Dialect, way: Way, status: int) -> None:
    refuse = dialect.refuse(f"{status} Whatever")
    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    async with served(dialect, refuse, refuse, dialect.reply(), retry=policy) as (server, client):
        if way == "chat":
            response = await client.chat(dialect.name, "Hi")
        else:
            async with client.stream(dialect.name, "Hi") as stream:
                response = await stream.collect()
        assert response.text == TEXT
        assert len(server.requests) == 3
        assert len({request.body for request in server.requests}) == 1


@ways
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_q15_lasting_failures_are_not(dialect: Dialect, way: Way, status: int) -> None:
    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    async with served(dialect, dialect.refuse(f"{status} Whatever"), retry=policy) as (server, client):
        error, _ = await fail(client, dialect, way)
        assert len(server.requests) == 1
    assert not error.retryable
    assert error.attempts == 1


@ways
async def test_q15_the_attempts_end(dialect: Dialect, way: Way) -> None:
    policy = exllm.RetryPolicy(attempts=4, base_s=0.001)
    async with served(dialect, dialect.refuse("503 Whatever"), retry=policy) as (server, client):
        error, _ = await fail(client, dialect, way)
        assert len(server.requests) == 4
    assert isinstance(error, exllm.ServerError)
    assert error.attempts == 4


@ways
async def test_q15_a_connection_that_broke_before_the_answer_is_made_again(dialect: Dialect, way: Way) -> None:
    async def reset(peer: Peer) -> None:
        peer.reset()

    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    async with served(dialect, reset, reset, dialect.reply(), retry=policy) as (server, client):
        if way == "chat":
            response = await client.chat(dialect.name, "Hi")
        else:
            async with client.stream(dialect.name, "Hi") as stream:
                response = await stream.collect()
        assert response.text == TEXT
        assert len(server.requests) == 3


@ways
async def test_q15_a_wait_that_does_not_fit_in_the_time_left_is_not_begun(dialect: Dialect, way: Way) -> None:
    refuse = dialect.refuse("429 Too Many Requests", ("retry-after", "30"))
    async with served(dialect, refuse, retry=exllm.RetryPolicy(attempts=3)) as (server, client):
        started = time.monotonic()
        error, _ = await fail(client, dialect, way, timeout=0.5)
        assert time.monotonic() - started < 0.4
        assert len(server.requests) == 1
    assert type(error) is exllm.RateLimited
    assert error.retry_after_s == 30
    assert error.attempts == 1


# -- errors inside the stream


def stream_error(dialect: Dialect, words: int, retryable: bool) -> Behaviour:
    async def behave(peer: Peer) -> None:
        head = (*dialect.opening, *map(dialect.text, WORDS[:words])) if words else dialect.opening[:1]
        await peer.stream([*head, dialect.error("as the test wants", retryable)])

    return behave


@pytest.mark.parametrize("words", [0, 1, 4])
async def test_an_error_in_the_stream_raises_with_what_had_come(dialect: Dialect, words: int) -> None:
    async with served(dialect, stream_error(dialect, words, True)) as (_, client):
        error, seen = await fail(client, dialect)
    assert isinstance(error, exllm.ServerError)
    assert error.retryable
    assert error.request_id == REQUEST_ID
    assert "as the test wants" in error.message
    assert seen == "".join(WORDS[:words])


async def test_q15_a_retryable_error_in_the_stream_before_any_content_is_tried_again(dialect: Dialect) -> None:
    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    failing = stream_error(dialect, 0, True)
    async with served(dialect, failing, failing, dialect.reply(), retry=policy) as (server, client):
        async with client.stream(dialect.name, "Hi") as stream:
            texts = [text async for text in stream.text()]
        assert len(server.requests) == 3
    assert "".join(texts) == TEXT
    assert stream.stats.attempts == 3
    assert stream.response.usage.input_tokens == (9 if dialect.counts_tokens else None)


async def test_q15_a_lasting_error_in_the_stream_is_not_tried_again(dialect: Dialect) -> None:
    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    async with served(dialect, stream_error(dialect, 0, False), retry=policy) as (server, client):
        error, _ = await fail(client, dialect)
        assert len(server.requests) == 1
    assert isinstance(error, exllm.InvalidRequest)


@pytest.mark.parametrize("words", [1, 4])
async def test_q15_nothing_is_tried_again_once_content_has_come(dialect: Dialect, words: int) -> None:
    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    async with served(dialect, stream_error(dialect, words, True), retry=policy) as (server, client):
        error, seen = await fail(client, dialect)
        assert len(server.requests) == 1
    assert error.retryable
    assert seen == "".join(WORDS[:words])


async def test_an_answer_tried_again_has_nothing_of_the_failed_attempt(dialect: Dialect) -> None:
    """Not its id, not its usage."""

    def renamed(frame: bytes) -> bytes:
        return frame.replace(b"chatcmpl-1", b"of-failure").replace(b"msg_1", b"of-failure").replace(b": 9", b": 7777")

    async def failing(peer: Peer) -> None:
        await peer.stream([*map(renamed, dialect.opening[: dialect.is_text]), dialect.error("broke", True)])

    policy = exllm.RetryPolicy(attempts=2, base_s=0.001)
    async with served(dialect, failing, dialect.reply(), retry=policy) as (_, client):
        stream = client.stream(dialect.name, "Hi")
        response = await stream.collect()
    assert response.id != "of-failure"
    assert response.usage.input_tokens == (9 if dialect.counts_tokens else None)


async def test_a_rate_limit_in_a_body_with_status_200_is_an_error(dialect: Dialect) -> None:
    """Q9: some gateways answer 200 and put the error in the body."""
    for way in WAYS:
        async with served(dialect, answer(200, dialect.error_body("slow down"), "application/json")) as (_, client):
            error, _ = await fail(client, dialect, way)
        assert isinstance(error, exllm.ExLLMError)
        assert "slow down" in error.message
