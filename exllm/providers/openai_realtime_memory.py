"""The conversation of a Realtime session as items, to be told again over another connection.

Kept are words, calls and their results, in the order in which the service has them; of speech the transcript, as far as
there is one, and of what was cut off while it played, about as much as was heard. Speech is not kept; messages with
images and recordings that were sent as turns are, up to a bound. What was sent and not yet confirmed by the service
comes last.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

Item = dict[str, Any]

MAX_CHARS = 200_000
MAX_MEDIA_CHARS = 8_000_000
"""Of images and recordings, as base64."""

MOST_UNCONFIRMED = 1_000
_SPOKEN = frozenset({"input_audio", "output_audio", "audio"})
_TEXT_KIND = {"assistant": "output_text"}
_MEDIA = ("image_url", "audio")


class _Kept(msgspec.Struct):
    """One item. `words` are those of a message, in pieces; `rest` is what an item holds that is no message; `sent` is a
    message with media, as it was sent."""

    type: str
    role: str = ""
    words: list[str] = []
    rest: Item = {}
    sent: Item | None = None
    is_whole: bool = True
    is_cut: bool = False
    chars: int = 0

    def text(self) -> str:
        if len(self.words) > 1:
            self.words = ["".join(self.words)]
        return self.words[0] if self.words else ""


class Conversation:
    """The items of one session, over all its connections.

    Attributes:
        has_forgotten: something was dropped to stay within `MAX_CHARS`.
        is_resuming: the service goes on with the conversation, and may say again what it knows.
    """

    def __init__(self) -> None:
        self.has_forgotten = False
        self.is_resuming = False
        self._items: dict[str, _Kept] = {}
        self._order: deque[str] = deque()
        self._unconfirmed: list[Item] = []
        self._chars = 0
        self._media_chars = 0

    def __bool__(self) -> bool:
        return bool(self._items or self._unconfirmed)

    def begin_again(self) -> None:
        """The service starts from nothing: what it confirmed is to be told again, and will be confirmed again."""
        self._unconfirmed = self.to_tell()
        self._items.clear()
        self._order.clear()
        self._chars = self._media_chars = 0

    def unconfirmed(self) -> list[Item]:
        """What was sent, and the service has not said that it has."""
        return list(self._unconfirmed)

    def sent(self, item: Item) -> None:
        """An item that was sent."""
        self._unconfirmed.append(item)
        if len(self._unconfirmed) > MOST_UNCONFIRMED:
            del self._unconfirmed[0]
            self.has_forgotten = True
        if _media_chars(item):
            self._shrink_unconfirmed()

    def put(self, item: Item, previous: str = "") -> None:
        """An item that the service has, as far as it is known; `previous` stands before it."""
        id_ = item.get("id")
        if not isinstance(id_, str) or not id_:
            return
        kept = _kept(item)
        sent = self._confirm(item)
        if kept is None:
            return
        known = self._items.get(id_)
        if known is None and self.is_resuming and sent is None and self._is_told_again(id_, kept):
            return
        if known is None:
            self._insert(id_, kept, previous)
            if sent is not None and (chars := _media_chars(sent)):
                kept.sent = sent
                self._media_chars += chars
        elif kept.rest or len(kept.text()) > len(known.text()):  # else a note of the item without its words
            if known.is_cut:
                return
            self._chars += kept.chars - known.chars
            kept.sent = known.sent
            self._items[id_] = kept
        self._shrink()

    def piece(self, id_: str, text: str) -> None:
        """The next words of a message."""
        kept = self._items.get(id_)
        if kept is not None and text and not kept.is_cut:
            kept.words.append(text)
            self._grow(kept, len(text))

    def whole(self, id_: str, text: str) -> None:
        """All words of a message."""
        kept = self._items.get(id_)
        if kept is not None and text and not kept.is_cut:
            grown = len(text) - sum(map(len, kept.words))
            kept.words = [text]
            self._grow(kept, grown)

    def cut(self, id_: str, fraction: float) -> None:
        """Of what was said only this part was heard."""
        kept = self._items.get(id_)
        if kept is None or not kept.words:
            return
        text = kept.text()
        end = int(len(text) * min(1.0, max(0.0, fraction)))
        if end < len(text):
            space = text.rfind(" ", 0, end + 1)
            kept.words = [text[: space if space > 0 else end]]
            kept.is_cut = True
            self._grow(kept, len(kept.words[0]) - len(text))

    def delete(self, id_: str) -> None:
        """The service has deleted an item."""
        kept = self._items.pop(id_, None)
        if kept is not None:
            self._order.remove(id_)
            self._chars -= kept.chars
            self._forget_media(kept)

    def to_tell(self) -> list[Item]:
        """The items to create, in order."""
        items = [item for id_ in self._order if (item := _item(self._items[id_])) is not None]
        items += self._unconfirmed
        called = [item.get("call_id") for item in items if item.get("type") == "function_call"]
        return [item for item in items if item.get("type") != "function_call_output" or item.get("call_id") in called]

    def _insert(self, id_: str, kept: _Kept, previous: str) -> None:
        is_in_between = previous in self._items and previous != self._order[-1]
        self._order.insert(self._order.index(previous) + 1 if is_in_between else len(self._order), id_)
        self._items[id_] = kept
        self._chars += kept.chars

    def _is_told_again(self, id_: str, kept: _Kept) -> bool:
        """The service goes on with a conversation, and says under new ids what it knows of it."""
        for known_id, known in self._items.items():
            if (known.type, known.role, known.rest) == (
                kept.type,
                kept.role,
                kept.rest,
            ) and known.text() == kept.text():
                self._order[self._order.index(known_id)] = id_
                self._items[id_] = self._items.pop(known_id)
                return True
        return False

    def _confirm(self, item: Item) -> Item | None:
        """What was sent as `item`, if it was: the first like it counts as known to the service from now on."""
        marks = _marks(item)
        for place, sent in enumerate(self._unconfirmed):
            if _marks(sent) == marks:
                return self._unconfirmed.pop(place)
        return None

    def _grow(self, kept: _Kept, chars: int) -> None:
        kept.chars += chars
        self._chars += chars
        self._shrink()

    def _shrink(self) -> None:
        while self._chars > MAX_CHARS and len(self._order) > 1:
            oldest = self._items.pop(self._order.popleft())
            self._chars -= oldest.chars
            self._forget_media(oldest)
            self.has_forgotten = True
        while self._media_chars > MAX_MEDIA_CHARS:
            self._forget_media(next(self._items[id_] for id_ in self._order if self._items[id_].sent is not None))
            self.has_forgotten = True

    def _shrink_unconfirmed(self) -> None:
        """A service may confirm nothing."""
        kept: list[Item] = []
        chars = 0
        for item in reversed(self._unconfirmed):
            chars += _media_chars(item)
            if chars > MAX_MEDIA_CHARS and _media_chars(item):
                self.has_forgotten = True
            else:
                kept.append(item)
        self._unconfirmed = kept[::-1]

    def _forget_media(self, kept: _Kept) -> None:
        if kept.sent is not None:
            self._media_chars -= _media_chars(kept.sent)
            kept.sent = None


def _marks(item: Item) -> tuple[Any, ...]:
    """What an item and the service's note of it have in common."""
    kind = item.get("type")
    if kind != "message":
        return kind, item.get("call_id") or item.get("approval_request_id")
    return kind, item.get("role"), _words(item)


def _pieces(item: Item) -> list[Item]:
    content = item.get("content")
    return [piece for piece in content if isinstance(piece, dict)] if isinstance(content, list) else []


def _words(item: Item) -> str:
    pieces = [piece.get("text") or piece.get("transcript") or "" for piece in _pieces(item)]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _media_chars(item: Item) -> int:
    media = [piece.get(name) for piece in _pieces(item) for name in _MEDIA]
    return sum(len(data) for data in media if isinstance(data, str))


def _kept(item: Item) -> _Kept | None:
    kind = item.get("type")
    if kind == "message":
        words = _words(item)
        role = item.get("role")
        return _Kept(kind, role if isinstance(role, str) else "user", [words] if words else [], chars=len(words))
    if kind == "function_call":
        fields: tuple[str, ...] = ("call_id", "name", "arguments")
        is_done = item.get("status", "completed") == "completed"
        is_whole = is_done and all(isinstance(item.get(name), str) for name in fields)
    elif kind == "function_call_output":
        fields = ("call_id", "output")
        is_whole = all(isinstance(item.get(name), str) for name in fields)
    else:
        return None  # what tools of the service did, which it alone can say
    rest = {name: item[name] for name in ("type", *fields) if name in item}
    return _Kept(kind, rest=rest, is_whole=is_whole, chars=sum(len(v) for v in rest.values() if isinstance(v, str)))


def _item(kept: _Kept) -> Item | None:
    if kept.sent is not None:
        return kept.sent
    if kept.type != "message":
        return kept.rest if kept.is_whole else None
    text = kept.text().strip()
    if not text:
        return None
    content = [{"type": _TEXT_KIND.get(kept.role, "input_text"), "text": text}]
    return {"type": "message", "role": kept.role, "content": content}
