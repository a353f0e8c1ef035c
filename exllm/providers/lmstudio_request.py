"""A call to the body of LM Studio's `/api/v1/chat`.

Text goes in parts of the type ``text``: the reference calls them ``message`` in one place, which the server refuses
(https://github.com/lmstudio-ai/docs/issues/253).
Source: https://lmstudio.ai/docs/developer/rest/chat
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open, or_words
from exllm.providers.bedrock_invoke_text import turns_of
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.parts import Image, Text
from exllm.types.request import Request

_SAME = ("temperature", "top_p", "top_k", "min_p", "store")
OPTIONS = frozenset({*_SAME, "max_tokens", "reasoning_effort", "thinking"})
FIELDS = frozenset(
    {
        *_SAME, "model", "input", "system_prompt", "integrations", "stream", "repeat_penalty", "max_output_tokens",
        "reasoning", "context_length", "previous_response_id", "ttl",
    }
)  # fmt: skip
_LEVELS = {"none": "off", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
_encode = msgspec.json.Encoder().encode


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`. `request.extra` is merged last."""
    options = request.options
    check_limits(spec, request.messages)
    warnings: list[str] = []
    body: dict[str, Any] = {"model": request.model, **_input(request, spec, warnings), "stream": request.stream}
    body |= {name: value for name in _SAME if (value := getattr(options, name)) is not None}
    if options.max_tokens is not None:
        body["max_output_tokens"] = options.max_tokens
    reasoning = _reasoning(options, spec, warnings)
    if reasoning is not None:
        body["reasoning"] = reasoning
    body |= request.extra
    warnings += check_parameters(spec, body, FIELDS)
    try:
        content = _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    return HttpRequest(spec.paths.chat, content, warnings=tuple(dict.fromkeys(warnings)))


def _reasoning(options: Options, spec: ProviderSpec, warnings: list[str]) -> str | None:
    """`reasoning` is a switch or a level; a model takes some of them."""
    asked, effort = options.thinking, options.reasoning_effort
    if isinstance(asked, dict) or (isinstance(asked, int) and asked < 0):
        raise InvalidRequest(
            f"{spec.label} takes thinking=True, False or a reasoning_effort, got {asked!r}", provider=spec.name
        )
    if asked is not None and not asked:
        return "off"
    if asked is not None and asked is not True:
        warnings.append(f"{spec.label} takes no thinking budget; thinking was switched on without one")
    if effort is None:
        return None if asked is None else "on"
    level = _LEVELS.get(effort, effort)
    if level != effort and effort != "none":
        warnings.append(f"{spec.label} knows no effort {effort!r}; {level!r} was sent")
    return level


# -- what is said


def _input(request: Request, spec: ProviderSpec, warnings: list[str]) -> dict[str, Any]:
    """`input`, and `system_prompt` where there is one."""
    messages = request.messages
    open_from = first_open(messages)
    if request.extra.get("previous_response_id") is not None:
        system = tuple(message for message in messages[:open_from] if message.role in ("system", "developer"))
        messages, open_from = system + messages[open_from:], 0
    images, spoken = _apart(messages, open_from, spec, warnings)
    turns, left_out = turns_of(msgspec.structs.replace(request, messages=spoken), spec)
    warnings += left_out
    written = {"system_prompt": turns[0].text} if turns[0].role == "system" else {}
    said = turns[1:] if written else turns
    text = said[0].text
    if len(said) > 1:
        warnings.append(
            f"{spec.label} takes no turns of an assistant; the conversation was written into one text "
            f"(extra={{'previous_response_id': ...}} goes on with one that the server has)"
        )
        text = "\n\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in said) + "\n\nAssistant:"
    if not images:
        return {"input": text, **written}
    return {"input": [{"type": "text", "content": text}, *images], **written}


def _apart(
    messages: tuple[Message, ...], open_from: int, spec: ProviderSpec, warnings: list[str]
) -> tuple[list[dict[str, str]], tuple[Message, ...]]:
    """The images of what is asked now, and the messages without any."""
    images: list[dict[str, str]] = []
    spoken: list[Message] = []
    for place, message in enumerate(messages):
        parts: list[Any] = []
        for part in message.parts:
            if not isinstance(part, Image):
                parts.append(part)
            elif place >= open_from:
                images.append(_image(part, spec, warnings))
            else:
                parts.append(or_words(lambda: _refuse(spec), part, Text, warnings.append))
        spoken.append(msgspec.structs.replace(message, content=tuple(parts)))
    return images, tuple(spoken)


def _refuse(spec: ProviderSpec) -> Text:
    raise InvalidRequest(f"{spec.label} takes images with what is asked now alone", provider=spec.name)


def _image(image: Image, spec: ProviderSpec, warnings: list[str]) -> dict[str, str]:
    if image.detail is not None:
        warnings.append(f"{spec.label} knows no detail of images; it was not sent")
    if image.data is None:
        raise InvalidRequest(
            f"{spec.label} takes images as data, not from a URL; fetch it, then pass Image(data=..., media_type=...) "
            f"or Image(path=...)",
            provider=spec.name,
        )
    url = f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
    return {"type": "image", "data_url": url}
