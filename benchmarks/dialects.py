"""The bytes of the wire protocols, as the fake server sends them.

Event shapes are those of real streams of 2025 and 2026: OpenAI's with all of its envelope (about 340 bytes an event,
48 in a 16 KiB read), Anthropic's with names and padding-free data, Gemini's with CRLF and growing usage in each event.
The others are in `other_dialects`.
"""

from __future__ import annotations

from benchmarks.dialect import Dialect, always, as_json, data_event, named_event, piece, whole_text
from benchmarks.other_dialects import BEDROCK, COHERE, OLLAMA, RESPONSES

_OPENAI_ENVELOPE = {
    "id": "chatcmpl-CXq7mJ2nVb5tYw0aRkZ3sLdQeHfUg",
    "object": "chat.completion.chunk",
    "created": 1763500000,
    "model": "gpt-4.1-mini-2025-04-14",
    "service_tier": "default",
    "system_fingerprint": "fp_658b958c37",
}
_OPENAI_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 50,
    "total_tokens": 59,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _openai_event(delta: dict[str, object], finish_reason: str | None = None, number: int = 0) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    # OpenAI pads each event with letters of its own, of another length each time.
    obfuscation = f"{number * 2654435761 % 2**32:08x}{number * 40503 % 2**16:04x}"[: 1 + number * 7 % 12]
    return data_event({**_OPENAI_ENVELOPE, "choices": [choice], "usage": None, "obfuscation": obfuscation})


def _openai_body(events: int) -> bytes:
    message = {"role": "assistant", "content": whole_text(events), "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return as_json(
        {**_OPENAI_ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": _OPENAI_USAGE},
    )


_OPENAI_END = _openai_event({}, "stop")
_DONE = b"data: [DONE]\n\n"
_OPENAI_ERROR = {
    "error": {"message": "The server had an error", "type": "server_error", "param": None, "code": "server_error"},
}

OPENAI = Dialect(
    name="openai",
    opening=_openai_event({"role": "assistant", "content": "", "refusal": None}),
    text_event=lambda number: _openai_event({"content": piece(number)}, number=number),
    closing=always(_OPENAI_END + _DONE),
    closing_with_usage=always(
        _OPENAI_END + data_event({**_OPENAI_ENVELOPE, "choices": [], "usage": _OPENAI_USAGE}) + _DONE
    ),
    body=_openai_body,
    error_event=data_event(_OPENAI_ERROR),
    error_body=as_json(_OPENAI_ERROR),
)

_ANTHROPIC_MESSAGE = {
    "id": "msg_01NKKSDTVGadFkFKk35UC5dq",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
}
_ANTHROPIC_USAGE = {
    "input_tokens": 9,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 50,
    "service_tier": "standard",
}
_ANTHROPIC_ERROR = {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}


def _anthropic_text_event(number: int) -> bytes:
    delta = {"type": "text_delta", "text": piece(number)}
    return named_event({"type": "content_block_delta", "index": 0, "delta": delta})


_ANTHROPIC_CLOSING = b"".join(
    map(
        named_event,
        (
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 50},
            },
            {"type": "message_stop"},
        ),
    )
)


def _anthropic_body(events: int) -> bytes:
    content = [{"type": "text", "text": whole_text(events)}]
    return as_json(
        {
            **_ANTHROPIC_MESSAGE,
            "content": content,
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": _ANTHROPIC_USAGE,
        }
    )


ANTHROPIC = Dialect(
    name="anthropic",
    opening=named_event(
        {
            "type": "message_start",
            "message": {
                **_ANTHROPIC_MESSAGE,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {**_ANTHROPIC_USAGE, "output_tokens": 1},
            },
        }
    )
    + named_event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + named_event({"type": "ping"}),
    text_event=_anthropic_text_event,
    closing=always(_ANTHROPIC_CLOSING),
    closing_with_usage=always(_ANTHROPIC_CLOSING),
    body=_anthropic_body,
    error_event=named_event(_ANTHROPIC_ERROR),
    error_body=as_json(_ANTHROPIC_ERROR),
)


def _gemini_document(text: str, tokens: int, finish_reason: str | None = None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": [{"text": text}], "role": "model"}}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    return {
        "candidates": [{**candidate, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": tokens,
            "totalTokenCount": 9 + tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "Ub-FarbpCtHmnsEP--XY8Qg",
    }


def _gemini_event(document: object) -> bytes:
    # Gemini's lines end with CRLF, and its JSON is spaced in this way.
    spaced = as_json(document).replace(b'":', b'": ')
    return b"data: " + spaced + b"\r\n\r\n"


def _gemini_closing(events: int) -> bytes:
    return _gemini_event(_gemini_document("", events, "STOP"))


_GEMINI_ERROR = {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}

GEMINI = Dialect(
    name="gemini",
    opening=b"",
    text_event=lambda number: _gemini_event(_gemini_document(piece(number), number + 1)),
    closing=_gemini_closing,
    closing_with_usage=_gemini_closing,
    body=lambda events: as_json(_gemini_document(whole_text(events), events, "STOP")),
    error_event=_gemini_event(_GEMINI_ERROR),
    error_body=as_json(_GEMINI_ERROR),
    stream_type=b"text/event-stream",
)

DIALECTS = {dialect.name: dialect for dialect in (OPENAI, ANTHROPIC, GEMINI, RESPONSES, BEDROCK, OLLAMA, COHERE)}
