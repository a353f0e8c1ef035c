"""The recordings of all providers, read by the wires: what each of them shows of a provider."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from exllm.errors import ExLLMError
from exllm.providers import ProviderSpec, registry
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.parts import Reasoning
from exllm.types.request import Request
from exllm.types.response import Response

RECORDINGS = Path(__file__).parent / "recordings"
FOLDERS = {*registry._WIRES, "embeddings", "model_lists"}
"""Those that show one of the features of `tests.provider_table`."""


class Exchange(NamedTuple):
    """A recorded exchange: where it is, who answered by which wire, and the rest as it was recorded."""

    path: Path
    wire: str
    provider: str
    data: dict[str, Any]

    @property
    def asked(self) -> dict[str, Any]:
        """The body that was sent; empty where nobody kept it, or it was no JSON."""
        found = self.data["request"].get("body")
        if isinstance(found, str):
            try:
                found = json.loads(found)
            except ValueError:
                return {}
        return found if isinstance(found, dict) else {}

    @property
    def body(self) -> bytes:
        response = self.data["response"]
        encoded = response.get("body_base64")
        return base64.b64decode(encoded) if encoded else response["body"].encode()


# What those who recorded call a provider, by our wire, where we call it otherwise: what the path begins with tells.
_NAMES: dict[tuple[str, str], dict[str, str]] = {
    ("openai_chat", "azure"): {"/openai/v1/": "azure", "/openai/deployments/": "azure-deployments"},
    ("embeddings", "azure"): {"/openai/v1/": "azure", "/openai/deployments/": "azure-deployments"},
    ("openai_chat", "gemini"): {"/": "gemini-openai"},
    ("openai_chat", "ollama"): {"/": "ollama-openai"},
    ("openai_completions", "openai"): {"/": "openai-completions"},
    ("openai_completions", "together"): {"/": "together-completions"},
    ("ollama_generate", "ollama"): {"/": "ollama-generate"},
    ("cohere_v1", "cohere"): {"/": "cohere-v1"},
    ("gemini_interactions", "gemini"): {"/": "gemini-interactions"},
    ("openai_chat", "vercel-gateway"): {"/": "vercel"},
    ("anthropic_messages", "vertex"): {"/": "vertex-anthropic"},
    ("bedrock_invoke", "bedrock"): {"/": "bedrock-invoke"},
    ("model_lists", "perplexity"): {"/": "perplexity-agent"},
}


def _provider_of(folder: str, recorded: str, path: str) -> str | None:
    """Our name for who answered; None for a service, or a protocol of one, that no spec of ours is for."""
    known = _NAMES.get((folder, recorded))
    if known is not None:
        return next((name for start, name in known.items() if path.startswith(start)), None)
    for name in (recorded, f"{recorded}-responses"):
        spec = _specs().get(name)
        if spec is not None and (spec.wire == folder or folder in ("embeddings", "model_lists")):
            return name
    return None


@functools.cache
def _specs() -> dict[str, ProviderSpec]:
    found = {info.name: registry.get(info.name) for info in registry.list_providers()}
    return {name: spec for name, spec in found.items() if isinstance(spec, ProviderSpec)}


def exchanges() -> Iterator[tuple[str, Exchange | None]]:
    """The recordings of a feature here: by the words of those who recorded them, and as ours where we have a name."""
    for path in sorted(RECORDINGS.glob("*/*__*.json")):
        if path.parent.name not in FOLDERS:
            continue
        data = json.loads(path.read_text(encoding="utf-8"))
        name = _provider_of(path.parent.name, data["provider"], data["request"]["path"] or "/")
        yield data["provider"], None if name is None else Exchange(path, path.parent.name, name, data)


def features_of(exchange: Exchange) -> set[str]:
    """What a recording shows."""
    if exchange.wire in ("embeddings", "model_lists"):
        feature = exchange.wire.replace("_", " ").removesuffix("s") if exchange.wire == "model_lists" else exchange.wire
        return {feature} if exchange.data["response"]["status"] < 400 else set()
    if exchange.data["response"]["status"] >= 400:
        return {"errors"}
    response, failed = read(exchange)
    if failed:
        return {"errors"}
    told = {
        "stream" if exchange.data["streaming"] else "chat": True,
        "tools": bool(response.tool_calls),
        "vision": _has(exchange.asked, _is_image),
        "reasoning": any(isinstance(part, Reasoning) for part in response.parts),
        "structured output": _has(exchange.asked, _is_schema) and _is_json(response.text),
        "citations": bool(response.citations),
        "usage": response.usage.provenance == "reported",
    }
    return {feature for feature, is_shown in told.items() if is_shown}


def read(exchange: Exchange) -> tuple[Response, bool]:
    """What the wire makes of an answer, and whether it ended with an error."""
    spec = _specs()[exchange.provider]
    wire = registry.wire(spec.wire)
    request = _request(exchange, spec)
    if spec.wire == "bedrock_invoke":  # one recording is of an imported model, whose ARN does not say what it speaks
        spec = msgspec.structs.replace(spec, quirks=spec.quirks | {"family_completions"})
    chunks: list[Chunk] = []
    failed = False
    if exchange.data["streaming"] and exchange.data["framing"] != "json-array-stream":
        framing = {"sse": SSEDecoder, "ndjson": NDJSONDecoder, "aws_eventstream": EventStreamDecoder}[wire.framing]()
        decoder = wire.decoder(request, spec)
        try:
            chunks += decoder.feed(framing.feed(exchange.body))
            rest = framing.close(flush=True) if isinstance(framing, SSEDecoder) else framing.close()
            chunks += decoder.feed(rest)
            chunks += decoder.close()
        except ExLLMError:
            chunks += decoder.take()
            failed = True
    else:
        try:
            chunks = wire.decode_body(exchange.body, request, spec)
        except ExLLMError:
            failed = True
    accumulator = Accumulator(exchange.provider, request.model)
    accumulator.add(chunks)
    return accumulator.response(), failed


def _request(exchange: Exchange, spec: ProviderSpec) -> Request:
    """A request like the one that was recorded, as far as the answer is read by it."""
    tools = exchange.asked.get("tools")
    searches = exchange.wire in ("gemini_generate", "gemini_interactions")
    model = unquote(exchange.data["request"]["path"].split("/")[2]) if spec.auth.kind == "aws" else "some-model"
    return Request(
        exchange.provider,
        model,
        (Message("user", "Hi"),),
        Options(web_search=True) if searches else Options(),
        stream=exchange.data["streaming"],
        extra={"tools": tools} if tools and exchange.wire == "openai_responses" else {},
    )


def _has(value: Any, wanted: Any, key: str = "") -> bool:
    """Whether `wanted` holds for something in `value`; tools are not looked into."""
    if wanted(key, value):
        return True
    if isinstance(value, dict):
        return any(_has(each, wanted, name) for name, each in value.items() if name != "tools")
    return isinstance(value, list) and any(_has(each, wanted) for each in value)


def _is_image(key: str, value: Any) -> bool:
    if key in ("image_url", "image", "images", "input_image"):
        return bool(value)
    if key in ("inlineData", "inline_data", "fileData", "file_data") and isinstance(value, dict):
        return str(value.get("mimeType") or value.get("mime_type")).startswith("image/")
    return key == "" and isinstance(value, dict) and value.get("type") in ("image", "image_url", "input_image")


def _is_schema(key: str, value: Any) -> bool:
    if key in ("response_format", "responseFormat") or (key == "format" and isinstance(value, dict)):
        return isinstance(value, dict) and value.get("type") not in ("text", None)
    if key == "format":
        return value == "json"
    if key in ("responseMimeType", "response_mime_type"):
        return bool(value == "application/json")
    return key in ("responseSchema", "responseJsonSchema", "output_config", "outputConfig") and bool(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
