"""Every provider that is data, pointed at aimock: the same answer, whatever its quirks."""

from __future__ import annotations

import pytest

import exllm
from exllm.providers import ProviderSpec, registry
from exllm.providers.wire import supported_options
from tests.e2e.aimock.server import BASES, KEY, Aimock
from tests.e2e.test_aimock_answers import HELLO, OSLO, PARIS, WEATHER

pytestmark = pytest.mark.node

WIRES = (
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
    "gemini_interactions",
    "cohere_chat",
)
UNKNOWN_TO_AIMOCK = ("vertex-anthropic", "vertex-express", "perplexity-agent", "writer")  # their paths
SPECS = {
    info.name: spec
    for info in registry.list_providers()
    if isinstance(spec := registry.get(info.name), ProviderSpec)
    and spec.wire in WIRES
    and spec.name not in UNKNOWN_TO_AIMOCK
}


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
FORM_IS_SEEN = ("openai_chat", "cohere_chat")  # aimock's journal leaves it out of the others
REASONING = ("reasoning_effort", "thinking")
# aimock has thoughts of OpenAI's reasoning models alone, whose names it knows, and none of Cohere's or of
# interactions.
SHOW_NO_THOUGHTS = ("openai", "openai-responses", "cohere", "gemini-interactions")


def _takes(name: str, *options: str) -> bool:
    spec = SPECS[name]
    return not supported_options(registry.wire(spec.wire), spec).isdisjoint(options)


def _base_url(aimock: Aimock, name: str) -> str:
    if name in BASES:
        return aimock.base_url(name)
    # aimock finds OpenAI's endpoint at the end of any path that does not begin with the version.
    return aimock.url if SPECS[name].wire == "anthropic_messages" else f"{aimock.url}/{name}"


@pytest.mark.shows("chat", "stream", "usage")
@pytest.mark.parametrize("name", SPECS)
async def test_the_answer_is_the_same_from_every_provider(aimock: Aimock, name: str) -> None:
    spec = SPECS[name]
    model = f"{name}/{spec.default_model or 'some-model'}"
    way = {"api_key": KEY, "base_url": _base_url(aimock, name)}
    async with exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client:
        whole = await client.chat(model, "say hello", max_tokens=500, **way)  # type: ignore[arg-type]
        async with client.stream(model, "say hello", max_tokens=500, **way) as stream:  # type: ignore[arg-type]
            streamed = await stream.collect()
    assert whole.text == streamed.text == HELLO
    assert whole.finish_reason == streamed.finish_reason == "stop"
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (7, 9)
    body = (await aimock.arrived(streamed.request_id))["body"]
    if spec.wire == "openai_chat" and "stream_options" not in body:
        assert "no_stream_options" in spec.quirks
        assert streamed.usage.provenance == "unknown"
    else:
        assert streamed.usage == whole.usage
    arrived = await aimock.arrived(whole.request_id)
    assert spec.paths.chat.replace("{model}", model.partition("/")[2]) in arrived["path"]
    assert spec.auth.header in arrived["headers"]
    assert body["model"] == ("" if "model_in_path" in spec.quirks else model.partition("/")[2])


@pytest.mark.shows("tools")
@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if "tools" not in spec.unsupported])
async def test_tools_are_called_from_every_provider_that_has_them(aimock: Aimock, name: str) -> None:
    spec = SPECS[name]
    model = f"{name}/{spec.default_model or 'some-model'}"
    async with (
        exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client,
        client.stream(model, "two cities", tools=[WEATHER], api_key=KEY, base_url=_base_url(aimock, name)) as stream,
    ):
        response = await stream.collect()
    assert response.tool_calls == (PARIS, OSLO)


@pytest.mark.shows("errors")
@pytest.mark.parametrize("name", SPECS)
async def test_a_rate_limit_is_told_as_one_by_every_provider(aimock: Aimock, name: str) -> None:
    model = f"{name}/{SPECS[name].default_model or 'some-model'}"
    async with exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client:
        with pytest.raises(exllm.RateLimited, match="Slow down") as caught:
            await client.chat(model, "too fast", max_tokens=500, api_key=KEY, base_url=_base_url(aimock, name))
    assert (caught.value.status, caught.value.provider, caught.value.retry_after_s) == (429, name, 7)


@pytest.mark.shows("reasoning")
@pytest.mark.parametrize("name", [name for name in SPECS if name not in SHOW_NO_THOUGHTS and _takes(name, *REASONING)])
async def test_thoughts_are_apart_from_the_text_of_every_provider_that_reasons(aimock: Aimock, name: str) -> None:
    model = f"{name}/{SPECS[name].default_model or 'some-model'}"
    way = {"api_key": KEY, "base_url": _base_url(aimock, name)}
    async with (
        exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client,
        client.stream(model, "think", max_tokens=5000, **way) as stream,  # type: ignore[arg-type]
    ):
        response = await stream.collect()
    assert (response.reasoning, response.text) == ("Let me think step by step about it.", "42")


@pytest.mark.shows("structured output")
@pytest.mark.parametrize(
    "name", [name for name, spec in SPECS.items() if spec.wire in FORM_IS_SEEN and _takes(name, "response_format")]
)
async def test_the_form_of_the_answer_arrives_from_every_provider(aimock: Aimock, name: str) -> None:
    """As a JSON Schema, or as "some JSON" where the provider knows no schema. aimock obeys neither."""
    spec = SPECS[name]
    model = f"{name}/{spec.default_model or 'some-model'}"
    way = {"api_key": KEY, "base_url": _base_url(aimock, name)}
    form = "json" if "no_json_schema" in spec.quirks else SCHEMA
    async with exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client:
        reply = await client.chat(model, "say hello", max_tokens=500, response_format=form, **way)  # type: ignore[arg-type]
    arrived = (await aimock.arrived(reply.request_id))["body"]["response_format"]
    if form == "json":
        assert arrived == {"type": "json_object"}
    else:
        given = arrived.get("json_schema", arrived)
        assert SCHEMA in (given, given.get("schema"))


@pytest.mark.shows("model list")
@pytest.mark.parametrize("name", ["openai", "openai-responses", "anthropic", "cohere"])
async def test_a_model_list_is_read(aimock: Aimock, name: str) -> None:
    async with aimock.client() as client:
        models = await client.list_models(name, kinds=None)
    assert models
    assert {model.provider for model in models} == {name}
    assert not any(model.source == "catalog" for model in models)
