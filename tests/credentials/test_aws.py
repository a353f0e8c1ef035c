"""Plain AWS keys: where they are looked for, what is signed, and what is not told."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

import exllm
from exllm.access import Access, access
from exllm.config import Chain, ConfigSource, Env, Static
from exllm.credentials.aws import AwsSigner
from exllm.errors import ConfigurationError, ExLLMError, MissingExtra, PermissionDenied
from exllm.policies.retry import RetryPolicy
from exllm.providers import ProviderSpec, register, registry
from exllm.providers.spec import Paths
from exllm.transport.http import HttpCall, HttpTransport
from exllm.transport.sessions import TransportSettings
from tests.credentials.aws_server import ANSWER, Bedrock, signed_headers
from tests.faults.server import FaultServer, Peer

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET, "region": "eu-central-1"}
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc.def-v1:0"


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bare wheel: botocore cannot be imported, nor found."""
    monkeypatch.setattr("exllm.credentials.aws_chain.is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "botocore.session", None)


def way_to(spec: ProviderSpec, source: ConfigSource, api_key: str | None = None, base_url: str | None = None) -> Access:
    return access(spec, source, api_key, base_url)


def signer_of(way: Access) -> AwsSigner:
    assert isinstance(way.signer, AwsSigner)
    return way.signer


# -- calls, against a server that checks with botocore


@pytest.mark.parametrize("token", [None, "AKIDEXAMPLE-token"])
async def test_calls_are_signed_as_botocore_signs(
    aws_provider: ProviderSpec, without_extras: None, token: str | None
) -> None:
    config = Static({"signed": {**KEYS, "aws_session_token": token}})
    async with FaultServer(Bedrock({"AKIDEXAMPLE": SECRET})) as server, exllm.Client(config=config) as client:
        assert (await client.chat("signed/m", "Hi", base_url=server.url)).text == "signed"
        async with client.stream("signed/m", "Hi", base_url=server.url) as stream:
            assert "".join([text async for text in stream.text()]) == "signed"
        assert [entry.id for entry in await client.list_models("signed", base_url=server.url)] == ["m"]
        assert len(server.requests) == 3
        assert all(("x-amz-security-token" in request.headers) is (token is not None) for request in server.requests)
        assert "content-type" in signed_headers(server.requests[0])
        assert "user-agent" not in signed_headers(server.requests[0])


@pytest.mark.parametrize("size", [3, 100_000, 2 << 20])  # each goes out in another way
@pytest.mark.parametrize(
    "path",
    [
        "/model/anthropic.claude-v1%3A0/converse",
        "/model/anthropic.claude-v1:0/converse",
        f"/model/{quote(ARN, safe='')}/converse-stream",
        f"/model/{quote(ARN, safe=':')}/invoke",
        "/model/a b/ä/x+y",
        "/a/../b//c/./d%20e?z=1&b=%20x&b=%C3%A4&empty",
    ],
)
async def test_the_path_that_is_sent_is_the_one_that_was_signed(
    path: str, size: int, aws_provider: ProviderSpec
) -> None:
    signer = signer_of(way_to(aws_provider, Static({"signed": KEYS})))
    async with FaultServer(Bedrock({"AKIDEXAMPLE": SECRET})) as server:
        transport = HttpTransport(TransportSettings())
        try:
            headers = {"X-Amzn-Bedrock-GuardrailIdentifier": " a  guardrail ", "accept": "*/*"}
            response = await transport.send(HttpCall(server.url + path, b"x" * size, headers, signer=signer))
            assert (response.status, await response.read()) == (200, ANSWER)
            response.close()
        finally:
            await transport.aclose()
        if "%3A" in path or "%2F" in path:
            assert server.requests[0].path == path


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("nova-lite", "/model/eu.amazon.nova-lite-v1%3A0/converse"),
        ("anthropic.claude-v2:1", "/model/anthropic.claude-v2%3A1/converse"),
        (ARN, f"/model/{quote(ARN, safe='')}/converse"),
    ],
)
async def test_bedrock_is_called_by_its_own_wire_in_the_region_of_the_profile(
    model: str, path: str, home: Path
) -> None:
    bedrock = registry.get("bedrock")
    assert isinstance(bedrock, ProviderSpec)
    # Without TLS, so that a proxy can stand for the host.
    register(replace(bedrock, name="plain", aliases=(), base_url="http://bedrock-runtime.{region}.amazonaws.com"))
    (home / "config").write_text("[profile work]\nregion = eu-central-1\n")
    (home / "credentials").write_text(f"[work]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET}\n")
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "signed"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }
    try:
        async with FaultServer(Bedrock({"AKIDEXAMPLE": SECRET}, answer=json.dumps(answer).encode())) as server:
            config = Static({"plain": {"aws_profile": "work"}})
            async with exllm.Client(config=config, proxy=server.url) as client:
                assert (await client.chat(f"plain/{model}", "Hi")).text == "signed"
            assert server.requests[0].path == f"http://bedrock-runtime.eu-central-1.amazonaws.com{path}"
    finally:
        registry.unregister("plain")


async def test_a_model_list_elsewhere_is_asked_there_and_signed(aws_provider: ProviderSpec) -> None:
    listing = Paths(models="http://bedrock.{region}.amazonaws.com/foundation-models?byOutputModality=TEXT")
    register(replace(aws_provider, paths=listing), replace=True)
    async with FaultServer(Bedrock({"AKIDEXAMPLE": SECRET})) as server:
        async with exllm.Client(config=Static({"signed": KEYS}), proxy=server.url) as client:
            assert [entry.id for entry in await client.list_models("signed")] == ["m"]
        async with exllm.Client(config=Static({"signed": KEYS})) as client:
            assert [entry.id for entry in await client.list_models("signed", base_url=server.url)] == ["m"]
        path = "/foundation-models?byOutputModality=TEXT"
        assert [request.path for request in server.requests] == [
            f"http://bedrock.eu-central-1.amazonaws.com{path}",
            path,
        ]


async def test_each_attempt_and_each_redirect_is_signed_anew(
    aws_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([f"20260101T00000{second}Z" for second in range(9)])

    class Clock:
        @staticmethod
        def now(_zone: Any) -> Clock:
            return Clock()

        def strftime(self, _form: str) -> str:
            return next(times)

    monkeypatch.setattr("exllm.credentials.aws.datetime", Clock)

    async def fail(peer: Peer) -> None:
        await peer.answer(b"{}", "503 Service Unavailable")

    async def move(peer: Peer) -> None:
        await peer.redirect("/elsewhere")

    async def answer(peer: Peer) -> None:
        await peer.answer(ANSWER)

    config = Static({"signed": KEYS})
    async with FaultServer(fail, move, answer) as server:
        async with exllm.Client(config=config, retry=RetryPolicy(base_s=0.001)) as client:
            assert (await client.chat("signed/m", "Hi", base_url=server.url)).text == "signed"
        proofs = {request.headers["authorization"].rpartition("=")[2] for request in server.requests}
        dates = [request.headers["x-amz-date"] for request in server.requests]
        assert (len(proofs), len(set(dates))) == (3, 3)
        assert [request.path for request in server.requests][1:] == ["/chat/completions", "/elsewhere"]


async def test_a_bearer_key_is_sent_as_it_is(aws_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(peer: Peer) -> None:
        await peer.answer(ANSWER)

    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "from-environment")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    async with FaultServer(answer) as server, exllm.Client() as client:
        await client.chat("signed/m", "Hi", base_url=server.url)
        await client.chat("signed/m", "Hi", base_url=server.url, api_key="for-this-call")
        assert [request.headers["authorization"] for request in server.requests] == [
            "Bearer from-environment",
            "Bearer for-this-call",
        ]
        assert not any("x-amz-date" in request.headers for request in server.requests)


# -- where keys are from


def test_a_source_is_asked_whole_before_the_next(aws_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "environment-token")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    given = signer_of(way_to(aws_provider, Chain(Static({"signed": KEYS}), Env())))._keys
    assert given is not None
    assert (given.access_key_id, given.secret_access_key, given.session_token) == ("AKIDEXAMPLE", SECRET, None)
    found = signer_of(way_to(aws_provider, Env()))._keys
    assert found is not None
    assert (found.access_key_id, found.session_token) == ("AKIDENVIRONMENT", "environment-token")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bearer")
    assert way_to(aws_provider, Chain(Static({"signed": KEYS}), Env())).signer is not None
    assert way_to(aws_provider, Chain(Env(), Static({"signed": KEYS}))).headers["authorization"] == "Bearer bearer"


def test_the_region_fills_the_address(aws_provider: ProviderSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        way_to(aws_provider, Static({"signed": KEYS})).base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    assert way_to(aws_provider, Env()).base_url == "https://bedrock-runtime.us-east-2.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert way_to(aws_provider, Env()).base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"


def test_a_specs_own_region_is_the_last_resort(aws_provider: ProviderSpec, home: Path) -> None:
    spec = replace(aws_provider, setting_defaults={"region": "us-east-1"})
    keys = {name: value for name, value in KEYS.items() if name != "region"}
    way = way_to(spec, Static({"signed": keys}))
    assert (way.base_url, signer_of(way).settings) == (
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        {"region": "us-east-1"},
    )
    (home / "config").write_text("[default]\nregion = eu-west-1\n")
    assert "eu-west-1" in way_to(spec, Chain(Static({"signed": keys}), Env())).base_url


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://bedrock-runtime.us-west-2.amazonaws.com", "us-west-2"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-0a-b.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://bedrock-mantle.us-east-1.api.aws", "us-east-1"),
        ("https://proxy.us-east-9.example.com", "eu-central-1"),
        ("http://127.0.0.1:9", "eu-central-1"),
    ],
)
async def test_an_address_of_amazons_says_its_region(url: str, region: str, aws_provider: ProviderSpec) -> None:
    signer = signer_of(way_to(aws_provider, Static({"signed": KEYS})))
    _, headers = await signer.sign("POST", url + "/x", {}, b"")
    assert f"/{region}/bedrock/aws4_request" in headers["authorization"]


@pytest.mark.parametrize("region", ["evil.example/", "a b", "US-EAST-1", "x\r\ny"])
def test_a_region_that_is_none_is_refused(region: str, aws_provider: ProviderSpec) -> None:
    with pytest.raises(ConfigurationError, match="written like us-east-1"):
        way_to(aws_provider, Static({"signed": {**KEYS, "region": region}}))


# -- what is missing


@pytest.mark.parametrize(
    ("given", "missing"),
    [("aws_access_key_id", "AWS_SECRET_ACCESS_KEY"), ("aws_secret_access_key", "AWS_ACCESS_KEY_ID")],
)
def test_half_a_key_names_the_other_half(given: str, missing: str, aws_provider: ProviderSpec) -> None:
    with pytest.raises(ConfigurationError, match=missing) as failed:
        way_to(aws_provider, Static({"signed": {given: "v-e-r-y-secret"}}))
    assert "v-e-r-y-secret" not in str(failed.value)


def test_without_keys_the_message_says_what_to_set(aws_provider: ProviderSpec) -> None:
    with pytest.raises(ConfigurationError) as failed:
        way_to(aws_provider, Static({}))
    for word in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "api_key=", "aws_profile"):
        assert word in failed.value.message
    assert not isinstance(failed.value, MissingExtra)  # nothing that is installed would help: the config has no keys


@pytest.mark.parametrize("source", [Env(), Static({"signed": {"aws_profile": "work"}})])
def test_where_only_the_chain_is_left_the_extra_is_named(
    aws_provider: ProviderSpec, without_extras: None, source: ConfigSource
) -> None:
    with pytest.raises(MissingExtra, match=r'pip install "exllm\[bedrock\]"') as failed:
        way_to(aws_provider, source)
    assert failed.value.provider == "signed"


def test_a_missing_region_is_told_before_anything_is_sent(aws_provider: ProviderSpec, without_extras: None) -> None:
    keys = {name: value for name, value in KEYS.items() if name != "region"}
    with pytest.raises(ConfigurationError, match="set AWS_REGION or AWS_DEFAULT_REGION"):
        way_to(aws_provider, Static({"signed": keys}))


def test_other_sources_than_the_environment_do_not_lead_to_the_machines_own_role(aws_provider: ProviderSpec) -> None:
    with pytest.raises(ConfigurationError):
        way_to(aws_provider, Static({"signed": {"region": "eu-central-1"}}))


# -- configured


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (KEYS, True),
        ({**KEYS, "region": None}, False),
        ({"region": "eu-central-1"}, False),
        ({**KEYS, "aws_secret_access_key": None}, False),
        ({"api_key": "bearer", "region": "eu-central-1"}, True),
        ({"api_key": "bearer"}, False),
    ],
)
async def test_configured_tells_the_truth(values: dict[str, str], expected: bool, aws_provider: ProviderSpec) -> None:
    config = Static({"signed": values})
    async with exllm.Client(config=config) as client:
        assert client.configured("signed") is expected
    assert registry.configured("signed", config) is expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ("AWS_BEARER_TOKEN_BEDROCK or AWS credentials", "AWS_REGION")),
        ({"api_key": "bearer"}, ("AWS_REGION",)),
        ({"region": "eu-central-1"}, ("AWS_BEARER_TOKEN_BEDROCK or AWS credentials",)),
        ({**KEYS, "region": None}, ("AWS_REGION",)),
        (KEYS, ()),
    ],
)
def test_what_is_missing_is_named(values: dict[str, str], words: tuple[str, ...], aws_provider: ProviderSpec) -> None:
    assert registry.missing("signed", Static({"signed": values})) == words


async def test_configured_without_the_extra(aws_provider: ProviderSpec, without_extras: None) -> None:
    async with exllm.Client() as client:
        assert client.configured("signed") is False
    assert registry.configured("signed") is False


# -- nothing is told


async def test_no_error_and_no_repr_holds_a_key(aws_provider: ProviderSpec) -> None:
    async def tell(peer: Peer) -> None:
        body = {"message": f"The signature does not match: {peer.request.headers['x-amz-security-token']} {SECRET}"}
        await peer.answer(json.dumps(body).encode(), "403 Forbidden")

    config = Static({"signed": {**KEYS, "aws_session_token": "AKIDEXAMPLE-token"}})
    async with FaultServer(tell) as server, exllm.Client(config=config) as client:
        with pytest.raises(PermissionDenied) as failed:
            await client.chat("signed/m", "Hi", base_url=server.url)
        error: ExLLMError = failed.value
        told = "".join(traceback.format_exception(error)) + repr(vars(error)) + str(copy.deepcopy(error))
        assert "does not match" in error.message
        assert SECRET not in told
        assert "AKIDEXAMPLE-token" not in told
        assert pickle.loads(pickle.dumps(error)).message == error.message
    way = way_to(aws_provider, config)
    await signer_of(way).sign("POST", "http://127.0.0.1/", {}, b"")
    call = HttpCall("http://127.0.0.1/", b"", way.headers, signer=way.signer)
    for shown in (repr(way), repr(call), repr(way.signer), str(call)):
        assert SECRET not in shown
        assert "AKID" not in shown


def _signed_at(signer: AwsSigner, moment: datetime, url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moment

    monkeypatch.setattr("exllm.credentials.aws.datetime", Clock)
    signing = signer.sign("POST", url, {"content-type": "application/json"}, b"{}")
    with pytest.raises(StopIteration) as done:
        signing.send(None)
    headers: dict[str, str] = done.value.value[1]
    return headers


def test_a_signer_that_is_shared_signs_each_day_and_region_as_a_fresh_one(
    aws_provider: ProviderSpec, without_extras: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = signer_of(way_to(aws_provider, Static({"signed": KEYS})))
    assert shared.is_steady
    evening = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    for moment in (evening, evening, evening + timedelta(seconds=1), evening):
        for region in ("eu-central-1", "us-east-1", "eu-central-1"):
            url = f"https://bedrock-runtime.{region}.amazonaws.com/model/m/converse"
            fresh = signer_of(way_to(aws_provider, Static({"signed": KEYS})))
            expected = _signed_at(fresh, moment, url, monkeypatch)
            assert _signed_at(shared, moment, url, monkeypatch) == expected
            assert f"/{moment:%Y%m%d}/{region}/" in expected["authorization"]
