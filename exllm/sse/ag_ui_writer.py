"""Events of the Agent User Interaction Protocol: https://docs.ag-ui.com/concepts/events.

Citations, images and audio come as ``CUSTOM`` events, the provider's own as ``RAW`` ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from exllm.errors import ExLLMError
from exllm.sse.writer import NO_HEADERS, OpenCalls, error_words, said
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
from exllm.types.usage import Usage


class AGUIWriter:
    """Implements `SSEWriter`. Of several choices it tells the first.

    Args:
        thread_id, run_id: of the client's request; made up where not given.
    """

    headers: Mapping[str, str] = NO_HEADERS

    def __init__(self, *, thread_id: str | None = None, run_id: str | None = None) -> None:
        self._run = {
            "threadId": thread_id or f"thread-{secrets.token_hex(8)}",
            "runId": run_id or f"run-{secrets.token_hex(8)}",
        }
        self._is_begun = False
        self._message = ""  # the id of the answer's message
        self._messages = 0
        self._open: tuple[str, str] | None = None  # kind and id of the message that grows
        self._key: tuple[str, Any] | None = None
        self._secret = ""  # of the thoughts that grow
        self._calls = OpenCalls()
        self._parent = ""  # the id of the message that the answer's calls belong to
        self._told: set[str] = set()

    def event(self, event: RunEvent) -> Iterable[bytes]:
        """See `SSEWriter.event`."""
        if event.index:
            return
        yield from self._begin()
        match event:
            case StreamStart(id=id):
                self._message = id or ""
            case TextDelta(text=text, part=part):
                yield from self._part("text", part)
                if text:  # the protocol has no empty pieces
                    yield self._delta("TEXT_MESSAGE_CONTENT", text)
            case RefusalDelta(refusal=refusal):
                yield from self._part("text", "refusal")
                if refusal:
                    yield self._delta("TEXT_MESSAGE_CONTENT", refusal)
            case ReasoningDelta():
                yield from self._reasoning(event)
            case ToolCallDelta():
                yield from self._call(event)
            case CitationDelta() | ImageDelta() | AudioDelta() | ToolProgress():
                yield _event("CUSTOM", name=f"exllm.{event.__struct_config__.tag}", value=event)
            case ProviderEvent(event=name, data=data, provider=provider):
                yield _event("RAW", event={"event": name, "data": data}, source=provider)
            case TurnStarted(turn=turn):
                yield _event("STEP_STARTED", stepName=f"turn {turn}")
            case ToolFinished(call=call, result=result):
                yield from self._end_answer()
                yield from self._result(call, result)
            case TurnFinished(turn=turn):
                yield from self._end_answer()
                yield _event("STEP_FINISHED", stepName=f"turn {turn}")

    def close(self, response: Response, run: Run | None) -> Iterable[bytes]:
        """See `SSEWriter.close`."""
        yield from self._begin()
        yield from self._end_answer()
        usage = response.usage if run is None else run.usage
        waiting = [call.id for call in response.tool_calls] if run is None else [one.call.id for one in run.pending]
        outcome: dict[str, Any] = {"type": "success"}
        if waiting:
            outcome["pendingToolCallIds"] = waiting
        yield _event("RUN_FINISHED", **self._run, outcome=outcome, usage=[_usage(usage, response)])

    def fail(self, error: ExLLMError) -> Iterable[bytes]:
        """See `SSEWriter.fail`."""
        yield from self._begin()
        yield _event("RUN_ERROR", message=error_words(error), code=type(error).__name__)

    def _begin(self) -> Iterable[bytes]:
        if not self._is_begun:
            self._is_begun = True
            yield _event("RUN_STARTED", **self._run)

    def _part(self, kind: str, key: Any) -> Iterable[bytes]:
        if self._key == (kind, key):
            return
        yield from self._end_part()
        id = self._new_id()
        self._key, self._open = (kind, key), (kind, id)
        if kind == "text":
            self._parent = id
            yield _event("TEXT_MESSAGE_START", messageId=id, role="assistant")
        else:
            yield _event("REASONING_START", messageId=id)
            yield _event("REASONING_MESSAGE_START", messageId=id, role="reasoning")

    def _new_id(self) -> str:
        self._messages += 1
        return f"{self._message or self._run['runId']}-{self._messages}"

    def _delta(self, kind: str, delta: str) -> bytes:
        assert self._open is not None, "`_part` opens one"
        return _event(kind, messageId=self._open[1], delta=delta)

    def _end_part(self) -> Iterable[bytes]:
        if self._open is None:
            return
        kind, id = self._open
        self._open = self._key = None
        if kind == "text":
            yield _event("TEXT_MESSAGE_END", messageId=id)
        else:
            if self._secret:
                yield _event("REASONING_ENCRYPTED_VALUE", subtype="message", entityId=id, encryptedValue=self._secret)
                self._secret = ""
            yield _event("REASONING_MESSAGE_END", messageId=id)
            yield _event("REASONING_END", messageId=id)

    def _reasoning(self, event: ReasoningDelta) -> Iterable[bytes]:
        yield from self._part("reasoning", event.part)
        if event.reasoning:
            yield self._delta("REASONING_MESSAGE_CONTENT", event.reasoning)
        self._secret += event.signature or event.redacted or ""  # signatures may come in pieces

    def _call(self, event: ToolCallDelta) -> Iterable[bytes]:
        call, is_new = self._calls.add(event)
        if is_new:
            yield from self._end_part()
            self._parent = self._parent or self._new_id()  # all calls of an answer are in one message
            yield from self._begin_call(call.id, call.name, self._parent)
        if event.arguments:
            yield _event("TOOL_CALL_ARGS", toolCallId=call.id, delta=event.arguments)

    def _begin_call(self, id: str, name: str, parent: str | None) -> Iterable[bytes]:
        self._told.add(id)
        of = {} if parent is None else {"parentMessageId": parent}
        yield _event("TOOL_CALL_START", toolCallId=id, toolCallName=name, **of)

    def _end_answer(self) -> Iterable[bytes]:
        yield from self._end_part()
        self._parent = ""
        for call in self._calls.take():
            if call.signature is not None:
                yield _event(
                    "REASONING_ENCRYPTED_VALUE", subtype="tool-call", entityId=call.id, encryptedValue=call.signature
                )  # fmt: skip
            yield _event("TOOL_CALL_END", toolCallId=call.id)

    def _result(self, call: ToolCall, result: ToolResult) -> Iterable[bytes]:
        if call.id not in self._told:  # it was given another id than the provider's
            yield from self._begin_call(call.id, call.name, None)
            yield _event("TOOL_CALL_ARGS", toolCallId=call.id, delta=call.arguments or "{}")
            yield _event("TOOL_CALL_END", toolCallId=call.id)
        self._messages += 1
        content = result.content
        text = content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content)
        id = f"{self._run['runId']}-{self._messages}"
        yield _event("TOOL_CALL_RESULT", messageId=id, toolCallId=call.id, content=text, role="tool")


def _event(kind: str, **fields: Any) -> bytes:
    return said({"type": kind, **fields})


def _usage(usage: Usage, response: Response) -> dict[str, Any]:
    told = {
        "provider": response.provider or None,
        "model": response.model or None,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    return {name: value for name, value in told.items() if value is not None}
