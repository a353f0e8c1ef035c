"""The response of an answer that came whole."""

from __future__ import annotations

from exllm.streaming.accumulator import Accumulator
from exllm.types.chunks import Chunk, Finish, ProviderEvent, StreamStart, TextDelta, UsageUpdate
from exllm.types.message import Message
from exllm.types.response import Choice, Response

_MOST_PLAIN = 6
"""Of an answer of one text: its start, the text, the counts, the end, and what the provider says besides."""


def fold(chunks: list[Chunk], provider: str, model: str) -> Response:
    """The response of a whole answer. What `Accumulator` makes of it; the commonest kind in the short way."""
    if len(chunks) <= _MOST_PLAIN:
        return _fold_plain(chunks, provider, model) or _fold_any(chunks, provider, model)
    return _fold_any(chunks, provider, model)


def _fold_plain(chunks: list[Chunk], provider: str, model: str) -> Response | None:
    start: StreamStart | None = None
    text: TextDelta | None = None
    usage: UsageUpdate | None = None
    finish: Finish | None = None
    for chunk in chunks:
        kind = type(chunk)
        if chunk.index:
            return None
        if kind is TextDelta and text is None:
            text = chunk  # type: ignore[assignment]
        elif kind is StreamStart and start is None:
            start = chunk  # type: ignore[assignment]
        elif kind is UsageUpdate and usage is None:
            usage = chunk  # type: ignore[assignment]
        elif kind is Finish and finish is None:
            finish = chunk  # type: ignore[assignment]
        elif kind is not ProviderEvent or chunk.content:  # type: ignore[union-attr]
            return None
    if start is None or text is None or usage is None or finish is None or text.logprobs is not None:
        return None
    choice = Choice(Message("assistant", text.text), 0, finish.reason, finish.raw, finish.message)
    name = start.model or model
    return Response((choice,), usage.usage, model=name, provider=provider, id=start.id, created=start.created)


def _fold_any(chunks: list[Chunk], provider: str, model: str) -> Response:
    accumulator = Accumulator(provider, model)
    accumulator.add(chunks)
    return accumulator.response()
