"""What the vendors' own SDKs, and the rules that those do not know, say of the body of a request."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import anthropic.types
import cohere
import groq.types.chat
import ollama
import openai.types.chat
import openai.types.responses
from google.genai import types as genai
from google.genai._gaos.types.interactions.content import _CONTENT_VARIANTS as _CONTENTS
from google.genai._gaos.types.interactions.content import Content as InteractionContent
from google.genai._gaos.types.interactions.step import _STEP_VARIANTS as _STEPS
from google.genai._gaos.types.interactions.step import Step as InteractionStep
from mistralai.client import models as mistral
from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from tests.providers.bedrock_requests import complaints

Body = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n"


class Ids(NamedTuple):
    """The ids of the calls and of the results in a body, in their order, turn by turn."""

    calls: list[str]
    results: list[str]


# -- the SDKs


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Validates `kind` and refuses fields that it does not know."""
    try:
        return TypeAdapter(kind, config=ConfigDict(extra="forbid"))
    except PydanticUserError:  # models have a config of their own
        return TypeAdapter(kind)


def _validated(kind: Any, value: Any) -> str:
    """What is wrong with `value`, ``""`` for nothing."""
    try:
        _exhaust(_adapter(kind).validate_python(value))
    except ValidationError as error:
        return str(error)
    return ""


def _exhaust(value: Any) -> None:
    """Iterables are validated only when they are read. Fields that a model has no name for raise."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, f"{type(value).__name__} has no {sorted(value.model_extra)}"
        for name in type(value).model_fields:
            _exhaust(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            _exhaust(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _exhaust(inner)


# Fields that services have beside OpenAI's; their pages name them.
_MORE_OF_ASSISTANT = frozenset({"reasoning_content", "reasoning", "reasoning_details", "prefix", "partial"})


def _openai(body: Body, _model: str) -> str:
    messages = [
        {name: value for name, value in message.items() if name not in _MORE_OF_ASSISTANT}
        for message in body["messages"]
    ]
    for call in (call for message in messages for call in message.get("tool_calls", ())):
        call.pop("extra_content", None)
    return _validated(list[openai.types.chat.ChatCompletionMessageParam], messages)


def _groq(body: Body, _model: str) -> str:
    return _validated(list[groq.types.chat.ChatCompletionMessageParam], body["messages"])


def _mistral(body: Body, _model: str) -> str:
    return _validated(list[mistral.ChatCompletionRequestMessage], body["messages"])


def _deepseek(body: Body, model: str) -> str:
    for message in body["messages"]:
        if not isinstance(message["content"], str) and not message.get("tool_calls"):
            return f"content must be a string: {message}"
    return _openai(body, model)


def _anthropic(body: Body, _model: str) -> str:
    system = body.get("system", "")
    problem = _validated(str | list[anthropic.types.TextBlockParam], system)
    return (
        problem
        or _validated(list[anthropic.types.beta.BetaMessageParam], body["messages"])
        or _alternates(body["messages"], "assistant")
    )


def _responses(body: Body, _model: str) -> str:
    for item in body["input"]:
        if item.get("type") == "reasoning" or (item.get("type") == "message" and item["role"] == "assistant"):
            item.setdefault("id", "some_id")  # which the SDK's types have, and the service does not need
        if item.get("type") == "message" and item["role"] == "assistant":
            item.setdefault("status", "completed")
        item.get("action", {}).pop("sources", None)  # of a search: newer kinds than the SDK's types know
    for part in (part for item in body["input"] for part in _parts_of(item)):
        if part.get("type") == "input_image":
            part.setdefault("detail", "auto")  # the default, which the SDK's types do not know
    return _validated(openai.types.responses.ResponseInputParam, body["input"])


def _parts_of(item: Body) -> list[Body]:
    parts = item.get("content") or item.get("output") or ()
    return [part for part in parts if isinstance(part, dict)]


def _gemini(body: Body, _model: str) -> str:
    for content in body["contents"]:
        for part in content["parts"]:
            if part.get("thoughtSignature") == "skip_thought_signature_validator":
                del part["thoughtSignature"]  # not base64: the API takes it as it is
    contents = [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]
    empty = next((str(content) for content in contents if not content["parts"]), "")
    return _validated(list[genai.Content], contents) or empty


def _interactions(body: Body, _model: str) -> str:
    steps = body["input"] if isinstance(body["input"], list) else []
    for step in steps:
        if step["type"] == "function_call":
            step.pop("signature", None)  # which the API gives, and the SDK's types lack
    if not steps:
        return "" if body["input"] else "no input"
    contents = steps
    problem = ""
    if steps[0]["type"] in _STEPS:  # not the content of one message
        contents = [part for step in steps for part in _parts_of(step)]
        problem = _validated(list[InteractionStep], steps)
        problem = problem or ", ".join({step["type"] for step in steps} - _STEPS.keys())
    unknown = {part["type"] for part in contents} - _CONTENTS.keys()
    return problem or ", ".join(unknown) or _validated(list[InteractionContent], contents)


def _converse(body: Body, model: str) -> str:
    return complaints(body, model) or _alternates(body["messages"], "assistant")


def _nova(body: Body, model: str) -> str:
    return _converse({name: value for name, value in body.items() if name != "schemaVersion"}, model)


def _ollama(body: Body, _model: str) -> str:
    problem = ""
    for message in body["messages"]:
        # The SDK's types lack the ids, which the server has: `Message` and `ToolCall` in its api/types.go.
        bare = {name: value for name, value in message.items() if name != "tool_call_id"}
        calls = [{name: value for name, value in call.items() if name != "id"} for call in bare.pop("tool_calls", ())]
        if "images" in bare:  # bytes to the SDK, base64 to the server
            bare["images"] = [ollama.Image(value=base64.b64decode(image, validate=True)) for image in bare["images"]]
        unknown = bare.keys() - ollama.Message.model_fields.keys()
        problem = problem or _validated(ollama.Message, {**bare, "tool_calls": calls or None}) or ", ".join(unknown)
    return problem


def _cohere(body: Body, _model: str) -> str:
    return _validated(list[cohere.ChatMessageV2], body["messages"])


def _cohere_v1(body: Body, _model: str) -> str:
    if not body["message"] and not body.get("tool_results"):
        return "nothing to answer"
    problem = _validated(list[cohere.Message], body.get("chat_history", []))
    return problem or _validated(list[cohere.ToolResult], body.get("tool_results", []))


def _command_r(body: Body, _model: str) -> str:
    turns = [*body.get("chat_history", ())]
    if not body["message"]:
        return "no message"
    return next((f"{turn}" for turn in turns if turn.keys() != {"role", "message"} or not turn["message"]), "")


def _text(body: Body, _model: str) -> str:
    prompts = [value for name, value in body.items() if name in ("prompt", "inputText")]
    return "" if len(prompts) == 1 and isinstance(prompts[0], str) else f"no prompt in {sorted(body)}"


def _lmstudio(body: Body, _model: str) -> str:
    """One text, or a list of texts and pictures: https://lmstudio.ai/docs/developer/rest/chat."""
    said = body["input"]
    if isinstance(said, str):
        return "" if said else "no input"
    fields = {"message": {"type", "content"}, "text": {"type", "content"}, "image": {"type", "data_url"}}
    return next((f"{part}" for part in said if part.keys() != fields.get(part["type"])), "")


def _replicate(body: Body, _model: str) -> str:
    prompt = body["input"].get("prompt")
    return "" if isinstance(prompt, str) and prompt else f"no prompt in {sorted(body['input'])}"


def _alternates(turns: list[Body], model_role: str) -> str:
    """Two sides that take turns, the user first, and no turn without content."""
    expected = "user"
    for turn in turns:
        if turn["role"] == "system":
            continue
        if turn["role"] != expected:
            return f"a turn of {turn['role']} where {expected} should speak"
        if not (turn.get("content") or turn.get("parts")):
            return f"an empty turn of {turn['role']}"
        expected = model_role if expected == "user" else "user"
    return ""


# -- calls and results


def _ids_of_chat(body: Body) -> Ids:
    calls = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or ()]
    return Ids(calls, [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"])


def _ids_of_anthropic(body: Body) -> Ids:
    blocks = [block for turn in body["messages"] if isinstance(turn["content"], list) for block in turn["content"]]
    return Ids(
        [block["id"] for block in blocks if block.get("type") == "tool_use"],
        [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"],
    )


def _ids_of_responses(body: Body) -> Ids:
    kinds = ("function_call", "custom_tool_call")
    return Ids(
        [item["call_id"] for item in body["input"] if item.get("type") in kinds],
        [item["call_id"] for item in body["input"] if item.get("type") in {f"{kind}_output" for kind in kinds}],
    )


def _ids_of_gemini(body: Body) -> Ids:
    """Names, where there are no ids: the order tells which result is whose."""
    parts = [part for content in body["contents"] for part in content["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    numbered = [
        [f"{index} {fields.get('id')} {fields['name']}" for index, fields in enumerate(each)]
        for each in (calls, results)
    ]
    return Ids(*numbered)


def _ids_of_interactions(body: Body) -> Ids:
    steps = [step for step in body["input"] if isinstance(step, dict)]
    return Ids(
        [step["id"] for step in steps if step["type"] == "function_call"],
        [step["call_id"] for step in steps if step["type"] == "function_result"],
    )


def _ids_of_converse(body: Body) -> Ids:
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    results = [block["toolResult"] for block in blocks if isinstance(block.get("toolResult"), dict)]
    return Ids(
        [call["toolUseId"] for call in calls if "type" not in call],  # others are the service's own
        [result["toolUseId"] for result in results if "content" in result and "type" not in result],
    )


def _ids_of_cohere_v1(body: Body) -> Ids:
    """Results repeat their calls; a call is known by its place, a result by that of the first call it may answer."""
    made: list[Body] = []
    ids = Ids([], [])
    history = [*body.get("chat_history", ()), {"role": "TOOL", "tool_results": body.get("tool_results", ())}]
    for turn in history:
        for call in turn.get("tool_calls", ()):
            ids.calls.append(str(len(made)))
            made.append(call)
        for result in turn.get("tool_results", ()):
            places = [str(place) for place, call in enumerate(made) if call == result["call"]]
            ids.results.append(next(place for place in places if place not in ids.results))
    return ids


def _no_ids(_body: Body) -> Ids:
    return Ids([], [])


class Target(NamedTuple):
    """Who the conversation goes on with.

    Attributes:
        provider, model: the model is the spec's own where it is None.
        problem: what is wrong with a body, ``""`` for nothing.
        ids: of calls and results.
        id_pattern: what an id must be.
        has_tools: whether it takes calls and results.
        extra: what it cannot do without.
    """

    provider: str
    model: str | None
    problem: Callable[[Body, str], str]
    ids: Callable[[Body], Ids]
    id_pattern: str = r".{1,40}"
    has_tools: bool = True
    extra: Mapping[str, Any] = MappingProxyType({})

    @property
    def name(self) -> str:
        return self.provider if self.model is None else f"{self.provider}/{self.model}"


_ANTHROPIC_ID = r"[a-zA-Z0-9_-]{1,64}"
_BEDROCK_ID = r"[a-zA-Z0-9_.:-]{1,64}"
TARGETS = (
    Target("openai", None, _openai, _ids_of_chat),
    Target("anthropic", None, _anthropic, _ids_of_anthropic, _ANTHROPIC_ID),
    Target("openai-responses", None, _responses, _ids_of_responses, r".{1,64}"),
    Target("gemini", None, _gemini, _ids_of_gemini, r".+"),
    Target("gemini", "gemini-3-pro-preview", _gemini, _ids_of_gemini, r".+"),
    Target("gemini-interactions", None, _interactions, _ids_of_interactions, r".+"),
    Target("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", _converse, _ids_of_converse, _BEDROCK_ID),
    Target("bedrock", "amazon.nova-lite-v1:0", _converse, _ids_of_converse, _BEDROCK_ID),
    Target("bedrock-invoke", "anthropic.claude-3-haiku-20240307-v1:0", _anthropic, _ids_of_anthropic, _ANTHROPIC_ID),
    Target("bedrock-invoke", "amazon.nova-lite-v1:0", _nova, _ids_of_converse, _BEDROCK_ID),
    Target("bedrock-invoke", "ai21.jamba-1-5-mini-v1:0", _deepseek, _ids_of_chat),
    Target("bedrock-invoke", "mistral.mistral-large-2407-v1:0", _openai, _ids_of_chat),
    Target("bedrock-invoke", "cohere.command-r-v1:0", _command_r, _no_ids, has_tools=False),
    Target("bedrock-invoke", "meta.llama3-8b-instruct-v1:0", _text, _no_ids, has_tools=False),
    Target("bedrock-invoke", "amazon.titan-text-express-v1", _text, _no_ids, has_tools=False),
    Target("ollama", None, _ollama, _ids_of_chat, r".+"),
    Target("cohere", None, _cohere, _ids_of_chat, r".+"),
    Target("cohere-v1", None, _cohere_v1, _ids_of_cohere_v1),
    Target("mistral", None, _mistral, _ids_of_chat, r"[a-zA-Z0-9]{9}"),
    Target("groq", None, _groq, _ids_of_chat),
    Target("deepseek", None, _deepseek, _ids_of_chat),
    Target("openrouter", None, _openai, _ids_of_chat),
    Target("gemini-openai", None, _openai, _ids_of_chat),
    Target("xai", None, _openai, _ids_of_chat),
    Target("huggingface", "openai/gpt-oss-120b", _openai, _ids_of_chat),
    Target("databricks", "databricks-claude-sonnet-4-5", _openai, _ids_of_chat),
    Target("perplexity", None, _openai, _ids_of_chat, has_tools=False),
    Target("watsonx", None, _openai, _ids_of_chat, extra={"project_id": "p"}),
    Target("sagemaker-invoke", "my-endpoint", _openai, _ids_of_chat),
    Target("lmstudio-native", None, _lmstudio, _no_ids, has_tools=False),
    Target("replicate", None, _replicate, _no_ids, has_tools=False),
    Target("vertex", None, _gemini, _ids_of_gemini, r".+"),
    Target("vertex-anthropic", None, _anthropic, _ids_of_anthropic, _ANTHROPIC_ID),
    Target("azure-responses", "gpt-5", _responses, _ids_of_responses, r".{1,64}"),
    Target("deepseek-responses", None, _responses, _ids_of_responses, r".{1,64}"),
)


def check_ids(target: Target, body: Body) -> None:
    """Every call has one result, in order; no id is used twice; all are as the target takes them."""
    ids = target.ids(body)
    assert sorted(ids.calls) == sorted(ids.results), ids
    assert len(set(ids.calls)) == len(ids.calls), f"an id is used twice: {ids.calls}"
    for id_ in ids.calls:
        assert re.fullmatch(target.id_pattern, id_), f"{target.name} takes no id {id_!r}"


def strings(value: Any) -> Iterator[str]:
    """All text in a body."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value
