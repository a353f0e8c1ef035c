"""Calls without results: what is sent of a conversation in which somebody went on without answering them."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exllm
from exllm.config import Static
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import Reasoning, Text, ToolCall, ToolResult
from exllm.types.unanswered import NOT_MADE, with_results
from tests.faults.expect import KEY, ONCE
from tests.faults.server import FaultServer, Peer
from tests.providers.test_messages_travel import sent
from tests.providers.travel_checks import TARGETS, Target

HI = Message("user", "Hi")
NEXT = Message("user", "And now?")


def called(*ids: str) -> Message:
    return Message("assistant", (Text("Let me see."), *(ToolCall(id_, "look", "{}") for id_ in ids)))


def result(*ids: str) -> Message:
    return Message("tool", tuple(ToolResult(id_, f"of {id_}") for id_ in ids))


def made_up(*ids: str) -> Message:
    return Message("tool", tuple(ToolResult(id_, NOT_MADE, "look", is_error=True) for id_ in ids))


RAN = Message("assistant", (ToolCall("s", "web_search", "{}", provider_executed=True), Text("Found.")))


@pytest.mark.parametrize(
    "messages",
    [
        [HI],
        [HI, called("a", "b"), result("b", "a"), NEXT],
        [HI, called("a", "b"), result("a"), result("b"), NEXT],
        [HI, called("a"), Message("user", (ToolResult("a", "x"), Text("And now?")))],
        [HI, called("a")],
        [HI, called("a"), result("a"), called("a"), result("a")],
        [HI, RAN, NEXT],
        [result("a"), NEXT],
    ],
)
def test_what_is_answered_or_still_to_be_made_stays_as_it_is(messages: list[Message]) -> None:
    given = tuple(messages)
    settled, warnings = with_results(given)
    assert settled is given
    assert warnings == ()


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HI, called("a"), NEXT], [HI, called("a"), made_up("a"), NEXT]),
        (
            [HI, called("a"), Message("assistant", "Well."), NEXT],
            [HI, called("a"), made_up("a"), Message("assistant", "Well."), NEXT],
        ),
        ([HI, called("a"), NEXT, called("b")], [HI, called("a"), made_up("a"), NEXT, called("b")]),
    ],
)
def test_a_call_that_nobody_made_has_a_result_that_says_so(messages: list[Message], expected: list[Message]) -> None:
    settled, warnings = with_results(tuple(messages))
    assert settled == tuple(expected)
    assert warnings == (f"a call of look has no result; {NOT_MADE!r} was sent as one",)


def test_a_result_that_came_after_other_words_stands_behind_its_call() -> None:
    settled, warnings = with_results((HI, called("a"), NEXT, result("a"), Message("user", "Well?")))
    assert settled == (HI, called("a"), result("a"), NEXT, Message("user", "Well?"))
    assert warnings == ()
    late = Message("user", (Text("Here."), ToolResult("b", "of b")))
    settled, warnings = with_results((HI, called("a", "b"), result("a"), NEXT, late))
    assert settled == (HI, called("a", "b"), result("a", "b"), NEXT, Message("user", (Text("Here."),)))


SAID = st.one_of(
    st.sampled_from([HI, NEXT, RAN, Message("assistant", "Yes."), Message("assistant", (Reasoning("Hm."),))]),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(lambda ids: called(*ids)),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True).map(lambda ids: result(*ids)),
)


@given(st.lists(SAID, max_size=8))
def test_every_call_but_the_last_ones_has_its_result_right_behind_it(said: list[Message]) -> None:
    settled, _ = with_results(tuple(said))
    for place, message in enumerate(settled[:-1]):
        ids = {call.id for call in message.tool_calls if not call.provider_executed}
        behind = itertools.takewhile(lambda after: after.role == "tool", settled[place + 1 :])
        assert ids <= {part.call_id for after in behind for part in after.parts if isinstance(part, ToolResult)}
    assert with_results(settled)[0] == settled
    kept = [part for message in settled for part in message.parts]
    assert all(part in kept for message in said for part in message.parts)


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_every_service_takes_what_comes_of_it(target: Target) -> None:
    for messages in ([HI, called("a", "b"), result("b"), NEXT], [HI, called("a"), NEXT, result("a"), NEXT]):
        settled, _ = with_results(normalise_messages(messages))
        sent(settled, target)


async def test_a_client_sends_it_and_says_so() -> None:
    async def answer(peer: Peer) -> None:
        body = {"choices": [{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}]}
        await peer.answer(json.dumps(body).encode())

    async with FaultServer(answer) as server:
        config = Static({"openai": {"api_key": KEY, "base_url": server.url}})
        async with exllm.Client(config=config, retry=ONCE) as client:
            response = await client.chat("openai/gpt-4.1", [HI, called("a"), NEXT])
    said = server.requests[0].json["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "user"]
    assert said[2] == {"role": "tool", "tool_call_id": "a", "content": NOT_MADE}
    assert any("has no result" in warning for warning in response.warnings)
