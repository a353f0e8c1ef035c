"""Conversations and tools in the words of Cohere's Command R on Bedrock.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open
from exllm.providers.anthropic_content import call_input
from exllm.providers.bedrock_invoke_family import media_in_words
from exllm.providers.cohere_v1_request import tool_definition
from exllm.providers.spec import ProviderSpec
from exllm.types.parts import ProviderPart, Reasoning, Refusal, Text, ToolCall, ToolResult
from exllm.types.request import Request


def build_body(request: Request, spec: ProviderSpec) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body without sampling, and what could not go along.

    Calls that were made before are only of use with their results, at the end of the conversation; older ones are left
    out. Raises `InvalidRequest` for media, and where there is nothing to answer.
    """
    warnings: list[str] = []
    preamble: list[str] = []
    history: list[dict[str, str]] = []
    calls: dict[str, ToolCall] = {}
    results: list[dict[str, Any]] = []
    open_from = first_open(request.messages)
    for place, message in enumerate(request.messages):
        texts: list[str] = []
        for part in message.parts:
            match part:
                case Text() | Refusal():
                    texts.append(part.text)
                case ToolCall():
                    calls[part.id] = part
                case ToolResult():
                    results.append(_result(part, calls, request, spec, warnings))
                case Reasoning():
                    warnings.append(f"reasoning does not go back to {request.model}; it was left out")
                case ProviderPart():
                    warnings.append(
                        f"a part of an answer of {part.provider} means nothing to {spec.name}; it was left out"
                    )  # fmt: skip
                case _:
                    texts.append(media_in_words(part, request, spec, warnings, is_open=place >= open_from))
        text = "".join(texts)
        if message.role in ("system", "developer"):
            preamble.append(text)
        elif message.role == "assistant":
            if text:
                history.append({"role": "CHATBOT", "message": text})
        elif text:
            if results:
                warnings.append("results of tools in the middle of a conversation were left out")
                results = []
            history.append({"role": "USER", "message": text})
    asked = next((at for at in range(len(history) - 1, -1, -1) if history[at]["role"] == "USER"), None)
    if asked is None:
        raise InvalidRequest("there is no message of a user to answer", provider=spec.name)
    body: dict[str, Any] = {"message": history[asked]["message"]}
    others = history[:asked] + history[asked + 1 :]
    if others:
        body["chat_history"] = others
    if preamble:
        body["preamble"] = "\n\n".join(preamble)
    if results:
        body["tool_results"] = results
    if request.options.tools:
        body["tools"] = [
            tool_definition(tool, lambda words: warnings.append(f"Command R {words}")) for tool in request.options.tools
        ]
    return body, tuple(dict.fromkeys(warnings))


def _result(
    part: ToolResult, calls: dict[str, ToolCall], request: Request, spec: ProviderSpec, warnings: list[str]
) -> dict[str, Any]:  # fmt: skip
    call = calls.get(part.call_id)
    if call is None:
        raise InvalidRequest(f"the result of {part.call_id!r} answers no call before it", provider=spec.name)
    if isinstance(part.content, str):
        text = part.content
    else:
        text = "".join(
            inner.text if isinstance(inner, Text) else media_in_words(inner, request, spec, warnings, is_open=False)
            for inner in part.content
        )
    return {"call": {"name": call.name, "parameters": call_input(call.arguments)}, "outputs": [{"text": text}]}
