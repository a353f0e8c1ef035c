"""Every built-in provider through the conformance class: its own spec, over a server that speaks its protocol.

What comes of it is the matrix at the end of the test report.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager

import pytest

import exllm
from exllm.config import Static
from exllm.providers import ProviderSpec, list_providers, registry
from exllm.providers.wire import supported_options
from exllm.testing import ProviderConformance
from tests.conformance_matrix import CHECKS, drawn, results
from tests.faults.dialects import DIALECTS, Dialect
from tests.faults.server import Behaviour, FaultServer, Peer
from tests.faults.thread import server_thread

KEY = "sk-test-0123456789"
AWS_KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG", "region": "us-east-1"}
IBM_TOKEN = {"api_key": "eyJraWQi.eyJpYW1f.c2lnbmF0", "project_id": "63dc4cf1"}
BROKEN = {"bedrock_invoke": "anthropic.broken", "replicate_predictions": "some/broken"}
"""Models that are not answered for, where a name must have a form."""
REFUSABLE = {"top_k": 3, "seed": 3, "min_p": 0.5, "store": True, "betas": ["some"]}


def _spec(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


NAMES = [info.name for info in list_providers() if info.wire is not None]
BY_WIRE = {_spec(dialect.provider).wire: dialect for dialect in DIALECTS}


def _config(spec: ProviderSpec, url: str) -> Static:
    """What a call to the provider needs, at this address: a key, or what signs its requests."""
    credentials = {"aws": AWS_KEYS, "ibm": IBM_TOKEN}.get(spec.auth.kind, {"api_key": KEY})
    return Static({spec.name: {**credentials, "base_url": url}})


def _model(spec: ProviderSpec, dialect: Dialect) -> str:
    """One of the provider's own models where the protocol does not hang on it."""
    own = dialect.model if spec.wire == "bedrock_invoke" else spec.default_model
    return f"{spec.name}/{own or dialect.model}"


def _behave(dialect: Dialect) -> Behaviour:
    """Answer for every model but those called broken."""
    fine, broken = dialect.reply(), dialect.refuse("400 Bad Request")

    async def behave(peer: Peer) -> None:
        asked = (
            peer.request.body and peer.request.json.get("model", peer.request.json.get("model_id"))
        ) or peer.request.path  # some name it there
        await (broken if "broken" in asked else fine)(peer)

    return behave


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, FaultServer]]:
    """A server for each wire, for all tests."""
    with ExitStack() as stack:
        yield {
            wire: stack.enter_context(server_thread(_behave(dialect), detour=dialect.detour))
            for wire, dialect in BY_WIRE.items()
        }


class TestEveryProvider(ProviderConformance):
    failing_error = exllm.InvalidRequest

    @pytest.fixture(autouse=True, params=NAMES)
    def _provider(self, request: pytest.FixtureRequest, servers: dict[str, FaultServer]) -> None:
        spec = _spec(request.param)
        options = supported_options(registry.wire(spec.wire), spec)
        self.reports_usage = BY_WIRE[spec.wire].counts_tokens
        self.model = _model(spec, BY_WIRE[spec.wire])
        self.failing_model = f"{spec.name}/{BROKEN.get(spec.wire, 'broken')}"
        self.refused_option = next({name: value} for name, value in REFUSABLE.items() if name not in options)
        self._config = _config(spec, servers[spec.wire].url)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[exllm.Client]:
        async with exllm.Client(config=self._config) as client:
            yield client


@pytest.mark.parametrize("name", NAMES)
async def test_a_call_proves_who_makes_it(name: str, servers: dict[str, FaultServer]) -> None:
    spec = _spec(name)
    server = servers[spec.wire]
    before = len(server.requests)
    async with exllm.Client(config=_config(spec, server.url)) as client:
        await client.chat(_model(spec, BY_WIRE[spec.wire]), "Hi")
    (request,) = server.requests[before:]
    if spec.auth.kind == "aws":
        sent = request.headers["authorization"]
        assert sent.startswith(f"AWS4-HMAC-SHA256 Credential={AWS_KEYS['aws_access_key_id']}/")
        assert f"/us-east-1/{spec.auth.service}/aws4_request" in sent
    else:
        key = IBM_TOKEN["api_key"] if spec.auth.kind == "ibm" else KEY
        assert request.headers[spec.auth.header.lower()] == f"{spec.auth.prefix}{key}"
    assert AWS_KEYS["aws_secret_access_key"] not in str(request)


# -- the matrix


def test_the_matrix_shows_the_worst_of_each_check_beside_its_provider() -> None:
    first, last = CHECKS[0], CHECKS[-1]
    rows = results(
        iter([("passed", f"b {first}"), ("failed", f"b {first}"), ("passed", f"b {last}"), ("skipped", f"a {last}")])
    )
    assert rows == {"a": {last: "skipped"}, "b": {first: "failed", last: "passed"}}
    *legend, head, line = drawn(rows, 200)
    assert len(legend) == len(CHECKS) + 1
    between = " " * (len(CHECKS) - 2)
    assert head.split() == ["abcdefghijklmnopqrstuvwxyz"[: len(CHECKS)]] * 2
    assert line == f"a  {between}-  b X{between}+"
    assert drawn(rows, 20)[-2:] == [f"a  {between}-", f"b X{between}+"]
