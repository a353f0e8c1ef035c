"""Signatures are those of the published test suite, and those of botocore."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exllm.credentials.sigv4 import (
    AwsKeys,
    Scope,
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    derived_key,
    hash_of,
    sign,
    signature,
    string_to_sign,
)
from tests.vectors import load

VECTORS = load("aws_sigv4")
NORMALISED = [case for case in VECTORS if case["context"]["normalize"]]
TIME = "20150830T123600Z"


def by_name(case: dict[str, Any]) -> str:
    name: str = case["name"]
    return name


class Given:
    """A case in the terms of the signer."""

    def __init__(self, case: dict[str, Any]) -> None:
        context, request = case["context"], case["request"]
        assert context["timestamp"] == "2015-08-30T12:36:00Z"
        self.scope = Scope(TIME, context["region"], context["service"])
        credentials = context["credentials"]
        self.is_token_signed = not context.get("omit_session_token")
        self.token = credentials.get("token")
        self.keys = AwsKeys(credentials["access_key_id"], credentials["secret_access_key"], self.token)
        self.method = request["method"]
        self.path, _, self.query = request["target"].partition("?")
        self.is_normalised = context["normalize"]
        self.body = request["body"].encode()
        self.headers = [(name, value) for name, value in request["headers"]]
        self.body_header = [("x-amz-content-sha256", hash_of(self.body))] if context["sign_body"] else []
        self.lifetime_s = context["expiration_in_seconds"]

    def canonical(self, query: str, headers: list[tuple[str, str]]) -> str:
        path = canonical_path(self.path) if self.is_normalised else quote(self.path, safe="/~")
        return canonical_request(
            self.method, path, canonical_query(query), *canonical_headers(headers), hash_of(self.body)
        )


@pytest.mark.parametrize("case", VECTORS, ids=by_name)
def test_each_step_of_signing_by_headers_is_the_published_one(case: dict[str, Any]) -> None:
    it, expect = Given(case), case["expect"]
    token = [("X-Amz-Security-Token", it.token)] if it.token and it.is_token_signed else []
    request = it.canonical(it.query, [*it.headers, ("X-Amz-Date", TIME), *it.body_header, *token])
    assert request == expect["header-canonical-request"]
    assert string_to_sign(request, it.scope) == expect["header-string-to-sign"]
    made = signature(expect["header-string-to-sign"], derived_key(it.keys.secret_access_key, it.scope))
    assert made == expect["header-signature"]


@pytest.mark.parametrize("case", VECTORS, ids=by_name)
def test_each_step_of_signing_by_query_is_the_published_one(case: dict[str, Any]) -> None:
    it, expect = Given(case), case["expect"]
    _, names = canonical_headers(it.headers)
    added = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{it.keys.access_key_id}/{it.scope}",
        "X-Amz-Date": TIME,
        "X-Amz-Expires": str(it.lifetime_s),
        "X-Amz-SignedHeaders": names,
    }
    if it.token and it.is_token_signed:
        added["X-Amz-Security-Token"] = it.token
    query = "&".join(filter(None, [it.query, *(f"{name}={quote(value, safe='~')}" for name, value in added.items())]))
    request = it.canonical(query, it.headers)
    assert request == expect["query-canonical-request"]
    assert string_to_sign(request, it.scope) == expect["query-string-to-sign"]
    assert (
        signature(expect["query-string-to-sign"], derived_key(it.keys.secret_access_key, it.scope))
        == expect["query-signature"]
    )


@pytest.mark.parametrize("case", [case for case in NORMALISED if Given(case).is_token_signed], ids=by_name)
def test_the_headers_added_are_the_published_ones(case: dict[str, Any]) -> None:
    it = Given(case)
    added = sign(it.method, it.path, it.query, [*it.headers, *it.body_header], it.body, it.keys, it.scope)
    lines = case["expect"]["header-signed-request"].split("\n\n")[0].split("\n")
    published = {name.lower(): value for name, _, value in (line.partition(":") for line in lines if ":" in line)}
    assert added == {name: published[name] for name in added}
    assert {"authorization", "x-amz-date"} <= added.keys()
    assert ("x-amz-security-token" in added) is (it.token is not None)


# -- generated requests, against botocore

text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20)
model_ids = st.one_of(
    st.from_regex(r"(us|eu|global)?\.?[a-z]{3,9}\.[a-z0-9.-]{1,30}-v[0-9]:[0-9]", fullmatch=True),
    st.builds(
        "arn:aws:bedrock:{}:{:012}:{}/{}".format,
        st.sampled_from(["us-east-1", "eu-central-1"]),
        st.integers(0, 10**12 - 1),
        st.sampled_from(["inference-profile", "application-inference-profile", "imported-model", "provisioned-model"]),
        text,
    ),
    text,
)
written_paths = st.one_of(
    model_ids.map(lambda name: f"/model/{quote(name, safe='')}/converse-stream"),
    model_ids.map(lambda name: f"/model/{quote(name, safe=':')}/invoke"),
    st.lists(st.sampled_from(["", ".", "..", "a", "b%20c", "%2F", "d:e", "~f", "g@h", "(i)"]), max_size=6).map(
        lambda parts: "/" + "/".join(parts)
    ),
)
queries = st.lists(st.tuples(text, st.one_of(st.just(""), text)), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
)
header_names = st.from_regex(r"x-[a-z]{1,12}(-[a-zA-Z0-9]{1,8})?", fullmatch=True)
headers = st.dictionaries(
    header_names.map(str.lower).filter(lambda name: name not in ("x-amz-date", "x-amz-security-token")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    max_size=4,
)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=50)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=written_paths,
    query=queries,
    headers=headers,
    body=st.binary(max_size=200),
    key_id=st.from_regex(r"A[A-Z0-9]{15,19}", fullmatch=True),
    secret=secrets,
    token=st.none() | secrets,
    region=st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1"]),
    service=st.sampled_from(["bedrock", "sagemaker"]),
)
def test_signatures_equal_botocores(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, key_id: str, secret: str,
    token: str | None, region: str, service: str,
) -> None:  # fmt: skip
    host = f"{service}-runtime.{region}.amazonaws.com"
    url = f"https://{host}{path}{'?' + query if query else ''}"
    request = AWSRequest(method, url, headers, body)
    signer = auth.SigV4Auth(Credentials(key_id, secret, token), service, region)
    signer.add_auth(request)
    time = request.headers["X-Amz-Date"]
    parts = urlsplit(url)
    added = sign(
        method, parts.path, parts.query, [("host", host), *headers.items()], body,
        AwsKeys(key_id, secret, token), Scope(time, region, service),
    )  # fmt: skip
    assert added["authorization"] == request.headers["Authorization"]
    assert added.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")


def test_headers_of_an_earlier_attempt_are_replaced() -> None:
    keys, scope = AwsKeys("AKID", "secret", "token"), Scope(TIME, "us-east-1", "bedrock")
    first = sign("POST", "/", "", [("host", "h")], b"", keys, scope)
    stale = [("host", "h"), ("X-Amz-Date", "20000101T000000Z"), ("x-amz-security-token", "old")]
    assert sign("POST", "/", "", stale, b"", keys, scope) == first


def test_keys_are_not_shown() -> None:
    assert repr(AwsKeys("AKIDEXAMPLE", "very-secret", "token")) == "AwsKeys(***)"
