"""A call to the body of a text completion.

One user message is the prompt, as it stands. An assistant's message after it is the beginning of the answer, and
follows the prompt without anything between: to go on with a text is what such a model does. Any other conversation is
refused before it is sent. ``extra={"prompt": [...]}`` says several prompts, or tokens.
Source: https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from typing import Any

from exllm.providers.one_prompt import markers, refuse_conversation, text_alone
from exllm.providers.openai_chat_request import encode_body
from exllm.providers.spec import ProviderSpec, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request

# Options whose name and value are the same on the wire.
_SAME = (
    "temperature",
    "max_tokens",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "n",
    "user",
)

OPTIONS = frozenset({*_SAME, "seed", "logprobs", "top_logprobs"})
GRANTED_BY: dict[str, frozenset[str]] = {"top_k": frozenset({"top_k"}), "min_p": frozenset({"min_p"})}

# The body's fields of OpenAI's reference, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {*_SAME, "model", "prompt", "stream", "stream_options", "seed", "logprobs", "suffix", "echo", "best_of"}
)


def build_request(request: Request, spec: ProviderSpec) -> HttpRequest:
    """The HTTP request. `request.extra` replaces our fields of the same name.

    Raises: InvalidRequest for a conversation, and for anything but text; TypeError when `extra` holds what JSON cannot.
    """
    options = request.options
    body: dict[str, Any] = {"model": request.model, "prompt": _prompt(request, spec)}
    body |= {name: value for name in _SAME if (value := getattr(options, name)) is not None}
    if options.seed is not None:
        body["random_seed" if "random_seed" in spec.quirks else "seed"] = options.seed
    if (count := _logprobs(options)) is not None:
        body["logprobs"] = count
    if request.stream:
        body["stream"] = True
        if "no_stream_options" not in spec.quirks:
            body["stream_options"] = {"include_usage": True}
    body |= request.extra
    warnings = (*markers(request.messages, spec), *check_parameters(spec, body, FIELDS))
    return HttpRequest(spec.paths.chat, encode_body(body, spec), warnings=warnings)


def _prompt(request: Request, spec: ProviderSpec) -> str:
    match [message.role for message in request.messages]:
        case ["user"] | ["user", "assistant"]:
            return "".join(text_alone(message.parts, spec) for message in request.messages)
    raise refuse_conversation(
        spec, "one user message, and perhaps the beginning of the answer as an assistant's message after it"
    )


def _logprobs(options: Options) -> int | None:
    """How many of the most likely tokens are told beside the chosen one; to be told of that one alone, ask for one."""
    if options.top_logprobs is not None:
        return options.top_logprobs
    return 1 if options.logprobs else None
