"""What was asked in the recorded exchanges, asked by us: the same body, through the spec of the service at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exllm.errors import ConfigurationError, InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.providers.openai_chat import WIRE
from exllm.providers.openai_chat_request import OPTIONS
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.providers.openai_chat_recordings import DIRECTORY, INDEX

SPECS = {"vercel-gateway": "vercel", "llama.cpp-or-local": "llamacpp", "openai-compatible": "openai"}
SPECS |= {"gemini": "gemini-openai", "ollama": "ollama-openai"}
RENAMED = {"max_completion_tokens": "max_tokens", "random_seed": "seed"}

BOTH = "the reasoning goes back under two names; we send the one that Ollama has"
SHAPE = "a message in a shape that `exllm` does not take from its callers"
# What others say, and we do not: with the reason.
DIFFERENT: dict[str, str] = {
    "mistral__openai-chat__chat-with-extended-thinking-mistral-mistral-small-latest-pre__1": SHAPE,
    "mistral__openai-chat__test-mistral-model-thinking-part__1": SHAPE,
    "mistral__openai-chat__test-multimodal-tool-return-matrix-tool-return-content-binar__1": SHAPE,
    "vercel-gateway__openai-chat__testvercelcommonwithanthropiccache-claude-sonnet-4-multi-tool-streamin__1": SHAPE,
    "vercel-gateway__openai-chat__testvercelcommonwithanthropiccache-claude-sonnet-4-multi-tool__0": SHAPE,
    "writer__writer-chat__test-writer-async-streaming-chat-tool-calls-legacy__0": SHAPE,
    "ollama__openai-chat__chat-function-calling-ollama-cloud-gpt-oss-120b-can-handle-m__1": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-cloud-gpt-oss-120b-can-use-tool__1x": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-cloud-gpt-oss-120b-can-use-tool__2": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-cloud-gpt-oss-120b-can-use-tool__2x": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-cloud-gpt-oss-120b-can-use-tool__2xx": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-cloud-gpt-oss-120b-can-use-tool__3": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-qwen3-can-use-tools-with-multi-__1": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-qwen3-can-use-tools-with-multi-__2": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-qwen3-can-use-tools-with-multi-__3": BOTH,
    "ollama__openai-chat__chat-function-calling-ollama-qwen3-can-use-tools-without-par__2": BOTH,
    "ollama__openai-chat__chat-string-tool-results-ollama-qwen3-preserves-strings-retu__1": BOTH,
}


def recorded(name: str) -> tuple[ProviderSpec, dict[str, Any]] | None:
    """The service and the body of a recorded request; None where either is not known."""
    data = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    body = data["request"].get("body")
    try:
        body = json.loads(body) if isinstance(body, str) else body
        spec = registry.get(SPECS.get(data["provider"], data["provider"]))
    except (ValueError, ConfigurationError):
        return None
    return (spec, body) if body and isinstance(spec, ProviderSpec) else None


NAMES = [name for row in INDEX if recorded(name := row.file.removesuffix(".json"))]


def asked_by_us(spec: ProviderSpec, body: dict[str, Any]) -> dict[str, Any]:
    fields = {RENAMED.get(name, name): value for name, value in body.items() if value is not None}
    messages = normalise_messages(fields.pop("messages"))
    stream = bool(fields.pop("stream", False))
    fields.pop("stream_options", None)
    model = fields.pop("model")
    options = check_options({name: value for name, value in fields.items() if name in OPTIONS - {"thinking"}})
    extra = {name: value for name, value in fields.items() if name not in OPTIONS - {"thinking"}}
    sent: dict[str, Any] = json.loads(
        WIRE.build(Request(spec.name, model, messages, options, extra, stream), spec).body
    )
    return sent


def plain(value: Any) -> Any:
    """`value` without what says nothing: nulls, empty text, text wrapped in one part, defaults spelt out."""
    if isinstance(value, dict):
        kept = {name: plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, "", [])}
    if isinstance(value, list):
        items = [plain(item) for item in value]
        if len(items) == 1 and isinstance(items[0], dict) and items[0].keys() == {"type", "text"}:
            return items[0]["text"]
        return items
    return value


def compared(body: dict[str, Any]) -> dict[str, Any]:
    fields = {RENAMED.get(name, name): value for name, value in body.items()}
    fields.pop("stream_options", None)
    if not fields.get("stream"):
        fields.pop("stream", None)
    if isinstance(fields.get("stop"), str):
        fields["stop"] = [fields["stop"]]
    if fields.get("tool_choice") == "any":
        fields["tool_choice"] = "required"
    result: dict[str, Any] = plain(fields)
    return result


def test_most_recordings_tell_what_was_asked() -> None:
    assert len(NAMES) > 300
    assert set(DIFFERENT) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_we_would_have_asked_the_same(name: str) -> None:
    found = recorded(name)
    assert found is not None
    spec, body = found
    if name in DIFFERENT:
        with pytest.raises((AssertionError, InvalidRequest, TypeError)):
            assert compared(asked_by_us(spec, body)) == compared(body)
        return
    assert compared(asked_by_us(spec, body)) == compared(body)
