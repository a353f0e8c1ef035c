"""A protocol as a well-behaved server speaks it: the frames of an answer, and how a fake provider replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.faults.server import Behaviour, Detour, Peer, Received

WORDS = ("The ", "quick ", "brown ", "fox ", "jumps.")
TEXT = "".join(WORDS)


class Dialect(NamedTuple):
    """One protocol.

    Attributes:
        provider, model: the halves of the model string.
        opening, closing: the frames before and after the text.
        text: the frame of one piece of text.
        terminal: the last frame of `closing`, after which nothing of the answer follows.
        ping: the frames by which a server keeps a connection alive.
        error: the frame of an error inside a stream, for a message and whether it is worth a retry.
        error_body: an error body, for a message.
        body: a whole, unstreamed answer, for its text.
        tool_frames: the frames of one tool call, for the fragments of its arguments; None where there are no tools.
        frame: one frame around these bytes, whatever they are, that the wire must look into.
        early_input_tokens: what the opening says of the usage, where it says anything.
        content_type: of a streamed answer.
        is_streamed: whether a request asks for a stream.
        ends_with_body: there is no terminal event; the answer is over when the body is.
        calls_come_whole: the arguments of a call are never sent in fragments.
        takes_conversations: more than one message.
        names_status: an error inside a stream names an HTTP status.
        counts_tokens: answers say how many tokens they took.
        finishes_early: a choice is finished before the answer is over.
        settings: what a config holds besides.
        detour: what the server answers by itself, uncounted, on the way to the answer proper; see `FaultServer`.
    """

    provider: str
    model: str
    opening: tuple[bytes, ...]
    closing: tuple[bytes, ...]
    text: Callable[[str], bytes]
    ping: tuple[bytes, ...]
    error: Callable[[str, bool], bytes]
    error_body: Callable[[str], bytes]
    body: Callable[[str], bytes]
    tool_frames: Callable[[Sequence[str]], list[bytes]] | None
    frame: Callable[[bytes], bytes] = lambda payload: b"data: %b\n\n" % payload
    early_input_tokens: int | None = None
    content_type: str = "text/event-stream"
    is_streamed: Callable[[Received], bool] = lambda request: bool(request.json.get("stream"))
    ends_with_body: bool = False
    calls_come_whole: bool = False
    names_status: bool = False
    takes_conversations: bool = True
    counts_tokens: bool = True
    finishes_early: bool = False
    settings: Mapping[str, str] = MappingProxyType({})
    detour: Detour | None = None

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"

    @property
    def is_text(self) -> bool:
        """Whether frames are lines of text; the others are binary and say how long they are."""
        return self.content_type != "application/vnd.amazon.eventstream"

    @property
    def silence(self) -> tuple[bytes, ...]:
        """What may stand between frames of text and says nothing."""
        if self.content_type == "text/event-stream":
            return (b": a comment\n", b"\n")
        return (b"\n",) if self.is_text else ()

    @property
    def terminal(self) -> bytes:
        return self.closing[-1]

    def frames(self, words: Iterable[str] = WORDS) -> list[bytes]:
        """A whole answer."""
        return [*self.opening, *map(self.text, words), *self.closing]

    def reply(self, words: Sequence[str] = WORDS) -> Behaviour:
        """A behaviour that answers as the request asks, streamed or whole."""

        async def behave(peer: Peer) -> None:
            if self.is_streamed(peer.request):
                await peer.stream(self.frames(words), self.content_type)
            else:
                await peer.answer(self.body("".join(words)))

        return behave

    def refuse(self, status: str, *headers: tuple[str, str]) -> Behaviour:
        """A behaviour that answers with an error."""

        async def behave(peer: Peer) -> None:
            await peer.answer(self.error_body("as the test wants"), status, "application/json", *headers)

        return behave


def data(document: object) -> bytes:
    """An event of server-sent events without a name."""
    return b"data: %b\n\n" % json.dumps(document).encode()


def event(document: dict[str, Any]) -> bytes:
    """An event of server-sent events that is called as its document's type."""
    return b"event: %b\n%b" % (document["type"].encode(), data(document))
