"""`response_model` in `chat`: what is sent, what comes of the answer, what goes back to the model."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest

import exllm
from exllm import Finish, Message, Reasoning, Refusal, TextDelta, ToolCall, Usage
from exllm.testing import MockProvider
from tests.structured.types import Answer, City, Mood, Note, Order, Person

ADA = '{"name": "Ada", "age": 36}'


async def ask(mock: MockProvider, type_: Any = Person, **options: Any) -> exllm.Response:
    with mock:
        async with exllm.Client() as client:
            return await client.chat("mock/m", "Who?", response_model=type_, **options)


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        (Person, ADA, Person("Ada", 36)),
        (
            City,
            '{"name": "X", "people": [{"name": "Ada", "age": 36, "mood": "good"}]}',
            City("X", [Person("Ada", 36, Mood.GOOD)]),
        ),
        (Note, '{"title": "t", "lines": ["a"]}', {"title": "t", "lines": ["a"]}),
        (Order, '{"number": 1, "items": ["x"]}', Order(number=1, items=["x"])),
        (Mood, '{"value": "bad"}', Mood.BAD),
        (Answer, '{"value": "no"}', "no"),
        (list[Person], f'{{"value": [{ADA}]}}', [Person("Ada", 36)]),
        (list[Person], f"[{ADA}]", [Person("Ada", 36)]),  # the object around it was forgotten
        (dict[str, Person], f'{{"x": {ADA}}}', {"x": Person("Ada", 36)}),
        (int, '{"value": 7}', 7),
        (Person | Order, '{"value": {"number": 2, "items": ["a"]}}', Order(number=2, items=["a"])),
        ({"name": str, "age": int}, ADA, {"name": "Ada", "age": 36}),
        ([Person], f'{{"value": [{ADA}]}}', [Person("Ada", 36)]),
    ],
    ids=str,
)
async def test_the_answer_is_an_object_of_the_type(type_: Any, text: str, expected: Any) -> None:
    response = await ask(MockProvider(text), type_)
    assert response.parsed == expected
    assert response.structured == exllm.Structured("schema")
    assert response.text == text


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{ADA}\n```",
        f"Here you are:\n\n```\n{ADA}\n```\nAnything else?",
        f"Sure [as always]! {ADA} That is {{all}}.",
        f"\ufeff {ADA}\n",
        f"```json\n{ADA}",
        f'First I thought {{"name": 1}}, but it is {ADA}',
        f"<think>[1] {{hm}}</think>{ADA}",
    ],
)
async def test_json_is_found_in_markdown_and_prose(text: str) -> None:
    assert (await ask(MockProvider(text))).parsed == Person("Ada", 36)


async def test_line_ends_within_strings_are_taken() -> None:
    assert (await ask(MockProvider('{"name": "Ada\nLovelace", "age": 36}'))).parsed == Person("Ada\nLovelace", 36)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"name": "Ada", "age": 36,}', "broken: expected a key in double quotes, got '}' at character 26"),
        ('Here: {"name": "Ada", // her name\n"age": 36}', "broken: expected a key in double quotes, got '/'"),
        ('{"name": "Ada", "age": 36', "the JSON in the answer has no end"),
        ("[" * 100_000, "the JSON in the answer has no end"),
        ('{"name": "Ada", "age": ' + "9" * 5000 + "}", "broken: Exceeds the limit"),
        ("I do not know.", "there is no JSON in the answer"),
        (" ", "the answer is empty"),
    ],
    ids=lambda text: text[:20],
)
async def test_the_model_is_told_where_its_json_is_broken(text: str, problem: str) -> None:
    mock = MockProvider(text, ADA)
    assert (await ask(mock)).parsed == Person("Ada", 36)
    assert problem in mock.requests[1].messages[-1].text


async def test_the_schema_is_sent_and_the_call_is_plain() -> None:
    mock = MockProvider(ADA)
    response = await ask(mock, temperature=0.5)
    (request,) = mock.requests
    sent: Any = request.options.response_format
    assert sent["name"] == "Person"
    assert sent["schema"]["required"] == ["name", "age"]
    assert (request.options.response_model, request.options.temperature) == (None, 0.5)
    assert request.messages == (Message("user", "Who?"),)  # nothing was put into the prompt
    assert response.warnings == ()


async def test_the_tool_strategy_forces_a_call_whose_arguments_are_the_answer() -> None:
    mock = MockProvider([Reasoning("Hm."), ToolCall("1", "Person", ADA)])
    response = await ask(mock, response_strategy="tool")
    (request,) = mock.requests
    assert request.options.tool_choice == "Person"
    (tool,) = request.options.tools or ()
    assert isinstance(tool, exllm.Tool)
    assert tool.schema["required"] == ["name", "age"]
    assert request.options.response_format is None
    assert response.parsed == Person("Ada", 36)
    assert response.structured == exllm.Structured("tool")
    # The message can go into a conversation: no call waits in it.
    assert (response.tool_calls, response.text, response.finish_reason) == ((), ADA, "stop")
    assert response.reasoning == "Hm."


async def test_the_json_strategy_tells_the_schema_and_says_so() -> None:
    mock = MockProvider(ADA)
    with mock:
        async with exllm.Client() as client:
            messages = [Message("system", "Be brief."), Message("user", "Who?")]
            response = await client.chat("mock/m", messages, response_model=Person, response_strategy="json")
    (request,) = mock.requests
    assert [message.role for message in request.messages] == ["system", "system", "user"]
    assert '"required":["name","age"]' in request.messages[1].text
    assert request.options.response_format == "json"
    assert response.structured == exllm.Structured("json")
    assert any("told to the model in a system message" in warning for warning in response.warnings)


async def test_calls_of_other_tools_come_through_and_nothing_is_parsed() -> None:
    call = ToolCall("1", "weather", "{}")
    for strategy in ("schema", "tool"):
        mock = MockProvider(call)
        response = await ask(mock, tools=[exllm.Tool("weather")], response_strategy=strategy)
        assert response.tool_calls == (call,)
        assert response.parsed is None
        if strategy == "tool":
            assert mock.requests[0].options.tool_choice == "required"
            assert [getattr(tool, "name", "") for tool in mock.requests[0].options.tools or ()] == ["weather", "Person"]


async def test_what_is_wrong_goes_back_to_the_model_and_usage_is_summed() -> None:
    mock = MockProvider(
        ['{"name": "Ada", "age": "old"}', Usage(10, 5, 15, provenance="reported")],
        ["Sorry, no JSON.", Usage(20, 3, 23, provenance="reported")],
        [ADA, Usage(30, 4, 34, provenance="reported")],
    )
    response = await ask(mock)
    assert response.parsed == Person("Ada", 36)
    assert response.structured == exllm.Structured(
        "schema", 3, ('at $.age: Expected `int`, got `str`; there was "old"', "there is no JSON in the answer")
    )
    assert response.usage == Usage(60, 12, 72, provenance="reported")
    assert response.cost.total == 0.0
    _, second, third = mock.requests
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert second.messages[1].text == '{"name": "Ada", "age": "old"}'
    assert 'at $.age: Expected `int`, got `str`; there was "old"' in second.messages[2].text
    assert [message.text for message in third.messages[1:2]] == ["Sorry, no JSON."]  # not the whole quarrel


async def test_a_rejected_call_of_the_answers_tool_goes_back_as_text() -> None:
    mock = MockProvider(ToolCall("1", "Person", '{"name": "Ada"}'), ToolCall("2", "Person", ADA))
    response = await ask(mock, response_strategy="tool")
    assert response.parsed == Person("Ada", 36)
    conversation = mock.requests[1].messages
    assert not any(message.tool_calls or message.role == "tool" for message in conversation)
    assert conversation[1].text == '{"name": "Ada"}'


async def test_an_empty_answer_is_not_put_into_the_conversation() -> None:
    mock = MockProvider("", ADA)
    assert (await ask(mock)).parsed == Person("Ada", 36)
    assert [message.role for message in mock.requests[1].messages] == ["user", "user"]


async def test_a_validator_of_the_type_speaks_to_the_model() -> None:
    mock = MockProvider('{"number": 1, "items": []}', '{"number": 1, "items": ["a"]}')
    assert (await ask(mock, Order)).parsed == Order(number=1, items=["a"])
    assert "an order has items" in mock.requests[1].messages[-1].text


async def test_after_the_last_retry_the_error_has_all() -> None:
    mock = MockProvider('{"name": "Ada"}')
    with pytest.raises(exllm.StructuredOutputInvalid) as caught:
        await ask(mock, max_retries=1)
    error = caught.value
    assert len(mock.requests) == error.attempts == 2
    assert error.raw == '{"name": "Ada"}'
    assert error.problems == ("Object missing required field `age`; it has `name`",)
    assert error.partial is not None
    assert error.partial.text == error.raw
    assert (error.provider, error.retryable) == ("mock", True)
    for copied in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (copied.raw, copied.problems, copied.partial) == (error.raw, error.problems, error.partial)


async def test_no_retry_when_none_is_wanted() -> None:
    mock = MockProvider("no")
    with pytest.raises(exllm.StructuredOutputInvalid):
        await ask(mock, max_retries=0)
    assert len(mock.requests) == 1


@pytest.mark.parametrize("answer", [[Refusal("I will not.")], ["No.", Finish("content_filter")]])
async def test_a_refusal_is_its_own_error_and_not_tried_again(answer: Any) -> None:
    mock = MockProvider(answer)
    with pytest.raises(exllm.StructuredOutputRefused) as caught:
        await ask(mock)
    assert len(mock.requests) == 1
    assert not caught.value.retryable
    assert caught.value.problems[0] in str(caught.value)


async def test_truncation_is_its_own_error_with_the_text() -> None:
    mock = MockProvider(['{"name": "Ad', Finish("length")])
    with pytest.raises(exllm.StructuredOutputTruncated, match="max_tokens") as caught:
        await ask(mock)
    assert len(mock.requests) == 1
    assert caught.value.raw == '{"name": "Ad'


async def test_an_answer_that_is_whole_at_its_token_limit_is_taken() -> None:
    assert (await ask(MockProvider([ADA, Finish("length")]))).parsed == Person("Ada", 36)


async def test_errors_of_the_provider_pass_as_they_are() -> None:
    with pytest.raises(exllm.AuthenticationError):
        await ask(MockProvider(exllm.AuthenticationError("no")))


async def test_the_response_is_plain_data_when_the_object_is() -> None:
    response = await ask(MockProvider(ADA), {"name": str, "age": int})
    assert msgspec.json.decode(msgspec.json.encode(response), type=exllm.Response) == response


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"response_model": 5}, TypeError),
        ({"response_model": {"type": "object"}}, TypeError),
        ({"response_model": object()}, TypeError),
        ({"response_model": Person, "response_strategy": "magic"}, TypeError),
        ({"response_model": Person, "max_retries": -1}, ValueError),
        ({"response_model": Person, "max_retries": True}, TypeError),
        ({"response_model": Person, "response_format": "json"}, exllm.InvalidRequest),
        ({"response_model": Person, "n": 2}, exllm.InvalidRequest),
        ({"response_strategy": "tool"}, TypeError),
        ({"max_retries": 1}, TypeError),
        ({"validators": [5]}, TypeError),
    ],
    ids=lambda value: str(value).partition(" object at ")[0],  # the same in every process
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(options: Any, error: type[Exception]) -> None:
    with MockProvider("x") as mock:
        async with exllm.Client() as client:
            with pytest.raises(error):
                await client.chat("mock/m", "Who?", **options)
            with pytest.raises(error):
                client.stream("mock/m", "Who?", **options)
    assert not mock.requests


async def test_module_level_chat_takes_it_too() -> None:
    with MockProvider(ADA):
        assert (await exllm.chat("mock/m", "Who?", response_model=Person)).parsed == Person("Ada", 36)


# -- validators stop the answer midway


async def test_a_validator_stops_the_answer_and_its_words_go_to_the_model() -> None:
    seen: list[str] = []

    def polite(answer: exllm.AnswerSoFar) -> str | None:
        seen.append(answer.text)
        return "Do not apologise." if "sorry" in answer.text else None

    mock = MockProvider(["I am ", "sorry ", "but ", "no."], ["Fine."])
    with mock:
        async with exllm.Client() as client:
            response = await client.chat("mock/m", "Who?", validators=[polite])
    assert response.text == "Fine."
    assert "I am sorry " in seen
    assert not any("but" in text for text in seen)
    assert [message.text for message in mock.requests[1].messages[1:2]] == ["I am sorry "]
    assert "Do not apologise." in mock.requests[1].messages[2].text


async def test_a_validator_sees_the_json_grow_and_the_end() -> None:
    ages: list[Any] = []

    def young(answer: exllm.AnswerSoFar) -> None:
        if answer.json:
            ages.append((answer.json.get("age"), answer.is_done))
            if (answer.json.get("age") or 0) > 100:
                raise ValueError("nobody is that old")

    first = [TextDelta('{"age": '), TextDelta("10"), TextDelta("3, "), TextDelta('"name": "Ada"}')]
    mock = MockProvider(first, ADA)
    response = await ask(mock, validators=young)
    assert response.parsed == Person("Ada", 36)
    assert (None, False) in ages
    assert (103, False) in ages
    assert ages[-1] == (36, True)
    assert json.loads(json.dumps(ages))  # plain data
    assert response.structured is not None
    assert response.structured.rejected == ("nobody is that old",)


async def test_a_validator_without_retries_raises() -> None:
    with pytest.raises(exllm.StructuredOutputInvalid, match="too long") as caught:
        await ask(MockProvider(ADA), validators=[lambda answer: "too long"], max_retries=0)
    assert caught.value.partial is not None


async def test_a_validator_that_fails_itself_ends_the_call() -> None:
    def broken(answer: exllm.AnswerSoFar) -> str | None:
        raise RuntimeError("oops")

    with pytest.raises(exllm.ExLLMError, match="oops") as caught:
        await ask(MockProvider(ADA), validators=[broken])
    assert isinstance(caught.value.__cause__, RuntimeError)
