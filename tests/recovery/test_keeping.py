"""What becomes of an answer's safety copy: stores that fail or hang, answers that are left or cancelled anywhere."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

import exllm
from exllm import Finish, StreamInterrupted, TextDelta
from exllm.recovery import Cursor, MemoryStore, Recovery, RecoveryStore, SQLiteStore, keeper
from exllm.testing import MockProvider, Wait
from tests.cancel_at import CancelAt

CUT = StreamInterrupted("the connection broke")
FAST = exllm.RetryPolicy(base_s=0.001)
WORDS = [TextDelta("one "), TextDelta("two "), TextDelta("three")]
AT_EVERY_READ = 1e-9
MOST_STEPS = 300


class FaultyStore(MemoryStore):
    """Fails, or never comes back, in some of its calls."""

    def __init__(self, fails: tuple[str, ...] = (), hangs: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._fails = fails
        self._hangs = hangs
        self.calls: builtins.list[str] = []

    async def save(self, cursor: Cursor) -> None:
        await self._call("save")
        await super().save(cursor)

    async def delete(self, id: str) -> None:
        await self._call("delete")
        await super().delete(id)

    async def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self._hangs:
            await asyncio.sleep(3600)
        if name in self._fails:
            raise OSError("the disk is full")


class SyncStore(MemoryStore):
    """Raises before there is anything to wait for."""

    def save(self, cursor: Cursor) -> Any:
        raise OSError("the disk is full")


async def collected(store: RecoveryStore, *answers: Any) -> exllm.Response:
    with MockProvider(*answers, name="mocked"):
        async with exllm.Client(retry=FAST) as client:
            stream = client.stream("mocked", "Hi", recover=Recovery(store, save_every_s=AT_EVERY_READ))
            async with stream:
                text = "".join([text async for text in stream.text()])
    assert text == stream.response.text
    return stream.response


@pytest.mark.parametrize("store", [FaultyStore(("save",)), FaultyStore(("save", "delete")), SyncStore()])
@pytest.mark.parametrize("answers", [[WORDS], [["one ", CUT], ["two three"]]])
async def test_a_store_that_fails_disturbs_nothing_and_is_named(
    store: RecoveryStore, answers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "exllm.recovery"):
        response = await collected(store, *answers)
    assert response.text == "one two three"
    assert any("the disk is full" in warning for warning in response.warnings)
    assert "the disk is full" in caplog.text


async def test_a_store_that_fails_is_left_alone_for_a_while() -> None:
    store = FaultyStore(("save",))
    await collected(store, [TextDelta("x") for _ in range(50)])
    assert store.calls == ["save", "delete"]


@pytest.mark.parametrize("hangs", ["save", "delete"])
async def test_a_store_that_hangs_holds_nobody_up_for_long(hangs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SAVE_S", 0.02)
    monkeypatch.setattr(keeper, "SAVE_WHILE_RUNNING_S", 0.02)
    async with asyncio.timeout(2):
        response = await collected(FaultyStore(hangs=(hangs,)), WORDS)
    assert response.text == "one two three"


async def test_why_the_answer_broke_off_is_raised_and_not_the_stores_failure() -> None:
    with pytest.raises(exllm.AuthenticationError) as told:
        await collected(FaultyStore(("save",)), ["one ", exllm.AuthenticationError("the key was withdrawn")])
    assert told.value.partial is not None
    assert told.value.partial.text == "one "


async def test_an_answer_that_is_left_when_it_is_whole_is_not_kept() -> None:
    store = MemoryStore()
    with MockProvider([*WORDS, Finish("stop"), Wait(30)], name="mocked"):
        async with exllm.Client() as client, client.stream("mocked", "Hi", recover=Recovery(store)) as stream:
            async for chunk in stream:
                if isinstance(chunk, Finish):
                    break
    assert await store.list() == []


async def test_an_answer_that_breaks_off_behind_its_end_is_not_kept() -> None:
    store = MemoryStore()
    with pytest.raises(StreamInterrupted) as told:
        await collected(store, [*WORDS, Finish("stop"), CUT])
    assert told.value.partial is not None
    assert told.value.partial.finish_reason == "stop"
    assert await store.list() == []


async def test_what_is_held_back_at_the_seam_is_handed_out_before_the_error() -> None:
    """A continuation that repeats the end and breaks off in the middle of that."""
    store = MemoryStore()
    with pytest.raises(StreamInterrupted) as told:
        await collected(store, ["The quick brown fox", CUT], ["The qu", exllm.StreamInterrupted("broke again")], [CUT])
    assert told.value.partial is not None
    assert told.value.partial.text == (await store.list())[0].text


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_cancelled_at_every_await_nothing_is_left_and_all_is_kept(kind: str, late: int, tmp_path: Path) -> None:
    """While it reads, saves, waits before it goes on, and goes on."""
    whole = "one two three"
    kept = 0
    for step in range(1, MOST_STEPS):
        store: RecoveryStore = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / f"{step}.db")
        seen: list[str] = []
        with MockProvider(["one ", CUT], ["two ", CUT], ["three"], name="mocked") as llm:
            async with exllm.Client(retry=FAST) as client:
                recovery = Recovery(store, save_every_s=AT_EVERY_READ)

                async def read(client: exllm.Client = client, recovery: Recovery = recovery) -> None:
                    stream = client.stream("mocked", "Hi", recover=recovery)
                    async with stream:
                        async for text in stream.text():
                            seen.append(text)  # noqa: B023, PERF401 - run before the next round; what came before it fails

                reading = CancelAt(read(), step, late)

                async def run(reading: CancelAt[None] = reading) -> None:
                    await reading

                task = asyncio.create_task(run(), name="the caller")
                await asyncio.wait([task])
                assert llm.open_answers == 0
        left = [other for other in asyncio.all_tasks() if other is not asyncio.current_task()]
        assert not left, left
        cursors = await store.list()
        if not task.cancelled():
            task.result()
            assert ("".join(seen), cursors) == (whole, [])
            if reading.steps < step:
                break
            continue
        if not seen:
            continue
        kept += len(cursors)
        for cursor in cursors:
            assert cursor.text.startswith("".join(seen))
            assert whole.startswith(cursor.text.rstrip())
        if not cursors:  # it was whole already
            assert "".join(seen) == whole
    else:
        raise AssertionError("it takes more steps")
    assert kept


async def test_a_key_is_in_no_cursor_and_no_store(tmp_path: Path) -> None:
    key = "sk-plain0123456789abcdef"
    path = tmp_path / "answers.db"
    with MockProvider(["one ", CUT], name="mocked"):
        async with exllm.Client() as client:
            stream = client.stream(
                "mocked",
                "Hi",
                recover=Recovery(SQLiteStore(path), automatic=False),
                api_key=key,
                base_url="http://u:p@h",
            )
            with contextlib.suppress(StreamInterrupted):
                await stream.collect()
    written = msgspec.json.encode(stream.cursor)
    assert b"one " in written
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240
    assert b"one " in files
    for data in (written, files):
        assert key.encode() not in data
        assert b"u:p@h" not in data
