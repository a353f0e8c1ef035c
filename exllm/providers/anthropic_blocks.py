"""Content blocks of the Anthropic Messages API that go back as they came, and the parts of others that must.

Source: https://platform.claude.com/docs/en/api/messages#response-content
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.types.parts import Citation

INVALID_JSON = "INVALID_JSON"
"""Arguments that are not JSON travel under this name, as Anthropic advises:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming#handling-invalid-json-in-tool-responses"""

# Fields of a tool call that `ToolCall` has a name for; all others go into its `signature`, see `call_signature`.
_CALL_FIELDS = frozenset({"type", "id", "name", "input"})


class OpenBlock:
    """A block that goes back as it came, while its pieces arrive."""

    __slots__ = ("block", "json")

    def __init__(self, block: dict[str, Any]) -> None:
        self.block = block
        self.json: list[str] = []

    def add(self, delta: dict[str, Any]) -> None:
        """A piece of a kind of its own, e.g. ``compaction_delta``: its fields are the block's."""
        self.block.update({name: value for name, value in delta.items() if name != "type" and value is not None})

    def build(self) -> dict[str, Any]:
        text = "".join(self.json)
        if text:
            try:
                self.block["input"] = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):  # cut off by max_tokens
                self.block["input"] = {INVALID_JSON: text}
        return self.block


def to_citation(source: dict[str, Any]) -> Citation:
    """Any of Anthropic's citation kinds; the object itself stays in `source`."""
    kind, document = source.get("type"), source.get("document_index")
    return Citation(
        url=string(source, "source" if kind == "search_result_location" else "url") or None,
        title=string(source, "title") or string(source, "document_title") or None,
        text=string(source, "cited_text") or None,
        document=document if isinstance(document, int) else None,
        source=source,
    )


def call_signature(block: dict[str, Any]) -> str | None:
    """What must go back with a tool call and has no name in `ToolCall`, as JSON: `caller`, `toolset_name`.

    The usual caller, the model itself, is left out: it is the default.
    """
    rest = {name: value for name, value in block.items() if name not in _CALL_FIELDS and value is not None}
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    return msgspec.json.encode(rest).decode() if rest else None


def string(fields: dict[str, Any], name: str) -> str:
    """The text called `name`, empty where it is absent or null. Raises `TypeError` for anything but text."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name} should be text, got {value!r}")
    return value
