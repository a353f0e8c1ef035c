"""The requests of the recorded exchanges, told in our words and built again, are what was sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

import exllm
from exllm.providers.gemini_parts import NO_SIGNATURE
from exllm.types.message import Message
from exllm.types.parts import Document, Image, Part, Reasoning, Text, ToolCall, ToolResult
from tests.providers.gemini_recordings import ALL, load
from tests.providers.gemini_requests import comparable, sent_by_us

# Enumerations were sent as numbers: langchaingo and the old Vertex SDK speak gRPC's JSON.
NUMBERED = [name for name in ALL if "enum-encoding" in load(name).path]
RECORDED = [name for name in ALL if load(name).request is not None and name not in NUMBERED]

_OPTION_OF = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "candidateCount": "n",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
    "thinkingConfig": "thinking",
}


def told(body: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    """The request in our words."""
    messages = []
    if "systemInstruction" in body:
        messages.append(Message("system", "".join(part["text"] for part in body["systemInstruction"]["parts"])))
    calls: list[str] = []
    for content in body["contents"]:
        parts: list[Part] = []
        for part in content["parts"]:
            parts += _parts(part, calls)
        messages.append(Message.of("assistant" if content.get("role") == "model" else "user", parts))
    config = body.get("generationConfig", {})
    options: dict[str, Any] = {ours: config[theirs] for theirs, ours in _OPTION_OF.items() if theirs in config}
    if "responseModalities" in config:
        options["modalities"] = [modality.lower() for modality in config["responseModalities"]]
    if "responseMimeType" in config:
        options["response_format"] = config.get("responseJsonSchema", "json")
    if "safetySettings" in body:
        options["safety_settings"] = body["safetySettings"]
    tools: list[Any] = []
    for tool in body.get("tools", ()):
        tools += [
            exllm.Tool(each["name"], each.get("description") or "", each.get("parametersJsonSchema") or {})
            for each in tool.get("functionDeclarations", ())
        ]
        tools += [{name: value} for name, value in tool.items() if name != "functionDeclarations"]
    if tools:
        options["tools"] = tools
    if "toolConfig" in body:
        options["extra"] = {"toolConfig": body["toolConfig"]}
    return messages, options


def _parts(part: dict[str, Any], calls: list[str]) -> list[Part]:
    signature = part.get("thoughtSignature")
    match part:
        case {"text": str(text), "thought": True}:
            return [Reasoning(text, signature, id="gemini")]
        case {"text": str(text)} if signature is None:
            return [Text(text)]
        case {"text": str(text)}:
            return [Reasoning("", signature, id="gemini:next"), Text(text)]
        case {"functionCall": dict(call)}:
            calls.append(call.get("id") or f"call_0_{len(calls)}")
            return [ToolCall(calls[-1], call["name"], json.dumps(call["args"]), signature=signature)]
        case {"functionResponse": dict(result)}:
            call_id = result.get("id") or calls[0]
            calls.remove(call_id)
            files = tuple(_file(each["fileData"]) for each in result.get("parts", ()))
            return [ToolResult(call_id, (Text(json.dumps(result["response"])), *files), result["name"])]
        case {"inlineData": {"mimeType": media_type, "data": data}}:
            raw = base64.urlsafe_b64decode(data.replace("+", "-").replace("/", "_"))
            return [Image(data=raw, media_type=media_type)]
        case {"fileData": data}:
            return [_file(data)]
    raise AssertionError(part)


def _file(data: dict[str, Any]) -> Document:
    return Document(url=data["fileUri"], media_type=data.get("mimeType"))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_is_built_again(name: str) -> None:
    recording = load(name)
    assert recording.request is not None
    body = comparable(recording.request)
    messages, options = told(body)
    place, _, method = recording.path.rpartition("/")[2].partition(":")
    provider = recording.provider
    ours = sent_by_us(messages, provider, place, stream=method.startswith("stream"), **options)
    # The recorded stream without alt=sse is the one way that we do not ask for.
    assert ours.path.removesuffix("?alt=sse").endswith(
        recording.path.removesuffix("?alt=sse").removeprefix("/v1").partition("/publishers/")[2]
    )
    for tools in (body.get("tools", ()), ours.body.get("tools", ())):
        for tool in tools:
            for each in tool.get("functionDeclarations", ()):  # the older form of a schema is not JSON Schema
                each.pop("parameters", None)
                each.pop("parametersJsonSchema", None)
    assert ours.body == _as_we_send(body, ours.body)
    assert ours.warnings == ()


def _as_we_send(body: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """`body` without empty text, which we leave out, and with a signature for Gemini 3 where a call had none."""
    for content in body["contents"]:
        content["parts"] = [part for part in content["parts"] if part != {"text": ""}]
    for content, mine in zip(body["contents"], ours["contents"], strict=True):
        for part, sent in zip(content["parts"], mine["parts"], strict=True):
            if sent.get("thoughtSignature") == NO_SIGNATURE.replace("_", "/") and "functionCall" in part:
                part.setdefault("thoughtSignature", sent["thoughtSignature"])
    for content in body["contents"]:
        content.setdefault("role", "user")
    for declaration in (each for tool in body.get("tools", ()) for each in tool.get("functionDeclarations", ())):
        if not declaration.get("description", "-"):
            del declaration["description"]
    return body


def test_most_recordings_have_their_request() -> None:
    assert (len(RECORDED), len(NUMBERED)) == (57, 10)
