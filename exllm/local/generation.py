"""One answer of a local model, from tokens to chunks. Runs in a thread; knows no event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import uuid4

import msgspec

from exllm.errors import ContextLengthExceeded, InvalidRequest
from exllm.local.engine import Engine
from exllm.local.settings import Sampling
from exllm.local.text_gate import TextGate
from exllm.local.tool_calls import ToolCallReader
from exllm.types.chunks import Chunk, Finish, FinishReason, StreamStart, TextDelta, TokenLogprob, UsageUpdate
from exllm.types.usage import Usage

Emit = Callable[[Sequence[Chunk]], None]


class Plan(msgspec.Struct, frozen=True):
    """All that one answer depends on, besides the model.

    Attributes:
        model: its name, for the first chunk.
        prompt: tokens.
        max_tokens: most tokens of the answer; None for as many as the context has room for.
        stops: the answer ends before any of these.
        top_logprobs: report log probabilities, with so many alternatives; None for none.
        calls: reads tool calls out of the text; None when there are no tools.
        single_call: end the answer after the first tool call.
    """

    model: str
    prompt: Sequence[int]
    sampling: Sampling
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    top_logprobs: int | None = None
    calls: ToolCallReader | None = None
    single_call: bool = False


def check_length(prompt: Sequence[int], context_tokens: int) -> None:
    """Raises ContextLengthExceeded when the context has no room for the prompt and one token of an answer, and
    InvalidRequest when the prompt is empty.
    """
    if not prompt:
        raise InvalidRequest("the chat template makes no prompt of these messages", provider="local")
    if len(prompt) >= context_tokens:
        raise ContextLengthExceeded(
            f"the messages are {len(prompt)} tokens and the context is {context_tokens}; send less, or load the model "
            f"with a larger n_ctx",
            provider="local",
        )


def generate(engine: Engine, plan: Plan, emit: Emit) -> None:
    """Generate the answer and emit it, a few chunks at a time. `emit` may block, and ends it all by raising.

    Raises: ContextLengthExceeded; what `Engine.begin` and `Engine.next_token` raise.
    """
    check_length(plan.prompt, engine.context_tokens)
    engine.begin(plan.prompt, plan.sampling)
    asked = len(plan.prompt)
    emit((
        StreamStart(f"local-{uuid4().hex}", plan.model, int(time.time())),
        UsageUpdate(Usage(input_tokens=asked, provenance="partial")),
    ))  # fmt: skip
    answer = _Answer(engine, plan, emit)
    most = engine.context_tokens - asked
    if plan.max_tokens is not None:
        most = min(most, plan.max_tokens)
    reason = answer.write(most)
    emit((
        UsageUpdate(Usage(asked, answer.tokens, asked + answer.tokens, provenance="reported")),
        Finish(reason),
    ))  # fmt: skip


class _Answer:
    def __init__(self, engine: Engine, plan: Plan, emit: Emit) -> None:
        self._engine = engine
        self._plan = plan
        self._emit = emit
        self._gate = TextGate(plan.stops)
        self._logprobs: list[TokenLogprob] = []  # of tokens whose text is not out yet
        self.tokens = 0

    def write(self, most: int) -> FinishReason:
        engine, gate, calls = self._engine, self._gate, self._plan.calls
        names_control_tokens = calls is not None  # some models open a tool call with one
        reason: FinishReason = "length"
        while self.tokens < most:
            token = engine.next_token()
            if engine.is_end(token):
                reason = "stop"
                break
            self.tokens += 1
            if self._plan.top_logprobs is not None:
                self._note_probabilities(token, self._plan.top_logprobs)
            self._show(gate.feed(engine.piece(token, special=names_control_tokens)))
            if gate.is_stopped or (self._plan.single_call and calls is not None and calls.calls):
                reason = "stop"
                break
        self._show(gate.close())
        if calls is not None:
            self._hand_out(calls.close())
            if calls.calls and reason == "stop":
                reason = "tool_calls"
        return reason

    def _show(self, text: str) -> None:
        if not text:
            return
        if self._plan.calls is not None:
            self._hand_out(self._plan.calls.feed(text))
        else:
            self._hand_out([TextDelta(text)])

    def _hand_out(self, chunks: list[Chunk]) -> None:
        if self._logprobs:
            for number, chunk in enumerate(chunks):
                if isinstance(chunk, TextDelta):
                    chunks[number] = msgspec.structs.replace(chunk, logprobs=tuple(self._logprobs))
                    self._logprobs.clear()
                    break
        if chunks:
            self._emit(chunks)

    def _note_probabilities(self, token: int, most: int) -> None:
        logprob, likeliest = self._engine.log_probabilities(token, most)
        top = tuple(self._describe(other, its_logprob) for other, its_logprob in likeliest)
        self._logprobs.append(msgspec.structs.replace(self._describe(token, logprob), top=top))

    def _describe(self, token: int, logprob: float) -> TokenLogprob:
        piece = self._engine.piece(token, special=True)
        return TokenLogprob(piece.decode("utf-8", "replace"), logprob, tuple(piece))
