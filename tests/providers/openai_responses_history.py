"""Recorded `input` lists as messages of ours, and the form in which two such lists are compared."""

from __future__ import annotations

from typing import Any

from exllm.providers.openai_responses_reasoning import Signature
from exllm.types.media import decode_base64, read_data_url
from exllm.types.message import Message
from exllm.types.parts import Citation, Document, Image, Part, ProviderPart, Reasoning, Text, ToolCall, ToolResult

OWN = "openai-responses"
Item = dict[str, Any]


def messages_of(items: str | list[Item]) -> list[Message]:
    """The conversation that a recorded request holds."""
    if isinstance(items, str):
        return [Message("user", items)]
    messages: list[Message] = []
    for item in items:
        role, parts = _parts(item)
        if messages and messages[-1].role == role == "assistant":
            parts = (*messages.pop().parts, *parts)
        messages.append(Message(role, parts))  # type: ignore[arg-type]
    return messages


def comparable(items: str | list[Item]) -> list[Item]:
    """`items` without what says nothing: nulls, ids of items that need none, and the short form of a message."""
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    found: list[Item] = []
    for item in items:
        if "role" in item:
            kind = "output_text" if item["role"] == "assistant" else "input_text"
            content = [{"type": kind, "text": item["content"]}] if isinstance(item["content"], str) else item["content"]
            content = [{name: value for name, value in part.items() if _says(name, value)} for part in content]
            last = found[-1] if found else {}
            if last.get("role") == item["role"] == "assistant":
                last["content"] += content
            else:
                found.append({"role": item["role"], "content": content})
            continue
        needed = item["type"] not in ("reasoning", "function_call")
        found.append(
            {
                name: value
                for name, value in item.items()
                if value is not None and (needed or name not in ("id", "status"))
            }
        )
    return found


def _says(name: str, value: Any) -> bool:
    return value not in (None, []) and name != "prompt_cache_breakpoint"


def _parts(item: Item) -> tuple[str, tuple[Part, ...]]:
    match item.get("type", "message"):
        case "message":
            content = item["content"]
            given = [{"text": content}] if isinstance(content, str) else content
            return item["role"], tuple(_part(part) for part in given)
        case "function_call":
            return "assistant", (ToolCall(item["call_id"], item["name"], item["arguments"]),)
        case "function_call_output":
            output = item["output"]
            said = output if isinstance(output, str) else tuple(_part(part) for part in output)
            return "tool", (ToolResult(item["call_id"], said),)  # type: ignore[arg-type]
        case "reasoning":
            summaries = [part["text"] for part in item["summary"]]
            texts = [*summaries, *(part["text"] for part in item.get("content") or ())] or [""]
            id_ = item.get("id") or "rs_made_up"
            signature = Signature(OWN, len(summaries), item.get("encrypted_content")).write()
            parts = [Reasoning(text, id=id_) for text in texts[:-1]]
            return "assistant", (*parts, Reasoning(texts[-1], signature, id=id_))
    return "assistant", (ProviderPart(OWN, item),)


def _part(part: Item) -> Part:
    if "text" in part:
        sources = part.get("annotations") or ()
        return Text(part["text"], tuple(Citation(source["url"], source=source) for source in sources))
    if part["type"] == "input_image":
        if part["image_url"].startswith("data:"):
            data, media_type = read_data_url(part["image_url"], "image")
            return Image(data=data, media_type=media_type)
        return Image(url=part["image_url"])
    if "file_url" in part:
        return Document(url=part["file_url"])
    if part["file_data"].startswith("data:"):
        data, media_type = read_data_url(part["file_data"], "file")
    else:
        data, media_type = decode_base64(part["file_data"], "file"), "application/pdf"
    return Document(data=data, media_type=media_type, title=part["filename"])
