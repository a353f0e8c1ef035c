"""The recorded exchanges of `tests/recordings/embeddings`, and what the vendors' SDKs make of the same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cohere
import httpx
import msgspec
import ollama
import openai
from google import genai
from google.genai import types as genai_types
from mistralai.client import Mistral

from exllm.providers import registry
from exllm.providers.spec import ProviderSpec

DIRECTORY = Path(__file__).parent.parent / "recordings" / "embeddings"

# Spoken by no spec of ours: it embeds and does not chat. Registered like this it is at anybody's hand.
VOYAGE = {
    "name": "voyage",
    "wire": "openai_chat",
    "base_url": "https://api.voyageai.com/v1",
    "api_key_env": ["VOYAGE_API_KEY"],
    "paths": {"embeddings": "/embeddings"},
    "embeddings": {
        "default_model": "voyage-4",
        "max_inputs": 1000,
        "formats": {"base64": "base64"},
        "format": "base64",
        "dimensions_field": "output_dimension",
        "task_types": {"query": "query", "document": "document"},
    },
}


class Row(msgspec.Struct):
    file: str
    kind: str
    provider: str
    status: int
    source: str
    licence: str


INDEX = msgspec.json.decode((DIRECTORY / "INDEX.json").read_bytes(), type=list[Row])


def names(*kinds: str) -> list[str]:
    """The recordings of these kinds: a wire's name, or ``error``."""
    return [row.file.removesuffix(".json") for row in INDEX if row.kind in kinds]


class Recording(msgspec.Struct):
    name: str
    kind: str
    provider: str
    request: Any  # the body, decoded; None where it was not published
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


@functools.cache
def load(name: str) -> Recording:
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    row = next(row for row in INDEX if row.file == f"{name}.json")
    asked, response = data["request"], data["response"]
    body = asked["body"]
    return Recording(
        name,
        row.kind,
        row.provider,
        json.loads(body) if isinstance(body, str) and body else body or None,
        asked["path"],
        response["status"],
        {key.lower(): value for key, value in response["headers"].items()},
        response["body"].encode(),
    )


def spec_of(provider: str) -> ProviderSpec:
    if provider == "voyage":
        from exllm.providers.spec import parse_spec

        return parse_spec(VOYAGE, "voyage")
    found = registry.get(provider)
    assert isinstance(found, ProviderSpec)
    return found


# -- the vendors' SDKs


class Sent(msgspec.Struct):
    """What an SDK sent, and the vectors and tokens that it read."""

    url: str
    body: Any
    vectors: list[list[float]]
    tokens: int | None


def by_sdk(wire: str, answer: bytes, model: str, texts: list[str], **options: Any) -> Sent:
    """Let the SDK of `wire` embed `texts`, with `answer` as the server's."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=answer, headers={"content-type": "application/json"})

    with httpx.Client(transport=httpx.MockTransport(handle), trust_env=False) as client:
        vectors, tokens = _SDKS[wire](client, model, texts, options)
    (request,) = seen
    return Sent(str(request.url), json.loads(request.content), vectors, tokens)


def _openai(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any]) -> tuple[Any, Any]:
    sdk = openai.OpenAI(api_key="none", base_url="https://api.example/v1", http_client=client, max_retries=0)
    answer = sdk.embeddings.create(model=model, input=texts, **options)
    usage = answer.usage
    tokens = getattr(usage, "prompt_tokens", None)
    return [row.embedding for row in answer.data], usage.total_tokens if tokens is None else tokens


def _mistral(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any]) -> tuple[Any, Any]:
    answer = Mistral(api_key="none", client=client).embeddings.create(model=model, inputs=texts, **options)
    return [row.embedding for row in answer.data], answer.usage.prompt_tokens


def _cohere(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any]) -> tuple[Any, Any]:
    sdk = cohere.ClientV2("none", httpx_client=client)
    wanted = options.setdefault("embedding_types", ["float"])[0]
    options.setdefault("input_type", "search_document")
    answer = sdk.embed(model=model, texts=texts, **options)
    vectors = getattr(answer.embeddings, "float_" if wanted == "float" else wanted)
    billed = answer.meta and answer.meta.billed_units
    return vectors, int(billed.input_tokens) if billed else None


def _ollama(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any]) -> tuple[Any, Any]:
    sdk = ollama.Client(host="http://localhost:11434", transport=client._transport, trust_env=False)
    try:
        answer = sdk.embed(model, texts, **options)
    finally:
        sdk._client.close()
    return [list(vector) for vector in answer.embeddings], answer.prompt_eval_count


def _google(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any], **kind: Any) -> Any:
    http_options = genai_types.HttpOptions(httpx_client=client)
    sdk = genai.Client(api_key="none", http_options=http_options, **kind)
    config = genai_types.EmbedContentConfig(**options)
    # One content for each text: the SDK joins plain strings for the newest models.
    contents = [genai_types.Content(role="user", parts=[genai_types.Part(text=text)]) for text in texts]
    answer = sdk.models.embed_content(model=model, contents=contents if kind == {} else texts, config=config)
    vectors = [list(embedding.values) for embedding in answer.embeddings]
    if answer.usage_metadata is not None:
        return vectors, answer.usage_metadata.prompt_token_count
    counts = [embedding.statistics and embedding.statistics.token_count for embedding in answer.embeddings]
    return vectors, None if None in counts else int(sum(counts))


def _gemini(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any]) -> Any:
    return _google(client, model, texts, options)


def _vertex(client: httpx.Client, model: str, texts: list[str], options: dict[str, Any]) -> Any:
    return _google(client, model, texts, options, vertexai=True)


_SDKS: dict[str, Callable[[httpx.Client, str, list[str], dict[str, Any]], tuple[Any, Any]]] = {
    "openai": _openai,
    "mistral": _mistral,
    "cohere": _cohere,
    "ollama": _ollama,
    "gemini": _gemini,
    "vertex": _vertex,
}
