"""Bodies that are cut, garbled, compressed, of the wrong kind, too large, or in too many pieces."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterable

import pytest

import exllm
from exllm import Timeouts
from tests.faults.dialects import ANTHROPIC, DIALECTS, OLLAMA, OPENAI, TEXT, WORDS, Dialect
from tests.faults.expect import WAYS, Way, fail, served
from tests.faults.server import REQUEST_ID, Behaviour, Peer

ways = pytest.mark.parametrize("way", WAYS)
EVENT_STREAM = ("content-type", "text/event-stream")


def frames_so_far(dialect: Dialect, words: int) -> bytes:
    return b"".join((*dialect.opening, *map(dialect.text, WORDS[:words])))


# -- cut


def clean_end(data: bytes) -> Behaviour:
    """The body ends as HTTP wants, but the answer has not ended."""

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(data)
        await peer.end_stream()

    return behave


def end_of_connection(data: bytes) -> Behaviour:
    """No length and no chunks: the body ends with the connection, so nobody can tell a cut from an end."""

    async def behave(peer: Peer) -> None:
        await peer.head(headers=(EVENT_STREAM, ("x-request-id", REQUEST_ID), ("connection", "close")))
        await peer.send(data)

    return behave


def chunked_cut(data: bytes) -> Behaviour:
    """The connection closes without the last chunk."""

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(data)

    return behave


def chunk_cut_within(data: bytes) -> Behaviour:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(data)
        await peer.send(b"ff\r\ndata: {")

    return behave


def length_short(data: bytes) -> Behaviour:
    """Fewer bytes than the head has promised."""

    async def behave(peer: Peer) -> None:
        length = ("content-length", str(len(data) + 100))
        await peer.head(headers=(EVENT_STREAM, length, ("x-request-id", REQUEST_ID)))
        await peer.send(data)

    return behave


@pytest.mark.parametrize("cut", [clean_end, end_of_connection, chunked_cut, chunk_cut_within, length_short])
@pytest.mark.parametrize("words", [1, 5])
async def test_q04_a_body_without_its_terminal_event_is_an_interruption(
    dialect: Dialect, cut: Callable[[bytes], Behaviour], words: int
) -> None:
    async with served(dialect, cut(frames_so_far(dialect, words))) as (_, client):
        error, seen = await fail(client, dialect)
    assert type(error) is exllm.StreamInterrupted
    assert error.retryable
    assert error.request_id == REQUEST_ID
    assert seen == "".join(WORDS[:words])
    if cut in (chunked_cut, chunk_cut_within, length_short):
        assert error.__cause__ is not None
    assert error.partial is not None
    assert error.partial.usage.provenance in ("partial", "unknown")
    assert error.partial.usage.output_tokens != 0


@pytest.mark.parametrize("cut", [clean_end, end_of_connection, chunked_cut, length_short])
async def test_q04_a_frame_cut_in_the_middle_says_nothing(dialect: Dialect, cut: Callable[[bytes], Behaviour]) -> None:
    half = dialect.text("never whole")[:-9]
    async with served(dialect, cut(frames_so_far(dialect, 2) + half)) as (_, client):
        error, seen = await fail(client, dialect)
    assert type(error) is exllm.StreamInterrupted
    assert seen == "".join(WORDS[:2])


@pytest.mark.parametrize("cut", [clean_end, end_of_connection, chunked_cut, length_short])
async def test_an_empty_body_is_an_interruption(dialect: Dialect, cut: Callable[[bytes], Behaviour]) -> None:
    async with served(dialect, cut(b"".join(dialect.silence) or b"\0")) as (_, client):
        error, seen = await fail(client, dialect)
    assert type(error) is exllm.StreamInterrupted
    assert (error.partial, seen) == (None, "")


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("dialect", [each for each in DIALECTS if each.is_text], ids=lambda dialect: dialect.provider)
async def test_the_last_line_feeds_may_be_missing(dialect: Dialect, missing: int) -> None:
    body = b"".join(dialect.frames())
    body = body[: max(len(body) - missing, len(body.rstrip(b"\n")))]  # what ends a line of JSON is one line feed
    async with served(dialect, clean_end(body)) as (_, client), client.stream(dialect.name, "Hi") as stream:
        response = await stream.collect()
    assert (response.text, response.finish_reason) == (TEXT, "stop")


@pytest.mark.parametrize("cut", [chunked_cut, length_short])
async def test_a_last_line_that_no_line_feed_has_ended_says_nothing_where_the_body_breaks_off(
    cut: Callable[[bytes], Behaviour],
) -> None:
    body = b"".join(OLLAMA.frames())[:-1]
    async with served(OLLAMA, cut(body)) as (_, client):
        error, seen = await fail(client, OLLAMA)
    assert type(error) is exllm.StreamInterrupted
    assert seen == TEXT


async def test_a_frame_over_the_limit_is_told_as_one_though_the_body_ends_within_it(dialect: Dialect) -> None:
    body = frames_so_far(dialect, 2) + dialect.text("x" * 200_000)[:-9]
    async with served(dialect, clean_end(body), max_frame_bytes=100_000) as (_, client):
        error, seen = await fail(client, dialect)
    assert type(error) is exllm.FrameTooLarge
    assert seen == "".join(WORDS[:2])


async def test_openai_needs_no_done_after_a_finish_reason() -> None:
    body = b"".join(OPENAI.frames()[:-1])
    async with served(OPENAI, clean_end(body)) as (_, client), client.stream(OPENAI.name, "Hi") as stream:
        response = await stream.collect()
    assert (response.text, response.finish_reason) == (TEXT, "stop")


async def test_anthropic_needs_its_message_stop() -> None:
    body = b"".join(ANTHROPIC.frames()[:-1])
    async with served(ANTHROPIC, clean_end(body)) as (_, client):
        error, seen = await fail(client, ANTHROPIC)
    assert type(error) is exllm.StreamInterrupted
    assert seen == TEXT


@ways
async def test_a_whole_body_that_is_cut_is_an_interruption(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        body = dialect.body(TEXT)
        await peer.head(headers=(("content-type", "application/json"), ("content-length", str(len(body)))))
        await peer.send(body[:-20])

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.StreamInterrupted
    assert error.retryable
    assert error.__cause__ is not None


async def test_usage_that_had_arrived_is_partial(dialect: Dialect) -> None:
    """Q16: what some say at the start is kept, and is not passed off as the final count."""
    async with served(dialect, clean_end(frames_so_far(dialect, 2))) as (_, client):
        error, _ = await fail(client, dialect)
    assert error.partial is not None
    usage = error.partial.usage
    if dialect.early_input_tokens is not None:
        assert (usage.input_tokens, usage.provenance) == (dialect.early_input_tokens, "partial")
    else:
        assert (usage.input_tokens, usage.output_tokens, usage.provenance) == (None, None, "unknown")


FRAMED_BY_LINES = [dialect for dialect in DIALECTS if dialect.content_type == "text/event-stream"]


@pytest.mark.parametrize("dialect", FRAMED_BY_LINES, ids=lambda dialect: dialect.provider)
@pytest.mark.parametrize("shape", ["one line", "many lines", "a list", "without a line end"])
async def test_an_error_that_is_written_into_a_stream_without_framing(dialect: Dialect, shape: str) -> None:
    """Gemini does it when it is overloaded: https://github.com/googleapis/python-genai reads such lines as well."""
    document: object = {"error": {"code": 503, "message": "too many words", "status": "UNAVAILABLE"}}
    if shape == "a list":
        document = [document]
    written = json.dumps(document, indent=2 if shape == "many lines" else None).encode()
    end = b"" if shape == "without a line end" else b"\n\n"
    async with served(dialect, clean_end(frames_so_far(dialect, 2) + written + end)) as (_, client):
        error, seen = await fail(client, dialect)
    assert isinstance(error, exllm.ServerError)
    assert error.retryable
    assert "too many words" in error.message
    assert seen == "".join(WORDS[:2])


# -- garbage


@ways
@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"\0" * 200 + b"\r\n\r\n"]
)
async def test_garbage_in_place_of_http(dialect: Dialect, way: Way, garbage: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.send(garbage)

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert isinstance(error, exllm.ProtocolError | exllm.ConnectionFailed)
    assert error.status is None
    assert error.__cause__ is not None


async def test_garbage_in_place_of_a_chunk_length(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(frames_so_far(dialect, 2))
        await asyncio.sleep(0.02)  # aiohttp gives nothing of a network read that is not HTTP to its end
        await peer.send(b"not a length\r\n\xff\xfe")

    async with served(dialect, behave) as (_, client):
        error, seen = await fail(client, dialect)
    assert isinstance(error, exllm.StreamInterrupted | exllm.ProtocolError)
    assert error.__cause__ is not None
    assert seen == "".join(WORDS[:2])


@pytest.mark.parametrize(
    "garbage",
    [b"{not json", b'{"choices": [{"delta": ', b"\xff\xfe\xfd", b"[1, 2]"],
    ids=["no json", "cut json", "bad utf-8", "no object"],
)
@pytest.mark.parametrize("words", [0, 2])
async def test_a_frame_that_makes_no_sense(dialect: Dialect, garbage: bytes, words: int) -> None:
    body = (
        frames_so_far(dialect, words)
        + dialect.frame(garbage)
        + b"".join(map(dialect.text, WORDS))
        + b"".join(dialect.closing)
    )
    async with served(dialect, clean_end(body)) as (_, client):
        error, seen = await fail(client, dialect)
    assert type(error) is exllm.ProtocolError
    assert not error.retryable
    assert error.request_id == REQUEST_ID
    assert seen == "".join(WORDS[:words])


@ways
@pytest.mark.parametrize("body", [b"", b"{not json", b"[]", b"null", b'{"choices": 5, "content": 5}', b"\xff\xfe"])
async def test_a_whole_body_that_makes_no_sense(dialect: Dialect, way: Way, body: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(body)

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert isinstance(error, exllm.ProtocolError | exllm.StreamInterrupted)
    assert error.request_id == REQUEST_ID


# -- the wrong kind


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "image/png", "application/xml"])
async def test_a_wrong_content_type_is_not_an_answer(dialect: Dialect, content_type: str) -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(b"<html><title>Welcome to nginx!</title></html>", content_type=content_type)

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect)
    assert type(error) is exllm.ProtocolError
    assert not error.retryable
    assert (error.status, error.request_id) == (200, REQUEST_ID)
    assert content_type.partition(";")[0] in error.message
    assert error.body is not None
    assert "nginx" in error.body


async def test_html_in_place_of_a_whole_answer(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(b"<html><title>Welcome to nginx!</title></html>", content_type="text/html")

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, "chat")
    assert type(error) is exllm.ProtocolError
    assert error.request_id == REQUEST_ID


async def test_a_stream_answered_whole_is_an_answer(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(dialect.body(TEXT))

    async with served(dialect, behave) as (_, client), client.stream(dialect.name, "Hi") as stream:
        texts = [text async for text in stream.text()]
    assert "".join(texts) == TEXT
    assert stream.response.finish_reason == "stop"
    assert stream.response.usage.provenance == ("reported" if dialect.counts_tokens else "unknown")


@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream;charset=UTF-8", "application/octet-stream"])
async def test_a_careless_content_type_is_forgiven(dialect: Dialect, content_type: str) -> None:
    async def behave(peer: Peer) -> None:
        await peer.stream(dialect.frames(), content_type)

    async with served(dialect, behave) as (_, client), client.stream(dialect.name, "Hi") as stream:
        assert (await stream.collect()).text == TEXT


# -- compressed


def compressed(parts: Iterable[bytes], encoding: str, content_type: str = "text/event-stream") -> Behaviour:
    """Each part is compressed and flushed on its own, as a proxy does with a stream."""

    async def behave(peer: Peer) -> None:
        packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
        await peer.begin_stream(content_type, ("content-encoding", encoding))
        for part in parts:
            await peer.chunk(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH))
        await peer.chunk(packer.flush())
        await peer.end_stream()

    return behave


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_stream_is_read(dialect: Dialect, encoding: str) -> None:
    async with served(dialect, compressed(dialect.frames(), encoding)) as (server, client):
        async with client.stream(dialect.name, "Hi") as stream:
            texts = [text async for text in stream.text()]
        assert encoding in server.requests[0].headers["accept-encoding"]
    assert "".join(texts) == TEXT
    assert stream.stats.bytes == sum(map(len, dialect.frames()))


async def test_a_compressed_whole_answer_is_read(dialect: Dialect) -> None:
    async with served(dialect, compressed([dialect.body(TEXT)], "gzip", "application/json")) as (_, client):
        assert (await client.chat(dialect.name, "Hi")).text == TEXT


async def test_a_compressed_error_body_is_read(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        body = gzip.compress(dialect.error_body("packed words"))
        await peer.answer(body, "400 Bad Request", "application/json", ("content-encoding", "gzip"))

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect)
    assert "packed words" in error.message


@ways
async def test_a_compressed_body_that_is_none_is_a_protocol_error(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        kind = "text/event-stream" if dialect.is_streamed(peer.request) else "application/json"
        await peer.begin_stream(kind, ("content-encoding", "gzip"))
        await peer.chunk(b"this is no gzip at all")
        await peer.end_stream()

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.ProtocolError
    assert not error.retryable
    assert error.__cause__ is not None


# -- too large, too many

LARGE = 50_000_000


async def large_frame(peer: Peer, dialect: Dialect) -> None:
    frame = dialect.text("x" * LARGE)
    await peer.begin_stream(dialect.content_type)
    await peer.chunk(b"".join((*dialect.opening, dialect.text("before "))))
    for start in range(0, len(frame), 1_000_000):
        await peer.chunk(frame[start : start + 1_000_000])
    for frame in dialect.closing:
        await peer.chunk(frame)
    await peer.end_stream()


async def test_a_frame_of_50_mb_is_refused_at_the_default_limit(dialect: Dialect) -> None:
    async with served(dialect, lambda peer: large_frame(peer, dialect)) as (server, client):
        error, seen = await fail(client, dialect)
        await server.all_left()
        assert server.bytes_sent < LARGE
    assert type(error) is exllm.FrameTooLarge
    assert not error.retryable
    assert error.request_id == REQUEST_ID
    assert seen == "before "


async def test_a_frame_of_50_mb_is_read_at_a_higher_limit(dialect: Dialect) -> None:
    async with (
        served(dialect, lambda peer: large_frame(peer, dialect), max_frame_bytes=80_000_000) as (_, client),
        client.stream(dialect.name, "Hi") as stream,
    ):
        response = await stream.collect()
    assert len(response.text) == len("before ") + LARGE
    assert response.finish_reason == "stop"


async def test_ten_thousand_tiny_frames_all_arrive_in_order(dialect: Dialect) -> None:
    words = [f"{number} " for number in range(10_000)]

    async def behave(peer: Peer) -> None:
        await peer.stream(dialect.frames(words))

    async with served(dialect, behave) as (_, client), client.stream(dialect.name, "Hi") as stream:
        assert [text async for text in stream.text()] == words
    assert stream.stats.chunks >= 10_000
    assert stream.stats.dropped == 0


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_any_slicing_of_the_bytes_gives_the_same_answer(dialect: Dialect, size: int) -> None:
    body = b"".join(dialect.frames(["caf\u00e9 ", "\U0001f600 ", "\u2028 end"]))

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for start in range(0, len(body), size):
            await peer.chunk(body[start : start + size])
            if start % 50 == 0:
                await asyncio.sleep(0)
        await peer.end_stream()

    async with served(dialect, behave) as (_, client), client.stream(dialect.name, "Hi") as stream:
        assert (await stream.collect()).text == "caf\u00e9 \U0001f600 \u2028 end"


async def test_a_large_request_is_sent_whole(dialect: Dialect) -> None:
    words = "word " * 1_000_000
    async with served(dialect, dialect.reply()) as (server, client):
        response = await client.chat(dialect.name, words)
        assert words.rstrip() in json.dumps(server.requests[0].json)
    assert response.text == TEXT


async def test_a_server_that_answers_before_it_has_read_the_request(dialect: Dialect) -> None:
    """A refusal that comes while the request is still being sent is the error, not a broken pipe."""

    async def behave(peer: Peer) -> None:
        await peer.answer(dialect.error_body("too long for us"), "413 Payload Too Large")

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, timeout=Timeouts(total=5))
    assert type(error) is exllm.InvalidRequest
    assert error.status == 413
