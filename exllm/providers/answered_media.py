"""Media that a provider cannot take, in turns that were answered already.

What is asked now must arrive whole: media that the provider does not take are refused before anything is sent. What
another provider has answered already, and what tools gave, must not keep a conversation from going on: there, words
stand for the media, and a warning tells of it. Nothing is fetched to convert it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from exllm.errors import InvalidRequest
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, FileRef, Image, Part, Text

Media = Image | Audio | Document | FileRef
T = TypeVar("T")


def first_open(messages: Sequence[Message]) -> int:
    """The place of the first message that nobody has answered: the one after the assistant's last."""
    return next((at + 1 for at in range(len(messages) - 1, -1, -1) if messages[at].role == "assistant"), 0)


def or_words(write: Callable[[], T], part: Media, say: Callable[[str], T], warn: Callable[[str], None]) -> T:
    """What `write` makes of the part; where it refuses, what `say` makes of words for it, with a warning."""
    try:
        return write()
    except InvalidRequest as error:
        warn(f"{error.message}; in what was answered before, words were sent in its place")
        return say(words_for(part))


def fewer_images(
    messages: Sequence[Message], most: int | None, warn: Callable[[str], None]
) -> Sequence[Message]:  # fmt: skip
    """The messages with at most `most` images in them: words stand for the oldest of those that were answered."""
    if most is None:
        return messages
    too_many = sum(isinstance(part, Image) for message in messages for part in message.parts) - most
    if too_many <= 0:
        return messages
    written = list(messages)
    for place, message in enumerate(messages[: first_open(messages)]):
        parts: list[Part] = []
        for part in message.parts:
            if too_many > 0 and isinstance(part, Image):
                warn(f"at most {most} images go into a request; words were sent in place of the oldest ones")
                too_many -= 1
                parts.append(Text(words_for(part)))
            else:
                parts.append(part)
        written[place] = msgspec.structs.replace(message, content=tuple(parts))
    return written


def words_for(part: Media) -> str:
    """Words that stand for media: what and where it is, or what kind it is."""
    kind = "file" if isinstance(part, FileRef) else type(part).__name__.lower()
    if isinstance(part, Audio) and part.transcript:
        return part.transcript
    place = part.id if isinstance(part, FileRef) else part.url
    title = part.title if isinstance(part, Document) else None
    said = ", ".join(filter(None, (title, place or part.media_type)))
    return f"[{kind}: {said}]" if said else f"[{kind}]"
