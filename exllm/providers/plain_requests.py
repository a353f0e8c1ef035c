"""Requests of plain conversations, written by a pattern: most of them are.

Of the same model with the same options, the bodies of two conversations differ in the texts alone, where these are
plain: words of the user and the assistant in turns, after a system prompt perhaps. So a wire is asked once to write a
conversation of known texts; what stands around these is the pattern that the next bodies are put together from.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exllm.errors import ExLLMError
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest, Wire
from exllm.types.message import Message
from exllm.types.options import NO_OPTIONS
from exllm.types.request import Request

_encode = msgspec.json.Encoder().encode

_MOST_PATTERNS = 256
_MOST_OPTION_BYTES = 16_384
"""Larger ones are not compared with those of other calls."""


class _Texts(msgspec.Struct, frozen=True, gc=False):
    """A plain conversation: the role and the words of a system prompt, if there is one, and all turns after it."""

    role: str | None
    system: str
    turns: list[str]


class _Pattern(msgspec.Struct, frozen=True, gc=False):
    """What stands around the texts in a body.

    Attributes:
        http: the request; its body is another one's.
        head, tail: before the first text and after the last.
        there, back: between a text of the user and the assistant's, and between this and the next of the user.
        joint: between the turns and the system prompt, which comes first or last.
    """

    http: HttpRequest
    head: bytes
    tail: bytes
    there: bytes
    back: bytes
    joint: bytes = b""
    system_first: bool = False

    def write(self, texts: _Texts) -> HttpRequest:
        """The request that holds `texts`."""
        turns = _encode(texts.turns[0])
        if len(texts.turns) > 1:
            pieces = [turns]
            for place in range(1, len(texts.turns), 2):
                pieces += (self.there, _encode(texts.turns[place]), self.back, _encode(texts.turns[place + 1]))
            turns = b"".join(pieces)
        if texts.role is None:
            body = b"%b%b%b" % (self.head, turns, self.tail)
        else:
            system = _encode(texts.system)
            first, last = (system, turns) if self.system_first else (turns, system)
            body = b"%b%b%b%b%b" % (self.head, first, self.joint, last, self.tail)
        http = self.http
        return HttpRequest(http.path, body, http.headers, http.method, http.warnings)


class _Known(msgspec.Struct, gc=False):
    """What is known of the calls that are alike but for their texts."""

    spec: ProviderSpec
    is_new: bool = True
    pattern: _Pattern | None = None


class PlainRequests:
    """Builds the requests of one client: by a pattern where it can, and always as the wire's own `build` does it.

    A pattern is learnt when the same model is asked with the same options for the second time.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, bool, bytes, str | None], _Known] = {}

    def build(self, wire: Wire, request: Request, spec: ProviderSpec) -> HttpRequest:
        """See `Wire.build`."""
        texts = _plain(request.messages) if getattr(wire, "texts_stand_apart", False) and not request.extra else None
        if texts is None or (options := _comparable(request)) is None:
            return wire.build(request, spec)
        key = (id(spec), request.model, request.stream, options, texts.role)
        known = self._known.get(key)
        if known is not None and known.pattern is not None and known.spec is spec:
            return known.pattern.write(texts)
        built = wire.build(request, spec)
        if known is None or known.spec is not spec:
            if len(self._known) >= _MOST_PATTERNS:
                self._known.clear()
            self._known[key] = _Known(spec)
        elif known.is_new:
            known.is_new = False
            pattern = _learn(wire, request, spec, texts.role)
            if pattern is not None and pattern.write(texts) == built:
                known.pattern = pattern
        return built


def _plain(messages: Sequence[Message]) -> _Texts | None:
    """The texts of a plain conversation, in which the user has the last word; None of any other."""
    role, system, turns = None, "", []
    expected = "user"
    for message in messages:
        text = message.content
        if type(text) is not str or message.name is not None or not text.strip():
            return None
        if message.role == expected:
            turns.append(text)
            expected = "assistant" if expected == "user" else "user"
        elif not turns and role is None and message.role in ("system", "developer"):
            role, system = message.role, text
        else:
            return None
    return _Texts(role, system, turns) if expected == "assistant" else None


def _comparable(request: Request) -> bytes | None:
    """The options in a form that is the same for the same options alone; None where that is not worth the while."""
    if request.options is NO_OPTIONS:
        return b""
    try:
        options = _encode(request.options)
    except (TypeError, ValueError, RecursionError):  # a type as `response_model`
        return None
    return options if len(options) <= _MOST_OPTION_BYTES else None


_SYSTEM, _TURNS = "text of the system (exllm)", [f"text of turn {number} (exllm)" for number in range(5)]


def _learn(wire: Wire, request: Request, spec: ProviderSpec, role: str | None) -> _Pattern | None:
    """The pattern of `request`, taken from a conversation of known texts; None where they do not stand apart."""
    messages = [Message("assistant" if place % 2 else "user", text) for place, text in enumerate(_TURNS)]
    if role is not None:
        messages.insert(0, Message(role, _SYSTEM))  # type: ignore[arg-type]
    try:
        http = wire.build(msgspec.structs.replace(request, messages=tuple(messages)), spec)
    except ExLLMError:  # a model that takes one question and no conversation
        return None
    rest, between = http.body, []
    system_first = role is not None and rest.find(_encode(_SYSTEM)) < rest.find(_encode(_TURNS[0]))
    order = [_SYSTEM, *_TURNS] if system_first else [*_TURNS, _SYSTEM] if role is not None else _TURNS
    for text in order:
        before, found, rest = rest.partition(_encode(text))
        if not found or _encode(text) in rest:
            return None
        between.append(before)
    head, joint = between.pop(0), b""
    if role is not None:
        joint = between.pop(0 if system_first else -1)
    there, back, *again = between
    if again != [there, back]:
        return None
    return _Pattern(http, head, rest, there, back, joint, system_first)
