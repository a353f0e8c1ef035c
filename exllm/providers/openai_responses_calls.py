"""What a call of the Responses API has besides id, name and arguments, and which output items wait for the caller.

Source: https://developers.openai.com/api/docs/guides/function-calling, /tools-computer-use, /tools-shell
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.providers.openai_chat_calls import CUSTOM_SIGNATURE

Item = dict[str, Any]

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Calls that are yours to answer, and the field with what they are called with."""

ACTIONS = frozenset(
    {"computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request", "tool_search_call"}
)
"""Items that ask for something to be done, by you unless the answer brings the outcome as well."""

# Fields that say nothing to the model, or have a name in `ToolCall`. Bedrock adds those of the event.
_SAID = frozenset({"type", "call_id", "name", "arguments", "input", "status", "id", "item_id", "output_index"})


_PREFIX = "openai_call:"  # so that it is JSON to nobody else: other wires read signatures that are


class CallSignature(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What must go back with a call.

    Attributes:
        provider: whose call it is.
        kind: of the item.
        id: of the item, kept where items next to it go back with theirs.
        fields: others that have no name in `ToolCall`: `namespace`, `caller`.
    """

    provider: str
    kind: str = "function_call"
    id: str | None = None
    fields: dict[str, Any] = {}

    def write(self) -> str:
        """As the text that `ToolCall.signature` keeps."""
        return _PREFIX + msgspec.json.encode(self).decode()


_decode = msgspec.json.Decoder(CallSignature).decode


def call_signature(item: Item, provider: str, *, keep_id: bool) -> str | None:
    """The `ToolCall.signature` of an item; None for most."""
    fields = {name: value for name, value in item.items() if name not in _SAID and value is not None}
    if fields.get("caller") == {"type": "direct"}:
        del fields["caller"]
    id_ = item_id(item) if keep_id else None
    if id_ is None and not fields:
        return CUSTOM_SIGNATURE if item["type"] == "custom_tool_call" else None
    return CallSignature(provider, item["type"], id_, fields).write()


def read_call_signature(text: str | None, provider: str) -> CallSignature:
    """What `text` says of the call; of a call of another provider, or protocol, only that it is one."""
    if text == CUSTOM_SIGNATURE:
        return CallSignature(provider, "custom_tool_call")
    if text is None or not text.startswith(_PREFIX):
        return CallSignature(provider)
    try:
        found = _decode(text[len(_PREFIX) :])
    except (msgspec.DecodeError, RecursionError):
        return CallSignature(provider)
    return found if found.provider == provider else CallSignature(provider, found.kind)


def item_id(item: Item) -> str | None:
    """The item's own id. Raises `TypeError` when it is no text."""
    found = item.get("id") or item.get("item_id")
    if found is not None and not isinstance(found, str):
        raise TypeError(f"id should be text, got {found!r}")
    return found
