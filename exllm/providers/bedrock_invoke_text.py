"""Models that complete a prompt on InvokeModel: one description each, and the decoder that reads them all.

The conversation becomes one text in the form that the model was trained on. Such models have no tools and see no
images here; their calls and results are left out of a conversation, with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from exllm.errors import InvalidRequest, ProtocolError, StreamInterrupted
from exllm.providers.answered_media import first_open
from exllm.providers.bedrock_invoke_family import NativeRequest, media_in_words
from exllm.providers.bedrock_invoke_thoughts import ThoughtSplitter
from exllm.providers.bedrock_models import answering_model
from exllm.providers.bedrock_usage import integer
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, Finish, FinishReason, ReasoningDelta, StreamStart, TextDelta, UsageUpdate
from exllm.types.parts import ProviderPart, Reasoning, Refusal, Text, ToolCall, ToolResult
from exllm.types.request import Request
from exllm.types.usage import Usage

_SNIPPET_CHARS = 200
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, IndexError, RecursionError)

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "length": "length",
    "max_tokens": "length",
    "finish": "stop",
    "finished": "stop",
    "stop_criteria_met": "stop",
    "content_filtered": "content_filter",
    "rag_query_when_rag_disabled": "stop",
    "tool_calls": "tool_calls",
}


class Turn(NamedTuple):
    """One side's words. `role` is ``system``, ``user`` or ``assistant``; no two turns of one side follow each other."""

    role: str
    text: str


class Piece(NamedTuple):
    """What one document says."""

    text: str
    reason: str | None = None
    input_tokens: Any = None
    output_tokens: Any = None
    is_last: bool = False


class TextModel(msgspec.Struct, frozen=True):
    """How a family of models completes.

    Attributes:
        prompt_field: where the prompt goes.
        prompt: the prompt for a conversation.
        fields: option -> field of the body; a dot leads into an inner object.
        read: a document of a stream, or a whole answer, to what it says.
        thinks: the answer begins with thoughts, up to ``</think>``.
    """

    prompt_field: str
    prompt: Callable[[Sequence[Turn]], str]
    fields: dict[str, str]
    read: Callable[[dict[str, Any]], Piece]
    thinks: bool = False

    @property
    def options(self) -> frozenset[str]:
        """See `Family.options`."""
        return frozenset(self.fields)

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        """See `Family.build`."""
        turns, warnings = turns_of(request, spec)
        body: dict[str, Any] = {self.prompt_field: self.prompt(turns)}
        for option, field in self.fields.items():
            value = getattr(request.options, option)
            if value is None:
                continue
            outer, _, inner = field.partition(".")
            if inner:
                body.setdefault(outer, {})[inner] = value
            else:
                body[outer] = value
        return NativeRequest(body | request.extra, warnings)

    def decoder(self, request: Request, spec: ProviderSpec) -> TextDecoder:
        """See `Family.decoder`."""
        return TextDecoder(self, spec.name, request.model, answering_model(request.model, spec.base_url))

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """See `Family.decode_body`."""
        decoder = self.decoder(request, spec)
        chunks = decoder.feed([Frame(body)])
        return chunks + decoder.end()


class TextDecoder:
    """See `StreamDecoder`. The document that names a reason is the last of the answer; counts may stand in any."""

    __slots__ = (
        "_answering",
        "_model",
        "_model_name",
        "_provider",
        "_splitter",
        "_started",
        "_undelivered",
        "finished",
    )

    def __init__(self, model: TextModel, provider: str, model_name: str, answering: str | None = None) -> None:
        self.finished = False
        self._model = model
        self._provider = provider
        self._model_name = model_name
        self._answering = answering  # the model's own id, where it was asked for by another name
        self._started = False
        self._splitter = ThoughtSplitter() if model.thinks else None
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        chunks: list[Chunk] = []
        self._undelivered = chunks
        for frame in frames:
            if self.finished:
                break
            try:
                document = msgspec.json.decode(frame.data)
                piece = self._model.read(document)
                self._add(piece, chunks)
            except (*_MISSHAPEN, msgspec.DecodeError) as error:
                snippet = frame.data[: _SNIPPET_CHARS * 4].decode("utf-8", "replace")[:_SNIPPET_CHARS]
                raise ProtocolError(
                    f"the provider sent a document that makes no sense: {snippet!r}",
                    provider=self._provider, model=self._model_name, body=snippet,
                ) from error  # fmt: skip
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
            "the stream ended before the model said why it stopped", provider=self._provider, model=self._model_name
        )

    def end(self) -> list[Chunk]:
        """The answer is whole, whether it gave a reason or not."""
        if self.finished:
            return []
        self.finished = True
        return [*self._rest(), Finish("stop")]

    def _add(self, piece: Piece, chunks: list[Chunk]) -> None:
        if not self._started:
            self._started = True
            chunks.append(StreamStart(model=self._answering))
        if piece.text:
            chunks += self._split(piece.text)
        given, made = integer(piece.input_tokens), integer(piece.output_tokens)
        if given is not None and made is not None:
            chunks.append(UsageUpdate(Usage(given, made, given + made, provenance="reported")))
        if piece.reason is not None or piece.is_last:
            chunks += self._rest()
            raw = piece.reason
            chunks.append(Finish(FINISH_REASONS.get((raw or "").lower(), "stop"), raw=raw))
            self.finished = True

    def _split(self, text: str) -> list[Chunk]:
        if not isinstance(text, str):
            raise TypeError(f"text should be text, got {text!r}")
        if self._splitter is None:
            return [TextDelta(text)]
        thought, said = self._splitter.feed(text)
        return _chunks(thought, said)

    def _rest(self) -> list[Chunk]:
        return [] if self._splitter is None else _chunks(*self._splitter.close())


def _chunks(thought: str, said: str) -> list[Chunk]:
    chunks: list[Chunk] = [ReasoningDelta(thought)] if thought else []
    return [*chunks, TextDelta(said)] if said else chunks


def turns_of(request: Request, spec: ProviderSpec) -> tuple[list[Turn], tuple[str, ...]]:
    """The conversation as text, and what could not go along.

    System messages come first, joined. Raises `InvalidRequest` for media in what is asked now, and where nothing is
    asked.
    """
    system: list[str] = []
    turns: list[Turn] = []
    warnings: list[str] = []
    open_from = first_open(request.messages)
    for place, message in enumerate(request.messages):
        text = _text_of(message.parts, request, spec, warnings, is_open=place >= open_from)
        if message.name is not None:
            warnings.append("names of participants have no place in a prompt; they were left out")
        if message.role in ("system", "developer"):
            system.append(text)
        elif not text.strip():
            continue
        else:
            role = "assistant" if message.role == "assistant" else "user"
            if turns and turns[-1].role == role:
                turns[-1] = Turn(role, f"{turns[-1].text}\n\n{text}")
            else:
                turns.append(Turn(role, text))
    if not turns:
        raise InvalidRequest("there is no message with text of a user or assistant to answer", provider=spec.name)
    head = [Turn("system", "\n\n".join(system))] if system else []
    return head + turns, tuple(dict.fromkeys(warnings))


def _text_of(parts: Sequence[Any], request: Request, spec: ProviderSpec, warnings: list[str], *, is_open: bool) -> str:
    texts: list[str] = []
    for part in parts:
        match part:
            case Text() | Refusal():
                texts.append(part.text)
            case ToolCall() | ToolResult():
                warnings.append(f"{request.model} knows no tools here; calls and results were left out")
            case Reasoning():  # such models are not to be shown thoughts again
                warnings.append(f"reasoning does not go back to {request.model}; it was left out")
            case ProviderPart():
                warnings.append(
                    f"a part of an answer of {part.provider} means nothing to {spec.name}; it was left out"
                )  # fmt: skip
            case _:
                texts.append(media_in_words(part, request, spec, warnings, is_open=is_open))
    return "".join(texts)
