"""`exllm chat` in pipes: what goes where, what is sent, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import msgspec
import pytest

import exllm
from exllm.cli.chat import _as_json
from tests.cli.command import COMMAND, KEY, environment, finish, run, start, to
from tests.faults.dialects import OPENAI, TEXT, WORDS
from tests.faults.server import FaultServer, Peer

HOLD_S = 30.0  # longer than any test: whoever waits for it has failed


async def _stall(peer: Peer) -> None:
    """Two words of an answer, and then nothing."""
    await peer.begin_stream()
    for frame in (*OPENAI.opening, OPENAI.text("The "), OPENAI.text("quick ")):
        await peer.chunk(frame)
    await asyncio.wait_for(peer.left(), HOLD_S)


async def _body(*arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
    """The request body that a command line leads to."""
    async with FaultServer(OPENAI.reply()) as server:
        result = await run(*to(server), *arguments, stdin=stdin)
        assert result.code == 0, result.err
        (request,) = server.requests
    body: dict[str, Any] = request.json
    return body


# -- the answer


async def test_the_answer_is_on_stdout_and_nothing_else_anywhere() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        result = await run(*to(server), "Tell me")
    assert (result.code, result.out, result.err) == (0, f"{TEXT}\n", "")


async def test_words_appear_while_the_answer_is_still_being_made() -> None:
    async with FaultServer(_stall) as server:
        process = await start(*to(server), "Tell me")
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readexactly(10), HOLD_S) == b"The quick "
        process.kill()
        await finish(process)


async def test_an_answer_with_a_line_end_of_its_own_gets_no_second_one() -> None:
    async with FaultServer(OPENAI.reply(["done\n"])) as server:
        assert (await run(*to(server), "Go")).out == "done\n"


async def test_a_pipe_gets_the_text_as_it_is_control_characters_included() -> None:
    async with FaultServer(OPENAI.reply(["\x1b[31mred\x1b[0m é 😀\n"])) as server:
        assert (await run(*to(server), "Go")).out == "\x1b[31mred\x1b[0m é 😀\n"


async def test_several_answers_are_all_shown() -> None:
    def frame(index: int, delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": reason}
        return b"data: %b\n\n" % json.dumps({"id": "c", "choices": [choice]}).encode()

    frames = [
        frame(0, {"content": "one"}), frame(1, {"content": "two"}), frame(0, {}, "stop"), frame(1, {}, "stop"),
        b"data: [DONE]\n\n",
    ]  # fmt: skip
    async with FaultServer(lambda peer: peer.stream(frames)) as server:
        assert (await run(*to(server), "-o", "n=2", "Go")).out == "one\n---\ntwo\n"


async def test_tool_calls_are_told_on_stderr() -> None:
    async with FaultServer(lambda peer: peer.stream(OPENAI.tool_frames(['{"at":', '"fox"}']))) as server:
        result = await run(*to(server), "Look")
    assert (result.code, result.out, result.err) == (0, "", 'tool call: look({"at":"fox"})\n')


async def test_reasoning_goes_to_stderr_when_it_is_asked_for() -> None:
    frames = [
        b'data: {"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"Let me see."}}]}\n\n',
        *OPENAI.frames(["42"]),
    ]
    async with FaultServer(lambda peer: peer.stream(frames)) as server:
        shown = await run(
            "chat", "-m", "deepseek", "-o", f"base_url={server.url}", "--reasoning", "Go", DEEPSEEK_API_KEY=KEY
        )
        hidden = await run("chat", "-m", "deepseek", "-o", f"base_url={server.url}", "Go", DEEPSEEK_API_KEY=KEY)
    assert (shown.out, shown.err) == ("42\n", "Let me see.\n")
    assert (hidden.out, hidden.err) == ("42\n", "")


async def test_stats_are_a_line_on_stderr_when_they_are_asked_for() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        result = await run(*to(server), "--stats", "Tell me")
    assert result.out == f"{TEXT}\n"
    assert result.err.startswith("openai/gpt-4.1-mini · tokens: 9 in, 5 out")
    assert "first chunk" in result.err
    assert "total" in result.err


# -- the request


async def test_words_are_joined_and_sent_as_one_user_message() -> None:
    assert (await _body("Tell", "me"))["messages"] == [{"role": "user", "content": "Tell me"}]


async def test_piped_input_goes_before_the_prompt() -> None:
    body = await _body("Summarise it.", stdin="A löng text.\n".encode())
    assert body["messages"] == [{"role": "user", "content": "A löng text.\n\nSummarise it."}]


async def test_piped_input_alone_is_the_prompt() -> None:
    assert (await _body(stdin=b"Hello\n"))["messages"] == [{"role": "user", "content": "Hello"}]


async def test_the_system_message_comes_first() -> None:
    assert (await _body("-s", "Be brief.", "Hi"))["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_options_reach_the_request() -> None:
    body = await _body(
        "--temperature", "0.5", "--max-tokens", "7", "--seed", "3", "--stop", "END", "--stop", "FIN",
        "-o", "top_p=0.9", "-o", "user=somebody", "-o", 'extra={"x": [1]}', "Hi",
    )  # fmt: skip
    assert (body["temperature"], body["seed"], body["top_p"], body["user"]) == (0.5, 3, 0.9, "somebody")
    assert 7 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["stop"] == ["END", "FIN"]
    assert body["x"] == [1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-o", "temprature=1", "Hi"], "did you mean 'temperature'"),
        (["-o", "timeout=-1", "Hi"], "above 0"),
        (["--temperature", "warm", "Hi"], "temperature"),
        (["--json", "--chunks", "Hi"], "exclude each other"),
        ([], "nothing to ask"),
    ],
)
async def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: list[str], complaint: str) -> None:
    result = await run("chat", "-m", "mock", *arguments, COLUMNS="200")
    assert result.code == 2
    assert complaint in result.err
    assert KEY not in result.err
    assert result.out == ""


async def test_piped_input_that_is_not_text_is_wrong_usage() -> None:
    result = await run("chat", "-m", "mock", stdin=b"\xff\xfe\x00")
    assert result.code == 2
    assert "not UTF-8" in result.err


# -- JSON


async def test_json_is_one_object_the_response_with_its_text_on_top() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        result = await run(*to(server), "--json", "Tell me")
    assert result.out.count("\n") == 1
    document = json.loads(result.out)
    assert (document["text"], document["finish_reason"], document["tool_calls"]) == (TEXT, "stop", [])
    response = msgspec.json.decode(result.out, type=exllm.Response)
    assert response.text == TEXT
    assert response.usage.output_tokens == 5


def test_json_round_trips_to_the_response() -> None:
    call = exllm.ToolCall("c1", "look", "{}")
    response = exllm.Response((exllm.Choice(exllm.Message("assistant", (call,)), finish_reason="tool_calls"),))
    assert msgspec.json.decode(_as_json(response), type=exllm.Response) == response
    assert json.loads(_as_json(response))["tool_calls"][0]["name"] == "look"


async def test_chunks_are_lines_of_json() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        result = await run(*to(server), "--chunks", "Tell me")
    chunks = [msgspec.json.decode(line, type=exllm.Chunk) for line in result.out.splitlines()]
    assert [chunk.text for chunk in chunks if chunk.text] == list(WORDS)
    assert any(isinstance(chunk, exllm.Finish) for chunk in chunks)


# -- failures


async def test_a_failure_ends_with_1_and_a_hint_without_traceback_or_key() -> None:
    async with FaultServer(OPENAI.refuse("401 Unauthorized")) as server:
        result = await run(*to(server), "Hi")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert "hint: check the key in OPENAI_API_KEY" in result.err
    assert "Traceback" not in result.err
    assert KEY not in result.err


async def test_an_unknown_provider_is_a_failure_with_near_names() -> None:
    result = await run("chat", "-m", "opnai/gpt", "Hi")
    assert result.code == 1
    assert "'openai'" in result.err
    assert "Traceback" not in result.err


async def test_an_answer_that_breaks_off_keeps_its_text_and_ends_with_1() -> None:
    async def cut(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*OPENAI.opening, OPENAI.text("The "), OPENAI.text("quick ")):
            await peer.chunk(frame)

    async with FaultServer(cut) as server:
        result = await run(*to(server), "Hi", "--stats")
        as_json = await run(*to(server), "Hi", "--json")
    assert (result.code, result.out) == (1, "The quick \n")
    assert "error: " in result.err
    assert "cut off" in result.err
    assert as_json.code == 1
    document = json.loads(as_json.out)
    assert (document["text"], document["finish_reason"]) == ("The quick ", None)


async def test_ctrl_c_ends_with_130_keeps_the_text_and_closes_the_connection() -> None:
    async with FaultServer(_stall) as server:
        process = await start(*to(server), "Tell me", "--stats")
        assert process.stdout is not None
        assert await process.stdout.readexactly(10) == b"The quick "
        process.send_signal(signal.SIGINT)
        result = await finish(process)
        await server.all_left()
    assert result.code == 130
    assert "cut off" in result.err
    assert "Traceback" not in result.err


async def test_ctrl_c_with_json_prints_what_had_come() -> None:
    is_sent = asyncio.Event()

    async def stall(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*OPENAI.opening, OPENAI.text("The "), OPENAI.text("quick ")):
            await peer.chunk(frame)
        is_sent.set()
        await asyncio.wait_for(peer.left(), HOLD_S)

    async with FaultServer(stall) as server:
        process = await start(*to(server), "Tell me", "--json")
        await asyncio.wait_for(is_sent.wait(), HOLD_S)
        await asyncio.sleep(0.5)  # for the words to be decoded: nothing outside tells when they were
        process.send_signal(signal.SIGINT)
        result = await finish(process)
    assert result.code == 130
    assert json.loads(result.out)["text"] == "The quick "


async def test_a_reader_that_goes_away_ends_it_without_a_word() -> None:
    async def endless(peer: Peer) -> None:
        await peer.begin_stream()
        while True:
            await peer.chunk(OPENAI.text("word " * 100))

    async with FaultServer(endless) as server:
        process = await start(*to(server), "Talk")
        assert process.stdout is not None
        await process.stdout.readexactly(10)
        process.stdout._transport.close()  # type: ignore[attr-defined]
        assert process.stderr is not None
        err = await asyncio.wait_for(process.stderr.read(), HOLD_S)
        assert await process.wait() == 141
        await server.all_left()
    assert err == b""


async def test_a_slow_reader_is_waited_for_without_tripping_the_time_limits() -> None:
    words = ["x" * 100_000] * 40  # more than a pipe holds, and fewer chunks than the ring
    async with FaultServer(OPENAI.reply(words)) as server:
        process = await start(*to(server), "-o", 'timeout={"idle": 0.5}', "Talk")
        await asyncio.sleep(1.5)
        result = await finish(process)
    assert (result.code, result.err) == (0, "")
    assert len(result.out) == 4_000_001


async def test_ctrl_c_is_heard_while_the_reader_of_the_pipe_is_stuck() -> None:
    async def endless(peer: Peer) -> None:
        await peer.begin_stream()
        while True:
            await peer.chunk(OPENAI.text("word " * 1000))

    async with FaultServer(endless) as server:
        process = await start(*to(server), "Talk")
        sent = -1
        async with asyncio.timeout(HOLD_S):
            while sent in (-1, 0) or sent != server.bytes_sent:  # until every buffer on the way is full
                sent = server.bytes_sent
                await asyncio.sleep(0.5)
        process.send_signal(signal.SIGINT)
        await server.all_left(within_s=10)
        result = await finish(process)
    assert result.code == 130
    assert result.out.startswith("word word")


@pytest.mark.parametrize("command", [("chat", "-m", "mock", "Hi"), ("providers",)])
async def test_a_full_disk_ends_with_1_and_says_so(command: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
    finally:
        os.close(full)
    _, err = await asyncio.wait_for(process.communicate(), HOLD_S)
    assert process.returncode == 1
    assert err.decode().startswith("error: cannot write the output: ")
    assert b"Traceback" not in err
