"""Answers of Ollama's `/api/chat` to chunks: line by line for streams, in one go for whole bodies, by the same code.

The line with ``done: true`` is the last. What it says beyond the answer (times in nanoseconds) becomes the
`ProviderEvent` ``metrics``. Log probabilities are reported of every token, thoughts and calls included; those of tokens
that are no text wait for the next text, so that a stream and a whole body give the same.
Sources: https://docs.ollama.com/api/chat, https://docs.ollama.com/api/errors
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from exllm.errors import ProtocolError, StreamInterrupted
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.ollama_events import (
    NAMED_FIELDS,
    CallPiece,
    Line,
    MessagePiece,
    TokenPiece,
    decode_head,
    decode_line,
)
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    Finish,
    FinishReason,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.usage import Usage

SNIPPET_CHARS = 200
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON of the shape wanted."""

FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
_ID_LETTERS = 12


class OllamaChatDecoder:
    """See `StreamDecoder`. One per answer."""

    _decode = staticmethod(decode_line)
    _named_fields = NAMED_FIELDS

    __slots__ = (
        "_begun_at",
        "_call_count",
        "_has_text",
        "_logprobs",
        "_model",
        "_provider",
        "_started",
        "_undelivered",
        "finished",
    )  # fmt: skip

    def __init__(self, provider: str, model: str) -> None:
        self.finished = False
        self._provider = provider
        self._model = model
        self._started = False
        self._begun_at = ""
        self._call_count = 0
        self._has_text = False
        self._logprobs: list[TokenPiece] = []  # of tokens that were no text
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Lines after the last are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        append = chunks.append
        decode, text_delta = self._decode, TextDelta  # locals are faster
        for frame in frames:
            try:
                line = decode(frame.data)
            except UNREADABLE as error:
                raise self._nonsense(frame.data, error) from error
            message = line.message
            if (
                self._has_text
                and message is not None
                and message.content
                and not (line.done or message.thinking or message.tool_calls or message.images)
                and line.logprobs is None
                and line.error is None
            ):
                append(text_delta(message.content))
                continue
            try:
                self._line(line, frame.data, chunks)
            except UNREADABLE as error:
                raise self._nonsense(frame.data, error) from error
            if self.finished:
                break
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
            "the answer ended without its last line, the one that says 'done'",
            provider=self._provider,
            model=self._model,
        )

    def whole(self, body: bytes) -> list[Chunk]:
        """The chunks of an unstreamed answer."""
        chunks = self.feed([Frame(body)])
        if not self.finished:
            raise self._nonsense(body, "it does not say 'done'")
        return chunks

    def _line(self, line: Line, data: bytes, chunks: list[Chunk]) -> None:
        """Any line, field by field."""
        if line.error is not None:
            raise error_in_stream(msgspec.json.decode(data), provider=self._provider, model=self._model)
        message = line.message
        if message is None and not line.done and line.debug_info is None:
            chunks.append(ProviderEvent("unknown", msgspec.json.decode(data), self._provider))
            return
        if not self._started:
            self._start(data, chunks)
        if message is not None:
            self._message(message, line.logprobs, data, chunks)
        elif line.logprobs:
            self._logprobs += line.logprobs
        if line.debug_info is not None:  # asked for by `_debug_render_only`: the prompt in the place of an answer
            chunks.append(ProviderEvent("debug_info", line.debug_info, self._provider))
        if line.done or line.debug_info is not None:
            self._finish(line, data, chunks)

    def _start(self, data: bytes, chunks: list[Chunk]) -> None:
        head = decode_head(data)
        self._started = True
        self._begun_at = head.created_at or ""
        chunks.append(StreamStart(None, head.model or None, unix_time(self._begun_at)))

    def _message(
        self, message: MessagePiece, logprobs: list[TokenPiece] | None, data: bytes, chunks: list[Chunk]
    ) -> None:
        if message.thinking:
            chunks.append(ReasoningDelta(message.thinking))
        if logprobs:
            self._logprobs += logprobs
        if message.content:
            chunks.append(TextDelta(message.content, logprobs=self._take_logprobs()))
            self._has_text = True
        for image in message.images or ():
            try:
                chunks.append(ImageDelta(base64.b64decode(image, validate=True)))
            except ValueError as error:
                raise self._nonsense(data, error) from error
        chunks.extend(self._call(call, data) for call in message.tool_calls or ())

    def _call(self, call: CallPiece, data: bytes) -> ToolCallDelta:
        function = call.function
        if function is None or not function.name:
            raise self._nonsense(data, "a tool call without a name")
        raw = bytes(function.arguments)
        arguments = raw.decode() if raw != b"null" else ""
        if raw[:1] == b'"':  # gateways that keep OpenAI's form: JSON in a string
            arguments = msgspec.json.decode(raw, type=str)
        number = self._call_count
        self._call_count += 1
        return ToolCallDelta(number, call.id or self._made_up_id(number, function.name, raw), function.name, arguments)

    def _made_up_id(self, number: int, name: str, arguments: bytes) -> str:
        """An id for a call without one: the same whenever these bytes are decoded, another in the next answer."""
        facts = b"%b\0%d\0%b\0%b" % (self._begun_at.encode(), number, name.encode(), arguments)
        return f"call_{hashlib.sha256(facts).hexdigest()[:_ID_LETTERS]}"

    def _finish(self, line: Line, data: bytes, chunks: list[Chunk]) -> None:
        if self._logprobs:
            if self._has_text:
                chunks.append(TextDelta("", logprobs=self._take_logprobs()))
            else:
                chunks.append(ProviderEvent("logprobs", msgspec.to_builtins(self._logprobs), self._provider))
        metrics = {name: value for name, value in msgspec.json.decode(data).items() if name not in self._named_fields}
        if metrics:
            chunks.append(ProviderEvent("metrics", metrics, self._provider))
        used, made = line.prompt_eval_count, line.eval_count
        if used is not None or made is not None:
            total = None if used is None or made is None else used + made
            chunks.append(UsageUpdate(Usage(used, made, total, provenance="reported")))
        raw = line.done_reason or None
        reason = FINISH_REASONS.get(raw or "", "stop")
        if reason == "stop" and self._call_count:
            reason = "tool_calls"
        chunks.append(Finish(reason, raw=raw))
        self.finished = True

    def _take_logprobs(self) -> tuple[TokenLogprob, ...] | None:
        pieces, self._logprobs = self._logprobs, []
        return tuple(map(_logprob, pieces)) or None

    def _nonsense(self, data: bytes, why: object) -> ProtocolError:
        snippet = data[: SNIPPET_CHARS * 4].decode("utf-8", "replace")[:SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent a line that makes no sense ({why}): {snippet!r}",
            provider=self._provider,
            model=self._model,
            body=snippet,
        )


def _logprob(piece: TokenPiece) -> TokenLogprob:
    return TokenLogprob(piece.token, piece.logprob, piece.bytes, tuple(map(_logprob, piece.top_logprobs or ())))


def unix_time(text: str) -> int | None:
    """Seconds since 1970, None for what is no time."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return None
