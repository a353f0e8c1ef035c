"""Messages in the shape of Gemini's generateContent, its SDK's own objects included."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.genai import types

from exllm.errors import InvalidRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import Audio, Document, Image, ProviderPart, Reasoning, Text, ToolCall, ToolResult
from tests.providers.gemini_recordings import ALL, load
from tests.providers.gemini_requests import comparable, sent_by_us

PNG = b"\x89PNG"
LETTERS = base64.b64encode(PNG).decode()
SIGNED = base64.b64encode(b"signed by").decode()


def parts_of(role: str, *parts: Any) -> Any:
    (message,) = normalise_messages([{"role": role, "parts": list(parts)}])
    return message.parts


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "Hi"}, (Text("Hi"),)),
        ("Hi", (Text("Hi"),)),
        ({"inlineData": {"mimeType": "image/png", "data": LETTERS}}, (Image(data=PNG, media_type="image/png"),)),
        ({"inline_data": {"mime_type": "audio/wav", "data": PNG}}, (Audio(data=PNG, media_type="audio/wav"),)),
        ({"inlineData": {"mimeType": "application/pdf", "data": LETTERS}},
         (Document(data=PNG, media_type="application/pdf"),)),
        ({"fileData": {"fileUri": "gs://a/b.png", "mimeType": "image/png"}},
         (Image(url="gs://a/b.png", media_type="image/png"),)),
        ({"file_data": {"file_uri": "https://youtu.be/a"}}, (Document(url="https://youtu.be/a"),)),
        ({"fileData": {"fileUri": "https://youtu.be/a"}, "videoMetadata": {"fps": 1}},
         (ProviderPart("gemini", {"fileData": {"fileUri": "https://youtu.be/a"}, "videoMetadata": {"fps": 1}}),)),
    ],
)  # fmt: skip
def test_parts_of_the_user_are_read(part: Any, expected: Any) -> None:
    assert parts_of("user", part) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "Hm.", "thought": True, "thoughtSignature": SIGNED}, (Reasoning("Hm.", SIGNED, id="gemini"),)),
        ({"text": "Hi", "thoughtSignature": SIGNED}, (Reasoning("", SIGNED, id="gemini:next"), Text("Hi"))),
        ({"text": "", "thoughtSignature": SIGNED}, (Reasoning("", SIGNED, id="gemini"),)),
        ({"functionCall": {"id": "c1", "name": "look", "args": {"at_place": 1}}, "thoughtSignature": SIGNED},
         (ToolCall("c1", "look", '{"at_place":1}', signature=SIGNED),)),
        ({"function_call": {"name": "look"}}, (ToolCall("call_0_0", "look", "{}"),)),
        ({"executable_code": {"language": types.Language.PYTHON, "code": "1"}},
         (ProviderPart("gemini", {"executableCode": {"language": "PYTHON", "code": "1"}}),)),
    ],
)  # fmt: skip
def test_parts_of_the_model_are_read(part: Any, expected: Any) -> None:
    assert parts_of("model", part) == expected


@pytest.mark.parametrize("role", ["user", "function", None])
@pytest.mark.parametrize(
    ("response", "content", "is_error"),
    [
        ({"output": "sunny"}, "sunny", False),
        ({"error": "none"}, "none", True),
        ({"degrees_c": 4}, '{"degrees_c":4}', False),
        ({"output": "a", "more": 1}, '{"output":"a","more":1}', False),
        ({}, "{}", False),
    ],
)
def test_results_of_functions_stand_in_tool_messages(
    role: str | None, response: dict[str, Any], content: str, is_error: bool
) -> None:
    part = {"functionResponse": {"id": "c1", "name": "look", "response": response}}
    (message,) = normalise_messages([{"role": role, "parts": [part]}])
    assert message == Message("tool", (ToolResult("c1", content, "look", is_error),))


def test_calls_without_ids_are_answered_in_their_order() -> None:
    call, result = {"functionCall": {"name": "look"}}, {"functionResponse": {"name": "look", "response": {}}}
    _, said, answered = normalise_messages(
        [{"parts": [{"text": "Go"}]}, {"role": "model", "parts": [call, call]}, {"role": "user", "parts": [result] * 2}]
    )
    assert [part.id for part in said.tool_calls] == ["call_0_0", "call_0_1"]
    assert [part.call_id for part in answered.parts if isinstance(part, ToolResult)] == ["call_0_0", "call_0_1"]


def test_the_sdks_objects_are_read() -> None:
    content = types.Content(
        role="model",
        parts=[
            types.Part(text="Hm.", thought=True, thought_signature=b"signed by"),
            types.Part(function_call=types.FunctionCall(name="look", args={"a_b": None})),
        ],
    )
    (message,) = normalise_messages([content])  # type: ignore[list-item]
    assert message == Message(
        "assistant", (Reasoning("Hm.", SIGNED, id="gemini"), ToolCall("call_0_0", "look", '{"a_b":null}'))
    )


RECORDED = [
    name for name in ALL if load(name).request is not None and "enum-encoding" not in load(name).path
]  # others say enumerations as numbers


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_contents_go_back_as_they_are(name: str) -> None:
    request = load(name).request
    assert request is not None
    contents = comparable(request)["contents"]
    messages = normalise_messages(contents)
    model = load(name).path.rpartition("/")[2].partition(":")[0]
    ours = sent_by_us(messages, model=model).body["contents"]
    for content in (*contents, *ours):
        content.setdefault("role", "user")
        content["parts"] = [part for part in content["parts"] if part != {"text": ""}]
        for part in content["parts"]:
            part.pop("thoughtSignature", None) if "functionCall" in part else None
    assert ours == [content for content in contents if content["parts"]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"role": "model", "parts": "Hi"}, r"messages\[0\].parts must be a list"),
        ({"role": "model", "parts": [{"functionCall": {}}]}, r"parts\[0\]: the part needs 'name'"),
        ({"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "%"}}]}, r"messages\[0\]"),
        ({"role": "user", "parts": [{"inlineData": 3}]}, "wrong shape"),
        ({"role": "user", "parts": [3]}, "wrong shape"),
        ({"role": "user", "parts": [{"text": "a"}], "tone": "kind"}, "'tone'"),
        ({"role": "robot", "parts": [{"text": "a"}]}, "the role must be one of"),
        ({"role": "user", "parts": []}, "no content"),
        ({"role": "user", "parts": [{"functionCall": {"name": "a"}}]}, "belongs in an assistant message"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        normalise_messages([given])


def test_blocks_that_say_their_type_are_read_as_they_are_elsewhere() -> None:
    given = {"id": "m1", "role": "assistant", "parts": [{"type": "text", "text": "Hi"}]}
    assert normalise_messages([given]) == (Message("assistant", (Text("Hi"),)),)
    with pytest.raises(InvalidRequest, match="unknown type of part 'step-start'"):
        normalise_messages([{"role": "user", "parts": [{"type": "step-start"}]}])


def test_media_in_a_result_stay_with_it() -> None:
    media = [{"inlineData": {"mimeType": "image/png", "data": LETTERS}}]
    part = {"functionResponse": {"name": "look", "response": {"output": "seen"}, "parts": media}}
    (message,) = normalise_messages([{"role": "user", "parts": [part]}])
    (result,) = message.parts
    assert isinstance(result, ToolResult)
    assert result.content == (Text("seen"), Image(data=PNG, media_type="image/png"))
    assert json.dumps(part)  # what was given is as it was
