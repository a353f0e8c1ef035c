"""Messages in the shape of OpenAI's Responses API, its SDK's own objects included."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from openai.types.responses import ResponseOutputMessage

from exllm.errors import InvalidRequest
from exllm.types.normalise import normalise_messages
from exllm.types.parts import Citation, Document, FileRef, Image, Refusal, Text

PNG = base64.b64encode(b"\x89PNG").decode()
CITED = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "Hi"}, Text("Hi")),
        (
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
            Image(data=b"\x89PNG", media_type="image/png", detail="low"),
        ),
        ({"type": "input_image", "image_url": "https://a/b.png"}, Image(url="https://a/b.png")),
        ({"type": "input_image", "file_id": "file-1", "detail": "auto"}, FileRef("file-1", "image/png")),
        ({"type": "input_file", "file_id": "file-2"}, FileRef("file-2")),
        ({"type": "input_file", "file_url": "https://a/b.pdf"}, Document(url="https://a/b.pdf")),
        (
            {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{PNG}"},
            Document(data=b"\x89PNG", media_type="text/plain", title="a.txt"),
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": PNG},
            Document(data=b"\x89PNG", media_type="application/pdf", title="a.pdf"),
        ),
    ],
)
def test_parts_of_an_input_message_are_read(part: dict[str, Any], expected: Any) -> None:
    (message,) = normalise_messages([{"type": "message", "role": "user", "content": [part]}])
    assert message.content == (expected,)


def test_an_answers_message_of_the_sdk_is_read() -> None:
    content = [
        {"type": "output_text", "text": "Hi", "annotations": [CITED], "logprobs": []},
        {"type": "refusal", "refusal": "No."},
    ]
    given = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    (message,) = normalise_messages([ResponseOutputMessage.model_validate(given)])  # type: ignore[list-item]
    assert message.role == "assistant"
    assert message.content == (Text("Hi", (Citation("https://a", "A", source=CITED),)), Refusal("No."))


@pytest.mark.parametrize("part", [{"type": "input_image"}, {"type": "input_file"}, {"type": "input_text", "text": 3}])
def test_a_part_that_lacks_its_content_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[0\].content\[0\]"):
        normalise_messages([{"role": "user", "content": [part]}])
