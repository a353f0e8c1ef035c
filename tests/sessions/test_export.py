"""Sessions as Markdown, HTML and JSON."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm import Citation, Document, Image, Message, Reasoning, Response, Session, Text, ToolCall, ToolResult, Usage
from exllm.sessions import export, from_json
from exllm.types.response import Choice

PNG = b"\x89PNG\r\n\x1a\n"
NASTY = "<script>alert(1)</script> & \"q\" 'a' </pre>\x00\x1b ```"
FULL = Session(
    "openai/gpt-4.1",
    "Be <b>brief</b>.",
    name="Trip\n# to *Oslo*",
    status="error",
    error="ServerError: <down>",
    history=(
        Message("user", [Text(NASTY), Image(data=PNG, media_type="image/png"), Image(url="https://e.com/a.png")]),
        Message("assistant", [Reasoning("Hm\nhm"), Text("Let me see."), ToolCall("1", "weather", '{"city":"Oslo"}')]),
        Message("tool", [ToolResult("1", '{"sky":"rain"}', "weather")]),
        Message(
            "assistant",
            [
                Text("Rain.", (Citation(url="https://e.com/?a=1&b=2", title="<W>"), Citation(url="javascript:x()"))),
                ToolCall("2", "delete", ""),
            ],
        ),
        Message("tool", [ToolResult("2", "no <such> file", is_error=True)]),
        Message(
            "user", [Document(data=b"x", media_type="application/pdf", title="Plan"), Image(data=b"", media_type="x")]
        ),
    ),
    partial=Response((Choice(Message("assistant", "Half a")),)),
    settled_usage=Usage(total_tokens=1234),
    updated_at=1_700_000_000.0,
)


class Page(HTMLParser):
    """What a browser would make of a page: balanced tags, texts, attributes."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)


def test_html_is_a_page_with_all_that_was_said_and_nothing_active() -> None:
    page = Page(export(FULL, "html"))
    text = "".join(page.texts)
    for said in (
        "<script>alert(1)</script> & \"q\" 'a' </pre>�� ```", "Be <b>brief</b>.", "Let me see.", '{"city":"Oslo"}',
        '{"sky":"rain"}', "no <such> file", "[Document: Plan]", "Half a", "(cut off here)", "ServerError: <down>",
        "1,234 tokens",
    ):  # fmt: skip
        assert said in text, said
    assert "script" not in page.tags
    assert page.tags.count("details") == 3
    sources = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert sources == [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"]
    links = [value for _, name, value in page.attributes if name == "href"]
    assert links == ["https://e.com/a.png", "https://e.com/?a=1&b=2"]
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert ("meta", "content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in page.attributes
    assert "color-scheme: light dark" in export(FULL, "html")


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_out_of_a_page(said: str, name: str, result: str) -> None:
    history = (
        Message("user", [Text(said)]), Message("assistant", [ToolCall("1", name or "f", said)]),
        Message("tool", [ToolResult("1", result)]),
    )  # fmt: skip
    plain = Page(export(Session("mock/m", history=history[:0]), "html"))
    page = Page(export(Session("mock/m", name=name, history=history), "html"))
    assert set(page.tags) <= {*plain.tags, "article", "p", "div", "details", "summary", "pre"}


def test_markdown_reads_well_and_fences_hold() -> None:
    text = export(FULL)
    assert text.startswith("# Trip \\# to \\*Oslo\\*\n\n*openai/gpt\\-4.1 · error · 7 messages · 1,234 tokens ·")
    assert "· 1,234 tokens ·" in text
    assert "2023\\-11\\-14 22:13 UTC" in text
    assert (
        '## Assistant\n\n> Hm\n> hm\n\nLet me see.\n\n**weather**\n\n```json\n{"city":"Oslo"}\n```\n\nResult:' in text
    )
    assert '{\n  "sky": "rain"\n}' in text
    assert "Error:\n\n```\nno <such> file\n```" in text
    assert "- [\\<W\\>](<https://e.com/?a=1&b=2>)" in text
    assert "Half a\n\n*(cut off here)*" in text
    assert text.count("\n## ") == 6
    fenced = Session("mock/m", history=(
        Message("assistant", [ToolCall("1", "f", "{}")]), Message("tool", [ToolResult("1", "a\n````\nb")]),
    ))  # fmt: skip
    assert "`````\na\n````\nb\n`````" in export(fenced)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("```python\nprint(1)", "```python\nprint(1)\n```"),
        ("a\n~~~~\n~~~\nb", "a\n~~~~\n~~~\nb\n~~~~"),
        ("```\na\n```", "```\na\n```"),
        ("````\n```\na\n````\nb", "````\n```\na\n````\nb"),
        ("```one line```", "```one line```"),
    ],
)
def test_a_code_block_that_was_cut_off_ends_with_its_answer(said: str, shown: str) -> None:
    session = Session("mock/m", history=(Message("user", "Go"), Message("assistant", said), Message("user", "More")))
    assert f"## Assistant\n\n{shown}\n\n## User\n\nMore" in export(session)


def test_links_that_run_something_are_text() -> None:
    parts = [
        Text("So.", citations=(Citation(url="javascript:alert(1)", title="Here"),)),
        Image(url="javascript:alert(2)"), Image(url="data:image/png;base64,AAAA"), Image(url="data:image/png,\"><b>"),
        Image(url="data:text/html;base64," + "A" * 5000),
    ]  # fmt: skip
    session = Session("mock/m", history=(Message("assistant", parts),))
    markdown, page = export(session), export(session, "html")
    assert "(<javascript" not in markdown
    assert "- Here\n" in markdown
    assert "![image](<data:image/png;base64,AAAA>)" in markdown
    assert 'href="javascript' not in page
    assert page.count("<img") == 1
    assert '<img alt="image" src="data:image/png;base64,AAAA">' in page
    assert "<b>" not in page
    assert len(page) < 5000


def test_json_is_the_whole_session_for_any_store() -> None:
    stored = msgspec.structs.replace(FULL, revision="abc")
    text = export(stored, "json")
    assert "\n  " in text
    assert from_json(text) == FULL


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="the format is markdown, html or json, got 'pdf'"):
        export(FULL, "pdf")  # type: ignore[arg-type]


def test_a_session_without_anything_is_shown() -> None:
    session = Session("mock/m")
    assert export(session).startswith(f"# Session {session.id}\n")
    assert Page(export(session, "html")).tags.count("article") == 0
