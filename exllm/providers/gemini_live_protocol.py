"""One session of Gemini Live: the Live API of the Gemini API and of Vertex AI.

Messages are JSON objects with one field that says what they are, in text frames from us and in binary ones from the
service. A session is resumed by the last handle that the service gave; what was said after it is told again.
Sources: https://ai.google.dev/api/live, https://ai.google.dev/gemini-api/docs/live-session,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/live-api
"""

from __future__ import annotations

import base64
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from exllm.errors import ConfigurationError, InvalidRequest, UnsupportedOption
from exllm.providers.gemini_contents import Contents
from exllm.providers.gemini_live_decode import MessageReader
from exllm.providers.gemini_live_memory import Content
from exllm.providers.gemini_live_results import function_response, how_fields
from exllm.providers.gemini_live_resumption import Resumption
from exllm.providers.gemini_live_setup import setup_of, system_instruction
from exllm.providers.gemini_models import model_facts
from exllm.providers.live_checks import address_of, encoded
from exllm.providers.live_close import end_of
from exllm.providers.live_wire import LiveAddress, LiveEnd
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.live_events import (
    LiveEvent,
    SessionStarted,
    ToolCallCancelled,
)
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from exllm.types.tool import ServerTool

_CHANGEABLE = frozenset({"instructions", "tools", "non_blocking_tools"})
_ALPHA = "v1alpha"


class GeminiLiveProtocol:
    """See `LiveProtocol`."""

    _remembers = True

    def __init__(self, settings: LiveSettings, spec: ProviderSpec) -> None:
        self.ready = False
        self.warnings: list[str] = []
        self._settings = settings
        self._spec = spec
        self._facts = model_facts(settings.model)
        history, self._told_before = self._history_of(settings)
        self._setup = self._set_up(settings)
        if "{" in self._setup["model"]:
            raise ConfigurationError(
                f"{spec.label} wants the whole name of the model: {self._setup['model']}", provider=spec.name
            )
        self._resumption = Resumption(settings.resumption_handle, history, remembers=self._remembers)
        self._memory = self._resumption.memory
        self._has_connected = False
        self._to_say: list[str | bytes] = []
        self._to_tell: list[LiveEvent] = []
        self._is_active = False  # the user speaks, and has not finished (manual turn detection)
        self._reader = MessageReader(spec, settings.model, keeps_text=_may_cite(settings))

    @property
    def resumes_by(self) -> Literal["handle", "replay", "new"]:
        """See `LiveProtocol`."""
        return self._resumption.by

    # -- the connection

    def address(self) -> LiveAddress:
        """See `LiveProtocol`. What is only there in ``v1alpha`` goes there."""
        endpoint = self._settings.endpoint
        config = self._setup.get("generationConfig") or {}
        needs_alpha = "proactivity" in self._setup or "enableAffectiveDialog" in config
        if endpoint is None and needs_alpha and _ALPHA in self._spec.live.paths:
            endpoint = _ALPHA
        return address_of(self._settings, self._spec, endpoint)

    def connect(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self.ready = False
        if self._has_connected:
            lost = self._reader.lose_turn()
            if lost:
                self._to_tell.append(ToolCallCancelled(lost))
        self._has_connected = True
        setup = self._resumption.set_up(self._setup, resumable=self._settings.resumable)
        return [encoded({"setup": setup}, self._spec)]

    def closed(self, code: int, reason: str) -> LiveEnd:
        """See `LiveProtocol`."""
        was_ready, self.ready = self.ready, False
        return end_of(code, reason, provider=self._spec.name, model=self._settings.model, was_ready=was_ready)

    def receive(self, frame: Frame) -> list[LiveEvent]:
        """See `LiveProtocol`."""
        events = self._reader.read(frame.data)
        if not self.ready:
            events = [self._started(event) if isinstance(event, SessionStarted) else event for event in events]
        self._resumption.note(events)
        if self._to_tell:
            events, self._to_tell = self._to_tell + events, []
        return events

    def replies(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if not self._to_say:
            return []
        said, self._to_say = self._to_say, []
        return said

    # -- what the user says

    def turn(self, messages: Sequence[Message], *, complete: bool) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if not messages:
            return self.respond() if complete else []
        contents = Contents(self._spec, self._facts)
        contents.add(messages)
        if contents.system is not None:
            raise InvalidRequest(
                "a system message has no place in a running session of Gemini; use update() with other instructions",
                provider=self._spec.name,
            )
        self._warn(contents.warnings)
        return [self._content(contents.contents, complete=complete)]

    def realtime_text(self, text: str) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._memory.sent([{"parts": [{"text": text}], "role": "user"}], len(text), complete=True)
        return [self._realtime({"text": text})]

    def audio(self, pcm: bytes, rate_hz: int) -> list[str | bytes]:
        """See `LiveProtocol`."""
        data = b2a_base64(pcm, newline=False).decode("ascii")
        return [f'{{"realtimeInput":{{"audio":{{"mimeType":"audio/pcm;rate={rate_hz}","data":"{data}"}}}}}}']

    def audio_end(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        return [self._realtime({"audioStreamEnd": True})]

    def video(self, data: bytes, media_type: str) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if not media_type.startswith("image/"):
            raise InvalidRequest(
                f"video is sent frame by frame, each an image such as image/jpeg; got {media_type!r}",
                provider=self._spec.name,
            )
        return [self._realtime({"video": {"mimeType": media_type, "data": base64.b64encode(data).decode("ascii")}})]

    def activity_start(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        said = self._activity("activityStart")
        self._is_active = True
        return [said]

    def activity_end(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        said = self._activity("activityEnd")
        self._is_active = False
        return [said]

    # -- tools, turns, settings

    def tool_results(self, results: Sequence[ToolResult], **how: Any) -> list[str | bytes]:
        """See `LiveProtocol`.

        Args:
            scheduling: for a tool that the model does not wait for, when it is to speak of the result:
                ``"interrupt"`` at once, ``"when_idle"`` after what it says now, ``"silent"`` not of its own accord.
            will_continue: more results of the same calls follow.

        Source: https://ai.google.dev/gemini-api/docs/live-tools#async-function-calling
        """
        fields = how_fields(how, self._spec)
        responses = [{**response, **fields} for result in results if (response := self._response(result))]
        if not responses:
            return []
        if not fields.get("willContinue"):
            for result in results:
                self._reader.calls.waiting.pop(result.call_id, None)
        return [encoded({"toolResponse": {"functionResponses": responses}}, self._spec)]

    def interrupt(self, played_ms: int | None) -> list[str | bytes]:
        """See `LiveProtocol`. The service knows nothing of playing; content interrupts it, empty content too."""
        self.give_up()  # the connection may break before the service has heard of it
        if not self._reader.is_answering or self._reader.was_interrupted:
            return []
        return [encoded({"clientContent": {"turnComplete": False}}, self._spec)]

    def give_up(self) -> None:
        """See `LiveProtocol`."""
        self._memory.give_up()

    def respond(self, **how: Any) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if how:
            raise UnsupportedOption(
                f"Gemini answers with the session's settings; it takes no {', '.join(sorted(how))} for one answer",
                provider=self._spec.name,
            )
        self._memory.asked()
        return [encoded({"clientContent": {"turnComplete": True}}, self._spec)]

    def update(self, settings: LiveSettings) -> list[str | bytes]:
        """See `LiveProtocol`. Instructions and tools can be changed, anything else stays as it was set up.

        Source: google-genai, `LiveClientContextUpdate`.
        """
        changed = [
            name for name in LiveSettings.__struct_fields__ if getattr(settings, name) != getattr(self._settings, name)
        ]
        fixed = [name for name in changed if name not in _CHANGEABLE]
        if fixed:
            raise UnsupportedOption(
                f"a running session of Gemini takes other instructions and tools, but no other {', '.join(fixed)}; "
                f"open a new one",
                provider=self._spec.name,
            )
        setup = self._set_up(settings)
        update: dict[str, Any] = {}
        if "instructions" in changed:
            update["systemInstruction"] = setup.get("systemInstruction") or system_instruction("")
        if "tools" in changed or "non_blocking_tools" in changed:
            update["tools"] = {"tools": setup.get("tools") or []}
            self._reader.keeps_text = _may_cite(settings)
        self._settings, self._setup = settings, setup
        return [encoded({"contextUpdate": update}, self._spec)] if update else []

    def raw(self, message: dict[str, Any]) -> list[str | bytes]:
        """See `LiveProtocol`."""
        return [encoded(message, self._spec)]

    # -- messages

    def _content(self, turns: list[Content], *, complete: bool) -> str:
        message = encoded({"clientContent": {"turns": turns, "turnComplete": complete}}, self._spec)
        self._memory.sent(turns, len(message), complete=complete)
        return message

    def _realtime(self, fields: dict[str, Any]) -> str:
        return encoded({"realtimeInput": fields}, self._spec)

    def _activity(self, name: str) -> str:
        detection = self._settings.turn_detection
        if detection is None or detection.kind != "manual":
            raise InvalidRequest(
                "the service listens for activity by itself; with turn_detection=TurnDetection(kind='manual') you say "
                "when it begins and ends",
                provider=self._spec.name,
            )
        return self._realtime({name: {}})

    def _response(self, result: ToolResult) -> dict[str, Any] | None:
        name = self._reader.calls.waiting.get(result.call_id) or result.name
        if name is None or result.call_id in self._reader.calls.void:
            self._warn([f"nobody waits for the result of the call {result.call_id!r} any more; it was not sent"])
            return None
        return function_response(result, name, self._spec, self._facts, self.warnings)

    def _set_up(self, settings: LiveSettings) -> dict[str, Any]:
        """The setup, with the instructions of the history behind those of `settings`."""
        warnings: list[str] = []
        setup = setup_of(settings, self._spec, warnings)
        if self._told_before:
            ours = setup.get("systemInstruction") or {"parts": [], "role": "user"}
            setup["systemInstruction"] = {**ours, "parts": [*(ours.get("parts") or ()), *self._told_before]}
        self._warn(warnings)
        return setup

    def _history_of(self, settings: LiveSettings) -> tuple[list[Content], list[dict[str, Any]]]:
        """The turns of the history, and the parts of its instructions."""
        if not settings.history:
            return [], []
        contents = Contents(self._spec, self._facts)
        contents.add(settings.history)
        self._warn(contents.warnings)
        return contents.contents, contents.system["parts"] if contents.system is not None else []

    def _warn(self, warnings: Sequence[str]) -> None:
        self.warnings += [words for words in warnings if words not in self.warnings]

    def _started(self, event: SessionStarted) -> SessionStarted:
        """The session may be used: say what it does not know."""
        self.ready = True
        for content in self._resumption.told_first(self._setup):
            self._to_say.append(encoded({"clientContent": content}, self._spec))
        if self._memory.has_forgotten:
            self._warn(["the conversation since the last handle is long; its beginning was not told again"])
        if self._is_active:  # it began over the last connection
            self._to_say.append(self._activity("activityStart"))
        return msgspec.structs.replace(event, resumed=True) if self._resumption.handle is not None else event


def _may_cite(settings: LiveSettings) -> bool:
    """Whether a tool of Gemini's own may give sources for what it says."""
    return any(isinstance(tool, ServerTool) for tool in settings.tools) or "tools" in settings.extra
