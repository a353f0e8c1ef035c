"""The conversations in `tests/recordings` with the input tokens that the providers reported for them.

The truth that the estimates of `exllm.context` are measured against. Only what is plain is taken: text, function tools,
their calls and results. What a provider adds of its own (searches, files it fetched, its own tools, thinking), what the
recorder cut, and what nobody can count before sending (media) is left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from exllm.errors import ExLLMError
from exllm.providers import registry
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.streaming.sse import SSEDecoder
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import Part, Text, ToolCall, ToolResult
from exllm.types.request import Request
from exllm.types.tool import Tool
from exllm.types.tool_dicts import tools_of

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings"

# Folder: provider whose spec reads its answers. Bedrock's raw `invoke` has a body per vendor and is left out.
FOLDERS = {
    "anthropic_messages": "anthropic",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "gemini_generate": "gemini",
    "ollama_chat": "ollama",
    "openai_chat": "openai",
    "openai_responses": "openai-responses",
}
_SEARCHING = ("compound", "sonar")  # these search by themselves, and what they find is input
_FRAMINGS = {"sse": SSEDecoder, "ndjson": NDJSONDecoder, "aws_eventstream": EventStreamDecoder}


class Measured(msgspec.Struct, frozen=True):
    """One recorded call: what was sent, and how many tokens the provider says it was."""

    file: str
    provider: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    input_tokens: int


class NotPlain(Exception):
    """The call has something that cannot be measured."""


def measured() -> Iterator[Measured]:
    """All calls that can be measured, in the order of their files."""
    for folder, spec_name in FOLDERS.items():
        for path in sorted((RECORDINGS / folder).glob("*__*.json")):
            try:
                yield _measure(path, folder, spec_name)
            except (NotPlain, ExLLMError, TypeError, ValueError, KeyError):
                continue  # not plain, or an error; how many are left is in the report


def _measure(path: Path, folder: str, spec_name: str) -> Measured:
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["response"]["status"] != 200:
        raise NotPlain
    body = json.loads(data["request"]["body"])
    messages, tools = _READERS[folder](body)
    model = str(body.get("model") or body.get("modelId") or _model_in(data["request"]["path"]))
    if not messages or _thinks(body) or any(part in model for part in _SEARCHING):
        raise NotPlain
    tokens = _reported(data, spec_name, model)
    return Measured(path.stem, data["provider"], model, messages, tools, tokens)


def _model_in(path: str) -> str:
    return path.rpartition("/model")[2].lstrip("s/").partition("/")[0].partition(":g")[0].partition(":s")[0]


def _thinks(body: dict[str, Any]) -> bool:
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") != "disabled":
        return True
    return any(name in body for name in ("mcp_servers", "web_search_options", "plugins", "documents", "output_config",
                                          "response_format", "search_parameters", "context_management",
                                          "additionalModelRequestFields", "previous_response_id", "text",
                                          "prompt", "audio", "format", "citation_options", "functions"))  # fmt: skip


def _reported(data: dict[str, Any], spec_name: str, model: str) -> int:
    spec = registry.get(spec_name)
    wire = registry.wire(spec.wire)  # type: ignore[union-attr]
    request = Request(spec_name, model, (Message("user", "Hi"),), stream=data["streaming"])
    response = data["response"]
    encoded = response.get("body_base64")
    body = base64.b64decode(encoded) if encoded else response["body"].encode()
    accumulator = Accumulator(spec_name, model)
    if data["streaming"]:
        framing, decoder = _FRAMINGS[wire.framing](), wire.decoder(request, spec)
        for frames in (framing.feed(body), framing.close()):
            accumulator.add(decoder.feed(frames))
        accumulator.add(decoder.close())
    else:
        accumulator.add(wire.decode_body(body, request, spec))
    usage = accumulator.response().usage
    if not usage.input_tokens or usage.search_requests:
        raise NotPlain
    return usage.input_tokens


# -- bodies to messages


def _openai(body: dict[str, Any]) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    return _plain(normalise_messages(body["messages"])), _functions(body.get("tools"))


def _anthropic(body: dict[str, Any]) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    messages = list(body["messages"])
    if body.get("system"):
        messages.insert(0, {"role": "system", "content": body["system"]})
    return _plain(normalise_messages(messages)), _functions(body.get("tools"))


def _responses(body: dict[str, Any]) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    items, messages = body["input"], []
    if body.get("instructions"):
        messages.append(Message("system", body["instructions"]))
    for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
        match item:
            case {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}:
                messages.append(Message("assistant", (ToolCall(id, name, arguments),)))
            case {"type": "function_call_output", "call_id": id, "output": str(output)}:
                messages.append(Message("tool", (ToolResult(id, output),)))
            case {"role": role, "content": str(text)}:
                messages.append(Message(role, text))
            case {"role": role, "content": list(parts)}:
                if any("text" not in part for part in parts):
                    raise NotPlain
                messages.append(Message(role, tuple(Text(part["text"]) for part in parts)))
            case _:
                raise NotPlain
    return tuple(messages), _functions(body.get("tools"))


def _gemini(body: dict[str, Any]) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    messages: list[Message] = []
    if system := body.get("systemInstruction"):
        messages.append(Message("system", "".join(part["text"] for part in system["parts"])))
    for content in body["contents"]:
        role = {"model": "assistant"}.get(content.get("role", "user"), "user")
        parts: list[Part] = []
        for part in content["parts"]:
            match part:
                case {"text": text}:
                    parts.append(Text(text))
                case {"functionCall": {"name": name, **call}}:
                    parts.append(ToolCall("call", name, json.dumps(call.get("args", {}))))
                case {"functionResponse": {"name": name, "response": answer}}:
                    role = "tool"
                    parts.append(ToolResult("call", json.dumps(answer), name))
                case _:
                    raise NotPlain
        messages.append(Message(role, tuple(parts)))
    tools: list[Tool] = []
    for tool in body.get("tools") or ():
        if set(tool) != {"functionDeclarations"}:
            raise NotPlain
        for each in tool["functionDeclarations"]:
            schema = each.get("parameters") or each.get("parametersJsonSchema") or {"type": "object"}
            tools.append(Tool(each["name"], each.get("description", ""), schema))
    config = body.get("generationConfig", {})
    if {"responseSchema", "responseJsonSchema", "responseModalities"} & set(config):
        raise NotPlain
    return tuple(messages), tuple(tools)


def _bedrock(body: dict[str, Any]) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    messages: list[Message] = []
    if system := body.get("system"):
        messages.append(Message("system", "".join(part["text"] for part in system)))
    for message in body["messages"]:
        role, parts = message["role"], []
        for part in message["content"]:
            match part:
                case {"text": text}:
                    parts.append(Text(text))
                case {"toolUse": {"toolUseId": id, "name": name, "input": arguments}}:
                    parts.append(ToolCall(id, name, json.dumps(arguments)))
                case {"toolResult": {"toolUseId": id, "content": [{"text": str(text)}]}}:
                    role = "tool"
                    parts.append(ToolResult(id, text))
                case _:
                    raise NotPlain
        messages.append(Message(role, tuple(parts)))
    tools = []
    for tool in body.get("toolConfig", {}).get("tools", ()):
        each = tool["toolSpec"]
        tools.append(Tool(each["name"], each.get("description", ""), each["inputSchema"]["json"]))
    return tuple(messages), tuple(tools)


def _plain(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    for message in messages:
        for part in message.parts:
            if type(part) not in (Text, ToolCall, ToolResult):
                raise NotPlain
            if type(part) is ToolCall and part.provider_executed:
                raise NotPlain
            if type(part) is ToolResult and any(
                type(inner) is not Text for inner in part.content if type(part.content) is not str
            ):
                raise NotPlain
    return messages


def _functions(given: Any) -> tuple[Tool, ...]:
    tools = tools_of(given) if given else ()
    if any(type(tool) is not Tool for tool in tools):
        raise NotPlain
    return tools  # type: ignore[return-value]


_READERS = {
    "anthropic_messages": _anthropic,
    "bedrock_converse": _bedrock,
    "cohere_chat": _openai,
    "gemini_generate": _gemini,
    "ollama_chat": _openai,
    "openai_chat": _openai,
    "openai_responses": _responses,
}
