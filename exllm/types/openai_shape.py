"""Messages and content parts as OpenAI's Chat Completions and compatible services have them.

Source: https://platform.openai.com/docs/api-reference/chat/create, `messages`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.types.block_fields import Block, pop_cache_control, pop_text, to_json
from exllm.types.media import decode_base64, read_data_url
from exllm.types.parts import Audio, Document, FileRef, Image, Part, Reasoning, Refusal, ToolCall

_CUSTOM = "custom"  # the signature of calls of custom tools, see `exllm.providers.openai_chat_calls`
_AUDIO_TYPES = {"mp3": "audio/mpeg", "pcm16": "audio/pcm", "opus": "audio/ogg"}


def assistant_fields(fields: dict[str, Any], where: str) -> tuple[list[Part], list[Part]]:
    """What an assistant's message has beside its content: parts that come before it, and after it."""
    before: list[Part] = []
    after: list[Part] = []
    details = fields.pop("reasoning_details", None)
    thought = [fields.pop(name, None) for name in ("reasoning_content", "reasoning")]
    if details:
        before += [_reasoning_detail(block, where) for block in details]
    elif text := thought[0] or thought[1]:
        if not isinstance(text, str):
            raise InvalidRequest(f"{where}: reasoning must be text, got {type(text).__name__}")
        before.append(Reasoning(text))
    if refusal := fields.pop("refusal", None):
        after.append(Refusal(refusal))
    if audio := fields.pop("audio", None):
        data = decode_base64(audio.get("data") or "", f"{where}.audio")
        after.append(Audio(data=data, media_type="audio/pcm", id=audio.get("id"), transcript=audio.get("transcript")))
    for index, call in enumerate(fields.pop("tool_calls", None) or ()):
        after.append(_call(call, f"{where}.tool_calls[{index}]"))
    if fields.get("function_call"):
        raise InvalidRequest(f"{where}: function_call is obsolete; use tool_calls, and answer with role 'tool'")
    fields.pop("annotations", None)  # the citations of an answer; no provider reads them back
    return before, after


def _call(call: Any, where: str) -> ToolCall:
    if dump := getattr(call, "model_dump", None):
        call = dump()
    function = call.get("function") if isinstance(call, Mapping) else None
    custom = call.get("custom") if isinstance(call, Mapping) else None
    if isinstance(custom, Mapping) and isinstance(custom.get("name"), str) and isinstance(custom.get("input"), str):
        return ToolCall(call.get("id") or "", custom["name"], custom["input"], signature=_CUSTOM)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidRequest(f"{where} must be {{'id':, 'type': 'function', 'function': {{'name':, 'arguments':}}}}")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else to_json(arguments, where)
    google = (call.get("extra_content") or {}).get("google") or {}  # Gemini's signature of a call
    return ToolCall(call.get("id") or "", function["name"], arguments, signature=google.get("thought_signature"))


def _reasoning_detail(block: Block, where: str) -> Reasoning:
    """One of OpenRouter's blocks; the token is what its answers give, see `exllm.providers.openai_chat_reasoning`."""
    field = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(str(block.get("type")))
    if field is None:
        return Reasoning(redacted=to_json(block, where), id=block.get("id"))
    rest = {name: value for name, value in block.items() if name != field}
    return Reasoning(block.get(field) or "", to_json(rest, where) + "\n", id=block.get("id"))


def refusal(_kind: str, fields: dict[str, Any], where: str) -> Part:
    return Refusal(pop_text(fields, "refusal"))


def image_url(_kind: str, fields: dict[str, Any], where: str) -> Part:
    place = fields.pop("image_url")
    url, detail = (place, None) if isinstance(place, str) else (place["url"], place.get("detail"))
    return msgspec.convert(
        {"type": "image", "url": url, "detail": detail, "cache_control": fields.pop("cache_control", None)}, Image
    )


def input_audio(_kind: str, fields: dict[str, Any], where: str) -> Part:
    audio = fields.pop("input_audio")
    letters, form = (audio, "wav") if isinstance(audio, str) else (audio["data"], audio["format"])
    return Audio(data=decode_base64(letters, where), media_type=_AUDIO_TYPES.get(form, f"audio/{form}"))


def file(_kind: str, fields: dict[str, Any], where: str) -> Part:
    file = fields.pop("file")
    if file.get("file_id"):
        return FileRef(file["file_id"], cache_control=pop_cache_control(fields))
    data, media_type = file["file_data"], "application/pdf"
    if data.startswith("data:"):
        content, media_type = read_data_url(data, where)
    elif data.startswith(("https://", "http://")):  # OpenRouter
        return Document(url=data, title=file.get("filename"), cache_control=pop_cache_control(fields))
    else:
        content = decode_base64(data, where)
    return Document(
        data=content, media_type=media_type, title=file.get("filename"), cache_control=pop_cache_control(fields)
    )


PARTS: dict[str, Callable[[str, dict[str, Any], str], Part]] = {
    "image_url": image_url,
    "input_audio": input_audio,
    "file": file,
}
