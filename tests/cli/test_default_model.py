"""Which model answers when none was named."""

from __future__ import annotations

import os

import pytest

from exllm.cli.default_model import choose_model
from exllm.cli.screen import Screen


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN")) or name.startswith("EXLLM_"):
            monkeypatch.delenv(name)


def _choose(capfd: pytest.CaptureFixture[str]) -> tuple[str, str]:
    model = choose_model(Screen())
    out, err = capfd.readouterr()
    assert out == ""
    return model, err


def test_without_a_key_the_local_model_answers_and_that_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    model, said = _choose(capfd)
    assert model == "local"
    assert "the local model answers" in said


def test_a_provider_whose_key_is_set_answers_and_that_is_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "sk-test-0123456789")
    model, said = _choose(capfd)
    assert model == "groq"
    assert "Groq answers with " in said
    assert "sk-test" not in said


def test_of_several_keys_the_order_decides(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAI_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY"):
        monkeypatch.setenv(name, "k")
    assert _choose(capfd)[0] == "openai"


def test_a_named_model_comes_before_all_keys(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("EXLLM_MODEL", "mock/x")
    assert _choose(capfd) == ("mock/x", "")


def test_an_empty_key_is_no_key(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    assert _choose(capfd)[0] == "local"
