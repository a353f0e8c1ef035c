"""Ways to take events from a session in tests, and to speak to it."""

from __future__ import annotations

from typing import TypeVar

from exllm import live
from exllm.types.live_events import LiveEvent

T = TypeVar("T", bound=LiveEvent)


async def until(session: live.LiveSession, kind: type[LiveEvent]) -> list[LiveEvent]:
    """The events up to the next of `kind`."""
    events: list[LiveEvent] = []
    async for event in session:
        events.append(event)
        if isinstance(event, kind):
            return events
    raise AssertionError(f"the session ended before a {kind.__name__} came, after {events}")


async def next_of(session: live.LiveSession, kind: type[T]) -> T:
    """The next event of `kind`; others before it are passed over."""
    last = (await until(session, kind))[-1]
    assert isinstance(last, kind)
    return last


def names(events: list[LiveEvent]) -> list[str]:
    """What kinds they are."""
    return [type(event).__name__ for event in events]


async def speak(session: live.LiveSession, pieces: int) -> None:
    """So many pieces of a second each."""
    for number in range(pieces):
        await session.send_audio(number.to_bytes(2, "little") * 16_000)
