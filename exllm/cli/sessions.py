"""`exllm sessions` and `exllm chat --session`: conversations that are kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from exllm.cli.arguments import ChatSettings
from exllm.cli.default_model import choose_model
from exllm.cli.failures import run
from exllm.cli.listing import print_json, print_table
from exllm.cli.screen import Screen, printable
from exllm.client import Client
from exllm.errors import ConfigurationError, NotFound
from exllm.sessions import Conversation, Session, SessionStore, export
from exllm.sessions.export import ExportFormat
from exllm.sessions.session import is_id
from exllm.sessions.stores import store_of

_FORMATS: dict[str, ExportFormat] = {".md": "markdown", ".html": "html", ".htm": "html", ".json": "json"}


def list_sessions(store: str | None, as_json: bool) -> int:
    """Print what is kept, the last changed first; returns the exit code."""

    async def work(kept: SessionStore, screen: Screen) -> int:
        found = await kept.list()
        if as_json:
            return print_json(screen, found)
        rows = [
            (_on_a_line(one.name) or one.id, one.id, one.model, one.status, str(one.messages), _when(one.updated_at))
            for one in found
        ]  # fmt: skip
        return print_table(screen, ("name", "id", "model", "status", "messages", "changed"), rows, figures={"messages"})

    return _with_store(store, work)


def show_session(name: str, store: str | None) -> int:
    """Print a session as Markdown."""

    async def work(kept: SessionStore, screen: Screen) -> int:
        text = export(await _load(kept, name))
        await screen.out.write(printable(text) if screen.out.is_terminal else text)
        return 0

    return _with_store(store, work)


def export_session(name: str, out: str | None, format: str | None, store: str | None) -> int:
    """Write a session to a file, or to stdout; the format is by the file's ending where none is given."""

    async def work(kept: SessionStore, screen: Screen) -> int:
        ending = Path(out).suffix.lower() if out is not None else ".md"
        chosen = format or _FORMATS.get(ending)
        if chosen not in _FORMATS.values():
            raise ConfigurationError(f"say which format {out or ''} is to have: --format markdown, html or json")
        text = export(await _load(kept, name), chosen)  # type: ignore[arg-type] # it was just checked
        if out is None:
            await screen.out.write(text)
        else:
            await asyncio.to_thread(Path(out).write_text, text, encoding="utf-8")
        return 0

    return _with_store(store, work)


def delete_session(name: str, store: str | None) -> int:
    """Forget a session."""

    async def work(kept: SessionStore, screen: Screen) -> int:
        id_ = await _id_of(kept, name)
        await kept.delete(id_)
        screen.say(f"deleted {id_}")
        return 0

    return _with_store(store, work)


@asynccontextmanager
async def open_session(client: Client, settings: ChatSettings, screen: Screen) -> AsyncIterator[Conversation]:
    """The conversation that ``--session`` names, or a new one of that name."""
    assert settings.session is not None
    async with _opened(settings.store) as store:
        try:
            session = await _load(store, settings.session)
        except NotFound:
            session = Session(settings.model or choose_model(screen), settings.system, name=settings.session)
        changes = {"model": settings.model or session.model, "instructions": settings.system or session.instructions}
        session = msgspec.structs.replace(session, **changes)
        async with client.conversation(session, store=store) as chat:
            yield chat


def _with_store(address: str | None, work: Callable[[SessionStore, Screen], Awaitable[int]]) -> int:
    screen = Screen()

    async def main() -> int:
        async with _opened(address) as store:
            return await work(store, screen)

    return run(lambda: asyncio.run(main()), screen)


@asynccontextmanager
async def _opened(address: str | None) -> AsyncIterator[SessionStore]:
    address = address or os.environ.get("EXLLM_SESSIONS", "").strip() or str(_default_path())
    store = store_of(address)
    assert store is not None
    try:
        yield store
    finally:
        if close := getattr(store, "aclose", None):
            await close()


def _default_path() -> Path:
    data = os.environ.get("XDG_DATA_HOME", "").strip() or Path.home() / ".local" / "share"
    folder = Path(data) / "exllm"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make {folder}: {error.strerror}; name a file with --store") from error
    return folder / "sessions.db"


async def _load(store: SessionStore, name: str) -> Session:
    return await store.load(await _id_of(store, name))


async def _id_of(store: SessionStore, name: str) -> str:
    """The id of the session with that id, or else with that name. Raises NotFound, ConfigurationError for several."""
    if is_id(name) and await store.exists(name):
        return name
    ids = [one.id for one in await store.list() if one.name == name]
    if not ids:
        raise NotFound(f"there is no session {name!r}; exllm sessions list shows what there is")
    if len(ids) > 1:
        raise ConfigurationError(f"several sessions are named {name!r}; say which by its id: {', '.join(ids)}")
    return ids[0]


def _on_a_line(name: str | None) -> str:
    return " ".join((name or "").split())


def _when(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
