"""A conversation at the terminal: a prompt, an answer, a prompt."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from exllm.cli.arguments import ChatSettings
from exllm.cli.chat import open_stream, show
from exllm.cli.failures import broken_pipe, finish_line, report
from exllm.cli.screen import Screen
from exllm.client import Client
from exllm.errors import ExLLMError
from exllm.types.message import Message
from exllm.types.response import Response

if TYPE_CHECKING:
    from exllm.sessions import Conversation as SessionConversation

PROMPT = "> "


def converse(settings: ChatSettings, screen: Screen) -> int:
    """Ask and answer until the input ends (Ctrl-D); returns the exit code."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - importing it gives `input` its line editing; Windows has none

    screen.say(f"{settings.model or settings.session} · Ctrl-C stops an answer, Ctrl-D ends the conversation")
    conversation = Conversation(settings, screen)
    with asyncio.Runner() as runner:
        try:
            while (text := _read(screen)) is not None:
                try:
                    if text:
                        runner.run(conversation.say(text))
                except KeyboardInterrupt:
                    finish_line(screen)
                except ExLLMError as error:
                    report(error, screen)
        except BrokenPipeError:
            return broken_pipe()
        finally:
            runner.run(conversation.aclose())
    return 0


class Conversation:
    """What was said so far, and the client that says it.

    An answer that was stopped or broke off stays as far as it came; a question without any answer leaves no trace. So
    the next request is always one that providers accept.
    """

    def __init__(self, settings: ChatSettings, screen: Screen) -> None:
        self.client = Client()
        self.history = [Message("system", settings.system)] if settings.system else []
        self._settings = settings
        self._screen = screen
        self._kept = contextlib.AsyncExitStack()  # what ends a session that is kept
        self._chat: SessionConversation | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._kept.aclose()
        await self.client.aclose()

    async def say(self, text: str) -> None:
        """One question and its answer."""
        if self._settings.session is not None:
            chat = await self._session()
            await show(chat.stream(text, **self._settings.options), self._settings, self._screen)
            return
        asked = [*self.history, Message("user", text)]
        stream = open_stream(self.client, self._settings, asked)
        try:
            await show(stream, self._settings, self._screen)
        finally:
            if stream.response.text:
                self.history = [*asked, _to_keep(stream.response)]

    async def _session(self) -> SessionConversation:
        from exllm.cli.sessions import open_session

        if self._chat is None:
            opened = open_session(self.client, self._settings, self._screen)
            self._chat = await self._kept.enter_async_context(opened)
        return self._chat


def _to_keep(response: Response) -> Message:
    """The answer as history: whole if it is, else its text alone, for nobody here answers a tool call."""
    is_whole = response.finish_reason is not None and not response.tool_calls
    return response.message if is_whole else Message("assistant", response.text)


def _read(screen: Screen) -> str | None:
    """The next line, empty after Ctrl-C; None at the end of the input."""
    try:
        return input(PROMPT).strip()
    except EOFError:
        screen.out.write_now("\n")
        return None
    except KeyboardInterrupt:
        screen.out.write_now("\n")
        return ""
    except UnicodeDecodeError:
        screen.fail("that was not UTF-8 text")
        return ""
