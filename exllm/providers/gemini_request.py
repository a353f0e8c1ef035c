"""Requests to Gemini's generateContent and streamGenerateContent: options and messages to path and body.

Sources: https://ai.google.dev/api/generate-content,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.gemini_config import generation_config
from exllm.providers.gemini_contents import Contents
from exllm.providers.gemini_models import model_facts
from exllm.providers.gemini_safety import safety_settings
from exllm.providers.gemini_tools import tool_fields
from exllm.providers.google_paths import model_path
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request

OPTIONS = frozenset(
    {
        "temperature",
        "max_tokens",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "n",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "thinking",
        "modalities",
        "audio",
        "web_search",
        "service_tier",
        "store",
        "metadata",
        "safety_settings",
    }
)

# The body's fields of both references, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {
        "cachedContent", "contents", "continuationToken", "generationConfig", "labels", "model", "modelArmorConfig",
        "outputConfig", "safetySettings", "serviceTier", "store", "systemInstruction", "toolConfig", "tools",
    }
)  # fmt: skip

STREAM = ":streamGenerateContent?alt=sse"
WHOLE = ":generateContent"

_encode = msgspec.json.Encoder().encode


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`. `extra` is merged into the body; objects of the same name are merged field by field."""
    options = request.options
    check_limits(spec, request.messages)
    contents = Contents(spec, model_facts(request.model))
    contents.add(request.messages)
    warnings = contents.warnings
    body: dict[str, Any] = {"contents": contents.contents}
    if contents.system is not None:
        body["systemInstruction"] = contents.system
    config = generation_config(options, request.model, warnings)
    if config:
        body["generationConfig"] = config
    body |= tool_fields(options, warnings)
    body |= _plain_fields(options, spec)
    body = merged(body, request.extra)
    if "safetySettings" in request.extra:
        safety_settings(request.extra["safetySettings"], spec)
    warnings += check_parameters(spec, body, FIELDS)
    path = model_path(request.model, spec) + (STREAM if request.stream else WHOLE)
    return HttpRequest(path, _encoded(body, spec), warnings=tuple(warnings))


def _plain_fields(options: Options, spec: ProviderSpec) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "serviceTier": options.service_tier,
        "store": options.store,
        "labels": options.metadata,
    }
    if options.safety_settings is not None:
        fields["safetySettings"] = safety_settings(options.safety_settings, spec)
    return {name: value for name, value in fields.items() if value is not None}


def merged(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` over `body`. ``extra={"generationConfig": {"mediaResolution": ...}}`` keeps our own fields."""
    for name, value in extra.items():
        ours = body.get(name)
        if isinstance(ours, dict) and isinstance(value, Mapping):
            body[name] = merged(dict(ours), value)
        else:
            body[name] = value
    return body


def _encoded(body: dict[str, Any], spec: ProviderSpec) -> bytes:
    try:
        return _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
