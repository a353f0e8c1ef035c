"""The HTML page of a session in a real browser: it is shown whole, and nothing in it runs or is fetched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from exllm import Image, Message, Session, Text, ToolCall, ToolResult
from exllm.sessions import export
from tests.browser.chromium import browser_page
from tests.media.pictures import picture

pytestmark = pytest.mark.browser

NASTY = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>"


async def test_a_page_shows_all_and_runs_nothing(tmp_path: Path) -> None:
    session = Session(
        "mock/m", NASTY, name=NASTY,
        history=(
            Message("user", [Text(NASTY), Image(data=picture(8, 6), media_type="image/png")]),
            Message("assistant", [ToolCall("1", NASTY, NASTY)]),
            Message("tool", [ToolResult("1", NASTY)]),
        ),
    )  # fmt: skip
    path = tmp_path / "page.html"
    await asyncio.to_thread(path.write_text, export(session, "html"), encoding="utf-8")
    async with browser_page() as page:
        await page.open(path.as_uri())
        assert await page.run("window.ran === undefined")
        assert await page.run("document.title") == NASTY
        assert await page.run("[...document.images].map(i => [i.naturalWidth, i.naturalHeight])") == [[8, 6]]
        assert await page.run("document.querySelectorAll('article').length") == 3
        assert await page.run("document.querySelector('article.user .text').innerText") == NASTY
        await page.run("document.querySelector('details').open = true")
        assert await page.run("document.querySelector('pre').innerText") == NASTY
        assert (
            await page.run("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length")
            == 0
        )
        assert await page.run("document.documentElement.scrollWidth <= innerWidth")
        assert page.console == []
