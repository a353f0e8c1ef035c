"""Sessions as files: one JSON document each, in one folder."""

from __future__ import annotations

import asyncio
import builtins
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from exllm.errors import ConfigurationError
from exllm.sessions.file_lock import locked
from exllm.sessions.session import Session, is_id
from exllm.sessions.stores import SessionInfo, conflict, info_of, not_found, with_new_revision
from exllm.sessions.versions import from_json, to_json

T = TypeVar("T")

_ENDING = ".json"


class FileStore:
    """See `SessionStore`. A file is written beside the old one and then takes its place, so that it is always whole.

    Args:
        folder: made when it is not there. Folder and files are for their owner alone.

    Raises: ConfigurationError, from every call, for a folder or file that cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).expanduser()

    async def save(self, session: Session) -> Session:
        """See `SessionStore.save`."""
        saved = with_new_revision(session)
        data = to_json(saved)

        def write() -> Session:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._folder / ".lock"):
                path = self._path(session.id)
                stored = from_json(path.read_bytes()).revision if path.exists() else None
                if (stored or "") != session.revision:
                    raise conflict(session, stored)
                _replace(path, data)
            return saved

        return await self._in_thread(write)

    async def load(self, id: str) -> Session:
        """See `SessionStore.load`."""
        if not is_id(id):
            raise not_found(id)

        def read() -> Session:
            try:
                return from_json(self._path(id).read_bytes())
            except FileNotFoundError:
                raise not_found(id) from None

        return await self._in_thread(read)

    async def list(self) -> builtins.list[SessionInfo]:
        """See `SessionStore.list`. Raises ConfigurationError that names a file which is no session."""

        def read() -> builtins.list[SessionInfo]:
            found = []
            for path in self._folder.glob(f"*{_ENDING}"):
                try:
                    found.append(info_of(from_json(path.read_bytes())))
                except FileNotFoundError:  # deleted meanwhile
                    continue
                except ConfigurationError as error:
                    raise ConfigurationError(f"{path}: {error.message}") from error
            return sorted(found, key=lambda info: -info.updated_at)

        return await self._in_thread(read)

    async def delete(self, id: str) -> None:
        """See `SessionStore.delete`."""

        def delete() -> None:
            if is_id(id) and self._folder.is_dir():
                with locked(self._folder / ".lock"):
                    self._path(id).unlink(missing_ok=True)

        await self._in_thread(delete)

    async def exists(self, id: str) -> bool:
        """See `SessionStore.exists`."""
        return is_id(id) and await self._in_thread(self._path(id).exists)

    def _path(self, id: str) -> Path:
        # Capitals as well: some file systems do not tell them from small letters. An id is at most 80 of ASCII.
        name = "".join(one if one.islower() or one.isdigit() or one in "-_" else f"%{ord(one):02x}" for one in id)
        return self._folder / (name + _ENDING)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise ConfigurationError(f"{self._folder} cannot be used: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return FileStore, (self._folder,)


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if sys.platform != "win32":  # the new name, too, is to survive a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
