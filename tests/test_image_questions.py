"""`client.analyze_images` and `client.extract_text`: what the model is sent."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import exllm
from exllm import Document, Image, Text
from exllm.errors import InvalidRequest
from exllm.image_questions import EXTRACT_TEXT
from exllm.testing import MockProvider
from tests.media.pictures import opened, picture


@pytest.fixture
def llm() -> Iterator[MockProvider]:
    with MockProvider("Four colours.", name="groq") as mock:
        yield mock


async def test_images_come_before_the_question(llm: MockProvider, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(4, 4))
    photo = Image(url="https://example.org/b.jpg")
    async with exllm.Client() as client:
        reply = await client.analyze_images(
            "groq", [tmp_path / "a.png", io.BytesIO(picture(5, 5, "JPEG")), photo], "Which colours?", temperature=0.0
        )
    assert reply.text == "Four colours."
    (message,) = llm.requests[0].messages
    assert message.role == "user"
    first, second, third, question = message.parts
    assert (first.media_type, second.media_type) == ("image/png", "image/jpeg")  # type: ignore[union-attr]
    assert (third, question) == (photo, Text("Which colours?"))
    assert llm.requests[0].options.temperature == 0.0


async def test_an_image_is_made_to_fit_the_provider(llm: MockProvider) -> None:
    async with exllm.Client() as client:
        await client.extract_text("groq/some-model", picture(900, 300, "TIFF"), max_side_px=90)
    sent, instruction = llm.requests[0].messages[0].parts
    assert isinstance(sent, Image)
    assert sent.media_type == "image/jpeg"
    assert opened(sent.data or b"").size == (90, 30)
    assert instruction == Text(EXTRACT_TEXT)


async def test_a_pdf_may_be_read_and_the_instruction_changed(llm: MockProvider) -> None:
    async with exllm.Client() as client:
        await client.extract_text("groq", b"%PDF-1.7", instruction="Only the title.")
    assert llm.requests[0].messages[0].parts == (
        Document(data=b"%PDF-1.7", media_type="application/pdf"),
        Text("Only the title."),
    )


@pytest.mark.parametrize(
    ("images", "question", "words"),
    [([], "Why?", "no image"), (picture(2, 2), "", "is empty"), (b"RIFF\0\0\0\0WAVE", "Why?", "audio/wav is no image")],
)
async def test_nothing_is_sent_when_it_makes_no_sense(
    llm: MockProvider, images: object, question: str, words: str
) -> None:
    async with exllm.Client() as client:
        with pytest.raises(InvalidRequest, match=words):
            await client.analyze_images("groq", images, question)  # type: ignore[arg-type]
    assert not llm.requests
