"""The page of `examples/live_web.py` in a real browser, with a fake microphone and a scripted provider."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Page, browser_page
from tests.integrations.web import serving
from tests.live import gemini
from tests.live.scripted_server import Behaviour, Peer, Refusal, ScriptedServer

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parents[2]
RATE_HZ = 24_000
TONE = b"".join(struct.pack("<h", int(8000 * math.sin(index / 8))) for index in range(RATE_HZ))  # one second


@asynccontextmanager
async def _page(
    monkeypatch: pytest.MonkeyPatch, *behaviours: Behaviour | Refusal, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[ScriptedServer, Page]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    from examples import live_web

    async with ScriptedServer(*behaviours) as server:
        monkeypatch.setenv("GEMINI_API_KEY", gemini.KEY)
        monkeypatch.setenv("GEMINI_LIVE_URL", server.url)
        monkeypatch.setattr(live_web, "MODEL", gemini.MODEL)
        resolve = f"--host-resolver-rules=MAP {host} 127.0.0.1"
        async with serving(live_web.app, websockets=True) as url, browser_page(resolve) as tab:
            await tab.open(url.replace("127.0.0.1", host))
            yield server, tab


async def _connect(tab: Page) -> None:
    await tab.run("document.querySelector('#connect').click()")
    await tab.until("!document.querySelector('#send').disabled")


async def _say(tab: Page, text: str) -> None:
    await tab.run(
        f"document.querySelector('#text').value = {json.dumps(text)};document.querySelector('#form').requestSubmit()"
    )


async def _lines(tab: Page) -> list[list[str]]:
    told: list[list[str]] = await tab.run(
        "[...document.querySelectorAll('#lines li')].map((line) => [line.className, line.textContent])"
    )
    return told


async def _happens(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - of another task's data
            await asyncio.sleep(0.02)


async def test_a_text_turn_is_answered_in_speech_that_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        assert gemini.turn_text(await peer.receive()) == "Hello"
        await peer.send(gemini.said("Good "), gemini.audio(TONE), gemini.said("morning."), gemini.COMPLETE)
        await peer.keep_receiving()

    async with _page(monkeypatch, answer) as (server, tab):
        await _connect(tab)
        await _say(tab, "Hello")
        await tab.until("live.events.includes('turn_complete') && live.speaker")
        assert await _lines(tab) == [["user", "Hello"], ["model", "Good morning."]]
        assert await tab.run("live.receivedBytes") == len(TONE)
        began, sample_rate = await tab.run("[live.speaker.context.currentTime, live.speaker.context.sampleRate]")
        assert sample_rate == RATE_HZ
        await tab.until("live.speaker.waiting === 0 && live.speaker.played > 0")
        given, played, flushed = await tab.run("[live.speaker.given, live.speaker.played, live.speaker.flushed]")
        assert (given, played, flushed) == (RATE_HZ, RATE_HZ, 0)
        assert await tab.run("live.speaker.context.currentTime") > began  # the audio clock runs
        page = await tab.run("document.documentElement.outerHTML + document.cookie")
        assert gemini.KEY not in page  # neither the key nor what lets the page in is there for scripts
        await tab.run("document.querySelector('#connect').click()")
        await tab.until("document.querySelector('#status').textContent === 'not connected'")
        await server.all_left()
    assert not any("exception" in line.lower() for line in tab.console), tab.console


async def test_the_microphone_is_heard_by_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive_until("realtimeInput")
        await peer.send(gemini.heard("beep"))
        await peer.keep_receiving()

    async with _page(monkeypatch, listen) as (server, tab):
        await _connect(tab)
        await tab.run("document.querySelector('#microphone').click()")
        await tab.until("live.sentBytes > 48000")
        await tab.until("document.querySelector('#lines li.user')")
        assert await _lines(tab) == [["user", "beep"]]
        await tab.run("document.querySelector('#microphone').click()")
        await tab.until("live.microphone === null")
        await _happens(lambda: "audioStreamEnd" in str(server.peers[0].received[-1]))
        sent_bytes = await tab.run("live.sentBytes")
        assert await tab.run("live.lostBytes") == 0
    sent = [message["realtimeInput"]["audio"] for message in server.peers[0].received[1:-1]]
    assert {piece["mimeType"] for piece in sent} == {"audio/pcm;rate=16000"}
    pcm = b"".join(base64.b64decode(piece["data"]) for piece in sent)
    assert len(pcm) == sent_bytes
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    assert max(map(abs, samples)) > 300  # the fake microphone beeps


async def test_an_interruption_silences_what_was_not_played(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive()
        await peer.send(gemini.said("A long story"), *[gemini.audio(TONE)] * 20)
        await asyncio.sleep(1)
        await peer.send(gemini.INTERRUPTED, gemini.COMPLETE)
        await peer.receive()
        await peer.send(gemini.said("Yes?"), gemini.audio(TONE[:4800]), gemini.COMPLETE)
        await peer.keep_receiving()

    async with _page(monkeypatch, answer) as (_server, tab):
        await _connect(tab)
        await _say(tab, "Go")
        await tab.until("live.speaker && live.speaker.waiting > 15 * 24000")
        await tab.until("live.speaker.flushed > 0")
        waiting, flushed, given = await tab.run("[live.speaker.waiting, live.speaker.flushed, live.speaker.given]")
        assert waiting == 0
        assert given == 20 * RATE_HZ
        assert flushed > 15 * RATE_HZ
        assert await tab.run("document.querySelector('#lines li.cut').textContent") == "A long story"
        await _say(tab, "Sorry")
        await tab.until("live.events.filter((type) => type === 'turn_complete').length === 2")
        await tab.until(f"live.speaker.given === {20 * RATE_HZ + 2400} && live.speaker.waiting === 0")
        assert await tab.run("live.speaker.flushed") == flushed  # the next answer is heard
        assert (await _lines(tab))[-1] == ["model", "Yes?"]


async def test_stop_ends_an_answer_that_is_still_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = asyncio.Event()

    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive()
        await peer.send(gemini.said("On and on"), *[gemini.audio(TONE)] * 5)
        await peer.receive()  # the content that interrupts
        await peer.send(*[gemini.audio(TONE)] * 5)  # what was under way
        await peer.send(gemini.INTERRUPTED, gemini.COMPLETE)
        stopped.set()
        await peer.keep_receiving()

    async with _page(monkeypatch, answer) as (_server, tab):
        await _connect(tab)
        await _say(tab, "Go")
        await tab.until("live.speaker && live.speaker.given === 5 * 24000")
        await tab.run("document.querySelector('#interrupt').click()")
        await asyncio.wait_for(stopped.wait(), 20)
        await tab.until("live.events.includes('turn_complete')")
        assert await tab.run("live.speaker.given") == 5 * RATE_HZ
        assert await tab.run("live.speaker.waiting") == 0


async def test_a_connection_that_is_lost_and_made_again_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()

    async def drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        await peer.receive()
        peer.drop()

    async def resume(peer: Peer) -> None:
        await go_on.wait()
        await gemini.set_up(peer)
        await peer.send(gemini.said("I am back."), gemini.COMPLETE)
        await peer.keep_receiving()

    async with _page(monkeypatch, drop, resume) as (_server, tab):
        await _connect(tab)
        await _say(tab, "Hello")
        await tab.until("document.querySelector('#status').textContent.startsWith('connecting again')")
        go_on.set()
        await tab.until("live.events.includes('turn_complete')")
        assert await tab.run("document.querySelector('#status').textContent") == "connected"
        assert [text for kind, text in await _lines(tab) if kind == "note"] == ["connection lost", "connected again"]
        assert (await _lines(tab))[-1] == ["model", "I am back."]


async def test_a_page_without_the_right_to_talk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.keep_receiving()

    async with _page(monkeypatch, listen) as (server, tab):
        await tab.call("Network.clearBrowserCookies")
        await tab.run("document.querySelector('#connect').click()")
        await tab.until("document.querySelector('#status').textContent.startsWith('refused')")
        assert await tab.run("document.querySelector('#send').disabled")
        assert not server.requests


async def _greet(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.receive_until("clientContent")
    await peer.send(gemini.said("Good morning."), gemini.audio(TONE[:4800]), gemini.COMPLETE)
    await peer.keep_receiving()


async def test_without_a_microphone_one_can_still_type(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _page(monkeypatch, _greet) as (_server, tab):
        await tab.run(
            "void (navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('x', window.kind); })"
        )
        await _connect(tab)
        for kind, words in (("NotAllowedError", "the browser does not allow it"), ("NotFoundError", "there is none")):
            await tab.run(f"window.kind = '{kind}'; document.querySelector('#microphone').click()")
            await tab.until("document.querySelector('#lines li.bad')")
            assert await _lines(tab) == [["note bad", f"no microphone: {words}. You can type."]]
            assert await tab.run("document.querySelector('#microphone').ariaPressed") == "false"
            await tab.run("document.querySelector('#lines').replaceChildren()")
        await _say(tab, "Hello")
        await tab.until("live.events.includes('turn_complete')")
        assert (await _lines(tab))[-1] == ["model", "Good morning."]


async def test_a_microphone_that_is_allowed_too_late_is_not_left_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _page(monkeypatch, gemini_listens) as (server, tab):
        await tab.run(
            "void (() => { const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);"
            "window.asked = 0; devices.getUserMedia = async (how) => { window.asked += 1;"
            "await new Promise((resolve) => { window.allow = resolve; }); return window.stream = await ask(how); };})()"
        )
        await _connect(tab)
        await tab.run("document.querySelector('#microphone').click()")
        await tab.until("window.allow")
        await tab.run("document.querySelector('#connect').click()")
        await tab.until("document.querySelector('#status').textContent === 'not connected'")
        await tab.run("allow()")
        await tab.until("window.stream && stream.getTracks().every((track) => track.readyState === 'ended')")
        await tab.until("live.microphone === null")
        assert await tab.run("[window.asked, live.sentBytes]") == [1, 0]
        await server.all_left()


async def test_a_page_that_is_not_secure_shows_the_words_and_says_why_there_is_no_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _page(monkeypatch, _greet, host="talk.test") as (_server, tab):
        assert await tab.run("window.isSecureContext") is False
        await _connect(tab)
        await tab.run("document.querySelector('#microphone').click()")
        await tab.until("document.querySelector('#lines li.bad')")
        await _say(tab, "Hello")
        await tab.until("document.querySelectorAll('#lines li.bad').length === 2")
        why = "this needs a page of https, or of localhost"
        told = await _lines(tab)
    assert [text for kind, text in told if kind == "note bad"] == [
        f"no microphone: {why}. You can type.", f"no sound: {why}",
    ]  # fmt: skip
    assert ["model", "Good morning."] in told


async def test_the_keyboard_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _page(monkeypatch, _greet) as (_server, tab):

        async def press(key: str, code: int, text: str = "") -> None:
            key_event = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
            await tab.call("Input.dispatchKeyEvent", type="keyDown", **key_event)
            await tab.call("Input.dispatchKeyEvent", type="keyUp", **key_event)

        await press("Tab", 9)
        assert await tab.run("document.activeElement.id") == "connect"
        await press("Enter", 13, "\r")
        await tab.until("document.activeElement.id === 'text'")  # ready
        await tab.call("Input.insertText", text="Hello")
        await press("Enter", 13, "\r")
        await tab.until("live.events.includes('turn_complete')")
        assert await _lines(tab) == [["user", "Hello"], ["model", "Good morning."]]
        await press("Tab", 9)
        assert await tab.run("document.activeElement.id") == "send"
        named = await tab.run(
            "[...document.querySelectorAll('button, input')].every((one) => one.ariaLabel || one.textContent.trim())"
        )
        assert named  # for those who do not see


async def test_a_small_screen_shows_all_and_scrolls_the_conversation_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive_until("clientContent")
        for _ in range(12):
            await peer.send(gemini.heard("What is the weather like in Oslo tomorrow morning?"))
            await peer.send(gemini.said("It is cold, with clear skies."), gemini.COMPLETE)
        await peer.send(gemini.said("And now"))
        await peer.keep_receiving()

    async with _page(monkeypatch, answer) as (_server, tab):
        size = {"width": 320, "height": 560, "deviceScaleFactor": 1, "mobile": False}
        await tab.call("Emulation.setDeviceMetricsOverride", **size)
        await _connect(tab)
        assert await tab.run("document.querySelector('#interrupt').disabled")  # there is nothing to stop
        await _say(tab, "Hello")
        await tab.until("live.events.filter((type) => type === 'turn_complete').length === 12")
        await tab.until("!document.querySelector('#interrupt').disabled")
        page = "document.documentElement"
        assert await tab.run(f"[{page}.scrollWidth, {page}.scrollHeight]") == [320, 560]
        assert await tab.run("document.querySelector('#lines').scrollTop") > 500
        seen = await tab.run(
            "[...document.querySelectorAll('button, input')].every((one) => {"
            "const box = one.getBoundingClientRect(); return box.left >= 0 && box.right <= 320 && box.bottom <= 560; })"
        )
        assert seen


async def test_why_there_is_no_session_is_shown_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal(403, '{"error":{"code":403,"message":"bad key","status":"PERMISSION_DENIED"}}')
    async with _page(monkeypatch, refusal) as (_server, tab):
        await tab.run("document.querySelector('#connect').click()")
        await tab.until("document.querySelector('#lines li.bad')")
        assert await _lines(tab) == [["note bad", "the server has no working access to this model"]]
        await tab.until("document.querySelector('#status').classList.contains('bad')")
        assert await tab.run("document.querySelector('#connect').textContent") == "Connect"  # another try


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_can_be_read_in_the_light_and_in_the_dark(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The contrast of text and ground is at least 7 to 1 (WCAG, level AAA)."""
    async with _page(monkeypatch, gemini_listens) as (_server, tab):
        await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        ink, ground = await tab.run(
            "[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('main')).backgroundColor]"
        )
    bright, dim = sorted((_luminance(ink), _luminance(ground)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 7
    assert (_luminance(ink) > _luminance(ground)) is (scheme == "dark")


async def gemini_listens(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.keep_receiving()


def _luminance(colour: str) -> float:
    numbers = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in numbers]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
