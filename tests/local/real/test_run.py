"""A run with a real local model: it is made to call, the call is made, and it answers."""

from __future__ import annotations

import pytest

import exllm
from exllm import ToolCallDelta, ToolFinished, ToolStarted, TurnStarted
from tests.local.real.test_constrained import TOOL_TEMPLATE
from tests.tools.kit import assert_valid, results

pytestmark = pytest.mark.local


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_real_model_calls_is_told_and_answers(client: exllm.Client, model: str, parallel: bool) -> None:
    made: list[tuple[int, int]] = []

    @exllm.tool(schema={
        "type": "object", "properties": {"a": {"enum": [1, 2, 3]}, "b": {"enum": [7, 8]}}, "required": ["a", "b"],
    })  # fmt: skip
    def add(a: int, b: int) -> int:
        made.append((a, b))
        return a + b

    stream = client.stream_run(
        model, "Please add.", tools=[add], tool_choice="add", parallel_tool_calls=parallel, temperature=0.5, seed=1,
        max_tokens=300, max_turns=2, extra={"chat_template": TOOL_TEMPLATE},
    )  # fmt: skip
    async with stream:
        events = [event async for event in stream]
    run = stream.run
    assert run.status == "completed"
    assert run.turns == 2
    assert run.text
    assert made
    assert [one.content for one in results(run)] == [str(a + b) for a, b in made]
    assert_valid(run.messages)
    kinds = [type(event) for event in events if isinstance(event, TurnStarted | ToolStarted | ToolFinished)]
    assert kinds[0] is TurnStarted
    assert kinds[-1] is TurnStarted
    assert set(kinds[1:-1]) == {ToolStarted, ToolFinished}
    assert any(isinstance(event, ToolCallDelta) for event in events)
    assert run.usage.provenance == "reported"
    assert run.cost.total == 0.0
