"""OpenAI Realtime: what the events of the service become."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.cost import cost_of
from exllm.errors import (
    AuthenticationError,
    ExLLMError,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    ServerError,
    StreamInterrupted,
)
from exllm.providers.openai_realtime import WIRE
from exllm.providers.openai_realtime_pieces import OpenTexts
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    InputCommitted,
    InputTranscript,
    OutputTranscript,
    RateLimit,
    RateLimits,
    RemoteError,
    TextOut,
    ToolCall,
    TurnComplete,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings
from exllm.types.parts import ToolResult
from exllm.types.usage import Usage
from tests.providers.openai_realtime_talk import end, opened, read, spec_of, tell


def test_transcripts_end_with_what_the_pieces_lacked() -> None:
    protocol = opened()
    kind = "conversation.item.input_audio_transcription"
    assert tell(protocol, f"{kind}.delta", item_id="u1", delta=" Hel") == [InputTranscript(" Hel", item="u1")]
    done = tell(
        protocol, f"{kind}.completed", item_id="u1", transcript="Hello.", usage={"type": "duration", "seconds": 3}
    )
    assert done[0] == InputTranscript("lo.", final=True, item="u1")
    assert done[1:] == [UsageReport(Usage(), seconds=3)]
    tell(protocol, f"{kind}.delta", item_id="u2", delta="Helo")
    usage = {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "input_token_details": {"audio_tokens": 7}}
    put_right, counted = tell(protocol, f"{kind}.completed", item_id="u2", transcript="Hello", usage=usage)
    assert put_right == InputTranscript("Hello", final=True, replaces=True, item="u2")
    assert isinstance(counted, UsageReport)
    assert (counted.usage.input_tokens, counted.usage.audio_input_tokens) == (9, 7)
    failed = tell(protocol, f"{kind}.failed", item_id="u3", error={"code": "x", "message": "no"}, event_id="e")
    assert failed[0] == RemoteError("no", "x")  # that id is the service's own, of no message that it refused
    assert tell(protocol, "response.output_audio_transcript.done", item_id="i1", response_id="r", transcript="All") == [
        OutputTranscript("All", final=True, turn="r", item="i1")
    ]
    assert tell(protocol, "response.output_text.done", item_id="i2", response_id="r", text="All")[0] == TextOut(
        "All", "r", "i2"
    )


@pytest.mark.parametrize(
    ("pieces", "whole", "rest"),
    [
        ([" To be", " or not"], "To be or not to be.", (" to be.", False)),
        (["To be "], "To be or not", ("or not", False)),  # the space was there already
        (["To be "], "To be, or not", ("To be, or not", True)),
        ([" To be "], "To be", ("", False)),
        ([" "], "To be", ("To be", False)),
    ],
)
def test_the_whole_says_what_its_pieces_did_not(pieces: list[str], whole: str, rest: tuple[str, bool]) -> None:
    texts = OpenTexts()
    for piece in pieces:
        texts.add("u1", 0, piece)
    assert texts.complete("u1", 0, whole) == rest


def test_log_probabilities_are_passed_on() -> None:
    kind = "conversation.item.input_audio_transcription.delta"
    said, passed = tell(opened(), kind, item_id="u1", delta="Hi", logprobs=[{"token": "Hi", "logprob": -0.1}])
    assert said == InputTranscript("Hi", item="u1")
    assert isinstance(passed, ProviderEvent)
    assert passed.data["logprobs"][0]["logprob"] == -0.1


@pytest.mark.parametrize("nothing", [None, []])
def test_where_there_are_none_a_piece_of_a_transcript_is_one_event(nothing: Any) -> None:
    kind = "conversation.item.input_audio_transcription.delta"
    assert tell(opened(), kind, item_id="u1", delta="Hi", logprobs=nothing) == [InputTranscript("Hi", item="u1")]


def test_a_call_comes_once_whichever_event_completes_it() -> None:
    item = {
        "id": "i1",
        "type": "function_call",
        "call_id": "c1",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
    }
    protocol = opened()
    tell(
        protocol,
        "response.output_item.added",
        response_id="r1",
        item={**item, "arguments": "", "status": "in_progress"},
    )
    first = tell(protocol, "response.function_call_arguments.done", item_id="i1", response_id="r1", arguments='{"a":1}')
    assert first == [ToolCall("c1", "f", '{"a":1}', "r1")]
    again = tell(protocol, "response.output_item.done", response_id="r1", item=item)
    assert [type(event) for event in again] == [ProviderEvent]
    other = opened()  # no name before the item
    late = tell(other, "response.function_call_arguments.done", item_id="i1", response_id="r1", arguments="{}")
    assert [type(event) for event in late] == [ProviderEvent]
    assert tell(other, "response.output_item.done", response_id="r1", item=item)[0] == ToolCall(
        "c1", "f", '{"a":1}', "r1"
    )
    cut = opened()
    dropped = tell(cut, "response.output_item.done", response_id="r1", item={**item, "status": "incomplete"})
    assert [type(event) for event in dropped] == [ProviderEvent]


def test_mcp_approvals_are_answered_like_calls() -> None:
    protocol = opened()
    item = {"id": "mcpr_1", "type": "mcp_approval_request", "name": "search", "arguments": "{}", "server_label": "d"}
    (event,) = tell(protocol, "response.output_item.done", response_id="r1", item=item)
    assert isinstance(event, ProviderEvent)
    assert event.data["item"]["server_label"] == "d"
    (answer,) = [each["item"] for each in read(protocol.tool_results([ToolResult("mcpr_1")])) if "item" in each]
    assert (answer["type"], answer["approval_request_id"], answer["approve"]) == (
        "mcp_approval_response",
        "mcpr_1",
        True,
    )


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("completed", None, ("completed", "completed")),
        ("cancelled", {"reason": "client_cancelled"}, ("interrupted", "client_cancelled")),
        ("incomplete", {"reason": "max_output_tokens"}, ("length", "max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, ("content_filter", "content_filter")),
        ("completed", "unimplemented", ("completed", "completed")),
    ],
)
def test_how_a_turn_ended(status: str, details: Any, expected: tuple[str, str]) -> None:
    passed_on, event = end(opened(), status=status, status_details=details)
    assert isinstance(passed_on, ProviderEvent)
    assert isinstance(event, TurnComplete)
    assert (event.status, event.reason) == expected


def test_a_failed_response_says_why_and_the_session_goes_on() -> None:
    error = {"type": "invalid_request_error", "code": "model_not_found", "message": "no gpt-x"}
    _, told, ended = end(opened(), status="failed", status_details={"type": "failed", "error": error})
    assert told == RemoteError("no gpt-x", "model_not_found", kind="invalid_request_error")
    assert isinstance(ended, TurnComplete)
    assert (ended.status, ended.reason) == ("failed", "model_not_found")


def test_counts_by_modality() -> None:
    usage = {
        "total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
        "input_token_details": {
            "text_tokens": 116, "audio_tokens": 13, "image_tokens": 3, "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 52, "audio_tokens": 10, "image_tokens": 2},
        },
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91, "reasoning_tokens": 4},
    }  # fmt: skip
    for fields in ({"usage": usage}, {"usage": None}):
        protocol = opened()
        outside = {} if fields["usage"] else {"usage": usage}  # xAI
        _, event = tell(protocol, "response.done", response={"id": "r", "status": "completed", **fields}, **outside)
        assert isinstance(event, TurnComplete)
        counts = event.usage
        assert counts is not None
        assert (counts.input_tokens, counts.output_tokens, counts.total_tokens) == (132, 121, 253)
        assert (counts.audio_input_tokens, counts.audio_output_tokens, counts.image_tokens) == (13, 91, 3)
        assert (counts.cached_input_tokens, counts.reasoning_tokens) == (64, 4)
        assert (counts.cached_audio_tokens, counts.cached_image_tokens) == (10, 2)
        cost = cost_of(counts, provider="openai", model="gpt-realtime-2.1")
        fresh = (116 - 52) * 4 + (13 - 10) * 32 + (3 - 2) * 5
        assert cost.total == pytest.approx((fresh + 62 * 0.4 + 2 * 0.5 + 30 * 24 + 91 * 64) / 1e6)


def test_limits_and_the_rest() -> None:
    limits = [{"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 60.0}]
    assert tell(opened(), "rate_limits.updated", rate_limits=limits) == [
        RateLimits((RateLimit("tokens", 50000, 49950, 60.0),))
    ]
    committed = tell(opened(), "input_audio_buffer.committed", item_id="u1", previous_item_id="i1")
    assert committed == [InputCommitted("u1", "i1")]
    passed = tell(opened(), "brand.new", a=1)
    assert passed == [ProviderEvent("brand.new", {"type": "brand.new", "a": 1}, "openai")]


@pytest.mark.parametrize(
    ("code", "kind", "error", "may_go_on"),
    [
        ("invalid_api_key", "invalid_request_error", AuthenticationError, False),
        ("insufficient_quota", "insufficient_quota", QuotaExceeded, False),
        ("model_not_found", "invalid_request_error", NotFound, False),
        ("session_expired", "invalid_request_error", StreamInterrupted, True),
    ],
)
def test_errors_that_end_a_session(code: str, kind: str, error: type[ExLLMError], may_go_on: bool) -> None:
    with pytest.raises(error) as caught:
        tell(opened(), "error", error={"code": code, "type": kind, "message": "sorry, sk-abcdefghijklmnop"})
    assert caught.value.retryable is may_go_on
    assert caught.value.code == code
    assert may_go_on or "abcdefgh" not in str(caught.value)


def test_other_errors_end_only_what_has_not_begun() -> None:
    fields = {"code": "unknown_parameter", "type": "invalid_request_error", "message": "what?", "param": "session.x"}
    assert tell(opened(), "error", error={**fields, "event_id": "e1"}) == [
        RemoteError("what?", "unknown_parameter", "session.x", "e1", "invalid_request_error")
    ]
    fresh = WIRE.protocol(LiveSettings("m"), spec_of())
    fresh.connect()
    with pytest.raises(InvalidRequest, match="what"):
        tell(fresh, "error", error=fields)
    assert isinstance(tell(opened(), "error", error={"type": "server_error", "message": "oops"})[0], RemoteError)
    assert isinstance(tell(opened(), "error", error="plain")[0], RemoteError)


def test_the_end_of_a_connection_is_told_by_the_provider_s_name() -> None:
    end_ = opened("azure").closed(1011, "")
    assert isinstance(end_.error, ServerError)
    assert (end_.error.provider, end_.resumable) == ("azure", True)


def test_answers_to_approvals_have_ids_of_their_own_however_long_those_of_the_requests_are() -> None:
    protocol = opened()
    ids = [f"mcpr_682d498e3bd4819196a0ce1664f8e77b04ad1e533afccbf{end}" for end in "ab"]
    for id_ in ids:
        tell(protocol, "conversation.item.added", item={"id": id_, "type": "mcp_approval_request"})
    said = read(protocol.tool_results([ToolResult(id_) for id_ in ids]))
    names = [message["item"]["id"] for message in said if "item" in message]
    assert len({*names}) == 2
    assert all(len(name) <= 32 for name in names)
