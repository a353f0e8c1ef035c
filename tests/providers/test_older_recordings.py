"""Every recorded exchange of an older protocol is decoded to what was really said; the vendors' SDKs read it too."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import ollama
import openai
import pytest
from cohere.core.api_error import ApiError

from exllm import errors
from exllm.cost import cost_of
from exllm.errors import StreamInterrupted
from exllm.types.chunks import ProviderEvent, StreamStart, TextDelta
from exllm.types.message import Message
from exllm.types.options import Options, check_options
from exllm.types.request import Request
from tests.providers.older_recordings import (
    ALL,
    BODIES,
    ERRORS,
    PROVIDERS,
    RECORDINGS,
    STREAMS,
    Recording,
    decode_stream,
    decoded,
    expected,
    fold,
    sdk_says,
    summary,
)
from tests.rechunk import bytewise, rechunk

COUNTS = {"openai_completions": (5, 6, 0), "ollama_generate": (4, 2, 0), "cohere_v1": (2, 6, 1)}


def by(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", recordings, ids=lambda recording: recording.name)


@pytest.mark.parametrize("folder", PROVIDERS)
def test_every_recording_is_played_and_none_is_missing(folder: str) -> None:
    kinds = [[each.name for each in kind if each.folder == folder] for kind in (STREAMS, BODIES, ERRORS)]
    assert tuple(map(len, kinds)) == COUNTS[folder]
    assert {name for kind in kinds for name in kind} == expected(folder).keys()
    assert {path.name for path in (RECORDINGS / folder).iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in expected(folder))
    }  # fmt: skip


@by(STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(recording: Recording) -> None:
    body = recording.body
    whole, error = decode_stream(recording, [body])
    assert error is None
    assert summary(fold(recording, whole)) == expected(recording.folder)[recording.name]
    for slices in (list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(4))):
        assert decode_stream(recording, slices) == (whole, None)


@by(STREAMS)
def test_every_piece_of_text_is_one_chunk_after_the_start(recording: Recording) -> None:
    chunks = decoded(recording)
    assert isinstance(chunks[0], StreamStart)
    texts = [chunk for chunk in chunks if isinstance(chunk, TextDelta)]
    pieces = [
        line for line in recording.body.splitlines() if any(mark in line for mark in (b'"text":"', b'"response":"'))
    ]
    says_nothing = (b'"text":""', b'"response":""', b'"stream-end"')
    assert len(texts) == len([line for line in pieces if not any(mark in line for mark in says_nothing)]) > 10


@by(BODIES)
def test_a_whole_answer_is_read(recording: Recording) -> None:
    assert summary(fold(recording, decoded(recording))) == expected(recording.folder)[recording.name]


@by(ERRORS)
def test_an_error_response_becomes_the_right_exception(recording: Recording) -> None:
    error = recording.wire.parse_error(recording.status, recording.headers, recording.body, recording.spec)
    known = expected(recording.folder)[recording.name]
    assert type(error) is getattr(errors, known["error"])
    assert (error.message, error.status, error.retryable) == (known["message"], recording.status, False)
    assert error.provider == recording.spec.name
    with pytest.raises((ApiError, ollama.ResponseError, openai.APIStatusError)):
        sdk_says(recording)


@by([*STREAMS, *BODIES])
def test_the_sdk_reads_the_same_from_the_same_bytes(recording: Recording) -> None:
    said = sdk_says(recording)
    response = fold(recording, decoded(recording))
    assert response.text == said.text
    assert response.choices[0].raw_finish_reason == said.reason
    assert response.id == said.id
    assert response.model == said.model or said.model is None
    usage = response.usage
    if said.counts is not None:
        assert (usage.input_tokens, usage.output_tokens) == said.counts
    if said.billed is not None:
        assert (usage.billed_input_tokens, usage.billed_output_tokens) == said.billed
        cost = cost_of(usage, provider="cohere-v1", model="command-a-03-2025").total
        assert cost == pytest.approx((2.5 * said.billed[0] + 10 * said.billed[1]) / 1e6)


@by(STREAMS)
@pytest.mark.parametrize("is_clean", [True, False])
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(recording: Recording, is_clean: bool) -> None:
    body = recording.body
    whole = fold(recording, decode_stream(recording, [body])[0])
    last = len(body.rstrip()) - (0 if is_clean else -1)  # where the body breaks off, its last line needs its line feed
    if recording.folder == "openai_completions":  # what follows the reason says nothing of the answer
        last = body.rindex(b'"finish_reason":"')
    for end in {*range(0, last, max(1, last // 23)), last - 1}:
        chunks, error = decode_stream(recording, [body[:end]], is_clean=is_clean)
        assert type(error) is StreamInterrupted, end
        assert error.retryable
        partial = fold(recording, chunks)
        assert partial.finish_reason is None
        assert partial.usage.provenance == "unknown"
        assert whole.text.startswith(partial.text)


@by([each for each in ALL if each.folder == "ollama_generate"])
def test_times_and_the_tokens_to_go_on_from_are_passed_on(recording: Recording) -> None:
    last = msgspec.json.decode(recording.body.splitlines()[-1])
    context, metrics = [chunk for chunk in decoded(recording) if isinstance(chunk, ProviderEvent)]
    assert context == ProviderEvent("context", last["context"], "ollama-generate")
    assert metrics.event == "metrics"
    assert metrics.data == {name: last[name] for name in last if name.endswith("_duration")}
    request = Request("ollama-generate", "m", (Message("user", "Go on."),), Options(), {"context": context.data})
    assert msgspec.json.decode(recording.wire.build(request, recording.spec).body)["context"] == last["context"]


def test_warnings_of_cohere_are_passed_on() -> None:
    told = {
        recording.name: [chunk.data for chunk in decoded(recording) if isinstance(chunk, ProviderEvent)]
        for recording in ALL
        if recording.folder == "cohere_v1" and recording not in ERRORS
    }
    warned = [data for data in told.values() if data]
    assert len(warned) == 5
    assert all("deprecated" in words for ((words,),) in warned)


# -- requests

_NOTHING: tuple[Any, ...] = (None, "", [], {}, False)
"""Defaults that the recorders' clients send and that mean nothing."""


@by([recording for recording in ALL if recording.asked and "/prompts/" not in recording.path])
def test_what_was_asked_then_is_what_we_would_ask(recording: Recording) -> None:
    asked = {name: value for name, value in (recording.asked or {}).items() if value not in _NOTHING}
    streams = asked.pop("stream", False)
    messages = [Message("user", asked.pop("prompt", None) or asked.pop("message", None))]
    for entry in reversed(asked.pop("chat_history", [])):
        messages.insert(0, Message({"chatbot": "assistant"}.get(role := entry["role"].lower(), role), entry["message"]))
    sampled = {**asked.pop("options", {}), **asked}
    ours = {"num_predict": "max_tokens", "p": "top_p", "k": "top_k", "stop_sequences": "stop"}
    model = sampled.pop("model")
    known = {ours.get(name, name): value for name, value in sampled.items()}
    arguments = {name: value for name, value in known.items() if name in Options.__struct_fields__}
    extra = {name: value for name, value in known.items() if name not in arguments}
    request = Request(recording.spec.name, model, tuple(messages), check_options(arguments), extra, stream=streams)
    http = recording.wire.build(request, recording.spec)
    assert http.warnings == ()
    assert httpx.URL(recording.spec.base_url + http.path).path == recording.path
    sent = msgspec.json.decode(http.body)
    assert sent.pop("stream", False) == streams
    if streams and recording.folder == "openai_completions":
        assert sent.pop("stream_options") == {"include_usage": True}
    if "preamble" in sent:  # we send the first system message there
        sent.setdefault("chat_history", []).insert(0, {"role": "System", "message": sent.pop("preamble")})
    meant = {name: value for name, value in (recording.asked or {}).items() if value not in _NOTHING}
    meant.pop("stream", None)
    assert sent == meant
