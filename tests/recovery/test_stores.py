"""The stores of unfinished answers."""

from __future__ import annotations

import asyncio
import pickle
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import exllm
from exllm import ConfigurationError, Image, Message, Text, Tool, Usage
from exllm.recovery import Cursor, MemoryStore, RecoveryStore, SQLiteStore, StreamHandle
from exllm.types.options import Options
from exllm.types.response import Choice, Response


def cursor(id: str = "a", text: str = "Once upon", age_s: float = 0.0) -> Cursor:
    answer = Response(
        (Choice(Message("assistant", text)),), Usage(output_tokens=3, provenance="partial"), model="m", provider="p"
    )
    asked = (Message("user", [Text("Hi"), Image(data=b"\x89PNG", media_type="image/png")]),)
    options = Options(temperature=0.5, tools=(Tool("t", "words", {"type": "object"}),), stop=("END",))
    now = time.time() - age_s
    return Cursor(id, "p/m", asked, options, {"own": 1}, answer, StreamHandle("resp_1", "7"), "cut", now, now)


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def make(**arguments: Any) -> RecoveryStore:
        return MemoryStore(**arguments) if request.param == "memory" else SQLiteStore(tmp_path / "c.db", **arguments)

    return make


async def test_what_is_saved_is_found(make_store: Any) -> None:
    store = make_store()
    first, second = cursor("a", age_s=2), cursor("b")
    await store.save(first)
    await store.save(second)
    assert store.get("a") == first
    assert await store.list() == [second, first]  # the newest first
    newer = msgspec.structs.replace(first, updated_at=time.time() + 1)
    await store.save(newer)
    assert await store.list() == [newer, second]
    await store.delete("a")
    await store.delete("a")
    assert store.get("a") is None
    assert await store.clear() == 1
    assert await store.list() == []


async def test_what_is_too_old_is_gone(make_store: Any) -> None:
    store = make_store(keep_s=10)
    await store.save(cursor("old", age_s=11))
    await store.save(cursor("new", age_s=9))
    assert store.get("old") is None
    assert [kept.id for kept in await store.list()] == ["new"]


@pytest.mark.parametrize("keep_s", [0, -1])
def test_a_time_that_is_none(make_store: Any, keep_s: float) -> None:
    with pytest.raises(ValueError, match="keep_s"):
        make_store(keep_s=keep_s)


def test_a_cursor_is_plain_data() -> None:
    made = cursor()
    assert msgspec.json.decode(msgspec.json.encode(made), type=Cursor) == made
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Cursor) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert (made.text, made.output_tokens, made.is_whole) == ("Once upon", 3, False)


def test_a_cursor_of_a_newer_version_is_refused() -> None:
    newer = msgspec.json.encode(cursor()).replace(b'{"id"', b'{"version":99,"id"')
    with pytest.raises(msgspec.ValidationError, match="newer exllm"):
        msgspec.json.decode(newer, type=Cursor)


class TestSQLite:
    async def test_a_second_process_sees_what_the_first_saved(self, tmp_path: Path) -> None:
        path = tmp_path / "c.db"
        await SQLiteStore(path).save(cursor("mine"))
        code = (
            "import asyncio, sys\nfrom exllm.recovery import SQLiteStore\n"
            "from tests.recovery.test_stores import cursor\n"
            "store = SQLiteStore(sys.argv[1]); print(store.get('mine').text)\n"
            "asyncio.run(store.save(cursor('its')))"
        )
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        assert done.stdout == "Once upon\n"
        assert {kept.id for kept in await SQLiteStore(path).list()} == {"mine", "its"}

    async def test_many_tasks_save_at_once(self, tmp_path: Path) -> None:
        store = SQLiteStore(tmp_path / "c.db")
        await asyncio.gather(*[store.save(cursor(f"c{number % 7}")) for number in range(50)])
        assert len(await store.list()) == 7

    def test_only_the_owner_may_read(self, tmp_path: Path) -> None:
        asyncio.run(SQLiteStore(tmp_path / "c.db").save(cursor()))
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0

    async def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "c.db").write_bytes(b"no database, but long enough to be looked at" * 40)
        with pytest.raises(ConfigurationError, match="cannot be used"):
            await SQLiteStore(tmp_path / "c.db").save(cursor())
        with pytest.raises(ConfigurationError, match="cannot open"):
            await SQLiteStore(tmp_path / "no/such/folder/c.db").list()

    def test_it_travels(self, tmp_path: Path) -> None:
        store = pickle.loads(pickle.dumps(SQLiteStore(tmp_path / "c.db", keep_s=5)))
        assert isinstance(store, exllm.recovery.RecoveryStore)
