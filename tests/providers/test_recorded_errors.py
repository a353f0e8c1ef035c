"""Errors that services sent for requests that were no chat: the provider's wire makes the right exception of each."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from exllm.errors import AuthenticationError, ExLLMError, InvalidRequest, NotFound
from exllm.providers import ProviderSpec, registry

RECORDINGS = Path(__file__).parent.parent / "recordings"
FOLDERS = ("embeddings", "token_counts", "model_lists", "other_endpoints")

# Recording -> who answered, the exception, words of its message, its code.
ERRORS: dict[str, tuple[str, type[ExLLMError], str, str | None]] = {
    "azure__embeddings__test-azure-openai-embeddings__2": (
        "azure-deployments", AuthenticationError, "invalid subscription key", None,
    ),
    "bedrock__bedrock-count-tokens__test-anthropic-bedrock-count-tokens-error__0": (
        "bedrock", InvalidRequest, "doesn't support counting tokens", None,
    ),
    "bedrock__bedrock-count-tokens__test-bedrock-count-tokens-error__0": (
        "bedrock", NotFound, "model identifier is invalid", None,
    ),
    "cohere__embeddings__testcohere-test-embed-error__0": ("cohere", NotFound, "'nonexistent' not found", None),
    "gemini__gemini-countTokens__testgoogle-test-count-tokens-error__0": (
        "gemini", NotFound, "is not supported for countTokens", "NOT_FOUND",
    ),
    "gemini__gemini-embedContent__testgoogle-test-embed-error__0": (
        "gemini", NotFound, "is not supported for embedContent", "NOT_FOUND",
    ),
    "openai__embeddings__test-async-embeddings-error-handling__0": (
        "openai", NotFound, "does not exist", "model_not_found",
    ),
    "openai__embeddings__testopenai-test-embed-error__0": ("openai", NotFound, "does not exist", "model_not_found"),
    "openai__images__image-edit-functionality-with-remote-urls-rejects-edits-with__0x": (
        "openai", InvalidRequest, "Upstream status code: 404", "invalid_value",
    ),
    # Voyage has no spec of its own; its errors are in the shape of FastAPI, which any wire reads.
    "voyage__embeddings__testvoyageai-test-embed-error__0": (
        "openai", InvalidRequest, "Model nonexistent is not supported", None,
    ),
}  # fmt: skip


def recorded() -> dict[str, dict[str, Any]]:
    """The failed exchanges, by name."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((RECORDINGS / folder).glob("*__*.json")):
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["response"]["status"] >= 400:
                found[path.stem] = data["response"]
    return found


def test_every_recorded_error_is_in_the_table() -> None:
    assert recorded().keys() == ERRORS.keys()


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_becomes_the_right_exception(name: str) -> None:
    provider, kind, words, code = ERRORS[name]
    response = recorded()[name]
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    headers = {key.lower(): value for key, value in response["headers"].items()}
    encoded = response.get("body_base64")
    body = base64.b64decode(encoded) if encoded else response["body"].encode()
    error = registry.wire(spec.wire).parse_error(response["status"], headers, body, spec)
    assert type(error) is kind
    assert words in error.message
    assert (error.code, error.status, error.provider) == (code, response["status"], provider)
    assert not error.retryable
