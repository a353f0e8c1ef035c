"""Ollama's `/api/generate` against aimock, which has neither thoughts nor counts of Ollama's."""

from __future__ import annotations

import pytest

import exllm
from exllm import Message, Response
from tests.e2e.aimock.server import Aimock
from tests.e2e.test_aimock_answers import HELLO, WAYS

pytestmark = pytest.mark.node

MODEL = "ollama-generate/llama3.2"


async def _ask(aimock: Aimock, way: str, messages: object, **options: object) -> Response:
    async with aimock.client() as client:
        if way == "chat":
            return await client.chat(MODEL, messages, **options)  # type: ignore[arg-type]
        async with client.stream(MODEL, messages, **options) as stream:  # type: ignore[arg-type]
            texts = [chunk.text async for chunk in stream]
        assert "".join(texts) == stream.response.text
        assert len([text for text in texts if text]) > 1
        return stream.response


@pytest.mark.shows("chat", "stream", providers=("ollama-generate",))
@WAYS
async def test_text_arrives_whole(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "say hello")
    assert (reply.text, reply.finish_reason, reply.model) == (HELLO, "stop", "llama3.2")
    assert reply.created is not None


@WAYS
async def test_ollama_receives_what_was_asked(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, [Message("user", "say hello")], temperature=0.5, max_tokens=50)
    arrived = await aimock.arrived(reply.request_id)
    body = arrived["body"]  # as aimock understood it, in OpenAI's words
    assert (arrived["method"], arrived["path"]) == ("POST", "/api/generate")
    assert body["messages"] == [{"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["temperature"]) == ("llama3.2", way == "stream", 0.5)


@pytest.mark.shows("errors", providers=("ollama-generate",))
@WAYS
async def test_a_prompt_that_the_server_cannot_answer_is_an_error(aimock: Aimock, way: str) -> None:
    with pytest.raises(exllm.ExLLMError) as caught:
        await _ask(aimock, way, "nobody knows an answer to this")
    assert caught.value.provider == "ollama-generate"
    assert caught.value.status == 503
