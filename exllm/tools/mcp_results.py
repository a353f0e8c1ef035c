"""What the tool of an MCP server answered, as a `ToolResult`.

Source: modelcontextprotocol.io/specification/2025-11-25/server/tools, "Tool Result".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from exllm.tools.encoding import ResultContent, ResultPart
from exllm.types.parts import Document, Image, Text, ToolResult

_NO_CALL = ""  # the run fills in whose result it is


def result_of_content(result: Any) -> ToolResult:
    """`result` is a ``CallToolResult``. What no provider takes from a tool, such as sound, is named in its place."""
    parts = [_part(block) for block in result.content]
    content: ResultContent = tuple(parts)
    if not parts and result.structured_content is not None:
        content = msgspec.json.encode(result.structured_content).decode()
    elif all(type(part) is Text for part in parts):
        content = "\n".join(part.text for part in parts if type(part) is Text)
    return ToolResult(_NO_CALL, content, is_error=bool(result.is_error))


def _part(block: Any) -> ResultPart:
    match block.type:
        case "text":
            return Text(block.text)
        case "image":
            return _binary(block.data, block.mime_type, "image")
        case "resource":
            resource = block.resource
            if (text := getattr(resource, "text", None)) is not None:
                return Text(text)
            return _binary(resource.blob, resource.mime_type, str(resource.uri))
        case "resource_link":
            said = (block.name, block.title, block.description, str(block.uri))
            return Text(" - ".join(words for words in said if words))
        case kind:
            return _binary(getattr(block, "data", ""), getattr(block, "mime_type", None), kind)


def _binary(encoded: str, media_type: str | None, what: str) -> ResultPart:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return Text(f"[{what}: not valid base64]")
    if media_type is not None and media_type.startswith("image/"):
        return Image(data=data, media_type=media_type)
    if media_type in ("application/pdf", "text/plain"):
        return Document(data=data, media_type=media_type)
    return Text(f"[{what}: {len(data)} bytes of {media_type or 'an unknown type'}, which cannot be shown]")
