"""Objects that grow, items one by one, and attempts in a stream, over the mock and over HTTP."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

import exllm
from exllm import Finish, ProviderEvent, TextDelta, ToolCall
from exllm.config import Static
from exllm.testing import MockProvider, Wait
from tests.faults.dialects.openai_chat import OPENAI
from tests.faults.server import FaultServer, Peer
from tests.structured.types import City, Mood, Order, Person

ADA = '{"name": "Ada", "age": 36}'


def pieces(text: str, size: int = 3) -> list[TextDelta]:
    return [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]


@pytest.fixture
async def client() -> Any:
    async with exllm.Client() as made:
        yield made


async def test_a_growing_object_is_the_same_until_the_last_which_is_whole(client: exllm.Client) -> None:
    text = f'{{"name": "X", "people": [{ADA}, {{"name": "Bob", "age": 7, "mood": "good"}}]}}'
    with MockProvider(pieces(text)):
        async with client.stream("mock/m", "Who?", response_model=City) as stream:
            seen = [(city, city.name, len(city.people or ())) async for city in stream.partial()]
    *growing, (whole, _, _) = seen
    assert all(city is growing[0][0] for city, _, _ in growing)
    assert [name for _, name, _ in growing][:2] == [None, None]
    assert sorted({people for _, _, people in growing}) == [0, 1, 2]
    assert whole is not growing[0][0]
    assert whole == City("X", [Person("Ada", 36), Person("Bob", 7, Mood.GOOD)])
    assert stream.response.parsed is whole
    assert stream.response.structured == exllm.Structured("schema")


async def test_a_plain_stream_gives_a_growing_object_too(client: exllm.Client) -> None:
    with MockProvider(pieces(f"Sure:\n```json\n{ADA}\n```\nDone.")):
        async with client.stream("mock/m", "Who?") as stream:
            names = [person.name async for person in stream.partial(Person)]
    assert names[0] is None
    assert names[-1] == "Ada"
    assert {name for name in names if name} == {"A", "Ada"} or "Ada" in names


async def test_a_wrapped_answer_grows_without_its_wrapper(client: exllm.Client) -> None:
    with MockProvider(pieces(f'{{"value": [{ADA}, {ADA}]}}')):
        async with client.stream("mock/m", "Who?", response_model=list[Person]) as stream:
            counts = [len(people) async for people in stream.partial()]
    assert sorted(set(counts) | {0}) == [0, 1, 2]
    assert stream.response.parsed == [Person("Ada", 36)] * 2


async def test_the_arguments_of_the_answers_tool_are_text(client: exllm.Client) -> None:
    with MockProvider(["Here: ", ToolCall("1", "Person", ADA)]):
        async with client.stream("mock/m", "Who?", response_model=Person, response_strategy="tool") as stream:
            ages = [person.age async for person in stream.partial()]
    response = stream.response
    assert ages[0] is None
    assert ages[-1] == 36
    assert response.text == "Here: " + ADA
    assert (response.tool_calls, response.finish_reason) == ((), "stop")
    assert response.structured == exllm.Structured("tool")


async def test_items_come_as_each_is_whole(client: exllm.Client) -> None:
    script: list[Any] = [
        TextDelta('{"rows": ['),
        *[
            item
            for n in range(3)
            for item in (
                TextDelta(f'{{"name": "{n}", "age": {n}}},' if n < 2 else f'{{"name": "{n}", "age": {n}}}'),
                Wait(0.01),
            )
        ],
        TextDelta("]}"),
    ]
    with MockProvider(script):
        async with client.stream("mock/m", "Who?") as stream:
            order = [(person, stream.stats.chunks) async for person in stream.items("$.rows[*]", Person)]
    assert [person for person, _ in order] == [Person(str(n), n) for n in range(3)]
    chunks = [count for _, count in order]
    assert chunks == sorted(set(chunks))  # each came with a chunk of its own


async def test_an_answer_that_should_be_wrapped_and_is_not_is_read_as_well(client: exllm.Client) -> None:
    text = 'Here: [{"name": "a", "age": 1}, {"name": "b", "age": 2}, {"name": "c", "age": "x"}]'
    with MockProvider(pieces(text)):
        items = client.stream("mock/m", "Who?", response_model=list[Person]).items("$[*]", Person)
        assert [await anext(items), await anext(items)] == [Person("a", 1), Person("b", 2)]
        with pytest.raises(exllm.StructuredOutputInvalid, match=r"at \$\[2\]\.age"):
            await anext(items)
    with MockProvider(pieces(f"[{ADA}, {ADA}]")):
        growing = client.stream("mock/m", "Who?", response_model=list[Person]).partial()
        counts = [len(people) async for people in growing]
    assert sorted(set(counts) | {0}) == [0, 1, 2]


async def test_items_of_a_wrapped_answer_and_plain_items(client: exllm.Client) -> None:
    with MockProvider(pieces('{"value": [{"a": 1}, {"a": 2}]}')):
        async with client.stream("mock/m", "Who?", response_model=list[dict[str, int]]) as stream:
            assert [row async for row in stream.items("$[*].a")] == [1, 2]
    with MockProvider(pieces('Rows: [{"a": 1}, {"a": 2}] done')):
        async with client.stream("mock/m", "Who?") as stream:
            assert [row async for row in stream.items("$[*]")] == [{"a": 1}, {"a": 2}]


async def test_an_item_that_does_not_fit_says_which(client: exllm.Client) -> None:
    with MockProvider(pieces('{"value": [{"name": "a", "age": 1}, {"name": "b", "age": "x"}]}')):
        async with client.stream("mock/m", "Who?", response_model=list[Person]) as stream:
            items = stream.items("$[*]", Person)
            assert await anext(items) == Person("a", 1)
            with pytest.raises(exllm.StructuredOutputInvalid, match=r"at \$\[1\]\.age") as caught:
                await anext(items)
    assert caught.value.partial is not None


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (['{"rows": [1, 2', Finish("length")], exllm.StructuredOutputTruncated),
        (['{"rows": [1, 2'], exllm.StructuredOutputInvalid),
        (['{"rows": [1, 2, oops]}'], exllm.StructuredOutputInvalid),
        (["no JSON at all"], exllm.StructuredOutputInvalid),
    ],
)
async def test_items_that_are_not_all_there_are_an_error(
    client: exllm.Client, script: Any, error: type[Exception]
) -> None:
    found: list[Any] = []

    async def read() -> None:
        async with client.stream("mock/m", "Who?") as stream:
            async for item in stream.items("$.rows[*]"):
                found.append(item)  # noqa: PERF401 - what came before the error counts

    with MockProvider(script), pytest.raises(error):
        await read()
    assert found == ([] if "rows" not in script[0] else [1, 2] if "oops" in script[0] else [1])


async def test_a_path_or_type_that_will_not_do_is_refused_at_once(client: exllm.Client) -> None:
    with MockProvider("x"):
        stream = client.stream("mock/m", "Who?")
        with pytest.raises(ValueError, match="path"):
            stream.items("rows", int)
        with pytest.raises(TypeError, match="type"):
            stream.partial()
        with pytest.raises(TypeError):
            stream.partial(5)
        await stream.aclose()
        with pytest.raises(TypeError, match="accumulate"):
            client.stream("mock/m", "Who?", response_model=Person, accumulate=False)


async def test_memory_of_items_does_not_grow_with_the_answer(client: exllm.Client) -> None:
    row = TextDelta(json.dumps({"text": "x" * 500}) + ",")
    peaks = []
    for rows in (200, 4000):

        def answer(_request: Any, rows: int = rows) -> Any:
            async def script() -> Any:
                yield TextDelta("[")
                for _ in range(rows):
                    yield row
                yield TextDelta("0]")

            return script()

        with MockProvider(answer):
            tracemalloc.start()
            async with client.stream("mock/m", "Who?", accumulate=False) as stream:
                count = 0
                async for _ in stream.items("$[*]"):
                    count += 1
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert count == rows + 1
    assert peaks[1] < peaks[0] + 300_000  # 2 MB were handed out


# -- attempts


async def test_a_stream_does_not_begin_again_unless_asked(client: exllm.Client) -> None:
    with MockProvider("no") as mock:
        async with client.stream("mock/m", "Who?", response_model=Person) as stream:
            with pytest.raises(exllm.StructuredOutputInvalid) as caught:
                await stream.collect()
    assert len(mock.requests) == 1
    assert caught.value.raw == "no"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "no"


async def test_attempts_are_marked_in_the_chunks_and_the_last_is_the_response(client: exllm.Client) -> None:
    usage = exllm.Usage(10, 5, 15, provenance="reported")
    with MockProvider(["no", usage], [ADA, usage]) as mock:
        async with client.stream("mock/m", "Who?", response_model=Person, max_retries=1) as stream:
            chunks = [chunk async for chunk in stream]
    (marker,) = [place for place, chunk in enumerate(chunks) if isinstance(chunk, ProviderEvent)]
    event = chunks[marker]
    assert isinstance(event, ProviderEvent)
    assert (event.event, event.provider) == ("exllm.retry", "exllm")
    assert event.data == {"reason": "there is no JSON in the answer"}
    assert "".join(chunk.text for chunk in chunks[:marker]) == "no"
    assert "".join(chunk.text for chunk in chunks[marker:]) == ADA == stream.response.text
    response = stream.response
    assert response.parsed == Person("Ada", 36)
    assert response.structured == exllm.Structured("schema", 2, ("there is no JSON in the answer",))
    assert response.usage == exllm.Usage(20, 10, 30, provenance="reported")
    assert stream.cost.total == response.cost.total == 0.0
    assert [message.role for message in mock.requests[1].messages] == ["user", "assistant", "user"]


async def test_a_growing_object_begins_anew_with_the_next_attempt(client: exllm.Client) -> None:
    with MockProvider(pieces('{"name": "Bob", "age": "x"}'), pieces(ADA)):
        async with client.stream("mock/m", "Who?", response_model=Person, max_retries=1) as stream:
            names = [person.name async for person in stream.partial()]
    assert "Bob" in names
    assert names[-1] == "Ada"
    assert names.index("Ada") > names.index("Bob")


async def test_a_later_attempt_is_sent_again_after_a_retryable_failure(client: exllm.Client) -> None:
    fast = exllm.RetryPolicy(attempts=3, base_s=0.0)
    async with exllm.Client(retry=fast) as own:
        with MockProvider("no", exllm.RateLimited("slow down"), ADA) as mock:
            async with own.stream("mock/m", "Who?", response_model=Person, max_retries=1) as stream:
                response = await stream.collect()
    assert response.parsed == Person("Ada", 36)
    assert len(mock.requests) == 3


async def test_a_failure_of_a_later_attempt_is_raised_with_what_arrived(client: exllm.Client) -> None:
    with MockProvider("no", ['{"na', exllm.StreamInterrupted("cut")]):
        async with client.stream("mock/m", "Who?", response_model=Person, max_retries=1) as stream:
            with pytest.raises(exllm.StreamInterrupted) as caught:
                await stream.collect()
    assert caught.value.partial is not None
    assert caught.value.partial.text == '{"na'


# -- over HTTP


def _http_client(url: str) -> exllm.Client:
    keys = {"openai": {"api_key": "sk-test", "base_url": url}}
    return exllm.Client(config=Static(keys), retry=exllm.RetryPolicy(attempts=1))


async def _endless(peer: Peer) -> None:
    """Rows until the other side leaves."""
    await peer.begin_stream()
    for frame in OPENAI.opening:
        await peer.chunk(frame)
    await peer.chunk(OPENAI.text('{"rows": ['))
    leaving = asyncio.ensure_future(peer.left())
    number = 0
    try:
        while not leaving.done() and number < 5000:
            await peer.chunk(OPENAI.text(f'{{"name": "n{number}", "age": {number}}}, '))
            number += 1
            await asyncio.sleep(0.002)
    finally:
        await leaving


async def _whole(peer: Peer) -> None:
    await peer.stream([*OPENAI.opening, *(OPENAI.text(piece) for piece in (ADA[:9], ADA[9:])), *OPENAI.closing])


async def test_a_validator_closes_the_socket_at_once_and_the_next_attempt_follows() -> None:
    def few(answer: exllm.AnswerSoFar) -> str | None:
        rows = (answer.json or {}).get("rows", ())
        return "At most five rows." if len(rows) > 5 else None

    async with FaultServer(_endless, _whole) as server, _http_client(server.url) as client:
        async with client.stream("openai/gpt-4.1-mini", "Who?", validators=[few], max_retries=1) as stream:
            response = await stream.collect()
        assert response.text == ADA
        async with asyncio.timeout(2):  # it would go on for ten seconds
            while not server.left_at:  # noqa: ASYNC110 - the server has no event for one of several
                await asyncio.sleep(0.01)
        assert server.requests[1].json["messages"][-1]["content"].count("At most five rows.") == 1
        assert server.requests[1].json["messages"][1]["role"] == "assistant"


async def test_leaving_items_early_closes_the_socket() -> None:
    async with FaultServer(_endless) as server, _http_client(server.url) as client:
        found: list[Person] = []
        async with client.stream("openai/gpt-4.1-mini", "Who?") as stream:
            async for person in stream.items("$.rows[*]", Person):
                found.append(person)
                if len(found) == 3:
                    break
        await server.all_left()
    assert found == [Person(f"n{number}", number) for number in range(3)]


async def test_cancelling_an_attempt_leaves_nothing_behind() -> None:
    async with FaultServer(_whole, _endless) as server, _http_client(server.url) as client:

        async def ask() -> None:
            with_more = client.stream("openai/gpt-4.1-mini", "Who?", response_model=Order, max_retries=1)
            async with with_more as stream:
                await stream.collect()

        task = asyncio.create_task(ask())
        while len(server.requests) < 2:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_left()


async def test_the_strict_schema_of_openai_goes_over_the_wire() -> None:
    async with FaultServer(_whole) as server, _http_client(server.url) as client:
        stream = client.stream("openai/gpt-4.1-mini", "Who?", response_model=Person)
        assert (await stream.collect()).parsed == Person("Ada", 36)
    form = server.requests[0].json["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["required"] == ["name", "age", "mood"]
