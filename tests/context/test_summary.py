"""A summary of what does not fit, made by a model that is scripted here."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exllm
from exllm.context import estimate_tokens, summarize_messages
from exllm.context.summary import HEADING
from exllm.errors import ConfigurationError, ContextLengthExceeded
from exllm.types.message import Message
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.response import Choice, Response
from tests.context.conversations import conversations


class Summarises:
    """Stands where ``client.chat`` does, and remembers what it was asked."""

    def __init__(self, text: str = "They spoke of cats.") -> None:
        self.text = text
        self.asked: list[tuple[str, list[Message], int | None]] = []

    async def __call__(self, model: str, messages: object, /, *, max_tokens: int | None) -> Response:
        self.asked.append((model, list(messages), max_tokens))  # type: ignore[call-overload]
        return Response(choices=(Choice(Message("assistant", self.text)),))


LONG = [
    Message("system", "Be kind."),
    Message("user", "Cats? " + "meow " * 300),
    Message("assistant", (ToolCall("c", "look_up", '{"q": "cats"}'),)),
    Message("tool", (ToolResult("c", "purr " * 300),)),
    Message("assistant", "Cats purr. " * 60),
    Message("user", "And dogs?"),
]


async def test_what_does_not_fit_is_told_before_what_does() -> None:
    chat = Summarises()
    shorter = await summarize_messages(LONG, "openai/gpt-4o", chat=chat, by="openai/gpt-4.1-nano", max_tokens=700,
                                       summary_tokens=100)  # fmt: skip
    assert shorter == [LONG[0], Message("user", HEADING + "They spoke of cats."), LONG[-1]]
    ((model, (instructions, told), most),) = chat.asked
    assert (model, most) == ("openai/gpt-4.1-nano", 100)
    assert instructions.role == "system"
    for words in ("user: Cats? meow", '[calls look_up with {"q": "cats"}]', "[result: purr", "assistant: Cats purr."):
        assert words in told.text
    assert "And dogs?" not in told.text
    assert "Be kind." not in told.text


async def test_what_fits_is_returned_and_nobody_is_asked() -> None:
    chat = Summarises()
    assert await summarize_messages(LONG, "openai/gpt-4o", chat=chat) == LONG
    assert chat.asked == []


async def test_what_is_too_long_for_one_call_is_told_in_portions() -> None:
    chat = Summarises()
    # A window of 8,192: portions of some 3,000 tokens.
    many = [*[Message("user", f"{number} " + "word " * 2000) for number in range(4)],
            Message("assistant", "ok"), Message("user", "last")]  # fmt: skip
    await summarize_messages(many, "openai/gpt-4o", chat=chat, by="openai/gpt-4", max_tokens=1500, summary_tokens=100)
    assert len(chat.asked) >= 3
    assert all(estimate_tokens("openai/gpt-4", asked).tokens < 8192 - 100 for _, asked, _ in chat.asked)
    assert chat.text not in chat.asked[0][1][1].text
    assert all(chat.text in asked[1].text for _, asked, _ in chat.asked[1:])
    told = "".join(asked[1].text for _, asked, _ in chat.asked)
    assert told.count("word ") + told.count("word\n") >= 8000 - 10


async def test_a_talkative_model_is_cut_to_the_room_there_is() -> None:
    shorter = await summarize_messages(
        LONG, "openai/gpt-4o", chat=Summarises("blah " * 5000), max_tokens=700, summary_tokens=100
    )
    assert estimate_tokens("openai/gpt-4o", shorter).high <= 700
    assert shorter[1].text.startswith(HEADING + "blah")


async def test_errors_of_the_model_come_through_and_what_cannot_fit_is_told_before_it_is_asked() -> None:
    async def fails(_model: str, _messages: object, /, *, max_tokens: int | None) -> Response:
        raise exllm.RateLimited("slow down")

    with pytest.raises(exllm.RateLimited):
        await summarize_messages(LONG, "openai/gpt-4o", chat=fails, max_tokens=700, summary_tokens=100)
    with pytest.raises(ContextLengthExceeded):
        await summarize_messages(LONG, "openai/gpt-4o", chat=fails, max_tokens=60, summary_tokens=50)
    with pytest.raises(ConfigurationError, match="name the model that summarises"):
        await summarize_messages(LONG, chat=fails, max_tokens=400)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=80)
@given(conversations(), st.integers(200, 900))
async def test_a_summary_stands_once_in_a_part_of_the_original_that_fits(messages: list[Message], limit: int) -> None:
    chat = Summarises()
    try:
        shorter = await summarize_messages(messages, "openai/gpt-4o", chat=chat, max_tokens=limit, summary_tokens=60)
    except ContextLengthExceeded:
        return
    assert estimate_tokens("openai/gpt-4o", shorter).high <= limit
    where = {id(message): index for index, message in enumerate(messages)}
    indexes = [where[id(message)] for message in shorter if id(message) in where]
    assert indexes == sorted(set(indexes))
    added = [message for message in shorter if id(message) not in where]
    assert len(added) == bool(chat.asked)
    assert all(message.role == "user" and message.text.startswith(HEADING) for message in added)
