"""The seam between InvokeModel and the native protocol of each family of models."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.answered_media import Media, or_words
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import StreamDecoder
from exllm.types.chunks import Chunk
from exllm.types.request import Request

EVERY_OPTION = frozenset({"service_tier", "metadata"})
"""Options that InvokeModel takes itself, in headers, whatever the model."""


class NativeRequest(msgspec.Struct, frozen=True):
    """The body of a request, and what could not be said as it was asked for."""

    body: dict[str, Any]
    warnings: tuple[str, ...] = ()


class Family(Protocol):
    """The native protocol of some models."""

    @property
    def options(self) -> frozenset[str]:
        """The options that it can express."""

    def build(self, request: Request, spec: ProviderSpec) -> NativeRequest:
        """The body for `request`, whose options are all among `options`."""

    def decoder(self, request: Request, spec: ProviderSpec) -> StreamDecoder:
        """A decoder whose frames are the documents inside the stream."""

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """The chunks of a whole answer."""


def check_options(request: Request, family: Family, spec: ProviderSpec) -> None:
    """Refuse options that the family has no word for. Raises `UnsupportedOption`."""
    refused = sorted(request.options.given().keys() - family.options - EVERY_OPTION)
    if refused:
        raise UnsupportedOption(
            f"{request.model} has no {', '.join(refused)} in its native protocol; pass the model's own field in "
            f"extra={{...}}, or call it through Converse",
            provider=spec.name,
        )


def media_in_words(
    part: Media, request: Request, spec: ProviderSpec, warnings: list[str], *, is_open: bool
) -> str:  # fmt: skip
    """Words for media, where the native protocol has no place for any. Raises `InvalidRequest` in what is asked now."""

    def refuse() -> str:
        instead = "; call it through Converse ('bedrock')" if spec.wire == "bedrock_invoke" else ""
        raise InvalidRequest(f"{request.model} takes text only in its native protocol{instead}", provider=spec.name)

    return refuse() if is_open else or_words(refuse, part, str, warnings.append)
