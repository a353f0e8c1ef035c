"""A kept response is asked for again, and its stream goes on where it broke off."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers import registry
from exllm.providers.openai_responses import WIRE
from exllm.providers.openai_responses_decode import ResponsesDecoder
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.request import Request
from tests.providers import openai_responses_recordings as recordings
from tests.providers.openai_responses_streams import call, end, flat, frame, start, text

MESSAGES = (Message("user", "Hi."),)


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


def request(model: str = "gpt-5", *, stream: bool = True, **fields: Any) -> Request:
    return Request("openai-responses", model, MESSAGES, stream=stream, **fields)


async def of_the_sdk(response_id: str, **arguments: Any) -> httpx2.URL:
    """What OpenAI's own SDK asks."""
    asked: list[httpx2.URL] = []

    def answer(http: httpx2.Request) -> httpx2.Response:
        asked.append(http.url)
        return httpx2.Response(200, json={})

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with openai.AsyncOpenAI(api_key="k", http_client=transport) as client:
        await client.responses.retrieve(response_id, **arguments)
    return asked[0]


@pytest.mark.parametrize("after", [None, 0, 41])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["gpt-5", "gpt-4.1-mini"])
def test_it_asks_what_the_sdk_asks(model: str, stream: bool, after: int | None) -> None:
    http = WIRE.retrieval("resp_1", request(model, stream=stream), spec_of("openai-responses"), after)
    arguments: dict[str, Any] = {"include": ["reasoning.encrypted_content"]} if model == "gpt-5" else {}
    if stream:
        arguments["stream"] = True
        if after is not None:
            arguments["starting_after"] = after
    asked = asyncio.run(of_the_sdk("resp_1", **arguments))
    mine = urlsplit("https://api.openai.com/v1" + http.path)
    assert (http.method, http.body) == ("GET", b"")
    assert mine.path == asked.path
    assert sorted(parse_qsl(mine.query)) == sorted(parse_qsl(asked.query.decode()))


def test_what_was_included_is_included_again() -> None:
    asked = request(extra={"include": ["file_search_call.results"]}, stream=False)
    assert WIRE.retrieval("r", asked, spec_of("openai-responses")).path.endswith(
        "?include%5B%5D=file_search_call.results"
    )
    probabilities = request("gpt-4.1", options=Options(logprobs=True), stream=False)
    assert "output_text.logprobs" in WIRE.retrieval("r", probabilities, spec_of("openai-responses")).path


@pytest.mark.parametrize(
    ("provider", "path"),
    [("azure-responses", "/openai/v1/responses/resp%2F1"), ("bedrock-responses", "/responses/resp%2F1")],
)
def test_it_is_below_the_path_of_the_provider(provider: str, path: str) -> None:
    http = WIRE.retrieval("resp/1", request("gpt-4.1", stream=False), spec_of(provider))
    assert http.path == path


def test_without_an_id_there_is_nothing_to_ask() -> None:
    with pytest.raises(InvalidRequest):
        WIRE.retrieval("", request(), spec_of("openai-responses"))


def numbered(events: list[dict[str, Any]]) -> list[Frame]:
    return [frame({**event, "sequence_number": number}) for number, event in enumerate(events)]


EVENTS = numbered([start(), *flat(text(0, "Hel", "lo"), call(1, "c_1", "f", '{"a"', ":1}"), text(2, " you")), end()])


def test_the_decoder_knows_where_it_is() -> None:
    decoder = ResponsesDecoder(request(), "p")
    assert (decoder.response_id, decoder.sequence_number) == (None, None)
    for number, each in enumerate(EVENTS):
        decoder.feed([each])
        assert (decoder.response_id, decoder.sequence_number) == ("resp_1", number)
    decoder.feed([])
    assert decoder.sequence_number == len(EVENTS) - 1


@given(st.integers(1, len(EVENTS)), st.data())
def test_the_same_decoder_goes_on_with_the_rest(cut: int, data: st.DataObject) -> None:
    """The connection breaks after any event; the rest comes over another one."""
    whole = ResponsesDecoder(request(), "p").feed(EVENTS)
    decoder, chunks, fed = ResponsesDecoder(request(), "p"), list[Chunk](), 0
    while fed < cut:
        size = data.draw(st.integers(1, cut - fed))
        chunks += decoder.feed(EVENTS[fed : fed + size])
        fed += size
    after = decoder.sequence_number
    assert after is not None
    assert chunks + decoder.feed(EVENTS[after + 1 :]) == whole
    assert decoder.finished


def test_an_event_without_a_number_changes_nothing() -> None:
    decoder = ResponsesDecoder(request(), "p")
    decoder.feed([*EVENTS[:3], frame({"type": "keepalive"}), Frame(b"  ")])
    assert decoder.sequence_number == 2
    decoder.feed([frame({"type": "keepalive", "sequence_number": "odd"})])
    assert decoder.sequence_number is None


@pytest.mark.parametrize("bad", [Frame(b"{"), frame({"type": "error", "message": "no", "sequence_number": 4})])
def test_an_event_that_fails_is_not_one_that_was_given(bad: Frame) -> None:
    decoder = ResponsesDecoder(request(), "p")
    decoder.feed(EVENTS[:1])
    with pytest.raises(ExLLMError):
        decoder.feed([*EVENTS[1:4], bad, *EVENTS[4:]])
    assert decoder.sequence_number == 3
    with pytest.raises(ExLLMError):
        decoder.feed([bad])
    assert decoder.sequence_number == 3


@pytest.mark.parametrize("name", recordings.STREAMS)
def test_of_a_recorded_stream_it_is_the_last_event(name: str) -> None:
    recording = recordings.load(name)
    frames = SSEDecoder().feed(recording.body)
    numbers = []
    for each in frames:
        try:
            event = msgspec.json.decode(each.data)
        except msgspec.DecodeError:
            continue
        if "sequence_number" in event:
            numbers.append((event["sequence_number"], event["type"]))
    decoder = ResponsesDecoder(request(), "p")
    try:
        decoder.feed(frames)
    except ExLLMError:
        return
    assert decoder.sequence_number == (numbers[-1][0] if numbers else None)
