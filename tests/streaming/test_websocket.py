from __future__ import annotations

import pytest

from exllm.errors import FrameTooLarge, ProtocolError, StreamClosed, StreamInterrupted
from exllm.streaming.frame import Frame
from exllm.streaming.websocket import WebSocketDecoder


def test_message_gives_one_frame_that_tells_its_kind() -> None:
    decoder = WebSocketDecoder()
    assert decoder.feed('{"text":"é"}') == [Frame('{"text":"é"}'.encode(), "text")]
    assert decoder.feed(b'{"a":1}') == [Frame(b'{"a":1}', "binary")]
    assert decoder.close() == []


@pytest.mark.parametrize("message", ['{"text":"grüße"}', b"\x00\x01\x02\x03\x04"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_fragments_give_the_frame_of_the_whole_message(message: str | bytes, size: int) -> None:
    decoder, whole = WebSocketDecoder(), WebSocketDecoder().feed(message)
    for _ in range(2):
        for start in range(0, len(message), size):
            is_last = start + size >= len(message)
            assert decoder.feed(message[start : start + size], final=is_last) == (whole if is_last else [])


def test_last_fragment_may_be_empty() -> None:
    decoder = WebSocketDecoder()
    assert decoder.feed("a", final=False) == []
    assert decoder.feed("", final=True) == [Frame(b"a", "text")]
    assert decoder.feed("", final=False) == []
    assert decoder.feed("b", final=True) == [Frame(b"b", "text")]


def test_empty_message_gives_no_frame() -> None:
    assert WebSocketDecoder().feed("") == []
    assert WebSocketDecoder().feed(b"") == []


def test_message_over_the_limit_is_refused_whole_or_in_fragments() -> None:
    assert WebSocketDecoder(max_frame_bytes=4).feed("éé") == [Frame("éé".encode(), "text")]
    with pytest.raises(FrameTooLarge, match="4 bytes"):
        WebSocketDecoder(max_frame_bytes=4).feed("éé.")
    decoder = WebSocketDecoder(max_frame_bytes=4)
    assert decoder.feed(b"123", final=False) == []
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"45", final=False)
    assert not decoder._pieces
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"1")
    with pytest.raises(FrameTooLarge):
        decoder.close()


def test_limit_is_for_each_message_and_not_for_all() -> None:
    decoder = WebSocketDecoder(max_frame_bytes=4)
    assert [decoder.feed(b"1234")[0].data for _ in range(3)] == [b"1234"] * 3


def test_fragments_are_joined_once() -> None:
    decoder = WebSocketDecoder()
    for _ in range(1_000):
        decoder.feed(b"x", final=False)
    assert len(decoder._pieces) == 1_000
    assert decoder.feed(b"", final=True) == [Frame(b"x" * 1_000, "binary")]
    assert not decoder._pieces


def test_fragment_of_the_other_kind_is_a_mistake_of_the_caller() -> None:
    decoder = WebSocketDecoder()
    decoder.feed("a", final=False)
    with pytest.raises(TypeError, match="a binary fragment cannot continue a text message"):
        decoder.feed(b"b")
    assert decoder.feed("b") == [Frame(b"ab", "text")]


def test_text_that_is_no_unicode_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        WebSocketDecoder().feed("\ud800")


def test_connection_that_ends_within_a_message_is_interrupted() -> None:
    decoder = WebSocketDecoder()
    decoder.feed("", final=False)
    with pytest.raises(StreamInterrupted):
        decoder.close()
    assert decoder.close() == []
    with pytest.raises(StreamClosed):
        decoder.feed("a")


async def test_messages_of_the_websockets_library_pass_whole_and_in_fragments() -> None:
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import ServerConnection, serve

    async def talk(connection: ServerConnection) -> None:
        await connection.send('{"a":1}')
        await connection.send([b"12", b"3", b"4"])
        await connection.send(["gr", "üße"])

    async with serve(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        frames: list[Frame] = []
        decoder = WebSocketDecoder()
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
            frames += decoder.feed(await connection.recv())
            async for fragment in connection.recv_streaming():
                frames += decoder.feed(fragment, final=False)
            frames += decoder.feed(b"")
            frames += decoder.feed(await connection.recv())
    assert frames == [Frame(b'{"a":1}', "text"), Frame(b"1234", "binary"), Frame("grüße".encode(), "text")]
