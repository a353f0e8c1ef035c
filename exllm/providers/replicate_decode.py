"""Predictions of Replicate to chunks: the events of a stream, and the prediction as a whole.

Text comes as it is, in no JSON. A stream says nothing of tokens, a prediction does in `metrics`; why a model stopped,
neither tells.
The names of the counts: "Official language models have metrics like `input_token_count`, `output_token_count`,
`tokens_per_second`, and `time_to_first_token`" (Replicate's guide to metrics).
Sources: https://replicate.com/docs/topics/predictions/streaming, https://replicate.com/docs/reference/http#predictions.get
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.bedrock_usage import integer
from exllm.providers.error_mapping import error_in_stream
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, Finish, ProviderEvent, StreamStart, TextDelta, UsageUpdate
from exllm.types.usage import Usage

SNIPPET_CHARS = 200
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OVER = frozenset({"succeeded", "failed", "canceled", "aborted"})
_COUNTS = ("input_token_count", "output_token_count")


class Urls(msgspec.Struct, gc=False):
    """Where the output is streamed; None for a model that cannot."""

    stream: str | None = None


class Prediction(msgspec.Struct):
    """A prediction, as far as it is read."""

    id: str
    status: str
    urls: Urls = msgspec.field(default_factory=Urls)
    model: str | None = None
    created_at: str | None = None
    output: Any = None
    error: Any = None
    metrics: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Nothing of it will change."""
        return self.status in _OVER


_DECODER = msgspec.json.Decoder(Prediction)


def read_prediction(body: bytes, provider: str, model: str) -> Prediction:
    """The prediction in `body`. Raises `ProtocolError` for what is none."""
    try:
        prediction = _DECODER.decode(body)
    except _UNREADABLE as error:
        raise _nonsense(body, error, provider, model) from error
    if not prediction.id.isalnum():  # it becomes a part of paths
        raise _nonsense(body, "its id is none", provider, model)
    return prediction


def decode_prediction(body: bytes, provider: str, model: str) -> list[Chunk]:
    """The chunks of a prediction that is over. Raises why it failed."""
    prediction = read_prediction(body, provider, model)
    if prediction.status == "failed":
        raise _failed(prediction.error, provider, model)
    if prediction.status != "succeeded":
        raise _canceled(provider, model)
    chunks: list[Chunk] = [_start(prediction, model)]
    output = prediction.output
    pieces = output if isinstance(output, list) else [output]
    if all(isinstance(piece, str) for piece in pieces):
        text = "".join(pieces)
        if text:
            chunks.append(TextDelta(text))
    elif output is not None:
        chunks.append(ProviderEvent("output", output, provider))
    chunks += _metrics(prediction.metrics or {}, provider)
    return [*chunks, Finish("stop", raw=prediction.status)]


class ReplicateDecoder:
    """See `StreamDecoder`. One per answer; `prediction` is whose output it is, where that is known."""

    __slots__ = ("_head", "_model", "_provider", "_undelivered", "finished")

    def __init__(self, provider: str, model: str, prediction: Prediction | None = None) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._head: Chunk | None = StreamStart(model=model) if prediction is None else _start(prediction, model)
        self._undelivered: list[Chunk] = []

    @property
    def has_begun(self) -> bool:
        """An event was read."""
        return self._head is None

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Events after the last are ignored."""
        chunks: list[Chunk] = []
        if self.finished or not frames:
            return chunks
        self._undelivered = chunks
        if self._head is not None:
            chunks.append(self._head)
            self._head = None
        for frame in frames:
            if frame.event == "output":
                if frame.data:
                    chunks.append(TextDelta(self._text(frame.data)))
            elif frame.event == "done":
                self._finish(frame.data, chunks)
                break
            elif frame.event == "error":
                said = self._json(frame.data)
                if not isinstance(said, dict):
                    raise _nonsense(frame.data, "an error that is no object", self._provider, self._model)
                self.finished = True
                raise _failed(said, self._provider, self._model)
            else:  # "logs", and what is yet to come
                chunks.append(ProviderEvent(frame.event, self._text(frame.data), self._provider))
        self._undelivered = []
        return chunks

    def take(self) -> list[Chunk]:
        """See `StreamDecoder.take`."""
        chunks, self._undelivered = self._undelivered, []
        return chunks

    def close(self) -> list[Chunk]:
        """See `StreamDecoder.close`."""
        if self.finished:
            return []
        raise StreamInterrupted(
            "the stream ended before the event that says 'done'", provider=self._provider, model=self._model
        )

    def _finish(self, data: bytes, chunks: list[Chunk]) -> None:
        said = self._json(data)
        if not isinstance(said, dict):
            raise _nonsense(data, "an end that is no object", self._provider, self._model)
        self.finished = True
        reason = said.get("reason")
        if reason == "canceled":
            raise _canceled(self._provider, self._model)
        if reason == "error":
            raise _failed(None, self._provider, self._model)
        chunks.append(Finish("stop", raw=reason if isinstance(reason, str) else None))

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise _nonsense(data, error, self._provider, self._model) from error

    def _json(self, data: bytes) -> Any:
        try:
            return msgspec.json.decode(data)
        except _UNREADABLE as error:
            raise _nonsense(data, error, self._provider, self._model) from error


def _start(prediction: Prediction, model: str) -> StreamStart:
    try:
        created = int(datetime.fromisoformat(prediction.created_at or "").timestamp())
    except (ValueError, OverflowError):
        created = None
    return StreamStart(prediction.id, prediction.model or model, created)


def _metrics(metrics: dict[str, Any], provider: str) -> list[Chunk]:
    """The tokens, where the model counts them, and what else was measured."""
    given, made = (integer(metrics.get(name)) for name in _COUNTS)
    chunks: list[Chunk] = []
    rest = {name: value for name, value in metrics.items() if name not in _COUNTS}
    if rest:
        chunks.append(ProviderEvent("metrics", rest, provider))
    if given is not None and made is not None:
        chunks.append(UsageUpdate(Usage(given, made, given + made, provenance="reported")))
    return chunks


def _failed(error: Any, provider: str, model: str) -> ExLLMError:
    if not isinstance(error, dict):
        error = {"detail": error or "the prediction failed, and nobody says why"}
    return error_in_stream(error, provider=provider, model=model)


def _canceled(provider: str, model: str) -> ExLLMError:
    return StreamInterrupted("the prediction was cancelled before its end", provider=provider, model=model)


def _nonsense(data: bytes, why: object, provider: str, model: str) -> ProtocolError:
    snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
    return ProtocolError(
        f"the provider sent something that makes no sense ({why}): {snippet!r}",
        provider=provider,
        model=model,
        body=snippet,
    )
