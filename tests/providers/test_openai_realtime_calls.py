"""OpenAI Realtime: calls of a browser or a telephone, whose audio goes another way."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.errors import UnsupportedOption
from exllm.providers.openai_realtime import WIRE, RealtimeProtocol
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import Interrupted, SpeechStarted
from exllm.types.live_settings import LiveSettings, TurnDetection
from tests.providers.openai_realtime_talk import begin, end, kinds, opened, reconnected, session_for, spec_of, tell


def joined(**settings: Any) -> RealtimeProtocol:
    return opened(call_id="rtc_1", **settings)


def test_the_format_of_a_call_is_agreed_on_elsewhere() -> None:
    assert session_for(call_id="rtc_1", instructions="Hi") == {"type": "realtime", "instructions": "Hi"}
    assert session_for(call_id="rtc_1", voice="ash")["audio"] == {"output": {"voice": "ash"}}
    for given in ({"audio_format": "g711_ulaw"}, {"input_rate_hz": 24_000}, {"output_rate_hz": 24_000}):
        with pytest.raises(UnsupportedOption, match=next(iter(given))):
            WIRE.protocol(LiveSettings("m", call_id="rtc_1", **given), spec_of())


def test_what_plays_is_interrupted_and_thrown_away_where_it_plays() -> None:
    protocol = joined()
    begin(protocol)
    assert tell(protocol, "input_audio_buffer.speech_started") == [SpeechStarted()]
    (started,) = tell(protocol, "output_audio_buffer.started", response_id="r1")
    assert isinstance(started, ProviderEvent)
    assert kinds(protocol.interrupt(None)) == ["response.cancel", "output_audio_buffer.clear"]
    end(protocol, status="cancelled")
    tell(protocol, "output_audio_buffer.cleared", response_id="r1")
    assert protocol.interrupt(None) == []


def test_speech_over_what_plays_interrupts_it_also_when_the_response_is_complete() -> None:
    protocol = joined()
    begin(protocol)
    tell(protocol, "output_audio_buffer.started", response_id="r1")
    assert tell(protocol, "input_audio_buffer.speech_started")[1:] == [Interrupted("r1")]
    end(protocol, status="cancelled")
    tell(protocol, "output_audio_buffer.cleared", response_id="r1")
    begin(protocol, "r2")
    tell(protocol, "output_audio_buffer.started", response_id="r2")
    end(protocol, "r2")
    assert tell(protocol, "input_audio_buffer.speech_started")[1:] == [Interrupted("r2")]
    tell(protocol, "output_audio_buffer.stopped", response_id="r2")
    assert tell(protocol, "input_audio_buffer.speech_started")[1:] == []
    patient = joined(turn_detection=TurnDetection(interrupts=False))
    begin(patient)
    tell(patient, "output_audio_buffer.started", response_id="r1")
    assert tell(patient, "input_audio_buffer.speech_started")[1:] == []


def test_what_played_when_the_connection_was_lost_is_not_known_any_more() -> None:
    protocol = joined()
    begin(protocol)
    tell(protocol, "output_audio_buffer.started", response_id="r1")
    protocol.closed(1006, "")
    protocol.connect()
    tell(protocol, "session.updated", session={})
    assert protocol.interrupt(None) == []


def test_a_call_goes_on_without_the_connection_and_so_does_the_answer() -> None:
    protocol = joined()
    begin(protocol)
    assert reconnected(protocol) == []
    asking = joined()
    assert kinds(asking.respond()) == ["response.create"]
    assert [said["type"] for said in reconnected(asking)] == ["response.create"]  # it may not have been heard


@pytest.mark.parametrize("goes_on", ["r1", "r2"])
def test_what_goes_on_in_a_call_that_was_joined_again_is_waited_for_when_it_is_noticed(goes_on: str) -> None:
    protocol = joined()
    begin(protocol)
    reconnected(protocol)
    assert kinds(protocol.respond()) == ["response.create"]
    error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response", "message": "busy"}
    tell(protocol, "error", error=error)
    assert protocol.replies() == []  # else it would be refused again, and again
    end(protocol, goes_on)
    assert kinds(protocol.replies()) == ["response.create"]
