"""Google's access tokens, found and refreshed by google-auth."""

from __future__ import annotations

import importlib.util
import os
import sys
from datetime import UTC
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from traceback import clear_frames
from typing import Any

import msgspec

from exllm.credentials.lease import Granted, Lease
from exllm.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    ExLLMError,
    MissingExtra,
    ServerError,
)

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

_VARIABLES = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "HOME")
"""What decides where the application default credentials are."""
_ON_GOOGLE = ("GCE_METADATA_HOST", "GCE_METADATA_IP", "K_SERVICE", "FUNCTION_TARGET", "CLOUD_RUN_JOB", "GAE_SERVICE")
"""Variables of Google's own platforms, which have a metadata server."""

_LOADERS = {
    "service_account": ("google.oauth2.service_account:Credentials", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials:Credentials", "from_authorized_user_info"),
    "external_account": ("google.auth.identity_pool:Credentials", "from_info"),
    "impersonated_service_account": (
        "google.auth.impersonated_credentials:Credentials",
        "from_impersonated_service_account_info",
    ),
}
_MACHINE = Path("/sys/class/dmi/id/product_name")


def is_installed() -> bool:
    """Whether the extra ``google`` is there. Does not import it."""
    try:
        return "google.auth" in sys.modules or importlib.util.find_spec("google.auth") is not None
    except ModuleNotFoundError:  # there is no package `google` at all
        return False


class GoogleToken(msgspec.Struct, frozen=True):
    """An access token, and what else the credentials say. Its repr shows nothing.

    Attributes:
        project: what the credentials belong to.
        quota_project: whose quota the calls count against, where that is another than the token's own.
    """

    token: str
    project: str | None = None
    quota_project: str | None = None

    def __repr__(self) -> str:
        return "GoogleToken(***)"


class GoogleTokens:
    """The tokens of one credential.

    Args:
        given: the path of a credentials file, or its JSON; None for application default credentials.
    """

    def __init__(self, given: str | None) -> None:
        self._given = given
        self._found: tuple[Any, str | None] | None = None
        self.lease = Lease(self._fetch)

    def is_likely(self) -> bool:
        """Whether there are credentials, as far as files, variables and the make of this machine tell."""
        return self._facts() is not None or (not self._is_given() and _is_on_google())

    def has_project(self) -> bool:
        """Whether the credentials name a project, as far as `is_likely` can tell."""
        facts = self._facts()
        if facts is None:
            return not self._is_given() and _is_on_google()
        return bool(facts.get("project_id") or facts.get("quota_project_id")) or (
            not self._is_given() and _gcloud_has_project()
        )

    def _is_given(self) -> bool:
        return bool(self._given or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))

    def _facts(self) -> dict[str, Any] | None:
        """What the credentials file says; None where there is none that can be read."""
        try:
            return _read(self._given or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or str(_user_file()))
        except ConfigurationError:
            return None

    def _fetch(self) -> Granted[GoogleToken]:
        try:
            import google.auth
            import requests
            from google.auth.transport.requests import Request
        except ImportError as error:
            raise MissingExtra('google-auth lacks requests: pip install "exllm[google]"') from error
        try:
            with requests.Session() as session:
                request = Request(session)
                if self._found is None:
                    found = google.auth.default(SCOPES, request) if self._given is None else _load(self._given)
                    self._found = found
                credentials, project = self._found
                credentials.refresh(request)
        except Exception as error:
            clear_frames(error.__traceback__)  # they hold keys
            raise _translated(error) from error
        quota_project = getattr(credentials, "quota_project_id", None)
        expiry = credentials.expiry  # without a time zone, in UTC
        return Granted(
            GoogleToken(str(credentials.token), project or quota_project, quota_project),
            None if expiry is None else expiry.replace(tzinfo=UTC).timestamp(),
        )


def tokens_of(given: str | None) -> GoogleTokens:
    """The tokens of this process for one credential, shared by all calls with it."""
    return _tokens(given, () if given else tuple(map(os.environ.get, _VARIABLES)))


@lru_cache(1024)
def _tokens(given: str | None, _environment: tuple[str | None, ...]) -> GoogleTokens:
    return GoogleTokens(given)


def _read(given: str) -> dict[str, Any]:
    """The content of a credentials file: `given` is its path, or the content itself."""
    try:
        text = given if given.startswith("{") else Path(given).expanduser().read_text(encoding="utf-8")
        facts: dict[str, Any] = msgspec.json.decode(text, type=dict)
        return facts
    except OSError as error:
        raise ConfigurationError(f"Google credentials: cannot read {given}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigurationError("Google credentials: what is given is no JSON object") from None


def _load(given: str) -> tuple[Any, str | None]:
    facts = _read(given)
    kind = facts.get("type")
    if kind not in _LOADERS:
        raise ConfigurationError(
            f"Google credentials of the type {kind!r} are not read here, only {', '.join(_LOADERS)}; "
            f"GOOGLE_APPLICATION_CREDENTIALS takes all"
        )
    target, loader = _LOADERS[kind]
    module, _, name = target.partition(":")
    credentials = getattr(getattr(import_module(module), name), loader)(facts, scopes=SCOPES)
    return credentials, facts.get("project_id")


def _user_file() -> Path:
    """Where ``gcloud auth application-default login`` leaves its credentials."""
    return _gcloud_folder() / "application_default_credentials.json"


def _gcloud_has_project() -> bool:
    """Whether gcloud's active configuration names a project; google-auth asks gcloud for it."""
    try:
        active = (_gcloud_folder() / "active_config").read_text().strip()
    except OSError:
        active = "default"
    try:
        return "\nproject" in (_gcloud_folder() / "configurations" / f"config_{active}").read_text()
    except OSError:
        return False


def _is_on_google() -> bool:
    if any(os.environ.get(name) for name in _ON_GOOGLE):
        return True
    try:
        return _MACHINE.read_text().startswith("Google")
    except OSError:
        return False


def _gcloud_folder() -> Path:
    folder = os.environ.get("CLOUDSDK_CONFIG")
    if not folder and os.name == "nt":
        folder = os.path.join(os.environ.get("APPDATA", ""), "gcloud")
    return Path(folder) if folder else Path.home() / ".config" / "gcloud"


def _translated(error: Exception) -> ExLLMError:
    from google.auth import exceptions as google

    match error:
        case ExLLMError():
            return error
        case google.TransportError():
            return ConnectionFailed(f"Google's token server cannot be reached: {error}")
        case google.RefreshError():
            kind = ServerError if error.retryable else AuthenticationError
            return kind(f"Google gave no access token: {_words(error)}")
        case google.DefaultCredentialsError():
            return ConfigurationError(
                f"there are no usable Google credentials (`gcloud auth application-default login` makes some, or set "
                f"GOOGLE_APPLICATION_CREDENTIALS to the path of a key): {_words(error)}"
            )
        case _:
            return ConfigurationError(f"Google credentials cannot be used: {type(error).__name__}: {error}")


def _words(error: Exception) -> str:
    """google-auth's own words; what else its errors carry is the server's whole answer."""
    return str(error.args[0]) if error.args else type(error).__name__
