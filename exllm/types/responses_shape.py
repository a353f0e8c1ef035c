"""Content parts of messages as OpenAI's Responses API has them.

Items that are no messages (``function_call``, ``reasoning``) are not read.
Source: https://developers.openai.com/api/reference/resources/responses/methods/create, `input`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exllm.types.block_fields import pop_text
from exllm.types.media import decode_base64, read_data_url
from exllm.types.parts import Citation, Document, FileRef, Image, Part, Text


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
