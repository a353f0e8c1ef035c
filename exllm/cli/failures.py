"""Running a command's work, and what its failures look like: an exit code and a line, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from exllm.cli.screen import Screen
from exllm.errors import (
    AuthenticationError,
    ConfigurationError,
    ExLLMError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    StreamInterrupted,
)

LOCAL = "local"
FAILED, INTERRUPTED, BROKEN_PIPE = 1, 130, 141  # the last two as a shell reports SIGINT and SIGPIPE


def run(work: Callable[[], int], screen: Screen) -> int:
    """The exit code of `work`, or of how it failed; the failure is told."""
    try:
        return work()
    except KeyboardInterrupt:
        finish_line(screen)
        return INTERRUPTED
    except BrokenPipeError:
        return broken_pipe()
    except ExLLMError as error:
        report(error, screen)
        return FAILED
    except OSError as error:  # our own outputs: what fails on the network has left as an ExLLMError
        screen.fail(f"cannot write the output: {error.strerror or error}")
        return FAILED


def report(error: ExLLMError, screen: Screen) -> None:
    """Say what went wrong and what to do about it."""
    screen.fail(str(error))
    if hint := _hint(error):
        screen.say(f"hint: {hint}")


def finish_line(screen: Screen) -> None:
    """Let the shell's prompt begin on a line of its own."""
    if screen.out.is_terminal:
        screen.out.write_now(screen.out.end_line())


def broken_pipe() -> int:
    """The reader of stdout has gone (``exllm chat ... | head -1``): not a failure worth a word."""
    # What Python still holds back for stdout would fail again at its exit.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _hint(error: ExLLMError) -> str | None:
    provider = error.provider
    match error:
        case AuthenticationError() | PermissionDenied():
            variable = _key_variable(provider)
            return f"check the key in {variable}" if variable else "check the key"
        case QuotaExceeded():
            return "the account has nothing left; another provider may: exllm providers"
        case NotFound() if provider and provider != LOCAL:  # the local one's message says where it looked
            return f"exllm models {provider} lists what there is"
        case StreamInterrupted() if error.partial is not None and error.partial.text:
            return "what had arrived is kept above; asking again may help"
        case ExLLMError(retry_after_s=float() | int() as wait_s):
            return f"try again in {wait_s:g} s"
        case ExLLMError(retryable=True):
            return "this may pass; try again"
    return None


def _key_variable(provider: str | None) -> str | None:
    from exllm.providers import registry
    from exllm.providers.spec import ProviderSpec

    try:
        spec = registry.get(provider) if provider else None
    except ConfigurationError:
        return None
    return spec.api_key_env[0] if isinstance(spec, ProviderSpec) and spec.api_key_env else None
