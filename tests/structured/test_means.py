"""Which strategy is chosen, from what specs, wires and the catalog say; and what then goes over each wire."""

from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm.structured.means import means_of
from exllm.structured.plan import make_plan
from tests.structured.types import Person


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("openai/gpt-4.1-mini", "schema"),
        ("openai/gpt-4-turbo", "tool"),  # older than structured outputs
        ("openai-responses/gpt-4.1-mini", "schema"),
        ("anthropic/claude-sonnet-4-5", "schema"),
        ("anthropic/claude-3-haiku-20240307", "tool"),
        ("gemini/gemini-2.5-flash", "schema"),
        ("vertex/gemini-2.5-flash", "schema"),
        ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", "schema"),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", "tool"),
        ("deepseek/deepseek-chat", "tool"),  # JSON mode only
        ("mistral/mistral-small-latest", "schema"),
        ("ollama/llama3.2", "schema"),
        ("local", "grammar"),
        ("mock/m", "schema"),
    ],
)
def test_the_first_strategy_that_provider_and_model_have_is_chosen(model: str, strategy: str) -> None:
    assert make_plan(Person, means_of(model), None, {}).strategy == strategy


def test_strict_is_said_where_it_must_be_and_nowhere_else() -> None:
    for model, is_strict in [("openai/gpt-4.1-mini", True), ("azure/x", True), ("groq/x", False), ("vllm/x", False)]:
        form: Any = make_plan(Person, means_of(model), None, {}).options["response_format"]
        assert form.get("strict", False) is is_strict, model


def test_a_schema_that_openai_cannot_hold_to_is_sent_without_strict_and_that_is_told() -> None:
    plan = make_plan(dict[str, int], means_of("openai/gpt-4.1-mini"), None, {})
    form: Any = plan.options["response_format"]
    assert "strict" not in form
    assert form["schema"] == plan.schema
    assert any("map" in warning for warning in plan.warnings)


def test_a_schema_that_anthropic_refuses_becomes_a_tool_and_that_is_told() -> None:
    plan = make_plan(dict[str, int], means_of("anthropic/claude-sonnet-4-5"), None, {})
    assert plan.strategy == "tool"
    assert any("map" in warning for warning in plan.warnings)


def test_the_name_of_the_answers_tool_is_not_that_of_another() -> None:
    plan = make_plan(Person, means_of("mock/m"), "tool", {"tools": (exllm.Tool("Person"),)})
    assert plan.tool == "Person_"


@pytest.mark.parametrize(("model", "strategy"), [("ollama/llama3.2", "tool"), ("deepseek/deepseek-chat", "schema")])
def test_a_strategy_that_is_not_there_is_refused(model: str, strategy: str) -> None:
    with pytest.raises(exllm.UnsupportedOption, match="will not do"):
        make_plan(Person, means_of(model), strategy, {})
