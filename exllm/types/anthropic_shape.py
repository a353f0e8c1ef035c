"""Content blocks as Anthropic's Messages API has them.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.types.block_fields import pop_all, pop_cache_control, pop_text, result_content, to_json
from exllm.types.media import decode_base64
from exllm.types.parts import (
    Document,
    FileRef,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    ToolCall,
    ToolResult,
)

# Blocks that go back as they came, besides the results of server tools.
OPAQUE = frozenset({"search_result", "container_upload", "mcp_tool_use", "compaction", "fallback"})


def media(kind: str, fields: dict[str, Any], where: str) -> Part:
    source = fields["source"]
    is_custom = kind == "document" and source["type"] == "content"  # blocks of the document, cited one by one
    if is_custom or (source["type"] == "file" and not fields.keys() <= {"source", "cache_control"}):
        return ProviderPart("anthropic", {"type": kind, **pop_all(fields)})
    del fields["source"]
    cache = pop_cache_control(fields)
    if source["type"] == "file":
        return FileRef(source["file_id"], cache_control=cache)
    place: dict[str, Any]
    match source["type"]:
        case "base64":
            place = {"data": decode_base64(source["data"], where), "media_type": source["media_type"]}
        case "url":
            place = {"url": source["url"]}
        case "text":
            place = {"data": source["data"].encode(), "media_type": "text/plain"}
        case other:
            raise InvalidRequest(f"{where}: unknown source {other!r}; known are base64, url, text, content and file")
    if kind == "image":
        return Image(**place, cache_control=cache)
    citations = fields.pop("citations", None) or {}
    return Document(
        **place,
        title=fields.pop("title", None),
        context=fields.pop("context", None),
        citations=citations.get("enabled"),
        cache_control=cache,
    )


def thinking(_kind: str, fields: dict[str, Any], where: str) -> Part:
    return Reasoning(pop_text(fields, "thinking"), fields.pop("signature", None))


def redacted_thinking(_kind: str, fields: dict[str, Any], where: str) -> Part:
    return Reasoning(redacted=pop_text(fields, "data"))


def tool_use(kind: str, fields: dict[str, Any], where: str) -> Part:
    id_, name, given = pop_text(fields, "id"), pop_text(fields, "name"), fields.pop("input", None)
    cache = pop_cache_control(fields)
    rest = pop_all(fields)  # what has no name here goes back as it came
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    arguments = given if isinstance(given, str) else to_json(given or {}, where)
    return ToolCall(id_, name, arguments, kind == "server_tool_use", to_json(rest, where) if rest else None, cache)


def tool_result(kind: str, fields: dict[str, Any], where: str) -> Part:
    content = fields.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        kinds = {block.get("type") for block in content if isinstance(block, Mapping)}
        if not kinds <= {"text", "image", "document"}:  # search results, tool references: Anthropic's alone
            return ProviderPart("anthropic", {"type": kind, **pop_all(fields)})
    return ToolResult(
        fields.pop("tool_use_id"),
        result_content(fields.pop("content", None), where),
        is_error=bool(fields.pop("is_error", False)),
        cache_control=pop_cache_control(fields),
    )


PARTS: dict[str, Callable[[str, dict[str, Any], str], Part]] = {
    "thinking": thinking,
    "redacted_thinking": redacted_thinking,
    "tool_use": tool_use,
    "server_tool_use": tool_use,
}
