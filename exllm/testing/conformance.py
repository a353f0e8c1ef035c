"""What every provider owes its callers, as a test class that any provider can be run through."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from exllm.client import Client
from exllm.errors import ExLLMError, RequestTimeout, StreamClosed, UnsupportedOption
from exllm.types.chunks import Chunk, Finish, StreamStart
from exllm.types.options import Timeouts
from exllm.types.response import Response

SETTLE_S = 0.25
"""How long the tasks of a stream may live after its end was handed out."""


class ProviderConformance:
    """Subclass it, say which model, and let pytest collect it::

        class TestAcme(ProviderConformance):
            model = "acme/large"
            refused_option = {"top_k": 5}

            @asynccontextmanager
            async def client(self):
                async with exllm.Client(config=exllm.config.Static({"acme": {"api_key": "..."}})) as client:
                    yield client

    The tests are coroutines: use pytest-asyncio (``asyncio_mode = "auto"``, or mark the module ``asyncio``) or the
    plugin of anyio. ``pytest.register_assert_rewrite("exllm.testing.conformance")`` makes its assertions explain
    themselves.

    Attributes:
        model: the model string under test.
        prompt: something that is answered with at least three chunks of text, and fast.
        options: for every call, e.g. ``{"temperature": 0, "max_tokens": 50}``.
        refused_option: an option that the provider cannot take; None when it takes all.
        is_deterministic: the same prompt gives the same text.
        reports_usage: its answers end with token counts.
        failing_model: a model for which the provider answers with an error; None where there is none.
        failing_error: the class of that error.
    """

    model: str = "mock/anything"
    prompt: str = "Say something short."
    options: dict[str, Any] = {}  # noqa: RUF012 - read only, replaced by subclasses
    refused_option: dict[str, Any] | None = None
    is_deterministic: bool = True
    reports_usage: bool = True
    failing_model: str | None = None
    failing_error: type[ExLLMError] = ExLLMError

    def client(self) -> AbstractAsyncContextManager[Client]:
        """A client that can reach the provider; entered and left by each test."""
        return Client()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        """`client`, and proof that the test left no task behind."""
        before = asyncio.all_tasks()
        async with self.client() as client:
            yield client
        async with asyncio.timeout(SETTLE_S):
            while left := asyncio.all_tasks() - before:
                await asyncio.wait(left)

    async def _chunks(self, client: Client) -> tuple[list[Chunk], Response]:
        async with client.stream(self.model, self.prompt, **self.options) as stream:
            chunks = [chunk async for chunk in stream]
            return chunks, stream.response

    # -- answers

    async def test_the_texts_of_the_chunks_join_to_the_text_of_the_response(self) -> None:
        async with self._client() as client:
            chunks, response = await self._chunks(client)
        assert response.text
        assert "".join(chunk.text for chunk in chunks) == response.text

    async def test_the_stream_begins_with_a_start_and_ends_with_one_finish_per_choice(self) -> None:
        async with self._client() as client:
            chunks, response = await self._chunks(client)
        assert isinstance(chunks[0], StreamStart)
        finishes = [chunk for chunk in chunks if isinstance(chunk, Finish)]
        assert [finish.index for finish in finishes] == [0]
        assert response.finish_reason == finishes[0].reason
        last_text = max(number for number, chunk in enumerate(chunks) if chunk.text)
        assert chunks.index(finishes[0]) > last_text

    async def test_the_response_says_who_answered_and_what_it_took(self) -> None:
        async with self._client() as client:
            _, response = await self._chunks(client)
        assert response.provider == self.model.partition("/")[0]
        assert response.model
        assert response.stats is not None
        assert response.stats.chunks > 0
        assert response.stats.first_chunk_s is not None
        assert response.stats.duration_s is not None
        assert response.stats.duration_s >= response.stats.first_chunk_s

    async def test_usage_is_counted_or_said_to_be_unknown(self) -> None:
        async with self._client() as client:
            _, streamed = await self._chunks(client)
            whole = await client.chat(self.model, self.prompt, **self.options)
        for usage in (streamed.usage, whole.usage):
            if self.reports_usage:
                assert usage.provenance in ("reported", "estimated")
                assert usage.output_tokens
                assert usage.input_tokens
            else:
                assert usage.provenance == "unknown"
                assert usage.output_tokens is None

    async def test_chat_gives_what_the_stream_gives(self) -> None:
        async with self._client() as client:
            _, streamed = await self._chunks(client)
            whole = await client.chat(self.model, self.prompt, **self.options)
        assert whole.text
        assert whole.finish_reason == streamed.finish_reason
        assert [type(part) for part in whole.parts] == [type(part) for part in streamed.parts]
        if self.is_deterministic:
            assert whole.message == streamed.message
            assert whole.usage == streamed.usage

    async def test_text_batches_and_collect_give_the_same_answer(self) -> None:
        async with self._client() as client:
            async with client.stream(self.model, self.prompt, **self.options) as stream:
                texts = [text async for text in stream.text()]
            assert all(texts)
            assert "".join(texts) == stream.response.text
            async with client.stream(self.model, self.prompt, **self.options) as stream:
                batches = [batch async for batch in stream.batches()]
            assert "".join(chunk.text for batch in batches for chunk in batch) == stream.response.text
            async with client.stream(self.model, self.prompt, **self.options) as stream:
                response = await stream.collect()
            assert response.text == stream.response.text
            assert response.finish_reason

    async def test_two_calls_at_once_do_not_mix(self) -> None:
        async with self._client() as client:
            (first, one), (second, two) = await asyncio.gather(self._chunks(client), self._chunks(client))
        assert "".join(chunk.text for chunk in first) == one.text
        assert "".join(chunk.text for chunk in second) == two.text
        if self.is_deterministic:
            assert one.text == two.text

    # -- data

    async def test_chunks_and_response_survive_json_pickle_and_copy(self) -> None:
        async with self._client() as client:
            chunks, response = await self._chunks(client)
        encoded = msgspec.json.encode(chunks)
        assert msgspec.json.decode(encoded, type=list[Chunk]) == chunks
        assert msgspec.json.decode(msgspec.json.encode(response), type=Response) == response
        assert pickle.loads(pickle.dumps((chunks, response))) == (chunks, response)
        assert copy.deepcopy(response) == response

    # -- leaving early

    async def test_a_stream_that_is_left_early_ends_and_keeps_what_had_come(self) -> None:
        async with self._client() as client:
            async with client.stream(self.model, self.prompt, **self.options) as stream:
                seen = ""
                async for text in stream.text():
                    seen = text
                    break
            assert seen
            assert stream.response.text.startswith(seen)

    async def test_a_closed_stream_says_so_and_may_be_closed_again(self) -> None:
        async with self._client() as client:
            stream = client.stream(self.model, self.prompt, **self.options)
            async with stream:
                await anext(stream)
                await stream.aclose()
                await stream.aclose()
                with _Raises(StreamClosed) as caught:
                    await anext(stream)
            assert caught.error.provider

    async def test_a_cancelled_reader_gets_its_cancellation(self) -> None:
        async with self._client() as client:
            stream = client.stream(self.model, self.prompt, **self.options)
            is_reading = asyncio.Event()

            async def read() -> None:
                async with stream:
                    async for chunk in stream:
                        if chunk.text:
                            is_reading.set()
                            await asyncio.Event().wait()

            reader = asyncio.create_task(read())
            await asyncio.wait([reader, asyncio.create_task(is_reading.wait())], return_when="FIRST_COMPLETED")
            assert reader.cancel()
            await asyncio.wait([reader])
            assert reader.cancelled()
            assert stream.response.text

    # -- refusing and failing

    async def test_an_option_that_it_cannot_take_is_refused_before_any_request(self) -> None:
        async with self._client() as client:
            refused = self.refused_option
            if refused is None:
                response = await client.chat(self.model, self.prompt, **{**self.options, "temperature": 0.5, "seed": 1})
                assert not response.warnings
                return
            options = {**self.options, **refused}
            with _Raises(UnsupportedOption) as streamed:
                client.stream(self.model, self.prompt, **options)
            with _Raises(UnsupportedOption) as whole:
                await client.chat(self.model, self.prompt, **options)
        for error in (streamed.error, whole.error):
            assert next(iter(refused)) in error.message
            assert not error.retryable

    async def test_an_unknown_option_is_a_type_error(self) -> None:
        async with self._client() as client:
            with _Raises(TypeError) as caught:
                client.stream(self.model, self.prompt, temprature=1)  # type: ignore[call-arg]
        assert "temperature" in str(caught.error)

    async def test_a_failure_is_an_error_of_exllm_with_its_facts(self) -> None:
        """The provider's own error where there is one, else a time limit that nobody can keep."""
        limits = None if self.failing_model else Timeouts(total=1e-6)
        expected = self.failing_error if self.failing_model else RequestTimeout
        model = self.failing_model or self.model
        async with self._client() as client:
            with _Raises(expected) as whole:
                await client.chat(model, self.prompt, timeout=limits)
            with _Raises(expected) as streamed:
                async with client.stream(model, self.prompt, timeout=limits) as stream:
                    await stream.collect()
        for error in (whole.error, streamed.error):
            assert error.provider == self.model.partition("/")[0]
            assert error.model
            assert error.message
            again = pickle.loads(pickle.dumps(error))
            assert (type(again), again.message, again.status) == (type(error), error.message, error.status)


E = TypeVar("E", bound=Exception)


class _Raises(Generic[E]):
    """What `pytest.raises` does, without pytest."""

    error: E

    def __init__(self, expected: type[E]) -> None:
        self._expected = expected

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, value: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        assert value is not None, f"nothing was raised where {self._expected.__name__} was due"
        if isinstance(value, self._expected):
            self.error = value
            return True
        return False
