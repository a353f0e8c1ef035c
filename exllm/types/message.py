"""One turn of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from exllm.types.parts import Part, Text, ToolCall

Role = Literal["system", "developer", "user", "assistant", "tool"]


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn: who speaks, and what.

    ``Message("user", "Hi")`` or ``Message("user", [Text("What is this?"), Image(path="cat.png")])``. A list of parts is
    kept as a tuple.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.content, list):  # the natural argument; frozen data holds tuples
            msgspec.structs.force_setattr(self, "content", tuple(self.content))

    @classmethod
    def of(cls, role: Role, content: str | Sequence[Part], *, name: str | None = None) -> Message:
        """The typed constructor for any sequence of parts."""
        return cls(role, content if isinstance(content, str) else tuple(content), name)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts; a string is one `Text`, an empty one none."""
        if isinstance(self.content, str):
            return (Text(self.content),) if self.content else ()
        return self.content

    @property
    def text(self) -> str:
        """All text joined, without reasoning and without refusals."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if type(part) is Text)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that wait for an answer from you."""
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if type(part) is ToolCall and not part.provider_executed)
