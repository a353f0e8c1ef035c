"""What an embedding request looks like: the same as the vendor's SDK makes of the same call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.serialize import create_serializer

from exllm.errors import ConfigurationError, InvalidRequest, ProtocolError, UnsupportedOption
from exllm.providers import registry
from exllm.providers.embedding_wire import EMBEDDING_WIRES, Embedded, embedding_wire
from exllm.providers.spec import ProviderSpec, parse_spec
from exllm.types.embedding import EmbeddingRequest
from tests.providers.embedding_recordings import by_sdk, spec_of

TEXTS = ["one", "zwei", "三"]
OPENAI_ANSWER = {"data": [{"embedding": [1.0], "index": 0, "object": "embedding"}], "model": "m", "object": "list"}
USAGE = {"prompt_tokens": 1, "total_tokens": 1, "completion_tokens": 0}
ANSWERS: dict[str, Any] = {
    "openai": {**OPENAI_ANSWER, "usage": USAGE},
    "mistral": {**OPENAI_ANSWER, "id": "1", "usage": USAGE},
    "cohere": {"id": "1", "embeddings": {"float": [[1.0]], "int8": [[1]]}, "texts": [],
               "response_type": "embeddings_by_type"},
    "ollama": {"model": "m", "embeddings": [[1.0]]},
    "gemini": {"embeddings": [{"values": [1.0]}]},
    "vertex": {"predictions": [{"embeddings": {"values": [1.0]}}]},
    "vertex gemini": {"embedding": {"values": [1.0]}},
}  # fmt: skip


def built(provider: str, model: str, texts: list[str] | None = None, **options: Any) -> tuple[str, dict[str, Any]]:
    spec = spec_of(provider)
    request = EmbeddingRequest(provider, model, tuple(texts or TEXTS), **options)
    http = embedding_wire(spec.embeddings.wire).build(request, request.inputs, spec)
    assert http.method == "POST"
    body: dict[str, Any] = msgspec.json.decode(http.body)
    return http.path, body


@pytest.mark.parametrize(
    ("provider", "sdk", "model", "texts", "ours", "theirs"),
    [
        ("openai", "openai", "text-embedding-3-small", TEXTS, {}, {}),
        ("openai", "openai", "text-embedding-3-large", TEXTS, {"dimensions": 256}, {"dimensions": 256}),
        ("openai", "openai", "m", TEXTS, {"encoding_format": "float"}, {"encoding_format": "float"}),
        ("openai", "openai", "m", TEXTS, {"extra": {"user": "u"}}, {"user": "u"}),
        ("azure", "openai", "my-deployment", TEXTS, {}, {}),
        ("mistral", "mistral", "mistral-embed", TEXTS, {}, {}),
        ("mistral", "mistral", "codestral-embed", TEXTS, {"dimensions": 64, "encoding_format": "int8"},
         {"output_dimension": 64, "output_dtype": "int8"}),
        ("cohere", "cohere", "embed-v4.0", TEXTS, {}, {}),
        ("cohere", "cohere", "embed-v4.0", TEXTS, {"dimensions": 256, "task_type": "query", "encoding_format": "int8"},
         {"output_dimension": 256, "input_type": "search_query", "embedding_types": ["int8"]}),
        ("cohere", "cohere", "embed-v4.0", TEXTS, {"task_type": "clustering", "extra": {"truncate": "NONE"}},
         {"input_type": "clustering", "truncate": "NONE"}),
        ("ollama", "ollama", "nomic-embed-text", TEXTS, {}, {}),
        ("ollama", "ollama", "nomic-embed-text", TEXTS, {"dimensions": 64, "extra": {"keep_alive": "5m"}},
         {"dimensions": 64, "keep_alive": "5m"}),
        ("gemini", "gemini", "gemini-embedding-001", TEXTS, {}, {}),
        ("gemini", "gemini", "gemini-embedding-001", TEXTS, {"dimensions": 768, "task_type": "code_query"},
         {"output_dimensionality": 768, "task_type": "CODE_RETRIEVAL_QUERY"}),
        ("gemini", "gemini", "gemini-embedding-001", ["one"], {"task_type": "document", "extra": {"title": "T"}},
         {"task_type": "RETRIEVAL_DOCUMENT", "title": "T"}),
        ("vertex-express", "vertex", "text-embedding-005", TEXTS, {}, {}),
        ("vertex-express", "vertex", "text-embedding-005", TEXTS,
         {"dimensions": 128, "task_type": "fact_verification", "extra": {"autoTruncate": False, "title": "T"}},
         {"output_dimensionality": 128, "task_type": "FACT_VERIFICATION", "auto_truncate": False, "title": "T"}),
        ("vertex-express", "vertex", "gemini-embedding-001", ["one"], {}, {}),
        ("vertex-express", "vertex", "gemini-embedding-001", ["one"],
         {"dimensions": 128, "task_type": "similarity", "extra": {"autoTruncate": False}},
         {"output_dimensionality": 128, "task_type": "SEMANTIC_SIMILARITY", "auto_truncate": False}),
    ],
)  # fmt: skip
def test_a_request_is_the_one_of_the_vendors_sdk(
    provider: str, sdk: str, model: str, texts: list[str], ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    path, body = built(provider, model, texts, **ours)
    answer = ANSWERS["vertex gemini" if sdk == "vertex" and model.startswith("gemini") else sdk]
    sent = by_sdk(sdk, json.dumps(answer).encode(), model, texts, **theirs)
    if sdk == "gemini":
        for request in sent.body["requests"]:
            del request["content"]["role"]  # there is but one, and older clients leave it out
    if sdk == "mistral" and "encoding_format" not in ours:
        body.pop("output_dtype", None)
    assert body == sent.body
    url = spec_of(provider).base_url + path
    assert url.rpartition("/")[2] == sent.url.rpartition("/")[2]


# -- Bedrock: botocore makes the path and knows no bodies


def botocore_path(model: str) -> str:
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    operation = service.operation_model("InvokeModel")
    made = create_serializer("rest-json").serialize_to_request({"modelId": model, "body": b"{}"}, operation)
    path: str = made["url_path"]
    return path


ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.cohere.embed-v4:0"


@pytest.mark.parametrize("model", ["amazon.titan-embed-text-v2:0", "eu.cohere.embed-v4:0", ARN])
def test_a_bedrock_path_is_botocores(model: str) -> None:
    path, _ = built("bedrock", model, ["one"])
    assert path == botocore_path(model)


@pytest.mark.parametrize(
    ("model", "texts", "options", "body"),
    [
        ("amazon.titan-embed-text-v1", ["one"], {}, {"inputText": "one"}),
        ("amazon.titan-embed-text-v2:0", ["one"], {"dimensions": 256, "extra": {"normalize": False}},
         {"inputText": "one", "dimensions": 256, "normalize": False}),
        ("amazon.titan-embed-text-v2:0", ["one"], {"encoding_format": "binary"},
         {"inputText": "one", "embeddingTypes": ["binary"]}),
        ("cohere.embed-multilingual-v3", TEXTS, {},
         {"texts": TEXTS, "input_type": "search_document", "embedding_types": ["float"]}),
        ("us.cohere.embed-v4:0", TEXTS, {"dimensions": 512, "task_type": "query", "encoding_format": "ubinary"},
         {"texts": TEXTS, "input_type": "search_query", "embedding_types": ["ubinary"], "output_dimension": 512}),
    ],
)  # fmt: skip
def test_a_bedrock_body_is_the_documented_one(
    model: str, texts: list[str], options: dict[str, Any], body: dict[str, Any]
) -> None:
    assert built("bedrock", model, texts, **options)[1] == body


def test_what_a_bedrock_model_cannot_do_is_said() -> None:
    with pytest.raises(InvalidRequest, match=r"amazon\.titan-embed"):
        built("bedrock", "amazon.nova-lite-v1:0", ["one"])
    with pytest.raises(UnsupportedOption, match=r"float \| binary, got 'int8'"):
        built("bedrock", "amazon.titan-embed-text-v2:0", ["one"], encoding_format="int8")


@pytest.mark.parametrize(
    ("model", "answer", "headers", "vectors", "tokens"),
    [
        ("amazon.titan-embed-text-v1", {"embedding": [0.5, 1], "inputTextTokenCount": 3}, {}, [[0.5, 1.0]], 3),
        ("amazon.titan-embed-text-v2:0",
         {"embedding": [0.5], "embeddingsByType": {"float": [0.5]}, "inputTextTokenCount": 3},
         {"x-amzn-bedrock-input-token-count": "4"}, [[0.5]], 4),
        ("cohere.embed-v4:0", {"id": "1", "embeddings": {"float": [[1.5], [2.5]]}},
         {"x-amzn-bedrock-input-token-count": "9"}, [[1.5], [2.5]], 9),
        ("cohere.embed-english-v3", {"id": "1", "embeddings": [[1.5], [2.5]], "response_type": "embeddings_floats"}, {},
         [[1.5], [2.5]], None),
    ],
)  # fmt: skip
def test_a_bedrock_answer_is_read(
    model: str, answer: Any, headers: Mapping[str, str], vectors: Any, tokens: int | None
) -> None:
    request = EmbeddingRequest("bedrock", model, ("one",))
    spec = spec_of("bedrock")
    embedded = embedding_wire("bedrock").decode(json.dumps(answer).encode(), headers, request, spec)
    assert embedded.vectors == vectors
    assert embedded.usage.input_tokens == tokens


def test_titan_bits_are_whole_numbers() -> None:
    request = EmbeddingRequest("bedrock", "amazon.titan-embed-text-v2:0", ("one",), encoding_format="binary")
    body = b'{"embeddingsByType": {"binary": [0, 1, 1]}, "inputTextTokenCount": 3}'
    embedded = embedding_wire("bedrock").decode(body, {}, request, spec_of("bedrock"))
    assert embedded.vectors == [[0, 1, 1]]
    assert embedded.vectors.kind == "b"


# -- what a server may do wrong


SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai": ("openai", "m", {"data": [{"embedding": [1.0, 2.0], "index": 0}], "usage": {"prompt_tokens": 3}}),
    "gemini": ("gemini", "m", {"embeddings": [{"values": [1.0, 2.0]}], "usageMetadata": {"promptTokenCount": 3}}),
    "vertex": ("vertex-express", "m",
               {"predictions": [{"embeddings": {"values": [1.0, 2.0], "statistics": {"token_count": 3}}}]}),
    "cohere": ("cohere", "m", {"embeddings": {"float": [[1.0, 2.0]]}, "meta": {"billed_units": {"input_tokens": 3}}}),
    "ollama": ("ollama", "m", {"embeddings": [[1.0, 2.0]], "prompt_eval_count": 3}),
    "bedrock": ("bedrock", "amazon.titan-embed-text-v2:0", {"embedding": [1.0, 2.0], "inputTextTokenCount": 3}),
}  # fmt: skip


def read(wire: str, body: bytes) -> Embedded:
    provider, model, _ = SHAPES[wire]
    return embedding_wire(wire).decode(body, {}, EmbeddingRequest(provider, model, ("one",)), spec_of(provider))


@pytest.mark.parametrize("wire", sorted(EMBEDDING_WIRES))
def test_the_shape_is_read(wire: str) -> None:
    embedded = read(wire, json.dumps(SHAPES[wire][2]).encode())
    assert embedded.vectors == [[1.0, 2.0]]
    assert embedded.usage.input_tokens == 3


@pytest.mark.parametrize("wire", sorted(EMBEDDING_WIRES))
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"data": null, "embeddings": null}',
     b'{"data": [], "embeddings": [], "predictions": []}', b'{"data": [null], "embeddings": [null]}'],
)  # fmt: skip
def test_nonsense_is_a_protocol_error(wire: str, body: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(wire, body)
    assert caught.value.provider == SHAPES[wire][0]


@pytest.mark.parametrize("wire", sorted(EMBEDDING_WIRES))
@pytest.mark.parametrize("odd", ["null", '"x"', "[null]", "[[1]]", "[]", '["1"]', "{}", "[true]", "[1e999]"])
def test_odd_numbers_are_a_protocol_error(wire: str, odd: str) -> None:
    body = json.dumps(SHAPES[wire][2]).replace("[1.0, 2.0]", odd)
    with pytest.raises(ProtocolError):
        read(wire, body.encode())


@pytest.mark.parametrize("wire", sorted(EMBEDDING_WIRES))
@pytest.mark.parametrize("odd", ["null", '"3"', "[3]", "{}", "-1", "true"])
def test_an_odd_count_of_tokens_is_an_unknown_one(wire: str, odd: str) -> None:
    body = json.dumps(SHAPES[wire][2]).replace(": 3}", f": {odd}}}")
    embedded = read(wire, body.encode())
    assert embedded.vectors == [[1.0, 2.0]]
    assert embedded.usage.input_tokens is None
    assert embedded.usage.provenance == "unknown"


def test_rows_are_put_in_order_by_index() -> None:
    rows = [{"embedding": [2.0], "index": 2}, {"embedding": [0.0], "index": 0}, {"embedding": [1.0], "index": 1}]
    assert read("openai", json.dumps({"data": rows}).encode()).vectors == [[0.0], [1.0], [2.0]]


@pytest.mark.parametrize("indices", [[0, 0], [None, None], [5, 6], [1, 1], [-1, 0]])
def test_indices_that_make_no_sense_leave_the_order(indices: list[int | None]) -> None:
    rows = [{"embedding": [float(place)], "index": index} for place, index in enumerate(indices)]
    assert read("openai", json.dumps({"data": rows}).encode()).vectors == [[0.0], [1.0]]


def test_an_error_in_a_good_status_is_that_error() -> None:
    from exllm.errors import RateLimited

    with pytest.raises(RateLimited, match="slow down"):
        read("openai", b'{"error": {"message": "slow down", "code": 429}}')


def test_half_a_surrogate_pair_is_an_invalid_request() -> None:
    for wire, (provider, model, _) in SHAPES.items():
        with pytest.raises(InvalidRequest, match="surrogate"):
            built(provider, model, ["\ud800"])
        assert wire in EMBEDDING_WIRES


# -- the data


SPECS = [
    spec
    for info in registry.list_providers()
    if isinstance(spec := registry.get(info.name), ProviderSpec) and spec.paths.embeddings is not None
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_spec_that_embeds_can_build_a_request(spec: ProviderSpec) -> None:
    assert spec.embeddings.wire in EMBEDDING_WIRES
    assert spec.embeddings.problem() is None
    model = spec.embeddings.default_model or "some-model"
    request = EmbeddingRequest(spec.name, model, ("one",))
    http = embedding_wire(spec.embeddings.wire).build(request, ["one"], spec)
    assert "{" not in http.path
    assert b"one" in http.body
    assert spec.embeddings.rules(model).max_inputs


@pytest.mark.parametrize(
    ("embeddings", "words"),
    [
        ({"max_input": 3}, r"embeddings\.max_input is not known; did you mean 'max_inputs'"),
        ({"max_inputs": 0}, r"embeddings\.max_inputs must be at least 1, got 0"),
        ({"format": "int8"}, r"embeddings\.format must be one of formats, got 'int8'"),
        ({"task_type": "query"}, r"embeddings\.task_type must be one of task_types"),
        ({"task_types": {"qury": "x"}}, r"embeddings"),
        ({"unsupported": ["n"]}, r"embeddings\.unsupported must be some of dimensions"),
        ({"models": {"m": {"unsupported": ["n"]}}}, r"embeddings\.unsupported must be some of dimensions"),
    ],
)
def test_a_wrong_spec_is_told_by_its_field(embeddings: dict[str, Any], words: str) -> None:
    data = {"name": "x", "wire": "openai_chat", "base_url": "https://x", "embeddings": embeddings}
    with pytest.raises(ConfigurationError, match=words):
        parse_spec(data, "x.yaml")


def test_an_unknown_wire_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'openai'"):
        embedding_wire("opneai")
