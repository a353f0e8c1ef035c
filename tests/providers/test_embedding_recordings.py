"""Every recorded embedding is decoded to the numbers that were sent; the vendors' SDKs read the same bytes."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
import pytest

from exllm.errors import AuthenticationError, ExLLMError, InvalidRequest, NotFound
from exllm.providers import registry
from exllm.providers.embedding_spec import EmbeddingSpec
from exllm.providers.embedding_wire import Embedded, embedding_wire
from exllm.types.embedding import EmbeddingRequest
from tests.providers.embedding_recordings import DIRECTORY, INDEX, Recording, by_sdk, load, names, spec_of

ANSWERS = names("openai", "gemini", "vertex", "cohere", "ollama")
SDK_OF = {"mistral": "mistral"}  # where it is not the wire's
# A text and an image made one vector; we take texts.
MULTIMODAL = "gemini__gemini-embedContent__embedding-multimodal-embeddings-gemini-gemini-embedding-2-em__0"

ERRORS: dict[str, tuple[type[ExLLMError], str]] = {
    "azure__embeddings__test-azure-openai-embeddings__2": (AuthenticationError, "Access denied"),
    "cohere__embeddings__testcohere-test-embed-error__0": (NotFound, "model 'nonexistent' not found"),
    "gemini__gemini-embedContent__testgoogle-test-embed-error__0": (NotFound, "is not found for API version v1beta"),
    "openai__embeddings__test-async-embeddings-error-handling__0": (NotFound, "does not exist"),
    "openai__embeddings__testopenai-test-embed-error__0": (NotFound, "does not exist"),
    "voyage__embeddings__testvoyageai-test-embed-error__0": (InvalidRequest, "Model nonexistent is not supported"),
}


def request_of(recording: Recording) -> EmbeddingRequest:
    return EmbeddingRequest(recording.provider, _model(recording), ("any",))


def _model(recording: Recording) -> str:
    asked = recording.request
    if isinstance(asked, dict) and "model" in asked:
        return str(asked["model"])
    tail = recording.path.rpartition("/models/")[2]
    return tail.partition(":")[0] or "some-model"


def decode(recording: Recording) -> Embedded:
    spec = spec_of(recording.provider)
    assert spec.embeddings.wire == recording.kind
    wire = embedding_wire(recording.kind)
    return wire.decode(recording.body, recording.headers, request_of(recording), spec)


def numbers_in(body: bytes) -> list[list[float]]:
    """The vectors in an answer of whatever shape, read without our decoders: each list of numbers, or base64."""
    found: list[list[float]] = []

    def walk(value: Any) -> None:
        if isinstance(value, list) and value and all(isinstance(entry, int | float) for entry in value):
            found.append([float(entry) for entry in value])
        elif isinstance(value, list):
            for entry in value:
                walk(entry)
        elif isinstance(value, dict):
            for key, entry in value.items():
                if key == "embedding" and isinstance(entry, str):
                    packed = base64.b64decode(entry)
                    found.append(list(struct.unpack(f"<{len(packed) // 4}f", packed)))
                else:
                    walk(entry)

    walk(msgspec.json.decode(body))
    return found


def test_the_index_is_complete() -> None:
    assert {row.file for row in INDEX} == {path.name for path in DIRECTORY.glob("*__*.json")}
    assert len(INDEX) == 42
    for row in INDEX:
        repository = row.source.partition("@")[0].replace("/", "+")
        assert (DIRECTORY / "licences" / f"{repository}.LICENSE").exists()
        assert row.licence in ("MIT", "Apache-2.0")


@pytest.mark.parametrize("name", ANSWERS)
def test_the_vectors_are_those_in_the_bytes(name: str) -> None:
    recording = load(name)
    embedded = decode(recording)
    if recording.provider == "perplexity":
        packed = base64.b64decode(msgspec.json.decode(recording.body)["data"][0]["embedding"])
        assert embedded.vectors == [list(struct.unpack(f"{len(packed)}b", packed))]
        assert embedded.vectors.dimensions == 1024
    else:
        assert embedded.vectors == numbers_in(recording.body)


@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.startswith("perplexity")])
def test_the_vendors_sdk_reads_the_same(name: str) -> None:
    recording = load(name)
    embedded = decode(recording)
    sdk = SDK_OF.get(recording.provider, recording.kind)
    model = _model(recording)
    if sdk == "vertex" and "embedding" not in model:
        model = "text-embedding-005"  # the one published without its request
    theirs = by_sdk(sdk, recording.body, model, ["any"])
    assert embedded.vectors == theirs.vectors
    assert embedded.usage.input_tokens == theirs.tokens


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_reported_is_known(name: str) -> None:
    recording = load(name)
    usage = decode(recording).usage
    if recording.provider == "gemini" and b"usageMetadata" not in recording.body:
        assert usage.provenance == "unknown"
        assert usage.input_tokens is None
    else:
        assert usage.provenance == "reported"
        assert usage.input_tokens
        assert usage.input_tokens == usage.total_tokens


def test_openrouter_and_perplexity_say_what_it_cost() -> None:
    costs = {
        recording.provider: decode(recording).usage.reported_cost_usd
        for recording in map(load, ANSWERS)
        if recording.provider in ("openrouter", "perplexity")
    }
    assert costs == {"openrouter": 1.4e-07, "perplexity": 2.8e-08}


def test_base64_is_kept_as_float32_and_digits_exactly() -> None:
    kinds = {recording.provider: decode(recording).vectors.kind for recording in map(load, ANSWERS)}
    assert kinds["mistral"] == kinds["gemini"] == kinds["ollama"] == "d"
    assert kinds["perplexity"] == "b"
    assert decode(load("openai__embeddings__test-embeddings__2")).vectors.kind == "f"


@pytest.mark.parametrize("name", names("error"))
def test_an_error_is_told_as_what_it_is(name: str) -> None:
    recording = load(name)
    spec = spec_of(recording.provider)
    error = registry.wire(spec.wire).parse_error(recording.status, recording.headers, recording.body, spec)
    wanted, words = ERRORS[name]
    assert type(error) is wanted
    assert words in error.message
    assert error.status == recording.status


def test_every_error_is_looked_at() -> None:
    assert set(ERRORS) == set(names("error"))


# -- the requests


@pytest.mark.parametrize("name", [name for name in ANSWERS if load(name).request and name != MULTIMODAL])
def test_a_request_says_what_the_recorded_one_said(name: str) -> None:
    """Where they differ, it is in the few ways listed here, each of which means the same."""
    recording = load(name)
    spec, asked = spec_of(recording.provider), recording.request
    request, texts = asked_for(recording)
    built = embedding_wire(recording.kind).build(request, texts, spec)
    ours = msgspec.json.decode(built.body)
    if recording.kind in ("openai", "ollama"):
        asked = {**asked, "input": [asked["input"]] if isinstance(asked["input"], str) else asked["input"]}
        for field in (spec.embeddings.format_field, "output_dtype", "output_dimension"):
            if asked.get(field) is None:
                ours.pop(field, None)  # floats are asked for in their smaller form
                asked.pop(field, None)
    if recording.kind == "cohere":
        asked = {"embedding_types": ["float"], **asked}  # the default
    if recording.kind == "vertex" and "content" in ours:
        del ours["content"]["role"]  # as the SDK sends it
    assert ours == asked
    assert (built.path.rpartition("/")[2]) == recording.path.partition("?")[0].rpartition("/")[2]


def asked_for(recording: Recording) -> tuple[EmbeddingRequest, list[str]]:
    """The call of ours that the recorded request is."""
    asked: dict[str, Any] = recording.request
    embeddings: EmbeddingSpec = spec_of(recording.provider).embeddings
    task_types: dict[str, Any] = {theirs: ours for ours, theirs in embeddings.task_types.items()}
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    if recording.kind == "gemini":
        texts = [each["content"]["parts"][0]["text"] for each in asked["requests"]]
        options["dimensions"] = asked["requests"][0].get("outputDimensionality")
    elif recording.kind == "vertex" and "instances" in asked:
        texts = [each["content"] for each in asked["instances"]]
        options["dimensions"] = asked.get("parameters", {}).get("outputDimensionality")
    elif recording.kind == "vertex":
        texts = [asked["content"]["parts"][0]["text"]]
    elif recording.kind == "cohere":
        texts = asked["texts"]
        options = {"task_type": task_types.get(asked["input_type"]), "dimensions": asked.get("output_dimension")}
        extra = {name: asked[name] for name in ("truncate", "max_tokens") if name in asked}
    else:
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        options["dimensions"] = asked.get("dimensions")
        options["task_type"] = task_types.get(asked.get("input_type"))
        extra = {name: asked[name] for name in ("options", "truncation") if name in asked}
        if asked.get("input_type", 0) is None:
            extra["input_type"] = None
    request = EmbeddingRequest(recording.provider, _model(recording), tuple(texts), extra=extra, **options)
    return request, texts
