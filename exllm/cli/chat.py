"""One question, one answer, streamed to the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import typer

from exllm.cli.arguments import ChatSettings
from exllm.cli.failures import FAILED, report, run
from exllm.cli.figures import figures
from exllm.cli.screen import DIM, Screen
from exllm.client import Client
from exllm.errors import ExLLMError
from exllm.streaming.stream import Stream
from exllm.types.chunks import ReasoningDelta, RefusalDelta, TextDelta
from exllm.types.message import Message
from exllm.types.response import Response

if TYPE_CHECKING:
    from exllm.sessions import Turn


def ask(settings: ChatSettings, text: str, screen: Screen) -> int:
    """Ask once; returns the exit code."""
    return run(lambda: asyncio.run(_ask(settings, text, screen)), screen)


async def _ask(settings: ChatSettings, text: str, screen: Screen) -> int:
    system = [Message("system", settings.system)] if settings.system else []
    async with Client() as client:
        if settings.session is not None:
            from exllm.cli.sessions import open_session

            async with open_session(client, settings, screen) as chat:
                return await show(chat.stream(text, **settings.options), settings, screen)
        return await show(open_stream(client, settings, [*system, Message("user", text)]), settings, screen)


def open_stream(client: Client, settings: ChatSettings, messages: Sequence[Message]) -> Stream:
    """The stream of one answer, checked but not sent. Raises: ExLLMError, typer.BadParameter for a wrong option."""
    try:
        return client.stream(settings.model, list(messages), **settings.options)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None


async def show(stream: Stream | Turn, settings: ChatSettings, screen: Screen) -> int:
    """Stream one answer to the screen; returns the exit code.

    However it ends, what had arrived is shown: text as it came, a JSON response as far as it goes.

    Raises: ExLLMError for a call that was refused before any of the answer arrived; BrokenPipeError.
    """
    async with stream:
        code = 0
        try:
            try:
                await _SHOW[settings.output](stream, settings, screen)
            except ExLLMError as error:
                report(error, screen)
                code = FAILED
            await screen.out.write(screen.out.end_line())
        finally:
            response = stream.response
            if settings.output == "json":
                screen.out.write_now(_as_json(response))
            if settings.show_stats:
                screen.say(figures(response))
    if settings.output == "text":
        for call in response.tool_calls:
            screen.say(f"tool call: {call.name}({call.arguments})", None)
    for warning in response.warnings:
        screen.say(f"warning: {warning}")
    return code


async def _show_text(stream: Stream | Turn, settings: ChatSettings, screen: Screen) -> None:
    several = (settings.options.get("n") or 1) > 1  # they arrive interleaved, so they are shown at the end
    async for chunk in stream:
        match chunk:
            case TextDelta() if not several:
                await screen.err.write(screen.err.end_line())
                await screen.out.write(chunk.text)
            case ReasoningDelta() if settings.show_reasoning:
                await screen.err.write(chunk.reasoning, DIM)
            case RefusalDelta():
                await screen.err.write(chunk.refusal)
    await screen.err.write(screen.err.end_line())
    if several:
        await screen.out.write("\n---\n".join(choice.message.text for choice in stream.response.choices))


async def _show_chunks(stream: Stream | Turn, settings: ChatSettings, screen: Screen) -> None:
    async for chunk in stream:
        await screen.out.write(msgspec.json.encode(chunk).decode() + "\n")


async def _collect(stream: Stream | Turn, settings: ChatSettings, screen: Screen) -> None:
    await stream.collect()


_SHOW = {"text": _show_text, "chunks": _show_chunks, "json": _collect}


def _as_json(response: Response) -> str:
    """The response's fields, and those of its first choice where a shell script finds them without digging."""
    found = {"text": response.text, "finish_reason": response.finish_reason, "tool_calls": response.tool_calls}
    return msgspec.json.encode({**found, **msgspec.structs.asdict(response)}).decode() + "\n"
