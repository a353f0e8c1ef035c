"""LM Studio's own `/api/v1/chat`: the events and results of its documentation, and what is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

import exllm
from exllm.errors import ExLLMError
from exllm.providers import ProviderSpec, registry
from exllm.providers.lmstudio_chat import WIRE
from exllm.providers.model_rows import read_page
from exllm.streaming.fold import fold
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk, ProviderEvent
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.parts import Image, Text
from exllm.types.request import Request
from tests.faults.dialects.dialect import event
from tests.faults.dialects.lmstudio_chat import LMSTUDIO, MODEL, result
from tests.rechunk import slicings

SPEC = registry.get("lmstudio-native")
assert isinstance(SPEC, ProviderSpec)
HUGGING_FACE = {"type": "ephemeral_mcp", "server_label": "huggingface"}
SUCCESS = {
    "tool": "model_search", "arguments": {"sort": "trendingScore", "limit": 1}, "output": '[{"type":"text"}]',
    "provider_info": HUGGING_FACE,
}  # fmt: skip
OUTPUT = [
    {"type": "reasoning", "content": "Need to call function."},
    {"type": "message", "content": "Let me see."},
    {"type": "tool_call", **SUCCESS},
    {"type": "message", "content": "The current one is..."},
]
EVENTS = [
    {"type": "chat.start", "model_instance_id": MODEL},
    {"type": "model_load.start", "model_instance_id": MODEL},
    {"type": "model_load.progress", "model_instance_id": MODEL, "progress": 0.65},
    {"type": "model_load.end", "model_instance_id": MODEL, "load_time_seconds": 12.34},
    {"type": "prompt_processing.start"},
    {"type": "prompt_processing.progress", "progress": 0.5},
    {"type": "prompt_processing.end"},
    {"type": "reasoning.start"},
    {"type": "reasoning.delta", "content": "Need to"},
    {"type": "reasoning.delta", "content": " call function."},
    {"type": "reasoning.end"},
    {"type": "message.start"},
    {"type": "message.delta", "content": "Let me see."},
    {"type": "message.end"},
    {"type": "tool_call.start", "tool": "model_search", "provider_info": HUGGING_FACE},
    {"type": "tool_call.arguments", "tool": "model_search", "arguments": {}, "provider_info": HUGGING_FACE},
    {"type": "tool_call.success", **SUCCESS},
    {"type": "tool_call.failure", "reason": "Cannot find tool", "metadata": {"type": "invalid_name"}},
    {"type": "message.start"},
    {"type": "message.delta", "content": "The current"},
    {"type": "message.delta", "content": " one is..."},
    {"type": "message.end"},
    {"type": "something.new", "value": 1},
    {"type": "chat.end", "result": result(OUTPUT)},
]


def _request(*messages: Message, extra: dict[str, Any] | None = None, **options: Any) -> Request:
    checked = check_options(options)
    return Request("lmstudio-native", MODEL, messages or (Message("user", "Hi"),), checked, extra or {}, stream=True)


def _built(request: Request) -> tuple[dict[str, Any], tuple[str, ...]]:
    http = WIRE.build(request, SPEC)
    assert (http.method, http.path) == ("POST", "/chat")
    return json.loads(http.body), http.warnings


def _decode(slices: Any) -> list[Chunk]:
    framing, decoder, chunks = SSEDecoder(), WIRE.decoder(_request(), SPEC), []
    for data in slices:
        chunks += decoder.feed(framing.feed(data))
    chunks += decoder.feed(framing.close())
    return chunks + decoder.close()


# -- answers


def test_every_event_of_the_documentation_is_read_in_any_slicing() -> None:
    for name, slices in slicings(b"".join(map(event, EVENTS))):
        chunks = _decode(slices)
        response = fold(chunks, "lmstudio-native", MODEL)
        assert response.text == "Let me see.The current one is...", name
        assert response.reasoning == "Need to call function."
        assert (response.id, response.model) == ("resp_02b2017d", MODEL)
        assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 5)
        assert response.usage.reasoning_tokens == 0
        assert response.finish_reason == "stop"
        told = [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)]
        assert told == [
            "model_load.start", "model_load.progress", "model_load.end", "prompt_processing.progress",
            "tool_call.start", "tool_call.arguments", "tool_call", "tool_call.failure", "something.new", "stats",
        ]  # fmt: skip


def test_a_whole_answer_gives_what_its_stream_gives() -> None:
    whole = fold(WIRE.decode_body(json.dumps(result(OUTPUT)).encode(), _request(), SPEC), "lmstudio-native", MODEL)
    streamed = fold(_decode([b"".join(map(event, EVENTS))]), "lmstudio-native", MODEL)
    assert whole.message == streamed.message
    assert (whole.usage, whole.id, whole.finish_reason) == (streamed.usage, streamed.id, streamed.finish_reason)


def test_calls_that_the_server_ran_are_told_and_not_asked_for() -> None:
    response = fold(_decode([b"".join(map(event, EVENTS))]), "lmstudio-native", MODEL)
    (call,) = [part for part in response.parts if isinstance(part, exllm.ToolCall)]
    assert call.provider_executed
    assert (call.name, call.parse_arguments()) == ("model_search", {"sort": "trendingScore", "limit": 1})
    results = [chunk.data for chunk in _decode([b"".join(map(event, EVENTS))]) if isinstance(chunk, ProviderEvent)]
    assert SUCCESS in results


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "invalid_request", "message": '"model" is required', "code": "missing_required_parameter"},
         exllm.InvalidRequest),
        ({"type": "model_not_found", "message": "no such model"}, exllm.NotFound),
        ({"type": "internal_error", "message": "broke"}, exllm.ServerError),
        ({"type": "mcp_connection_error", "message": "no MCP"}, exllm.ServerError),
    ],
)  # fmt: skip
def test_an_error_event_is_raised(error: dict[str, str], kind: type[ExLLMError]) -> None:
    frames = [*LMSTUDIO.opening, LMSTUDIO.text("a"), event({"type": "error", "error": error}), *LMSTUDIO.closing]
    with pytest.raises(ExLLMError, match=error["message"]) as caught:
        _decode(frames)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "data",
    [b"[]", b'{"type": 5}', b'{"type": "chat.end"}', b'{"type": "chat.end", "result": []}',
     b'{"type": "tool_call.success"}', b'{"type": "message.delta", "content": 5}'],
)  # fmt: skip
def test_what_makes_no_sense_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(exllm.ProtocolError):
        _decode([b"event: x\ndata: %b\n\n" % data])


# -- requests


def test_one_question_is_a_text() -> None:
    body, said = _built(_request(Message("system", "Be brief."), Message("user", "Hi")))
    assert body == {"model": MODEL, "input": "Hi", "system_prompt": "Be brief.", "stream": True}
    assert said == ()


def test_images_are_parts_beside_the_text() -> None:
    png = Image(data=b"\x89PNG", media_type="image/png")
    body, _ = _built(_request(Message("user", (Text("what is it?"), png))))
    assert body["input"] == [
        {"type": "text", "content": "what is it?"},  # and not `message`: lmstudio-ai/docs#253
        {"type": "image", "data_url": "data:image/png;base64,iVBORw=="},
    ]
    with pytest.raises(exllm.InvalidRequest, match="not from a URL"):
        _built(_request(Message("user", (Text("?"), Image(url="https://example.org/a.png")))))


def test_a_conversation_is_written_into_one_text_or_continued() -> None:
    turns = (Message("system", "S"), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    body, said = _built(_request(*turns))
    assert body["input"] == "User: a\n\nAssistant: b\n\nUser: c\n\nAssistant:"
    assert "previous_response_id" in said[0]
    body, said = _built(_request(*turns, extra={"previous_response_id": "resp_1"}))
    assert (body["input"], body["system_prompt"], body["previous_response_id"]) == ("c", "S", "resp_1")
    assert said == ()


def test_options_have_their_names_there() -> None:
    body, _ = _built(
        _request(temperature=0.5, top_p=0.9, top_k=3, min_p=0.1, max_tokens=100, store=False, reasoning_effort="low")
    )
    assert body.items() >= {
        "temperature": 0.5, "top_p": 0.9, "top_k": 3, "min_p": 0.1, "max_output_tokens": 100, "store": False,
        "reasoning": "low",
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reasoning", "is_told"),
    [
        ({"thinking": False}, "off", False), ({"thinking": True}, "on", False), ({"thinking": 1024}, "on", True),
        ({"reasoning_effort": "none"}, "off", False), ({"reasoning_effort": "xhigh"}, "high", True),
        ({"thinking": True, "reasoning_effort": "high"}, "high", False),
    ],
)  # fmt: skip
def test_reasoning_is_a_switch_or_a_level(options: dict[str, Any], reasoning: str, is_told: bool) -> None:
    body, said = _built(_request(**options))
    assert body["reasoning"] == reasoning
    assert bool(said) is is_told


def test_wrong_fields_are_refused_before_anything_is_sent() -> None:
    for wrong in ({"reasoning": "much"}, {"previous_response_id": "r_1"}, {"integrations": [{"type": "other"}]}):
        with pytest.raises(exllm.InvalidRequest):
            _built(_request(extra=wrong))
    tools = [{"type": "plugin", "id": "mcp/playwright", "allowed_tools": ["browser_navigate"]}, "mcp/other"]
    assert _built(_request(extra={"integrations": tools}))[0]["integrations"] == tools


def test_the_list_of_models_is_read() -> None:
    listing = {"models": [
        {"type": "llm", "publisher": "google", "key": "google/gemma-4-26b-a4b", "display_name": "Gemma 4 26B A4B",
         "max_context_length": 262144, "capabilities": {"vision": True, "trained_for_tool_use": True,
                                                        "reasoning": {"allowed_options": ["off", "on"]}}},
        {"type": "embedding", "publisher": "gaianet", "key": "text-embedding-nomic", "display_name": "Nomic",
         "max_context_length": 2048},
    ]}  # fmt: skip
    chat, embedding = read_page(json.dumps(listing).encode(), SPEC).entries
    assert (chat.id, chat.name, chat.owned_by) == ("google/gemma-4-26b-a4b", "Gemma 4 26B A4B", "google")
    assert (chat.context_window, chat.kinds, embedding.kinds) == (262144, ("chat",), ("embedding",))
    assert "vision" in chat.capabilities
