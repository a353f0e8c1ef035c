"""Ids of calls, as providers take them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.providers.call_ids import CallIds, Spelling, hashed, spelt

SPELLINGS = {
    "anthropic": (spelt("[^a-zA-Z0-9_-]", 64), r"[a-zA-Z0-9_-]{1,64}"),
    "openai": (spelt("(?!)", 40), r"(?s).{1,40}"),
    "mistral": (hashed("[a-zA-Z0-9]{9}", 9), r"[a-zA-Z0-9]{9}"),
}


def test_right_ids_go_as_they_are() -> None:
    ids = CallIds(spelt("[^a-z0-9_]", 10))
    assert [ids.of_call("call_1"), ids.of_call("call_2")] == ["call_1", "call_2"]
    assert [ids.of_result("call_2"), ids.of_result("call_1")] == ["call_2", "call_1"]


def test_ids_that_come_again_get_ids_of_their_own() -> None:
    ids = CallIds(spelt("[^a-z0-9_]", 10))
    assert [ids.of_call("call_0_0"), ids.of_result("call_0_0")] == ["call_0_0"] * 2
    again = ids.of_call("call_0_0")
    assert again != "call_0_0"
    assert ids.of_result("call_0_0") == again


def test_ids_that_become_alike_stay_apart() -> None:
    ids = CallIds(spelt("[^a-z0-9_]", 10))
    sent = [ids.of_call(id_) for id_ in ("look:0", "look.0", "look_0", "a" * 20 + "1", "a" * 20 + "2")]
    assert len(set(sent)) == 5
    assert all(len(id_) <= 10 for id_ in sent)
    assert [ids.of_result("look.0"), ids.of_result("look:0")] == [sent[1], sent[0]]


@pytest.mark.parametrize(("spelling", "pattern"), SPELLINGS.values(), ids=SPELLINGS)
@given(st.lists(st.text(min_size=0, max_size=80), max_size=12))
def test_any_ids_become_right_ones_and_results_find_their_calls(
    spelling: Spelling, pattern: str, given_ids: list[str]
) -> None:
    ids = CallIds(spelling)
    sent = [ids.of_call(id_) for id_ in given_ids]
    assert all(re.fullmatch(pattern, id_) for id_ in sent)
    assert len(set(sent)) == len(sent)
    assert [ids.of_result(id_) for id_ in given_ids] == sent


def test_a_result_without_a_call_keeps_its_id() -> None:
    assert CallIds(spelt("[^a-z]", 64)).of_result("abc") == "abc"
