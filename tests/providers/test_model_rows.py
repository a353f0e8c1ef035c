"""Model lists of every shape, in the same words. The shapes are those of the providers' references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exllm.errors import ProtocolError
from exllm.providers.model_kinds import capabilities_told, kinds_of
from exllm.providers.model_rows import ModelPage, read_page
from exllm.providers.spec import ProviderSpec
from exllm.types.model import ModelEntry

RECORDINGS = Path(__file__).parent.parent / "recordings" / "model_lists"
SPEC = ProviderSpec("some", "openai_chat", "https://x.example", label="Some")


def read(listing: Any) -> ModelPage:
    return read_page(json.dumps(listing).encode(), SPEC)


def one(row: dict[str, Any]) -> ModelEntry:
    (entry,) = read({"data": [row]}).entries
    assert entry.raw == row
    return msgspec.structs.replace(entry, raw={})


def entry(model: str, **facts: Any) -> ModelEntry:
    return ModelEntry("some", model, **facts)


# -- recorded


INDEX = json.loads((RECORDINGS / "INDEX.json").read_text(encoding="utf-8"))


def test_the_index_is_complete() -> None:
    assert {row["file"] for row in INDEX} == {path.name for path in RECORDINGS.glob("*__*.json")}
    assert (RECORDINGS / "licences" / "crmne+ruby_llm.LICENSE").exists()


@pytest.mark.parametrize("file", [row["file"] for row in INDEX])
def test_a_recorded_list_is_read_to_its_last_row(file: str) -> None:
    body = json.loads((RECORDINGS / file).read_text(encoding="utf-8"))["response"]["body"].encode()
    page = read_page(body, SPEC)
    rows = json.loads(body)["data"]
    assert [found.id for found in page.entries] == [row["id"] for row in rows]
    assert [found.raw for found in page.entries] == rows
    assert [found.owned_by for found in page.entries] == [row["owned_by"] for row in rows]
    assert page.next == {}


def test_perplexitys_prices_are_for_a_million_tokens() -> None:
    body = (RECORDINGS / next(row["file"] for row in INDEX if row["provider"] == "perplexity")).read_text("utf-8")
    entries = read_page(json.loads(body)["response"]["body"].encode(), SPEC).entries
    haiku = next(found for found in entries if found.id == "anthropic/claude-haiku-4-5")
    assert (haiku.input_usd_per_mtok, haiku.output_usd_per_mtok, haiku.kinds) == (1.0, 5.0, ("chat",))


# -- by the references


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # OpenAI, xAI
        ({"id": "gpt-4.1", "object": "model", "created": 1744316542, "owned_by": "system"},
         entry("gpt-4.1", created=1744316542, owned_by="system", kinds=("chat",))),
        # Anthropic
        ({"type": "model", "id": "claude-sonnet-5-5", "display_name": "Claude Sonnet 5.5",
          "created_at": "2026-10-01T00:00:00Z", "max_input_tokens": 1000000, "max_tokens": 128000},
         entry("claude-sonnet-5-5", name="Claude Sonnet 5.5", created=1790812800, context_window=1000000,
               max_output_tokens=128000, kinds=("chat",))),
        # Gemini
        ({"name": "models/gemini-2.5-flash", "displayName": "Gemini 2.5 Flash", "inputTokenLimit": 1048576,
          "outputTokenLimit": 65536, "supportedGenerationMethods": ["generateContent", "countTokens"]},
         entry("gemini-2.5-flash", name="Gemini 2.5 Flash", context_window=1048576, max_output_tokens=65536,
               kinds=("chat",))),
        ({"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent", "countTextTokens"]},
         entry("gemini-embedding-001", kinds=("embedding",))),
        # Mistral
        ({"id": "mistral-small-latest", "name": "Mistral Small", "max_context_length": 131072,
          "capabilities": {"completion_chat": True, "completion_fim": False, "function_calling": True}},
         entry("mistral-small-latest", name="Mistral Small", context_window=131072, kinds=("chat",),
               capabilities=("function_calling",))),
        ({"id": "mistral-embed", "capabilities": {"completion_chat": False}},
         entry("mistral-embed", kinds=("embedding",))),
        # Cohere
        ({"name": "command-a-03-2025", "endpoints": ["chat"], "context_length": 288000.0},
         entry("command-a-03-2025", context_window=288000, kinds=("chat",))),
        ({"name": "rerank-v3.5", "endpoints": ["rerank"]}, entry("rerank-v3.5", kinds=("rerank",))),
        ({"name": "embed-v4.0", "endpoints": ["embed_image", "embed", "classify"]},
         entry("embed-v4.0", kinds=("embedding",))),
        # Ollama
        ({"name": "llama3.2:latest", "model": "llama3.2:latest", "modified_at": "2025-05-04T17:37:44.706015396-07:00",
          "size": 3825819519, "details": {"family": "llama"}},
         entry("llama3.2:latest", name="llama3.2:latest", created=1746405464, kinds=("chat",))),
        # Groq
        ({"id": "whisper-large-v3", "created": 1693721698, "owned_by": "OpenAI", "active": True,
          "context_window": 448, "max_completion_tokens": 448},
         entry("whisper-large-v3", created=1693721698, owned_by="OpenAI", context_window=448, max_output_tokens=448,
               kinds=("transcription",))),
        # Together
        ({"id": "Qwen/Qwen2.5-7B", "type": "chat", "display_name": "Qwen 2.5 7B", "organization": "Qwen",
          "context_length": 32768, "pricing": {"hourly": 0, "input": 0.3, "output": 0.3, "base": 0}},
         entry("Qwen/Qwen2.5-7B", name="Qwen 2.5 7B", owned_by="Qwen", context_window=32768, kinds=("chat",),
               input_usd_per_mtok=0.3, output_usd_per_mtok=0.3)),
        # OpenRouter
        ({"id": "openai/gpt-4o", "name": "OpenAI: GPT-4o", "context_length": 128000,
          "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
          "pricing": {"prompt": "0.0000025", "completion": "0.00001"},
          "top_provider": {"context_length": 128000, "max_completion_tokens": 16384}},
         entry("openai/gpt-4o", name="OpenAI: GPT-4o", context_window=128000, max_output_tokens=16384, kinds=("chat",),
               input_modalities=("text", "image"), output_modalities=("text",), input_usd_per_mtok=2.5,
               output_usd_per_mtok=10.0)),
        ({"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}}, entry("openrouter/auto")),
        # Bedrock
        ({"modelArn": "arn:...", "modelId": "amazon.titan-embed-text-v2:0", "modelName": "Titan Text Embeddings V2",
          "providerName": "Amazon", "inputModalities": ["TEXT"], "outputModalities": ["EMBEDDING"]},
         entry("amazon.titan-embed-text-v2:0", name="Titan Text Embeddings V2", owned_by="Amazon",
               kinds=("embedding",), input_modalities=("text",), output_modalities=("embedding",))),
        # Azure
        ({"id": "dall-e-3-3.0", "status": "succeeded", "created_at": 1691712000,
          "capabilities": {"fine_tune": False, "inference": True, "completion": False, "chat_completion": False}},
         entry("dall-e-3-3.0", created=1691712000, kinds=("image",))),
        ({"id": "text-embedding-ada-002", "capabilities": {"embeddings": True, "inference": True}},
         entry("text-embedding-ada-002", kinds=("embedding",))),
        # vLLM, llama.cpp, LM Studio
        ({"id": "my-model", "owned_by": "vllm", "max_model_len": 4096},
         entry("my-model", owned_by="vllm", context_window=4096)),
        ({"id": "x.gguf", "meta": {"n_ctx_train": 8192}}, entry("x.gguf", context_window=8192)),
        ({"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "max_context_length": 2048},
         entry("text-embedding-nomic-embed-text-v1.5", context_window=2048, kinds=("embedding",))),
        # Vercel
        ({"id": "openai/text-embedding-3-small", "type": "embedding", "pricing": {"input": "0.00000002"}},
         entry("openai/text-embedding-3-small", kinds=("embedding",), input_usd_per_mtok=0.02)),
        # Fireworks
        ({"id": "accounts/fireworks/models/x", "supports_chat": True, "context_length": 4096},
         entry("accounts/fireworks/models/x", context_window=4096, kinds=("chat",))),
    ],
)  # fmt: skip
def test_a_row_is_told_in_our_words(row: dict[str, Any], expected: ModelEntry) -> None:
    assert one(row) == expected


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"capabilities": {"vision": True, "function_calling": False, "ocr": True, "completion_chat": True}},  # Mistral
         {"vision": True, "function_calling": False}),
        ({"capabilities": {"image_input": {"supported": True}, "thinking": {"supported": False, "types": {}}}},
         {"vision": True, "reasoning": False}),  # Anthropic
        ({"capabilities": ["completion", "tools", "thinking"]}, {"function_calling": True, "reasoning": True}),
        ({"supported_parameters": ["tools", "tool_choice", "temperature", "top_k"]},  # OpenRouter
         {"function_calling": True, "tool_choice": True, "sampling_parameters": True}),
        ({"tags": ["tool-use", "vision"], "type": "language"}, {"function_calling": True, "vision": True}),  # Vercel
        ({"supports_tools": True, "supports_image_input": False}, {"function_calling": True, "vision": False}),
        ({"capabilities": {"images": False, "vision": True, "image_input": False}}, {"vision": True}),
        ({"capabilities": [None, {}], "supported_parameters": "tools", "tags": 3, "supports_tools": "yes"}, {}),
    ],
)  # fmt: skip
def test_what_a_row_says_of_capabilities(row: dict[str, Any], told: dict[str, bool]) -> None:
    assert capabilities_told(row) == told
    assert one({"id": "m", **row}).capabilities == tuple(sorted(word for word, has in told.items() if has))


@pytest.mark.parametrize(
    ("listing", "following"),
    [
        ({"data": [], "has_more": True, "last_id": "m9", "first_id": "m0"}, {"after_id": "m9"}),
        ({"data": [], "has_more": False, "last_id": "m9"}, {}),
        ({"data": [], "has_more": True, "last_id": None}, {}),
        ({"models": [], "nextPageToken": "t"}, {"pageToken": "t"}),
        ({"models": [], "next_page_token": "t"}, {"page_token": "t"}),
        ({"models": [], "next_page_token": ""}, {}),
        ({"models": [], "nextPageToken": 3}, {}),
        ([], {}),
    ],
)
def test_the_next_page_is_asked_for_in_the_providers_way(listing: Any, following: dict[str, str]) -> None:
    assert read(listing) == ModelPage([], following)


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"3", b'"x"', b"{}", b'{"data": {}}', b"\xff"])
def test_what_is_no_list_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="Some sent a model list") as caught:
        read_page(body, SPEC)
    assert caught.value.provider == "some"


def test_rows_without_an_id_are_left_out() -> None:
    rows: list[Any] = [None, 3, "x", {}, {"id": 3}, {"id": ""}, {"name": None}, {"id": "m"}]
    assert [found.id for found in read({"data": rows}).entries] == ["m"]


@pytest.mark.parametrize("odd", [None, "x", -1, [], {}, True, 1e300, [None], {"a": None}])
def test_odd_values_are_as_if_they_were_not_there(odd: Any) -> None:
    fields = (
        "created", "owned_by", "context_length", "max_tokens", "pricing", "top_provider", "meta", "architecture",
        "capabilities", "endpoints", "supportedGenerationMethods", "type", "inputModalities", "display_name",
    )  # fmt: skip
    found = one({"id": "m", **dict.fromkeys(fields, odd)})
    assert found.id == "m"
    assert (found.context_window, found.max_output_tokens, found.kinds) == (None, None, ())
    assert (found.input_usd_per_mtok, found.output_usd_per_mtok) == (None, None)
    for side in ("prompt", "completion"):
        prices = one({"id": "m", "pricing": {side: odd}})
        assert (prices.input_usd_per_mtok, prices.output_usd_per_mtok) == (None, None)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("text-embedding-3-large", "embedding"), ("BAAI/bge-m3", "embedding"), ("intfloat/e5-large", "embedding"),
        ("gpt-4o-mini-tts", "speech"), ("tts-1-hd", "speech"), ("gpt-4o-transcribe", "transcription"),
        ("gpt-realtime-mini", "realtime"), ("gpt-4o-realtime-preview", "realtime"), ("gpt-image-1", "image"),
        ("dall-e-3", "image"), ("sora-2", "video"), ("omni-moderation-latest", "moderation"),
        ("gpt-3.5-turbo-instruct", "completion"), ("davinci-002", "completion"), ("gpt-5.1", "chat"), ("o3", "chat"),
        ("chatgpt-4o-latest", "chat"), ("grok-4.3", "chat"), ("grok-imagine-image", "image"),
        ("anthropic.claude-haiku-4-5", "chat"), ("mistral-ocr-latest", "ocr"),
        ("meta-llama/Llama-Prompt-Guard-2", "moderation"),
        ("palmyra", None), ("orange", None), ("my-o-model", None),
    ],
)  # fmt: skip
def test_a_telling_name_is_the_last_resort(model: str, kind: str | None) -> None:
    assert kinds_of({}, model) == (() if kind is None else (kind,))
    assert kinds_of({"type": "rerank"}, model) == ("rerank",)
