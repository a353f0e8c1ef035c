"""Events of the Realtime API that say what the model does: responses, their items, texts and calls.

What a response holds comes with `TurnStarted` and before `TurnComplete` as a `ProviderEvent`, too: its metadata and
counts of tokens in more detail.
Source: https://developers.openai.com/api/reference/resources/realtime/server-events; what xAI sends besides,
https://docs.x.ai/docs/guides/voice/agent.
"""

from __future__ import annotations

from typing import Literal

from exllm.providers.openai_realtime_errors import error_for
from exllm.providers.openai_realtime_events import Fields, Reader, count, list_in, object_in, passed_on, text
from exllm.providers.openai_realtime_memory import Conversation
from exllm.providers.openai_realtime_pieces import OpenTexts
from exllm.providers.openai_realtime_speech import Speech
from exllm.providers.openai_realtime_turns import Turns
from exllm.providers.openai_realtime_usage import usage_of
from exllm.types.live_events import (
    LiveEvent,
    OutputTranscript,
    RemoteError,
    TextOut,
    ToolCall,
    TurnComplete,
    TurnStarted,
)


class AnswerReader:
    """Reads the responses of one session.

    Attributes:
        readers: by the event's name.
        approvals: requests of MCP servers that wait for an answer.
    """

    def __init__(
        self, provider: str, conversation: Conversation, turns: Turns, texts: OpenTexts, speech: Speech
    ) -> None:
        self.approvals: set[str] = set()
        self._provider = provider
        self._conversation = conversation
        self._turns = turns
        self._texts = texts
        self._speech = speech
        self._functions: dict[str, tuple[str, str]] = {}  # item -> call id, name
        self._called: set[str] = set()
        self.readers: dict[str, Reader] = {
            "response.created": self._created,
            "response.done": self._done,
            "response.output_item.added": self._item_begun,
            "response.output_item.done": self._item_done,
            "response.function_call_arguments.done": self._arguments_done,
            "response.output_text.done": self._text_done,
            "response.output_audio_transcript.done": self._transcript_done,
            "output_audio_buffer.started": self._plays,
            "output_audio_buffer.stopped": self._is_silent,
            "output_audio_buffer.cleared": self._is_silent,
        }

    def lose(self) -> None:
        """The connection is gone, and the response with it."""
        self._functions.clear()
        self._called.clear()

    # -- a response

    def _created(self, fields: Fields) -> list[LiveEvent]:
        response = object_in(fields, "response")
        id_ = text(response, "id")
        is_beside = bool(id_) and self._turns.is_beside(response)
        if is_beside:
            self._turns.beside.add(id_)
        else:
            self._turns.began(id_)
            self._conversation.is_resuming = False
            self._speech.end()
        return [TurnStarted(id_, is_beside), passed_on(fields, self._provider)]

    def _done(self, fields: Fields) -> list[LiveEvent]:
        response = object_in(fields, "response")
        id_ = text(response, "id")
        items = list_in(response, "output")
        if id_ in self._turns.beside:
            self._turns.beside.discard(id_)
        else:
            for item in items:
                if isinstance(item, dict):
                    self._conversation.put(item)
            self._turns.ended(id_)
        if not self._turns.active and not self._turns.beside:
            self._functions.clear()
            self._called.clear()
        return [passed_on(fields, self._provider), *self._end(fields, response, id_)]

    def _end(self, fields: Fields, response: Fields, id_: str) -> list[LiveEvent]:
        word = text(response, "status")
        details = response.get("status_details")
        details = details if isinstance(details, dict) else {}  # xAI: "unimplemented"
        reason = text(details, "reason")
        events: list[LiveEvent] = []
        if word == "failed":
            failure = object_in(details, "error")
            code, kind = text(failure, "code"), text(failure, "type")
            message = text(failure, "message") or "the response failed"
            error = error_for(code, kind, message, provider=self._provider, model="")
            events.append(RemoteError(error.message, code or kind, kind=kind))
            reason = code or kind or reason
        counts = usage_of(object_in(response, "usage") or object_in(fields, "usage"))  # xAI has them outside
        events.append(TurnComplete(counts, _status(word, reason), reason or word, id_))
        return events

    # -- what it is made of

    def _item_begun(self, fields: Fields) -> list[LiveEvent]:
        item = self._item(fields)
        if item.get("type") == "function_call":
            self._functions[text(item, "id")] = (text(item, "call_id"), text(item, "name"))
        return [passed_on(fields, self._provider)]

    def _item_done(self, fields: Fields) -> list[LiveEvent]:
        item = self._item(fields)
        events: list[LiveEvent] = []
        if item.get("type") == "function_call" and item.get("status") != "incomplete":
            call = text(item, "call_id"), text(item, "name"), text(item, "arguments")
            events += self._call(*call, text(fields, "response_id"))
        elif item.get("type") == "mcp_approval_request":
            self.approvals.add(text(item, "id"))
        return [*events, passed_on(fields, self._provider)]

    def _item(self, fields: Fields) -> Fields:
        item = object_in(fields, "item")
        if text(fields, "response_id") not in self._turns.beside:
            self._conversation.put(item)
        return item

    def _arguments_done(self, fields: Fields) -> list[LiveEvent]:
        known_id, known_name = self._functions.get(text(fields, "item_id"), ("", ""))
        name = text(fields, "name") or known_name
        if not name:  # it comes with the item
            return [passed_on(fields, self._provider)]
        id_, arguments, response = (
            text(fields, "call_id") or known_id,
            text(fields, "arguments"),
            text(fields, "response_id"),
        )
        if response not in self._turns.beside:  # it may be answered, or the connection lost, before its item is done
            call = {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
            self._conversation.put({"id": text(fields, "item_id"), **call})
        called = self._call(id_, name, arguments, response)
        return called or [passed_on(fields, self._provider)]

    def _call(self, call_id: str, name: str, arguments: str, response: str) -> list[LiveEvent]:
        """The call, once."""
        if call_id in self._called:
            return []
        self._called.add(call_id)
        turns = self._turns
        (turns.beside_calls if response in turns.beside else turns.calls).add(call_id)
        return [ToolCall(call_id, name, arguments, response)]

    def _text_done(self, fields: Fields) -> list[LiveEvent]:
        rest, replaces = self._whole(fields, "text")
        told = passed_on(fields, self._provider)
        if not rest or replaces:
            return [told]
        return [TextOut(rest, text(fields, "response_id"), text(fields, "item_id")), told]

    def _transcript_done(self, fields: Fields) -> list[LiveEvent]:
        rest, replaces = self._whole(fields, "transcript")
        return [OutputTranscript(rest, True, replaces, text(fields, "response_id"), text(fields, "item_id"))]

    def _whole(self, fields: Fields, name: str) -> tuple[str, bool]:
        """What of a text its pieces did not say, see `OpenTexts.complete`."""
        item, whole = text(fields, "item_id"), text(fields, name)
        self._conversation.whole(item, whole)
        return self._texts.complete(item, count(fields, "content_index") or 0, whole)

    # -- in a call: what its other end hears

    def _plays(self, fields: Fields) -> list[LiveEvent]:
        self._turns.playing = text(fields, "response_id")
        return [passed_on(fields, self._provider)]

    def _is_silent(self, fields: Fields) -> list[LiveEvent]:
        self._turns.playing = ""
        return [passed_on(fields, self._provider)]


_Status = Literal["completed", "interrupted", "length", "content_filter", "failed"]


def _status(word: str, reason: str) -> _Status:
    match word, reason:
        case "cancelled", _:
            return "interrupted"
        case "incomplete", "content_filter":
            return "content_filter"
        case "incomplete", _:
            return "length"
        case "failed", _:
            return "failed"
    return "completed"
