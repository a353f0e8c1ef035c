"""Requests of Converse: what botocore says of a body, and recorded bodies in our words."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
from botocore.validate import ParamValidator

from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.parts import (
    CacheControl,
    Citation,
    Document,
    FileRef,
    Part,
    ProviderPart,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool
from tests.providers.bedrock_recordings import MODEL

MEDIA_TYPES = {"txt": "text/plain", "jpeg": "image/jpeg", "mp4": "video/mp4"}


def complaints(body: dict[str, Any], model: str, operation: str = "ConverseStream") -> str:
    """What botocore finds wrong with a request: unknown fields, wrong types, missing or empty values."""
    shape = MODEL.operation_model(operation).input_shape
    return str(ParamValidator().validate({"modelId": model, **body}, shape).generate_report())


def request_of(sent: dict[str, Any], provider: str, model: str, *, stream: bool) -> Request:
    """The request that `sent`, a recorded body, must have come from."""
    messages = [Message("system", _parts(sent["system"]))] if sent.get("system") else []
    for turn in sent["messages"]:
        messages += _messages(turn)
    config = sent.get("inferenceConfig", {})
    additional = sent.get("additionalModelRequestFields", {})
    options = Options(
        max_tokens=config.get("maxTokens"),
        temperature=config.get("temperature"),
        top_p=config.get("topP"),
        stop=tuple(config["stopSequences"]) if "stopSequences" in config else None,
        top_k=additional.get("inferenceConfig", {}).get("topK"),
        thinking=additional.get("thinking"),
        **_tools(sent.get("toolConfig", {})),
    )
    extra = {name: value for name, value in sent.items() if name == "guardrailConfig"}
    return Request(provider, model, tuple(messages), options, extra, stream)


def plain(sent: dict[str, Any]) -> dict[str, Any]:
    """`sent` without what says nothing: empty objects, and that a tool did not fail."""
    turns = msgspec.json.decode(msgspec.json.encode(sent["messages"]))
    for block in (block for turn in turns for block in turn["content"]):
        if block.get("toolResult", {}).get("status") == "success" and "type" not in block["toolResult"]:
            del block["toolResult"]["status"]
    return {name: value for name, value in {**sent, "messages": turns}.items() if value}


def _tools(config: dict[str, Any]) -> dict[str, Any]:
    tools: list[Tool | ServerTool] = []
    for tool in config.get("tools", ()):
        if "toolSpec" in tool:
            spec = tool["toolSpec"]
            tools.append(Tool(spec["name"], spec.get("description", ""), spec["inputSchema"]["json"]))
        elif "cachePoint" in tool:
            tools[-1] = msgspec.structs.replace(tools[-1], cache_control=CacheControl())
        else:
            tools.append(ServerTool(tool))
    choice = next(iter(config.get("toolChoice", {})), None)
    return {"tools": tuple(tools) or None, "tool_choice": choice}


def _messages(turn: dict[str, Any]) -> list[Message]:
    results = [block for block in turn["content"] if "toolResult" in block and turn["role"] == "user"]
    others = [block for block in turn["content"] if block not in results]
    messages = [Message("tool", _parts(results))] if results else []
    return [*messages, Message(turn["role"], _parts(others))] if others else messages


def _parts(blocks: list[dict[str, Any]]) -> tuple[Part, ...]:
    parts: list[Any] = []
    for block in blocks:
        if "cachePoint" in block:
            parts[-1] = msgspec.structs.replace(parts[-1], cache_control=CacheControl())
        else:
            parts.append(_part(block))
    return tuple(parts)


def _part(block: dict[str, Any]) -> Any:
    match block:
        case {"text": str(text)}:
            return Text(text)
        case {"toolUse": call}:
            return ToolCall(
                call["toolUseId"], call["name"], json.dumps(call["input"]),
                provider_executed=call.get("type") == "server_tool_use",
            )  # fmt: skip
        case {"toolResult": result} if "type" not in result:
            content = result["content"]
            if len(content) == 1 and "text" in content[0]:
                return ToolResult(result["toolUseId"], content[0]["text"])
            return ToolResult(result["toolUseId"], _parts(content))  # type: ignore[arg-type]
        case {"reasoningContent": {"redactedContent": redacted}}:
            return Reasoning(redacted=base64.b64decode(redacted).decode())
        case {"citationsContent": cited}:
            sources = tuple(Citation(source=source) for source in cited["citations"])
            return Text("".join(piece["text"] for piece in cited.get("content", ())), sources)
        case {"document": {"source": {"bytes": data}, **rest}}:
            return Document(
                data=base64.b64decode(data), media_type=MEDIA_TYPES[rest["format"]], title=rest["name"]
            )  # fmt: skip
        case {"document": {"source": {"text": text}, **rest}}:
            return Document(
                data=text.encode(), media_type="text/plain", title=rest["name"], context=rest["context"],
                citations=rest["citations"]["enabled"],
            )  # fmt: skip
        case {"image": {"format": kind, "source": {"s3Location": place}}}:
            return FileRef(place["uri"], MEDIA_TYPES[kind])
        case {"video": {"format": kind, "source": {"s3Location": place}}}:
            return FileRef(place["uri"], MEDIA_TYPES[kind])
    return ProviderPart("bedrock", block)
