"""A call to the body of Ollama's `/api/chat`.

Sources: https://docs.ollama.com/api/chat, https://docs.ollama.com/modelfile#valid-parameters-and-values (`options`),
https://docs.ollama.com/capabilities/thinking, https://docs.ollama.com/capabilities/structured-outputs
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.inline_definitions import inlined
from exllm.providers.ollama_messages import MessageWriter
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool

# Ours -> the name among `options`.
_RUN_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}

OPTIONS = frozenset(
    {*_RUN_OPTIONS, "logprobs", "top_logprobs", "tools", "response_format", "reasoning_effort", "thinking"}
)

FIELDS = frozenset(
    {
        "model", "messages", "stream", "tools", "format", "options", "keep_alive", "think", "truncate", "shift",
        "logprobs", "top_logprobs", "_debug_render_only",
    }
)  # fmt: skip

# The rest of `options`. The server ignores them at the top level without a word, so from `extra` they are moved.
OTHER_RUN_OPTIONS = frozenset(
    {
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict", "num_keep",
        "typical_p", "repeat_last_n", "repeat_penalty", "numa", "low_vram", "f16_kv", "vocab_only", "use_mlock",
        "tfs_z", "mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline", "logits_all", "embedding_only",
    }
)  # fmt: skip

LEVELS = ("low", "medium", "high", "max")
_NEAREST_LEVEL = {"minimal": "low", "xhigh": "max"}

_encode = msgspec.json.Encoder().encode


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build` and `written`."""
    check_limits(spec, request.messages)
    writer = MessageWriter(spec)
    body: dict[str, Any] = {"model": request.model, "messages": writer.write(request.messages)}
    if request.options.tools is not None:
        body["tools"] = [_tool(tool, writer) for tool in request.options.tools]
    return written(body, request, spec, writer, FIELDS)


def written(
    body: dict[str, Any], request: Request, spec: ProviderSpec, writer: MessageWriter, fields: frozenset[str]
) -> HttpRequest:
    """The request of `body`, which says what is asked, with all that says how to answer.

    `request.extra` is merged last; its `options` are merged into ours one by one, and names that belong among them are
    found there wherever they stand. `fields` are those of the endpoint's reference.
    """
    options = request.options
    body["stream"] = request.stream  # said always: the server streams where nothing is said
    run_options = {name: value for ours, name in _RUN_OPTIONS.items() if (value := getattr(options, ours)) is not None}
    think = _think(options, spec, writer)
    if think is not None:
        body["think"] = think
    wanted = _format(options.response_format)
    if wanted is not None:
        body["format"] = wanted
    if options.logprobs is not None or options.top_logprobs is not None:
        body["logprobs"] = options.logprobs is not False
    if options.top_logprobs is not None:
        body["top_logprobs"] = options.top_logprobs
    extra = dict(request.extra)
    run_options |= {name: extra.pop(name) for name in (*OTHER_RUN_OPTIONS, *_RUN_OPTIONS.values()) if name in extra}
    if isinstance(extra.get("options"), dict):
        run_options |= extra.pop("options")
    if run_options:
        body["options"] = run_options
    body |= extra
    strange = check_parameters(spec, body, fields)
    try:
        content = _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    return HttpRequest(spec.paths.chat, content, warnings=(*writer.warnings, *strange))


def _tool(tool: Tool | ServerTool, writer: MessageWriter) -> dict[str, Any]:
    if isinstance(tool, ServerTool):
        return tool.definition
    if tool.strict:
        writer.warn("cannot hold a model to the schema of a tool; strict was not sent")
    if tool.cache_control is not None:
        writer.warn("takes no cache_control; the breakpoints were not sent")
    # The server drops references in a field's schema without a word: `ToolProperty` in its api/types.go has none.
    parameters = inlined(tool.schema, tool.name, writer.warn)
    function: dict[str, Any] = {"name": tool.name, "parameters": parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _think(options: Options, spec: ProviderSpec, writer: MessageWriter) -> bool | str | None:
    """`think` is a switch or a level; thinking budgets are not known here."""
    asked, effort = options.thinking, options.reasoning_effort
    if isinstance(asked, dict) or (isinstance(asked, int) and asked < 0):
        raise InvalidRequest(
            f"{spec.label} takes thinking=True, False or a reasoning_effort out of {', '.join(LEVELS)}, got {asked!r}",
            provider=spec.name,
        )
    if asked is not None and not asked:
        if effort not in (None, "none"):
            writer.warn(f"was told not to think; the effort {effort!r} was not sent")
        return False
    if asked is not None and asked is not True:
        writer.warn("takes no thinking budget; thinking was switched on without one")
    if effort is None:
        return None if asked is None else True
    if effort == "none":
        if asked is not None:
            writer.warn("was told to think, and with no effort; thinking was switched off")
        return False
    level = _NEAREST_LEVEL.get(effort, effort)
    if level != effort:
        writer.warn(f"knows no effort {effort!r}; {level!r} was sent")
    return level


def _format(wanted: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """``"json"``, or the bare schema that the answer is held to."""
    match wanted:
        case None | "text" | {"type": "text"}:
            return None
        case "json" | {"type": "json_object"}:
            return "json"
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:  # OpenAI's shape
            return schema
        case {"type": "json_schema", "schema": dict(schema)} | {"name": str(), "schema": dict(schema)}:
            return schema
    return wanted
