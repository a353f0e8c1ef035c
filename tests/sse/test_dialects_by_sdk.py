"""What `to_sse` writes, read by the vendors' own clients over a real server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx
import openai
import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

import exllm
from exllm.integrations.fastapi import SSEResponse
from exllm.streaming.sse import SSEDecoder
from tests.integrations.web import serving
from tests.sse.answers import ANSWERS, CITED, CUT, PLAIN, SEEN_AND_HEARD, THOUGHT, TWO_CALLS, mock

SIGNED = [
    exllm.ReasoningDelta("Hm.", id="r1"), exllm.ReasoningDelta(signature="a"), exllm.ReasoningDelta(signature="b"),
    exllm.ToolCallDelta(0, "a1", "weather", "{}", signature="cd"), exllm.Finish("tool_calls"),
]  # fmt: skip
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@asynccontextmanager
async def relayed(dialect: Any, answer: Any, **facts: Any) -> AsyncIterator[str]:
    """An application that answers everything with `answer`, in `dialect`."""

    async def reply(_request: Request) -> SSEResponse:
        return SSEResponse(client.stream("mocked", "Hi"), dialect=dialect, **facts)

    paths = ["/chat/completions", "/v1/messages", "/"]
    async with exllm.Client() as client:
        with mock(answer):
            async with serving(Starlette(routes=[Route(path, reply, methods=["POST"]) for path in paths])) as url:
                yield url


async def folded(answer: Any) -> exllm.Response:
    with mock(answer):
        async with exllm.Client() as client:
            return await client.stream("mocked", "Hi").collect()


class TestOpenAI:
    async def collect(self, answer: Any) -> Any:
        async with (
            relayed("openai", answer) as url,
            openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as sdk,
        ):
            stream = sdk.chat.completions.stream(
                model="any", messages=MESSAGES, stream_options={"include_usage": True}
            )  # fmt: skip
            async with stream as events:
                async for _event in events:
                    pass
                return await events.get_final_completion()

    @pytest.mark.parametrize("name", ANSWERS)
    async def test_the_sdk_reads_the_same_answer(self, name: str) -> None:
        expected, completion = await folded(ANSWERS[name]), await self.collect(ANSWERS[name])
        (choice,) = completion.choices
        assert (choice.message.content or "") == expected.text
        assert choice.message.refusal == expected.refusal
        calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or []]
        assert calls == [(call.id, call.name, call.arguments) for call in expected.tool_calls]
        assert choice.finish_reason == {"refusal": "stop"}.get(expected.finish_reason or "", expected.finish_reason)
        assert (completion.id, completion.model, completion.created) == ("resp-1", "model-7", 1_700_000_000)
        usage = completion.usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (20, 9, 29)
        assert usage.prompt_tokens_details.cached_tokens == 5
        assert usage.completion_tokens_details.reasoning_tokens == 3

    async def test_what_other_providers_say_is_where_clients_look_for_it(self) -> None:
        assert (await self.collect(THOUGHT)).choices[0].message.reasoning_content == "Let me think."
        (note,) = (await self.collect(CITED)).choices[0].message.annotations
        assert note.url_citation.url == "https://example.org/oslo"
        message = (await self.collect(SEEN_AND_HEARD)).choices[0].message
        assert message.images[0]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
        assert (message.audio.data, message.audio.transcript) == ("AAE=", "Listen")

    async def test_our_own_client_reads_it_as_well(self) -> None:
        async with relayed("openai", TWO_CALLS) as url, exllm.Client() as client:
            reply = await client.stream("openai/any", "Hi", base_url=url, api_key="k").collect()
        expected = await folded(TWO_CALLS)
        assert (reply.parts, reply.usage.input_tokens) == (expected.parts, 20)

    async def test_all_choices_are_told(self) -> None:
        answer = [
            exllm.StreamStart(id="r"), exllm.TextDelta("a"), exllm.TextDelta("b", 1), exllm.Finish("stop"),
            exllm.Finish("length", 1),
        ]  # fmt: skip
        async with relayed("openai", answer) as url, openai.AsyncOpenAI(base_url=url, api_key="k") as sdk:
            stream: Any = await sdk.chat.completions.create(model="any", messages=MESSAGES, stream=True, n=2)
            told = [
                (choice.index, choice.delta.content, choice.finish_reason) async for c in stream for choice in c.choices
            ]
        assert told == [(0, "a", None), (1, "b", None), (0, None, "stop"), (1, None, "length")]

    async def test_a_failure_raises_in_the_sdk(self) -> None:
        with pytest.raises(openai.APIError, match="the connection ended"):
            await self.collect(CUT)


class TestAnthropic:
    async def collect(self, answer: Any) -> Any:
        async with (
            relayed("anthropic", answer) as url,
            anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as sdk,
            sdk.messages.stream(model="any", max_tokens=9, messages=MESSAGES) as stream,
        ):
            return await stream.get_final_message()

    @pytest.mark.parametrize("name", ANSWERS)
    async def test_the_sdk_reads_the_same_answer(self, name: str) -> None:
        expected, message = await folded(ANSWERS[name]), await self.collect(ANSWERS[name])
        text = "".join(block.text for block in message.content if block.type == "text")
        assert text == expected.text + (expected.refusal or "")
        calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
        assert calls == [(call.id, call.name, call.parse_arguments()) for call in expected.tool_calls]
        reasons = {"stop": "end_turn", "tool_calls": "tool_use", "refusal": "refusal"}
        assert message.stop_reason == reasons[expected.finish_reason or ""]
        assert (message.id, message.model) == ("resp-1", "model-7")
        usage = message.usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (15, 5, 9)

    async def test_thinking_keeps_its_signature(self) -> None:
        thinking, text = (await self.collect(THOUGHT)).content
        assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", "Let me think.", "c2ln")
        assert text.text == "Done."

    async def test_redacted_thinking_and_citations(self) -> None:
        hidden = [
            exllm.StreamStart(),
            exllm.ReasoningDelta(redacted="xyz"),
            exllm.TextDelta("Hm.", part=1),
            exllm.Finish("stop"),
        ]
        assert (await self.collect(hidden)).content[0].data == "xyz"
        (block,) = (await self.collect(CITED)).content
        assert block.citations[0].url == "https://example.org/oslo"

    async def test_blocks_of_claude_are_told_as_they_came(self) -> None:
        found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
        searched = [
            exllm.StreamStart(), exllm.ToolCallDelta(0, "s1", "web_search", '{"query": "x"}', provider_executed=True),
            exllm.ProviderEvent("web_search_tool_result", found, "anthropic", content=True),
            exllm.ProviderEvent("web_search_tool_result", found, "somebody", content=True),
            exllm.TextDelta("Found.", part=1), exllm.Finish("stop"),
        ]  # fmt: skip
        asked, result, text = (await self.collect(searched)).content
        assert (asked.type, asked.id, asked.input) == ("server_tool_use", "s1", {"query": "x"})
        assert (result.type, result.tool_use_id, text.text) == ("web_search_tool_result", "s1", "Found.")

    async def test_our_own_client_reads_it_as_well(self) -> None:
        async with relayed("anthropic", THOUGHT) as url, exllm.Client() as client:
            reply = await client.stream("anthropic/any", "Hi", base_url=url, api_key="k").collect()
        assert reply.parts == (await folded(THOUGHT)).parts
        assert (reply.usage.input_tokens, reply.usage.cached_input_tokens) == (20, 5)

    async def test_a_failure_raises_in_the_sdk(self) -> None:
        with pytest.raises(anthropic.APIError, match="the connection ended"):
            await self.collect(CUT)


async def read(dialect: str, answer: Any, **facts: Any) -> list[Any]:
    """The data of all events, as JSON where it is; ids are looked at."""
    async with relayed(dialect, answer, **facts) as url, httpx.AsyncClient() as web:
        response = await web.post(url)
    assert response.status_code == 200
    decoder = SSEDecoder()
    frames = [*decoder.feed(response.content), *decoder.close()]
    stream, number = str(frames[0].id).split(":")
    assert [frame.id for frame in frames] == [f"{stream}:{int(number) + place}" for place in range(len(frames))]
    assert number == "1"
    return [frame.data.decode() if frame.data == b"[DONE]" else json.loads(frame.data) for frame in frames]


class TestAGUI:
    @pytest.mark.parametrize("answer", [*ANSWERS.values(), CUT], ids=[*ANSWERS, "cut"])
    async def test_every_event_is_one_of_the_protocol(self, answer: Any) -> None:
        events = await read("ag-ui", answer, thread_id="t1", run_id="r1")
        for event in events:
            TypeAdapter(Event).validate_python(event)
        assert events[0] == {"type": "RUN_STARTED", "threadId": "t1", "runId": "r1"}
        open_messages: set[tuple[str, Any]] = set()
        for event in events:  # what is begun is ended, once
            kind, key = event["type"], event.get("messageId") or event.get("toolCallId")
            if kind.endswith("_START"):
                assert (kind, key) not in open_messages
                open_messages.add((kind, key))
            elif kind.endswith("_END"):
                open_messages.remove((f"{kind.removesuffix('_END')}_START", key))
        assert bool(open_messages) == (answer is CUT)

    async def test_text_calls_and_thoughts(self) -> None:
        events = await read("ag-ui", TWO_CALLS)
        text = "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")
        assert text == "I will look. "
        arguments: dict[str, str] = {}
        for event in events:
            if event["type"] == "TOOL_CALL_ARGS":
                arguments[event["toolCallId"]] = arguments.get(event["toolCallId"], "") + event["delta"]
        assert arguments == {"a1": '{"city": "Oslo"}', "b2": '{"zone": "UTC"}'}
        assert events[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["a1", "b2"]}
        assert events[-1]["usage"][0]["inputTokens"] == 20
        thoughts = await read("ag-ui", THOUGHT)
        assert "".join(e["delta"] for e in thoughts if e["type"] == "REASONING_MESSAGE_CONTENT") == "Let me think."
        assert next(e for e in thoughts if e["type"] == "REASONING_ENCRYPTED_VALUE")["encryptedValue"] == "c2ln"

    async def test_all_calls_of_an_answer_are_in_one_message(self) -> None:
        for answer in (TWO_CALLS, [chunk for chunk in TWO_CALLS if type(chunk) is not exllm.TextDelta]):
            parents = [e["parentMessageId"] for e in await read("ag-ui", answer) if e["type"] == "TOOL_CALL_START"]
            assert len(parents) == 2
            assert len(set(parents)) == 1

    async def test_secrets_of_the_provider_are_whole_and_say_where_they_belong(self) -> None:
        events = await read("ag-ui", SIGNED)
        secrets = [event for event in events if event["type"] == "REASONING_ENCRYPTED_VALUE"]
        assert [(one["subtype"], one["encryptedValue"]) for one in secrets] == [("message", "ab"), ("tool-call", "cd")]
        assert secrets[1]["entityId"] == "a1"

    async def test_a_failure_is_the_last_event(self) -> None:
        events = await read("ag-ui", CUT)
        assert events[-1] == {"type": "RUN_ERROR", "message": "the connection ended", "code": "StreamInterrupted"}


class TestVercel:
    """The `ai` package itself reads them in tests/e2e."""

    async def test_plain_text(self) -> None:
        *events, finish, done = await read("vercel", PLAIN)
        assert [event["type"] for event in events] == [
            "start", "start-step", "text-start", "text-delta", "text-delta", "text-end", "finish-step",
        ]  # fmt: skip
        assert finish["finishReason"] == "stop"
        assert finish["messageMetadata"]["usage"]["input_tokens"] == 20
        assert done == "[DONE]"

    async def test_the_header_that_clients_look_for(self) -> None:
        async with relayed("vercel", PLAIN) as url, httpx.AsyncClient() as web:
            assert (await web.post(url)).headers["x-vercel-ai-ui-message-stream"] == "v1"

    async def test_an_image_alone_is_in_a_step(self) -> None:
        kinds = [e["type"] for e in (await read("vercel", [exllm.ImageDelta(data=b"x"), exllm.Finish("stop")]))[:-1]]
        assert kinds == ["start", "start-step", "file", "finish-step", "finish"]

    async def test_secrets_of_the_provider_are_kept(self) -> None:
        metadata = [
            event["providerMetadata"] for event in (await read("vercel", SIGNED))[:-1] if "providerMetadata" in event
        ]
        assert metadata == [{"exllm": {"signature": "ab", "id": "r1"}}, {"exllm": {"signature": "cd"}}]

    async def test_a_failure(self) -> None:
        assert (await read("vercel", CUT))[-2:] == [{"type": "error", "errorText": "the connection ended"}, "[DONE]"]


class TestOurOwn:
    async def test_chunks_and_the_response(self) -> None:
        events = await read("exllm", TWO_CALLS)
        assert [event["type"] for event in events[:-1]] == [
            "stream_start", "text_delta", "tool_call_delta", "tool_call_delta", "tool_call_delta", "tool_call_delta",
            "usage_update", "finish",
        ]  # fmt: skip
        assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


class TestWrongArguments:
    async def test_an_unknown_dialect(self) -> None:
        with mock(PLAIN):
            async with exllm.Client() as client:
                with pytest.raises(ValueError, match=r"exllm \| openai \| anthropic \| vercel \| ag-ui"):
                    client.stream("mocked", "Hi").to_sse("soap")  # type: ignore[arg-type]
                with pytest.raises(TypeError, match="thread_id"):
                    client.stream("mocked", "Hi").to_sse("openai", thread_id="t")

    async def test_a_call_that_fails_at_once_is_an_http_error(self) -> None:
        slow = exllm.RateLimited("slow down", retry_after_s=100.0)
        async with relayed("vercel", slow) as url, httpx.AsyncClient() as web:
            assert (await web.post(url)).status_code == 429
