"""Reading a source, from a file or from its public address. The only part of the catalog that may use the network."""

from __future__ import annotations

import datetime
import email.utils
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from exllm.errors import ConfigurationError, ConnectionFailed
from exllm.model_catalog.sync.build import SourceText
from exllm.version import __version__

TIMEOUT_S = 60
MAX_BYTES = 64 * 1024 * 1024


def fetch(place: str, as_of: str | None = None) -> SourceText:
    """The text at `place`, a path or an http(s) address.

    `as_of` is the day of its figures; by default the day that the server says, or that the file was last changed on.

    Raises: ConfigurationError for a file that cannot be read; ConnectionFailed for an address that gives nothing.
    """
    if place.startswith(("https://", "http://")):
        return _download(place, as_of)
    path = Path(place).expanduser()
    try:
        changed = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
        return SourceText(path.read_bytes(), as_of or changed.date().isoformat())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None


def _download(url: str, as_of: str | None) -> SourceText:
    request = urllib.request.Request(url, headers={"user-agent": f"exllm/{__version__}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            text = answer.read(MAX_BYTES + 1)
            promised = answer.headers.get("content-length") or ""
            stated = answer.headers.get("last-modified") or answer.headers.get("date")
    except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
        raise ConnectionFailed(f"cannot read {url}: {error}") from error
    if promised.isdigit() and len(text) < int(promised) <= MAX_BYTES:  # urllib takes a short answer for a whole one
        raise ConnectionFailed(f"{url} was cut short: {len(text)} of {promised} bytes came")
    if len(text) > MAX_BYTES:
        raise ConnectionFailed(f"{url} gives more than {MAX_BYTES} bytes")
    return SourceText(text, as_of or _day(stated))


def _day(stated: str | None) -> str:
    """The day of an HTTP date; today for a server that says none, or rubbish."""
    try:
        when = email.utils.parsedate_to_datetime(stated or "")
    except ValueError:
        when = datetime.datetime.now(datetime.UTC)
    return when.date().isoformat()
