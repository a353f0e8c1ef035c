"""`Client.embed` over each protocol, against a loopback server: paths, keys, signatures, batches."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

import exllm
from exllm.config import Static
from tests.faults.expect import ONCE
from tests.faults.server import FaultServer, Peer

KEY = "plain0123456789abcdef"
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-0123456789", "AWS_REGION": "eu-west-1"}


def vector_of(text: str) -> list[float]:
    return [float(text.removeprefix("t")), 0.25]


def texts(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


async def by_protocol(peer: Peer) -> None:
    """Answers as the service would whose path was asked for: ``t7`` is embedded as [7, 0.25]."""
    asked, path = peer.request.json, unquote(peer.request.path)
    headers: list[tuple[str, str]] = []
    answer: dict[str, Any]
    if path.endswith(":batchEmbedContents"):
        given = [each["content"]["parts"][0]["text"] for each in asked["requests"]]
        answer = {"embeddings": [{"values": vector_of(text)} for text in given]}
        answer["usageMetadata"] = {"promptTokenCount": len(given)}
    elif path.endswith(":predict"):
        given = [each["content"] for each in asked["instances"]]
        rows = [{"embeddings": {"values": vector_of(text), "statistics": {"token_count": 1}}} for text in given]
        answer = {"predictions": rows}
    elif path.endswith(":embedContent"):
        text = asked["content"]["parts"][0]["text"]
        answer = {"embedding": {"values": vector_of(text)}, "usageMetadata": {"promptTokenCount": 1}}
    elif path.endswith("/invoke") and "titan" in path:
        answer = {"embedding": vector_of(asked["inputText"]), "inputTextTokenCount": 1}
    elif path.endswith("/invoke"):
        answer = {"embeddings": {"float": [vector_of(text) for text in asked["texts"]]}}
        headers = [("X-Amzn-Bedrock-Input-Token-Count", str(len(asked["texts"])))]
    elif path == "/v2/embed":
        answer = {"embeddings": {"float": [vector_of(text) for text in asked["texts"]]}}
        answer["meta"] = {"billed_units": {"input_tokens": len(asked["texts"])}}
    else:
        assert path == "/api/embed"
        given = asked["input"]
        answer = {"embeddings": [vector_of(text) for text in given], "prompt_eval_count": len(given)}
    await peer.answer(json.dumps(answer).encode(), "200 OK", "application/json", *headers)


@pytest.mark.parametrize(
    ("model", "count", "requests", "path"),
    [
        ("gemini", 201, 3, "/v1beta/models/gemini-embedding-001:batchEmbedContents"),
        ("gemini/models/gemini-embedding-2", 1, 1, "/v1beta/models/gemini-embedding-2:batchEmbedContents"),
        ("vertex/text-embedding-005", 251, 2, "/publishers/google/models/text-embedding-005:predict"),
        ("vertex", 3, 3, "/publishers/google/models/gemini-embedding-001:embedContent"),
        ("vertex-express/text-embedding-005", 2, 1, "/publishers/google/models/text-embedding-005:predict"),
        ("cohere", 97, 2, "/v2/embed"),
        ("ollama", 97, 2, "/api/embed"),
        ("bedrock", 9, 9, "/model/amazon.titan-embed-text-v2%3A0/invoke"),
        ("bedrock/eu.cohere.embed-v4:0", 97, 2, "/model/eu.cohere.embed-v4%3A0/invoke"),
        ("bedrock-invoke/amazon.titan-embed-text-v1", 2, 2, "/model/amazon.titan-embed-text-v1/invoke"),
    ],
)
async def test_each_protocol_is_spoken_in_batches(
    monkeypatch: pytest.MonkeyPatch, model: str, count: int, requests: int, path: str
) -> None:
    provider = model.partition("/")[0]
    async with FaultServer(by_protocol) as server:
        values: dict[str, str | None] = {"base_url": server.url, "project": "p", "location": "l"}
        if provider.startswith("bedrock"):
            for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
                monkeypatch.delenv(name, raising=False)
            for name, value in AWS.items():
                monkeypatch.setenv(name, value)
            config: Any = exllm.config.Chain(Static({provider: {"base_url": server.url}}), exllm.config.Env())
        else:
            config = Static({provider: {**values, "api_key": KEY}})
        async with exllm.Client(config=config, retry=ONCE) as client:
            reply = await client.embed(model, texts(count))
    assert reply.vectors == [[float(number), 0.25] for number in range(count)]
    assert (reply.usage.input_tokens, reply.usage.provenance) == (count, "reported")
    assert len(server.requests) == requests
    assert {request.path for request in server.requests} == {path}
    for request in server.requests:
        if provider.startswith("bedrock"):
            assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
            assert request.headers["accept"] == "application/json"
        elif provider in ("gemini", "vertex-express"):
            assert request.headers["x-goog-api-key"] == KEY
        else:
            assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("gemini/gemini-embedding-2", {"task_type": "query"}, "takes no task_type. Say the task in the text"),
        ("vertex/gemini-embedding-2-preview", {"task_type": "query"}, "takes no task_type. Say the task in the text"),
        ("gemini", {"encoding_format": "base64"}, r"Gemini takes encoding_format = float, got 'base64'"),
        ("cohere", {"task_type": "similarity"}, r"task_type = query \| document \| classification \| clustering, got"),
        ("cohere/embed-v4.0", {"dimensions": 300}, r"dimensions = 256 \| 512 \| 1024 \| 1536, got 300"),
        ("cohere/embed-english-v3.0", {"dimensions": 256}, "embed-english-v3.0 takes no dimensions"),
        ("bedrock", {"dimensions": 300}, r"dimensions = 256 \| 512 \| 1024, got 300"),
        ("bedrock", {"task_type": "query"}, "takes no task_type"),
        ("bedrock/amazon.titan-embed-text-v1", {"dimensions": 256}, "takes no dimensions"),
        ("ollama", {"task_type": "query"}, "Ollama takes no task_type"),
        ("mistral", {"dimensions": 256}, "mistral-embed takes no dimensions"),
    ],
)
async def test_what_a_model_cannot_take_is_said_before_anything_is_sent(
    model: str, options: dict[str, Any], words: str
) -> None:
    async with exllm.Client(config=Static({})) as client:
        with pytest.raises(exllm.UnsupportedOption, match=words):
            await client.embed(model, "one", **options)
