"""A backend whose calls are counted against budgets."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Self

from exllm.backend import Backend
from exllm.cost.running import RunningCost
from exllm.cost.text_tokens import CHARACTERS_PER_TOKEN, guess_tokens
from exllm.errors import BudgetExceeded
from exllm.policies.budget import Budget, Hold
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.source import ChunkSource
from exllm.types.chunks import Chunk
from exllm.types.cursor import StreamHandle
from exllm.types.embedding import EmbeddingResponse
from exllm.types.response import Response


class Charge:
    """What one attempt costs its budgets, from before it is sent to its end. Must be settled, once or more.

    Args:
        budgets: all of them must have what sending costs.
        key: the API key that pays, for budgets that count for each.

    Raises: BudgetExceeded, with nothing left set aside.
    """

    __slots__ = ("_holds",)

    def __init__(self, budgets: tuple[Budget, ...], running: RunningCost, key: str) -> None:
        self._holds: list[Hold] = []
        if running.is_free:
            return
        usd = running.of_input()
        try:
            for budget in budgets:
                self._holds.append(budget.hold(usd, key))
        except BudgetExceeded:
            self.settle(0.0)
            raise

    def count(self, usd: float | None) -> BudgetExceeded | None:
        """The attempt has cost about `usd` by now; returns why it should be stopped, if it should."""
        if usd is None:
            return None
        over = [hold for hold in self._holds if not hold.count(usd)]
        return over[0].exceeded() if over else None

    def settle(self, usd: float | None) -> None:
        """The attempt has ended and cost `usd`; None where that is not known."""
        for hold in self._holds:
            hold.settle(usd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.settle(0.0)  # does nothing where it was settled before


async def charged(
    answer: Coroutine[Any, Any, EmbeddingResponse], budgets: tuple[Budget, ...], running: RunningCost, key: str
) -> EmbeddingResponse:
    """The answer of a call that is counted as one. Raises BudgetExceeded before it is begun."""
    try:
        charge = Charge(budgets, running, key)
    except BaseException:
        answer.close()
        raise
    with charge:
        response = await answer
        charge.settle(response.cost.total)
        return response


class BudgetedBackend:
    """See `Backend`. Each attempt is counted by itself; one of which nothing came counts nothing."""

    def __init__(
        self, backend: Backend, running: RunningCost, model: str, budgets: tuple[Budget, ...], key: str
    ) -> None:
        self._backend = backend
        self._running = running
        self._model = model
        self._budgets = budgets
        self._key = key

    @property
    def bytes_read(self) -> int:
        return self._backend.bytes_read

    async def connect(self) -> BudgetedSource:
        charge = Charge(self._budgets, self._running, self._key)
        try:
            source = await self._backend.connect()
        except BaseException:
            charge.settle(0.0)
            raise
        return BudgetedSource(source, charge, self._running, Accumulator("", self._model, keep_content=False))

    def resuming(self, handle: StreamHandle, decoder: Any, skipped: Any) -> BudgetedBackend | None:
        """As `HttpBackend.resuming`."""
        resume = getattr(self._backend, "resuming", None)
        backend = resume(handle, decoder, skipped) if resume is not None else None
        return None if backend is None else BudgetedBackend(
            backend, self._running, self._model, self._budgets, self._key
        )  # fmt: skip

    async def attempt(self) -> Response:
        with Charge(self._budgets, self._running, self._key) as charge:
            response = await self._backend.attempt()
            total = response.cost.total
            if total is None:  # no tokens were reported, perhaps, but the text is there
                made, _ = guess_tokens(choice.message for choice in response.choices)
                guess = self._running.of(response.usage, made * CHARACTERS_PER_TOKEN, is_counted=False)
                total = guess.total
            charge.settle(total)
        return response


class BudgetedSource:
    """See `ChunkSource`. Counts what each read brought; the read after the one that went over a limit raises.

    The connection is closed before what that read brought is handed out.
    """

    def __init__(self, source: ChunkSource, charge: Charge, running: RunningCost, folded: Accumulator) -> None:
        self._source = source
        self._charge = charge
        self._running = running
        self._folded = folded
        self._exceeded: BudgetExceeded | None = None
        self.is_shared = source.is_shared
        self.request_id = source.request_id
        self.warnings = source.warnings

    @property
    def bytes_read(self) -> int:
        return self._source.bytes_read

    @property
    def decoder(self) -> Any:
        return getattr(self._source, "decoder", None)

    @property
    def handle(self) -> StreamHandle | None:
        return getattr(self._source, "handle", None)

    def raw(self) -> Any:
        return self._source.raw()

    async def open(self) -> None:
        await self._source.open()
        self.request_id, self.warnings = self._source.request_id, self._source.warnings

    async def read(self) -> list[Chunk] | None:
        if self._exceeded is not None:
            raise self._exceeded
        chunks = await self._source.read()
        if chunks is not None:
            self._folded.add(chunks)
            exceeded = self._charge.count(self._cost())
            if exceeded is not None and not self._folded.has_finished:
                self._exceeded = exceeded
                self._source.abort()
        return chunks

    def abort(self) -> None:
        self._source.abort()
        self._settle()

    async def aclose(self) -> None:
        self._settle()
        await self._source.aclose()

    def _settle(self) -> None:
        self._charge.settle(0.0 if self._folded.is_empty else self._cost())

    def _cost(self) -> float | None:
        folded = self._folded
        return self._running.of(
            folded.usage, folded.characters, is_counted=folded.is_counted, model=folded.model
        ).total  # fmt: skip
