"""The answers of Chat Completions as they are on the wire: only the fields that are read, of every dialect at once.

`Event` is the hot one, decoded once per frame of a stream: ids and names that repeat in every frame are left out, they
are read from the first frame alone (`FirstEvent`). Dialects that are not OpenAI's carry a comment that says whose they
are.

Sources: platform.openai.com/docs/api-reference/chat/streaming and /object, the same page of each service that a comment
names, the recorded answers in the tests.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from exllm.errors import ProtocolError

SNIPPET_CHARS = 200


class FunctionPiece(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # an object: Mistral's schema allows it


class CustomPiece(msgspec.Struct, gc=False):
    name: str | None = None
    input: str | None = None


class ToolCallPiece(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None
    custom: CustomPiece | None = None
    extra_content: dict[str, Any] | None = None  # Gemini: {"google": {"thought_signature": ...}}


class AudioPiece(msgspec.Struct, gc=False):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class Delta(msgspec.Struct, gc=False):
    """A piece of a message, or the whole message of an unstreamed answer."""

    content: str | list[dict[str, Any]] | None = None  # a list of parts: Mistral
    tool_calls: list[ToolCallPiece] | None = None
    reasoning_content: str | None = None  # DeepSeek, Moonshot, Z.ai, xAI, Alibaba, llama.cpp
    reasoning: str | None = None  # OpenRouter, Groq, Cerebras, Ollama, vLLM, Vercel
    refusal: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None  # OpenRouter, Vercel, Snowflake
    function_call: FunctionPiece | None = None  # OpenAI before November 2023
    audio: AudioPiece | None = None
    images: list[dict[str, Any]] | None = None  # OpenRouter
    annotations: list[dict[str, Any]] | None = None
    executed_tools: list[dict[str, Any]] | None = None  # Groq's compound systems
    extra_content: dict[str, Any] | None = None  # Gemini
    web_search_data: dict[str, Any] | None = None  # Writer
    graph_data: dict[str, Any] | None = None  # Writer: files of a knowledge graph


class TokenPiece(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TokenPiece] | None = None


class Logprobs(msgspec.Struct, gc=False):
    content: list[TokenPiece] | None = None
    refusal: list[TokenPiece] | None = None
    tokens: list[str] | None = None  # Together
    token_logprobs: list[float | None] | None = None  # Together
    top_logprobs: list[dict[str, float | None] | None] | None = None  # of `tokens`: text completion


class ChoiceEvent(msgspec.Struct, gc=False):
    delta: Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    logprobs: Logprobs | None = None
    error: Any = None  # OpenRouter
    content_filter_results: dict[str, Any] | None = None  # Azure


class WholeChoice(msgspec.Struct, gc=False):
    message: Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    logprobs: Logprobs | None = None
    error: Any = None
    content_filter_results: dict[str, Any] | None = None


class PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None  # OpenRouter
    cache_creation_input_tokens: int | None = None  # Alibaba
    audio_tokens: int | None = None
    image_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: int | None = None


class UsageEvent(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot, Together
    num_cached_tokens: int | None = None  # Mistral
    cache_read_input_tokens: int | None = None  # gateways in front of Anthropic
    cache_creation_input_tokens: int | None = None  # Vercel
    reasoning_tokens: int | None = None  # Perplexity, Together
    num_search_queries: int | None = None  # Perplexity
    num_sources_used: int | None = None  # xAI
    server_tool_use: ServerToolUse | None = None  # OpenRouter, Anthropic behind gateways
    server_tool_use_details: ServerToolUse | None = None  # OpenRouter
    cost: float | dict[str, Any] | None = None  # OpenRouter, Vercel; an object: Perplexity
    cost_details: dict[str, Any] | None = None  # OpenRouter
    is_byok: bool | None = None  # OpenRouter: `cost` is its fee alone, the model is billed elsewhere
    cost_in_usd_ticks: int | None = None  # xAI
    service_tier: str | None = None  # Mistral


class XGroq(msgspec.Struct, gc=False):
    usage: UsageEvent | None = None
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """One frame of a stream."""

    choices: list[ChoiceEvent] | None = None
    usage: UsageEvent | None = None
    error: Any = None
    x_groq: XGroq | None = None
    citations: list[Any] | None = None  # Perplexity, xAI: the same list in every frame
    search_results: list[Any] | None = None  # Perplexity
    images: list[Any] | None = None  # Perplexity: found, not made
    related_questions: list[Any] | None = None  # Perplexity
    moderation: Any = None
    prompt_filter_results: list[Any] | None = None  # Azure


class FirstEvent(Event, gc=False):
    """The first frame of a stream."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    service_tier: str | None = None


class Body(msgspec.Struct, gc=False):
    """A whole, unstreamed answer."""

    choices: list[WholeChoice] | None = None
    usage: UsageEvent | None = None
    error: Any = None
    x_groq: XGroq | None = None
    citations: list[Any] | None = None
    search_results: list[Any] | None = None
    images: list[Any] | None = None
    related_questions: list[Any] | None = None
    moderation: Any = None
    prompt_filter_results: list[Any] | None = None
    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    service_tier: str | None = None


class _TierOnly(msgspec.Struct, gc=False):
    service_tier: Any = None


decode_event = msgspec.json.Decoder(Event).decode
decode_first_event = msgspec.json.Decoder(FirstEvent).decode
decode_body = msgspec.json.Decoder(Body).decode
_decode_tier = msgspec.json.Decoder(_TierOnly).decode
decode_string = msgspec.json.Decoder(str).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoders raise: for bad JSON or wrong types, for bad UTF-8, for nesting without end."""

T = TypeVar("T", Event, FirstEvent, Body)
_PLACE = re.compile(r"at `\$(.*)`$")
_MOST_SURPRISES = 32


def decode_forgiving(data: bytes, type_: type[T]) -> tuple[T, dict[str, Any]]:
    """Read JSON in which a field is not what it should be: such fields are taken out and returned by their path.

    "Compatible" services surprise now and then; a strange extra must not end an answer.

    Raises `ProtocolError` when it is not a JSON object at all.
    """
    raw = decode_any(data)
    surprises: dict[str, Any] = {}
    for left in range(_MOST_SURPRISES, -1, -1):
        try:
            return msgspec.convert(raw, type_), surprises
        except msgspec.ValidationError as error:
            place = _PLACE.search(str(error))
            if place is None or not left:
                raise ProtocolError(f"not an answer of this protocol ({error}): {snippet(data)}") from error
            path = place.group(1)
            surprises[path.lstrip(".")] = _take_out(raw, path)
    raise AssertionError("the last round returns or raises")


def decode_any(data: bytes) -> Any:
    """JSON as plain data, with U+FFFD for what is no UTF-8, as the standard for streams has it.

    The typed decoders look into no field that they do not know, so it may raise `ProtocolError` where they did not.
    """
    try:
        return msgspec.json.decode(data.decode("utf-8", "replace"))
    except UNREADABLE as error:
        raise ProtocolError(f"not JSON ({error}): {snippet(data)}") from error


def service_tier(data: bytes) -> str | None:
    """The tier that a frame with usage names."""
    try:
        tier = _decode_tier(data).service_tier
    except UNREADABLE:
        return None
    return tier if isinstance(tier, str) else None


def google_signature(extra_content: dict[str, Any]) -> str | None:
    """Gemini's signature of a thought or a call, in ``extra_content``."""
    google = extra_content.get("google")
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else None


def snippet(data: bytes) -> str:
    """The beginning of `data`, for an error message."""
    return data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]


def _take_out(raw: Any, path: str) -> Any:
    steps = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    for step in steps[:-1]:
        raw = raw[step]
    return raw.pop(steps[-1])
