"""The arguments of a call as models write them: JSON, nearly JSON, or Python.

Beside JSON this reads what models are known to write: nothing at all, a fenced code block, JSON within a JSON string,
single quotes, trailing commas, unquoted names, Python's ``True``, ``False`` and ``None``, line breaks within strings.
What was cut off is never completed: a call with half a path must not be made.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_FENCE = "```"
_FENCE_OPENING = re.compile(r"```[\w-]*")
_SPACE = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
_PLAIN = {quote: re.compile(rf"[^{quote}\\]*") for quote in "\"'"}
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_ESCAPES = {
    '"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "\n": "",
}  # fmt: skip
_MOST_DEPTH = 100
_SHOWN_CHARS = 30


class ArgumentsError(ValueError):
    """Arguments that cannot be read, or do not fit; the words are for the model."""


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments by name. Pure.

    Raises: ArgumentsError that says what is wrong and where.
    """
    value = _value_of(text)
    if isinstance(value, str):  # JSON in a string
        value = _value_of(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ArgumentsError(f"the arguments must be a JSON object, such as {{}}, not {_kind(value)}")
    return value


def _value_of(text: str) -> Any:
    if not text or text.isspace():
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        pass
    text = text.strip()
    end_at = len(text) - len(_FENCE)
    if text.endswith(_FENCE) and (opening := _FENCE_OPENING.match(text)) is not None and opening.end() <= end_at:
        text = text[opening.end() : end_at].strip()
        if not text:
            return None
    return _Reader(text).read()


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "an array"
    return "a string" if isinstance(value, str) else "a number or a word"


class _Reader:
    """Reads one value that is nearly JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def read(self) -> Any:
        value = self._value()
        self._skip_space()
        if self._at < len(self._text):
            raise self._error("the arguments should end")
        return value

    def _value(self) -> Any:
        self._skip_space()
        first = self._text[self._at : self._at + 1]
        if first == "{":
            return self._nested(self._object)
        if first == "[":
            return self._nested(self._array)
        if first in ('"', "'") and first:
            return self._string(first)
        if (number := _NUMBER.match(self._text, self._at)) is not None:
            return self._number(number)
        if (word := _WORD.match(self._text, self._at)) is not None and word[0] in _WORDS:
            self._at = word.end()
            return _WORDS[word[0]]
        raise self._error("a value is expected")

    def _nested(self, read: Any) -> Any:
        self._at += 1
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ArgumentsError(f"the arguments are nested more than {_MOST_DEPTH} levels deep")
        value = read()
        self._depth -= 1
        return value

    def _object(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while not self._ends_with("}"):
            name = self._name()
            self._skip_space()
            self._take(":", f"a ':' is expected after {name!r}")
            made[name] = self._value()
            self._take_comma("}")
        return made

    def _array(self) -> list[Any]:
        made: list[Any] = []
        while not self._ends_with("]"):
            made.append(self._value())
            self._take_comma("]")
        return made

    def _name(self) -> str:
        first = self._text[self._at : self._at + 1]
        if first in ('"', "'") and first:
            return self._string(first)
        if (word := _WORD.match(self._text, self._at)) is not None:
            self._at = word.end()
            return word[0]
        raise self._error("a name in quotes is expected")

    def _ends_with(self, bracket: str) -> bool:
        self._skip_space()
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        return False

    def _take_comma(self, bracket: str) -> None:
        self._skip_space()
        if not self._text.startswith(bracket, self._at):
            self._take(",", f"a ',' or '{bracket}' is expected")

    def _take(self, mark: str, otherwise: str) -> None:
        if not self._text.startswith(mark, self._at):
            raise self._error(otherwise)
        self._at += 1

    def _number(self, match: re.Match[str]) -> int | float:
        text = match[0]
        try:
            value = float(text) if any(mark in text for mark in ".eE") else int(text)
        except ValueError:  # more digits than Python converts
            raise self._error("this number is too long") from None
        if value in (float("inf"), float("-inf")):
            raise self._error("this number is too large")
        self._at = match.end()
        return value

    def _string(self, quote: str) -> str:
        began_at = self._at
        self._at += 1
        pieces: list[str] = []
        while True:
            plain = _PLAIN[quote].match(self._text, self._at)
            assert plain is not None
            pieces.append(plain[0])
            self._at = plain.end()
            if self._at >= len(self._text):
                self._at = began_at
                raise self._error("this string has no end")
            self._at += 1
            if self._text[self._at - 1] == quote:
                return _joined(pieces)
            pieces.append(self._escape())

    def _escape(self) -> str:
        mark = self._text[self._at : self._at + 1]
        self._at += 1
        if mark == "u" and (code := _HEX.match(self._text, self._at)) is not None:
            self._at = code.end()
            return chr(int(code[0], 16))
        return _ESCAPES.get(mark, "\\" + mark)  # no escape at all, as in a path of Windows

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _error(self, words: str) -> ArgumentsError:
        if self._at >= len(self._text):
            return ArgumentsError(f"the arguments are not valid JSON: {words}, but they end there")
        found = self._text[self._at : self._at + _SHOWN_CHARS]
        return ArgumentsError(f"the arguments are not valid JSON: {words} at character {self._at}, before {found!r}")


def _joined(pieces: list[str]) -> str:
    """The string, with halves of surrogate pairs joined, and lone ones replaced: nothing can encode them."""
    text = "".join(pieces)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
