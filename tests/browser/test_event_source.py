"""A real browser's `EventSource` that loses its connection in the middle of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

import exllm
from exllm import TextDelta
from exllm.integrations.fastapi import ReplayResponse, resume_response
from exllm.sse import Replays
from exllm.testing import Wait
from tests.browser.chromium import browser_page
from tests.integrations.web import serving
from tests.sse.answers import mock

pytestmark = pytest.mark.browser

WORDS = [f"w{number} " for number in range(60)]
PAGE = """
<!doctype html><script>
window.seen = []; window.ids = []; window.opened = 0; window.over = false;
const source = new EventSource("/events");
source.onopen = () => { window.opened += 1; };
source.addEventListener("text_delta", (event) => {
  window.seen.push(JSON.parse(event.data).text); window.ids.push(event.lastEventId);
});
source.addEventListener("response", () => { window.over = true; });
source.onerror = () => { if (source.readyState === EventSource.CLOSED) window.ended = true; };
</script>
"""


class _Broken:
    """A response whose connection breaks after so many pieces."""

    def __init__(self, response: Response, pieces: int) -> None:
        self._response = response
        self._left = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def some(message: Message) -> None:
            self._left -= 1
            if self._left < 0:
                raise ConnectionResetError("the network is gone")
            await send(message)

        await self._response(scope, receive, some)


@pytest.fixture
async def client() -> AsyncIterator[exllm.Client]:
    async with exllm.Client() as made:
        yield made


async def test_a_browser_that_reconnects_misses_nothing(client: exllm.Client) -> None:
    asked: list[str | None] = []
    answer = [Wait(0.005) if number % 2 else TextDelta(WORDS[number // 2]) for number in range(2 * len(WORDS))]

    async def events(request: Request) -> Response:
        asked.append(request.headers.get("last-event-id"))
        if asked[-1] is None:
            started = ReplayResponse(replays.start(client.stream("mocked", "Hi")))
            return _Broken(started, 12)  # type: ignore[return-value]
        return resume_response(replays, request)

    async def page(_request: Request) -> Response:
        return HTMLResponse(PAGE)

    with mock(answer):
        async with (
            Replays() as replays,
            serving(Starlette(routes=[Route("/", page), Route("/events", events)])) as url,
            browser_page() as tab,
        ):
            await tab.open(url)
            await tab.until("window.over")
            await tab.until("window.ended")  # it asked again, and was told that there is no more
            seen, ids, opened = await tab.run("[window.seen, window.ids, window.opened]")
    assert seen == WORDS
    assert len(set(ids)) == len(WORDS)
    assert opened == 2
    # The first time, after the break, and once more after the end, when it is told to ask no more.
    assert [id is not None for id in asked] == [False, True, True]
