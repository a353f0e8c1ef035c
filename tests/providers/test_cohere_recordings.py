"""Every recorded exchange is decoded to what was really said; Cohere's SDK reads the same bytes beside us."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cohere.core.api_error import ApiError

from exllm import errors
from exllm.cost import cost_of
from exllm.errors import StreamInterrupted
from exllm.providers.cohere_chat import WIRE
from exllm.types.chunks import CitationDelta, StreamStart, TextDelta
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.parts import Document, Image, Part, Reasoning, Text, ToolCall, ToolResult
from exllm.types.request import Request
from exllm.types.tool_dicts import tools_of
from tests.providers.cohere_recordings import (
    ALL,
    BODIES,
    DIRECTORY,
    ERRORS,
    EXPECTED,
    SPEC,
    STREAMS,
    Recording,
    decode_body,
    decode_stream,
    fold,
    load,
    request_for,
    sdk_message,
    summary,
)
from tests.rechunk import bytewise, rechunk

ANSWERS = [*STREAMS, *BODIES]
CITED_STREAM = "cohere__cohere-v2-chat__chat-citations-with-cohere-command-a-plus-05-2026-streams-ci__0"
SEEN = "cohere__cohere-v2-chat__chat-vision-models-cohere-command-a-plus-05-2026-can-underst__1"


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert {*STREAMS, *BODIES, *ERRORS} == set(ALL) == EXPECTED.keys()
    assert (len(STREAMS), len(BODIES), len(ERRORS)) == (12, 6, 1)
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in ALL)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    body = load(name).body
    whole, error = decode_stream([body])
    assert error is None
    assert summary(fold(whole)) == EXPECTED[name]
    for slices in (list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(4))):
        chunks, other = decode_stream(slices)
        assert chunks == whole
        assert other is None


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_is_read(name: str) -> None:
    assert summary(fold(decode_body(load(name).body))) == EXPECTED[name]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_response_becomes_the_right_exception(name: str) -> None:
    recording = load(name)
    error = WIRE.parse_error(recording.status, recording.headers, recording.body, SPEC)
    assert type(error) is getattr(errors, EXPECTED[name]["error"])
    assert (error.message, error.status, error.provider) == (EXPECTED[name]["message"], recording.status, "cohere")
    assert not error.retryable
    with pytest.raises(ApiError) as caught:
        sdk_message(recording)
    assert caught.value.status_code == recording.status


@pytest.mark.parametrize("name", ANSWERS)
def test_the_sdk_reads_the_same_from_the_same_bytes(name: str) -> None:
    recording = load(name)
    answer = sdk_message(recording)
    message = answer["message"]
    blocks = message.get("content", [])
    response = fold(decoded(recording))
    assert response.text == "".join(block["text"] for block in blocks if block["type"] == "text")
    thoughts = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    assert response.reasoning == message.get("tool_plan", "") + thoughts
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])
    ]
    assert [citation.source for citation in response.citations] == message.get("citations", [])
    assert response.choices[0].raw_finish_reason == answer["finish_reason"]
    assert response.id == answer["id"]
    assert_same_usage(response.usage, answer["usage"])


@pytest.mark.parametrize("name", ANSWERS)
def test_the_cost_is_that_of_the_billed_tokens(name: str) -> None:
    """Of the tokens that the model reads, most may be Cohere's own: these are on no bill."""
    recording = load(name)
    billed = sdk_message(recording)["usage"]["billed_units"]
    usage = fold(decoded(recording)).usage
    assert (usage.billed_input_tokens, usage.billed_output_tokens) == (billed["input_tokens"], billed["output_tokens"])
    cost = cost_of(usage, provider="cohere", model="command-a-03-2025").total
    assert cost == pytest.approx((2.5 * billed["input_tokens"] + 10 * billed["output_tokens"]) / 1e6)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_goes_back_as_it_came(name: str) -> None:
    recording = load(name)
    message = sdk_message(recording)["message"]
    message.pop("role", None)
    for call in message.get("tool_calls", []):
        call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    response = fold(decoded(recording))
    request = request_for()
    request = Request("cohere", request.model, (*request.messages, response.message, *request.messages))
    http = WIRE.build(request, SPEC)
    assert http.warnings == ()
    back = msgspec.json.decode(http.body)["messages"][1]
    assert back.pop("role") == "assistant"
    if isinstance(back.get("content"), str):
        back["content"] = [{"type": "text", "text": back["content"]}]
    assert back == message


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    body = load(name).body
    whole = fold(decode_stream([body])[0])
    last = body.rindex(b"data: {")
    last += body[last:].index(b"\n")  # from here on the terminal event has come
    for end in {*range(0, last, max(1, last // 23)), last - 1}:
        chunks, error = decode_stream([body[:end]])
        assert type(error) is StreamInterrupted, end
        assert error.retryable
        partial = fold(chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance == "unknown"
        assert whole.text.startswith(partial.text)
        assert whole.reasoning.startswith(partial.reasoning)


def test_citations_come_while_the_text_does_and_name_their_document() -> None:
    chunks = decoded(load(CITED_STREAM))
    assert isinstance(chunks[0], StreamStart)
    kinds = [type(chunk) for chunk in chunks if isinstance(chunk, TextDelta | CitationDelta)]
    first = kinds.index(CitationDelta)
    assert TextDelta in kinds[:first]
    assert TextDelta in kinds[first:]
    response = fold(chunks)
    (text,) = [part for part in response.parts if isinstance(part, Text)]
    for citation in text.citations:
        assert text.text[citation.start : citation.end] == citation.source["text"]  # type: ignore[index]
        assert (citation.document, citation.title) == (0, "facts.txt")
        assert citation.text is not None
        assert citation.text.startswith("The Ruby programming language was created by Yukihiro Matsumoto")


def test_tokens_of_images_are_input() -> None:
    usage = fold(decoded(load(SEEN))).usage
    assert (usage.image_tokens, usage.input_tokens) == (259, 34 + 259)


@pytest.mark.parametrize("name", [name for name in ALL if load(name).asked is not None])
def test_what_was_asked_then_is_what_we_would_ask(name: str) -> None:
    asked = load(name).asked
    assert asked is not None
    arguments: dict[str, Any] = {}
    if "tools" in asked:
        arguments["tools"] = tools_of(asked["tools"])
    for field in ("temperature", "response_format"):
        if field in asked:
            arguments[field] = asked[field]
    if "response_format" in asked:
        arguments["response_format"] = asked["response_format"]["json_schema"]
    if "tool_choice" in asked:
        arguments["tool_choice"] = asked["tool_choice"].lower()
    messages = [message_of(message) for message in asked["messages"]]
    if "documents" in asked:
        messages[-1] = Message(messages[-1].role, (*messages[-1].parts, *map(document_of, asked["documents"])))
    request = Request("cohere", asked["model"], tuple(messages), check_options(arguments), stream=asked["stream"])
    http = WIRE.build(request, SPEC)
    assert http.warnings == ()
    assert plain(msgspec.json.decode(http.body)) == plain(asked)


def assert_same_usage(usage: Any, reported: dict[str, Any]) -> None:
    tokens = reported["tokens"]
    assert usage.input_tokens == tokens["input_tokens"] + tokens.get("image_tokens", 0)
    assert usage.output_tokens == tokens["output_tokens"]
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.cached_input_tokens == reported.get("cached_tokens")
    assert usage.reasoning_tokens == tokens.get("reasoning_tokens")
    assert usage.provenance == "reported"


def message_of(message: dict[str, Any]) -> Message:
    """A recorded message of a request in our words."""
    content = message.get("content", "")
    if message["role"] == "tool":
        kept = content if isinstance(content, str) else tuple(document_of(block["document"]) for block in content)
        return Message("tool", (ToolResult(message["tool_call_id"], kept),))
    parts: list[Part] = [] if isinstance(content, list) else [Text(content)] if content else []
    parts += [
        Image(url=block["image_url"]["url"]) if block["type"] == "image_url" else Text(block["text"])
        for block in (content if isinstance(content, list) else ())
    ]
    if "tool_plan" in message:
        parts.append(Reasoning(message["tool_plan"], id="tool_plan"))
    parts += [
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls", ())
    ]
    return Message(message["role"], tuple(parts))


def document_of(document: dict[str, Any]) -> Document:
    data = document["data"]
    return Document(data=data["text"].encode(), media_type="text/plain", title=data["title"])


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Content as blocks, of which empty ones say nothing; ids and addresses of documents that tools returned are left
    out, as `Document` has no place for them."""
    body = msgspec.json.decode(msgspec.json.encode(body))
    for message in body["messages"]:
        content = message.pop("content", "")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "document":
                block["document"] = {"data": {name: block["document"]["data"][name] for name in ("title", "text")}}
        message["content"] = [block for block in blocks if block.get("text") != ""]
    return body


def decoded(recording: Recording) -> list[Any]:
    return decode_stream([recording.body])[0] if recording.streaming else decode_body(recording.body)
