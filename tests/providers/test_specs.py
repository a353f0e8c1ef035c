"""Every built-in spec: it parses, it is complete, it is sourced, and a call through it can be built."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

import exllm
from exllm import Message, Options
from exllm.access import access
from exllm.config import Static
from exllm.providers import ProviderSpec, registry
from exllm.providers.spec import check_quirks
from exllm.providers.wire import supported_options
from exllm.types.request import Request
from tests.faults.server import FaultServer, Peer

NAMES = sorted(registry._built_in_names())
WITHOUT_DEFAULT_MODEL = {
    "azure",  # the model is the name of a deployment
    "azure-responses",
    "azure-voice-live",
    "azure-deployments",
    "sagemaker",  # or of an endpoint
    "sagemaker-invoke",
    "vllm",  # it serves what it was started with, under that name only
    "vllm-completions",
    "nim",
    "anyscale",
    "watsonx-gateway",  # its models are those that somebody set up
    "portkey",
}
RESERVED = {"local", "mock"}


def spec_of(name: str) -> ProviderSpec:
    spec = registry._load(name)
    assert isinstance(spec, ProviderSpec)
    return spec


def test_there_are_all_that_were_promised() -> None:
    assert len(NAMES) >= 25
    assert {
        "openai", "anthropic", "azure", "groq", "xai", "mistral", "perplexity", "openrouter", "lmstudio", "together",
        "fireworks", "deepseek", "deepinfra", "databricks", "vllm", "huggingface", "baseten", "cerebras", "nvidia",
        "moonshot", "azure-deployments", "sagemaker", "watsonx", "snowflake", "heroku", "anyscale", "writer",
    } <= set(NAMES)  # fmt: skip


def test_names_and_aliases_are_unique_and_leave_the_reserved_ones_free() -> None:
    taken = [name for spec in map(spec_of, NAMES) for name in (spec.name, *spec.aliases)]
    assert len(taken) == len(set(taken))
    assert not RESERVED & set(taken)


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_is_complete(name: str) -> None:
    spec = spec_of(name)
    assert spec.name == name
    assert spec.label != spec.name
    assert spec.docs.startswith("https://")
    assert bool(spec.default_model) is (name not in WITHOUT_DEFAULT_MODEL)
    check_quirks(spec, registry._known_quirks(spec.wire), name)


@pytest.mark.parametrize("name", NAMES)
def test_only_servers_on_this_machine_are_without_https_and_without_key(name: str) -> None:
    spec = spec_of(name)
    host = urlsplit(spec.base_url).hostname
    assert spec.local is (host == "localhost")
    assert spec.base_url.startswith("http://localhost:" if spec.local else "https://")
    assert spec.auth.required is not spec.local
    if not spec.local:
        assert spec.api_key_env or spec.auth.kind == "aws"


@pytest.mark.parametrize("name", NAMES)
def test_variables_end_in_what_they_hold(name: str) -> None:
    spec = spec_of(name)
    for variable in spec.api_key_env:
        assert re.search(r"_(API_?KEY|TOKEN|PAT|SECRET_KEY|KEY)$|^AWS_BEARER_TOKEN_", variable), variable
    for variable in spec.base_url_env:
        assert re.search(r"_(URL|ENDPOINT|HOST)$|^AWS_ENDPOINT_URL_", variable), variable


@pytest.mark.parametrize("name", NAMES)
def test_what_a_spec_restricts_is_something_that_its_wire_could_do(name: str) -> None:
    spec = spec_of(name)
    wire = registry.wire(spec.wire)
    assert spec.unsupported <= wire.options
    restricted = spec.parameters.keys() & set(Options.__struct_fields__)
    assert restricted <= supported_options(wire, spec)
    for rule in spec.parameters.values():
        assert len(rule.values) == len(set(map(repr, rule.values)))


@pytest.mark.parametrize("name", NAMES)
def test_a_request_can_be_built_and_goes_to_the_providers_host(name: str) -> None:
    from exllm.access import access

    spec = spec_of(name)
    key = "k-0123456789"
    values = {"api_key": key, **dict.fromkeys(spec.settings, "mine")}
    way = access(spec, Static({name: values}), None, None)
    assert "{" not in way.base_url
    assert key in (way.signer.secrets if way.signer is not None else way.headers[spec.auth.header])
    request = Request(
        name,
        spec.default_model or "m",
        (Message("user", "Hi"),),
        Options(max_tokens=5),
        dict.fromkeys(spec.body_env, "mine"),
    )
    built = registry.wire(spec.wire).build(request, spec)
    here = spec.paths.chat.partition("{")[0].partition("?")[0]
    assert built.path.startswith(here)  # the model may be part of the path
    assert "{" not in built.path
    body = msgspec.json.decode(built.body)
    assert request.model in (body.get("model"), body.get("model_id")) or request.model in built.path
    assert 5 in _limits(body)
    assert body.get("stream") is True or "stream" in built.path.lower()


def _limits(body: dict[str, Any]) -> list[Any]:
    """The values of a body, and those of the objects in it: where the limit stands differs."""
    inner = [value for value in body.values() if isinstance(value, dict)]
    return [*body.values(), *(value for fields in inner for value in fields.values())]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_nothing_twice_and_nothing_that_is_the_default(name: str) -> None:
    text = (registry.SPECS_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    keys = re.findall(r"^(\w+):", text, re.MULTILINE)
    assert len(keys) == len(set(keys))
    defaults = msgspec.to_builtins(ProviderSpec("", "", ""))
    assert [key for key, value in data.items() if defaults[key] == value] == []
    for field in ("quirks", "unsupported", "aliases", "api_key_env"):
        values = data.get(field, [])
        assert len(values) == len(set(values))


def test_the_specs_are_part_of_the_package() -> None:
    assert registry.SPECS_DIRECTORY.is_relative_to(Path(exllm.__file__).parent)


def test_slow_starters_get_more_time() -> None:
    for name in ("lmstudio", "ollama-openai", "gemini-openai"):
        assert (spec_of(name).timeouts.first_chunk, spec_of(name).timeouts.idle) == (600, 600)


def test_groq_is_sent_no_names_of_messages_and_that_is_said() -> None:
    request = Request("groq", "m", (Message("user", "Hi", "ann"),))
    built = registry.wire("openai_chat").build(request, spec_of("groq"))
    assert msgspec.json.decode(built.body)["messages"] == [{"role": "user", "content": "Hi"}]
    assert built.warnings == ("Groq takes no names of messages; they were not sent",)


def test_the_model_may_stand_in_the_path() -> None:
    wire = registry.wire("openai_chat")
    azure = wire.build(Request("azure-deployments", "my/gpt 4", (Message("user", "Hi"),)), spec_of("azure-deployments"))
    assert azure.path == "/openai/deployments/my%2Fgpt%204/chat/completions?api-version=2024-10-21"
    assert msgspec.json.decode(azure.body)["model"] == "my/gpt 4"
    sagemaker = wire.build(Request("sagemaker", "qwen3", (Message("user", "Hi"),)), spec_of("sagemaker"))
    assert sagemaker.path == "/endpoints/qwen3/openai/v1/chat/completions"
    assert msgspec.json.decode(sagemaker.body)["model"] == ""


async def test_a_path_with_a_model_and_a_query_arrives_as_it_was_built() -> None:
    async def answer(peer: Peer) -> None:
        await peer.answer(b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}')

    async with FaultServer(answer) as server:
        keys = {"azure-deployments": {"api_key": "k-1", "base_url": server.url}}
        async with exllm.Client(config=Static(keys)) as client:
            response = await client.chat("azure-deployments/my gpt/4", "Hi")
    assert response.text == "Hello"
    (request,) = server.requests
    assert request.path == "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == "k-1"


async def test_a_service_whose_keys_do_not_last_takes_a_function_for_one() -> None:
    async def answer(peer: Peer) -> None:
        await peer.answer(b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}')

    for name in ("sagemaker", "watsonx-gateway", "azure-deployments"):
        async with FaultServer(answer) as server:
            source = Static({name: {"api_key": iter(["t-1", "t-2"]).__next__, "base_url": server.url}})
            async with exllm.Client(config=source) as client:
                await client.chat(f"{name}/m", "Hi")
                await client.chat(f"{name}/m", "Hi")
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer t-1", "Bearer t-2"]


SHARING = [spec for spec in map(spec_of, NAMES) if spec.config_of is not None]


@pytest.mark.parametrize("spec", SHARING, ids=lambda spec: spec.name)
def test_a_service_by_another_protocol_takes_the_key_that_the_config_holds_for_it(spec: ProviderSpec) -> None:
    assert spec.config_of is not None
    other = registry.get(spec.config_of)
    assert isinstance(other, ProviderSpec)
    assert other.config_of is None
    assert spec.shares_address is (spec.base_url == other.base_url)
    settings = dict.fromkeys(spec.settings, "x1")
    shared = {"api_key": "theirs", "base_url": "https://proxy.example/v9", **settings}
    way = access(spec, Static({other.name: shared}), None, None)
    assert "theirs" in (way.secret, *(() if way.signer is None else way.signer.secrets))
    assert way.base_url.startswith("https://proxy.example/v9") is spec.shares_address
    own = access(spec, Static({other.name: shared, spec.name: {"api_key": "own"}}), None, None)
    assert "own" in (own.secret, *(() if own.signer is None else own.signer.secrets))
    assert registry.configured(spec.name, Static({other.name: shared}))
