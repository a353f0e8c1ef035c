"""Error events, broken frames, and streams that do not end as they should."""

from __future__ import annotations

import pytest

from exllm.errors import (
    ExLLMError,
    InvalidRequest,
    Overloaded,
    ProtocolError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    TextDelta,
)
from tests.providers.anthropic_streams import Event, decode, decoder, end, frame, response, start, text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, Overloaded),
        ({"type": "api_error", "message": "Internal server error"}, ServerError),
        ({"type": "rate_limit_error", "message": "slow down"}, RateLimited),
        ({"type": "invalid_request_error", "message": "bad"}, InvalidRequest),
        ({"type": "error_of_tomorrow", "message": "?"}, ServerError),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_an_error_event_raises_after_what_had_arrived(error: Event, kind: type[ExLLMError]) -> None:
    own = decoder()
    events = [start(), *text(0, "half")[:2], {"type": "error", "error": error, "request_id": "req_1"}]
    with pytest.raises(kind) as caught:
        own.feed([frame(event) for event in events])
    assert type(caught.value) is kind
    assert caught.value.retryable is kind.retryable
    assert (caught.value.code, caught.value.provider, caught.value.request_id) == (error["type"], "anthropic", "req_1")
    assert TextDelta("half") in own.take()
    assert own.take() == []
    assert not own.finished


def test_an_error_in_the_shape_of_another_api_raises_too() -> None:
    with pytest.raises(RateLimited, match="slow"):
        decode([start(), {"error": {"message": "slow down", "code": 429}}])
    with pytest.raises(ServerError, match="broke"):
        decoder().feed([Frame(b'{"message": "it broke"}', "error")])


def test_a_repeated_start_is_no_second_answer_but_another_id_is() -> None:
    assert response([start(), start(), *text(0, "x"), *end()]).text == "x"
    assert response([start(id=None), start(id=None), *text(0, "x"), *end()]).text == "x"
    with pytest.raises(StreamInterrupted, match="began another"):
        decode([start(), *text(0, "x"), start(id="msg_2")])


def test_only_message_stop_ends_an_answer() -> None:
    own = decoder()
    own.feed([frame(event) for event in [start(), *text(0, "x"), *end()[:1]]])
    assert not own.finished
    with pytest.raises(StreamInterrupted) as caught:
        own.close()
    assert caught.value.retryable
    own.feed([frame({"type": "message_stop"})])
    assert own.finished
    assert own.close() == []


def test_openais_end_marker_is_overlooked() -> None:
    assert response([start(), *text(0, "x"), b"[DONE]", *end()]).text == "x"


NONSENSE: list[bytes] = [
    b"", b"not json", b"[]", b"5", b'"text"', b"\xff", b'{"type":"ping"', b"[" * 100_000 + b"]" * 100_000,
    b'{"type":"content_block_delta"}',
    b'{"type":"content_block_delta","index":"0","delta":{"type":"text_delta","text":"x"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"url":5}}}',
    b'{"type":"content_block_delta","index":7,"delta":{"type":"input_json_delta","partial_json":"{}"}}',
    b'{"type":"content_block_start","index":0}',
    b'{"type":"content_block_start","index":0,"content_block":[]}',
    b'{"type":"content_block_start","index":0,"content_block":{"text":"x"}}',
    b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":5}}',
    b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":"x"}}',
    b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":1,"name":"f"}}',
    b'{"type":"content_block_start","index":0,"content_block":{"type":"fallback","to":"x"}}',
    b'{"type":"content_block_start","index":0,"content_block":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"type":"message_start"}', b'{"type":"message_start","message":{"id":5}}',
    b'{"type":"message_delta","delta":[]}', b'{"type":"message_delta","usage":5}',
]  # fmt: skip


@pytest.mark.parametrize("data", NONSENSE, ids=lambda data: data[:60].decode(errors="replace"))
def test_nonsense_is_a_protocol_error_after_what_had_arrived(data: bytes) -> None:
    own = decoder()
    with pytest.raises(ProtocolError) as caught:
        own.feed([*(frame(event) for event in [start(), *text(0, "half")]), frame(data)])
    assert type(caught.value) is ProtocolError
    assert caught.value.provider == "anthropic"
    assert TextDelta("half") in own.take()


def test_a_stop_reason_of_the_wrong_type_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        decode([start(), *end(["x"])])  # type: ignore[arg-type]
