"""A session as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from exllm.sessions.session import Session
from exllm.sessions.transcript import Called, title_of, transcript, words_for
from exllm.types.parts import Image, Part, Reasoning, Refusal, Text, ToolResult

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")


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
                blocks.append(text)
                blocks += [
                    f"- [{_plain(one.title or one.url)}](<{_address(one.url)}>)" for one in part.citations if one.url
                ]
            case Reasoning(text=text):
                if text:
                    blocks.append("\n".join(f"> {line}" for line in text.splitlines()))
            case Refusal(text=text):
                blocks.append(text)
            case Called(call=call, result=result):
                blocks.append(f"**{_plain(call.name)}**")
                blocks.append(_fenced(call.arguments or "{}", "json"))
                blocks += _result(result) if result is not None else ["*(no result)*"]
            case ToolResult():
                blocks += _result(part)
            case Image(url=str(url)):
                blocks.append(f"![image](<{_address(url)}>)")
            case _:
                blocks.append(f"*[{_plain(words_for(part))}]*")
    return blocks


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


def _address(url: str | None) -> str:
    return (url or "").replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A").replace("\r", "%0D")
