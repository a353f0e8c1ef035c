"""Nothing that the service may say is lost: every field of Google's own types, one by one, is found in our events."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.genai import _live_converters
from google.genai import types as google

from exllm.errors import ProtocolError
from exllm.providers import registry
from exllm.providers.gemini_live import WIRE
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import LiveEvent, SpeechStarted, SpeechStopped
from exllm.types.live_settings import LiveSettings
from tests.providers.google_live_fields import MARK, Field, fields, objects

FIELDS = list(fields())
OBJECTS = objects()

# Fields whose value no event repeats, as the events themselves say it.
SAID_OTHERWISE = {
    "ModalityTokenCount.modality": "a medium is a field of `Usage`",
    "PartialArg.jsonPath": "the call is told when its arguments are complete",
    "PartialArg.nullValue": "it is the null of the arguments",
    "VoiceActivity.type": "SpeechStarted, SpeechStopped",
    "VoiceActivityDetectionSignal.vadSignalType": "SpeechStarted, SpeechStopped",
}
SAYS_NOTHING = {"PartialArg.willContinue": "the call says when its arguments are complete"}


WRONG: tuple[Any, ...] = (
    7,
    -1,
    "x",
    "",
    [],
    {},
    True,
    False,
    1e300,
    [None],
    {"a": [1]},
    "9" * 5_000,
    [[]] * 3,
    "\u0663",
)


def events_of(message: dict[str, Any]) -> list[LiveEvent]:
    spec = registry.get("gemini")
    assert isinstance(spec, ProviderSpec)
    protocol = WIRE.protocol(LiveSettings("m"), spec)
    protocol.connect()
    protocol.receive(Frame(b'{"setupComplete":{}}', "binary"))
    return protocol.receive(Frame(msgspec.json.encode(message), "binary"))


def outcome_of(message: dict[str, Any]) -> Any:
    """The events without what is empty, or that the message was refused."""
    try:
        return stripped([msgspec.to_builtins(event) for event in events_of(message)])
    except ProtocolError:
        return "refused"


def stripped(value: Any) -> Any:
    """Without nulls and what is empty; an event that only passes on nothing is none."""
    if isinstance(value, dict):
        kept = {name: inner for name, each in value.items() if (inner := stripped(each)) not in (None, {}, [])}
        return None if kept.keys() == {"type", "event", "provider"} else kept
    if isinstance(value, list):
        return [inner for each in value if (inner := stripped(each)) not in (None, {}, [])]
    return value


def leaves(value: Any) -> Iterator[Any]:
    """All that a value is made of."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def is_told(value: Any, events: list[LiveEvent]) -> bool:
    """Whether a value is in the events: as it is, in a longer text, as bytes, or as seconds."""
    wanted = value_in(value)
    if isinstance(wanted, bool):
        return True  # the event itself: see the test
    wanted = wanted.removeprefix("$.") if isinstance(wanted, str) else wanted
    for leaf in leaves([msgspec.to_builtins(event, builtin_types=(bytes,)) for event in events]):
        if isinstance(wanted, str) and isinstance(leaf, str) and wanted.lower() in leaf.lower():
            return True
        if isinstance(leaf, bytes) and base64.b64encode(leaf).decode() == wanted:
            return True
        if wanted == "73.25s" and leaf == 73.25:
            return True
        if isinstance(wanted, int | float) and isinstance(leaf, int | float) and math.isclose(wanted, leaf):
            return True
        if isinstance(wanted, float) and isinstance(leaf, str) and str(wanted) in leaf:
            return True
    return False


def value_in(value: Any) -> Any:
    """What a field holds, out of its list or object."""
    (value,) = value if isinstance(value, list) else (value,)
    return value["city"] if isinstance(value, dict) else value


def read_by_google(message: dict[str, Any]) -> Any:
    """What Google's client makes of a message, with its own names."""
    found: Any = google.LiveServerMessage._from_response(
        response=_live_converters._LiveServerMessage_from_mldev(message), kwargs={}
    )
    return json.loads(found.model_dump_json(exclude_none=True))


def name_of(field: Field) -> str:
    return f"{field.models[-1].__name__}.{field.path[-1]}"


def test_there_is_something_to_walk() -> None:
    assert len({field.path for field in FIELDS}) > 200
    assert {"usageMetadata.cacheTokensDetails[].tokenCount=7301", "goAway.timeLeft=73.25s"} <= {f.id for f in FIELDS}
    assert {*SAID_OTHERWISE, *SAYS_NOTHING} <= {name_of(field) for field in FIELDS}
    assert all(stripped([msgspec.to_builtins(event)]) for event in events_of({"serverContent": {"turnComplete": True}}))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.id)
def test_every_field_is_told(field: Field) -> None:
    message = field.message(field.value)
    assert value_in(field.value) in [*leaves(read_by_google(message))]  # so it is on the wire as it is here
    events = events_of(message)
    if "voiceActivity" in field.path[0] and "UNSPECIFIED" not in field.value:
        assert isinstance(events[0], SpeechStarted | SpeechStopped)
    if name_of(field) not in SAYS_NOTHING:
        assert stripped(msgspec.to_builtins(events)) != outcome_of(field.message_without()), "it makes no difference"
        assert name_of(field) in SAID_OTHERWISE or is_told(field.value, events), events
    assert msgspec.json.decode(msgspec.json.encode(events), type=list[LiveEvent]) == events


@pytest.mark.parametrize("field", OBJECTS, ids=lambda field: field.id)
def test_a_field_that_nobody_knows_is_told_wherever_it_stands(field: Field) -> None:
    events, others = events_of(field.message(MARK)), events_of(field.message_without())
    assert is_told(MARK, events), events
    named = [type(event) for event in events if not isinstance(event, ProviderEvent)]
    assert named == [type(event) for event in others if not isinstance(event, ProviderEvent)]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.id)
def test_null_is_nothing(field: Field) -> None:
    assert outcome_of(field.message(None)) == outcome_of(field.message_without())


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.id)
def test_a_field_of_any_other_type_is_told_or_refused(field: Field) -> None:
    for wrong in WRONG:
        refusal = ""
        try:
            events = events_of(field.message(wrong))
        except ProtocolError as error:
            events, refusal = [], str(error)
        assert len(refusal) < 1_000
        assert len(msgspec.json.decode(msgspec.json.encode(events), type=list[LiveEvent])) == len(events)
