"""What the local provider needs of a loaded model. `LlamaEngine` is one; tests have another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from exllm.local.prompt import ChatFormat
from exllm.local.settings import LoadOptions, Sampling


class Aborted(Exception):
    """`Engine.abort` was called while the engine was at work, or before it began."""


class Engine(Protocol):
    """A model in memory with one line of thought. All methods block.

    `begin` and `next_token` are for one thread at a time; `tokenize`, `piece`, `is_end` and `abort` for any.
    """

    context_tokens: int
    """Most tokens that prompt and answer may have together."""

    def chat_format(self, template: str | None, name: str | None) -> ChatFormat:
        """How conversations are written down: by llama-cpp-python's `name`, `template`, or the model's own way.

        Raises: InvalidRequest for an unknown name, or a template with an error in it.
        """

    def tokenize(self, text: str, *, add_bos: bool = False, special: bool = False) -> list[int]:
        """The tokens of `text`. With `special`, the names of control tokens in it become those tokens."""

    def begin(self, prompt: Sequence[int], sampling: Sampling) -> int:
        """Evaluate a prompt, shorter than the context; return how many of its tokens an earlier one had left behind.

        Raises: Aborted; InvalidRequest for a grammar or a bias that cannot be used; ServerError.
        """

    def next_token(self) -> int:
        """Choose the next token. Raises: Aborted; ServerError when no token is allowed any more."""

    def log_probabilities(self, token: int, most: int) -> tuple[float, list[tuple[int, float]]]:
        """Natural logarithms, before any sampling option: of the token just chosen, and of the `most` likeliest."""

    def is_end(self, token: int) -> bool:
        """Whether `token` ends the answer."""

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes that `token` stands for, perhaps a part of a character; control tokens have some with `special`."""

    def abort(self) -> None:
        """Make `begin` or `next_token`, now or later, raise Aborted as soon as it can."""

    def clear_abort(self) -> None:
        """Take `abort` back, before the next answer."""

    def close(self) -> None:
        """Free the memory. Nothing else may be called afterwards. Idempotent."""


class EmbeddingEngine(Engine, Protocol):
    """An engine that was opened with ``LoadOptions.embedding``: it embeds texts, and nothing else."""

    def embed(self, tokens: Sequence[int]) -> list[float]:
        """The vector of a text, not normalised. Blocks. Raises: Aborted; ServerError.

        `tokens`, those that the model puts around a text included, are at most `context_tokens`.
        """


OpenEngine = Callable[[Path, LoadOptions, Callable[[], bool]], Engine]
"""Loads a model file; stops and raises `Aborted` when the last argument says True."""
