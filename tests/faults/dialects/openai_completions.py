"""OpenAI's text completion."""

from __future__ import annotations

import json

from tests.faults.dialects.dialect import Dialect, data
from tests.faults.dialects.openai_chat import OPENAI

_ENVELOPE = {"id": "cmpl-1", "object": "text_completion", "created": 1763500000, "model": "gpt-3.5-turbo-instruct"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def _piece(text: str, reason: str | None = None) -> bytes:
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
    return data({**_ENVELOPE, "choices": [choice], "usage": None})


def _body(text: str) -> bytes:
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}
    return json.dumps({**_ENVELOPE, "choices": [choice], "usage": _USAGE}).encode()


COMPLETIONS = Dialect(
    "openai-completions",
    "gpt-3.5-turbo-instruct",
    (_piece(""),),
    (_piece("", "stop"), data({**_ENVELOPE, "choices": [], "usage": _USAGE}), b"data: [DONE]\n\n"),
    _piece,
    (b": keep-alive\n\n",),
    OPENAI.error,
    OPENAI.error_body,
    _body,
    None,
    takes_conversations=False,
)
