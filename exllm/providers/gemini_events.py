"""The answers of Gemini's generateContent as they are on the wire: only the fields that are read.

A stream is a series of the same objects that a whole answer is one of, each with what is new. Fields that are only
passed on stay raw. Enumerations are text; as numbers they come where ``enum-encoding=int`` was asked for.
Sources: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

from typing import Any

import msgspec

NOTHING = msgspec.Raw()
"""The value of a raw field that is absent."""


class _Struct(msgspec.Struct, gc=False, rename="camel"):
    pass


# -- parts


class PartialArg(_Struct):
    """A piece of one argument: Vertex AI with ``streamFunctionCallArguments``."""

    json_path: str
    string_value: str | None = None
    number_value: float | None = None
    bool_value: bool | None = None
    null_value: str | None = None


class FunctionCall(_Struct):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = NOTHING
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Blob(_Struct):
    mime_type: str = "application/octet-stream"
    data: bytes = b""


class Transcription(_Struct):
    text: str | None = None


class Part(_Struct):
    """One part of the content; those with none of these fields are read as plain data."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    audio_transcription: Transcription | None = None


class Content(_Struct):
    parts: list[Part] | None = None


# -- candidates


class LogprobsCandidate(_Struct):
    token: str = ""
    log_probability: float | str = 0.0  # "-Infinity" is text


class TopCandidates(_Struct):
    candidates: list[LogprobsCandidate] | None = None


class LogprobsResult(_Struct):
    chosen_candidates: list[LogprobsCandidate] | None = None
    top_candidates: list[TopCandidates] | None = None


class Candidate(_Struct):
    content: Content | None = None
    index: int | None = None
    finish_reason: str | int | None = None
    finish_message: str | None = None
    logprobs_result: LogprobsResult | None = None
    grounding_metadata: msgspec.Raw = NOTHING
    citation_metadata: msgspec.Raw = NOTHING
    url_context_metadata: msgspec.Raw = NOTHING
    safety_ratings: msgspec.Raw = NOTHING
    avg_logprobs: msgspec.Raw = NOTHING
    continuation_token: msgspec.Raw = NOTHING


# -- answers


class PromptFeedback(_Struct):
    block_reason: str | int | None = None
    block_reason_message: str | None = None
    safety_ratings: msgspec.Raw = NOTHING


class Answer(_Struct):
    """One object of the stream, or the whole answer."""

    candidates: list[Candidate] | None = None
    usage_metadata: msgspec.Raw = NOTHING
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    prompt_feedback: PromptFeedback | None = None
    model_status: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


decode_answer = msgspec.json.Decoder(Answer).decode


class ModalityCount(_Struct):
    modality: str | int | None = None
    token_count: int | None = None


class UsageMetadata(_Struct):
    """Token counts. The lists by medium seldom change from one object to the next, and are read when they do."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: msgspec.Raw = NOTHING
    candidates_tokens_details: msgspec.Raw = NOTHING
    cache_tokens_details: msgspec.Raw = NOTHING
    tool_use_prompt_tokens_details: msgspec.Raw = NOTHING
    service_tier: str | int | None = None
    traffic_type: str | int | None = None


decode_usage = msgspec.json.Decoder(UsageMetadata).decode
decode_details = msgspec.json.Decoder(list[ModalityCount] | None).decode


def plain(raw: msgspec.Raw) -> Any:
    """The data of a raw field that is there."""
    return msgspec.json.decode(raw)


def is_there(raw: msgspec.Raw) -> bool:
    """Whether a raw field says anything."""
    return raw is not NOTHING and bytes(raw) not in (b"", b"null", b"{}", b"[]")
