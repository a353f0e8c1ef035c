"""A session as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from exllm.sessions.session import Session
from exllm.sessions.transcript import Called, is_web_address, title_of, transcript, words_for
from exllm.types.parts import Image, Part, Reasoning, Refusal, Text, ToolResult

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def to_markdown(session: Session, facts: Sequence[str]) -> str:
    """What was said, under a heading for each speaker; what is Markdown already stays so."""
    blocks = [f"# {_plain(title_of(session))}", f"*{_plain(' · '.join(facts))}*"]
    for spoken in transcript(session):
        blocks.append(f"## {_plain(spoken.speaker)}")
        blocks += _blocks(spoken.parts)
        if spoken.is_cut_off:
            blocks.append("*(cut off here)*")
    if session.error:
        blocks.append(f"*Error: {_plain(session.error)}*")
    return "\n\n".join(blocks) + "\n"


def _blocks(parts: Iterable[Part | Called]) -> list[str]:
    blocks = []
    for part in parts:
        match part:
            case Text(text=text):
                blocks.append(_closed(text))
                blocks += [_source(one.url, one.title) for one in part.citations if one.url]
            case Reasoning(text=text):
                if text:
                    blocks.append("\n".join(f"> {line}" for line in text.splitlines()))
            case Refusal(text=text):
                blocks.append(_closed(text))
            case Called(call=call, result=result):
                blocks.append(f"**{_plain(call.name)}**")
                blocks.append(_fenced(call.arguments or "{}", "json"))
                blocks += _result(result) if result is not None else ["*(no result)*"]
            case ToolResult():
                blocks += _result(part)
            case Image(url=str(url)) if is_web_address(url) or url.startswith("data:image/"):
                blocks.append(f"![image](<{_address(url)}>)")
            case _:
                blocks.append(f"*[{_plain(words_for(part))}]*")
    return blocks


def _source(url: str, title: str | None) -> str:
    words = _plain(title or url)
    return f"- [{words}](<{_address(url)}>)" if is_web_address(url) else f"- {words}"


def _closed(text: str) -> str:
    """`text` with an end for a code block that has none, as where an answer was cut off."""
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found is None:
            continue
        marks, after = found.groups()
        if not fence:
            fence = marks if marks[0] == "~" or "`" not in after else ""
        elif marks.startswith(fence) and not after.strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text


def _result(result: ToolResult) -> list[str]:
    label = "Error:" if result.is_error else "Result:"
    if isinstance(result.content, str):
        return [label, _fenced(_pretty(result.content))]
    return [label, *_blocks(result.content)]


def _pretty(text: str) -> str:
    try:
        return msgspec.json.format(text.encode(), indent=2).decode() if text[:1] in "{[" else text
    except (msgspec.DecodeError, UnicodeError):
        return text


def _fenced(text: str, language: str = "") -> str:
    """A code block with a fence longer than any run of backticks in it."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text) or [""]))
    return f"{fence}{language}\n{text}\n{fence}"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _address(url: str) -> str:
    return url.replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A").replace("\r", "%0D")
