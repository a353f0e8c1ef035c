"""UI message chunks of the AI SDK: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol (`useChat` reads them).

What the protocol has no chunk for (audio, provider's own events) comes as ``data-`` chunks, which it hands to the
application.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from exllm.errors import ExLLMError
from exllm.sse.writer import OpenCalls, error_words, said
from exllm.types.chunks import (
    AudioDelta,
    CitationDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
)
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent, ToolFinished, ToolProgress, TurnFinished, TurnStarted

_REASONS = {"content_filter": "content-filter", "tool_calls": "tool-calls", "refusal": "content-filter"}


class VercelWriter:
    """Implements `SSEWriter`. Of several choices it tells the first."""

    headers: Mapping[str, str] = MappingProxyType({"x-vercel-ai-ui-message-stream": "v1"})

    def __init__(self) -> None:
        self._is_begun = False
        self._is_step = False
        self._open: tuple[str, str] | None = None  # kind and id of the part that grows
        self._parts = 0
        self._key: tuple[str, Any] | None = None
        self._secrets: dict[str, str] = {}
        self._calls = OpenCalls()
        self._told: set[str] = set()
        self._sources = 0

    def event(self, event: RunEvent) -> Iterable[bytes]:
        """See `SSEWriter.event`."""
        if event.index:
            return
        match event:
            case StreamStart(id=id):
                yield from self._begin(id)
            case TextDelta(text=text, part=part):
                yield from self._part("text", part)
                yield self._delta("text", text)
            case RefusalDelta(refusal=refusal):
                yield from self._part("text", "refusal")
                yield self._delta("text", refusal)
            case ReasoningDelta(reasoning=reasoning, part=part):
                yield from self._part("reasoning", part)
                for name in ("signature", "redacted", "id"):
                    if secret := getattr(event, name):  # signatures may come in pieces
                        self._secrets[name] = (self._secrets.get(name, "") if name == "signature" else "") + secret
                if reasoning:
                    yield self._delta("reasoning", reasoning)
            case ToolCallDelta():
                yield from self._call(event)
            case CitationDelta(citation=citation):
                self._sources += 1
                source = {"sourceId": f"source-{self._sources}", "title": citation.title or ""}
                yield from self._begin()
                if citation.url:
                    yield said({"type": "source-url", "url": citation.url, **source})
                else:
                    yield said({"type": "source-document", "mediaType": "text/plain", **source})
            case ImageDelta(data=data, url=url, media_type=media_type):
                kind = media_type or "image/png"
                address = url or f"data:{kind};base64,{b64encode(data or b'').decode()}"
                yield from self._begin()
                yield said({"type": "file", "url": address, "mediaType": kind})
            case AudioDelta() | ProviderEvent():
                yield from self._begin()
                tag = str(event.__struct_config__.tag)
                yield said({"type": f"data-{tag.replace('_', '-')}", "data": event, "transient": True})
            case TurnStarted():
                yield from self._begin()
            case ToolProgress(call=call):
                yield from self._begin()
                yield said({"type": "data-tool-progress", "data": event, "transient": True, "id": call.id})
            case ToolFinished(call=call, result=result):
                yield from self._end_answer()
                yield from self._result(call, result)
            case TurnFinished():
                yield from self._end_step()

    def close(self, response: Response, run: Run | None) -> Iterable[bytes]:
        """See `SSEWriter.close`."""
        if not self._is_begun:
            yield from self._begin()
        yield from self._end_step()
        reason = "tool-calls" if run is not None and run.pending else response.finish_reason or "other"
        usage = response.usage if run is None else run.usage
        metadata = {"usage": usage, "model": response.model}
        yield said({"type": "finish", "finishReason": _REASONS.get(reason, reason), "messageMetadata": metadata})
        yield said(b"[DONE]")

    def fail(self, error: ExLLMError) -> Iterable[bytes]:
        """See `SSEWriter.fail`."""
        if not self._is_begun:
            yield from self._begin()
        yield said({"type": "error", "errorText": error_words(error)})
        yield said(b"[DONE]")

    def _begin(self, id: str | None = None) -> Iterable[bytes]:
        """The message has begun, and a step of it: an answer, with the results of its calls."""
        if not self._is_begun:
            self._is_begun = True
            yield said({"type": "start", "messageId": id} if id else {"type": "start"})
        if not self._is_step:
            self._is_step = True
            yield said({"type": "start-step"})

    def _part(self, kind: str, key: Any) -> Iterable[bytes]:
        """Make the part that `key` names the one that grows."""
        if self._key == (kind, key):
            return
        yield from self._begin()
        yield from self._end_part()
        self._parts += 1
        self._key, self._open = (kind, key), (kind, f"{kind}-{self._parts}")
        yield said({"type": f"{kind}-start", "id": self._open[1]})

    def _delta(self, kind: str, delta: str) -> bytes:
        assert self._open is not None, "`_part` opens one"
        return said({"type": f"{kind}-delta", "id": self._open[1], "delta": delta})

    def _end_part(self) -> Iterable[bytes]:
        if self._open is None:
            return
        kind, id = self._open
        self._open = self._key = None
        end: dict[str, Any] = {"type": f"{kind}-end", "id": id}
        if self._secrets:
            end["providerMetadata"] = {"exllm": self._secrets}
            self._secrets = {}
        yield said(end)

    def _call(self, event: ToolCallDelta) -> Iterable[bytes]:
        yield from self._begin()
        call, is_new = self._calls.add(event)
        if is_new:
            yield from self._end_part()
            self._told.add(call.id)
            yield said(_tool({"type": "tool-input-start", "toolName": call.name}, call.id, call.provider_executed))
        if event.arguments:
            yield said(
                {"type": "tool-input-delta", "toolCallId": call.id, "inputTextDelta": event.arguments}
            )  # fmt: skip

    def _end_answer(self) -> Iterable[bytes]:
        yield from self._end_part()
        for call in self._calls.take():
            told = _input(call.id, call.name, call.arguments, call.provider_executed)
            if call.signature is not None:
                told["providerMetadata"] = {"exllm": {"signature": call.signature}}
            yield said(told)

    def _end_step(self) -> Iterable[bytes]:
        yield from self._end_answer()
        if self._is_step:
            self._is_step = False
            yield said({"type": "finish-step"})

    def _result(self, call: ToolCall, result: ToolResult) -> Iterable[bytes]:
        yield from self._begin()
        if call.id not in self._told:  # it was given another id than the provider's
            self._told.add(call.id)
            yield said(_tool({"type": "tool-input-start", "toolName": call.name}, call.id, False))
            yield said(_input(call.id, call.name, call.arguments, False))
        if result.is_error:
            yield said({"type": "tool-output-error", "toolCallId": call.id, "errorText": _text(result)})
        else:
            yield said({"type": "tool-output-available", "toolCallId": call.id, "output": _output(result)})


def _tool(chunk: dict[str, Any], id: str, provider_executed: bool) -> dict[str, Any]:
    executed = {"providerExecuted": True} if provider_executed else {}
    # Dynamic: the client need not know the tools' types.
    return {**chunk, "toolCallId": id, "dynamic": True, **executed}


def _input(id: str, name: str, arguments: str, provider_executed: bool) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(arguments) if arguments.strip() else {}
    except msgspec.DecodeError:
        wrong = {"type": "tool-input-error", "toolName": name, "input": arguments, "errorText": "the input is not JSON"}
        return _tool(wrong, id, provider_executed)
    return _tool({"type": "tool-input-available", "toolName": name, "input": told}, id, provider_executed)


def _text(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    return "".join(getattr(part, "text", "") for part in result.content)


def _output(result: ToolResult) -> Any:
    if not isinstance(result.content, str):
        return result.content
    try:
        return msgspec.json.decode(result.content)
    except msgspec.DecodeError:
        return result.content
