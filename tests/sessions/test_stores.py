"""What every store does, run for each: files, SQLite, and Redis where there is a server."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

import exllm
from exllm import ConfigurationError, Message, NotFound, Session, SessionConflict
from exllm.sessions import FileStore, RedisStore, SessionStore, SQLiteStore, fork
from exllm.sessions.file_lock import locked
from exllm.sessions.stores import store_of
from exllm.sqlite_file import SQLiteFile
from tests.tools.kit import model

REDIS = pytest.param("redis", marks=pytest.mark.redis)


def _said(session: Session, *texts: str) -> Session:
    return msgspec.structs.replace(
        session,
        history=(*session.history, *(Message("user", text) for text in texts)),
        updated_at=session.updated_at + 1,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own, on a socket in a folder of its own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is missing: apt-get install redis-server")
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(500):
            if path.exists():
                break
            subprocess.run(["sleep", "0.02"], check=True)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait(10)


class Place:
    """Makes stores of one place."""

    def __init__(self, kind: str, path: Path, url: str | None) -> None:
        self.kind, self.path, self._url = kind, path, url
        self.opened: list[RedisStore] = []

    def open(self) -> Any:
        if self.kind == "file":
            return FileStore(self.path / "folder")
        if self.kind == "sqlite":
            return SQLiteStore(self.path / "file.db")
        assert self._url is not None
        store = RedisStore(self._url, prefix=f"t*{self.path.name}:")
        self.opened.append(store)
        return store


@pytest_asyncio.fixture(params=["file", "sqlite", REDIS])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    place = Place(request.param, tmp_path, url)
    yield place
    for store in place.opened:
        await store.aclose()


async def test_what_was_saved_is_loaded(place: Place) -> None:
    store = place.open()
    assert isinstance(store, SessionStore)
    session = _said(Session("mock/m", "Be brief.", name="é ✈", options={"seed": 1}), "Hi", "É\x00\n")
    assert not await store.exists(session.id)
    saved = await store.save(session)
    assert saved == msgspec.structs.replace(session, revision=saved.revision)
    assert saved.revision
    for other in (store, place.open()):
        assert await other.load(session.id) == saved
        assert await other.exists(session.id)
    await store.delete(session.id)
    await store.delete(session.id)
    assert not await store.exists(session.id)
    with pytest.raises(NotFound, match=f"no session with the id '{session.id}'"):
        await store.load(session.id)


async def test_saves_follow_each_other_whatever_changes(place: Place) -> None:
    store = place.open()
    session = await store.save(Session("mock/m"))
    for change in (
        lambda one: _said(one, "a", "b", "c"),
        lambda one: _said(one, "d"),
        lambda one: msgspec.structs.replace(one, history=one.history[:1]),
        lambda one: msgspec.structs.replace(one, history=(Message("user", "x"), *one.history)),
        lambda one: msgspec.structs.replace(one, history=()),
        lambda one: _said(one, "a"),
        lambda one: msgspec.structs.replace(one, name="new"),
    ):
        session = await store.save(change(session))
        assert await place.open().load(session.id) == session


async def test_a_late_save_is_a_conflict_and_changes_nothing(place: Place) -> None:
    first, second = place.open(), place.open()
    session = await first.save(Session("mock/m"))
    mine, theirs = await first.load(session.id), await second.load(session.id)
    theirs = await second.save(_said(theirs, "theirs"))
    with pytest.raises(SessionConflict, match=r"it was changed in its store since it was loaded; load it again, or"):
        await first.save(_said(mine, "mine"))
    assert await first.load(session.id) == theirs
    with pytest.raises(SessionConflict, match="there is one with this id already"):
        await first.save(msgspec.structs.replace(mine, revision=""))
    await second.delete(session.id)
    with pytest.raises(SessionConflict, match="it was deleted"):
        await first.save(_said(mine, "mine"))
    assert not await first.exists(session.id)
    again = await second.save(msgspec.structs.replace(theirs, revision=""))  # the same again is another revision
    with pytest.raises(SessionConflict):
        await first.save(_said(theirs, "mine"))
    assert await first.load(session.id) == again
    assert (await first.save(fork(mine))).id != session.id


async def test_lists_are_short_and_the_newest_is_first(place: Place) -> None:
    store = place.open()
    assert await store.list() == []
    old = await store.save(msgspec.structs.replace(_said(Session("mock/a", name="old"), "x", "y"), updated_at=10.0))
    new = await store.save(msgspec.structs.replace(Session("mock/b"), updated_at=20.0))
    found = await place.open().list()
    assert [(one.id, one.name, one.model, one.messages) for one in found] == [
        (new.id, None, "mock/b", 0), (old.id, "old", "mock/a", 2),
    ]  # fmt: skip
    await store.save(msgspec.structs.replace(old, updated_at=30.0))
    assert [one.id for one in await store.list()] == [old.id, new.id]


async def test_ids_that_a_system_could_mistake_are_kept_apart(place: Place) -> None:
    store = place.open()
    ids = ["a", "A", "..", ".", "CON", "a.b", "a:b", "a@b", "%61", "x" * 80]
    for id_ in ids:
        if id_ != "%61":
            await store.save(Session("mock/m", id=id_, name=id_))
    assert {one.name for one in await store.list()} == set(ids) - {"%61"}
    assert (await store.load("A")).name == "A"
    for wrong in ("../a", "%61", "nope"):
        with pytest.raises(NotFound):
            await store.load(wrong)


@pytest.mark.parametrize("id_", ["../x", "/etc/passwd", "", ".", "a\0b", "é", "x" * 5000, "CON", "*"])
async def test_what_is_no_id_is_not_there(place: Place, id_: str) -> None:
    store = place.open()
    session = await store.save(Session("mock/m"))
    with pytest.raises(NotFound, match="there is no session with the id"):
        await store.load(id_)
    assert not await store.exists(id_)
    await store.delete(id_)
    assert await store.load(session.id) == session


async def test_tasks_that_write_different_sessions_do_not_disturb_each_other(place: Place) -> None:
    store = place.open()

    async def write(number: int) -> Session:
        session = await store.save(Session("mock/m", id=f"s{number}"))
        for turn in range(5):
            session = await store.save(_said(session, f"{number}.{turn}"))
        return session

    sessions = await asyncio.gather(*(write(number) for number in range(12)))
    for session in sessions:
        assert await store.load(session.id) == session
    assert len(await store.list()) == 12


async def test_of_many_that_write_one_session_each_is_there_or_was_told(place: Place) -> None:
    stores = [place.open(), place.open()]
    id_ = (await stores[0].save(Session("mock/m"))).id
    conflicts = 0

    async def write(number: int) -> None:
        nonlocal conflicts
        for turn in range(6):
            while True:
                store = stores[number % 2]
                try:
                    await store.save(_said(await store.load(id_), f"{number}.{turn}"))
                    break
                except SessionConflict:
                    conflicts += 1

    await asyncio.gather(*(write(number) for number in range(4)))
    texts = [message.text for message in (await stores[0].load(id_)).history]
    assert sorted(texts) == sorted(f"{number}.{turn}" for number in range(4) for turn in range(6))
    assert conflicts


async def test_a_conversation_lives_in_it(place: Place) -> None:
    async with model("A.", "B.") as (client, mock):
        session = Session("mock/m")
        async with client.conversation(session, store=place.open()) as chat:
            await chat.send("One")
        async with client.conversation(session.id, store=place.open()) as chat:
            await chat.send("Two")
            await chat.undo()
    assert [message.text for message in mock.requests[1].messages] == ["One", "A.", "Two"]
    assert [message.text for message in (await place.open().load(session.id)).history] == ["One", "A."]


# -- of one kind alone


@pytest.mark.parametrize("kind", ["file", "sqlite"])
async def test_files_are_private_and_stores_travel(tmp_path: Path, kind: str) -> None:
    store = Place(kind, tmp_path, None).open()
    session = await store.save(_said(Session("mock/m"), "secret"))
    files = _files(tmp_path)
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert await pickle.loads(pickle.dumps(store)).load(session.id) == session


async def test_a_long_session_costs_what_is_new(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    session = await store.save(_said(Session("mock/m"), *("word " * 40 for _ in range(3000))))
    with sqlite3.connect(tmp_path / "s.db") as database:
        before = database.execute("SELECT count(*) FROM exllm_session_messages").fetchone()[0]
        database.execute("CREATE TABLE writes (position INTEGER)")
        database.execute(
            "CREATE TRIGGER note AFTER INSERT ON exllm_session_messages "
            "BEGIN INSERT INTO writes VALUES (new.position); END"
        )
        database.execute(
            "CREATE TRIGGER gone AFTER DELETE ON exllm_session_messages BEGIN INSERT INTO writes VALUES (-1); END"
        )
    database.close()
    assert before == 3000
    session = await store.save(_said(session, "one", "two"))
    session = await store.save(msgspec.structs.replace(session, name="n"))
    loaded = await store.load(session.id)
    await store.save(_said(loaded, "three"))
    with sqlite3.connect(tmp_path / "s.db") as database:
        assert database.execute("SELECT position FROM writes").fetchall() == [(3000,), (3001,), (3002,)]
    database.close()


async def test_a_file_that_was_half_written_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    session = await store.save(_said(Session("mock/m"), "Hi"))

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(ConfigurationError, match="No space left"):
            await store.save(_said(session, "more"))
    assert await store.load(session.id) == session
    assert [path.name for path in _files(tmp_path)] == [".lock", f"{session.id}.json"]


async def test_a_file_that_is_no_session_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"x\.json: this is no session of exllm"):
        await FileStore(tmp_path).list()
    (tmp_path / "file").write_text("no database, and more of it")
    with pytest.raises(ConfigurationError, match="cannot be used: file is not a database"):
        await SQLiteStore(tmp_path / "file").list()
    with pytest.raises(ConfigurationError, match="cannot open"):
        await SQLiteStore(tmp_path / "no" / "file").list()


async def test_a_row_that_is_no_session_is_told(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    await store.save(Session("mock/m"))
    with sqlite3.connect(tmp_path / "s.db") as database:
        database.execute("UPDATE exllm_sessions SET info = '{}'")
    database.close()
    with pytest.raises(ConfigurationError, match="a row of this store is no session of exllm"):
        await store.list()


async def test_a_database_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    session = await store.save(Session("mock/m"))
    for path in _files(tmp_path):
        path.unlink()
    assert await store.list() == []
    assert stat.S_IMODE((tmp_path / "s.db").stat().st_mode) == 0o600
    with pytest.raises(SessionConflict, match="it was deleted from its store"):
        await store.save(session)


async def test_a_lock_that_is_never_given_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exllm.sessions.file_lock.BUSY_S", 0.05)
    store = FileStore(tmp_path)
    session = await store.save(Session("mock/m"))
    with locked(tmp_path / ".lock"), pytest.raises(ConfigurationError, match="locked by others for"):
        await store.save(session)
    await store.save(session)


async def test_a_full_database_says_that_it_is_full(tmp_path: Path) -> None:
    file = SQLiteFile(tmp_path / "s.db", "CREATE TABLE IF NOT EXISTS t (x)")

    def fill(database: sqlite3.Connection) -> None:
        database.execute("PRAGMA max_page_count = 10")
        for _ in range(1000):
            database.execute("INSERT INTO t VALUES (zeroblob(100000))")

    with pytest.raises(ConfigurationError, match="is full"):
        await file.write(fill)
    rows = await file.read(lambda database: database.execute("SELECT count(*) FROM t").fetchone())
    assert rows == (0,)


async def test_a_session_of_a_newer_version_is_refused_by_stores(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    session = await store.save(Session("mock/m"))
    with sqlite3.connect(tmp_path / "s.db") as database:
        database.execute(
            "UPDATE exllm_sessions SET head = replace(CAST(head AS TEXT), '\"version\":1}', '\"version\":9}')"
        )
    database.close()
    with pytest.raises(ConfigurationError, match="by a newer exllm"):
        await store.load(session.id)


def test_an_address_says_which_store_is_meant(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    assert store_of(store) is store
    assert store_of(None) is None
    assert isinstance(store_of(tmp_path), FileStore)
    assert isinstance(store_of(f"{tmp_path}/new/"), FileStore)
    assert isinstance(store_of(tmp_path / "chats.db"), SQLiteStore)
    pytest.importorskip("redis")
    assert isinstance(store_of("redis://localhost:1/0"), RedisStore)


def test_without_the_extra_redis_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(exllm.MissingExtra, match=r'pip install "exllm\[redis\]"'):
        RedisStore("redis://localhost")


@pytest.mark.redis
async def test_redis_forgets_after_a_time_and_says_so(redis_url: str) -> None:
    async with RedisStore(redis_url, ttl_s=0.05) as store:
        session = await store.save(_said(Session("mock/m"), "Hi"))
        assert await store.exists(session.id)
        await asyncio.sleep(0.1)
        assert not await store.exists(session.id)
        with pytest.raises(SessionConflict, match="has expired there"):
            await store.save(session)
        assert [one for one in await store.list() if one.id == session.id] == []
    with pytest.raises(ValueError, match="ttl_s must be above 0"):
        RedisStore(redis_url, ttl_s=0)


@pytest.mark.redis
async def test_redis_keeps_what_is_saved_again_without_a_time(redis_url: str) -> None:
    async with RedisStore(redis_url, ttl_s=0.3) as store, RedisStore(redis_url) as lasting:
        session = await lasting.save(await store.save(_said(Session("mock/m"), "Hi")))
        await asyncio.sleep(0.5)
        assert await lasting.load(session.id) == session


@pytest.mark.redis
async def test_a_conversation_closes_the_connections_that_it_made(redis_url: str) -> None:
    async with model("A.") as (client, _):
        session = Session("mock/m")
        async with client.conversation(session, store=redis_url) as chat:
            await chat.send("One")
        async with client.conversation(session.id, store=redis_url) as chat:
            assert chat.session.text == "A."
    # the fixture that looks for open sockets says the rest


@pytest.mark.redis
async def test_redis_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with RedisStore(f"unix://{tmp_path}/none.sock") as store:
        with pytest.raises(ConfigurationError, match="Redis: ConnectionError"):
            await store.exists("a")


@pytest.mark.redis
async def test_redis_takes_a_client_of_yours_and_leaves_it_open(redis_url: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        store = RedisStore(redis, prefix="mine:")
        session = await store.save(_said(Session("mock/m"), "É"))
        assert await store.load(session.id) == session
        session = await store.save(_said(session, "more"))
        assert [message.text for message in (await store.load(session.id)).history] == ["É", "more"]
        await store.aclose()
        assert await redis.ping()
