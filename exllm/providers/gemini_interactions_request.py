"""A call to the body of a request of the Interactions API.

What has no option of ours goes through `extra`: `previous_interaction_id` (the messages are then only what is new),
`background`, `continuation_token`, `agent_config`, `environment`, `webhook_config`, ...
Source: https://ai.google.dev/api/interactions-api#create-interaction
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.gemini_interactions_config import generation_config, response_format
from exllm.providers.gemini_interactions_input import InputWriter
from exllm.providers.gemini_interactions_tools import agent_of, tools_of
from exllm.providers.gemini_request import merged
from exllm.providers.gemini_safety import safety_settings
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request

OPTIONS = frozenset(
    {
        "temperature", "max_tokens", "top_p", "stop", "seed", "tools", "tool_choice", "response_format",
        "reasoning_effort", "thinking", "modalities", "audio", "web_search", "service_tier", "store", "metadata",
        "safety_settings",
    }
)  # fmt: skip
"""The options that the API can express."""

# The body's fields of the reference, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {
        "agent", "agent_config", "background", "cached_content", "continuation_token", "environment",
        "generation_config", "input", "labels", "model", "previous_interaction_id", "response_format",
        "response_mime_type", "response_modalities", "safety_settings", "service_tier", "store", "stream",
        "system_instruction", "tools", "webhook_config",
    }
)  # fmt: skip

_HARM = "HARM_CATEGORY_"
_encode = msgspec.json.Encoder().encode


def build_request(request: Request, spec: ProviderSpec) -> HttpRequest:
    """The HTTP request. `extra` is merged into the body; objects of the same name are merged field by field.

    Raises: UnsupportedOption, InvalidRequest.
    """
    options = request.options
    check_limits(spec, request.messages)
    writer = InputWriter(spec)
    writer.write(request.messages)
    warnings = writer.warnings
    agent = agent_of(request)
    body: dict[str, Any] = {"model": request.model} if agent is None else {"agent": agent}
    body["input"] = writer.input
    fields = {
        "system_instruction": writer.system,
        "tools": tools_of(options, warnings) or None,
        "generation_config": generation_config(options, request.model, warnings) or None,
        "response_format": response_format(options),
        "safety_settings": _safety(options, spec),
        "service_tier": options.service_tier,
        "store": options.store,
        "labels": options.metadata,
        "stream": request.stream or None,
    }
    body |= {name: value for name, value in fields.items() if value is not None}
    body = merged(body, request.extra)
    if "agent" in body:
        body.pop("model", None)
        if "generation_config" in body:
            raise InvalidRequest(
                f"an agent is not told how to generate; leave out what became "
                f"{', '.join(sorted(body['generation_config']))} (agents have an agent_config, in extra)"
            )
    warnings += check_parameters(spec, body, FIELDS)
    try:
        return HttpRequest(spec.paths.chat, _encode(body), warnings=tuple(warnings))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}") from error


def _safety(options: Options, spec: ProviderSpec) -> list[dict[str, Any]] | None:
    """The settings, checked. They may be written as generateContent has them, too."""
    if options.safety_settings is None:
        return None
    as_generate = [
        {
            ("category" if name == "type" else name): f"{_HARM if name == 'type' else ''}{value}".upper()
            for name, value in setting.items()
        }
        for setting in options.safety_settings
    ]
    return [
        {("type" if name == "category" else name): value.removeprefix(_HARM).lower() for name, value in setting.items()}
        for setting in safety_settings(as_generate, spec)
    ]
