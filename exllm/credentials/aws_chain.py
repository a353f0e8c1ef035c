"""The rest of AWS's credential chain, found by botocore: profiles, SSO, roles, containers, instances."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from traceback import clear_frames
from typing import Any

from exllm.credentials.lease import Granted, Lease
from exllm.credentials.sigv4 import AwsKeys
from exllm.errors import AuthenticationError, ConfigurationError, ConnectionFailed, ExLLMError

_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "HOME",
)
"""What decides where the chain leads: another value means other credentials."""

_SAYS_MORE = frozenset({"role_arn", "sso_session", "sso_start_url", "credential_process", "login_session"})
"""Entries of a profile that lead to credentials, keys aside."""

_MACHINE = Path("/sys/class/dmi/id/sys_vendor")


def is_installed() -> bool:
    """Whether the extra ``bedrock`` is there. Does not import it."""
    return "botocore" in sys.modules or importlib.util.find_spec("botocore") is not None


class NothingFound(Exception):
    """The whole chain has no credentials."""


class AwsChain:
    """What botocore finds for one profile, or for none. Each of its searches starts anew, and so sees changed files."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self.keys = Lease(self._find_keys)

    def is_likely(self) -> bool:
        """Whether there are credentials, as far as files, variables and the make of this machine tell."""
        try:
            with _session(self._profile) as session:
                config = session.get_scoped_config()
        except Exception:  # noqa: BLE001 - no such profile, or a file that cannot be read
            return False
        if _SAYS_MORE & config.keys() or {"aws_access_key_id", "aws_secret_access_key"} <= config.keys():
            return True
        if self._profile is not None:
            return False
        here = os.environ
        return (
            bool(here.get("AWS_ROLE_ARN") and here.get("AWS_WEB_IDENTITY_TOKEN_FILE"))
            or bool(here.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
            or bool(here.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
            or _is_instance()
        )

    def _find_keys(self) -> Granted[AwsKeys]:
        try:
            with _session(self._profile) as session:
                _refuse_questions(session)
                found = session.get_credentials()
                keys = None if found is None else found.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - mapped to one of ours
            clear_frames(error.__traceback__)  # they hold keys, and the connection
            raise _translated(error) from _cause(error)
        if keys is None or not keys.access_key:
            raise NothingFound
        expiry = getattr(found, "_expiry_time", None)  # botocore has no public name for it
        return Granted(
            AwsKeys(keys.access_key, keys.secret_key, keys.token), None if expiry is None else expiry.timestamp()
        )


def chain_of(profile: str | None) -> AwsChain:
    """The chain of this process for `profile`: one for all calls, so that they share what it finds."""
    return _chain(profile, tuple(map(os.environ.get, _VARIABLES)))


@lru_cache(64)
def _chain(profile: str | None, _environment: tuple[str | None, ...]) -> AwsChain:
    return AwsChain(profile)


@contextmanager
def _session(profile: str | None) -> Iterator[Any]:
    """A session of botocore's, whose connections are closed with the block and not when they are collected."""
    from botocore.session import Session

    session = Session(profile=profile)
    make_client, to_close = session.create_client, []

    def create_client(*args: Any, **kwargs: Any) -> Any:
        to_close.append(make_client(*args, **kwargs))
        return to_close[-1]

    session.create_client = create_client
    try:
        yield session
        chain = session.get_component("credential_provider")
        for provider, fetcher in (("container-role", "_fetcher"), ("iam-role", "_role_fetcher")):
            http = getattr(getattr(chain.get_provider(provider), fetcher, None), "_session", None)
            if http is not None:
                to_close.append(http)
    finally:
        for one in to_close:
            one.close()


def _refuse_questions(session: Any) -> None:
    """botocore would ask for the code of an MFA device on the terminal, and wait for it."""
    profiles = session.full_config.get("profiles", {})
    name = session.get_config_variable("profile") or "default"
    seen: set[str] = set()
    while name in profiles and name not in seen:
        seen.add(name)
        profile = profiles[name]
        if "role_arn" in profile and "mfa_serial" in profile:
            raise ConfigurationError(
                f"the AWS profile {name!r} wants the code of an MFA device, and nobody is asked here: put temporary "
                f"keys into the environment with `aws configure export-credentials --profile {name} --format env`"
            )
        name = profile.get("source_profile", "")


def _translated(error: Exception) -> ExLLMError:
    from botocore import exceptions as aws

    match error:
        case ExLLMError():
            return error
        case aws.ClientError():
            code = error.response.get("Error", {}).get("Code", "")
            return AuthenticationError(f"AWS refused {error.operation_name}: {error}", code=code)
        case aws.ConnectionError() | aws.HTTPClientError():
            return ConnectionFailed(f"AWS credentials cannot be fetched: {error}")
        case aws.MetadataRetrievalError():
            return ConnectionFailed(f"the metadata service gave no AWS credentials: {error}")
        case aws.SSOError() | aws.TokenRetrievalError():
            return AuthenticationError(f"{error} (`aws sso login` signs in again)")
        case aws.CredentialRetrievalError() if _is_of_process(error):
            return ConfigurationError("the credential_process of the AWS profile failed; run it by hand to see why")
        case aws.BotoCoreError() if type(error).__name__.startswith("Login"):  # not in older releases
            return AuthenticationError(f"{error} (`aws login` signs in again)")
        case aws.BotoCoreError():
            return ConfigurationError(f"AWS credentials cannot be found: {error}")
        case _:
            return ConfigurationError(f"AWS credentials cannot be found: {type(error).__name__}: {error}")


def _is_of_process(error: Exception) -> bool:
    """Whether `error` quotes what the user's own program wrote, which may hold anything."""
    facts = getattr(error, "kwargs", {})
    return bool(facts.get("provider") == "custom-process")


def _cause(error: Exception) -> Exception | None:
    return None if _is_of_process(error) else error


def _is_instance() -> bool:
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        return True
    try:
        return _MACHINE.read_text().startswith("Amazon EC2")
    except OSError:
        return False
