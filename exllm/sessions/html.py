"""A session as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

from exllm.sessions.session import Session
from exllm.sessions.transcript import Called, is_web_address, title_of, transcript, words_for
from exllm.types.parts import Image, Part, Reasoning, Refusal, Text, ToolResult

_IMAGE_TYPE = re.compile(r"image/[a-z0-9.+-]+", re.ASCII)
_DATA_URL = re.compile(rf"data:{_IMAGE_TYPE.pattern};base64,[A-Za-z0-9+/]+=*", re.ASCII)
_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "�")  # what HTML cannot hold

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --side: light-dark(#f3f4f6, #22252b); --user: light-dark(#e7f0ff, #1d2a3f);
  --faint: light-dark(#5b6270, #9aa3b2); --bad: light-dark(#b42318, #ff8a80); }}
body {{ font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; margin-bottom: 0; overflow-wrap: anywhere; }}
.facts, .speaker, .note {{ color: var(--faint); font-size: .85rem; }}
article {{ background: var(--side); border-radius: .6rem; padding: .6rem 1rem; margin: .8rem 0; }}
article.user {{ background: var(--user); }}
.speaker {{ font-weight: 600; margin: 0; }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; font-size: .85rem; }}
.error {{ color: var(--bad); }}
img {{ max-width: 100%; border-radius: .3rem; }}
summary {{ cursor: pointer; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="facts">{facts}</p>
{body}
</body>
</html>
"""


def to_html(session: Session, facts: Sequence[str]) -> str:
    """What was said, with images in the page, and reasoning and calls folded. Nothing in it is run or fetched."""
    articles = []
    for spoken in transcript(session):
        parts = "\n".join(_blocks(spoken.parts))
        if spoken.is_cut_off:
            parts += '\n<p class="note">(cut off here)</p>'
        kind = spoken.speaker.partition(" ")[0].lower()
        articles.append(
            f'<article class="{_text(kind)}">\n<p class="speaker">{_text(spoken.speaker)}</p>\n{parts}\n</article>'
        )
    if session.error:
        articles.append(f'<p class="note error">{_text(session.error)}</p>')
    return _PAGE.format(
        title=_text(title_of(session)), facts=_text(" · ".join(facts)), body="\n".join(articles)
    )  # fmt: skip


def _blocks(parts: Iterable[Part | Called]) -> list[str]:
    blocks = []
    for part in parts:
        match part:
            case Text(text=text):
                blocks.append(f'<div class="text">{_text(text)}</div>')
                blocks += [f'<p class="note">{_link(one.url, one.title)}</p>' for one in part.citations if one.url]
            case Refusal(text=text):
                blocks.append(f'<div class="text">{_text(text)}</div>')
            case Reasoning(text=text):
                if text:
                    blocks.append(_folded("Reasoning", f'<div class="text">{_text(text)}</div>'))
            case Called(call=call, result=result):
                inside = f"<pre>{_text(call.arguments or '{}')}</pre>"
                inside += _result(result) if result is not None else '<p class="note">(no result)</p>'
                blocks.append(_folded(f"{call.name}(…)", inside))
            case ToolResult():
                blocks.append(_folded(part.name or "Result", _result(part)))
            case Image(data=bytes(data), media_type=str(kind)) if _IMAGE_TYPE.fullmatch(kind):
                blocks.append(f'<img alt="image" src="data:{kind};base64,{base64.b64encode(data).decode()}">')
            case Image(url=str(url)) if _DATA_URL.fullmatch(url):
                blocks.append(f'<img alt="image" src="{url}">')
            case Image(url=str(url)) if is_web_address(url):
                blocks.append(f'<p class="note">Image: {_link(url, None)}</p>')
            case _:
                blocks.append(f'<p class="note">[{_text(words_for(part))}]</p>')
    return blocks


def _result(result: ToolResult) -> str:
    if isinstance(result.content, str):
        kind = ' class="error"' if result.is_error else ""
        return f"<pre{kind}>{_text(result.content)}</pre>"
    return "\n".join(_blocks(result.content))


def _folded(heading: str, inside: str) -> str:
    return f"<details>\n<summary>{_text(heading)}</summary>\n{inside}\n</details>"


def _link(url: str, title: str | None) -> str:
    if not is_web_address(url):
        return _text(title or url)
    return f'<a href="{_text(url)}" rel="noreferrer noopener">{_text(title or url)}</a>'


def _text(text: str) -> str:
    return escape(text.translate(_CONTROLS))
