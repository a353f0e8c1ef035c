"""Every provider that is data, pointed at aimock: the same answer, whatever its quirks."""

from __future__ import annotations

import pytest

import exllm
from exllm.providers import ProviderSpec, registry
from tests.e2e.aimock.server import BASES, KEY, Aimock
from tests.e2e.test_aimock_answers import HELLO, OSLO, PARIS, WEATHER

pytestmark = pytest.mark.node

WIRES = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate", "cohere_chat")
UNKNOWN_TO_AIMOCK = ("vertex-anthropic", "vertex-express", "perplexity-agent", "writer")  # their paths
SPECS = {
    info.name: spec
    for info in registry.list_providers()
    if isinstance(spec := registry.get(info.name), ProviderSpec)
    and spec.wire in WIRES
    and spec.name not in UNKNOWN_TO_AIMOCK
}


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


@pytest.mark.shows("model list", providers=("openai",))
async def test_a_model_list_is_read(aimock: Aimock) -> None:
    async with aimock.client() as client:
        models = await client.list_models("openai")
    assert {model.id for model in models} >= {"gpt-4"}
    assert {model.provider for model in models} == {"openai"}
