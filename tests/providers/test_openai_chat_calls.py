"""Tool calls: however a service cuts, numbers and names the pieces, the same calls come out (Q18)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.types.chunks import ProviderEvent, ToolCallDelta
from exllm.types.parts import ToolCall
from tests.providers.openai_chat_frames import DONE, choice, decode, decode_body, fold, text

Pieces = list[dict[str, Any]]

A = '{"city": "Rome", "days": [1, 2], "note": "a \\"b\\" {c}"}'
B = '{"city": "Oslo"}'


def piece(
    arguments: str | None = None, index: int | None = None, id_: str | None = None, name: str | None = None
) -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": id_, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def calls(deltas: list[Pieces]) -> list[tuple[str, str, str]]:
    frames = [choice({"tool_calls": delta}) for delta in deltas]
    response = fold(decode([*frames, choice({}, "tool_calls"), DONE]))
    return [(call.id, call.name, call.arguments) for call in response.tool_calls]


def split(value: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(value), *(cut % (len(value) + 1) for cut in cuts)})
    return [value[start:end] for start, end in itertools.pairwise(edges)] or [""]


CUTS = st.lists(st.integers(0, 200), max_size=12)
EXPECTED = [("c1", "weather", A), ("c2", "weather", B), ("c3", "now", "")]


def openai_order(cuts: list[int]) -> list[Pieces]:
    """OpenAI: id and name once, then fragments by index, one call after the other."""
    deltas: list[Pieces] = []
    for index, (id_, name, arguments) in enumerate(EXPECTED):
        deltas.append([piece("", index, id_, name)])
        deltas += [[piece(fragment, index)] for fragment in split(arguments, cuts)]
    return deltas


def with_first_fragment(cuts: list[int]) -> list[Pieces]:
    deltas: list[Pieces] = []
    for index, (id_, name, arguments) in enumerate(EXPECTED):
        first, *rest = split(arguments, cuts)
        deltas.append([piece(first, index, id_, name)])
        deltas += [[piece(fragment, index)] for fragment in rest]
    return deltas


def everything_repeated(cuts: list[int]) -> list[Pieces]:
    """Id and name again in each piece."""
    return [
        [piece(fragment, index, id_, name)]
        for index, (id_, name, arguments) in enumerate(EXPECTED)
        for fragment in split(arguments, cuts)
    ]


def without_index(cuts: list[int]) -> list[Pieces]:
    """Mistral: no index; a new call shows by its name, what follows belongs to it."""
    deltas: list[Pieces] = []
    for id_, name, arguments in EXPECTED:
        deltas.append([piece("", None, id_, name)])
        deltas += [[piece(fragment)] for fragment in split(arguments, cuts)]
    return deltas


def by_id_alone(cuts: list[int]) -> list[Pieces]:
    return [
        [piece(fragment, None, id_, name)] for id_, name, arguments in EXPECTED for fragment in split(arguments, cuts)
    ]


def interleaved(cuts: list[int]) -> list[Pieces]:
    """Parallel calls whose fragments come in turns."""
    fragments = [split(arguments, cuts) for _, _, arguments in EXPECTED]
    deltas: list[Pieces] = [[piece(None, index, id_, name) for index, (id_, name, _) in enumerate(EXPECTED)]]
    for turn in range(max(map(len, fragments))):
        deltas += [[piece(queue[turn], index)] for index, queue in enumerate(fragments) if turn < len(queue)]
    return deltas


def side_by_side(cuts: list[int]) -> list[Pieces]:
    """Several calls in one delta, every time."""
    fragments = [split(arguments, cuts) for _, _, arguments in EXPECTED]
    deltas: list[Pieces] = [[piece("", index, id_, name) for index, (id_, name, _) in enumerate(EXPECTED)]]
    turns = itertools.zip_longest(*fragments, fillvalue="")
    return deltas + [[piece(fragment, index) for index, fragment in enumerate(turn)] for turn in turns]


def side_by_side_without_index(cuts: list[int]) -> list[Pieces]:
    """Nothing but the place in the list says whose fragment it is."""
    return [
        [{key: value for key, value in one.items() if key != "index"} for one in delta] for delta in side_by_side(cuts)
    ]


def whole_in_one(cuts: list[int]) -> list[Pieces]:
    return [[piece(arguments, index, id_, name) for index, (id_, name, arguments) in enumerate(EXPECTED)]]


def whole_without_index(cuts: list[int]) -> list[Pieces]:
    return [[piece(arguments, None, id_, name)] for id_, name, arguments in EXPECTED]


def whole_all_at_index_zero(cuts: list[int]) -> list[Pieces]:
    """Ollama before 0.5, Gemini."""
    return [[piece(arguments, 0, id_, name)] for id_, name, arguments in EXPECTED]


def cut_all_at_index_zero(cuts: list[int]) -> list[Pieces]:
    deltas: list[Pieces] = []
    for id_, name, arguments in EXPECTED:
        deltas.append([piece("", 0, id_, name)])
        deltas += [[piece(fragment, 0)] for fragment in split(arguments, cuts)]
    return deltas


def indexes_with_gaps(cuts: list[int]) -> list[Pieces]:
    return [[{**one, "index": one["index"] * 3 + 1} for one in delta] for delta in openai_order(cuts)]


STYLES = [
    openai_order, with_first_fragment, everything_repeated, without_index, by_id_alone, interleaved, side_by_side,
    side_by_side_without_index,
    whole_in_one, whole_without_index, whole_all_at_index_zero, cut_all_at_index_zero, indexes_with_gaps,
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@given(cuts=CUTS)
def test_any_cut_in_any_style_gives_the_same_calls(style: Any, cuts: list[int]) -> None:
    assert calls(style(cuts)) == EXPECTED


@pytest.mark.parametrize("style", STYLES)
@given(cuts=CUTS, places=st.lists(st.integers(0, 40), max_size=5))
def test_empty_deltas_and_text_between_change_nothing(style: Any, cuts: list[int], places: list[int]) -> None:
    frames = [choice({"tool_calls": delta}) for delta in style(cuts)]
    for place in places:
        frames.insert(place, choice({"tool_calls": []} if place % 2 else {"content": "", "tool_calls": None}))
    frames.insert(0, text("Let me see. "))

    response = fold(decode([*frames, choice({}, "tool_calls"), DONE]))

    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == EXPECTED
    assert response.text == "Let me see. "


@given(cuts=CUTS)
def test_a_new_id_in_every_piece_is_still_one_call(cuts: list[int]) -> None:
    """vLLM before 0.9."""
    fragments = split(A, cuts)
    deltas = [[piece("", 0, "r0", "weather")]] + [[piece(part, 0, f"r{n + 1}")] for n, part in enumerate(fragments)]

    assert calls(deltas) == [("r0", "weather", A)]


@given(cuts=CUTS)
def test_calls_without_ids_get_one(cuts: list[int]) -> None:
    """Gemini. The ids are made up, so that results find their calls."""
    deltas: list[Pieces] = [[piece(A, 0, None, "weather")], [piece(B, 0, None, "weather")]]
    found = calls(deltas)

    assert [(name, arguments) for _, name, arguments in found] == [("weather", A), ("weather", B)]
    assert len({id_ for id_, _, _ in found}) == 2
    assert all(id_ for id_, _, _ in found)


def test_a_late_id_and_a_late_name_belong_to_their_call() -> None:
    assert calls([[piece('{"a"', 0)], [piece(":1}", 0, "c1", "f")]]) == [("c1", "f", '{"a":1}')]


def test_pieces_without_anything_make_no_call() -> None:
    assert calls([[{"index": 0}], [{}], [piece("")], [piece("{}", 0, "c1", "f")], [piece("", 0)]]) == [
        ("c1", "f", "{}")
    ]


def test_the_same_call_may_be_made_twice() -> None:
    twice = [[piece(B, 0, "c1", "weather")], [piece(B, 1, "c2", "weather")]]

    assert calls(twice) == [("c1", "weather", B), ("c2", "weather", B)]


def test_malformed_arguments_come_as_they_are() -> None:
    assert calls([[piece('{"a": ', 0, "c1", "f")], [piece("oops", 0)]]) == [("c1", "f", '{"a": oops')]


def test_arguments_as_an_object_become_text() -> None:
    delta = [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}]

    assert calls([delta]) == [("c1", "f", '{"a":1}')]


def test_each_choice_has_its_own_calls() -> None:
    frames = [choice({"tool_calls": [piece("{}", 0, f"c{index}", "f")]}, index=index) for index in (0, 1)]
    ends = [choice({}, "tool_calls", index) for index in (0, 1)]

    response = fold(decode([*frames, *ends, DONE], n=2))

    assert [[call.id for call in found.message.tool_calls] for found in response.choices] == [["c0"], ["c1"]]


def test_the_calls_of_a_whole_answer_are_those_of_its_stream() -> None:
    listed = [piece(arguments, 0, id_, name) for id_, name, arguments in EXPECTED]  # all at the index 0

    response = fold(decode_body({"content": None, "tool_calls": listed}, "tool_calls"))

    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == EXPECTED


def test_the_old_function_call_is_a_call() -> None:
    frames = [
        choice({"function_call": {"name": "f", "arguments": ""}}),
        choice({"function_call": {"arguments": '{"a"'}}),
        choice({"function_call": {"arguments": ":1}"}}),
        choice({"function_call": {}}),
        choice({}, "function_call"),
    ]
    response = fold(decode([*frames, DONE]))

    assert response.tool_calls == (ToolCall("call_0_0", "f", '{"a":1}'),)
    assert response.finish_reason == "tool_calls"
    whole = fold(decode_body({"function_call": {"name": "f", "arguments": '{"a":1}'}}, "function_call"))
    assert whole.tool_calls == response.tool_calls


def test_a_custom_tool_is_called_with_free_text() -> None:
    frames = [
        choice({"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": "sel"}}]}),
        choice({"tool_calls": [{"index": 0, "custom": {"input": "ect 1"}}]}),
    ]
    response = fold(decode([*frames, choice({}, "tool_calls"), DONE]))

    assert response.tool_calls == (ToolCall("c1", "sql", "select 1", signature="custom"),)


def test_geminis_signature_stays_with_its_call() -> None:
    signed = {**piece("{}", 0, "c1", "f"), "extra_content": {"google": {"thought_signature": "s1"}}}

    response = fold(decode([choice({"tool_calls": [signed, piece("{}", 1, "c2", "f")]}, "tool_calls"), DONE]))

    assert [call.signature for call in response.tool_calls] == ["s1", None]


def test_tools_that_groq_ran_are_told_and_not_asked_for() -> None:
    started = {"index": 0, "type": "search", "arguments": '{"q":"x"}'}
    frames = [
        choice({"executed_tools": [started]}),
        choice({"executed_tools": [{**started, "output": "42"}]}),
        text("It is 42."),
        choice({}, "stop"),
    ]
    chunks = decode([*frames, DONE])
    response = fold(chunks)

    assert [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)] == [
        ToolCallDelta(0, "", "search", '{"q":"x"}', provider_executed=True)
    ]
    assert [chunk.event for chunk in chunks if isinstance(chunk, ProviderEvent)] == ["executed_tool"]
    assert response.tool_calls == ()
    assert response.text == "It is 42."
