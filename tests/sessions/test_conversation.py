"""Conversations against the mock: turns, what is left of a broken one, and what the store is given meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

import exllm
from exllm import (
    Message,
    Session,
    SessionConflict,
    SessionStateError,
    StreamInterrupted,
    ToolFinished,
    ToolResult,
)
from exllm.providers.mock_script import Wait
from exllm.sessions import FileStore, Fit
from exllm.testing import MockProvider
from tests.sessions.kit import TOOLS, MemoryStore
from tests.tools.kit import assert_valid, call, double, model, until, weather

NEW = Session("mock/m", instructions="Be brief.")


# -- turns


async def test_turns_follow_each_other_and_the_model_is_told_all() -> None:
    async with model("Hello.", "Fine.") as (client, mock), client.conversation(NEW) as chat:
        reply = await chat.send("Hi")
        assert (reply.text, reply.status, chat.session.status) == ("Hello.", "completed", "completed")
        reply = await chat.send(["How are you?", {"role": "user", "content": "Well?"}], temperature=0.5)
        assert reply.text == "Fine."
    texts = [(message.role, message.text) for message in mock.requests[1].messages]
    assert texts == [
        ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "How are you?"), ("user", "Well?"),
    ]  # fmt: skip
    assert mock.requests[1].options.temperature == 0.5
    assert mock.requests[0].options.temperature is None
    assert chat.session.turn_starts == (0, 2)
    assert NEW.history == ()
    said = sum(len(message.text.split()) for request in mock.requests for message in request.messages)
    assert chat.session.usage.total_tokens == said + 2
    assert chat.session.cost.total == 0.0


async def test_a_stream_yields_events_of_the_run_and_settles_at_its_end() -> None:
    async with model(["Let me see.", call("weather", '{"city": "Oslo"}')], "Rain.") as (client, _):
        chat = client.conversation(NEW, tools=[weather])
        async with chat.stream("Oslo?") as turn:
            events = [event async for event in turn]
            assert chat.session.status == "completed"
    assert "".join(event.text for event in events) == "Let me see.Rain."
    assert any(isinstance(event, ToolFinished) for event in events)
    assert turn.run.turns == 2
    assert [message.role for message in chat.session.history] == ["user", "assistant", "tool", "assistant"]
    assert_valid(chat.session.messages)


async def test_text_of_a_stream_and_collect() -> None:
    async with model("One two.") as (client, _):
        chat = client.conversation(NEW)
        async with chat.stream("Go") as turn:
            assert [text async for text in turn.text()] == ["One", " two."]
        async with chat.stream("Again") as turn:
            assert (await turn.collect()).text == "One two."
    assert len(chat.session.turn_starts) == 2


async def test_a_turn_is_re_emitted_in_a_dialect() -> None:
    async with model("One two.") as (client, _):
        chat = client.conversation(NEW)
        async with chat.stream("Go") as turn:
            sent = b"".join([data async for data in turn.to_sse("openai")])
    assert sent.count(b"chat.completion.chunk") >= 3
    assert sent.rstrip().endswith(b"[DONE]")
    assert chat.session.status == "completed"


async def test_a_response_model_is_parsed_and_not_stored() -> None:
    class City(msgspec.Struct):
        name: str

    async with model('{"name": 3}', '{"name": "Oslo"}') as (client, _):
        store = MemoryStore()
        chat = client.conversation(NEW, store=store)
        reply = await chat.send("Where?", response_model=City)
        assert reply.parsed == City("Oslo")
    assert exllm.sessions.from_json(exllm.sessions.to_json(chat.session)) == chat.session
    assert [message.role for message in chat.session.history] == ["user", "assistant"]
    assert chat.session.text == '{"name": "Oslo"}'


async def test_options_of_the_session_hold_for_every_turn() -> None:
    async with model("A.", "B.") as (client, mock):
        chat = client.conversation(Session("mock/m", options={"temperature": 0.3, "seed": 1}), seed=2)
        await chat.send("One")
        await chat.update(options={"temperature": 0.4}, name="N", instructions="New.")
        await chat.send("Two", temperature=0.9)
    assert [(one.options.temperature, one.options.seed) for one in mock.requests] == [(0.3, 2), (0.9, 2)]
    assert mock.requests[1].messages[0] == Message("system", "New.")
    with pytest.raises(TypeError, match=r"update changes context, instructions.*, not history"):
        await chat.update(history=())


async def test_a_budget_is_for_all_turns_together() -> None:
    usage = exllm.Usage(input_tokens=1_000_000, output_tokens=1, total_tokens=1_000_001, provenance="reported")
    with MockProvider("A.", name="openai", usage=usage) as mock:
        mock.local = False  # type: ignore[misc] # so that it costs what the model does
        async with exllm.Client() as client:
            chat = client.conversation(Session("openai/gpt-4.1-mini"), budget=0.5)  # 0.40 for each turn
            await chat.send("One")
            assert chat.session.cost.total == pytest.approx(0.4, rel=0.01)
            with pytest.raises(exllm.BudgetExceeded):
                await chat.send("Two")
            assert chat.session.status == "error"
            asked = len(mock.requests)
            with pytest.raises(exllm.BudgetExceeded):
                await chat.send("Three", budget=100.0)  # both hold
        assert len(mock.requests) == asked


# -- questions, approvals, results


async def test_a_question_waits_for_its_reply() -> None:
    async with model(call("ask_date"), "Booked.") as (client, mock):
        chat = client.conversation(NEW, tools=TOOLS)
        reply = await chat.send("Book")
        assert (reply.status, reply.question) == ("suspended", "On which day?")
        assert (chat.session.status, chat.session.question) == ("awaiting_user", "On which day?")
        assert_valid(chat.session.messages)
        with pytest.raises(SessionStateError, match="it waits for an answer to 'ask_date'"):
            await chat.send("Well?")
        reply = await chat.reply("Monday")
    assert (reply.text, chat.session.status, chat.session.pending) == ("Booked.", "completed", ())
    assert mock.requests[1].messages[-1].parts[0] == ToolResult("id_ask_date", "Monday", "ask_date")
    assert reply.turns == 2
    assert chat.session.usage == reply.usage


async def test_results_made_elsewhere_are_submitted_and_the_rest_waits_on() -> None:
    answers = [call("pay"), call("ask_date"), call("delete", '{"path": "a"}')]
    async with model(answers, "Done.") as (client, _):
        chat = client.conversation(NEW, tools=TOOLS)
        await chat.send("Go")
        assert chat.session.status == "awaiting_user"
        await chat.submit_tool_results("paid")
        assert [one.call.name for one in chat.session.pending] == ["ask_date", "delete"]
        async with chat.reply({"id_ask_date": "Monday"}) as turn:
            await turn.collect()
        assert [one.call.name for one in chat.session.pending] == ["delete"]
        reply = await chat.reply(True)
    assert reply.text == "Done."
    (results,) = [message for message in chat.session.history if message.role == "tool"]
    assert [part.content for part in results.parts if isinstance(part, ToolResult)] == ["paid", "Monday", "deleted a"]


async def test_manual_calls_alone_await_tools() -> None:
    async with model(call("pay"), "Done.") as (client, _):
        chat = client.conversation(NEW, tools=TOOLS)
        await chat.send("Go")
        assert chat.session.status == "awaiting_tools"
        with pytest.raises(SessionStateError, match="give them with submit_tool_results"):
            await chat.reply("x")
        assert (await chat.submit_tool_results([ToolResult("id_pay", "paid")])).text == "Done."


async def test_a_waiting_turn_can_be_taken_back_and_forked() -> None:
    async with model("Hi.", call("ask_date"), "Booked.") as (client, _):
        chat = client.conversation(NEW, tools=TOOLS)
        await chat.send("Hi")
        await chat.send("Book")
        other = client.conversation(chat.fork("other"), tools=TOOLS)
        await chat.undo()
        assert [message.text for message in chat.session.messages] == ["Hi", "Hi."]
        assert (await other.reply("Monday")).text == "Booked."


# -- what breaks off


async def test_leaving_early_keeps_what_had_arrived() -> None:
    store = MemoryStore()
    async with model(["One two three", Wait(30)], "Four.") as (client, mock):
        chat = client.conversation(NEW, store=store)
        async with chat.stream("Count") as turn:
            async for text in turn.text():
                if "two" in text:
                    break
        assert (chat.session.status, chat.session.error) == ("error", "the turn was left before its end")
        assert chat.session.messages[-1].text.startswith("One two")
        assert store.sessions[NEW.id] == chat.session
        await chat.send("And?")
    texts = [message.text for message in mock.requests[1].messages]
    assert texts[-1] == "And?"
    assert texts[-2].startswith("One two")


@pytest.mark.parametrize("native", [True, False])
async def test_a_cancelled_turn_keeps_what_had_arrived_with_valid_messages(native: bool) -> None:
    begun = asyncio.Event()

    @exllm.tool
    async def slow() -> None:
        """Wait."""
        begun.set()
        await asyncio.sleep(60)

    store = MemoryStore()
    async with model(["Wait.", call("slow"), call("double", '{"number": 4}')]) as (client, _):
        chat = client.conversation(NEW, store=store, tools=[slow, double])
        if native:
            task = asyncio.ensure_future(chat.send("Go"))
            await begun.wait()
            await until(lambda: "8" in str(chat._turn.run.messages[-1].parts) if chat._turn else False)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            async with anyio.create_task_group() as group:

                async def go() -> None:
                    await chat.send("Go")

                group.start_soon(go)
                await begun.wait()
                await until(lambda: "8" in str(chat._turn.run.messages[-1].parts) if chat._turn else False)
                group.cancel_scope.cancel()
    assert_valid(chat.session.messages)
    results = [part for part in chat.session.messages[-1].parts if isinstance(part, ToolResult)]
    assert [part.content for part in results] == ["This call was cut off; whether it took effect is not known.", "8"]
    assert store.sessions[NEW.id] == chat.session
    assert chat.session.status == "error"


async def test_a_failure_leaves_the_partial_and_continue_gives_the_rest() -> None:
    async with model(["One two", StreamInterrupted("cut")], " three four.") as (client, mock):
        chat = client.conversation(NEW)
        with pytest.raises(StreamInterrupted) as caught:
            await chat.send("Count")
        assert caught.value.run is not None
        assert chat.session.status == "error"
        assert chat.session.partial is not None
        assert chat.session.partial.text == "One two"
        async with chat.continue_() as turn:
            rest = "".join([text async for text in turn.text()])
    assert rest == " three four."
    assert [message.text for message in chat.session.history] == ["Count", "One two three four."]
    assert chat.session.partial is None
    told = sum(len(message.text.split()) for message in mock.requests[1].messages)  # of the first nothing was reported
    assert (chat.session.usage.input_tokens, chat.session.usage.output_tokens) == (told, 2)
    assert [message.text for message in mock.requests[1].messages][:3] == ["Be brief.", "Count", "One two"]


async def test_what_had_all_arrived_when_it_was_left_is_whole() -> None:
    async with model("One two three.", " And four.") as (client, mock):
        chat = client.conversation(NEW)
        async with chat.stream("Count") as turn:
            async for text in turn.text():
                if "three" in text:
                    await until(lambda: turn.run.usage.output_tokens)
                    break
        assert (chat.session.status, chat.session.text) == ("completed", "One two three.")  # all of it had arrived
        assert chat.session.usage.total_tokens == 6
        await chat.send("And?")
    assert [message.text for message in mock.requests[1].messages][1:] == ["Count", "One two three.", "And?"]


async def test_an_answer_in_the_words_of_the_one_before_is_not_lost_when_it_is_left() -> None:
    asked = ["OK.", call("weather", '{"city": "Oslo"}')]
    async with model(asked, "OK.") as (client, _):
        chat = client.conversation(NEW, tools=[weather])
        async with chat.stream("Go") as turn:
            seen = 0
            async for event in turn:
                seen += event.text == "OK."
                if seen == 2:
                    await until(lambda: turn.response.finish_reason == "stop")
                    break
    assert chat.session.status == "completed"
    assert [message.role for message in chat.session.history] == ["user", "assistant", "tool", "assistant"]
    assert chat.session.text == "OK."


async def test_what_was_reported_of_a_partial_is_counted_once() -> None:
    usage = exllm.Usage(input_tokens=10, output_tokens=2, total_tokens=12, provenance="reported")
    async with model(["One two", usage, StreamInterrupted("cut")], " three.") as (client, mock):
        chat = client.conversation(NEW)
        with pytest.raises(StreamInterrupted):
            await chat.send("Count")
        assert chat.session.usage.total_tokens == 12
        await chat.continue_()
    told = sum(len(message.text.split()) for message in mock.requests[1].messages)
    assert chat.session.usage.total_tokens == 12 + told + 1
    assert chat.session.history[-1].text == "One two three."


@pytest.mark.parametrize("strategy", ["exact", "paragraph", "summarize", "again"])
async def test_a_partial_stays_until_something_takes_its_place(strategy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exllm.sessions.turn.SAVE_EVERY_S", 0.01)
    store = MemoryStore()
    async with model(["One two", StreamInterrupted("cut")], Wait(30), "One two three.") as (client, mock):
        chat = client.conversation(NEW, store=store)
        with pytest.raises(StreamInterrupted):
            await chat.send("Count")
        usage = chat.session.usage
        async with chat.continue_(strategy=strategy) as turn:
            reading = asyncio.ensure_future(anext(turn.text()))
            await until(lambda: len(mock.requests) == 2)
            await asyncio.sleep(0.05)
            assert store.sessions[NEW.id].messages[-1].text == "One two"
            reading.cancel()
        assert chat.session.status == "error"
        assert chat.session.messages[-1].text == store.sessions[NEW.id].messages[-1].text == "One two"
        assert chat.session.usage == usage


async def test_continue_may_ask_again() -> None:
    async with model(["One two", StreamInterrupted("cut")], "One two three.") as (client, mock):
        chat = client.conversation(NEW)
        with pytest.raises(StreamInterrupted):
            await chat.send("Count")
        reply = await chat.continue_(strategy="again")
    assert reply.text == "One two three."
    assert [message.text for message in mock.requests[1].messages] == ["Be brief.", "Count"]
    assert [message.text for message in chat.session.history] == ["Count", "One two three."]


async def test_what_broke_off_in_a_call_is_asked_again() -> None:
    cut = [exllm.ToolCallDelta(0, "c", "weather", '{"ci'), StreamInterrupted("cut")]
    async with model(cut, "Rain.") as (client, mock):
        chat = client.conversation(NEW, tools=[weather])
        with pytest.raises(StreamInterrupted):
            await chat.send("Oslo?")
        assert_valid(chat.session.messages)
        assert (await chat.continue_()).text == "Rain."
    assert len(mock.requests[1].messages) == 2


async def test_a_failure_after_a_tool_goes_on_after_its_result() -> None:
    calls: list[int] = []

    @exllm.tool
    def count() -> int:
        """Count."""
        calls.append(1)
        return len(calls)

    async with model(call("count"), exllm.ServerError("down", retryable=False), "One.") as (client, mock):
        chat = client.conversation(NEW, tools=[count])
        with pytest.raises(exllm.ServerError):
            await chat.send("Count")
        assert (chat.session.error or "").startswith("ServerError: down")
        assert chat.session.partial is None
        assert (await chat.continue_()).text == "One."
    assert calls == [1]
    assert [message.role for message in mock.requests[2].messages] == ["system", "user", "assistant", "tool"]
    assert_valid(chat.session.messages)


async def test_a_turn_that_used_up_its_turns_goes_on() -> None:
    async with model(call("double", '{"number": 1}'), call("double", '{"number": 2}', "b"), "Two.") as (client, _):
        chat = client.conversation(NEW, tools=[double])
        assert (await chat.send("Go", max_turns=1)).status == "max_turns"
        assert chat.session.status == "error"
        reply = await chat.continue_()
    assert (reply.text, reply.turns, chat.session.status) == ("Two.", 3, "completed")


async def test_a_rest_that_breaks_off_again_is_kept_too() -> None:
    cuts = (["One", StreamInterrupted("a")], [" two", StreamInterrupted("b")], " three.")
    async with model(*cuts) as (client, _):
        chat = client.conversation(NEW)
        with pytest.raises(StreamInterrupted):
            await chat.send("Count")
        with pytest.raises(StreamInterrupted):
            await chat.continue_()
        assert chat.session.partial is not None
        assert chat.session.partial.text == "One two"
        await chat.continue_()
    assert chat.session.history[-1].text == "One two three."


# -- the store, meanwhile


async def test_the_store_has_the_question_before_the_model_is_asked() -> None:
    store, seen = MemoryStore(), []

    def answer(_request: Any) -> str:
        seen.extend(store.saves)
        return "Hello."

    async with model(answer) as (client, _):
        await client.conversation(NEW, store=store).send("Hi")
    assert [(one.status, [message.text for message in one.history]) for one in seen] == [("error", ["Hi"])]
    assert seen[0].error == "the turn is not finished: it is under way, or its process ended"
    assert [one.status for one in store.saves] == ["error", "completed"]


async def test_the_store_gets_the_partial_while_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exllm.sessions.turn.SAVE_EVERY_S", 0.02)
    store = MemoryStore()
    async with model(["One", Wait(0.1), " two", Wait(30)]) as (client, _):
        chat = client.conversation(NEW, store=store)
        async with chat.stream("Count") as turn:
            assert await anext(turn.text()) == "One"
            await until(lambda: store.sessions[NEW.id].messages[-1].text == "One two")
            count = len(store.saves)
            await asyncio.sleep(0.1)
            assert len(store.saves) == count  # nothing new, nothing saved
            kept = store.sessions[NEW.id]
    assert (kept.status, len(kept.history)) == ("error", 1)


async def test_the_store_gets_each_result_of_a_tool_at_once() -> None:
    store = MemoryStore()
    async with model(call("double", '{"number": 4}'), [Wait(30)]) as (client, _):
        chat = client.conversation(NEW, store=store, tools=[double])
        async with chat.stream("Go") as turn:
            async for event in turn:
                if isinstance(event, ToolFinished):
                    break
            async with asyncio.timeout(0.5):  # well before the next second
                await until(lambda: len(store.saves) > 1)
            kept = store.saves[-1]
    assert kept.messages[-1].parts == (ToolResult("id_double", "8", "double"),)
    assert_valid(kept.messages)


async def test_a_conflict_is_found_before_the_model_is_asked() -> None:
    store = MemoryStore()
    async with model("A.", "B.") as (client, mock):
        first, second = client.conversation(NEW, store=store), client.conversation(NEW, store=store)
        await first.send("One")
        with pytest.raises(SessionConflict):
            await second.send("Two")
        assert len(mock.requests) == 1
        async with client.conversation(NEW.id, store=store) as again:
            await again.send("Two")
        with pytest.raises(SessionConflict):
            await first.undo()
    assert [message.text for message in store.sessions[NEW.id].history] == ["One", "A.", "Two", "B."]


async def test_a_store_that_fails_meanwhile_stops_the_turn_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exllm.sessions.turn.SAVE_EVERY_S", 0.01)
    store = MemoryStore()
    async with model(["One", Wait(0.1), " two", Wait(30)]) as (client, _):
        chat = client.conversation(NEW, store=store)
        async with chat.stream("Count") as turn:
            assert await anext(turn.text()) == "One"
            store.failure = SessionConflict("changed elsewhere")
            with pytest.raises(SessionConflict, match="elsewhere"):
                await turn.collect()
        assert chat.session.messages[-1].text.startswith("One")
        with pytest.raises(SessionConflict, match="elsewhere"):
            await chat.continue_()


async def test_a_store_that_hangs_does_not_hold_a_cancelled_turn_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exllm.sessions.turn.SAVE_EVERY_S", 0.01)
    monkeypatch.setattr("exllm.sessions.keeper.SAVE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("exllm.sessions.keeper.CLEAN_UP_S", 0.05)
    store = MemoryStore()
    async with model(["One", Wait(30)]) as (client, _):
        chat = client.conversation(NEW, store=store)
        turn = await chat.stream("Count").__aenter__()
        assert await anext(turn.text()) == "One"
        store.delay_s = 1000
        async with asyncio.timeout(5):
            with pytest.raises(exllm.TotalTimeout, match="the store took longer than"):
                await turn.aclose()
        assert chat.session.messages[-1].text == "One"
        store.delay_s = 0
        await chat.update(name="it answers again")
    assert store.sessions[NEW.id].name == "it answers again"


async def test_a_cancelled_save_is_no_conflict_with_oneself() -> None:
    store = MemoryStore()
    async with model("A.") as (client, _):
        chat = client.conversation(NEW, store=store)
        store.delay_s = 0.05
        task = asyncio.ensure_future(chat.send("One"))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(store.saves) == 1
        assert chat.session == msgspec.structs.replace(NEW, revision=store.saves[0].revision)  # nothing was asked
        reply = await chat.send("One")
        assert reply.text == "A."


async def test_no_key_is_stored(tmp_path: Path) -> None:
    key = "sk-secret-0123456789"
    headers = {"authorization": f"Bearer {key}"}
    failure = exllm.AuthenticationError(f"the key {key} is wrong")
    async with model("A.", ["B", failure], call("ask_date")) as (client, _):
        store = FileStore(tmp_path)
        chat = client.conversation(NEW, store=store, api_key=key, extra={"headers": headers}, tools=TOOLS)
        await chat.send("One")
        with pytest.raises(exllm.AuthenticationError):
            await chat.send("Two")
        kept = exllm.sessions.to_json(chat.session)
        await chat.send("Three")
    assert b'"status":"error"' in kept
    assert key.encode() not in kept
    assert key not in await asyncio.to_thread((tmp_path / f"{NEW.id}.json").read_text)


# -- wrong use


async def test_one_turn_at_a_time() -> None:
    async with model(["One", Wait(30)]) as (client, _), client.conversation(NEW) as chat:
        async with chat.stream("Count") as turn:
            assert await anext(turn.text()) == "One"
            with pytest.raises(SessionStateError, match="a turn of this conversation is under way"):
                await chat.send("And?")
            with pytest.raises(SessionStateError, match="under way"):
                await chat.undo()
            with pytest.raises(SessionStateError, match="a turn is used once"):
                await turn
        turn = chat.continue_()
        with pytest.raises(SessionStateError, match=r"async with chat\.stream"):
            await anext(turn)
        async with turn:
            pass


async def test_in_a_turn_the_session_has_what_arrived_and_may_be_forked() -> None:
    async with model(["One", Wait(30)], " two.") as (client, _):
        chat = client.conversation(NEW)
        async with chat.stream("Count") as turn:
            assert await anext(turn.text()) == "One"
            assert (chat.session.status, chat.session.text) == ("error", "One")
            other = client.conversation(chat.fork())
        assert (await other.continue_()).text == "One two."
        assert chat.session.text == "One"


async def test_leaving_the_conversation_ends_its_turn() -> None:
    async with model(["One", Wait(30)]) as (client, mock):
        async with client.conversation(NEW) as chat:
            turn = await chat.stream("Count").__aenter__()
            assert await anext(turn.text()) == "One"
        assert mock.open_answers == 0
        assert chat.session.partial is not None
        with pytest.raises(exllm.StreamClosed):
            await anext(turn)


async def test_a_turn_that_nobody_awaits_warns() -> None:
    async with model("A.") as (client, mock):
        chat = client.conversation(NEW)
        with pytest.warns(RuntimeWarning, match=r"chat\.send\(\.\.\.\) did nothing: use `await`"):
            chat.send("Hi")
        assert not mock.requests


async def test_wrong_arguments_are_told_at_once() -> None:
    async with model("A.") as (client, mock):
        with pytest.raises(TypeError, match="the id of a session needs store="):
            client.conversation("abc")
        with pytest.raises(TypeError, match=r"expected an exllm\.Session or the id"):
            client.conversation(3)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="store must have save, load, list, delete and exists; bool has not"):
            client.conversation(NEW, store=True)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="context is one of sliding_window, smart"):
            client.conversation(NEW, context="clever")  # type: ignore[arg-type]
        with pytest.raises(SessionStateError, match="not loaded yet"):
            _ = client.conversation("abc", store=MemoryStore()).session
        with pytest.raises(exllm.NotFound):
            async with client.conversation("abc", store=MemoryStore()):
                pass
        with pytest.raises(TypeError, match="unknown option 'temprature'"):
            await client.conversation(NEW).send("Hi", temprature=1)  # type: ignore[call-arg]
        assert not mock.requests


async def test_an_error_before_the_model_is_asked_leaves_the_session_as_it_was() -> None:
    async with model("A.") as (client, _):
        chat = client.conversation(NEW, store=MemoryStore())
        with pytest.raises(exllm.InvalidRequest):
            await chat.send("")
        assert chat.session is NEW
        assert (await chat.send("Hi")).text == "A."


# -- context


async def test_what_does_not_fit_is_not_sent_and_told_but_kept() -> None:
    async with model("word " * 50) as (client, mock):
        chat = client.conversation(NEW, context=Fit("sliding_window", max_tokens=200))
        for number in range(6):
            reply = await chat.send(f"Question {number}")
    assert len(chat.session.history) == 12
    sent = [message.text for message in mock.requests[-1].messages]
    assert sent[0] == "Be brief."
    assert sent[-1] == "Question 5"
    assert "Question 0" not in sent
    assert reply.response is not None
    (warning,) = reply.response.warnings
    assert warning == f"{12 - len(sent)} of 12 messages were not sent, for want of room (sliding_window)"


async def test_the_window_is_that_of_the_providers_default_model() -> None:
    with MockProvider("A.", name="openai", default_model="gpt-4.1-mini") as mock:
        async with exllm.Client() as client:
            chat = client.conversation(Session("openai"), context="sliding_window")
            assert (await chat.send("word " * 1000)).text == "A."
            with pytest.raises(exllm.ContextLengthExceeded, match="there is room for 1,047,576"):
                await chat.send("word " * 1_100_000)
    assert len(mock.requests) == 1


async def test_what_must_stay_and_does_not_fit_is_refused_before_it_is_sent() -> None:
    async with model("A.") as (client, mock):
        chat = client.conversation(NEW, context=Fit("smart", max_tokens=20))
        with pytest.raises(exllm.ContextLengthExceeded):
            await chat.send("word " * 100)
        assert not mock.requests
        assert chat.session is NEW


async def test_a_summary_takes_the_place_of_the_beginning_and_is_kept() -> None:
    def answer(request: Any) -> str:
        if request.messages[0].text.startswith("You shorten conversations"):
            return "SHORT."
        return "word " * 60

    async with model(answer) as (client, mock):
        store = MemoryStore()
        chat = client.conversation(NEW, store=store, context=Fit("summarize", max_tokens=300, summary_tokens=40))
        replies = [await chat.send(f"Question {number}") for number in range(5)]
        session = chat.session
        summaries = [one for one in mock.requests if one.messages[0].text.startswith("You shorten")]
        assert session.summary is not None
        assert session.summary.message.text.endswith("SHORT.")
        assert len(session.history) == 10
        sent = mock.requests[-1].messages
        assert [message.text for message in sent[:2]] == ["Be brief.", session.summary.message.text]
        assert sent[2:] == session.history[session.summary.covers : -1]
        assert replies[-1].response is not None
        assert replies[-1].response.warnings == (f"the first {session.summary.covers} messages were sent as a summary",)
        asked = len(mock.requests)
        again = client.conversation(session.id, store=store, context=Fit("summarize", max_tokens=4000))
        await again.send("And?")
        assert len(mock.requests) == asked + 1  # the summary that is there is used
        assert mock.requests[-1].messages[1] == session.summary.message
        assert len(mock.requests) - len(summaries) == 6
    told = sum(len(message.text.split()) for request in mock.requests for message in request.messages)
    assert again.session.usage.input_tokens == told  # those for summaries, too
