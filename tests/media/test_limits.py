"""What providers take of media, and how a part that they do not take is told."""

from __future__ import annotations

import pytest

from exllm import ConfigurationError, Document, Image, Message, Text
from exllm.errors import InvalidRequest
from exllm.media import MediaLimits, check, limits_of
from exllm.media.limits import _BY_PROVIDER, MIB
from exllm.providers import registry
from tests.media.pictures import picture


@pytest.mark.parametrize("name", _BY_PROVIDER)
def test_limits_are_those_of_a_provider_that_exists(name: str) -> None:
    assert registry.get(name) is not None
    assert limits_of(f"{name}/some-model") == _BY_PROVIDER[name]


def test_a_provider_that_names_no_limits_has_none() -> None:
    assert limits_of("ollama/llava") == MediaLimits()
    with pytest.raises(ConfigurationError):
        limits_of("nobody")


def messages(part: Image | Document) -> list[Message]:
    return [Message("user", "Hi"), Message("assistant", "Hello"), Message("user", (Text("See:"), part))]


@pytest.mark.parametrize(
    ("part", "model", "problem"),
    [
        (
            Image(data=picture(9000, 20), media_type="image/png"),
            "anthropic",
            "9000 x 20 pixels is over the limit of 8000",
        ),
        (Image(data=b"\0" * (4 * MIB), media_type="image/png"), "anthropic", "over the limit of 3,932,160"),
        (Image(data=b"II*\0", media_type="image/tiff"), "openai", "type image/tiff is none of image/jpeg"),
        (Document(data=b"0" * (5 * MIB), media_type="application/pdf"), "bedrock", "document of 5,242,880 bytes"),
    ],
)
def test_check_says_which_part_and_why(part: Image | Document, model: str, problem: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        check(messages(part), model)
    assert "messages[2].content[1]" in str(told.value)
    assert problem in str(told.value)
    assert "exllm.media.fit" in str(told.value)
    check(messages(part), "ollama")  # which names no limits


def test_what_is_elsewhere_is_not_looked_at() -> None:
    check(messages(Image(url="https://example.org/a.tiff")), "openai")


def test_files_are_not_read() -> None:
    with pytest.raises(ValueError, match=r"exllm\.media\.load"):
        check(messages(Image(path="a.png")), "openai")
