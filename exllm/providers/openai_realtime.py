"""The realtime wire of OpenAI, in its general availability form: OpenAI, Azure, xAI and what speaks like them.

Messages are JSON objects with a ``type``, in text frames. There is no handle for a session: over a new connection the
conversation is told again from what is remembered of it, unless the service keeps conversations itself (xAI).
Source: https://developers.openai.com/api/docs/guides/realtime-websocket, /realtime-conversations
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers import openai_realtime_secrets
from exllm.providers.live_checks import address_of, encoded, refuse_unsupported
from exllm.providers.live_close import end_of
from exllm.providers.live_translation import KIND
from exllm.providers.live_wire import LiveAddress, LiveEnd
from exllm.providers.openai_realtime_decode import EventReader
from exllm.providers.openai_realtime_items import Item, approval_item, items_of, result_item
from exllm.providers.openai_realtime_memory import Conversation
from exllm.providers.openai_realtime_quirks import QUIRKS
from exllm.providers.openai_realtime_session import SETTINGS, rate_of, response_of
from exllm.providers.openai_realtime_settings import AskedSettings
from exllm.providers.openai_realtime_turns import Turns
from exllm.providers.openai_translation import TranslationProtocol
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent, SessionStarted
from exllm.types.live_settings import LiveSettings
from exllm.types.live_token import LiveToken
from exllm.types.message import Message
from exllm.types.parts import Image, ToolResult

_FIXED = frozenset(
    {"model", "kind", "history", "audio_format", "input_rate_hz", "output_rate_hz", "endpoint", "call_id"}
)
_LISTENING = "transcription"
_CALL = "call"


class RealtimeProtocol:
    """See `LiveProtocol`."""

    def __init__(self, settings: LiveSettings, spec: ProviderSpec) -> None:
        refuse_unsupported(settings, SETTINGS, spec)
        self.ready = False
        self.warnings: list[str] = []
        self._spec = spec
        self._quirks = spec.live.quirks
        self._keeps_conversations = "resumes_by_conversation" in self._quirks
        if settings.resumption_handle is not None and not self._keeps_conversations:
            raise UnsupportedOption(f"sessions of {spec.label} have no handles to resume them by", provider=spec.name)
        self._asked = AskedSettings(settings, spec, self.warnings)
        self._history = items_of(settings.history, spec, self._warn)
        self._rate_hz = rate_of(settings, spec, output=False)
        self._conversation = Conversation()
        self._turns = Turns()
        self._reader = EventReader(settings, spec, self._conversation, self._turns, self._refused)
        self._asked_for = settings.resumption_handle or ""
        self._has_connected = False
        self._to_say: list[str | bytes] = []

    @property
    def _settings(self) -> LiveSettings:
        return self._asked.now

    @property
    def resumes_by(self) -> Literal["handle", "replay", "new"]:
        """See `LiveProtocol`."""
        if self._settings.kind == _LISTENING:
            return "new"  # what was said before does not matter
        if self._settings.call_id is not None and self._has_connected:
            return "handle"  # the call goes on meanwhile
        if self._keeps_conversations and self._settings.resumable and self._known_conversation():
            return "handle"
        return "replay" if self._conversation or self._history else "new"

    # -- the connection

    def address(self) -> LiveAddress:
        """See `LiveProtocol`."""
        endpoint = self._settings.endpoint
        if endpoint is None and self._settings.kind == _LISTENING:
            endpoint = _LISTENING
        if endpoint is None and self._settings.call_id is not None:
            endpoint = _CALL
        address = address_of(self._settings, self._spec, endpoint)
        asked = self._known_conversation() if self.resumes_by == "handle" and self._keeps_conversations else ""
        if not asked:
            return address
        mark = "&" if "?" in address.path else "?"
        return LiveAddress(f"{address.path}{mark}conversation_id={quote(asked, safe='')}")

    def connect(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self.ready = False
        self._to_say.clear()  # it is remembered
        is_kept = self.resumes_by == "handle"
        self._asked_for = self._known_conversation() if is_kept and self._keeps_conversations else ""
        self._reader.conversation_id = ""
        if self._has_connected:
            self._turns.lost(goes_on=self._settings.call_id is not None)
            self._reader.lose_turn()
            self._conversation.is_resuming = is_kept
        return [self._event("session.update", session=self._asked.session)]

    def closed(self, code: int, reason: str) -> LiveEnd:
        """See `LiveProtocol`."""
        was_ready, self.ready = self.ready, False
        return end_of(code, reason, provider=self._spec.name, model=self._settings.model, was_ready=was_ready)

    def receive(self, frame: Frame) -> list[LiveEvent]:
        """See `LiveProtocol`."""
        events = self._reader.read(frame.data)
        if not self.ready and self._reader.is_configured:
            self.ready = True
            is_resumed = self._is_resumed()
            self._tell(is_resumed)
            events = [
                msgspec.structs.replace(event, resumed=is_resumed) if isinstance(event, SessionStarted) else event
                for event in events
            ]
        return events

    def replies(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if not self.ready:
            return []
        said, self._to_say = self._to_say, []
        return said + self._response()

    def _tell(self, is_resumed: bool) -> None:
        """Say what the service does not know: the history at first, all of the conversation after."""
        if not self._has_connected and not is_resumed:
            items = self._history
            for item in items:
                self._conversation.sent(item)
        else:
            if not is_resumed:
                self._conversation.begin_again()
            items = self._conversation.unconfirmed()
        is_first, self._has_connected = not self._has_connected, True
        if self._settings.kind == _LISTENING:
            return
        if not is_first and self._conversation.has_forgotten:
            self._warn("the conversation is long; its beginning was not told again")
        self._to_say += [self._event("conversation.item.create", item=item) for item in items]

    def _known_conversation(self) -> str:
        return self._reader.conversation_id or self._asked_for or self._settings.resumption_handle or ""

    def _is_resumed(self) -> bool:
        """Whether the service went on with the conversation that it was asked for."""
        if self._settings.call_id is not None:
            return self._has_connected
        return bool(self._asked_for) and self._reader.conversation_id in ("", self._asked_for)

    # -- what the user says

    def turn(self, messages: Sequence[Message], *, complete: bool) -> list[str | bytes]:
        """See `LiveProtocol`."""
        said = self._create(items_of(messages, self._spec, self._warn))
        return said + self.respond() if complete else said

    def realtime_text(self, text: str) -> list[str | bytes]:
        """See `LiveProtocol`. There is no text in realtime: it is a turn, and answered."""
        return self.turn([Message("user", text)], complete=True)

    def audio(self, pcm: bytes, rate_hz: int) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if rate_hz != self._rate_hz:
            raise InvalidRequest(
                f"the session takes audio with {self._rate_hz} samples a second, got {rate_hz}",
                provider=self._spec.name,
            )
        data = b2a_base64(pcm, newline=False).decode("ascii")
        return [f'{{"type":"input_audio_buffer.append","audio":"{data}"}}']

    def audio_end(self) -> list[str | bytes]:
        """See `LiveProtocol`. Where the service listens for turns itself, silence ends one: nothing is said."""
        return self._commit() if self._is_manual() else []

    def video(self, data: bytes, media_type: str) -> list[str | bytes]:
        """See `LiveProtocol`. A frame is an image in a message of its own; it is not answered by itself."""
        return self.turn([Message.of("user", [Image(data=data, media_type=media_type)])], complete=False)

    def activity_start(self) -> list[str | bytes]:
        """See `LiveProtocol`. Speech stops an answer; what was in the buffer is not part of it."""
        self._check_manual()
        detection = self._settings.turn_detection
        stops = detection is None or detection.interrupts is not False
        return [*(self.interrupt(None) if stops else []), self._event("input_audio_buffer.clear")]

    def activity_end(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self._check_manual()
        return self._commit()

    def _commit(self) -> list[str | bytes]:
        detection = self._settings.turn_detection
        commit: list[str | bytes] = [self._event("input_audio_buffer.commit")]
        wants = self._settings.kind != _LISTENING and (detection is None or detection.responds is not False)
        return commit + self.respond() if wants and "answers_commits" not in self._quirks else commit

    def _is_manual(self) -> bool:
        detection = self._settings.turn_detection
        if detection is None:
            return self._reader.listens is False  # some services and models do not unless asked to, or never
        return detection.kind == "manual"

    def _check_manual(self) -> None:
        if not self._is_manual():
            raise InvalidRequest(
                "the service listens for activity by itself; with turn_detection=TurnDetection(kind='manual') you say "
                "when it begins and ends",
                provider=self._spec.name,
            )

    # -- tools, turns, settings

    def tool_results(self, results: Sequence[ToolResult], **how: Any) -> list[str | bytes]:
        """See `LiveProtocol`. The response to them is asked for when the last one is complete and no call is open.

        Args:
            respond: False to ask for none.
        """
        unknown = how.keys() - {"respond"}
        if unknown:
            raise UnsupportedOption(
                f"results for {self._spec.label} take respond=True or False, not {', '.join(sorted(unknown))}",
                provider=self._spec.name,
            )
        results = [result for result in results if not self._is_beside(result)]
        if not results:
            return []
        items = [
            approval_item(result, self._spec)
            if result.call_id in self._reader.approvals
            else result_item(result, self._spec)
            for result in results
        ]
        for result in results:
            self._turns.calls.discard(result.call_id)
            self._reader.approvals.discard(result.call_id)
        said = self._create(items)
        if how.get("respond", True):
            self._turns.want({}, waits_for_results=True)
        return said + self._response()

    def _is_beside(self, result: ToolResult) -> bool:
        """Whether a call beside the conversation has this result: the service would refuse it."""
        if result.call_id not in self._turns.beside_calls:
            return False
        self._warn("the conversation has no place for results of calls that were made beside it; they were not sent")
        return True

    def interrupt(self, played_ms: int | None) -> list[str | bytes]:
        """See `LiveProtocol`."""
        turns, said = self._turns, []
        if turns.active and not turns.is_stopping:
            turns.is_stopping = True
            said.append(self._event("response.cancel"))
        if turns.playing:  # in a call the service has what is not played yet, and knows how much was
            turns.playing = ""
            said.append(self._event("output_audio_buffer.clear"))
        speech = self._reader.speech
        can_be_cut = speech.item and not speech.is_cut and "no_truncation" not in self._quirks
        if can_be_cut and played_ms is not None:
            said.append(
                self._event(
                    "conversation.item.truncate",
                    item_id=speech.item,
                    content_index=speech.content_index,
                    # more than there is would be refused
                    audio_end_ms=max(0, min(played_ms, speech.ms)),
                )
            )
            speech.is_cut = True
        return list(said)

    def give_up(self) -> None:
        """See `LiveProtocol`."""
        self._turns.give_up()

    def respond(self, **how: Any) -> list[str | bytes]:
        """See `LiveProtocol`.

        Args:
            instructions, modalities, voice, tools, tool_choice, max_tokens, parallel_tool_calls, reasoning_effort,
                prompt, metadata: for this response alone.
            conversation: ``"none"`` for a response beside the conversation, which needs no turn, and is not asked for
                again over another connection; `metadata` tells it from others.
            input: what to answer instead of the conversation: messages, or items as dicts, also
                ``{"type": "item_reference", "id": ...}``.
            extra: the provider's own fields.
        """
        options = response_of(how, self._spec, self.warnings)
        if options.get("conversation") == "none":
            self._turns.asked(options)
            return [self._event("response.create", response=options)]
        self._turns.want(options, waits_for_results=False)
        return self._response()

    def update(self, settings: LiveSettings) -> list[str | bytes]:
        """See `LiveProtocol`."""
        refuse_unsupported(settings, SETTINGS, self._spec)
        fixed = [name for name in sorted(_FIXED) if getattr(settings, name) != getattr(self._settings, name)]
        if fixed:
            raise UnsupportedOption(
                f"a running session of {self._spec.label} cannot change its {', '.join(fixed)}; open a new one",
                provider=self._spec.name,
            )
        update = self._asked.update(settings)
        self._reader.configure(settings)
        return [self._event("session.update", **update)] if update else []

    def _refused(self, event_id: str) -> None:
        if self._asked.refuse(event_id):
            self._reader.configure(self._settings)

    def raw(self, message: dict[str, Any]) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if message.get("type") == "conversation.item.create" and isinstance(message.get("item"), dict):
            self._conversation.sent(message["item"])
        elif message.get("type") == "response.create":
            self._turns.asked(message.get("response"))
        return [encoded(message, self._spec)]

    # -- messages

    def _create(self, items: Iterable[Item]) -> list[str | bytes]:
        said: list[str | bytes] = []
        for item in items:
            said.append(self._event("conversation.item.create", item=item))
            self._conversation.sent(item)
        return said

    def _response(self) -> list[str | bytes]:
        options = self._turns.take()
        if options is None:
            return []
        return [self._event("response.create", **({"response": options} if options else {}))]

    def _event(self, kind: str, **fields: Any) -> str:
        return encoded({"type": kind, **fields}, self._spec)

    def _warn(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)


class RealtimeWire:
    """See `LiveWire`."""

    name = "openai_realtime"
    settings = SETTINGS
    input_rate_hz = 24_000
    quirks = QUIRKS

    def protocol(self, settings: LiveSettings, spec: ProviderSpec) -> RealtimeProtocol | TranslationProtocol:
        """See `LiveWire`."""
        try:
            if settings.kind == KIND:
                return TranslationProtocol(settings, spec)
            return RealtimeProtocol(settings, spec)
        except InvalidRequest as error:
            error.provider = error.provider or spec.name
            raise

    def token_request(
        self, spec: ProviderSpec, settings: LiveSettings | None, *, now_s: float, **how: Any
    ) -> HttpRequest:
        """See `LiveWire`, and `exllm.providers.openai_realtime_secrets.token_request`."""
        return openai_realtime_secrets.token_request(spec, settings, **how)

    def read_token(self, body: bytes, spec: ProviderSpec) -> LiveToken:
        """See `LiveWire`."""
        return openai_realtime_secrets.read_token(body, spec)


WIRE = RealtimeWire()
