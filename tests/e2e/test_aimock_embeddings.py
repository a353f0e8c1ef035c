"""Embeddings over HTTP, with aimock as the provider.

It knows no `batchEmbedContents` of Gemini and answers Ollama's `/api/embed` in the shape of the older endpoint; these
two are held against recordings instead.
"""

from __future__ import annotations

import msgspec
import pytest

import exllm
from exllm.providers import ProviderSpec, registry
from tests.e2e.aimock.server import KEY, Aimock

pytestmark = pytest.mark.node

VECTOR = [0.5, -1.25, 2.0]
COMPATIBLE = sorted(
    info.name
    for info in registry.list_providers()
    if isinstance(spec := registry.get(info.name), ProviderSpec)
    and spec.embeddings.wire == "openai"
    and spec.paths.embeddings is not None
)


@pytest.mark.shows("embeddings")
@pytest.mark.parametrize("name", COMPATIBLE)
async def test_every_compatible_provider_that_embeds_gives_the_vectors(aimock: Aimock, name: str) -> None:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    quantised = spec.embeddings.format == "int8"
    model = f"{name}/{spec.embeddings.default_model or 'some-model'}"
    async with exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client:
        way = {"api_key": KEY, "base_url": f"{aimock.url}/{name}"}
        if quantised:  # aimock has floats only
            with pytest.raises(exllm.ProtocolError, match="no whole number"):
                await client.embed(model, "embed this", **way)  # type: ignore[arg-type]
            return
        reply = await client.embed(model, ["embed this", "and that"], **way)  # type: ignore[arg-type]
    assert reply.vectors == [VECTOR, VECTOR]


@pytest.mark.shows("embeddings")
@pytest.mark.parametrize("provider", ["openai", "cohere"])
async def test_many_texts_come_back_in_batches(aimock: Aimock, provider: str) -> None:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    count = spec.embeddings.max_inputs * 2 + 1
    async with aimock.client() as client:
        reply = await client.embed(provider, ["embed this"] * count)
    assert len(reply.vectors) == count
    assert set(map(tuple, reply.vectors)) == {tuple(VECTOR)}
    assert reply.dimensions == 3


@pytest.mark.parametrize("provider", ["openai", "cohere"])
async def test_errors_are_told_as_what_they_are(aimock: Aimock, provider: str) -> None:
    async with aimock.client() as client:
        with pytest.raises(exllm.RateLimited, match="Slow down") as caught:
            await client.embed(provider, "embed too often")
        assert (caught.value.status, caught.value.provider) == (429, provider)
        with pytest.raises(exllm.NotFound, match="No such model"):
            await client.embed(provider, "embed the impossible")
    async with aimock.client(retry=exllm.RetryPolicy(attempts=3, base_s=0.001)) as client:
        with pytest.raises(exllm.RateLimited) as caught:
            await client.embed(provider, "embed too often")
        assert caught.value.attempts == 3


@pytest.mark.parametrize("provider", ["openai", "cohere", "azure", "azure-deployments", "openrouter"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("malformed", exllm.ProtocolError),
        ("disconnect", exllm.ConnectionFailed),
        ("drop", exllm.ServerError),
        ("ratelimit", exllm.RateLimited),
    ],
)
async def test_chaos_is_one_of_our_errors(
    aimock: Aimock, provider: str, kind: str, error: type[exllm.ExLLMError]
) -> None:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    chaotic = msgspec.structs.replace(
        spec, name=f"chaotic-{provider}", aliases=(), headers={f"x-aimock-chaos-{kind}": "1"}
    )
    registry.register(chaotic)
    try:
        async with exllm.Client(retry=exllm.RetryPolicy(attempts=1)) as client:
            model = f"{chaotic.name}/{spec.embeddings.default_model or 'my-deployment'}"
            with pytest.raises(error) as caught:
                await client.embed(model, "embed this", api_key=KEY, base_url=aimock.base_url(provider))
        assert caught.value.provider == chaotic.name
    finally:
        registry.unregister(chaotic.name)
