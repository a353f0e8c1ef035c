"""Answers that every wire really gave, folded into messages: one of each shape that the recordings know."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterable, Iterator
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
from exllm.types.parts import Part, ProviderPart, Reasoning, Text, ToolCall
from exllm.types.request import Request

RECORDINGS = Path(__file__).parent.parent / "recordings"
WIRES = (
    "openai_chat", "anthropic_messages", "openai_responses", "gemini_generate", "bedrock_converse", "bedrock_invoke",
    "ollama_chat", "cohere_chat", "gemini_interactions", "cohere_v1", "ollama_generate", "openai_completions",
)  # fmt: skip
_FRAMINGS: dict[str, Any] = {"sse": SSEDecoder, "ndjson": NDJSONDecoder, "aws_eventstream": EventStreamDecoder}
_CHAT = {"gemini": "gemini-openai", "ollama": "ollama-openai", "vercel-gateway": "vercel"}
_BEDROCK = {"bedrock_converse": "bedrock", "bedrock_invoke": "bedrock-invoke"}


class Answer(NamedTuple):
    """An answer. `provider` is the name of the spec that gave it, `model` the model."""

    name: str
    provider: str
    model: str
    message: Message


@functools.cache
def answers(wire: str) -> tuple[Answer, ...]:
    """One answer of each shape, and streams of calls and of thoughts that broke off in the middle."""
    found: dict[object, Answer] = {}
    for path in sorted((RECORDINGS / wire).glob("*__*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["response"]["status"] < 400:
            for share in (1.0, 0.6) if _is_stream(data) else (1.0,):
                try:
                    answer = _answer(f"{path.stem} ({share:.0%})", wire, data, share)
                except ExLLMError:  # an error that came with the status 200
                    continue
                found.setdefault((answer.provider, shape(answer.message)), answer)
    return tuple(found.values())


def shape(message: Message) -> frozenset[object]:
    """What kinds of parts a message holds; two messages with the same kinds travel alike."""
    return frozenset(_kind(part) for part in message.parts)


def _kind(part: Part) -> object:
    match part:
        case Text():
            sources = frozenset(str((citation.source or {}).get("type")) for citation in part.citations)
            return "text", bool(part.text.strip()), sources
        case ToolCall():
            return "call", part.provider_executed, part.signature is None, _arguments(part.arguments)
        case Reasoning():
            return "reasoning", not part.text, part.signature is None, part.redacted is None, part.id is None
        case ProviderPart():
            return "provider", str(part.data.get("type", sorted(part.data)))
    return type(part).__name__


def _arguments(text: str) -> str:
    try:
        return type(msgspec.json.decode(text)).__name__ if text else "none"
    except msgspec.DecodeError:
        return "broken"


def _is_stream(data: dict[str, Any]) -> bool:
    return bool(data["streaming"]) and data["framing"] not in (None, "json", "json-array-stream")


def _answer(name: str, wire_name: str, data: dict[str, Any], share: float) -> Answer:
    provider = _provider(wire_name, data["provider"])
    spec = registry.get(provider) if provider in _registered() else None
    if not isinstance(spec, ProviderSpec) or spec.wire != wire_name:
        spec = ProviderSpec(provider, wire_name, "https://api.example/v1")
    wire = registry.wire(wire_name)
    response = data["response"]
    body = base64.b64decode(response["body_base64"]) if response.get("body_base64") else response["body"].encode()
    model = unquote(data["request"]["path"].split("/")[2]) if wire_name in _BEDROCK else spec.default_model or "m"
    options = Options(web_search=True) if wire_name.startswith("gemini_") else Options()
    request = Request(provider, model, (Message("user", "Hi"),), options, stream=_is_stream(data))
    accumulator = Accumulator(provider, model)
    if _is_stream(data):
        accumulator.add(_chunks(wire, spec, request, body[: int(len(body) * share)]))
    else:
        accumulator.add(wire.decode_body(body, request, spec))
    return Answer(name, provider, model, accumulator.response().message)


@functools.cache
def _registered() -> frozenset[str]:
    return frozenset(info.name for info in registry.list_providers())


def _chunks(wire: Any, spec: ProviderSpec, request: Request, body: bytes) -> Iterable[Chunk]:
    """The chunks of a stream, as far as it went."""
    framing, decoder = _FRAMINGS[wire.framing](), wire.decoder(request, spec)
    chunks: list[Chunk] = []
    try:
        chunks += decoder.feed(framing.feed(body))
        chunks += decoder.close()
    except ExLLMError:
        chunks += decoder.take()
    return chunks


def _provider(wire: str, recorded: str) -> str:
    if wire in _BEDROCK:
        return _BEDROCK[wire]
    if wire == "openai_responses":
        name = {"bedrock-mantle": "bedrock-responses"}.get(recorded, f"{recorded}-responses")
    elif wire == "anthropic_messages":
        name = {"vertex": "vertex-anthropic"}.get(recorded, recorded)
    elif wire == "gemini_interactions":
        name = "gemini-interactions"
    elif wire == "openai_chat":
        name = _CHAT.get(recorded, recorded)
    else:
        name = recorded
    return name


def opaque_strings(message: Message) -> Iterator[str]:
    """What only the provider of an answer can read, or has the ids of: signatures, encrypted content, its own parts."""
    for part in message.parts:
        match part:
            case Reasoning() | ToolCall():
                for token in (part.signature, getattr(part, "redacted", None)):
                    yield from _leaves(token)
                    yield from (text for text in _leaves(_inside(token)) if len(text) > 40)
            case ProviderPart():
                yield from _leaves(part.data)
            case Text():
                for citation in part.citations:
                    if citation.source:
                        yield from (text for text in _leaves(citation.source) if len(text) > 200)


def _inside(token: str | None) -> list[Any]:
    """What a token holds that is JSON, or has lines of it after somebody's name."""
    found: list[Any] = []
    for line in (token or "").splitlines():
        try:
            found.append(json.loads(line[line.find("{") :] if "{" in line else line))
        except ValueError:
            continue
    return found


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str) and len(value) >= 12:
        yield value
