"""Ollama's `/api/generate`: what becomes the prompt, and what is made of the lines of an answer."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import ollama._types as sdk
import pytest

from exllm import Options
from exllm.errors import InvalidRequest, NotFound, ProtocolError, ServerError, StreamInterrupted, UnsupportedOption
from exllm.providers import ProviderSpec, registry
from exllm.providers.ollama_generate import FIELDS, WIRE
from exllm.providers.wire import HttpRequest
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, ImageDelta, ProviderEvent, ReasoningDelta, TextDelta, TokenLogprob
from exllm.types.message import Message
from exllm.types.parts import Document, Image, Text
from exllm.types.request import Request
from exllm.types.response import Response
from tests.faults.dialects import GENERATE
from tests.faults.expect import served

_SPEC = registry.get("ollama-generate")
assert isinstance(_SPEC, ProviderSpec)
SPEC: ProviderSpec = _SPEC
HI = Message("user", "Hi")
PNG = b"\x89PNG\r\n\x1a\n"


def build(*messages: Message, stream: bool = False, extra: Any = None, **options: Any) -> HttpRequest:
    return WIRE.build(
        Request("ollama-generate", "m", messages or (HI,), Options(**options), extra or {}, stream=stream), SPEC
    )


def body(*messages: Message, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(build(*messages, **how).body)
    return found


# -- requests


def test_one_message_is_the_prompt_and_a_system_message_the_system() -> None:
    assert body() == {"model": "m", "prompt": "Hi", "stream": False}
    assert body(Message("system", "Be kind."), HI)["system"] == "Be kind."
    assert body(Message("developer", "Be kind."), HI)["system"] == "Be kind."


def test_images_are_data_beside_the_prompt_and_documents_are_text() -> None:
    parts = (Text("What?"), Image(data=PNG, media_type="image/png"), Document(data=b"words", media_type="text/plain"))
    sent = body(Message("user", parts))
    assert sent["prompt"] == "What?words\n\n"
    assert sent["images"] == [base64.b64encode(PNG).decode()]


@pytest.mark.parametrize(
    "messages",
    [
        (HI, Message("assistant", "a"), HI),
        (HI, Message("assistant", "a")),
        (Message("system", "a"), Message("system", "b"), HI),
        (Message("system", "a"),),
    ],
)
def test_a_conversation_is_refused_with_words_that_say_what_to_do(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"takes one user message.*'ollama' takes conversations"):
        build(*messages)


def test_a_raw_prompt_has_no_system() -> None:
    assert body(extra={"raw": True, "suffix": "}"}) == {
        "model": "m", "prompt": "Hi", "stream": False, "raw": True, "suffix": "}"
    }  # fmt: skip
    with pytest.raises(InvalidRequest, match="raw"):
        build(Message("system", "a"), HI, extra={"raw": True})


def test_how_to_answer_is_said_as_in_a_chat() -> None:
    sent = body(
        temperature=0.5, max_tokens=5, stop=("x",), thinking=True, response_format="json", top_logprobs=2,
        extra={"num_ctx": 4096, "keep_alive": "5m", "template": "{{ .Prompt }}", "context": [1, 2]},
    )  # fmt: skip
    assert sent["options"] == {"temperature": 0.5, "num_predict": 5, "stop": ["x"], "num_ctx": 4096}
    assert (sent["think"], sent["format"], sent["logprobs"], sent["top_logprobs"]) == (True, "json", True, 2)
    assert (sent["keep_alive"], sent["template"], sent["context"]) == ("5m", "{{ .Prompt }}", [1, 2])
    sdk.GenerateRequest.model_validate(sent)
    assert sent.keys() <= sdk.GenerateRequest.model_fields.keys()
    assert {*sdk.GenerateRequest.model_fields} <= FIELDS


@pytest.mark.parametrize("extra", [{"raw": "yes"}, {"context": "x"}, {"width": 0}, {"suffix": 1}, {"keep_alive": []}])
def test_parameters_are_checked_before_they_are_sent(extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(extra))):
        build(extra=extra)


async def test_tools_are_refused_before_anything_is_sent() -> None:
    def look() -> str:
        """Look."""
        return ""

    async with served(GENERATE, GENERATE.reply()) as (server, client):
        with pytest.raises(UnsupportedOption, match="tools"):
            await client.chat(GENERATE.name, "Hi", tools=[look])
        assert server.requests == []


# -- answers

HEAD = {"model": "m", "created_at": "2025-11-19T20:00:00Z"}
END = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 5, "total_duration": 7}


def line(**fields: Any) -> bytes:
    return msgspec.json.encode({**HEAD, "response": "", "done": False, **fields})


def decode(*lines: bytes) -> list[Chunk]:
    decoder = WIRE.decoder(Request("p", "m", (HI,), stream=True), SPEC)
    return [*decoder.feed([Frame(data) for data in lines]), *decoder.close()]


def whole(**fields: Any) -> Response:
    accumulator = Accumulator("p", "m")
    accumulator.add(WIRE.decode_body(line(**{**END, **fields}), Request("p", "m", (HI,)), SPEC))
    return accumulator.response()


def folded(chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    return accumulator.response()


def test_thoughts_come_before_the_text_streamed_and_whole() -> None:
    streamed = folded(decode(line(thinking="Hm"), line(thinking="m."), line(response="Yes"), line(**END)))
    answered = whole(thinking="Hmm.", response="Yes")
    for response in (streamed, answered):
        assert (response.reasoning, response.text, response.finish_reason) == ("Hmm.", "Yes", "stop")
    assert streamed.usage == answered.usage


def test_thoughts_without_a_response_field_are_read() -> None:
    data = msgspec.json.encode({**HEAD, "thinking": "Hm", "done": False})
    assert ReasoningDelta("Hm") in decode(data, line(**END))


def test_pictures_in_the_making_tell_how_far_they_are() -> None:
    steps = [msgspec.json.encode({**HEAD, "completed": step, "total": 2, "done": False}) for step in (1, 2)]
    image = base64.b64encode(PNG).decode()
    chunks = decode(*steps, line(**END, image=image))
    told = [chunk.data for chunk in chunks if isinstance(chunk, ProviderEvent) and chunk.event == "progress"]
    assert told == [{"completed": 1, "total": 2}, {"completed": 2, "total": 2}]
    assert ImageDelta(PNG) in chunks
    assert not [chunk for chunk in chunks if isinstance(chunk, ProviderEvent) and chunk.event == "unknown"]


def test_the_context_is_not_among_the_times() -> None:
    chunks = decode(line(response="a"), line(**END, context=[1, 2]))
    assert [(chunk.event, chunk.data) for chunk in chunks if isinstance(chunk, ProviderEvent)] == [
        ("context", [1, 2]), ("metrics", {"total_duration": 7})
    ]  # fmt: skip


def test_log_probabilities_stand_with_their_text() -> None:
    logprobs = [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1.0}]}]
    expected = (TokenLogprob("a", -0.5, None, (TokenLogprob("b", -1.0),)),)
    assert TextDelta("a", logprobs=expected) in decode(line(response="a", logprobs=logprobs), line(**END))
    assert whole(response="a", logprobs=logprobs).logprobs == expected


def test_an_answer_that_only_loads_the_model_is_empty() -> None:
    response = whole(done_reason="load")
    assert (response.text, response.finish_reason) == ("", "stop")


def test_an_error_in_the_stream_is_raised_and_what_came_before_is_kept() -> None:
    decoder = WIRE.decoder(Request("p", "m", (HI,), stream=True), SPEC)
    with pytest.raises(ServerError, match="broke"):
        decoder.feed([Frame(line(response="a")), Frame(b'{"error": "the runner broke"}')])
    assert folded(decoder.take()).text == "a"


def test_a_stream_without_its_last_line_is_interrupted() -> None:
    with pytest.raises(StreamInterrupted):
        decode(line(response="a"))


def test_an_unknown_model_is_not_found() -> None:
    error = WIRE.parse_error(404, {}, b'{"error":"model \'x\' not found"}', SPEC)
    assert type(error) is NotFound


@pytest.mark.parametrize(
    "field", ["response", "thinking", "image", "context", "completed", "total", "tool_calls", "logprobs", "eval_count"]
)
@pytest.mark.parametrize("value", [[], {}, 7, "x", True, [None], {"a": [1]}])
def test_fields_of_the_wrong_type_never_crash(field: str, value: Any) -> None:
    try:
        chunks = decode(line(response="a"), line(**{"response": "b", field: value}), line(**END))
    except ProtocolError:
        return
    assert folded(chunks).text.startswith("a")
