"""What each provider takes of images and documents.

From the providers' documentation, read in November 2026; the page is named beside each. Limits change: what is here is
used to make media fit, never to refuse a call. Providers that name no limit have none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers import registry
from exllm.types.image_header import image_size
from exllm.types.media import has_paths
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image

MIB = 1024 * 1024
_COMMON = ("image/jpeg", "image/png", "image/webp", "image/gif")
_GOOGLE = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")


class MediaLimits(msgspec.Struct, frozen=True):
    """Limits of one provider; None where it names none.

    Attributes:
        image_types: media types of images that it takes; empty where it names none.
        image_bytes: of one image, before base64.
        image_side_px: the longer side of an image; larger ones are refused.
        many_images, many_images_side_px: with more images than the first in a request, the longer side of each.
        document_bytes: of one document, before base64.
    """

    image_types: tuple[str, ...] = ()
    image_bytes: int | None = None
    image_side_px: int | None = None
    many_images: int | None = None
    many_images_side_px: int | None = None
    document_bytes: int | None = None


_NONE = MediaLimits()
# "image exceeds 5 MB maximum" is counted in base64 letters, which are a third more than the bytes.
_CLAUDE = MediaLimits(_COMMON, 5 * MIB * 3 // 4, 8000, 20, 2000)
_BEDROCK = MediaLimits(_COMMON, 15 * MIB // 4, 8000, document_bytes=9 * MIB // 2)
_GEMINI = MediaLimits(_GOOGLE, 7 * MIB, document_bytes=50 * MIB)
_OPENAI = MediaLimits(_COMMON, 50 * MIB, document_bytes=50 * MIB)
_GROQ = MediaLimits(_COMMON, 3 * MIB)

_BY_PROVIDER: dict[str, MediaLimits] = {
    # platform.claude.com/docs/en/build-with-claude/vision
    "anthropic": _CLAUDE,
    "vertex-anthropic": _CLAUDE,
    # docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html and _DocumentBlock.html
    "bedrock": _BEDROCK,
    "bedrock-invoke": _BEDROCK,
    # ai.google.dev/gemini-api/docs/image-understanding; docs.cloud.google.com/vertex-ai, "Image understanding": 7 MB
    "gemini": _GEMINI,
    "gemini-interactions": _GEMINI,
    "vertex": _GEMINI,
    "vertex-express": _GEMINI,
    # platform.openai.com/docs/guides/images-vision: 50 MB for all of a request
    "openai": _OPENAI,
    "openai-responses": _OPENAI,
    "azure": _OPENAI,
    "azure-responses": _OPENAI,
    # console.groq.com/docs/vision: 4 MB as base64
    "groq": _GROQ,
    # docs.x.ai/docs/guides/image-understanding: 20 MiB, JPEG or PNG
    "xai": MediaLimits(("image/jpeg", "image/png"), 20 * MIB),
    "xai-responses": MediaLimits(("image/jpeg", "image/png"), 20 * MIB),
    # docs.mistral.ai/capabilities/vision: 10 MB
    "mistral": MediaLimits(_COMMON, 10 * MIB),
    # docs.cohere.com/docs/image-inputs: 20 MB for all of a request
    "cohere": MediaLimits(_COMMON, 20 * MIB),
}


def limits_of(model: str) -> MediaLimits:
    """The limits of a ``"provider/model"`` or a provider; without any for one that names none.

    Raises: ConfigurationError for an unknown provider.
    """
    name, _model = registry.parse_model(model)
    registry.get(name)
    return _BY_PROVIDER.get(name, _NONE)


def check(messages: Iterable[Message], model: str) -> None:
    """Refuse media that the provider is documented not to take; what is at an address or an id is not looked at.

    Raises: InvalidRequest that names the part, what is wrong with it and what to do; ValueError for media given by
        path, which `load` reads.
    """
    limits = limits_of(model)
    messages = tuple(messages)
    if has_paths(messages):
        raise ValueError("media given by path are not read here; make them with `await exllm.media.load(path)`")
    images = sum(isinstance(part, Image) for message in messages for part in message.parts)
    for place, message in enumerate(messages):
        for index, part in enumerate(message.parts):
            if isinstance(part, Image | Audio | Document) and (problem := problem_of(part, limits, images)) is not None:
                advice = f"`await exllm.media.fit(part, {model!r})` mends images"
                raise InvalidRequest(f"messages[{place}].content[{index}]: {problem}; {advice}")


def problem_of(part: Image | Audio | Document, limits: MediaLimits, images: int = 1) -> str | None:
    """Why a provider with these limits would refuse `part`, one of `images`; None where it takes it or nobody knows."""
    data = part.data
    if data is None:
        return None
    if isinstance(part, Document):
        return _too_large(data, limits.document_bytes, "document")
    if not isinstance(part, Image):
        return None
    if limits.image_types and part.media_type not in limits.image_types:
        return f"an image of type {part.media_type} is none of {_listed(limits.image_types)}"
    size, side = image_size(data), side_limit(limits, images)
    if size is not None and side is not None and max(size) > side:
        return f"an image of {size[0]} x {size[1]} pixels is over the limit of {side} a side"
    return _too_large(data, limits.image_bytes, "image")


def side_limit(limits: MediaLimits, images: int) -> int | None:
    """The longest side of an image in a request with so many."""
    if limits.many_images is not None and images > limits.many_images:
        return limits.many_images_side_px
    return limits.image_side_px


def _too_large(data: bytes, limit: int | None, what: str) -> str | None:
    if limit is None or len(data) <= limit:
        return None
    return f"{'an' if what == 'image' else 'a'} {what} of {len(data):,} bytes is over the limit of {limit:,}"


def _listed(types: Sequence[str]) -> str:
    return ", ".join(types)
