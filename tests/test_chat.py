"""Whole answers: what the server makes of the request, what the response tells, what nobody drops in silence."""

from __future__ import annotations

import pytest

import exllm
from exllm.testing import MockProvider
from tests.faults.dialects import DIALECTS, TEXT, Dialect
from tests.faults.expect import fail, served
from tests.faults.server import Peer

by_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.provider)


@by_dialect
async def test_an_answer_that_is_streamed_unasked_is_folded_all_the_same(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.stream(dialect.frames())

    async with served(dialect, behave) as (_, client):
        response = await client.chat(dialect.name, "Hi", max_tokens=10)
        async with client.stream(dialect.name, "Hi", max_tokens=10) as stream:
            streamed = await stream.collect()
    assert response.text == TEXT
    assert (response.choices, response.usage) == (streamed.choices, streamed.usage)


@by_dialect
async def test_a_page_in_the_place_of_an_answer_is_told_as_one(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        page = b"<html>Welcome</html>"
        await peer.head("200 OK", (("content-type", "text/html"), ("content-length", str(len(page)))))
        await peer.send(page)

    async with served(dialect, behave) as (_, client):
        failure = await fail(client, dialect, "chat", max_tokens=10)
    assert isinstance(failure.error, exllm.ProtocolError)
    assert "is the base URL right?" in failure.error.message
    assert (failure.error.status, failure.error.body) == (200, "<html>Welcome</html>")


@by_dialect
async def test_the_response_says_how_long_it_took(dialect: Dialect) -> None:
    refusal = dialect.refuse("503 Busy", ("retry-after", "0"))
    async with served(dialect, refusal, dialect.reply(), retry=exllm.RetryPolicy()) as (_, client):
        response = await client.chat(dialect.name, "Hi", max_tokens=10)
    assert response.stats is not None
    assert response.stats.attempts == 2
    assert response.stats.duration_s is not None
    assert response.stats.duration_s > 0
    assert response.stats.bytes > 0


async def test_a_key_that_a_backend_has_no_use_for_is_named_in_the_warnings() -> None:
    with MockProvider("Hello", name="own"):
        async with exllm.Client() as client:
            response = await client.chat("own/model", "Hi", api_key="sk-1", base_url="https://example.org")
            async with client.stream("own/model", "Hi", api_key="sk-1") as stream:
                streamed = await stream.collect()
    assert response.warnings == ("own takes no api_key and no base_url; it was not used",)
    assert streamed.warnings == ("own takes no api_key; it was not used",)


async def test_a_stream_that_was_left_cannot_be_entered_again() -> None:
    with MockProvider("Hello", name="own"):
        async with exllm.Client() as client:
            stream = client.stream("own/model", "Hi")
            async with stream:
                assert (await stream.collect()).text == "Hello"
            with pytest.raises(exllm.StreamClosed, match="makes a new one"):
                await stream.__aenter__()
            assert stream.response.text == "Hello"


async def test_a_tee_without_branches_is_refused() -> None:
    async with exllm.Client() as client, client.stream("mock/any", "Hi") as stream:
        with pytest.raises(ValueError, match="number of consumers"):
            stream.tee(0)
