"""A call to the request that makes a prediction of Replicate's.

A model is ``owner/name``, ``owner/name:version``, or ``deployments/owner/name``. Fields of `extra` belong to the
model's input, but for those of the request around it.
Source: https://replicate.com/docs/reference/http#models.predictions.create
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.answered_media import first_open, or_words
from exllm.providers.bedrock_invoke_text import Turn, turns_of
from exllm.providers.replicate_inputs import ALL_OPTIONS, Inputs, inputs_of
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.parts import Audio, Document, FileRef, Image, Text
from exllm.types.request import Request

OPTIONS = ALL_OPTIONS
AROUND_INPUT = frozenset({"version", "webhook", "webhook_events_filter"})
"""Fields of a request that are not the model's."""

LONGEST_WAIT_S = 60

_encode = msgspec.json.Encoder().encode


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`."""
    check_limits(spec, request.messages)
    path, body = _place_of(request.model, spec)
    inputs = inputs_of(request.model)
    _check_options(request, inputs, spec)
    warnings: list[str] = []
    written = _conversation(request, inputs, spec, warnings) | _fields(request.options, inputs, spec, warnings)
    extra = dict(request.extra)
    body |= {name: extra.pop(name) for name in AROUND_INPUT if name in extra}
    inner = extra.pop("input", {})
    body["input"] = {**written, **extra, **(inner if isinstance(inner, dict) else {"input": inner})}
    warnings += check_parameters(spec, body)
    headers = {"accept": "application/json"}  # in any case; the stream is asked for elsewhere
    if request.stream:
        body["stream"] = True
    else:
        headers["prefer"] = f"wait={LONGEST_WAIT_S}"
    try:
        content = _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    return HttpRequest(path, content, headers, warnings=tuple(dict.fromkeys(warnings)))


def _place_of(model: str, spec: ProviderSpec) -> tuple[str, dict[str, Any]]:
    """Where the predictions of a model are made, and what else names it."""
    name, _, version = model.partition(":")
    steps = name.split("/")
    if version:
        return "/predictions", {"version": model}
    if len(steps) == 3 and steps[0] == "deployments" and all(steps):
        return f"/deployments/{quote(steps[1])}/{quote(steps[2])}/predictions", {}
    if len(steps) == 2 and all(steps):
        return spec.paths.chat.replace("{model}", "/".join(map(quote, steps))), {}
    raise InvalidRequest(
        f"a model of {spec.label} is written owner/name, owner/name:version or deployments/owner/name, got {model!r}",
        provider=spec.name,
    )


def _check_options(request: Request, inputs: Inputs, spec: ProviderSpec) -> None:
    refused = sorted(request.options.given().keys() - inputs.fields.keys())
    if refused:
        raise UnsupportedOption(
            f"the input of {request.model} is not known to have a field for {', '.join(refused)}; pass the model's own "
            f"field in extra={{...}}",
            provider=spec.name,
        )


def _fields(options: Options, inputs: Inputs, spec: ProviderSpec, warnings: list[str]) -> dict[str, Any]:
    """What the options become."""
    fields: dict[str, Any] = {}
    for option, field in inputs.fields.items():
        value = getattr(options, option)
        if value is None:
            continue
        if option == "thinking":
            fields |= _thinking(value, field, inputs, spec)
        elif option == "stop":
            fields[field] = _joined([value] if isinstance(value, str) else value, spec)
        else:
            fields[field] = value
    return fields


def _thinking(value: Any, field: str, inputs: Inputs, spec: ProviderSpec) -> dict[str, Any]:
    if isinstance(value, dict):
        raise InvalidRequest(
            f"{spec.label} takes thinking=True, False or a number of tokens, got {value!r}", provider=spec.name
        )
    budget = {} if isinstance(value, bool) else {field: value}
    if inputs.thinking_switch is not None:
        return {inputs.thinking_switch: bool(value), **(budget if value else {})}
    return {field: 0} if value is False else budget  # thinking is on by itself


def _joined(stops: Sequence[str], spec: ProviderSpec) -> str:
    if any("," in stop for stop in stops):
        raise InvalidRequest(
            f"{spec.label} takes stop sequences as one text, with commas between them: none may hold one",
            provider=spec.name,
        )
    return ",".join(stops)


# -- the conversation


def _conversation(request: Request, inputs: Inputs, spec: ProviderSpec, warnings: list[str]) -> dict[str, Any]:
    images = _take_images(request, inputs, spec, warnings)
    turns, left_out = turns_of(msgspec.structs.replace(request, messages=images.messages), spec)
    warnings += left_out
    system = turns[0].text if turns[0].role == "system" else None
    said = turns[1:] if system is not None else turns
    written: dict[str, Any] = {}
    if images.urls and inputs.images is not None:
        written[inputs.images] = images.urls[0] if inputs.is_one_image else images.urls
    if len(said) > 1 and inputs.messages is not None:
        return {inputs.messages: [{"role": turn.role, "content": turn.text} for turn in turns], **written}
    if len(said) > 1 and inputs.template is not None:
        return {"prompt": inputs.template(turns), "prompt_template": "{prompt}", **written}
    if system is not None and inputs.system is not None:
        written[inputs.system] = system
    prompt = _transcript(said, request, warnings)
    if system is not None and inputs.system is None:
        prompt = f"{system}\n\n{prompt}"
    return {"prompt": prompt, **written}


def _transcript(turns: Sequence[Turn], request: Request, warnings: list[str]) -> str:
    """A single question as it is; a conversation with its speakers named."""
    if len(turns) == 1:
        return turns[0].text
    warnings.append(f"{request.model} takes one prompt; the turns of the conversation were written into it as text")
    said = "\n\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in turns)
    return f"{said}\n\nAssistant:"


class _Images(msgspec.Struct):
    """The messages without their images, and those."""

    messages: tuple[Message, ...]
    urls: list[str] = []


def _take_images(request: Request, inputs: Inputs, spec: ProviderSpec, warnings: list[str]) -> _Images:
    """Take out the images of what is asked now; a model that sees none, or but one, refuses the others."""
    if inputs.images is None:
        return _Images(request.messages)
    found = _Images((), [])
    open_from = first_open(request.messages)
    for place, message in enumerate(request.messages):
        parts: list[Any] = []
        for part in message.parts:
            if not isinstance(part, Image):
                parts.append(part)
            elif place < open_from:
                parts.append(_in_words(part, spec, warnings))
            else:
                found.urls.append(_url(part, spec, warnings))
        found.messages = (*found.messages, msgspec.structs.replace(message, content=tuple(parts)))
    if inputs.is_one_image and len(found.urls) > 1:
        raise InvalidRequest(
            f"{request.model} takes at most 1 image in a request, got {len(found.urls)}", provider=spec.name
        )
    return found


def _url(image: Image, spec: ProviderSpec, warnings: list[str]) -> str:
    if image.detail is not None:
        warnings.append(f"{spec.label} knows no detail of images; it was not sent")
    if image.url is not None:
        return image.url
    if image.data is None:
        raise InvalidRequest(f"the file {image.path} was not read")
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _in_words(part: Image | Audio | Document | FileRef, spec: ProviderSpec, warnings: list[str]) -> Text:
    def refuse() -> Text:
        raise InvalidRequest(f"{spec.label} takes images with what is asked now alone", provider=spec.name)

    return or_words(refuse, part, Text, warnings.append)
