"""Counting with tiktoken, OpenAI's tokenizer, where it is installed and has its data already. Nothing is downloaded.

Source of what is put around messages: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import math
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from exllm.context.estimate import Estimator
from exllm.context.families import family_of
from exllm.types.message import Message
from exllm.types.parts import Text
from exllm.types.token_count import TokenCount
from exllm.types.tool import ServerTool, Tool

_HOME = "https://openaipublic.blob.core.windows.net/encodings/"
# Which vocabulary a model has, by the start of its name, and how many tokens begin the answer; the first that fits. The
# models that think have one less than the cookbook says: all recorded calls agree.
_MODELS = (
    ("gpt-4o", "o200k_base", 3),
    ("gpt-4.", "o200k_base", 3),
    ("gpt-5", "o200k_base", 2),
    ("chatgpt-4o", "o200k_base", 3),
    ("o1", "o200k_base", 2),
    ("o3", "o200k_base", 2),
    ("o4", "o200k_base", 2),
    ("gpt-4", "cl100k_base", 3),
    ("gpt-3.5", "cl100k_base", 3),
    ("gpt-35", "cl100k_base", 3),
)
_A_MESSAGE = 3
_A_NAME = 1


def tokenizer_for(model: str) -> Callable[[str], int] | None:
    """Counts the tokens of a text for `model`; None where nothing here knows its vocabulary."""
    known = _facts(model)
    return None if known is None else _load(known[0], _data_folder())


def _facts(model: str) -> tuple[str, int] | None:
    """Vocabulary, and the tokens that begin an answer."""
    if family_of(model).name != "openai":
        return None
    name = model.lower().rpartition("/")[2]
    return next(((vocabulary, begun) for start, vocabulary, begun in _MODELS if name.startswith(start)), None)


def count_with_tokenizer(
    model: str, messages: Iterable[Message], tools: Iterable[Tool | ServerTool]
) -> TokenCount | None:
    """The tokens of messages with tiktoken; None where it cannot.

    Exact for text. What tools, calls and images take is estimated, with the band of the estimates.
    """
    known, count = _facts(model), tokenizer_for(model)
    if known is None or count is None:
        return None
    exact, rest = known[1], 0.0
    tools = tuple(tools)
    estimator = Estimator(model, tools)
    if tools:
        rest += estimator.base - estimator.family.request
    plain = Estimator(model)
    for message in messages:
        exact += _A_MESSAGE + count(message.role)
        if message.name:
            exact += _A_NAME + count(message.name)
        texts = [part.text for part in message.parts if type(part) is Text]
        exact += count("".join(texts))
        others = tuple(part for part in message.parts if type(part) is not Text)
        if others:
            rest += plain.message(Message(message.role, others)) - plain.family.message
    uncounted = tuple({**estimator.uncounted, **plain.uncounted})
    tokens = exact + round(rest)
    if not rest:
        return TokenCount(tokens, "tokenizer", tokens, tokens, uncounted)
    off = rest * estimator.family.relative + estimator.margin
    return TokenCount(tokens, "tokenizer", max(exact, math.floor(tokens - off)), math.ceil(tokens + off), uncounted)


def _data_folder() -> Path:
    """Where tiktoken keeps its data, as it looks for it itself."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable])
    return Path(tempfile.gettempdir()) / "data-gym-cache"


@functools.lru_cache(maxsize=8)
def _load(vocabulary: str, folder: Path) -> Callable[[str], int] | None:
    key = hashlib.sha1(f"{_HOME}{vocabulary}.tiktoken".encode(), usedforsecurity=False).hexdigest()
    if importlib.util.find_spec("tiktoken") is None or not (folder / key).is_file():
        return None
    tiktoken: Any = importlib.import_module("tiktoken")
    encoding = tiktoken.get_encoding(vocabulary)

    def count(text: str) -> int:
        return len(encoding.encode_ordinary(text))

    return count
