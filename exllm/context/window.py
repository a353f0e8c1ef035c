"""A model's window, and whether messages fit in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.context.estimate import estimate_tokens
from exllm.errors import ConfigurationError, ContextLengthExceeded
from exllm.model_catalog.models import model_info
from exllm.model_catalog.schema import ModelInfo
from exllm.types.normalise import Messages
from exllm.types.token_count import TokenCount


class ContextStats(msgspec.Struct, frozen=True):
    """How full a model's window would be.

    Attributes:
        window: most tokens of input and answer together; None for a model that the catalog does not know.
        input: the tokens of messages and tools, see `TokenCount`.
        reserved: tokens kept for the answer.
        left: what is still free, by the estimate; negative where it is too much. None where the window is not known.
        used: share of the window that messages, tools and answer take. None where it is not known.
        fits: True or False where that is sure, within the estimate's band; None where it is not.
    """

    window: int | None
    input: TokenCount
    reserved: int
    left: int | None
    used: float | None
    fits: bool | None


def context_window(model: str) -> int | None:
    """The most tokens that one call of ``"provider/model"`` may have, by the model catalog; None where not known.

    Input and answer together, for the providers that count so; where the catalog knows only a limit of the input, that.

    Raises: ConfigurationError for an unknown provider.
    """
    info = _info(model)
    return None if info is None else info.context_window or info.max_input_tokens


def context_stats(
    model: str, messages: Messages, *, max_output_tokens: int = 0, tools: Sequence[Any] | None = None
) -> ContextStats:
    """How full the window would be, with `max_output_tokens` kept for the answer.

    Raises: ConfigurationError, TypeError, InvalidRequest for arguments that are none.
    """
    return stats_of(model, estimate_tokens(model, messages, tools=tools), max_output_tokens)


def stats_of(model: str, count: TokenCount, max_output_tokens: int = 0) -> ContextStats:
    """The same for a count that is known, from `Client.count_tokens` perhaps."""
    if max_output_tokens < 0:
        raise ValueError(f"max_output_tokens must not be negative, got {max_output_tokens!r}")
    window, most_input = context_window(model), _most_input(model)
    if window is None:
        return ContextStats(None, count, max_output_tokens, None, None, None)
    total = count.tokens + max_output_tokens
    fits: bool | None = None
    if count.low + max_output_tokens > window or (most_input is not None and count.low > most_input):
        fits = False
    elif (
        count.high + max_output_tokens <= window
        and (most_input is None or count.high <= most_input)
        and not count.uncounted
    ):
        fits = True
    return ContextStats(window, count, max_output_tokens, window - total, total / window, fits)


def validate_context(
    model: str, messages: Messages, *, max_output_tokens: int = 0, tools: Sequence[Any] | None = None
) -> ContextStats:
    """Refuse, without asking the provider, what cannot fit in the model's window.

    A call that is refused is too long even if the estimate is as much too high as it may be; one that passes may still
    be too long, and `ContextStats.fits` is then None.

    Raises: ContextLengthExceeded; what `context_stats` raises.
    """
    return check(model, context_stats(model, messages, max_output_tokens=max_output_tokens, tools=tools))


def check(model: str, stats: ContextStats) -> ContextStats:
    """`stats`, or ContextLengthExceeded where they say that it cannot fit."""
    if stats.fits is False:
        provider, _, name = model.partition("/")
        about = "" if stats.input.is_exact else "about "
        raise ContextLengthExceeded(
            f"the messages have {about}{stats.input.tokens:,} tokens"
            + (f" and the answer may have {stats.reserved:,}" if stats.reserved else "")
            + f"; the window of {name or model} holds {stats.window:,}. Leave something out, with "
            f"exllm.context.fit_messages for example",
            provider=provider,
            model=name or None,
        )
    return stats


def _most_input(model: str) -> int | None:
    info = _info(model)
    return None if info is None else info.max_input_tokens


def reserve_for(model: str) -> int:
    """Tokens to keep for an answer whose limit nobody set: the longest one, at most a quarter of the window."""
    window, info = context_window(model), _info(model)
    if window is None:
        return 0
    longest = info.max_output_tokens if info is not None else None
    return min(longest or window, window // 4)


def _info(model: str) -> ModelInfo | None:
    if not isinstance(model, str):
        raise TypeError(f"a model is written 'provider/model', got {model!r}; a number of tokens is max_tokens=")
    if not model.partition("/")[2]:
        raise ConfigurationError(f"{model!r} names no model; a window is of a 'provider/model'")
    return model_info(model)
