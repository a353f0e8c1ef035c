"""Streams that lose their connection and go on; the mock in the place of the model, and a server that breaks off."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import exllm
from exllm import (
    Finish,
    IdleTimeout,
    InvalidRequest,
    Message,
    NotFound,
    ProviderEvent,
    Reasoning,
    StreamInterrupted,
    TextDelta,
    ToolCall,
)
from exllm.config import Static
from exllm.recovery import Cursor, MemoryStore, Recovery, SQLiteStore
from exllm.recovery.continuation import CONTINUE
from exllm.testing import MockProvider, Wait
from tests.faults.dialects import ANTHROPIC, DIALECTS, GENERATE, OPENAI, Dialect
from tests.faults.server import FaultServer, Peer

CUT = StreamInterrupted("the connection broke")
FAST = exllm.RetryPolicy(base_s=0.001)
STORY = "Once upon a time there was a fox."
KEY = "plain0123456789abcdef"
# Those whose streams are at the address asked, and that can be told what they said.
DIRECT = [dialect for dialect in DIALECTS if dialect.detour is None and dialect is not GENERATE]


@pytest.fixture
async def client() -> AsyncIterator[exllm.Client]:
    async with exllm.Client(retry=FAST) as made:
        yield made


def mocked(*answers: Any) -> MockProvider:
    return MockProvider(*answers, name="mocked")


def text_of(chunks: list[exllm.Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


class TestByItself:
    async def test_the_text_has_no_seam(self, client: exllm.Client) -> None:
        with mocked(["Once upon ", "a ti", CUT], ["a time there ", "was", CUT], ["was a fox."]) as llm:
            async with client.stream("mocked", "Hi", recover=True) as stream:
                chunks = [chunk async for chunk in stream]
        assert text_of(chunks) == stream.response.text == STORY
        assert stream.response.finish_reason == "stop"
        events = [chunk.data for chunk in chunks if isinstance(chunk, ProviderEvent)]
        assert events == [
            {"by": "continuation", "characters": 14}, {"by": "continuation", "characters": 26},
        ]  # fmt: skip
        asked = llm.requests[1].messages
        assert asked == (Message("user", "Hi"), Message("assistant", "Once upon a ti"), Message("user", CONTINUE))
        assert len([chunk for chunk in chunks if isinstance(chunk, exllm.StreamStart)]) == 1

    async def test_usage_is_that_of_all_requests(self, client: exllm.Client) -> None:
        used = exllm.Usage(input_tokens=10, output_tokens=4, provenance="reported")
        first = [exllm.UsageUpdate(used), "Once upon ", CUT]
        with mocked(first, [TextDelta("a time."), exllm.UsageUpdate(used), Finish("stop")]):
            async with client.stream("mocked", "Hi", recover=True) as stream:
                chunks = [chunk async for chunk in stream]
        assert (stream.response.usage.input_tokens, stream.response.usage.output_tokens) == (20, 8)
        assert [chunk.usage.input_tokens for chunk in chunks if isinstance(chunk, exllm.UsageUpdate)] == [10, 20]

    async def test_tokens_that_had_arrived_count_against_the_limit(self, client: exllm.Client) -> None:
        with mocked(["x" * 40, CUT], ["y"]) as llm:
            await client.stream("mocked", "Hi", recover=True, max_tokens=50).collect()
        assert [request.options.max_tokens for request in llm.requests] == [50, 40]

    async def test_it_ends_after_so_many_attempts(self, client: exllm.Client) -> None:
        store = MemoryStore()
        with mocked(["a ", CUT]) as llm:
            stream = client.stream("mocked", "Hi", recover=Recovery(store, attempts=2))
            with pytest.raises(StreamInterrupted) as told:
                await stream.collect()
        assert len(llm.requests) == 3
        assert told.value.partial is not None
        (cursor,) = await store.list()
        assert cursor.text == told.value.partial.text
        assert cursor.error == "the connection broke"

    async def test_what_cannot_pass_is_not_tried_again(self, client: exllm.Client) -> None:
        withdrawn = exllm.AuthenticationError("the key was withdrawn")
        with mocked(["a ", withdrawn]) as llm, pytest.raises(exllm.AuthenticationError):
            await client.stream("mocked", "Hi", recover=True).collect()
        assert len(llm.requests) == 1

    async def test_before_the_answer_begins_the_retry_policy_decides(self, client: exllm.Client) -> None:
        with mocked(exllm.ServerError("down"), [STORY]) as llm:
            stream = client.stream("mocked", "Hi", recover=True)
            assert (await stream.collect()).text == STORY
        assert (len(llm.requests), stream.stats.attempts) == (2, 2)

    async def test_silence_is_a_broken_connection(self) -> None:
        limits = exllm.Timeouts(idle=0.05)
        async with exllm.Client(retry=FAST, timeout=limits) as client:
            with mocked(["Once upon ", Wait(30)], ["a time."]) as llm:
                stream = client.stream("mocked", "Hi", recover=True)
                assert (await stream.collect()).text == "Once upon a time."
                assert llm.open_answers == 0

    async def test_silence_to_the_end_is_an_idle_timeout(self) -> None:
        async with exllm.Client(retry=FAST, timeout=exllm.Timeouts(idle=0.03)) as client:
            with mocked(["a ", Wait(30)]), pytest.raises(IdleTimeout):
                await client.stream("mocked", "Hi", recover=Recovery(attempts=1)).collect()

    async def test_thoughts_stay_and_the_rest_may_think_anew(self, client: exllm.Client) -> None:
        with mocked([Reasoning("hm"), "Once upon ", CUT], [Reasoning("aha"), "a time."]) as llm:
            reply = await client.stream("mocked", "Hi", recover=True).collect()
        assert reply.text == "Once upon a time."
        assert reply.reasoning == "hmaha"
        assert llm.requests[1].messages[1] == Message("assistant", "Once upon")

    async def test_with_nothing_but_thoughts_it_is_asked_again(self, client: exllm.Client) -> None:
        with mocked([Reasoning("hm"), CUT], [STORY]) as llm:
            reply = await client.stream("mocked", "Hi", recover=True).collect()
        assert reply.text == STORY
        assert llm.requests[1].messages == llm.requests[0].messages

    @pytest.mark.parametrize(
        ("answer", "options", "words"),
        [
            (["Look: ", ToolCall("1", "t", '{"a"'), CUT], {}, "tool call"),
            (['{"a": ', CUT], {"response_format": "json"}, "response_format"),
            ([TextDelta("a"), TextDelta("b", 1), CUT], {"n": 2}, "several choices"),
        ],
    )
    async def test_what_cannot_be_gone_on_with_raises_and_says_why(
        self, client: exllm.Client, answer: Any, options: Any, words: str
    ) -> None:
        with mocked(answer), pytest.raises(StreamInterrupted) as told:
            await client.stream("mocked", "Hi", recover=True, **options).collect()
        assert words in " ".join(told.value.__notes__)

    async def test_it_goes_with_no_other_way_to_ask_again(self, client: exllm.Client) -> None:
        for wrong in ({"accumulate": False}, {"response_model": int}):
            with pytest.raises(TypeError, match="recover"):
                client.stream("mock", "Hi", recover=True, **wrong)
        for wrong in ({"recover": "yes"}, {"recover": 3}):
            with pytest.raises(TypeError, match="recover"):
                client.stream("mock", "Hi", **wrong)  # type: ignore[arg-type]

    async def test_a_client_may_recover_every_stream(self) -> None:
        store = MemoryStore()
        async with exllm.Client(retry=FAST, recovery=Recovery(store)) as client:
            with mocked(["Once upon ", CUT], ["a time."]):
                assert (await client.stream("mocked", "Hi").collect()).text == "Once upon a time."
            with mocked(["Once upon ", CUT], ["a time."]), pytest.raises(StreamInterrupted):
                await client.stream("mocked", "Hi", recover=False).collect()
            assert await client.stream("mock", "Hi", accumulate=False).collect() is not None
        assert await store.list() == []


class TestSaving:
    async def test_a_whole_answer_is_forgotten(self, client: exllm.Client) -> None:
        store = MemoryStore()
        with mocked([TextDelta(word) for word in STORY.split(" ")]):
            stream = client.stream("mocked", "Hi", recover=Recovery(store, save_every_s=1e-9))
            saved: set[str] = set()
            async for _chunk in stream:
                saved |= {cursor.text for cursor in await store.list()}
        assert len(saved) > 1  # it was there while it ran
        assert await store.list() == []

    async def test_one_that_is_left_is_kept(self, client: exllm.Client) -> None:
        store = MemoryStore()
        with mocked(["Once ", "upon ", Wait(30)]) as llm:
            async with client.stream("mocked", "Hi", recover=Recovery(store, save_every_s=1000)) as stream:
                async for chunk in stream:
                    if chunk.text == "upon ":
                        break
            assert llm.open_answers == 0
        (cursor,) = await store.list()
        assert (cursor.id, cursor.text) == (stream.cursor.id, "Once upon ")
        assert cursor.started_at <= cursor.updated_at

    async def test_one_that_is_cancelled_is_kept(self, client: exllm.Client) -> None:
        store = MemoryStore()
        with mocked(["Once ", Wait(30)]) as llm:
            task = asyncio.create_task(client.stream("mocked", "Hi", recover=Recovery(store)).collect())
            async with asyncio.timeout(5):
                while not await store.list():  # noqa: ASYNC110 - the store tells nobody
                    await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert llm.open_answers == 0
        assert (await store.list())[0].text == "Once "

    async def test_kill_9_leaves_what_had_arrived(self, tmp_path: Path) -> None:
        path = tmp_path / "answers.db"
        code = """
import asyncio, sys, exllm
from exllm.recovery import Recovery, SQLiteStore
from exllm.testing import MockProvider, Wait
async def main():
    recovery = Recovery(SQLiteStore(sys.argv[1]), save_every_s=0.01)
    with MockProvider([x for n in range(100000) for x in (f"w{n} ", Wait(0.005))], name="mocked"):
        async with exllm.Client() as client, client.stream("mocked", "Hi", recover=recovery) as stream:
            async for text in stream.text(): print(text, flush=True)
asyncio.run(main())
"""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        seen = b"".join([await process.stdout.readline() for _ in range(60)])
        process.kill()
        await process.wait()
        (cursor,) = await SQLiteStore(path).list()
        words = cursor.text.split()
        assert words == [f"w{number}" for number in range(len(words))]
        assert len(words) >= len(seen.split()) // 2
        async with exllm.Client() as client:
            with mocked(["and the rest."]):
                reply = await client.resume(cursor).collect()
        assert reply.text == cursor.text + "and the rest."


class TestResume:
    async def partial(self, client: exllm.Client, *pieces: Any, **options: Any) -> Cursor:
        with mocked([*pieces, CUT]):
            stream = client.stream("mocked", "Hi", **options)
            with contextlib.suppress(StreamInterrupted):
                await stream.collect()
        return stream.cursor

    async def test_the_rest_is_streamed_and_the_response_is_whole(self, client: exllm.Client) -> None:
        cursor = await self.partial(client, "Once upon ", "a ti", temperature=0.3)
        stored = msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor)
        with mocked(["a time there", " was a fox."]) as llm:
            async with client.resume(stored) as stream:
                rest = "".join([text async for text in stream.text()])
        assert cursor.text + rest == stream.response.text == STORY
        assert llm.requests[0].options.temperature == 0.3
        assert stream.cursor.id == cursor.id

    async def test_options_may_be_given_anew(self, client: exllm.Client) -> None:
        cursor = await self.partial(client, "a ", temperature=0.3)
        with mocked(["b"]) as llm:
            await client.resume(cursor, temperature=0.9).collect()
        assert llm.requests[0].options.temperature == 0.9

    async def test_from_the_last_whole_paragraph(self, client: exllm.Client) -> None:
        cursor = await self.partial(client, "First.\n\nSecond, which is cu")
        with mocked(["Second, anew."]) as llm:
            async with client.resume(cursor, strategy="paragraph") as stream:
                rest = "".join([text async for text in stream.text()])
        assert rest == "Second, anew."
        assert stream.response.text == "First.\n\nSecond, anew."
        assert llm.requests[0].messages[1] == Message("assistant", "First.")

    async def test_without_a_whole_paragraph_it_begins_anew(self, client: exllm.Client) -> None:
        cursor = await self.partial(client, "First, which is cu")
        with mocked([STORY]) as llm:
            assert (await client.resume(cursor, strategy="paragraph").collect()).text == STORY
        assert llm.requests[0].messages == (Message("user", "Hi"),)

    async def test_by_a_summary(self, client: exllm.Client) -> None:
        cursor = await self.partial(client, "A long beginning")
        with mocked("It began.", ["And ended."]) as llm:
            reply = await client.resume(cursor, strategy="summarize").collect()
        assert reply.text == "A long beginning\n\nAnd ended."
        assert "A long beginning" in llm.requests[0].messages[0].text
        assert "It began." in llm.requests[1].messages[-1].text
        assert len(llm.requests[1].messages) == 2

    async def test_by_its_id(self, client: exllm.Client) -> None:
        with mocked(["Once upon ", exllm.AuthenticationError("no")], ["a time."]):
            stream = client.stream("mocked", "Hi", recover=True)
            with pytest.raises(exllm.AuthenticationError):
                await stream.collect()
            assert (await client.resume(stream.cursor.id, recover=True).collect()).text == "Once upon a time."
            with pytest.raises(NotFound, match="no unfinished answer"):
                client.resume(stream.cursor.id, recover=True)  # whole now, and forgotten

    async def test_one_that_breaks_again_can_be_resumed_again(self, client: exllm.Client) -> None:
        cursor = await self.partial(client, "Once upon ")
        with mocked(["a ti", CUT]):
            stream = client.resume(cursor)
            with pytest.raises(StreamInterrupted):
                await stream.collect()
        with mocked(["me."]):
            assert (await client.resume(stream.cursor).collect()).text == "Once upon a time."

    async def test_whatever_had_arrived_is_in_the_response(self, client: exllm.Client) -> None:
        image, block = exllm.ImageDelta(b"PNG", None, "image/png"), ProviderEvent("x", {"type": "x"}, "p", content=True)
        cursor = await self.partial(client, Reasoning("hm", "sig"), "Once upon ", image, block)
        with mocked(["a time."]):
            reply = await client.resume(msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor)).collect()
        assert reply.text == "Once upon a time."
        assert [type(part) for part in reply.parts] == [type(part) for part in cursor.partial.parts]
        assert len(reply.parts) == 4

    async def test_a_second_process_goes_on(self, client: exllm.Client, tmp_path: Path) -> None:
        cursor = await self.partial(client, "Once upon ")
        (tmp_path / "cursor.json").write_bytes(msgspec.json.encode(cursor))
        code = """
import asyncio, sys, msgspec, exllm
from exllm.recovery import Cursor
from exllm.testing import MockProvider
async def main():
    cursor = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=Cursor)
    with MockProvider(["a time."], name="mocked"):
        async with exllm.Client() as client:
            print((await client.resume(cursor).collect()).text)
asyncio.run(main())
"""
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code, str(tmp_path / "cursor.json")], capture_output=True, check=True
        )
        assert done.stdout == b"Once upon a time.\n"

    async def test_a_whole_answer_has_no_rest(self, client: exllm.Client) -> None:
        with mocked([STORY]):
            stream = client.stream("mocked", "Hi")
            await stream.collect()
            with pytest.raises(InvalidRequest, match="it is whole"):
                client.resume(stream.cursor)
        gc.collect()


class TestOverHttp:
    @pytest.mark.parametrize("dialect", DIRECT, ids=[dialect.provider for dialect in DIRECT])
    async def test_a_connection_that_breaks_in_the_middle(self, dialect: Dialect) -> None:
        async def broken(peer: Peer) -> None:
            await peer.begin_stream(dialect.content_type)
            for frame in [*dialect.opening, dialect.text("Once upon "), dialect.text("a ti")]:
                await peer.chunk(frame)
            peer.reset()

        async with FaultServer(broken, dialect.reply(["a time ", "there was ", "a fox."])) as server:
            config = Static({dialect.provider: {"api_key": KEY, "base_url": server.url, **dialect.settings}})
            async with exllm.Client(config=config, retry=FAST) as client:
                async with client.stream(dialect.name, "Hi", recover=True) as stream:
                    chunks = [chunk async for chunk in stream]
                assert len(server.requests) == 2
        assert stream.response.finish_reason == "stop"
        prefilled = any(isinstance(c, ProviderEvent) and c.data.get("by") == "prefill" for c in chunks if c.index == 0)
        expected = "Once upon a tia time there was a fox." if prefilled else STORY
        assert text_of(chunks) == stream.response.text == expected

    async def test_a_protocol_of_one_prompt_says_why_not(self) -> None:
        async def broken(peer: Peer) -> None:
            await peer.begin_stream(GENERATE.content_type)
            await peer.chunk(GENERATE.text("Once upon "))
            peer.reset()

        async with FaultServer(broken, GENERATE.reply()) as server:
            config = Static({GENERATE.provider: {"base_url": server.url}})
            async with exllm.Client(config=config, retry=FAST) as client:
                with pytest.raises(StreamInterrupted) as told:
                    await client.stream(GENERATE.name, "Hi", recover=True).collect()
        assert "completes one prompt" in " ".join(told.value.__notes__)

    async def test_mistral_and_the_like_continue_their_own_words(self) -> None:
        async with FaultServer(OPENAI.reply()) as server:
            config = Static({"mistral": {"api_key": "k", "base_url": server.url}})
            async with exllm.Client(config=config, retry=FAST) as client:
                cursor = Cursor(
                    "i", "mistral/mistral-small-latest", (Message("user", "Hi"),),
                    partial=exllm.Response((exllm.Choice(Message("assistant", "Once upon ")),)),
                )  # fmt: skip
                async with client.resume(cursor) as stream:
                    await stream.collect()
            (request,) = server.requests
        assert request.json["messages"][-1] == {"role": "assistant", "content": "Once upon", "prefix": True}
        assert stream.response.text.startswith("Once upon ")

    @pytest.mark.parametrize(
        ("model", "is_prefilled"), [("claude-haiku-4-5-20251001", True), ("claude-opus-4-6", False)]
    )
    async def test_claude_where_it_does(self, model: str, is_prefilled: bool) -> None:
        async with FaultServer(ANTHROPIC.reply()) as server:
            config = Static({"anthropic": {"api_key": "k", "base_url": server.url}})
            async with exllm.Client(config=config, retry=FAST) as client:
                cursor = Cursor(
                    "i", f"anthropic/{model}", (Message("user", "Hi"),),
                    partial=exllm.Response((exllm.Choice(Message("assistant", "Once upon ")),)),
                )  # fmt: skip
                await client.resume(cursor).collect()
            (request,) = server.requests
        assert (request.json["messages"][-1]["role"] == "assistant") == is_prefilled

    async def test_vllm_is_told_to(self) -> None:
        async with FaultServer(OPENAI.reply()) as server:
            async with exllm.Client(retry=FAST) as client:
                cursor = Cursor(
                    "i", "vllm/some-model", (Message("user", "Hi"),),
                    partial=exllm.Response((exllm.Choice(Message("assistant", "Once upon ")),)),
                )  # fmt: skip
                await client.resume(cursor, base_url=server.url).collect()
            (request,) = server.requests
        assert request.json["continue_final_message"] is True
        assert request.json["add_generation_prompt"] is False
