"""What botocore finds: profiles, SSO, roles, containers, instances; each against a server of our own."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import pytest

import exllm
from exllm.access import access
from exllm.config import Chain, ConfigSource, Env, Static
from exllm.credentials import lease as lease_module
from exllm.credentials.aws import AwsSigner
from exllm.credentials.aws_chain import chain_of
from exllm.errors import AuthenticationError, ConfigurationError, ConnectionFailed, ExLLMError
from exllm.policies.retry import RetryPolicy
from exllm.providers import ProviderSpec, registry
from tests.cancel_at import CancelAt
from tests.credentials.aws_server import Bedrock, Vault, written
from tests.credentials.threads import fetching, until
from tests.faults.server import FaultServer, Peer

ROLE = "arn:aws:iam::123456789012:role/reader"
STATIC = "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret-of-file\nregion = eu-central-1\n"

pytestmark = pytest.mark.usefixtures("aws_provider")


class Setting:
    """Where a test says what AWS's files and variables hold."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.patch = patch

    def config(self, text: str) -> None:
        (self.home / "config").write_text(text)

    def __call__(self, **variables: str) -> None:
        for name, value in variables.items():
            self.patch.setenv(name, value)


@pytest.fixture
def setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    # botocore keeps the folder of SSO tokens from its import on
    monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(home))
    monkeypatch.setattr("botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR", str(home))
    return Setting(home, monkeypatch)


def by_profile(setting: Setting, vault_url: str) -> None:
    setting.config(STATIC)


def by_profile_name(setting: Setting, vault_url: str) -> None:
    setting.config(STATIC.replace("[default]", "[profile work]"))
    setting(AWS_PROFILE="work")


def by_process(setting: Setting, vault_url: str) -> None:
    keys = {"Version": 1, "AccessKeyId": "AKIDFILE", "SecretAccessKey": "secret-of-file"}
    (setting.home / "keys.json").write_text(json.dumps(keys))
    setting.config(f"[default]\nregion = eu-central-1\ncredential_process = cat {setting.home / 'keys.json'}\n")


def by_role(setting: Setting, vault_url: str) -> None:
    role = f"[profile role]\nrole_arn = {ROLE}\nsource_profile = default\nregion = eu-central-1\n"
    setting.config(STATIC + role)
    setting(AWS_PROFILE="role", AWS_ENDPOINT_URL_STS=vault_url)


def by_web_identity(setting: Setting, vault_url: str) -> None:
    (setting.home / "token").write_text("signed-by-the-cluster")
    setting(
        AWS_ROLE_ARN=ROLE,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(setting.home / "token"),
        AWS_ENDPOINT_URL_STS=vault_url,
        AWS_REGION="eu-central-1",
    )


def by_sso(setting: Setting, vault_url: str) -> None:
    setting.config(
        "[default]\nregion = eu-central-1\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n"
        "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n"
    )
    token = {"accessToken": "signed-in", "expiresAt": written(time.time() + 3600), "region": "us-east-1"}
    (setting.home / f"{sha1(b'corp').hexdigest()}.json").write_text(json.dumps(token))
    setting(AWS_ENDPOINT_URL_SSO=vault_url)


def by_container(setting: Setting, vault_url: str) -> None:
    setting(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{vault_url}/v2/credentials",
        AWS_CONTAINER_AUTHORIZATION_TOKEN="of-the-task",
        AWS_REGION="eu-central-1",
    )


def by_instance(setting: Setting, vault_url: str) -> None:
    setting.patch.delenv("AWS_EC2_METADATA_DISABLED")
    setting(AWS_EC2_METADATA_SERVICE_ENDPOINT=vault_url, AWS_REGION="eu-central-1")
    setting(AWS_METADATA_SERVICE_TIMEOUT="20")  # usually one second, which a busy machine may need


WAYS: dict[Callable[[Setting, str], None], str | None] = {
    by_profile: None,
    by_profile_name: None,
    by_process: None,
    by_role: f"AssumeRole {ROLE}",
    by_web_identity: f"AssumeRoleWithWebIdentity {ROLE} signed-by-the-cluster",
    by_sso: "sso signed-in",
    by_container: "get /v2/credentials of-the-task",
    by_instance: "get /latest/meta-data/iam/security-credentials/a-role",
}


@pytest.mark.parametrize(("way", "asked"), WAYS.items(), ids=lambda value: getattr(value, "__name__", ""))
async def test_the_chain_leads_to_keys_and_they_are_asked_for_once(
    way: Callable[[Setting, str], None], asked: str | None, setting: Setting
) -> None:
    vault = Vault()
    vault.secrets["AKIDFILE"] = "secret-of-file"
    bedrock = Bedrock(vault.secrets)
    async with FaultServer(vault) as vault_server, FaultServer(bedrock) as server:
        way(setting, vault_server.url)
        async with exllm.Client() as client:
            assert client.configured("signed")
            assert registry.configured("signed")
            assert vault.asked == []  # that needs no network
            replies = await asyncio.gather(*[client.chat("signed/m", "Hi", base_url=server.url) for _ in range(10)])
            assert [reply.text for reply in replies] == ["signed"] * 10
            assert (await client.chat("signed/m", "Hi", base_url=server.url)).text == "signed"
        assert vault.asked == ([] if asked is None else [asked])
        assert len(set(bedrock.keys)) == 1


async def test_the_profile_gives_the_region_where_nothing_else_does(
    setting: Setting, aws_provider: ProviderSpec
) -> None:
    setting.config(STATIC)
    way = access(aws_provider, Env(), None, None)
    assert way.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert way.signer is not None
    url, headers = await way.signer.sign("POST", way.base_url + "/model/x", {}, b"")
    assert url == "https://bedrock-runtime.eu-central-1.amazonaws.com/model/x"
    assert "/eu-central-1/bedrock/" in headers["authorization"]


async def test_plain_keys_of_the_environment_take_the_region_of_the_profile(
    setting: Setting, aws_provider: ProviderSpec
) -> None:
    setting.config(STATIC)
    setting(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
    assert registry.configured("signed")
    way = access(aws_provider, Env(), None, None)
    assert way.signer is not None
    url, headers = await way.signer.sign("POST", way.base_url + "/model/x", {}, b"")
    assert url == "https://bedrock-runtime.eu-central-1.amazonaws.com/model/x"
    assert "Credential=AKIDEXAMPLE/" in headers["authorization"]


async def test_without_any_region_the_message_says_what_to_set(setting: Setting, aws_provider: ProviderSpec) -> None:
    setting.config(STATIC.replace("region = eu-central-1\n", ""))
    async with exllm.Client() as client:
        assert not client.configured("signed")
        assert not registry.configured("signed")
        with pytest.raises(ConfigurationError, match="set AWS_REGION or AWS_DEFAULT_REGION"):
            await client.chat("signed/m", "Hi")


@pytest.mark.parametrize("source", [Static({"signed": {"aws_profile": "work"}}), Env()])
async def test_a_profile_may_be_named_in_the_config_and_wins_over_the_environments_keys(
    setting: Setting, aws_provider: ProviderSpec, source: ConfigSource
) -> None:
    setting.config(STATIC.replace("[default]", "[profile work]"))
    setting(AWS_ACCESS_KEY_ID="AKIDENVIRONMENT", AWS_SECRET_ACCESS_KEY="secret", SIGNED_AWS_PROFILE="work")
    signer = access(aws_provider, Chain(source, Env()), None, None).signer
    assert signer is not None
    _, headers = await signer.sign("POST", "https://bedrock-runtime.eu-central-1.amazonaws.com/x", {}, b"")
    assert "Credential=AKIDFILE/" in headers["authorization"]


# -- what goes wrong


async def failure(source: ConfigSource | None = None) -> ExLLMError:
    async with exllm.Client(config=source, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(ExLLMError) as failed:
            await client.chat("signed/m", "Hi", base_url="http://127.0.0.1:9")
    assert failed.value.provider == "signed"
    return failed.value


async def test_nothing_anywhere_says_what_to_set(setting: Setting) -> None:
    assert registry.missing("signed") == ("AWS_BEARER_TOKEN_BEDROCK or AWS credentials", "AWS_REGION")
    setting(AWS_REGION="eu-central-1")
    assert registry.missing("signed") == ("AWS_BEARER_TOKEN_BEDROCK or AWS credentials",)
    error = await failure()
    assert type(error) is ConfigurationError
    for word in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "aws_profile"):
        assert word in error.message


async def test_a_profile_that_is_not_there_is_named(setting: Setting) -> None:
    setting.config(STATIC)
    source = Static({"signed": {"aws_profile": "wrok", "region": "eu-central-1"}})
    assert not registry.configured("signed", source)
    error = await failure(source)
    assert type(error) is ConfigurationError
    assert "wrok" in error.message


async def test_a_role_that_is_refused_is_an_authentication_error(setting: Setting) -> None:
    async def refuse(peer: Peer) -> None:
        xml = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not yours</Message></Error></ErrorResponse>"
        await peer.answer(xml, "403 Forbidden", "text/xml")

    async with FaultServer(refuse) as server:
        by_role(setting, server.url)
        error = await failure()
    assert type(error) is AuthenticationError
    assert error.code == "AccessDenied"
    assert "not yours" in error.message
    assert "secret-of-file" not in "".join(traceback.format_exception(error))


async def test_a_token_service_that_cannot_be_reached_may_be_tried_again(
    setting: Setting, unused_tcp_port: int
) -> None:
    by_role(setting, f"http://127.0.0.1:{unused_tcp_port}")
    setting(AWS_MAX_ATTEMPTS="1")
    error = await failure()
    assert type(error) is ConnectionFailed
    assert error.retryable


async def test_an_expired_sign_on_says_how_to_sign_in(setting: Setting) -> None:
    by_sso(setting, "http://127.0.0.1:9")
    for file in setting.home.glob("*.json"):
        file.write_text(file.read_text().replace(json.loads(file.read_text())["expiresAt"], "2020-01-01T00:00:00Z"))
    error = await failure()
    assert type(error) is AuthenticationError
    assert "aws sso login" in error.message


async def test_nobody_is_asked_for_the_code_of_a_device(setting: Setting) -> None:
    role = f"[profile role]\nrole_arn = {ROLE}\nsource_profile = default\nmfa_serial = arn:aws:iam::1:mfa/me\n"
    outer = "[profile outer]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = role\nregion = eu-central-1\n"
    setting.config(STATIC + role + outer)
    error = await failure(Static({"signed": {"aws_profile": "outer"}}))
    assert type(error) is ConfigurationError
    assert "export-credentials --profile role" in error.message


async def test_what_a_credential_process_complains_of_is_not_repeated(setting: Setting) -> None:
    setting.config("[default]\nregion = eu-central-1\ncredential_process = sh -c 'echo s3cr3t-of-mine >&2; exit 1'\n")
    error = await failure()
    assert type(error) is ConfigurationError
    assert "credential_process" in error.message
    assert "s3cr3t-of-mine" not in "".join(traceback.format_exception(error))


# -- time


async def test_keys_are_renewed_before_they_expire(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(lifetime_s=3600)
    bedrock = Bedrock(vault.secrets)
    async with FaultServer(vault) as vault_server, FaultServer(bedrock) as server, exllm.Client() as client:
        by_container(setting, vault_server.url)
        await client.chat("signed/m", "Hi", base_url=server.url)
        await client.chat("signed/m", "Hi", base_url=server.url)
        assert bedrock.keys == ["ASIA000000000001"] * 2
        monkeypatch.setattr(lease_module, "unix_time", lambda: time.time() + 3600 - lease_module.SAFE_S)
        await client.chat("signed/m", "Hi", base_url=server.url)
        assert bedrock.keys[-1] == "ASIA000000000002"
        assert len(vault.asked) == 2


async def test_a_file_that_changes_is_read_again(
    setting: Setting, aws_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.config(STATIC)
    lease = chain_of(None).keys
    assert (await lease.get()).access_key_id == "AKIDFILE"
    setting.config(STATIC.replace("AKIDFILE", "AKIDNEW"))
    assert (await lease.get()).access_key_id == "AKIDFILE"
    monkeypatch.setattr(lease_module, "unix_time", lambda: time.time() + lease_module.REREAD_S)
    assert (await lease.get()).access_key_id == "AKIDFILE"  # it is read behind the caller's back
    await until(lambda: not fetching())
    assert (await lease.get()).access_key_id == "AKIDNEW"


async def test_another_environment_is_another_chain(setting: Setting, home: Path) -> None:
    setting.config(STATIC)
    assert chain_of(None) is chain_of(None)
    before = chain_of(None)
    (home / "other").write_text(STATIC.replace("AKIDFILE", "AKIDOTHER"))
    setting(AWS_CONFIG_FILE=str(home / "other"))
    assert chain_of(None) is not before
    assert (await chain_of(None).keys.get()).access_key_id == "AKIDOTHER"


# -- leaving


async def test_the_loop_runs_on_while_credentials_are_fetched(setting: Setting) -> None:
    gate = asyncio.Event()
    vault = Vault()

    async def slow(peer: Peer) -> None:
        await gate.wait()
        await vault(peer)

    async with FaultServer(slow) as vault_server, FaultServer(Bedrock(vault.secrets)) as server:
        by_container(setting, vault_server.url)
        async with exllm.Client() as client:
            calls = [asyncio.create_task(client.chat("signed/m", "Hi", base_url=server.url)) for _ in range(3)]
            await until(lambda: bool(vault_server.requests))  # on this very loop
            calls[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await calls[0]
            gate.set()
            assert [(await call).text for call in calls[1:]] == ["signed", "signed"]
        assert len(vault.asked) == 1


async def test_a_call_may_be_cancelled_at_every_await(setting: Setting) -> None:
    vault = Vault()
    async with FaultServer(vault) as vault_server, FaultServer(Bedrock(vault.secrets)) as server:
        by_container(setting, vault_server.url)
        for step in range(1, 50):
            setting(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{vault_server.url}/{step}")  # new keys each time
            async with exllm.Client() as client:
                work = CancelAt(client.chat("signed/m", "Hi", base_url=server.url), step)
                try:
                    assert (await work).text == "signed"
                    break
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    assert task is not None
                    task.uncancel()
        assert 3 < step < 49
        await until(lambda: not fetching())


def test_one_chain_serves_loop_after_loop(setting: Setting) -> None:
    setting.config(STATIC)

    async def call() -> None:
        bedrock = Bedrock({"AKIDFILE": "secret-of-file"})
        async with FaultServer(bedrock) as server, exllm.Client() as client:
            assert (await client.chat("signed/m", "Hi", base_url=server.url)).text == "signed"

    for _ in range(3):
        asyncio.run(call())


def test_the_signer_shows_nothing(aws_provider: ProviderSpec, setting: Setting) -> None:
    setting.config(STATIC)
    signer = access(aws_provider, Env(), None, None).signer
    assert isinstance(signer, AwsSigner)
    asyncio.run(signer.sign("GET", "https://bedrock-runtime.eu-central-1.amazonaws.com/x", {}, b""))
    assert signer.secrets == ("secret-of-file",)
    assert "secret-of-file" not in repr(signer)
