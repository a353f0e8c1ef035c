"""Chunks of OpenAI's Chat Completions: https://platform.openai.com/docs/api-reference/chat-streaming.

Reasoning travels as `reasoning_content`, the name that DeepSeek gave it and most clients know; images as OpenRouter has
them. In a run the calls that were made on the server are not told: the client would make them again. Those that wait
for the client are, at the end. There is no place for signatures, nor for the provider's own events and calls.
"""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from exllm.errors import ExLLMError
from exllm.sse.writer import NO_HEADERS, error_words, said
from exllm.types.chunks import (
    AudioDelta,
    CitationDelta,
    Finish,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent, TurnStarted
from exllm.types.usage import Usage

_REASONS = {"refusal": "stop", "error": "stop"}


class OpenAIWriter:
    """Implements `SSEWriter`."""

    headers: Mapping[str, str] = NO_HEADERS

    def __init__(self) -> None:
        self._head: dict[str, Any] = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": "",
        }
        self._is_run = False
        self._begun: set[int] = set()
        self._calls: dict[tuple[int, int], int] = {}

    def event(self, event: RunEvent) -> Iterable[bytes]:
        """See `SSEWriter.event`."""
        match event:
            case StreamStart(id=id, model=model, created=created):
                told = {"id": id, "model": model, "created": created}
                if not self._begun:  # one message has one head, also where a run has several answers
                    self._head.update({name: value for name, value in told.items() if value})
                return []
            case TextDelta(text=text, logprobs=logprobs):
                more = {} if logprobs is None else {"logprobs": {"content": _logprobs(logprobs), "refusal": None}}
                return self._delta(event.index, {"content": text}, **more)
            case ReasoningDelta(reasoning=reasoning) if reasoning:
                return self._delta(event.index, {"reasoning_content": reasoning})
            case RefusalDelta(refusal=refusal, logprobs=logprobs):
                more = {} if logprobs is None else {"logprobs": {"content": None, "refusal": _logprobs(logprobs)}}
                return self._delta(event.index, {"refusal": refusal}, **more)
            case ToolCallDelta():
                return [] if self._is_run or event.provider_executed else self._call(event)
            case AudioDelta():
                return self._delta(event.index, {"audio": _audio(event)})
            case ImageDelta():
                return self._delta(event.index, {"images": [_image(event)]})
            case CitationDelta():
                return self._delta(event.index, {"annotations": [_annotation(event)]})
            case Finish(reason=reason) if not self._is_run:
                return self._delta(event.index, {}, finish_reason=_REASONS.get(reason, reason))
            case TurnStarted():
                self._is_run = True
        return []

    def close(self, response: Response, run: Run | None) -> Iterable[bytes]:
        """See `SSEWriter.close`."""
        usage = response.usage
        if run is not None:
            usage = run.usage
            for place, pending in enumerate(run.pending):
                yield from self._call(
                    ToolCallDelta(place, pending.call.id, pending.call.name, pending.call.arguments)
                )  # fmt: skip
            reason = "tool_calls" if run.pending else response.finish_reason or "stop"
            yield from self._delta(0, {}, finish_reason=_REASONS.get(reason, reason))
        if usage.input_tokens is not None or usage.output_tokens is not None:
            yield said({**self._head, "choices": [], "usage": _usage(usage)})
        yield said(b"[DONE]")

    def fail(self, error: ExLLMError) -> Iterable[bytes]:
        """See `SSEWriter.fail`."""
        return [said({"error": {"message": error_words(error), "type": type(error).__name__, "code": error.code}})]

    def _delta(self, index: int, delta: dict[str, Any], **more: Any) -> list[bytes]:
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", **delta}
        choice = {"index": index, "delta": delta, "finish_reason": None, **more}
        return [said({**self._head, "choices": [choice]})]

    def _call(self, delta: ToolCallDelta) -> list[bytes]:
        place = (delta.index, delta.call)
        number = self._calls.get(place)
        piece: dict[str, Any] = {"function": {"arguments": delta.arguments}}
        if number is None:
            number = self._calls[place] = sum(index == delta.index for index, _call in self._calls)
            id = delta.id or f"call_{delta.index}_{delta.call}"
            piece = {"id": id, "type": "function", "function": {"name": delta.name, "arguments": delta.arguments}}
        return self._delta(delta.index, {"tool_calls": [{"index": number, **piece}]})


def _logprobs(logprobs: tuple[TokenLogprob, ...]) -> list[dict[str, Any]]:
    return [
        {
            "token": token.token,
            "logprob": token.logprob,
            "bytes": None if token.bytes is None else list(token.bytes),
            "top_logprobs": [
                {"token": top.token, "logprob": top.logprob, "bytes": None if top.bytes is None else list(top.bytes)}
                for top in token.top
            ],
        }
        for token in logprobs
    ]


def _audio(delta: AudioDelta) -> dict[str, Any]:
    audio: dict[str, Any] = {"data": b64encode(delta.data).decode(), "transcript": delta.transcript}
    told = {"id": delta.id, "expires_at": delta.expires_at}
    return {name: value for name, value in {**told, **audio}.items() if value}


def _image(delta: ImageDelta) -> dict[str, Any]:
    url = delta.url
    if url is None:
        url = f"data:{delta.media_type or 'image/png'};base64,{b64encode(delta.data or b'').decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _annotation(delta: CitationDelta) -> dict[str, Any]:
    citation = delta.citation
    cited = {
        "url": citation.url or "",
        "title": citation.title or "",
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }
    return {"type": "url_citation", "url_citation": cited}


def _usage(usage: Usage) -> dict[str, Any]:
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    details = {"cached_tokens": usage.cached_input_tokens, "audio_tokens": usage.audio_input_tokens}
    of_answer = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.audio_output_tokens}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": usage.total_tokens or prompt + completion,
        "prompt_tokens_details": {name: count for name, count in details.items() if count is not None},
        "completion_tokens_details": {name: count for name, count in of_answer.items() if count is not None},
    }
