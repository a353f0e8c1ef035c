"""One choice's deltas: reasoning, refusals, log probabilities, audio, images, citations; and the token counts."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from exllm.errors import ProtocolError
from exllm.providers.openai_chat_reasoning import blocks_of
from exllm.types.chunks import (
    AudioDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TokenLogprob,
)
from exllm.types.parts import Audio, Citation, Image, Reasoning, Refusal, Text
from exllm.types.usage import Usage
from tests.providers.openai_chat_frames import DONE, choice, decode, decode_body, decoder, fold, frame, text


def streamed(*deltas: dict[str, Any], **options: Any) -> list[Any]:
    """The chunks of these deltas alone, without the end."""
    return decode([*[choice(delta) for delta in deltas], choice({}, "stop"), DONE], **options)[1:-1]


# -- reasoning


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_comes_under_either_name(field: str) -> None:
    response = fold(decode([choice({field: "hm, "}), choice({field: "yes"}), text("Yes."), choice({}, "stop"), DONE]))

    assert response.reasoning == "hm, yes"
    assert response.text == "Yes."
    assert response.parts == (Reasoning("hm, yes"), Text("Yes."))
    assert fold(decode_body({field: "hm, yes", "content": "Yes."})).parts == response.parts


def test_reasoning_under_both_names_is_told_once() -> None:
    assert streamed({"reasoning": "a", "reasoning_content": "a"}) == [ReasoningDelta("a")]


def test_reasoning_and_text_in_one_delta_are_both_told() -> None:
    assert streamed({"reasoning_content": "a", "content": "b"}) == [ReasoningDelta("a"), TextDelta("b")]


DETAILS: dict[str, list[list[dict[str, Any]]]] = {
    "signed text": [
        [{"type": "reasoning.text", "text": "Let ", "format": "anthropic-claude-v1", "index": 0}],
        [{"type": "reasoning.text", "text": "me", "format": "anthropic-claude-v1", "index": 0}],
        [{"type": "reasoning.text", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}],
    ],
    "summary and encrypted": [
        [{"type": "reasoning.summary", "summary": "Su", "format": "openai-responses-v1", "index": 0}],
        [{"type": "reasoning.summary", "summary": "m", "format": "openai-responses-v1", "index": 0}],
        [{"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": "openai-responses-v1", "index": 1}],
    ],
    "plain": [
        [{"type": "reasoning.text", "text": "a", "index": 0}],
        [{"type": "reasoning.text", "text": "b", "index": 0}],
    ],
}
WHOLE_BLOCKS: dict[str, list[dict[str, Any]]] = {
    "signed text": [
        {"type": "reasoning.text", "text": "Let me", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}
    ],
    "summary and encrypted": [
        {"type": "reasoning.summary", "summary": "Sum", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
    ],
    "plain": [{"type": "reasoning.text", "text": "ab"}],
}


@pytest.mark.parametrize("name", DETAILS)
def test_reasoning_details_go_back_as_they_came(name: str) -> None:
    frames = [choice({"reasoning_details": delta}) for delta in DETAILS[name]]
    response = fold(decode([*frames, text("x"), choice({}, "stop"), DONE]))
    thoughts = [part for part in response.parts if isinstance(part, Reasoning)]

    assert blocks_of(thoughts, "acme") == WHOLE_BLOCKS[name]
    assert response.reasoning == "".join(
        block.get("text") or block.get("summary") or "" for block in WHOLE_BLOCKS[name]
    )
    body = fold(decode_body({"reasoning_details": WHOLE_BLOCKS[name], "content": "x"}))
    assert blocks_of([part for part in body.parts if isinstance(part, Reasoning)], "acme") == WHOLE_BLOCKS[name]


def test_a_signature_of_somebody_else_does_not_go_back() -> None:
    assert blocks_of([Reasoning("a", signature="EqQBCkYIBxgC")], "acme") == []


def test_plain_reasoning_beside_encrypted_details_is_readable() -> None:
    chunks = streamed(
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}]}
    )

    assert [chunk.reasoning for chunk in chunks] == ["hm", ""]
    assert chunks[0].part != chunks[1].part


def test_geminis_signature_of_a_thought_is_kept() -> None:
    delta = {"content": "", "extra_content": {"google": {"thought_signature": "s"}}}

    assert streamed(delta) == [ReasoningDelta("", signature="s", id="gemini")]
    assert streamed({"content": "a", "extra_content": {"google": {"thought": True}}}) == [TextDelta("a")]


def test_mistrals_content_of_parts() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm "}, {"type": "reference"}]},
        {"type": "thinking", "thinking": "yes"},
        {"type": "text", "text": "Yes."},
        {"type": "reference", "reference_ids": [1]},
        {"type": "image_url", "image_url": "https://x.example/a.png"},
        {"type": "tool_file", "file_id": "f1"},
    ]
    response = fold(decode([choice({"content": parts}), choice({}, "stop"), DONE]))

    assert response.reasoning == "hm yes"
    assert response.text == "Yes."
    assert response.citations == (Citation(source=parts[3]),)
    assert Image(url="https://x.example/a.png") in response.parts
    assert response.parts[-1].data == parts[5]  # type: ignore[union-attr]
    assert fold(decode_body({"content": parts})).parts == response.parts


# -- refusals and log probabilities


def test_a_refusal_is_no_text() -> None:
    response = fold(decode([choice({"refusal": "I can"}), choice({"refusal": "not."}), choice({}, "stop"), DONE]))

    assert (response.refusal, response.text) == ("I cannot.", "")
    assert response.parts == (Refusal("I cannot."),)


TOKEN = {
    "token": "Hi",
    "logprob": -0.1,
    "bytes": [72, 105],
    "top_logprobs": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}, {"token": "Yo", "logprob": None}],
}
PROBABLE = TokenLogprob(
    "Hi", -0.1, (72, 105), (TokenLogprob("Hi", -0.1, (72, 105)), TokenLogprob("Yo", -9999.0))
)  # fmt: skip


def test_log_probabilities_come_with_their_text() -> None:
    frames = [
        choice({"content": "Hi"}, logprobs={"content": [TOKEN]}),
        choice({"refusal": "Hi"}, logprobs={"refusal": [TOKEN]}),
        choice({"content": ""}, logprobs={"content": []}),
        choice(None, logprobs={"content": [TOKEN]}),
        choice({}, "stop"),
    ]
    chunks = decode([*frames, DONE])

    assert chunks[1:-1] == [
        TextDelta("Hi", logprobs=(PROBABLE,)),
        RefusalDelta("Hi", logprobs=(PROBABLE,)),
        TextDelta("", logprobs=(PROBABLE,)),
    ]
    assert fold(chunks).logprobs == (PROBABLE,) * 3


def test_togethers_log_probabilities() -> None:
    frames = [choice({"content": "ab"}, logprobs={"tokens": ["a", "b"], "token_logprobs": [-0.5]}), choice({}, "stop")]

    assert fold(decode([*frames, DONE])).logprobs == (TokenLogprob("a", -0.5), TokenLogprob("b", -9999.0))


# -- media and citations


@pytest.mark.parametrize("size", [1, 3, 4, 5, 100])
def test_speech_is_put_together_from_base64_cut_anywhere(size: int) -> None:
    data, letters = bytes(range(50)), base64.b64encode(bytes(range(50))).decode()
    pieces: list[dict[str, Any]] = [{"id": "audio_1", "transcript": "Hel"}]
    pieces += [{"data": letters[start : start + size]} for start in range(0, len(letters), size)]
    pieces += [{"transcript": "lo", "expires_at": 99}, {}]

    chunks = streamed(*[{"audio": piece} for piece in pieces], audio={"voice": "alloy", "format": "pcm16"})

    assert b"".join(chunk.data for chunk in chunks if isinstance(chunk, AudioDelta)) == data
    audio = fold(chunks).parts[0]
    assert audio == Audio(data=data, media_type="audio/pcm", id="audio_1", transcript="Hello")
    assert chunks[-1].expires_at == 99


def test_speech_that_is_no_base64_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="not base64"):
        streamed({"audio": {"data": "=AAA"}})


def test_images_come_as_data_or_by_address() -> None:
    data_url = "data:image/webp;base64," + base64.b64encode(b"img").decode()
    images: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_url}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "image_url", "image_url": "https://x.example/b.png"},
        {"type": "odd"},
    ]
    chunks = streamed({"images": images})

    assert chunks == [
        ImageDelta(b"img", None, "image/webp"),
        ImageDelta(None, "https://x.example/a.png"),
        ImageDelta(None, "https://x.example/b.png"),
        ProviderEvent("image", {"type": "odd"}, "acme"),
    ]
    assert fold(chunks).parts[0] == Image(data=b"img", media_type="image/webp")
    with pytest.raises(ProtocolError, match="not base64"):
        streamed({"images": [{"image_url": {"url": "data:image/png;base64,A"}}]})


def test_annotations_are_citations() -> None:
    cited = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 4, "content": "quote"}
    annotations: list[dict[str, Any]] = [{"type": "url_citation", "url_citation": cited}, {"type": "file", "file": {}}]
    expected = (
        Citation("https://a.example", "A", "quote", 0, 4, source=annotations[0]),
        Citation(source=annotations[1]),
    )

    assert fold(decode_body({"content": "text", "annotations": annotations})).citations == expected
    stream = [text("text"), choice({"annotations": annotations}), choice({}, "stop"), DONE]
    assert fold(decode(stream)).citations == expected


# -- usage


def counted(usage: dict[str, Any], **fields: Any) -> Usage:
    """The usage of a stream; checked to be that of a whole answer too."""
    last = frame({"choices": [], "usage": usage, **fields})
    found = fold(decode([text("a"), choice({}, "stop"), last, DONE])).usage
    assert found == fold(decode_body({"content": "a"}, usage=usage, **fields)).usage
    return found


def test_every_detail_of_openais_usage() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5},
        "completion_tokens_details": {
            "reasoning_tokens": 20,
            "audio_tokens": 7,
            "accepted_prediction_tokens": 3,
            "rejected_prediction_tokens": 4,
        },
    }
    assert counted(usage, service_tier="default") == Usage(
        input_tokens=100,
        output_tokens=50,
        total_tokens=150,
        cached_input_tokens=60,
        reasoning_tokens=20,
        audio_input_tokens=5,
        audio_output_tokens=7,
        accepted_prediction_tokens=3,
        rejected_prediction_tokens=4,
        service_tier="default",
        provenance="reported",
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4}, {"cached_input_tokens": 6}),  # DeepSeek
        ({"cached_tokens": 6}, {"cached_input_tokens": 6}),  # Moonshot
        ({"num_cached_tokens": 6}, {"cached_input_tokens": 6}),  # Mistral
        ({"prompt_tokens_details": {"cached_tokens": 99}}, {"cached_input_tokens": 10}),  # Azure's Grok
        ({"prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}},
         {"cached_input_tokens": 2, "cache_write_tokens": 3}),  # OpenRouter
        ({"cache_read_input_tokens": 2, "cache_creation_input_tokens": 9},
         {"cached_input_tokens": 2, "cache_write_tokens": 8}),
        ({"completion_tokens_details": {"reasoning_tokens": 9}, "total_tokens": 24},
         {"output_tokens": 14, "total_tokens": 24, "reasoning_tokens": 9}),  # xAI
        ({"completion_tokens_details": {"reasoning_tokens": 9}},
         {"output_tokens": 14, "total_tokens": 24, "reasoning_tokens": 9}),  # Gemini behind Vercel
        ({"reasoning_tokens": 3, "num_search_queries": 2}, {"reasoning_tokens": 3, "search_requests": 2}),  # Perplexity
        ({"num_sources_used": 4, "cost_in_usd_ticks": 5_000_000_000},
         {"search_requests": 4, "reported_cost_usd": 0.5}),  # xAI
        ({"cost": 0.25}, {"reported_cost_usd": 0.25}),  # OpenRouter
        ({"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 1.0}},
         {"reported_cost_usd": 1.25}),
        ({"cost": {"total_cost": 0.125}}, {"reported_cost_usd": 0.125}),  # Perplexity
        ({"server_tool_use": {"web_search_requests": 1}}, {"search_requests": 1}),
        ({"completion_tokens_details": {"image_tokens": 5}}, {"image_tokens": 5}),
    ],
)  # fmt: skip
def test_usage_of_the_dialects_has_one_meaning(usage: dict[str, Any], expected: dict[str, Any]) -> None:
    base = Usage(10, 5, 15, provenance="reported")

    found = counted({"prompt_tokens": 10, "completion_tokens": 5, **usage})

    assert found == msgspec.structs.replace(base, **expected)
    written, cached = found.cache_write_tokens or 0, found.cached_input_tokens or 0
    assert 0 <= 10 - cached - written <= 10


def test_groqs_usage_beside_the_choices() -> None:
    end = frame(
        {
            "choices": [{"delta": {}, "finish_reason": "stop"}],
            "x_groq": {"usage": {"prompt_tokens": 4, "completion_tokens": 2}},
        }
    )

    assert fold(decode([text("a"), end, DONE])).usage == Usage(4, 2, 6, provenance="reported")


def test_usage_of_an_answer_that_broke_off_is_partial_and_unreported_usage_is_unknown() -> None:
    counts = {"prompt_tokens": 4, "completion_tokens": 2}
    open_end = frame({"choices": [{"delta": {"content": "a"}}], "usage": counts})

    assert fold(decode([text("a"), DONE])).usage == Usage(provenance="unknown")
    assert fold(decoder().feed([open_end])).usage == Usage(4, 2, 6, provenance="partial")
