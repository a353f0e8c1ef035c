"""What a message is made of: typed content parts, one tagged union."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from exllm.errors import ConfigurationError


class CacheControl(msgspec.Struct, frozen=True, gc=False):
    """A prompt-cache breakpoint: everything up to and including the part that carries it may be cached.

    Providers that cache by themselves, or not at all, ignore it with a warning. `ttl` is ``"5m"`` or ``"1h"``.
    """

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class Citation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Where a statement of the answer is from.

    Attributes:
        url, title: of a web page or document.
        text: the cited passage, as the provider quotes it.
        start, end: character range in the answer's text that the citation supports, where given.
        document: index of the cited document among the request's documents, where given.
        source: the provider's own citation object, so that nothing of it is lost.
    """

    url: str | None = None
    title: str | None = None
    text: str | None = None
    start: int | None = None
    end: int | None = None
    document: int | None = None
    source: dict[str, Any] | None = None


class _Part(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, gc=False):
    pass


class Text(_Part, frozen=True, tag="text"):
    """Plain text."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache_control: CacheControl | None = None


class _Media(_Part, frozen=True):
    """Bytes that live in exactly one place: at `url`, in `data` (with `media_type`), or in the file at `path`.

    A `path` is read, in a thread, when the request is made.
    """

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("url", "data", "path") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigurationError(
                f"{type(self).__name__} needs exactly one of url=, data= (with media_type=) or path=, "
                f"got {given or 'none'}"
            )
        for name, kind in (("url", str), ("data", bytes), ("path", (str, Path))):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(
                    f"{type(self).__name__}({name}=...) takes {'bytes' if kind is bytes else 'text'}, got "
                    f"{type(value).__name__}; it is url= for an address, data= for bytes, path= for a file"
                )
        if isinstance(self.path, Path):  # the natural argument; stored as str so that the part stays plain data
            msgspec.structs.force_setattr(self, "path", str(self.path))
        if self.data is not None and self.media_type is None:
            raise ConfigurationError(f"{type(self).__name__}(data=...) needs media_type=, e.g. 'image/png'")


class Image(_Media, frozen=True, tag="image"):
    """An image; `detail` is ``"low"``, ``"high"`` or ``"auto"`` where the provider knows it."""

    detail: Literal["low", "high", "auto", "original"] | None = None
    cache_control: CacheControl | None = None


class Audio(_Media, frozen=True, tag="audio"):
    """Audio. In answers `id` names it for later turns and `transcript` is what is said."""

    id: str | None = None
    transcript: str | None = None


class Document(_Media, frozen=True, tag="document"):
    """A document, usually a PDF or plain text. `citations=True` asks the provider to cite from it."""

    title: str | None = None
    context: str | None = None
    citations: bool | None = None
    cache_control: CacheControl | None = None


class FileRef(_Part, frozen=True, tag="file_ref"):
    """A file that was uploaded to the provider before, by its id."""

    id: str
    media_type: str | None = None
    cache_control: CacheControl | None = None


class ToolCall(_Part, frozen=True, tag="tool_call"):
    """A call that the model asks for.

    `arguments` is the JSON text as the model wrote it, possibly empty or malformed; `parse_arguments` reads it.
    `provider_executed` calls (server tools) were run by the provider and are not yours to answer.
    `signature` is an opaque token of the provider that must go back unchanged with the call.
    """

    id: str
    name: str
    arguments: str = ""
    provider_executed: bool = False
    signature: str | None = None
    cache_control: CacheControl | None = None

    def parse_arguments(self) -> Any:
        """The arguments as Python data, `{}` when empty. Raises `msgspec.DecodeError` when they are not JSON."""
        return msgspec.json.decode(self.arguments) if self.arguments.strip() else {}


class ToolResult(_Part, frozen=True, tag="tool_result"):
    """The answer to the call with the id `call_id`: text or parts."""

    call_id: str
    content: str | tuple[Text | Image | Document, ...] = ""
    name: str | None = None
    is_error: bool = False
    cache_control: CacheControl | None = None


class Reasoning(_Part, frozen=True, tag="reasoning"):
    """What the model thought before it answered.

    `signature` (or `redacted`, thought that only the provider can read) goes back unchanged in later turns, to the
    same provider only.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None


class Refusal(_Part, frozen=True, tag="refusal"):
    """The model's own words for declining."""

    text: str


class ProviderPart(_Part, frozen=True, tag="provider"):
    """A content block that has no common name, e.g. a server tool's result; goes back only where it came from."""

    provider: str
    data: dict[str, Any]


Part = (
    Text | Image | Audio | Document | FileRef | ToolCall | ToolResult | Reasoning | Refusal | ProviderPart
)  # fmt: skip
"""Anything that a message can hold."""
