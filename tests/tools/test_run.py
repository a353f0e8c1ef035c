"""Runs: asked, called, asked again, until the model has answered."""

from __future__ import annotations

import datetime
import pickle
from typing import Any

import msgspec
import pydantic
import pytest

import exllm
from exllm import (
    Budget,
    Finish,
    Message,
    Reasoning,
    Run,
    ServerTool,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from exllm.testing import MockProvider
from tests.tools.kit import assert_valid, call, double, model, results, weather

TOOLS = [weather, double]
OSLO = call("weather", '{"city": "Oslo"}')


async def test_a_run_without_calls_is_one_answer() -> None:
    async with model("Hello.") as (client, mock):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert (run.status, run.text, run.turns, run.pending, run.question) == ("completed", "Hello.", 1, (), None)
    assert run.messages == (Message("user", "Hi"), Message("assistant", "Hello."))
    assert [tool.name for tool in mock.requests[0].options.tools or () if isinstance(tool, Tool)] == [
        "weather",
        "double",
    ]


async def test_calls_are_made_and_their_results_told_until_there_are_no_more() -> None:
    answers = ([OSLO, call("double", '{"number": 4}')], call("double", '{"number": 8}', "again"), "Sixteen, and rain.")
    async with model(*answers) as (client, mock):
        run = await client.run("mock/m", "Weather, and 4 doubled twice?", tools=TOOLS)
    assert (run.status, run.turns, run.text) == ("completed", 3, "Sixteen, and rain.")
    assert_valid(run.messages)
    assert [(one.call_id, one.content, one.is_error) for one in results(run)] == [
        ("id_weather", '{"city":"Oslo","sky":"rain"}', False), ("id_double", "8", False), ("again", "16", False),
    ]  # fmt: skip
    assert mock.requests[-1].messages == run.messages[:-1]


async def test_q20_text_before_a_call_does_not_end_the_run() -> None:
    for way in ("run", "step"):
        async with model(["Let me see.", OSLO], "Rain.") as (client, _):
            run = await getattr(client, way)("mock/m", "Hi", tools=TOOLS)
            assert len(results(run)) == 1
            if way == "step":
                assert run.status == "running"
                run = await client.step(run, tools=TOOLS)
            assert (run.status, run.text) == ("completed", "Rain.")
            assert run.messages[1].text == "Let me see."


async def test_a_finish_reason_that_says_stop_does_not_hide_the_calls() -> None:
    chunks = [ToolCallDelta(0, "a", "double", '{"number": 1}'), Finish("stop")]
    async with model(chunks, "Two.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert (run.turns, results(run)[0].content) == (2, "2")


async def test_a_step_is_one_round() -> None:
    async with model(OSLO, "Rain.") as (client, _):
        run = await client.step("mock/m", "Hi", tools=TOOLS)
        assert (run.status, run.turns, len(run.messages)) == ("running", 1, 3)
        run = await client.step(run, tools=TOOLS)
    assert (run.status, run.turns, run.text) == ("completed", 2, "Rain.")


async def test_the_limit_of_turns_ends_with_a_valid_conversation_and_can_be_raised() -> None:
    async with model(lambda request: call("double", '{"number": 1}', f"c{len(request.messages)}")) as (client, mock):
        run = await client.run("mock/m", "Hi", tools=TOOLS, max_turns=3)
        assert (run.status, run.turns) == ("max_turns", 3)
        assert_valid(run.messages)
        with pytest.raises(ValueError, match="has had its 3 turns; give it more with max_turns="):
            await client.run(run, tools=TOOLS)
        mock.answer("Done.")
        run = await client.run(run, tools=TOOLS, max_turns=4)
    assert (run.status, run.turns, run.text) == ("completed", 4, "Done.")


async def test_a_tool_that_is_not_there_is_told_with_those_that_are() -> None:
    async with model([call("wheather"), call("zzz")], "Sorry.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    near, far = results(run)
    assert near.content == "there is no tool 'wheather'; did you mean 'weather'? the tools are 'weather', 'double'"
    assert far.content == "there is no tool 'zzz'; the tools are 'weather', 'double'"
    assert near.is_error
    assert far.is_error


async def test_arguments_that_do_not_fit_are_told_and_may_be_put_right() -> None:
    answers = (call("double", '{"number": "many"}', "a"), call("double", "{'number': 2,}", "b"), "Four.")
    async with model(*answers) as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    wrong, right = results(run)
    assert (wrong.is_error, right.is_error, right.content) == (True, False, "4")
    assert str(wrong.content).startswith("double was not called: at $.number: Expected `int`")
    # what is nearly JSON goes back as JSON: some servers refuse the conversation otherwise
    assert run.messages[3].tool_calls[0].arguments == '{"number":2}'


async def test_calls_with_the_same_id_or_none_each_get_their_result() -> None:
    def answer(request: Any) -> Any:
        if len(request.messages) > 4:
            return "Done."
        return [
            ToolCallDelta(0, "x", "double", '{"number": 1}'), ToolCallDelta(1, "x", "double", '{"number": 2}'),
            ToolCallDelta(2, "", "double", '{"number": 3}'),
        ]  # fmt: skip

    async with model(answer) as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert run.turns == 3
    assert_valid(run.messages)
    assert [one.content for one in results(run)] == ["2", "4", "6"] * 2


async def test_calls_with_the_same_id_in_a_given_conversation_each_get_their_result() -> None:
    given = [Message("user", "Hi"), Message("assistant", (call("double", '{"number": 1}', "x"), OSLO, OSLO))]
    async with model("Done.") as (client, _):
        run = await client.run("mock/m", given, tools=TOOLS)
    assert_valid(run.messages)
    assert [str(one.content)[:1] for one in results(run)] == ["2", "{", "{"]


@pytest.mark.parametrize("reason", ["length", "error"])
async def test_a_call_that_was_cut_off_before_its_arguments_is_not_made(reason: Any) -> None:
    made: list[str] = []

    @exllm.tool
    def delete(pattern: str = "*") -> None:
        made.append(pattern)

    answer = [ToolCallDelta(0, "a", "delete", '{"pattern": "x"}'), ToolCallDelta(1, "b", "delete", ""), Finish(reason)]
    async with model(answer, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[delete])
    assert made == ["x"]
    assert_valid(run.messages)
    first, second = results(run)
    assert (first.is_error, second.is_error) == (False, True)
    assert second.content == "This call was not made: the answer was cut off before its arguments."


async def test_calls_that_the_provider_has_made_are_left_alone() -> None:
    search = ToolCall("s", "weather", '{"city": "x"}', provider_executed=True)
    async with model([search, Text("Found.")]) as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert (run.status, run.turns, results(run)) == ("completed", 1, [])
    assert search in run.messages[-1].parts


async def test_thoughts_go_back_with_their_signatures() -> None:
    thought = Reasoning("I should look.", signature="c2lnbmVk")
    async with model([thought, OSLO], "Rain.") as (client, mock):
        await client.run("mock/m", "Hi", tools=TOOLS)
    assert thought in mock.requests[1].messages[1].parts


@pytest.mark.parametrize(
    ("choice", "later"),
    [
        ("required", None), ("double", None), ("auto", "auto"), ("none", "none"),
        ({"type": "function", "function": {"name": "double"}}, None),
    ],
)  # fmt: skip
async def test_a_forced_choice_holds_for_the_first_turn(choice: Any, later: str | None) -> None:
    async with model(call("double", '{"number": 1}'), "Two.") as (client, mock):
        await client.run("mock/m", "Hi", tools=TOOLS, tool_choice=choice)
    assert [request.options.tool_choice for request in mock.requests] == [choice, later]


async def test_a_forced_choice_is_not_forced_again_when_a_run_goes_on() -> None:
    async with model(call("double", '{"number": 1}'), "Two.") as (client, mock):
        run = await client.step("mock/m", "Hi", tools=TOOLS, tool_choice="required", temperature=0.5)
        await client.run(msgspec.json.decode(msgspec.json.encode(run), type=Run), tools=TOOLS)
    assert [request.options.tool_choice for request in mock.requests] == ["required", None]
    assert [request.options.temperature for request in mock.requests] == [0.5, 0.5]


async def test_usage_is_that_of_all_answers() -> None:
    one, two = Usage(10, 5, 15, provenance="reported"), Usage(20, 1, 21, cached_input_tokens=8, provenance="reported")
    async with model([OSLO, one], ["Rain.", two]) as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert run.usage == Usage(30, 6, 36, cached_input_tokens=8, provenance="reported")
    assert run.cost.total == 0.0  # of a mock


async def test_a_cost_that_is_not_known_of_one_answer_is_not_known_of_the_run() -> None:
    with exllm.testing.MockProvider(OSLO, "Rain.") as mock:
        mock.local = False  # type: ignore[misc]
        async with exllm.Client() as client:
            run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert run.cost.total is None
    assert run.cost.reason


async def test_one_budget_holds_for_all_turns() -> None:
    usage = Usage(1_000_000, 100_000, provenance="reported")
    with exllm.testing.MockProvider([OSLO, usage], name="openai") as mock:
        mock.local = False  # type: ignore[misc]
        async with exllm.Client() as client:
            with pytest.raises(exllm.BudgetExceeded) as failure:
                await client.run("openai/gpt-4o", "Hi", tools=TOOLS, budget=9.0, max_turns=50)  # 3.50 each
    run = failure.value.run
    assert run is not None
    assert (run.status, run.turns, len(mock.requests)) == ("failed", 2, 3)  # the third was stopped
    assert run.cost.total == pytest.approx(10.5)
    assert_valid(run.messages)


async def test_a_budget_object_is_shared_with_other_calls() -> None:
    budget = Budget(0.0)
    with exllm.testing.MockProvider("Hi", name="openai") as mock:
        mock.local = False  # type: ignore[misc]
        async with exllm.Client() as client:
            with pytest.raises(exllm.BudgetExceeded):
                await client.run("openai/gpt-4o", "Hi", budget=[budget, 5])


async def test_what_a_provider_refuses_to_say_is_not_called() -> None:
    cut = [ToolCallDelta(0, "a", "double", '{"number": 1}'), Finish("content_filter")]
    async with model(cut) as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert (run.status, run.turns) == ("completed", 1)
    assert results(run)[0].is_error
    assert "content_filter" in str(results(run)[0].content)
    assert_valid(run.messages)


async def test_a_long_turn_of_the_providers_own_tools_goes_on() -> None:
    async with model([TextDelta("Searching. "), Finish("stop", raw="pause_turn")], "Found.") as (client, mock):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert (run.text, run.turns) == ("Found.", 2)
    assert mock.requests[1].messages[-1] == Message("assistant", "Searching. ")


async def test_an_empty_answer_leaves_no_empty_message() -> None:
    async with model(Finish("stop")) as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
    assert (run.status, run.text, run.messages) == ("completed", "", (Message("user", "Hi"),))


async def test_calls_at_the_end_of_the_conversation_are_made_first() -> None:
    async with model("Rain.") as (client, mock):
        asked = [Message("user", "Hi"), Message.of("assistant", [OSLO])]
        run = await client.run("mock/m", asked, tools=TOOLS)
    assert (run.status, run.turns) == ("completed", 1)
    assert mock.requests[0].messages == (*asked, Message.of("tool", results(run)))
    assert results(run)[0].content == '{"city":"Oslo","sky":"rain"}'


async def test_a_tool_in_the_providers_words_that_is_run_here_waits_for_you() -> None:
    shell = ServerTool({"type": "bash_20250124", "name": "bash"})
    async with model(call("bash", '{"command": "ls"}'), "Two files.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[shell])
        assert (run.status, run.pending[0].kind) == ("suspended", "manual")
        run = await client.run(run, tools=[shell], answers="a.txt b.txt")
    assert (run.status, results(run)[0].content) == ("completed", "a.txt b.txt")


@pytest.mark.parametrize("form", ["json", "msgpack", "pickle"])
async def test_a_run_is_plain_data(form: str) -> None:
    async with model([Reasoning("Hm.", signature="s"), OSLO], "Rain.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS, temperature=0.5, stop=["END"], api_key="sk-secret-key")
    if form == "pickle":
        data = pickle.dumps(run)
        again = pickle.loads(data)
    else:
        module: Any = getattr(msgspec, form)
        data = module.encode(run)
        again = module.decode(data, type=Run)
    assert again == run
    assert again.messages == run.messages
    assert b"sk-secret" not in data
    assert run.options == {"temperature": 0.5, "stop": ["END"]}
    assert run.version == 1


def test_a_run_of_a_newer_version_is_refused() -> None:
    data = msgspec.json.encode({"model": "m", "history": [], "version": 2})
    with pytest.raises(msgspec.ValidationError, match="stored by a newer exllm"):
        msgspec.json.decode(data, type=Run)


def test_the_version_is_in_the_data() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Run("m", ())))["version"] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"max_turns": 0}, ValueError, "max_turns is a whole number"),
        ({"max_turns": True}, ValueError, "max_turns"),
        ({"concurrency": 0}, ValueError, "concurrency"),
        ({"tool_timeout": 0}, ValueError, "tool_timeout must be above 0"),
        ({"run_timeout": "5"}, TypeError, "run_timeout must be seconds"),
        ({"approve": True}, TypeError, "approve must be a function"),
        ({"encoder": None}, TypeError, "encoder must be callable"),
        ({"n": 2}, ValueError, "one answer to each turn"),
        ({"answers": "x"}, TypeError, "answers are for a run that waits"),
        ({"max_turn": 3}, TypeError, "unknown option 'max_turn'; did you mean 'max_turns'?"),
        ({"tools": [weather, weather]}, TypeError, "two tools are called 'weather'"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    async with model("Hi") as (client, mock):
        with pytest.raises(error, match=words):
            client.stream_run("mock/m", "Hi", **arguments)
    assert not mock.requests


async def test_an_unknown_provider_is_refused_before_anything_is_sent() -> None:
    async with exllm.Client() as client:
        with pytest.raises(exllm.ConfigurationError, match="did you mean"):
            client.stream_run("mokc/m", "Hi")
        with pytest.raises(TypeError, match="needs messages"):
            client.stream_run("mock/m")


async def test_a_run_that_is_over_does_not_go_on() -> None:
    async with model("Hello.") as (client, _):
        run = await client.run("mock/m", "Hi")
        with pytest.raises(ValueError, match="the run is completed; begin another"):
            await client.run(run)
        with pytest.raises(TypeError, match="takes no messages"):
            await client.run(run, "And then?")
        run = await client.run(run.model, [*run.messages, "And then?"])
    assert run.status == "completed"


async def test_a_failed_run_goes_on_where_it_was() -> None:
    async with model(OSLO, exllm.ServerError("down", retryable=False), "Rain.") as (client, mock):
        with pytest.raises(exllm.ServerError) as failure:
            await client.run("mock/m", "Hi", tools=TOOLS)
        failed = pickle.loads(pickle.dumps(failure.value)).run
        assert (failed.status, failed.error, failed.turns) == (
            "failed",
            "ServerError: down (provider=mock, model=m)",
            1,
        )
        run = await client.run(failed, tools=TOOLS)
    assert (run.status, run.text, run.turns, run.error) == ("completed", "Rain.", 2, None)
    assert len(results(run)) == 1
    assert mock.requests[2].messages == mock.requests[1].messages


async def test_what_came_of_an_answer_that_broke_off_is_kept_beside_the_conversation() -> None:
    broken = ["Half an ans", ToolCallDelta(0, "a", "double", '{"num'), exllm.StreamInterrupted("cut")]
    async with model(OSLO, broken) as (client, _):
        with pytest.raises(exllm.StreamInterrupted) as failure:
            await client.run("mock/m", "Hi", tools=TOOLS)
    run = failure.value.run
    assert run is not None
    assert run.text == "Half an ans"
    assert_valid(run.messages)
    assert [message.role for message in run.messages] == ["user", "assistant", "tool"]


async def test_what_an_answer_cost_that_broke_off_still_counts_when_the_run_goes_on() -> None:
    used = Usage(10, 2, 12, provenance="reported")
    async with model([Usage(10, 1, 11, provenance="reported"), "Half", exllm.StreamInterrupted("cut")]) as (
        client,
        mock,
    ):
        with pytest.raises(exllm.StreamInterrupted) as failure:
            await client.run("mock/m", "Hi")
        run = failure.value.run
        assert run is not None
        assert (run.turns, run.usage.input_tokens, run.usage.provenance) == (0, 10, "partial")
        mock.answer(["Whole.", used])
        run = await client.run(run)
    assert (run.status, run.text) == ("completed", "Whole.")
    assert (run.usage.input_tokens, run.usage.output_tokens, run.usage.provenance) == (20, 3, "partial")


async def test_results_of_tools_are_in_the_order_of_the_calls() -> None:
    import asyncio

    @exllm.tool
    async def wait(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    calls = [call("wait", f'{{"seconds": {seconds}}}', f"c{seconds}") for seconds in (0.03, 0.01, 0.02)]
    async with model(calls, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[wait])
    assert [one.content for one in results(run)] == ["0.03", "0.01", "0.02"]


async def test_a_result_made_by_hand_says_whose_it_is() -> None:
    @exllm.tool
    def broken() -> ToolResult:
        return ToolResult("whatever", "it is broken", is_error=True)

    async with model(call("broken"), "Oh.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[broken])
    assert results(run) == [ToolResult("id_broken", "it is broken", "broken", is_error=True)]


class City(msgspec.Struct):
    name: str
    degrees: int


@pytest.mark.parametrize("strategy", ["schema", "tool", "json"])
async def test_the_last_answer_may_be_an_object_and_is_asked_for_again(strategy: str) -> None:
    answers = (["Let me see.", OSLO], '{"name": "Oslo", "degrees": "cold"}', '{"name": "Oslo", "degrees": 4}')
    asked = {"response_model": City, "response_strategy": strategy}
    async with model(*answers) as (client, mock):
        run = await client.run("mock/m", "Hi", tools=TOOLS, **asked)  # type: ignore[arg-type]
        assert (run.parsed, run.turns, len(mock.requests)) == (City("Oslo", 4), 2, 3)
        assert (len(results(run)), run.options) == (1, {})
        assert_valid(run.messages)
        mock.answer(*answers)
        with pytest.raises(exllm.StructuredOutputError) as failure:  # what was handed out cannot be taken back
            await client.stream_run("mock/m", "Hi", tools=TOOLS, **asked).collect()  # type: ignore[arg-type]
    assert failure.value.run is not None
    assert_valid(failure.value.run.messages)


class _City(pydantic.BaseModel):
    name: str
    founded: datetime.date


@pytest.mark.parametrize("form", [msgspec.json, msgspec.msgpack])
async def test_a_run_whose_answer_is_a_foreign_object_can_be_stored(form: Any) -> None:
    async with model(OSLO, '{"name": "Oslo", "founded": "1040-01-01"}') as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS, response_model=_City)
    assert run.parsed == _City(name="Oslo", founded=datetime.date(1040, 1, 1))
    read = form.decode(form.encode(run.stored()), type=Run)
    assert read == run.stored()
    assert _City.model_validate(read.parsed) == run.parsed
    assert msgspec.structs.replace(read, response=run.response) == run
    nothing = Run("mock/m", ())
    assert nothing.stored() == nothing


async def test_a_stream_of_a_foreign_object_can_be_emitted_again() -> None:
    async with model(OSLO, '{"name": "Oslo", "founded": "1040-01-01"}') as (client, _):
        stream = client.stream_run("mock/m", "Hi", tools=TOOLS, response_model=_City)
        events = [event async for event in stream.to_sse()]
    finished = next(event for event in events if b"event: run_finished" in event)
    data = msgspec.json.decode(next(line for line in finished.splitlines() if line.startswith(b"data: "))[6:])
    assert data["run"]["response"]["parsed"] == {"name": "Oslo", "founded": "1040-01-01"}


async def test_the_module_runs_with_its_own_client() -> None:
    with MockProvider(call("double", '{"number": 1}'), "Two.", call("double", '{"number": 1}'), "Two."):
        run = await exllm.run("mock/m", "Hi", tools=TOOLS)
        async with exllm.stream_run("mock/m", "Hi", tools=TOOLS) as stream:
            text = "".join([piece async for piece in stream.text()])
    assert (run.status, run.text, run.turns, text) == ("completed", "Two.", 2, "Two.")
    assert stream.run.messages == run.messages
