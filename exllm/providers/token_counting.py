"""The providers' own endpoints that count the tokens of a request: bodies of their wires' own builders, without I/O.

Sources: https://platform.claude.com/docs/en/api/messages/count_tokens,
https://ai.google.dev/api/tokens, https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html,
https://platform.openai.com/docs/api-reference/responses/input-tokens
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from exllm.errors import ProtocolError
from exllm.providers.bedrock_models import family_of, path_of, resolve
from exllm.providers.google_paths import model_path
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest, Wire
from exllm.types.request import Request

_encode = msgspec.json.Encoder().encode

# What the endpoints take of a request; the rest of it has no tokens.
_ANTHROPIC = frozenset(
    {
        "billing_policy", "cache_control", "compaction", "context_management", "mcp_servers", "messages", "model",
        "output_config", "speed", "system", "thinking", "tool_choice", "tools",
    }
)  # fmt: skip
_BEDROCK = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_OPENAI = frozenset(
    {
        "conversation", "input", "instructions", "model", "parallel_tool_calls", "personality", "previous_response_id",
        "reasoning", "text", "tool_choice", "tools", "truncation",
    }
)  # fmt: skip
_VERTEX = ("contents", "systemInstruction", "tools", "generationConfig")
_GEOGRAPHY = re.compile(r"^(us-gov|us|eu|jp|au|apac|global)\.")
_VERTEX_COUNTER = "/publishers/anthropic/models/count-tokens:rawPredict"


class _Counted(msgspec.Struct):
    """What the endpoints answer, each with its own name for it."""

    input_tokens: int | None = None
    total_tokens: int | None = msgspec.field(default=None, name="totalTokens")
    bedrock_tokens: int | None = msgspec.field(default=None, name="inputTokens")


_decode = msgspec.json.Decoder(_Counted).decode


def can_count(request: Request, spec: ProviderSpec) -> bool:
    """Whether the provider of `spec` counts the tokens of such a request."""
    if not spec.counts_tokens or spec.wire not in _BUILDERS:
        return False
    return spec.wire != "bedrock_converse" or family_of(resolve(request.model, spec.base_url)) == "anthropic"


def build_count(request: Request, spec: ProviderSpec, wire: Wire) -> HttpRequest:
    """The request that asks how many tokens `request` is. Raises what `Wire.build` raises."""
    http = wire.build(msgspec.structs.replace(request, stream=False), spec)
    body: dict[str, Any] = msgspec.json.decode(http.body)
    path, counted = _BUILDERS[spec.wire](body, request, spec)
    return HttpRequest(path, _encode(counted), http.headers, warnings=http.warnings)


def decode_count(body: bytes, request: Request, spec: ProviderSpec) -> int:
    """The number in the answer. Raises `ProtocolError` where there is none."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        answer, problem = _Counted(), f": {error}"
    else:
        problem = ""
    for count in (answer.input_tokens, answer.total_tokens, answer.bedrock_tokens):
        if count is not None and count >= 0:
            return count
    raise ProtocolError(f"{spec.label} sent no number of tokens{problem}", provider=spec.name, model=request.model)


def _anthropic(body: dict[str, Any], request: Request, spec: ProviderSpec) -> tuple[str, dict[str, Any]]:
    kept = _only(body, _ANTHROPIC)
    if "vertex" in spec.quirks:
        return _VERTEX_COUNTER, {"model": request.model, **kept}
    return f"{spec.paths.chat}/count_tokens", kept


def _gemini(body: dict[str, Any], request: Request, spec: ProviderSpec) -> tuple[str, dict[str, Any]]:
    path = model_path(request.model, spec)
    if "vertex" in spec.quirks:
        return f"{path}:countTokens", _only(body, _VERTEX)
    # The plain form takes contents alone; the name is asked for again in this one.
    name = path.removeprefix(spec.paths.chat.removesuffix("models"))
    return f"{path}:countTokens", {"generateContentRequest": {"model": name, **body}}


def _bedrock(body: dict[str, Any], request: Request, spec: ProviderSpec) -> tuple[str, dict[str, Any]]:
    # Counting is of the model itself: an inference profile "doesn't support counting tokens".
    model = _GEOGRAPHY.sub("", resolve(request.model, spec.base_url))
    return path_of("/model/{model}/count-tokens", model), {"input": {"converse": _only(body, _BEDROCK)}}


def _openai(body: dict[str, Any], _request: Request, spec: ProviderSpec) -> tuple[str, dict[str, Any]]:
    return f"{spec.paths.chat}/input_tokens", _only(body, _OPENAI)


def _only(body: Mapping[str, Any], names: frozenset[str] | tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in names}


_BUILDERS: dict[str, Callable[[dict[str, Any], Request, ProviderSpec], tuple[str, dict[str, Any]]]] = {
    "anthropic_messages": _anthropic,
    "bedrock_converse": _bedrock,
    "gemini_generate": _gemini,
    "openai_responses": _openai,
}
