"""A realtime session in the terminal: text or a sound file in, words and a sound file out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
import typer

from exllm.cli.failures import FAILED, run
from exllm.cli.figures import price, tokens
from exllm.cli.lines import Lines
from exllm.cli.screen import DIM, Output, Screen
from exllm.client import Client
from exllm.errors import ExLLMError
from exllm.live import (
    InputTranscript,
    Interrupted,
    OutputTranscript,
    Reconnect,
    Reconnected,
    Reconnecting,
    RemoteError,
    TextOut,
    ToolCall,
    TurnComplete,
)
from exllm.live.audio import paced, read_wav
from exllm.live.session import LiveSession

PROMPT = "> "


class LiveOptions(msgspec.Struct, frozen=True):
    """What the command line said."""

    model: str
    prompt: str | None = None
    arguments: dict[str, Any] = {}  # keyword arguments of `Client.live`
    sound: tuple[bytes, int] | None = None  # what is spoken: PCM and its rate
    wav: str | None = None
    show_stats: bool = False


def read_sound(path: str) -> tuple[bytes, int]:
    """The sound of a WAV file. Raises: typer.BadParameter when it has none."""
    try:
        pcm, rate_hz = read_wav(path)
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not pcm:
        raise typer.BadParameter(f"{path} is empty: there is nothing to say")  # the model would wait for ever
    return pcm, rate_hz


def settings_of(given: Mapping[str, Any], *, has_sound: bool, has_wav: bool) -> dict[str, Any]:
    """The settings that were given, and what is needed besides to show the words. Raises: typer.BadParameter for
    sessions that cannot be held here."""
    kind = given.get("kind")
    if kind == "translation":
        raise typer.BadParameter("kind=translation has no turns, which exllm live needs; Client.live translates")
    if kind == "transcription" and (has_wav or not has_sound):
        raise typer.BadParameter("kind=transcription writes down a sound file: it wants --input, and no --wav")
    if has_sound and "turn_detection" in given:
        raise typer.BadParameter("--input is one turn, from its begin to its end: turn_detection cannot be set with it")
    needed: dict[str, Any] = {"turn_detection": "manual"} if has_sound else {}
    if kind == "transcription":
        needed["reconnect"] = Reconnect(attempts=0)  # over another connection what was heard so far would be missing
    else:
        needed["output_transcription"] = None if given.get("modalities") in ("text", ["text"]) else True
        needed["input_transcription"] = True if has_sound else None
    return {**needed, **given}


def talk(options: LiveOptions, screen: Screen) -> int:
    """Hold the conversation; returns the exit code."""
    return run(lambda: asyncio.run(_talk(options, screen)), screen)


async def _talk(options: LiveOptions, screen: Screen) -> int:
    async with Client() as client:
        try:
            session = client.live(options.model, **options.arguments)
        except ExLLMError:
            raise
        except (TypeError, ValueError) as error:
            raise typer.BadParameter(str(error)) from None
        with nullcontext() if options.wav is None else session.record(options.wav):
            try:
                conversation = _Conversation(session, screen)
                async with session:
                    if options.sound is not None:
                        await conversation.speak(*options.sound)
                    elif options.prompt is not None:
                        await conversation.say(options.prompt)
                    else:
                        await conversation.converse()
            finally:
                if options.show_stats:
                    screen.say(_figures(session, options.wav))
    for warning in session.warnings:
        screen.say(f"warning: {warning}")
    return 0 if conversation.is_whole else FAILED


class _Conversation:
    """Turn by turn: what is said, and all of the answer.

    Attributes:
        is_whole: every turn had an answer that came to its end.
    """

    def __init__(self, session: LiveSession, screen: Screen) -> None:
        self.is_whole = True
        self._session = session
        self._screen = screen
        self._is_transcription = session.settings.kind == "transcription"  # which has no answers

    async def converse(self) -> None:
        """Every line of the input is a turn."""
        screen, lines = self._screen, Lines()
        if screen.out.is_terminal:
            screen.say(f"{self._session.model} · Ctrl-C or Ctrl-D ends the conversation")
        while True:
            if screen.out.is_terminal:
                await screen.out.write(PROMPT)
            line = await lines.next()
            if line is None:
                await screen.out.write(screen.out.end_line())
                return
            if line.strip() and not await self.say(line.strip()):
                return

    async def say(self, text: str) -> bool:
        """One turn; False when the service has ended the session."""
        await self._session.send(text)
        return await self._hear()

    async def speak(self, pcm: bytes, rate_hz: int) -> None:
        """One turn of speech, as fast as it is spoken."""
        hearing, speaking = asyncio.create_task(self._hear()), asyncio.create_task(self._speak(pcm, rate_hz))
        try:
            await asyncio.wait((hearing, speaking), return_when=asyncio.FIRST_EXCEPTION)
        finally:
            hearing.cancel()
            speaking.cancel()
            outcomes = await asyncio.gather(hearing, speaking, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _speak(self, pcm: bytes, rate_hz: int) -> None:
        session = self._session
        await session.activity_start()
        async for piece in paced(pcm, rate_hz):
            await session.send_audio(piece, rate_hz)
        await session.activity_end()

    async def _hear(self) -> bool:
        """Show an answer to its end; False when the service has ended the session."""
        screen, called = self._screen, None  # the call after which the model has said nothing yet
        async for event in self._session:
            match event:
                case TextOut() | OutputTranscript():
                    if called is not None and (event.turn != called.turn or not event.turn):
                        called = None
                    await screen.err.write(screen.err.end_line())
                    await _show(screen.out, event)
                case InputTranscript(interim=False) if self._is_transcription:
                    await _show(screen.out, event)
                    if event.final:
                        await screen.out.write(screen.out.end_line())
                        return True
                case InputTranscript(interim=False):
                    await _show(screen.err, event, DIM)
                case Interrupted():
                    screen.say("interrupted")
                case ToolCall():
                    called = event
                    screen.say(f"tool call: {event.name}({event.arguments})", None)
                    await self._session.send_tool_result(event, "there is nobody to make this call", is_error=True)
                case Reconnecting():
                    screen.say(f"connecting again ({event.attempt}): {event.reason}")
                case Reconnected():
                    screen.say("connected again")
                case RemoteError():
                    screen.fail(event.message)
                    if self._is_transcription:
                        self.is_whole = False
                        return True
                case TurnComplete(status="completed") if called is not None:
                    called = None  # another turn follows, with what the model makes of the answer
                case TurnComplete():
                    await screen.out.write(screen.out.end_line())
                    if event.status != "completed":
                        screen.say(f"the answer is {event.status}{f': {event.reason}' if event.reason else ''}")
                        self.is_whole = False
                    return True
        screen.say("the service ended the session")
        self.is_whole = False
        return False


async def _show(output: Output, event: TextOut | OutputTranscript | InputTranscript, style: str | None = None) -> None:
    replaces = not isinstance(event, TextOut) and event.replaces
    await output.write(f"{output.end_line()}{event.text}" if replaces else event.text, style)


def _figures(session: LiveSession, wav: str | None) -> str:
    stats = session.stats
    settings = session.settings
    bytes_per_s = 2 * (settings.output_rate_hz or 24_000) if settings.audio_format == "pcm16" else 8_000
    parts = [session.model, *tokens(session.usage), *price(session.cost)]
    if stats.first_audio_s is not None:
        parts += [f"first audio {stats.first_audio_s:.2f} s", f"{stats.audio_in_bytes / bytes_per_s:.1f} s of speech"]
    if stats.reconnects:
        parts.append(f"{stats.reconnects} reconnects")
    parts.append(f"total {stats.duration_s:.2f} s")
    return " · ".join([*parts, wav] if wav is not None else parts)
