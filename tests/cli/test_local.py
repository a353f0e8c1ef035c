"""A newcomer's first command: no key, no network, the bundled model."""

from __future__ import annotations

import pytest

from tests.cli.command import run

pytestmark = pytest.mark.local


async def test_without_a_key_the_bundled_model_answers_and_that_is_said() -> None:
    result = await run("chat", "Tell me a short story about a fox.", OPENAI_API_KEY="")
    assert result.code == 0, result.err
    assert len(result.out.split()) > 5
    assert "fox" in result.out.lower()
    assert (
        result.err
        == "No key is set, so the local model answers. exllm providers lists the others; choose one with -m.\n"
    )


async def test_the_bundled_model_is_listed() -> None:
    result = await run("models", "local")
    assert result.code == 0, result.err
    assert "local/exllm-tiny" in result.out


async def test_a_local_answer_is_free_and_its_tokens_are_counted() -> None:
    result = await run("chat", "-m", "local", "--stats", "Hello!", OPENAI_API_KEY="")
    assert result.code == 0, result.err
    assert " · free · " in result.err
    assert "unknown" not in result.err
