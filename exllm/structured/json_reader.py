"""A JSON reader that takes text in pieces and tells what it sees as soon as that is sure. Sans-IO."""

from __future__ import annotations

import re
from typing import Any, Protocol


class JSONSyntaxError(ValueError):
    """Text that no continuation could make JSON.

    Attributes:
        position: of the character that cannot stand there, counted over all text that was fed.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} at character {self.position}"


class Builder(Protocol):
    """What is told of a document, in its order; `JSONReader` never breaks the grammar of these calls."""

    def start_object(self) -> None:
        """A value begins, and it is an object."""

    def start_array(self) -> None:
        """A value begins, and it is an array."""

    def end(self) -> None:
        """The innermost object or array is whole."""

    def key(self, name: str) -> None:
        """The name of the value that comes next, whole."""

    def scalar(self, value: Any) -> None:
        """A number, true, false, null, or a string that came in one piece."""

    def start_string(self) -> None:
        """A value begins, and it is a string of which pieces follow."""

    def grow_string(self, piece: str) -> None:
        """More of it; never empty."""

    def end_string(self) -> None:
        """It is whole."""


_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_WHOLE_STRING = re.compile(r'"([^"\\\x00-\x1f]*)"')
_NUMBER_CHARACTERS = re.compile(r"[-+0-9.eE]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_HEX = re.compile(r"[0-9a-fA-F]*")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, tuple[str, Any]] = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
_LONGEST_NUMBER = 100_000  # characters; none that means something is longer

# What may come next. A string, a number or a word that is not over yet is a state of its own.
_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _COLON, _AFTER, _STRING, _NUMBER_GOES_ON, _WORD, _END = range(10)
_EXPECTED = {
    _VALUE: "a value", _FIRST_VALUE: "a value or ']'", _KEY: "a key in double quotes",
    _FIRST_KEY: "a key in double quotes or '}'", _COLON: "':'", _AFTER: "',' or the end of what is open",
    _STRING: "the end of a string", _NUMBER_GOES_ON: "the end of a number", _WORD: "the end of a word",
    _END: "nothing more",
}  # fmt: skip


class JSONReader:
    """Reads one JSON document (RFC 8259) and tells a `Builder` of it.

    Any slicing of the same text tells the same, in more or fewer pieces of strings. Time is linear in the text and
    does not depend on what was read before; memory is what is open. Numbers and words are told when they are surely
    over, strings as they grow, escapes and pairs of surrogates when they are whole.

    Raises (from `feed` and `close`): JSONSyntaxError; nothing can be fed then.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._state = _VALUE
        self._open: list[bool] = []  # True for an object
        self._is_key = False  # the string being read
        self._pieces: list[str] = []  # of a key or a number
        self._pieces_length = 0
        self._word = ""
        self._word_at = 0
        self._escape = ""  # an escape that is not over, or a first surrogate that waits for its second
        self._before = 0  # characters of earlier pieces

    @property
    def is_done(self) -> bool:
        """The document is whole; only white space may follow."""
        return self._state == _END

    def feed(self, text: str, *, to_end: bool = False) -> None:
        """Read more of the document. With `to_end`, what follows the document in `text` is passed over."""
        position, end = 0, len(text)
        try:
            while position < end:
                if to_end and self._state == _END:
                    break
                position = _STEPS[self._state](self, text, position)
        except _Wrong as wrong:
            position = self._before + wrong.position
            self._state = _END
            raise JSONSyntaxError(wrong.message, position) from None
        self._before += end

    def close(self) -> None:
        """The text is over. Raises JSONSyntaxError when the document is not."""
        if self._state == _NUMBER_GOES_ON and not self._open:
            try:
                self._end_number(0)
            except _Wrong as wrong:
                raise JSONSyntaxError(wrong.message, self._before) from None
        if self._state != _END:
            raise JSONSyntaxError(f"the text ended where {_EXPECTED[self._state]} was expected", self._before)

    # -- one step each: read from `position`, return where to go on

    def _value(self, text: str, position: int) -> int:
        position = _past(_SPACE, text, position)
        if position == len(text):
            return position
        first = text[position]
        if first == '"':
            if whole := _WHOLE_STRING.match(text, position):
                self._builder.scalar(whole[1])
                self._state = _AFTER if self._open else _END
                return whole.end()
            self._builder.start_string()
            self._is_key = False
            self._state = _STRING
        elif first == "{":
            self._builder.start_object()
            self._open.append(True)
            self._state = _FIRST_KEY
        elif first == "[":
            self._builder.start_array()
            self._open.append(False)
            self._state = _FIRST_VALUE
        elif first in "-0123456789":
            self._state = _NUMBER_GOES_ON
            return position
        elif first in _WORDS:
            self._word, self._word_at, self._state = _WORDS[first][0], 0, _WORD
            return position
        elif first == "]" and self._state == _FIRST_VALUE:
            self._end()
        else:
            raise self._unexpected(text, position)
        return position + 1

    def _key(self, text: str, position: int) -> int:
        position = _past(_SPACE, text, position)
        if position == len(text):
            return position
        if text[position] == '"':
            if whole := _WHOLE_STRING.match(text, position):
                self._builder.key(whole[1])
                self._state = _COLON
                return whole.end()
            self._is_key = True
            self._state = _STRING
        elif text[position] == "}" and self._state == _FIRST_KEY:
            self._end()
        else:
            raise self._unexpected(text, position)
        return position + 1

    def _colon(self, text: str, position: int) -> int:
        position = _past(_SPACE, text, position)
        if position == len(text):
            return position
        if text[position] != ":":
            raise self._unexpected(text, position)
        self._state = _VALUE
        return position + 1

    def _after(self, text: str, position: int) -> int:
        position = _past(_SPACE, text, position)
        if position == len(text):
            return position
        mark = text[position]
        if mark == ",":
            self._state = _KEY if self._open[-1] else _VALUE
        elif mark == ("}" if self._open[-1] else "]"):
            self._end()
        else:
            raise self._unexpected(text, position)
        return position + 1

    def _nothing(self, text: str, position: int) -> int:
        position = _past(_SPACE, text, position)
        if position < len(text):
            raise self._unexpected(text, position)
        return position

    def _string(self, text: str, position: int) -> int:
        if self._escape:
            return self._escaped(text, position)
        end = _past(_PLAIN, text, position)
        if end > position:
            self._grow(text[position:end])
        if end == len(text):
            return end
        mark = text[end]
        if mark == "\\":
            self._escape = mark
        elif mark == '"':
            self._end_string()
        else:
            raise _Wrong("a control character in a string must be escaped", end)
        return end + 1

    def _escaped(self, text: str, position: int) -> int:
        """Go on with an escape, which may be in any number of pieces; `_escape` has what came of it."""
        escape = self._escape
        if escape == "\\":
            mark = text[position]
            if mark == "u":
                self._escape = "\\u"
            elif mark in _ESCAPES:
                self._escape = ""
                self._grow(_ESCAPES[mark])
            else:
                raise _Wrong("no such escape", position)
            return position + 1
        if len(escape) == 6:  # a first surrogate: is a second one next?
            if text[position] == "\\":
                self._escape += "\\"
                return position + 1
            self._escape = ""
            self._grow(_character(escape))
            return position
        if len(escape) == 7:
            if text[position] == "u":
                self._escape += "u"
                return position + 1
            self._escape = "\\"
            self._grow(_character(escape))
            return position
        missing = (6 if len(escape) < 6 else 12) - len(escape)
        match = _HEX.match(text, position, min(position + missing, len(text)))
        assert match is not None
        self._escape += match[0]
        end = match.end()
        if end - position < missing:
            if end < len(text):
                raise _Wrong("\\u needs four hexadecimal digits", end)
            return end
        self._end_code()
        return end

    def _end_code(self) -> None:
        escape = self._escape
        second = int(escape[-4:], 16)
        is_first_surrogate = 0xD800 <= second < 0xDC00
        if len(escape) == 12:
            if 0xDC00 <= second < 0xE000:
                self._escape = ""
                self._grow(chr(0x10000 + ((int(escape[2:6], 16) - 0xD800) << 10) + (second - 0xDC00)))
                return
            self._grow(_character(escape))
        if is_first_surrogate:
            self._escape = escape[-6:]
        else:
            self._escape = ""
            self._grow(chr(second))

    def _number(self, text: str, position: int) -> int:
        end = _past(_NUMBER_CHARACTERS, text, position)
        if end > position:
            self._pieces.append(text[position:end])
            self._pieces_length += end - position
            if self._pieces_length > _LONGEST_NUMBER:
                raise _Wrong("a number is too long", position)
        if end < len(text):
            self._end_number(end)
        return end

    def _end_number(self, position: int) -> None:
        digits = "".join(self._pieces)
        self._pieces.clear()
        self._pieces_length = 0
        match = _NUMBER.fullmatch(digits)
        if match is None:
            raise _Wrong(f"{digits[:40]!r} is no JSON number", position)
        try:
            value: Any = int(digits) if match[1] is None and match[2] is None else float(digits)
        except ValueError as error:  # longer than Python converts
            raise _Wrong(str(error), position) from None
        self._builder.scalar(value)
        self._state = _AFTER if self._open else _END

    def _in_word(self, text: str, position: int) -> int:
        word, at = self._word, self._word_at
        piece = text[position : position + len(word) - at]
        if not word.startswith(piece, at):
            raise _Wrong(f"expected {word!r}", position)
        self._word_at = at + len(piece)
        if self._word_at == len(word):
            self._builder.scalar(_WORDS[word[0]][1])
            self._state = _AFTER if self._open else _END
        return position + len(piece)

    # -- inside

    def _grow(self, piece: str) -> None:
        if self._is_key:
            self._pieces.append(piece)
        else:
            self._builder.grow_string(piece)

    def _end_string(self) -> None:
        if self._is_key:
            self._builder.key("".join(self._pieces))
            self._pieces.clear()
            self._state = _COLON
        else:
            self._builder.end_string()
            self._state = _AFTER if self._open else _END

    def _end(self) -> None:
        self._builder.end()
        self._open.pop()
        self._state = _AFTER if self._open else _END

    def _unexpected(self, text: str, position: int) -> _Wrong:
        return _Wrong(f"expected {_EXPECTED[self._state]}, got {text[position]!r}", position)


class _Wrong(Exception):
    """A syntax error, with its place in the piece that was fed."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def _past(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where it ends; the pattern matches at least nothing."""
    return pattern.match(text, position).end()  # type: ignore[union-attr]


def _character(escape: str) -> str:
    return chr(int(escape[2:6], 16))


_STEPS = {
    _VALUE: JSONReader._value, _FIRST_VALUE: JSONReader._value, _KEY: JSONReader._key, _FIRST_KEY: JSONReader._key,
    _COLON: JSONReader._colon, _AFTER: JSONReader._after, _STRING: JSONReader._string,
    _NUMBER_GOES_ON: JSONReader._number, _WORD: JSONReader._in_word, _END: JSONReader._nothing,
}  # fmt: skip
