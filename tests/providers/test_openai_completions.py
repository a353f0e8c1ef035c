"""Text completion: what becomes the prompt, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from openai.types.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

import exllm
from exllm import Options
from exllm.errors import InvalidRequest, ProtocolError, ServerError, StreamInterrupted, UnsupportedOption
from exllm.providers import ProviderSpec, registry
from exllm.providers.openai_completions import WIRE
from exllm.providers.wire import HttpRequest, supported_options
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, Finish, StreamStart, TextDelta, TokenLogprob
from exllm.types.message import Message
from exllm.types.parts import CacheControl, Image, Text, ToolCall
from exllm.types.request import Request
from exllm.types.response import Response
from tests.faults.dialects import COMPLETIONS
from tests.faults.expect import served
from tests.rechunk import rechunk

HI = (Message("user", "Once upon"),)


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


def build(
    *messages: Message, provider: str = "openai-completions", stream: bool = False, extra: Any = None, **options: Any
) -> HttpRequest:
    request = Request(provider, "m", messages or HI, Options(**options), extra or {}, stream=stream)
    return WIRE.build(request, spec_of(provider))


def body(*messages: Message, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(build(*messages, **how).body)
    return found


# -- the prompt


def test_one_message_is_the_prompt_as_it_stands() -> None:
    assert body() == {"model": "m", "prompt": "Once upon"}
    assert body(Message("user", (Text(" a\n"), Text("b "))))["prompt"] == " a\nb "


def test_the_beginning_of_the_answer_follows_without_anything_between() -> None:
    assert body(*HI, Message("assistant", " a ti"))["prompt"] == "Once upon a ti"


@pytest.mark.parametrize(
    "messages",
    [
        (Message("system", "Be kind."), *HI),
        (*HI, Message("assistant", "a"), Message("user", "b")),
        (Message("assistant", "a"),),
        (*HI, *HI),
    ],
)
def test_a_conversation_is_refused_with_words_that_say_what_to_do(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"takes one user message.*'openai' takes conversations") as caught:
        build(*messages)
    assert caught.value.provider == "openai-completions"


@pytest.mark.parametrize("part", [Image(url="https://example.org/a.png"), ToolCall("1", "f", "{}")])
def test_anything_but_text_is_refused(part: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"takes text, got a {type(part).__name__}"):
        build(Message("user", (Text("x"), part)))


def test_names_and_breakpoints_are_told() -> None:
    http = build(Message("user", (Text("x", cache_control=CacheControl()),), name="Ada"))
    assert [warning.split(" takes ")[1] for warning in http.warnings] == [
        "no names of messages; they were not sent",
        "no cache_control; the breakpoints were not sent",
    ]


def test_several_prompts_and_tokens_go_in_extra() -> None:
    assert body(extra={"prompt": ["a", "b"]})["prompt"] == ["a", "b"]
    assert body(extra={"prompt": [1, 2]})["prompt"] == [1, 2]


# -- options


def test_options_have_their_names_and_the_sdk_knows_them() -> None:
    sent = body(
        temperature=0.5, max_tokens=7, top_p=0.9, stop=("a", "b"), frequency_penalty=0.1, presence_penalty=0.2,
        logit_bias={"50256": -100}, n=2, user="u", seed=3, top_logprobs=4,
        extra={"suffix": "end", "echo": True, "best_of": 3},
    )  # fmt: skip
    assert sent["logprobs"] == 4
    assert (sent["suffix"], sent["echo"], sent["best_of"], sent["n"], sent["stop"]) == ("end", True, 3, 2, ["a", "b"])
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(sent)
    assert sent.keys() <= CompletionCreateParamsNonStreaming.__annotations__.keys() | _base_fields()


def _base_fields() -> set[str]:
    from openai.types.completion_create_params import CompletionCreateParamsBase

    return {*CompletionCreateParamsBase.__annotations__}


def test_the_chosen_token_alone_is_asked_for_by_one() -> None:
    assert body(logprobs=True)["logprobs"] == 1
    assert "logprobs" not in body(logprobs=False)


def test_a_stream_asks_for_its_usage() -> None:
    assert body(stream=True)["stream_options"] == {"include_usage": True}
    assert body(stream=True, extra={"stream_options": None})["stream_options"] is None


@pytest.mark.parametrize(
    ("extra", "words"),
    [({"best_of": 30}, "best_of"), ({"echo": "yes"}, "echo"), ({"logprobs": 9}, "logprobs"), ({"suffix": 1}, "suffix")],
)
def test_parameters_are_checked_before_they_are_sent(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        build(extra=extra)


async def test_tools_are_refused_before_anything_is_sent() -> None:
    def look() -> str:
        """Look."""
        return ""

    async with served(COMPLETIONS, COMPLETIONS.reply()) as (server, client):
        for option in ({"tools": [look]}, {"response_format": "json"}, {"reasoning_effort": "low"}):
            with pytest.raises(UnsupportedOption):
                await client.chat(COMPLETIONS.name, "Hi", **option)
        assert server.requests == []


def test_the_services_differ_in_data_alone() -> None:
    assert body(provider="mistral-fim", seed=3, stream=True, extra={"suffix": "}", "min_tokens": 1}) == {
        "model": "m", "prompt": "Once upon", "random_seed": 3, "stream": True, "suffix": "}", "min_tokens": 1
    }  # fmt: skip
    assert build(provider="mistral-fim").path == "/fim/completions"
    assert spec_of("deepseek-completions").base_url + build(provider="deepseek-completions").path == (
        "https://api.deepseek.com/beta/completions"
    )
    assert {"top_k", "min_p"} <= supported_options(WIRE, spec_of("vllm-completions"))
    assert not {"top_k", "min_p"} & supported_options(WIRE, spec_of("openai-completions"))
    with pytest.raises(InvalidRequest, match="prompt"):
        build(provider="mistral-fim", extra={"prompt": ["a", "b"]})


# -- answers


def frame(choice: dict[str, Any] | None = None, **fields: Any) -> bytes:
    choices = [] if choice is None else [{"index": 0, "logprobs": None, "finish_reason": None, **choice}]
    envelope = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m-1"}
    return msgspec.json.encode({**envelope, "choices": choices, **fields})


def decode(frames: Iterable[bytes], **options: Any) -> list[Chunk]:
    extra = options.pop("extra", {})
    decoder = WIRE.decoder(Request("p", "m", HI, Options(**options), extra, stream=True), spec_of("openai-completions"))
    return [*decoder.feed([Frame(data) for data in frames]), *decoder.close()]


def whole(document: Any) -> Response:
    accumulator = Accumulator("p", "m")
    data = document if isinstance(document, bytes) else msgspec.json.encode(document)
    accumulator.add(WIRE.decode_body(data, Request("p", "m", HI), spec_of("openai-completions")))
    return accumulator.response()


def folded(chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    return accumulator.response()


def test_texts_of_several_choices_are_told_apart() -> None:
    pieces = [("a", 0), ("x", 1), ("b", 0), ("y", 1), ("", 0), ("", 1)]
    frames = [frame({"text": text, "index": index}) for text, index in pieces[:4]]
    frames += [frame({"text": text, "index": index, "finish_reason": "stop"}) for text, index in pieces[4:]]
    response = folded(decode([*frames, b"[DONE]"], n=2))
    assert [choice.message.text for choice in response.choices] == ["ab", "xy"]
    with pytest.raises(StreamInterrupted):
        decode([frames[0], frames[4]], n=2)
    with pytest.raises(StreamInterrupted):
        decode([frames[0], frames[4]], extra={"prompt": ["a", "b"]})


def test_a_frame_of_text_that_says_more_is_read_whole() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    chunks = decode([frame({"text": "a"}), frame({"text": "b", "finish_reason": "length"}, usage=usage)])
    assert chunks[:3] == [StreamStart("cmpl-1", "m-1", 1), TextDelta("a"), TextDelta("b")]
    assert chunks[3] == Finish("length", 0, "length")
    assert folded(chunks).usage.total_tokens == 4


FLAT = {
    "tokens": ["Hi", "!"],
    "token_logprobs": [None, -0.5],
    "top_logprobs": [None, {"!": -0.5, ".": -1.5}],
    "text_offset": [0, 2],
}
TOKENS = (
    TokenLogprob("Hi", -9999.0),
    TokenLogprob("!", -0.5, None, (TokenLogprob("!", -0.5), TokenLogprob(".", -1.5))),
)


def test_flat_log_probabilities_are_those_of_their_tokens_streamed_and_whole() -> None:
    streamed = folded(decode([frame({"text": "Hi!", "logprobs": FLAT}), frame({"text": "", "finish_reason": "stop"})]))
    answered = whole(msgspec.json.decode(frame({"text": "Hi!", "logprobs": FLAT, "finish_reason": "stop"})))
    assert streamed.logprobs == answered.logprobs == TOKENS


@pytest.mark.parametrize(
    "odd",
    [
        {"tokens": ["Hi", "!"], "token_logprobs": [-0.1]},
        {"tokens": ["Hi", "!"], "token_logprobs": None, "top_logprobs": None},
        {"tokens": None, "token_logprobs": None},
    ],
)
def test_log_probabilities_that_lack_some_are_read_as_far_as_they_go(odd: dict[str, Any]) -> None:
    answered = whole(msgspec.json.decode(frame({"text": "Hi!", "logprobs": odd, "finish_reason": "stop"})))
    assert [token.token for token in answered.logprobs or ()] == (odd["tokens"] or [])
    assert answered.text == "Hi!"


def test_mistrals_form_is_read_too() -> None:
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "return 1"}}
    response = whole({"id": "f", "object": "chat.completion", "model": "codestral", "created": 1, "choices": [choice]})
    assert (response.text, response.finish_reason, response.model) == ("return 1", "length", "codestral")
    frames = [frame({"delta": {"content": text}}) for text in ("return", " 1")]
    end = frame({"delta": {"content": ""}, "finish_reason": "stop"})
    assert folded(decode([*frames, end, b"[DONE]"])).text == "return 1"


def test_errors_in_streams_and_bodies_are_raised() -> None:
    failure = msgspec.json.encode({"error": {"message": "broke", "type": "server_error"}})
    with pytest.raises(ServerError, match="broke"):
        decode([frame({"text": "a"}), failure])
    with pytest.raises(ServerError, match="broke"):
        whole(failure)


@pytest.mark.parametrize("odd", [b"{", b"[]", b"null", b'{"choices": []}', b'{"choices": {"text": "x"}}', b"\xff"])
def test_what_is_no_answer_is_a_protocol_error(odd: bytes) -> None:
    with pytest.raises(ProtocolError):
        whole(odd)


@pytest.mark.parametrize("field", ["text", "index", "finish_reason", "logprobs"])
@pytest.mark.parametrize("value", [[], {}, 7, "x", True, None, [None], {"a": [1]}])
def test_fields_of_the_wrong_type_never_crash(field: str, value: Any) -> None:
    try:
        chunks = decode([frame({"text": "a"}), frame({"text": "b", field: value}), b"[DONE]"])
    except ProtocolError:
        return
    assert folded(chunks).text.startswith("a")


def test_any_slicing_of_a_stream_gives_the_same() -> None:
    data = b"".join(COMPLETIONS.frames(["é", "\u2028", '"\\', "{}"]))
    from exllm.streaming.sse import SSEDecoder

    def read(slices: Iterable[bytes]) -> list[Chunk]:
        framing, request = SSEDecoder(), Request("p", "m", HI, stream=True)
        decoder = WIRE.decoder(request, spec_of("openai-completions"))
        chunks = [chunk for part in slices for chunk in decoder.feed(framing.feed(part))]
        return [*chunks, *decoder.feed(framing.close(flush=True)), *decoder.close()]

    assert folded(read([data])).text == 'é\u2028"\\{}'
    assert all(read(rechunk(data, seed)) == read([data]) for seed in range(5))


async def test_a_call_says_what_it_cost() -> None:
    async with served(COMPLETIONS, COMPLETIONS.reply()) as (_, client):
        reply = await client.chat(COMPLETIONS.name, "Hi")
    assert isinstance(reply, exllm.Response)
    assert reply.cost.total is not None
    assert reply.cost.total > 0
