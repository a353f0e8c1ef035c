"""Items, and content parts of messages, as OpenAI's Responses API has them.

An item that is no message becomes a message by itself; those of one turn are joined by the caller. Items that have no
common form (searches, compactions, ...) go back to OpenAI as they came.
Source: https://developers.openai.com/api/reference/resources/responses/methods/create, `input`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.types.block_fields import Block, pop_text, result_content, to_json
from exllm.types.media import decode_base64, read_data_url
from exllm.types.message import Message
from exllm.types.parts import (
    Citation,
    Document,
    FileRef,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

_PROVIDER = "openai-responses"
# The forms in which `exllm.providers.openai_responses_reasoning` and `.openai_responses_calls` keep what goes back.
_REASONING, _CALL, _CUSTOM = "openai_reasoning:", "openai_call:", "custom"

_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_OF_MODEL = frozenset(
    {
        "apply_patch_call", "code_interpreter_call", "compaction", "computer_call", "file_search_call",
        "image_generation_call", "item_reference", "local_shell_call", "mcp_approval_request", "mcp_call",
        "mcp_list_tools", "program", "program_output", "shell_call", "tool_search_call", "tool_search_output",
        "web_search_call",
    }
)  # fmt: skip
_OF_CALLER = frozenset(
    {
        "additional_tools", "apply_patch_call_output", "compaction_trigger", "computer_call_output",
        "configuration_update", "local_shell_call_output", "mcp_approval_response", "shell_call_output",
    }
)  # fmt: skip
_ITEMS = frozenset({*_CALLS, *_OUTPUTS, *_OF_MODEL, *_OF_CALLER, "reasoning"})


def is_item(fields: Block) -> bool:
    """Whether a dict is an item that is no message."""
    kind = fields.get("type")
    return isinstance(kind, str) and kind in _ITEMS and ("role" not in fields or kind == "additional_tools")


def item(fields: dict[str, Any], where: str) -> Message:
    """The message that an item means. Raises `InvalidRequest` that names the place."""
    kind = fields["type"]
    try:
        if kind in _CALLS:
            return Message("assistant", (_call(kind, fields, where),))
        if kind in _OUTPUTS:
            output = result_content(fields["output"], where)
            return Message("tool", (ToolResult(fields["call_id"], output),))
        if kind == "reasoning":
            return Message("assistant", tuple(_reasoning(fields, where)))
    except KeyError as error:
        raise InvalidRequest(f"{where}: an item of type {kind!r} needs {error.args[0]!r}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}: {kind!r} item of the wrong shape: {error}") from None
    return Message("assistant" if kind in _OF_MODEL else "tool", (ProviderPart(_PROVIDER, fields),))


def _call(kind: str, fields: dict[str, Any], where: str) -> ToolCall:
    said = {"type", "id", "status", "call_id", "name", _CALLS[kind]}
    rest = {name: value for name, value in fields.items() if name not in said and value != {"type": "direct"}}
    signature = _CUSTOM if kind == "custom_tool_call" else None
    if rest:
        signature = _CALL + to_json({"provider": _PROVIDER, "kind": kind, "fields": rest}, where)
    return ToolCall(fields["call_id"], fields["name"], pop_text(dict(fields), _CALLS[kind]), signature=signature)


def _reasoning(fields: dict[str, Any], where: str) -> list[Reasoning]:
    """Summaries and content are parts of their own; the last one has what else goes back."""
    summaries, contents = fields.get("summary") or [], fields.get("content") or []
    texts = [pop_text(dict(each), "text") for each in (*summaries, *contents)] or [""]
    facts = {"provider": _PROVIDER, "summaries": len(summaries), "encrypted": fields.get("encrypted_content")}
    id_, last = fields.get("id"), len(texts) - 1
    signature = _REASONING + to_json({name: value for name, value in facts.items() if value}, where)
    return [Reasoning(text, signature if place == last else None, id=id_) for place, text in enumerate(texts)]


def said(_kind: str, fields: dict[str, Any], where: str) -> Part:
    sources = fields.pop("annotations", None) or ()
    fields.pop("logprobs", None)  # of an answer; no provider reads them back
    cited = tuple(
        Citation(source.get("url"), source.get("title") or source.get("filename"), source=dict(source))
        for source in sources
    )
    return Text(pop_text(fields, "text"), cited)


def image(_kind: str, fields: dict[str, Any], where: str) -> Part:
    detail = fields.pop("detail", None)
    if "file_id" in fields:
        return FileRef(fields.pop("file_id"), "image/png")  # an image of any type: it is told from other files by it
    return msgspec.convert({"type": "image", "url": fields.pop("image_url"), "detail": detail}, Image)


def file(_kind: str, fields: dict[str, Any], where: str) -> Part:
    if "file_id" in fields:
        return FileRef(fields.pop("file_id"))
    title = fields.pop("filename", None)
    if "file_url" in fields:
        return Document(url=fields.pop("file_url"), title=title)
    data, media_type = pop_text(fields, "file_data"), "application/pdf"
    if data.startswith("data:"):
        content, media_type = read_data_url(data, where)
    else:
        content = decode_base64(data, where)
    return Document(data=content, media_type=media_type, title=title)


PARTS: dict[str, Callable[[str, dict[str, Any], str], Part]] = {
    "input_text": said,
    "output_text": said,
    "input_image": image,
    "input_file": file,
}
