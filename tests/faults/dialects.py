"""The two protocols as a well-behaved server speaks them: the frames of an answer, and how a fake provider replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tests.faults.server import Behaviour, Peer

WORDS = ("The ", "quick ", "brown ", "fox ", "jumps.")
TEXT = "".join(WORDS)


class Dialect(NamedTuple):
    """One protocol.

    Attributes:
        provider, model: the halves of the model string.
        opening, closing: the frames before and after the text.
        text: the frame of one piece of text.
        terminal: the last frame of `closing`, after which nothing of the answer follows.
        ping: the frames by which a server keeps a connection alive.
        error: the frame of an error inside a stream, for a message and whether it is worth a retry.
        error_body: an error body, for a message.
        body: a whole, unstreamed answer, for its text.
        tool_frames: the frames of one tool call, for the fragments of its arguments.
    """

    provider: str
    model: str
    opening: tuple[bytes, ...]
    closing: tuple[bytes, ...]
    text: Callable[[str], bytes]
    ping: tuple[bytes, ...]
    error: Callable[[str, bool], bytes]
    error_body: Callable[[str], bytes]
    body: Callable[[str], bytes]
    tool_frames: Callable[[Sequence[str]], list[bytes]]

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"

    @property
    def terminal(self) -> bytes:
        return self.closing[-1]

    def frames(self, words: Iterable[str] = WORDS) -> list[bytes]:
        """A whole answer."""
        return [*self.opening, *map(self.text, words), *self.closing]

    def reply(self, words: Sequence[str] = WORDS) -> Behaviour:
        """A behaviour that answers as the request asks, streamed or whole."""

        async def behave(peer: Peer) -> None:
            if peer.request.json.get("stream"):
                await peer.stream(self.frames(words))
            else:
                await peer.answer(self.body("".join(words)))

        return behave

    def refuse(self, status: str, *headers: tuple[str, str]) -> Behaviour:
        """A behaviour that answers with an error."""

        async def behave(peer: Peer) -> None:
            await peer.answer(self.error_body("as the test wants"), status, "application/json", *headers)

        return behave


def _data(document: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(document).encode()


def _event(document: dict[str, Any]) -> bytes:
    return b"event: %b\n%b" % (document["type"].encode(), _data(document))


# -- OpenAI Chat Completions

_ENVELOPE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763500000, "model": "gpt-4.1-mini"}
_OPENAI_USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def _openai_delta(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return _data({**_ENVELOPE, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _openai_error(message: str, retryable: bool) -> bytes:
    kind = "server_error" if retryable else "invalid_request_error"
    return _data({"error": {"message": message, "type": kind, "param": None, "code": None}})


def _openai_body(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    document = {**_ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": _OPENAI_USAGE}
    return json.dumps(document).encode()


def _openai_tool(fragments: Sequence[str]) -> list[bytes]:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": fragment}} for fragment in fragments]
    return [
        _openai_delta({"role": "assistant", "content": None}),
        *(_openai_delta({"tool_calls": [piece]}) for piece in (first, *pieces)),
        _openai_delta({}, "tool_calls"),
        b"data: [DONE]\n\n",
    ]


OPENAI = Dialect(
    "openai",
    "gpt-4.1-mini",
    (_openai_delta({"role": "assistant", "content": ""}),),
    (_openai_delta({}, "stop"), _data({**_ENVELOPE, "choices": [], "usage": _OPENAI_USAGE}), b"data: [DONE]\n\n"),
    lambda text: _openai_delta({"content": text}),
    (b": keep-alive\n\n",),
    _openai_error,
    lambda message: json.dumps({"error": {"message": message, "type": None, "param": None, "code": None}}).encode(),
    _openai_body,
    _openai_tool,
)

# -- Anthropic Messages

_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}


def _anthropic_error(message: str, retryable: bool) -> bytes:
    kind = "overloaded_error" if retryable else "invalid_request_error"
    return _event({"type": "error", "error": {"type": kind, "message": message}})


def _anthropic_body(text: str) -> bytes:
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": 9, "output_tokens": 5}
    return json.dumps({**_MESSAGE, "content": content, "stop_reason": "end_turn", "usage": usage}).encode()


def _anthropic_start() -> bytes:
    usage = {"input_tokens": 9, "output_tokens": 1}
    return _event({"type": "message_start", "message": {**_MESSAGE, "stop_reason": None, "usage": usage}})


def _anthropic_end(reason: str) -> tuple[bytes, ...]:
    return (
        _event({"type": "content_block_stop", "index": 0}),
        _event({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}),
        _event({"type": "message_stop"}),
    )


def _anthropic_tool(fragments: Sequence[str]) -> list[bytes]:
    block = {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}
    return [
        _anthropic_start(),
        _event({"type": "content_block_start", "index": 0, "content_block": block}),
        *(
            _event(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": fragment},
                }
            )
            for fragment in fragments
        ),
        *_anthropic_end("tool_use"),
    ]


ANTHROPIC = Dialect(
    "anthropic",
    "claude-sonnet-4-5",
    (
        _anthropic_start(),
        _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ),
    _anthropic_end("end_turn"),
    lambda text: _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
    (_event({"type": "ping"}), b": keep-alive\n\n"),
    _anthropic_error,
    lambda message: json.dumps({"type": "error", "error": {"type": "api_error", "message": message}}).encode(),
    _anthropic_body,
    _anthropic_tool,
)

DIALECTS = (OPENAI, ANTHROPIC)
