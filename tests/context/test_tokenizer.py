"""Counting with tiktoken, where it and its data are there; the data is never fetched."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from exllm.context.tokenizer import count_with_tokenizer, tokenizer_for
from exllm.types.message import Message
from exllm.types.parts import Image
from exllm.types.tool import Tool

DATA = os.environ.get("EXLLM_TEST_TIKTOKEN_DATA", "")
"""A folder with tiktoken's vocabularies, which come from no package index: `pytest -m vocabularies` needs it."""


def test_without_data_nothing_is_counted_and_nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert tokenizer_for("openai/gpt-4o") is None
    assert count_with_tokenizer("openai/gpt-4o", [Message("user", "hi")], ()) is None


def _recordings() -> Any:
    folder = str(Path(__file__).parent.parent.parent / "tools")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("token_recordings").measured
    finally:
        sys.path.remove(folder)


@pytest.mark.vocabularies
def test_what_was_recorded_is_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", DATA)
    measured = _recordings()

    truths = [
        (call.input_tokens, count.tokens)
        for call in measured()
        if call.provider in ("openai", "azure", "openrouter") and not call.tools
        if (count := count_with_tokenizer(f"{call.provider}/{call.model}", call.messages, ())) is not None
    ]
    assert len(truths) >= 20
    assert [pair for pair in truths if pair[0] != pair[1]] == []


@pytest.mark.vocabularies
def test_tools_and_images_widen_the_number_and_text_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", DATA)
    plain = count_with_tokenizer("openai/gpt-4o", [Message("user", "What is the capital of France?")], ())
    assert plain is not None
    assert (plain.tokens, plain.low, plain.high, plain.how) == (14, 14, 14, "tokenizer")
    tools = count_with_tokenizer("openai/gpt-4o", [Message("user", "hi")], [Tool("f", "what it does")])
    assert tools is not None
    assert tools.low < tools.tokens < tools.high
    seen = count_with_tokenizer("openai/gpt-4o", [Message("user", (Image(url="https://x.test/a.png"),))], ())
    assert seen is not None
    assert seen.uncounted


@pytest.mark.parametrize(
    "model", ["anthropic/claude-sonnet-4-5", "groq/llama-3.3-70b", "openai/gpt-oss-20b", "x/gpt-6"]
)
def test_a_model_whose_vocabulary_is_not_known_has_no_tokenizer(model: str) -> None:
    assert tokenizer_for(model) is None
