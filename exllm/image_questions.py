"""Questions about images: the two that nearly every application asks, over the same `chat`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from exllm.errors import InvalidRequest
from exllm.media.fitting import fit
from exllm.media.loading import Source, load
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image, Part, Text
from exllm.types.response import Response

ImageSource = Source | Image | Document

EXTRACT_TEXT = (
    "Write down all text in the image, exactly as it stands there, in reading order. Keep line breaks and tables. "
    "Answer with the text alone; with nothing if there is none."
)
DESCRIBE = "Describe the image."


async def ask_about(
    chat: Callable[[list[Message]], Awaitable[Response]],
    model: str,
    images: ImageSource | Sequence[ImageSource],
    question: str,
    *,
    fetch: bool,
    max_side_px: int | None,
) -> Response:
    """The answer to `question` about `images`, which are loaded and made to fit first."""
    if not isinstance(question, str) or not question:
        raise InvalidRequest("the question about the images is empty")
    sources: list[ImageSource] = list(images) if isinstance(images, list | tuple) else [cast(ImageSource, images)]
    if not sources:
        raise InvalidRequest("there is no image to ask about")
    parts: list[Part] = []
    for source in sources:
        part = source if isinstance(source, Image | Document) else await load(source, fetch=fetch)
        if isinstance(part, Audio):
            raise InvalidRequest(f"{part.media_type} is no image")
        parts.append(await fit(part, model, max_side_px=max_side_px, images=len(sources)))
    return await chat([Message("user", (*parts, Text(question)))])
