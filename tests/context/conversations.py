"""Valid conversations for property tests: users, answers, calls with their results."""

from __future__ import annotations

from hypothesis import strategies as st

from exllm.types.message import Message
from exllm.types.parts import Text, ToolCall, ToolResult

_texts = st.text(alphabet="abc déф中 \n{}1", min_size=1, max_size=120).filter(str.strip)


@st.composite
def conversations(draw: st.DrawFn, *, max_exchanges: int = 6) -> list[Message]:
    messages = [
        Message(draw(st.sampled_from(["system", "developer"])), draw(_texts)) for _ in range(draw(st.integers(0, 2)))
    ]
    numbers = iter(range(1000))
    exchanges = draw(st.integers(1, max_exchanges))
    for number in range(exchanges):
        messages += [Message("user", draw(_texts)) for _ in range(draw(st.integers(1, 2)))]
        for _ in range(draw(st.integers(0, 4))):
            messages += _step(draw, [f"call_{next(numbers)}" for _ in range(draw(st.integers(1, 3)))])
        if number < exchanges - 1 or draw(st.booleans()):
            messages.append(Message("assistant", draw(_texts)))
    return messages


def _step(draw: st.DrawFn, ids: list[str]) -> list[Message]:
    calls = tuple(ToolCall(id, "look_up", '{"q": "x"}') for id in ids)
    said = (Text(draw(_texts)),) if draw(st.booleans()) else ()
    results = [ToolResult(id, draw(_texts), "look_up") for id in draw(st.permutations(ids))]
    if draw(st.booleans()):  # all in one message, or each in its own
        return [Message("assistant", (*said, *calls)), Message("tool", tuple(results))]
    return [Message("assistant", (*said, *calls)), *(Message("tool", (result,)) for result in results)]
