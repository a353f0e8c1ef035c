"""A provider without a provider: answers as it is told, for tests and for first steps. ``"mock/anything"`` is built in.

Without configuration it answers every request with `SENTENCE`, word by word.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from exllm.cost import cost_of
from exllm.errors import ConfigurationError
from exllm.providers import registry
from exllm.providers.mock_embeddings import DEFAULT_DIMENSIONS, word_vector
from exllm.providers.mock_script import Item, ScriptWriter, Step, Wait
from exllm.streaming.accumulator import Accumulator
from exllm.types.chunks import Chunk
from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
from exllm.types.options import Timeouts
from exllm.types.request import Request
from exllm.types.response import Response
from exllm.types.usage import Usage
from exllm.types.vectors import Vectors

SENTENCE = "This is the mock provider of exllm: it gives this answer, word by word, whatever it is asked."
KEPT_REQUESTS = 1000

Script = Item | Response | Iterable[Item]
Handler = Callable[[Request], Script | Awaitable[Script] | AsyncGenerator[Item, None]]
Answer = Script | Handler


class MockProvider:
    """Implements `Provider` from what the test says. As a context manager it takes the place of the provider `name`.

    ::

        with MockProvider("Paris.", name="openai") as mock:
            reply = await exllm.chat("openai/gpt-4.1-mini", "What is the capital of France?")
        assert reply.text == "Paris." and mock.requests[0].options.temperature is None

    An answer is one of:

    - text, streamed word by word; a `ToolCall`, `Reasoning`, `Refusal` or other part; a whole `Response`;
    - a list of these and of chunks (handed out as they are), `Usage`, `Wait` (a pause) and exceptions (raised at that
      point): ``["Once upon", Wait(0.2), "a time", exllm.StreamInterrupted("cut")]``;
    - an exception alone: the request fails before the answer begins, and is retried if the error is retryable;
    - a function of the `Request`, async or not, that returns any of the above, or an async generator of list items.

    Answers are given in turn, one per request; the last one is given again and again. So a test of an agent is
    ``MockProvider(ToolCall("1", "weather", '{"city": "Oslo"}'), "It rains in Oslo.")``, and a test of retries is
    ``MockProvider(exllm.RateLimited("slow down"), "Hello!")``.

    As a pytest fixture::

        @pytest.fixture
        def llm():
            with exllm.testing.MockProvider(name="openai") as mock:
                yield mock                      # the test says: llm.answer("Paris.")

    Args:
        answers: see above; none is `SENTENCE`.
        name: the first half of the model string.
        default_model: the second half for calls that name only the provider.
        delay_s: seconds before each chunk, and before embeddings.
        usage: token counts of every answer that does not bring its own; words are counted when it is None.
        options: names of the options that it takes, others are refused; None takes all.
        timeouts: its own limits, as a provider's spec may have them.
        vectors: gives the vector of a text, or raises. None makes one of the text's words: the same for the same words,
            and near to that of a text which shares some, so that a search finds something.

    Attributes:
        requests: what it was asked, oldest first; at most 1,000 are kept.
        embedding_requests: what it was asked to embed, likewise.
        open_answers: answers that were begun and neither ended nor closed; 0 when the application cleans up.
    """

    label = "Mock"
    local = True  # costs nothing

    def __init__(
        self,
        *answers: Answer,
        name: str = "mock",
        default_model: str = "mock",
        delay_s: float = 0.0,
        usage: Usage | None = None,
        options: Iterable[str] | None = None,
        timeouts: Timeouts | None = None,
        vectors: Callable[[str], Sequence[float]] | None = None,
    ) -> None:
        self.name = name
        self.default_model = default_model
        self.options = None if options is None else frozenset(options)
        self.timeouts = timeouts or Timeouts()
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.embedding_requests: deque[EmbeddingRequest] = deque(maxlen=KEPT_REQUESTS)
        self.open_answers = 0
        self._count = 0
        self._answers: deque[Answer] = deque(answers)
        self._delay_s = delay_s
        self._usage = usage
        self._vectors = vectors
        self._shadowed: list[Any] = []

    def answer(self, *answers: Answer) -> Self:
        """Replace what is still to be answered."""
        self._answers = deque(answers)
        return self

    # -- the protocol

    async def chat(self, request: Request) -> Response:
        """The same answer as `stream`, whole."""
        accumulator = Accumulator(self.name, request.model)
        async with aclosing(self.stream(request)) as chunks:
            async for chunk in chunks:
                accumulator.add((chunk,))
        return accumulator.response()

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """The next answer."""
        self._count += 1
        self.requests.append(request)
        writer = ScriptWriter(request, self._count, self._usage)
        self.open_answers += 1
        try:
            async with aclosing(self._items(self._next(), request)) as items:
                async for item in items:
                    for step in writer.write(item):
                        chunk = await self._played(step)
                        if chunk is not None:
                            yield chunk
            for chunk in writer.end():
                await self._played(chunk)
                yield chunk
        finally:
            self.open_answers -= 1

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """The vectors of the texts, and as many tokens as there are words."""
        self.embedding_requests.append(request)
        await asyncio.sleep(self._delay_s)
        dimensions = request.dimensions or DEFAULT_DIMENSIONS
        rows = [
            word_vector(text, dimensions) if self._vectors is None else self._vectors(text) for text in request.inputs
        ]
        words = sum(len(text.split()) for text in request.inputs)
        usage = Usage(input_tokens=words, total_tokens=words, provenance="reported")
        return EmbeddingResponse(Vectors.of(rows), request.provider, request.model, usage, cost_of(usage, local=True))

    # -- in place of another provider

    def __enter__(self) -> Self:
        self._shadowed.append(registry.registered(self.name))
        registry.register(self, replace=True)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        registry.unregister(self.name)
        shadowed = self._shadowed.pop()
        if shadowed is not None:
            registry.register(shadowed, replace=True)

    # -- inside

    def _next(self) -> Answer:
        if not self._answers:
            return SENTENCE
        return self._answers.popleft() if len(self._answers) > 1 else self._answers[0]

    async def _items(self, answer: Any, request: Request) -> AsyncGenerator[Any, None]:
        if callable(answer) and not isinstance(answer, type):
            answer = answer(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, AsyncGenerator):
            async with aclosing(answer) as items:
                async for item in items:
                    yield item
        elif isinstance(answer, list | tuple) or inspect.isgenerator(answer):
            for item in answer:
                yield item
        elif answer is None:
            raise ConfigurationError("the handler of the mock returned None; it returns what the mock answers")
        else:
            yield answer

    async def _played(self, step: Step) -> Chunk | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        if isinstance(step, BaseException):
            raise step
        await asyncio.sleep(self._delay_s)  # with 0 as well: a real provider lets others run between two chunks
        return step
