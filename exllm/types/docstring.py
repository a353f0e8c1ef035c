"""What a docstring says of a function and of each parameter, in Google's, Sphinx' or NumPy's style."""

from __future__ import annotations

import inspect
import re

_HEADING = re.compile(
    r"(Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Returns?|Yields?|Raises|"
    r"Examples?|Notes?|Attributes|References|See Also|Warnings?|Todo):?\s*$"
)
_OF_PARAMETERS = frozenset(
    {"Args", "Arguments", "Parameters", "Params", "Keyword Args", "Keyword Arguments", "Other Parameters"}
)  # fmt: skip
_GOOGLE_ENTRY = re.compile(r"(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY_ENTRY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_SPHINX_FIELD = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)")
_SPHINX_PARAMETERS = frozenset({"param", "parameter", "arg", "argument", "key", "keyword"})


def parse_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description, which is all that stands before the first section or field, and the parameters' own."""
    if not text:
        return "", {}
    lines = inspect.cleandoc(text).splitlines()
    start = next((i for i in range(len(lines)) if _starts_section(lines, i)), len(lines))
    parameters: dict[str, str] = {}
    position = start
    while position < len(lines):
        if field := _SPHINX_FIELD.match(lines[position]):
            position = _sphinx(lines, position, field, parameters)
        elif heading := _heading(lines, position):
            position = _section(lines, position, heading, parameters)
        else:
            position += 1
    return _paragraphs(lines[:start]), parameters


def _starts_section(lines: list[str], position: int) -> bool:
    return _heading(lines, position) is not None or _SPHINX_FIELD.match(lines[position]) is not None


def _heading(lines: list[str], position: int) -> str | None:
    """The name of the section that begins here: ``Args:`` with indented lines below it, or underlined."""
    match = _HEADING.fullmatch(lines[position])
    if match is None:
        return None
    below = lines[position + 1] if position + 1 < len(lines) else ""
    is_google = lines[position].rstrip().endswith(":") and (not below.strip() or below[:1].isspace())
    return match[1] if is_google or _is_underline(below) else None


def _is_underline(line: str) -> bool:
    return len(line) > 2 and set(line) <= {"-"}


def _section(lines: list[str], position: int, name: str, parameters: dict[str, str]) -> int:
    """Read one section; gives the line after it."""
    underlined = position + 1 < len(lines) and _is_underline(lines[position + 1])
    position += 2 if underlined else 1
    end = position
    while end < len(lines) and not _ends_section(lines, end, underlined):
        end += 1
    if name in _OF_PARAMETERS:
        _entries(lines[position:end], underlined, parameters)
    return end


def _ends_section(lines: list[str], position: int, underlined: bool) -> bool:
    line = lines[position]
    if not line.strip() or line[:1].isspace():
        return False
    return not underlined or _starts_section(lines, position)


def _entries(lines: list[str], underlined: bool, parameters: dict[str, str]) -> None:
    filled = [line for line in lines if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    names: list[str] = []
    for line in filled:
        entry = line[margin:]
        match = None if entry[:1].isspace() else (_NUMPY_ENTRY if underlined else _GOOGLE_ENTRY).match(entry)
        if match is not None:
            names = [name.strip().lstrip("*") for name in match[1].split(",")]
            words = "" if underlined else match[2].strip()
        else:
            words = entry.strip()
        for name in names:
            parameters[name] = f"{parameters.get(name, '') if match is None else ''} {words}".strip()


def _sphinx(lines: list[str], position: int, field: re.Match[str], parameters: dict[str, str]) -> int:
    """Read one ``:param name: words`` field with its indented lines; gives the line after it."""
    words = [field[3].strip()]
    position += 1
    while position < len(lines) and lines[position][:1].isspace() and lines[position].strip():
        words.append(lines[position].strip())
        position += 1
    if field[1] in _SPHINX_PARAMETERS and field[2]:
        parameters[field[2].split()[-1].lstrip("*")] = " ".join(word for word in words if word)
    return position


def _paragraphs(lines: list[str]) -> str:
    """Lines of a paragraph joined, paragraphs kept; lists and indented lines stay as they are."""
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            paragraphs.append([])
        elif paragraphs[-1] and not line[:1].isspace() and not re.match(r"[-*+] |\d+[.)] ", line):
            paragraphs[-1][-1] += " " + line.rstrip()
        else:
            paragraphs[-1].append(line.rstrip())
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs if paragraph)
