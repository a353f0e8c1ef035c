"""Google's tokens: service accounts, application default credentials, the metadata server; what is shared and told."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

import exllm
from exllm.access import access
from exllm.config import Chain, ConfigSource, Env, Static
from exllm.credentials import google_tokens
from exllm.credentials import lease as lease_module
from exllm.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    ExLLMError,
    MissingExtra,
    ServerError,
)
from exllm.policies.retry import RetryPolicy
from exllm.providers import ProviderSpec, registry
from tests.cancel_at import CancelAt
from tests.credentials.aws_server import ANSWER
from tests.credentials.threads import fetching, until
from tests.faults.server import FaultServer, Peer

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC_PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
FLAVOUR = ("metadata-flavor", "Google")
EMAIL = "reader@a-project.iam.gserviceaccount.com"

pytestmark = pytest.mark.usefixtures("google_provider")


class Google:
    """Behaviour of a token server, a metadata server and a model service in one.

    Attributes:
        asked: what tokens were asked for with, in order.
        gate: tokens are given when it is set.
    """

    def __init__(self, lifetime_s: int = 3600) -> None:
        self.lifetime_s = lifetime_s
        self.asked: list[str] = []
        self.calls: list[dict[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, peer: Peer) -> None:
        path = peer.request.path
        if path == "/token":
            await self.gate.wait()
            self._note(peer)
            await self._token(peer)
        elif path.endswith("/token") or "/token?" in path:
            self.asked.append("metadata")
            await self._token(peer)
        elif path.endswith("/project-id"):
            await peer.answer(b"metadata-project", "200 OK", "application/text", FLAVOUR)
        elif "/service-accounts/" in path:
            facts = {"email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
            await peer.answer(json.dumps(facts).encode(), "200 OK", "application/json", FLAVOUR)
        elif path == "/":
            await peer.answer(b"", "200 OK", "application/text", FLAVOUR)
        else:
            self.calls.append(peer.request.headers)
            await peer.answer(ANSWER)

    def _note(self, peer: Peer) -> None:
        form = {name: values[0] for name, values in parse_qs(peer.request.body.decode()).items()}
        if "assertion" in form:
            claims = jwt.decode(form["assertion"], PUBLIC_PEM, audience="https://oauth2.googleapis.com/token")
            assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
            self.asked.append(claims["iss"])
        else:
            self.asked.append(form["refresh_token"])

    async def _token(self, peer: Peer) -> None:
        token = {"access_token": f"ya29.{len(self.asked)}", "expires_in": self.lifetime_s, "token_type": "Bearer"}
        await peer.answer(json.dumps(token).encode())


def service_account(url: str, **more: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "a-project",
        "private_key_id": "1",
        "private_key": PEM,
        "client_email": EMAIL,
        "token_uri": f"{url}/token",
        **more,
    }


def user(url: str) -> dict[str, str]:
    return {
        "type": "authorized_user",
        "client_id": "an-app",
        "client_secret": "s3cr3t",
        "refresh_token": "refresh-me",
        "quota_project_id": "quota-project",
        "token_uri": f"{url}/token",
    }


def written(path: Path, facts: dict[str, str]) -> str:
    path.write_text(json.dumps(facts))
    return str(path)


@pytest.fixture
def only_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth asks the command `gcloud` for the project."""
    monkeypatch.setattr("google.auth._cloud_sdk.get_project_id", lambda: None)


# -- the ways to credentials


@pytest.mark.parametrize("form", ["path", "json", "variable"])
async def test_a_service_account_signs_for_a_token_that_all_calls_share(
    form: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    google = Google()
    async with FaultServer(google) as server:
        facts = service_account(server.url)
        source: ConfigSource = Env()
        if form == "variable":
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", written(home / "key.json", facts))
        else:
            given = written(home / "key.json", facts) if form == "path" else json.dumps(facts)
            source = Static({"tokened": {"credentials": given}})
        async with exllm.Client(config=source) as client:
            assert client.configured("tokened")
            assert registry.configured("tokened", source)
            assert google.asked == []
            calls = [client.chat("tokened/m", "Hi", base_url=server.url) for _ in range(8)]
            assert [reply.text for reply in await asyncio.gather(*calls)] == ["signed"] * 8
            async with client.stream("tokened/m", "Hi", base_url=server.url) as stream:
                await stream.collect()
        assert google.asked == [EMAIL]
        assert {call["authorization"] for call in google.calls} == {"Bearer ya29.1"}


async def test_a_users_own_credentials_come_with_their_quota_project(
    home: Path, only_files: None, google_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    google = Google()
    async with FaultServer(google) as server, exllm.Client() as client:
        monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.url}/token")
        (home / ".config" / "gcloud").mkdir(parents=True)
        assert not client.configured("tokened")
        written(home / ".config" / "gcloud" / "application_default_credentials.json", user(server.url))
        google_tokens._tokens.cache_clear()
        assert client.configured("tokened")
        await client.chat("tokened/m", "Hi", base_url=server.url)
        assert google.asked == ["refresh-me"]
        assert google.calls[0]["x-goog-user-project"] == "quota-project"
        signer = access(google_provider, Env(), None, None).signer
        assert signer is not None
        url, _ = await signer.sign("POST", google_provider.base_url, {}, b"")
        assert url.endswith("/projects/quota-project")


async def test_the_metadata_server_gives_token_and_project(
    monkeypatch: pytest.MonkeyPatch, google_provider: ProviderSpec
) -> None:
    google = Google()
    async with FaultServer(google) as server:
        host = server.url.removeprefix("http://")
        monkeypatch.setenv("GCE_METADATA_IP", host)
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)  # read at its import
        assert registry.configured("tokened")
        signer = access(google_provider, Env(), None, None).signer
        assert signer is not None
        url, headers = await signer.sign("POST", google_provider.base_url, {}, b"")
        assert url.endswith("/projects/metadata-project")
        assert headers["authorization"] == "Bearer ya29.1"


async def test_the_project_is_the_configs_then_the_credentials(
    home: Path, monkeypatch: pytest.MonkeyPatch, google_provider: ProviderSpec
) -> None:
    async with FaultServer(Google()) as server:
        given = json.dumps(service_account(server.url))
        way = access(google_provider, Static({"tokened": {"credentials": given}}), None, None)
        assert way.signer is not None
        url, _ = await way.signer.sign("POST", way.base_url + "/x", {}, b"")
        assert url == "https://aiplatform.googleapis.com/v1/projects/a-project/x"
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
        way = access(google_provider, Chain(Static({"tokened": {"credentials": given}}), Env()), None, None)
        assert way.base_url == "https://aiplatform.googleapis.com/v1/projects/of-the-environment"


@pytest.mark.parametrize(
    ("changes", "variables", "expected"),
    [
        ({}, {}, True),
        ({"project_id": ""}, {}, False),
        ({"project_id": ""}, {"GOOGLE_CLOUD_PROJECT": "mine"}, True),
        ({"project_id": "", "quota_project_id": "other"}, {}, True),
        ({"project_id": ""}, {"TOKENED_BASE_URL": "http://127.0.0.1:9"}, True),
    ],
)
async def test_configured_wants_a_project_where_the_address_does(
    changes: dict[str, str], variables: dict[str, str], expected: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(home / "key.json", service_account("http://127.0.0.1:9", **changes))
    for name, value in {**variables, "GOOGLE_APPLICATION_CREDENTIALS": path}.items():
        monkeypatch.setenv(name, value)
    assert registry.configured("tokened") is expected
    assert registry.missing("tokened") == (() if expected else ("GOOGLE_CLOUD_PROJECT",))
    async with exllm.Client() as client:
        assert client.configured("tokened") is expected


async def test_configured_sees_gclouds_project(home: Path) -> None:
    folder = home / ".config" / "gcloud"
    (folder / "configurations").mkdir(parents=True)
    facts = user("http://127.0.0.1:9")
    del facts["quota_project_id"]
    written(folder / "application_default_credentials.json", facts)
    assert not registry.configured("tokened")
    (folder / "active_config").write_text("work\n")
    (folder / "configurations" / "config_work").write_text("[core]\naccount = me\nproject = mine\n")
    assert registry.configured("tokened")


async def test_credentials_without_a_project_say_what_to_set(
    only_files: None, google_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultServer(Google()) as server:
        monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.url}/token")
        facts = {name: value for name, value in user(server.url).items() if name != "quota_project_id"}
        way = access(google_provider, Static({"tokened": {"credentials": json.dumps(facts)}}), None, None)
        assert way.signer is not None
        with pytest.raises(ConfigurationError, match="set GOOGLE_CLOUD_PROJECT"):
            await way.signer.sign("POST", way.base_url, {}, b"")


async def test_a_token_of_ones_own_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_tokens, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "google.auth", None)
    google = Google()
    async with FaultServer(google) as server:
        async with exllm.Client() as client:
            await client.chat("tokened/m", "Hi", base_url=server.url, api_key="ya29.mine")
        async with exllm.Client(config=Static({"tokened": {"api_key": "ya29.config"}})) as client:
            await client.chat("tokened/m", "Hi", base_url=server.url)
        assert [call["authorization"] for call in google.calls] == ["Bearer ya29.mine", "Bearer ya29.config"]
        assert google.asked == []


# -- what is missing


def test_a_config_without_credentials_does_not_lead_to_the_machines_own(google_provider: ProviderSpec) -> None:
    with pytest.raises(ConfigurationError) as failed:
        access(google_provider, Static({}), None, None)
    for word in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "gcloud auth application-default login",
        "api_key=",
        "'credentials'",
    ):
        assert word in failed.value.message
    assert registry.missing("tokened", Static({})) == ("Google credentials", "GOOGLE_CLOUD_PROJECT")


def test_the_extra_is_named_where_it_is_missing(google_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_tokens, "is_installed", lambda: False)
    with pytest.raises(MissingExtra, match=r'pip install "exllm\[google\]"'):
        access(google_provider, Env(), None, None)
    assert not registry.configured("tokened")


async def failure(source: ConfigSource | None = None) -> ExLLMError:
    async with exllm.Client(config=source, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(ExLLMError) as failed:
            await client.chat("tokened/m", "Hi", base_url="http://127.0.0.1:9")
    assert failed.value.provider == "tokened"
    told = "".join(traceback.format_exception(failed.value))
    assert "PRIVATE KEY" not in told
    assert "s3cr3t" not in told
    return failed.value


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("/no/such/file.json", "cannot read /no/such/file.json"),
        ("{not json", "no JSON object"),
        ('{"type": "strange"}', "'strange' are not read here"),
        ('{"type": "service_account", "client_email": "x"}', "missing fields token_uri"),
    ],
)
async def test_credentials_that_cannot_be_read_say_why(given: str, words: str) -> None:
    error = await failure(Static({"tokened": {"credentials": given}}))
    assert type(error) is ConfigurationError
    assert words in error.message


@pytest.mark.parametrize(
    ("status", "expected"), [("400 Bad Request", AuthenticationError), ("503 Service Unavailable", ServerError)]
)
async def test_a_token_server_that_refuses(
    status: str, expected: type[ExLLMError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.answer(b'{"error": "invalid_grant", "error_description": "Account is gone"}', status)

    monkeypatch.setattr(time, "sleep", lambda _: None)
    async with FaultServer(refuse) as server:
        error = await failure(Static({"tokened": {"credentials": json.dumps(service_account(server.url))}}))
    assert type(error) is expected
    assert "Account is gone" in error.message
    assert error.retryable is status.startswith("503")


async def test_a_token_server_that_cannot_be_reached_may_be_tried_again(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    given = json.dumps(service_account(f"http://127.0.0.1:{unused_tcp_port}"))
    error = await failure(Static({"tokened": {"credentials": given}}))
    assert type(error) is ConnectionFailed
    assert error.retryable


# -- time, and leaving


async def test_a_token_is_renewed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    google = Google(lifetime_s=3600)
    async with FaultServer(google) as server:
        source = Static({"tokened": {"credentials": json.dumps(service_account(server.url))}})
        async with exllm.Client(config=source) as client:

            async def token_of_a_call() -> str:
                await client.chat("tokened/m", "Hi", base_url=server.url)
                return google.calls[-1]["authorization"]

            assert await token_of_a_call() == "Bearer ya29.1"
            ahead = 3600 - lease_module.RENEW_AHEAD_S + 5
            monkeypatch.setattr(lease_module, "unix_time", lambda: time.time() + ahead)
            assert await token_of_a_call() == "Bearer ya29.1"  # nobody waits for the new one
            await until(lambda: not fetching())
            assert await token_of_a_call() == "Bearer ya29.2"


async def test_the_loop_runs_on_and_a_call_may_be_cancelled_at_every_await() -> None:
    google = Google()
    async with FaultServer(google) as server:
        for step in range(1, 50):
            facts = service_account(server.url, private_key_id=str(step))  # another credential each time
            async with exllm.Client(config=Static({"tokened": {"credentials": json.dumps(facts)}})) as client:
                work = CancelAt(client.chat("tokened/m", "Hi", base_url=server.url), step)
                try:
                    assert (await work).text == "signed"
                    break
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    assert task is not None
                    task.uncancel()
        assert 3 < step < 49
        await until(lambda: not fetching())


def test_tokens_serve_loop_after_loop(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def call() -> None:
        google = Google()
        async with FaultServer(google) as server, exllm.Client() as client:
            path = written(home / f"{len(asked)}.json", service_account(server.url))
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
            assert (await client.chat("tokened/m", "Hi", base_url=server.url)).text == "signed"
            asked.append(google.asked)

    for _ in range(3):
        asyncio.run(call())
    assert asked == [[EMAIL]] * 3


def test_nothing_is_shown(google_provider: ProviderSpec) -> None:
    facts = json.dumps(service_account("http://127.0.0.1:9"))
    way = access(google_provider, Static({"tokened": {"credentials": facts}}), None, None)
    assert "PRIVATE" not in repr(way) + repr(way.signer)
    assert repr(google_tokens.GoogleToken("ya29.x")) == "GoogleToken(***)"
