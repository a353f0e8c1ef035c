"""The bytes of OpenAI's Responses API, Bedrock's ConverseStream, Ollama and Cohere; shapes as recorded from them."""

from __future__ import annotations

import struct
from zlib import crc32

from benchmarks.dialect import Dialect, always, as_json, data_event, named_event, piece, whole_text

# -- OpenAI's Responses API: about 290 bytes an event, and the whole text four times at the end

_ITEM_ID = "msg_0a02cdbf39789cc8016a85bef153d08192921a3ea3b4932e9c"
_PLACE = {"item_id": _ITEM_ID, "output_index": 0}
_RESPONSES_USAGE = {
    "input_tokens": 14,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 64,
}


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _item(status: str, content: list[object]) -> dict[str, object]:
    return {"id": _ITEM_ID, "type": "message", "status": status, "content": content, "role": "assistant"}


def _response(status: str, output: list[object], usage: object) -> dict[str, object]:
    return {
        "id": "resp_0a02cdbf39789cc8016a85bef06dc88192bb00de16e4c5ac1e",
        "object": "response",
        "created_at": 1787150064,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-4.1-nano-2025-04-14",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": {},
    }


def _responses_event(kind: str, number: int, **fields: object) -> bytes:
    return named_event({"type": kind, **fields, "sequence_number": number})


def _responses_text(number: int) -> bytes:
    obfuscation = f"{number * 2654435761 % 2**32:08x}"  # it pads pieces of up to 16 characters to 16
    return _responses_event(
        "response.output_text.delta",
        number + 4,
        content_index=0,
        delta=piece(number),
        item_id=_ITEM_ID,
        logprobs=[],
        obfuscation=obfuscation,
        output_index=0,
    )


def _responses_closing(events: int) -> bytes:
    text = whole_text(events)
    done = _item("completed", [_part(text)])
    response = _response("completed", [done], _RESPONSES_USAGE)
    place = {"content_index": 0, **_PLACE}
    return b"".join(
        (
            _responses_event("response.output_text.done", events + 4, **place, logprobs=[], text=text),
            _responses_event("response.content_part.done", events + 5, **place, part=_part(text)),
            _responses_event("response.output_item.done", events + 6, item=done, output_index=0),
            _responses_event("response.completed", events + 7, response=response),
        )
    )


_RESPONSES_ERROR = {"message": "The server had an error", "type": "server_error", "param": None, "code": "server_error"}
_RESPONSES_BEGUN = _response("in_progress", [], None)

RESPONSES = Dialect(
    name="responses",
    opening=_responses_event("response.created", 0, response=_RESPONSES_BEGUN)
    + _responses_event("response.in_progress", 1, response=_RESPONSES_BEGUN)
    + _responses_event("response.output_item.added", 2, item=_item("in_progress", []), output_index=0)
    + _responses_event("response.content_part.added", 3, content_index=0, **_PLACE, part=_part("")),
    text_event=_responses_text,
    closing=_responses_closing,
    closing_with_usage=_responses_closing,
    body=lambda events: as_json(
        _response("completed", [_item("completed", [_part(whole_text(events))])], _RESPONSES_USAGE)
    ),
    error_event=named_event({**_RESPONSES_ERROR, "type": "error"}),
    error_body=as_json({"error": _RESPONSES_ERROR}),
)

# -- Bedrock's ConverseStream: binary messages of some 180 bytes, padded to hide how long the text is

_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _header(name: str, value: str) -> bytes:
    return b"%c%b\x07%b%b" % (len(name), name.encode(), struct.pack(">H", len(value)), value.encode())


def _message(kind: str, payload: bytes, message_type: str = "event") -> bytes:
    """One message of ``application/vnd.amazon.eventstream``."""
    headers = (
        _header(f":{message_type}-type", kind)
        + _header(":content-type", "application/json")
        + _header(":message-type", message_type)
    )
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _bedrock_event(kind: str, number: int = 0, **fields: object) -> bytes:
    padding = _PADDING[: 4 + number * 7 % 50]
    return _message(kind, as_json(dict(sorted({**fields, "p": padding}.items()))))


_BEDROCK_USAGE = {"inputTokens": 14, "outputTokens": 50, "serverToolUsage": {}, "totalTokens": 64}
_BEDROCK_CLOSING = always(
    _bedrock_event("contentBlockStop", 3, contentBlockIndex=0)
    + _bedrock_event("messageStop", 5, stopReason="end_turn")
    + _bedrock_event("metadata", 2, metrics={"latencyMs": 1176}, usage=_BEDROCK_USAGE)
)


def _bedrock_body(events: int) -> bytes:
    message = {"content": [{"text": whole_text(events)}], "role": "assistant"}
    return as_json(
        {
            "metrics": {"latencyMs": 608},
            "output": {"message": message},
            "stopReason": "end_turn",
            "usage": _BEDROCK_USAGE,
        }
    )


BEDROCK = Dialect(
    name="bedrock",
    opening=_bedrock_event("messageStart", 1, role="assistant"),
    text_event=lambda number: _bedrock_event(
        "contentBlockDelta", number, contentBlockIndex=0, delta={"text": piece(number)}
    ),
    closing=_BEDROCK_CLOSING,
    closing_with_usage=_BEDROCK_CLOSING,
    body=_bedrock_body,
    error_event=_message("internalServerException", as_json({"message": "internal error"}), "exception"),
    error_body=as_json({"message": "internal error"}),
    stream_type=b"application/vnd.amazon.eventstream",
)

# -- Ollama: a line of JSON of some 130 bytes, with its time


def _ollama_line(number: int, content: str, **fields: object) -> bytes:
    created_at = f"2025-08-20T13:47:{number // 1_000_000 % 60:02d}.{number % 1_000_000:06d}Z"
    message = {"role": "assistant", "content": content}
    return as_json({"model": "gemma3:1b", "created_at": created_at, "message": message, **fields})


def _ollama_end(number: int, content: str) -> bytes:
    return _ollama_line(
        number,
        content,
        done_reason="stop",
        done=True,
        total_duration=1133984833,
        load_duration=62397708,
        prompt_eval_count=18,
        prompt_eval_duration=25573416,
        eval_count=50,
        eval_duration=1045723375,
    )


def _ollama_closing(events: int) -> bytes:
    return _ollama_end(events * 5333, "") + b"\n"


_OLLAMA_ERROR = as_json({"error": "an error was encountered while running the model"})

OLLAMA = Dialect(
    name="ollama",
    opening=b"",
    text_event=lambda number: _ollama_line(number * 5333, piece(number), done=False) + b"\n",
    closing=_ollama_closing,
    closing_with_usage=_ollama_closing,
    body=lambda events: _ollama_end(0, whole_text(events)),
    error_event=_OLLAMA_ERROR + b"\n",
    error_body=_OLLAMA_ERROR,
    stream_type=b"application/x-ndjson",
)

# -- Cohere: named events of some 120 bytes, the index and the text of each deep inside

_COHERE_USAGE = {
    "billed_units": {"input_tokens": 7, "output_tokens": 50},
    "tokens": {"input_tokens": 502, "output_tokens": 53},
    "cached_tokens": 448,
}
_COHERE_ID = "7b4baae1-3fac-4977-85fd-618d9c9a8cc7"


def _content_event(kind: str, content: dict[str, object]) -> bytes:
    return named_event({"type": kind, "index": 0, "delta": {"message": {"content": content}}})


_COHERE_CLOSING = always(
    named_event({"type": "content-end", "index": 0})
    + named_event({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}})
    + b"data: [DONE]\n\n"
)


def _cohere_body(events: int) -> bytes:
    message = {"role": "assistant", "content": [{"type": "text", "text": whole_text(events)}]}
    return as_json({"id": _COHERE_ID, "message": message, "finish_reason": "COMPLETE", "usage": _COHERE_USAGE})


COHERE = Dialect(
    name="cohere",
    opening=named_event(
        {
            "id": _COHERE_ID,
            "type": "message-start",
            "delta": {
                "message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
            },
        }
    )
    + _content_event("content-start", {"type": "text", "text": ""}),
    text_event=lambda number: _content_event("content-delta", {"text": piece(number)}),
    closing=_COHERE_CLOSING,
    closing_with_usage=_COHERE_CLOSING,
    body=_cohere_body,
    error_event=data_event({"message": "internal server error"}),
    error_body=as_json({"id": _COHERE_ID, "message": "internal server error"}),
    stream_type=b"text/event-stream",
)
