"""The recorded sessions of `tests/recordings/ws`, played to our protocols: what came in, and what we say in return."""

from __future__ import annotations

import base64
import functools
import json
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exllm.providers import registry
from exllm.providers.live_wire import LiveEnd, LiveProtocol, live_wire
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    InputTranscript,
    LiveEvent,
    OutputTranscript,
    ReasoningOut,
    SessionUpdated,
    TextOut,
)
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from exllm.types.tool import Tool

DIRECTORY = Path(__file__).parent.parent / "recordings" / "ws"
ALL = sorted(path.stem for path in DIRECTORY.glob("test-*.json"))
EXPECTED: dict[str, Any] = json.loads((DIRECTORY / "events.json").read_text(encoding="utf-8"))

_PROVIDERS = {
    "openai-webrtc": "openai",
    "azure-webrtc": "azure",
    "gemini-live": "gemini",
}  # the others are called as ours are


class Step(NamedTuple):
    """One message of a recording, or the close of its connection."""

    direction: str
    data: Any
    code: int = 0
    reason: str = ""


class Session(NamedTuple):
    """What became of a recording.

    Attributes:
        events: ours, for all that was received.
        said: what we sent, and what was sent then, message by message.
        ends: what closed connections meant.
        left: what we would have sent, and nobody did then.
    """

    protocol: LiveProtocol
    events: list[LiveEvent]
    said: list[tuple[Any, Any]]
    ends: list[LiveEnd]
    left: list[Any]


@functools.cache
def load(name: str) -> tuple[str, tuple[Step, ...]]:
    """The provider of a recording, and its steps."""
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    steps = tuple(
        Step("closed", None, frame["code"], frame["reason"])
        if frame["kind"] == "close"
        else Step(frame["dir"], frame["data"])
        for frame in data["frames"]
    )
    return _PROVIDERS.get(data["provider"], data["provider"]), steps


def spec_of(name: str) -> ProviderSpec:
    """The spec of the service that was recorded."""
    spec = registry.get(load(name)[0])
    assert isinstance(spec, ProviderSpec)
    return spec


def received(name: str) -> list[bytes]:
    """All messages of the service, as they are on the wire."""
    return [msgspec.json.encode(step.data) for step in load(name)[1] if step.direction == "received"]


def protocol_of(name: str, settings: LiveSettings | None = None) -> LiveProtocol:
    """A fresh session with the service that was recorded, asked for what was asked then."""
    spec = spec_of(name)
    return live_wire(spec.live.wire).protocol(settings or settings_of(name), spec)


def play(name: str) -> Session:
    """Play a recording: what was received to our protocol, what was sent as the call of a builder."""
    protocol = protocol_of(name)
    steps = load(name)[1]
    session = Session(protocol, [], [], [], [])
    waiting: deque[str | bytes] = deque(protocol.connect())
    for place, step in enumerate(steps):
        if step.direction == "received":
            session.events.extend(protocol.receive(Frame(msgspec.json.encode(step.data), "text")))
            waiting += protocol.replies()
        elif step.direction == "closed":
            session.ends.append(protocol.closed(step.code, step.reason))
            waiting += protocol.connect()
        else:
            if not waiting:
                later = [each.data for each in steps[place + 1 :] if each.direction == "sent"]
                waiting += _say(protocol, step.data, later)
            session.said.append((json.loads(waiting.popleft()), step.data))
    session.left.extend(json.loads(message) for message in waiting)
    return session


def _say(protocol: LiveProtocol, sent: dict[str, Any], later: list[dict[str, Any]]) -> list[str | bytes]:
    """The call of a builder that says what was sent."""
    if "client_content" in sent:
        content = sent["client_content"]
        return protocol.turn(_gemini_messages(content["turns"]), complete=content["turnComplete"])
    if "tool_response" in sent:
        results = [
            ToolResult(response["id"], response["response"]["output"])
            for response in sent["tool_response"]["functionResponses"]
        ]
        return protocol.tool_results(results)
    if sent["type"] == "input_audio_buffer.append":
        return protocol.audio(base64.b64decode(sent["audio"]), 24_000)
    assert sent["type"] == "conversation.item.create", sent
    item = sent["item"]
    if item["type"] == "function_call_output":
        return protocol.tool_results([ToolResult(item["call_id"], item["output"])])
    return protocol.turn([_message(item)], complete=bool(later) and later[0]["type"] == "response.create")


def _message(item: dict[str, Any]) -> Message:
    return Message(item["role"], "".join(piece["text"] for piece in item["content"]))


def _gemini_messages(turns: list[dict[str, Any]]) -> list[Message]:
    roles: dict[str, Any] = {"user": "user", "model": "assistant"}
    return [Message(roles[turn["role"]], "".join(part["text"] for part in turn["parts"])) for turn in turns]


# -- the settings that lead to what was sent first


def settings_of(name: str) -> LiveSettings:
    """What our caller would have asked for."""
    sent = [step.data for step in load(name)[1] if step.direction == "sent"]
    return _gemini_settings(sent) if "setup" in sent[0] else _openai_settings(sent)


def _gemini_settings(sent: list[dict[str, Any]]) -> LiveSettings:
    setup = sent[0]["setup"]
    instruction = setup.get("systemInstruction")
    seeded = sent[1]["client_content"] if not sent[1]["client_content"]["turnComplete"] else {"turns": []}
    declarations = [tool for each in setup.get("tools", ()) for tool in each["functionDeclarations"]]
    return LiveSettings(
        setup["model"].removeprefix("models/"),
        instructions=instruction["parts"][0]["text"] if instruction else None,
        modalities=("audio",),
        tools=tuple(Tool(tool["name"], tool["description"], json_schema(tool["parameters"])) for tool in declarations),
        history=tuple(_gemini_messages(seeded["turns"])),
        input_transcription=True,
        output_transcription=True,
        resumable=False,
    )


def _openai_settings(sent: list[dict[str, Any]]) -> LiveSettings:
    session = sent[0]["session"]
    audio = session.get("audio", {}).get("input", {})
    transcription = audio.get("transcription") or session["input_audio_transcription"]
    modalities = session.get("output_modalities") or session.get("modalities")
    seeded = [_message(each["item"]) for each in sent[1:3]] if len(sent) > 2 and _is_seed(sent[2]) else []
    return LiveSettings(
        "some-model",
        instructions=session["instructions"],
        modalities=None if modalities is None else ("text",) if modalities == ["text"] else ("audio",),
        turn_detection=TurnDetection("server", interrupts=True, responds=True),
        input_transcription=transcription["model"],
        tools=tuple(
            Tool(tool["name"], tool.get("description", ""), tool["parameters"]) for tool in session.get("tools", ())
        ),
        history=tuple(seeded),
        reasoning_effort=session.get("reasoning", {}).get("effort"),
        resumable="resumption" in session,
    )


def _is_seed(sent: dict[str, Any]) -> bool:
    return sent["type"] == "conversation.item.create" and sent["item"].get("role") == "assistant"


def json_schema(schema: Any) -> Any:
    """A schema in Google's form as JSON Schema."""
    if isinstance(schema, dict):
        return {
            name: value.lower() if name == "type" and isinstance(value, str) else json_schema(value)
            for name, value in schema.items()
        }
    return schema


# -- what was sent, in one form


def normal(message: Any) -> Any:
    """A message of Gemini's with its fields in one spelling and its schemas in one form; others as they are."""
    names = {"client_content": "clientContent", "tool_response": "toolResponse"}
    message = {names.get(name, name): value for name, value in message.items()}
    if "setup" in message:
        message = json.loads(json.dumps(message))
        for tool in message["setup"].get("tools", ()):
            for declaration in tool["functionDeclarations"]:
                schema = declaration.pop("parameters", None) or declaration.pop("parametersJsonSchema")
                declaration["schema"] = json_schema(schema)
                declaration.setdefault("description", "")
    return message


# -- events as plain data


def summary(events: list[LiveEvent]) -> list[list[Any]]:
    """Events in their order, pieces of the same joined, audio as the number of its pieces and bytes."""
    found: list[list[Any]] = []
    for event in events:
        kind = type(event).__name__
        entry: list[Any]
        match event:
            case AudioOut():
                entry = [kind, 1, len(event.data), event.rate_hz, event.turn, event.item]
                if found and found[-1][0] == kind and found[-1][3:] == entry[3:]:
                    found[-1][1] += 1
                    found[-1][2] += len(event.data)
                    continue
            case TextOut() | OutputTranscript() | InputTranscript() | ReasoningOut():
                rest = msgspec.to_builtins(event)
                rest = {name: value for name, value in rest.items() if name not in ("text", "type") and value}
                entry = [kind, event.text, rest]
                if found and found[-1][0] == kind and found[-1][2] == rest and not rest.get("interim"):
                    found[-1][1] += event.text
                    continue
            case ProviderEvent():
                entry = [kind, event.event]
                if found and found[-1] == entry:
                    continue
            case SessionUpdated():
                entry = [kind, sorted(event.settings)]
            case _:
                fields = msgspec.json.decode(msgspec.json.encode(event))
                entry = [kind, {name: value for name, value in fields.items() if name != "type"}]
        found.append(entry)
    return found
