"""An `Engine` without llama.cpp: its tokens are the bytes of its text, and its answer is scripted."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exllm.local.engine import Aborted
from exllm.local.prompt import CallStyle, Prompt
from exllm.local.settings import LoadOptions, Sampling

END = 256
LONG = [b"word "]


class PlainFormat:
    """One line per message."""

    argument_key = "arguments"

    def __init__(self, call_style: CallStyle | None = None) -> None:
        self.call_style = call_style

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Prompt:
        lines = [f"[{tool['function']['name']}]\n" for tool in tools]
        return Prompt("".join([*lines, *(f"{message['role']}: {message['content']}\n" for message in messages)]))


class FakeEngine:
    """Answers with `pieces`, over and over if `is_endless`; each piece is one token.

    `step`, when given, is called before each token, in the generating thread.
    """

    def __init__(
        self,
        pieces: Sequence[bytes] = (b"Good", b" day", b"."),
        *,
        is_endless: bool = False,
        context_tokens: int = 100_000,
        call_style: CallStyle | None = None,
        step: Callable[[], None] | None = None,
    ) -> None:
        self.context_tokens = context_tokens
        self.pieces = list(pieces)
        self.is_endless = is_endless
        self.step = step
        self.generated = 0  # tokens, over all answers
        self.prompts: list[str] = []
        self.samplings: list[Sampling] = []
        self.is_closed = False
        self.used_after_close = False
        self._format = PlainFormat(call_style)
        self._position = 0
        self._aborted = threading.Event()
        self._at_work = threading.Lock()

    def chat_format(self, template: str | None, name: str | None) -> PlainFormat:
        return self._format

    def tokenize(self, text: str, *, add_bos: bool = False, special: bool = False) -> list[int]:
        return list(text.encode())

    def begin(self, prompt: Sequence[int], sampling: Sampling) -> int:
        assert not self.is_closed
        self._check()
        self.prompts.append(bytes(prompt).decode())
        self.samplings.append(sampling)
        self._position = 0
        return 0

    def next_token(self) -> int:
        assert self._at_work.acquire(blocking=False), "two threads use one engine"
        try:
            self._check()
            if self.step is not None:
                self.step()
            self._check()
            if self._position == len(self.pieces):
                if not self.is_endless:
                    return END
                self._position = 0
            self._position += 1
            self.generated += 1
            return self._position - 1
        finally:
            self._at_work.release()

    def embed(self, tokens: Sequence[int]) -> list[float]:
        """How often each of the bytes a, b and c is there."""
        assert self._at_work.acquire(blocking=False), "two threads use one engine"
        try:
            self._check()
            if self.step is not None:
                self.step()
            self._check()
            self.generated += 1
            return [float(list(tokens).count(byte)) for byte in b"abc"]
        finally:
            self._at_work.release()

    def log_probabilities(self, token: int, most: int) -> tuple[float, list[tuple[int, float]]]:
        return -0.5, [(token, -0.5)][:most]

    def is_end(self, token: int) -> bool:
        return token == END

    def piece(self, token: int, *, special: bool = False) -> bytes:
        return self.pieces[token]

    def wait_for_abort(self) -> None:
        """For `step`: a token that takes for ever, unless somebody gives up on it."""
        assert self._aborted.wait(10), "nobody aborted"

    def abort(self) -> None:
        self._aborted.set()

    def clear_abort(self) -> None:
        self._aborted.clear()

    def close(self) -> None:
        self.is_closed = True

    def _check(self) -> None:
        self.used_after_close = self.used_after_close or self.is_closed
        if self._aborted.is_set():
            raise Aborted


class Shelf:
    """A folder of model files that are nothing but headers, and the engines that were opened for them."""

    def __init__(self, folder: Path, make: Callable[[str], FakeEngine] | None = None) -> None:
        self.folder = folder
        self.opened: list[str] = []
        self.options: list[LoadOptions] = []
        self.engines: dict[str, FakeEngine] = {}
        self.before_open: Callable[[str, Callable[[], bool]], None] | None = None
        self._make = make or (lambda _name: FakeEngine())

    def add(self, name: str, size_bytes: int = 1000, metadata: Mapping[str, int | str] | None = None) -> Path:
        path = self.folder / f"{name}.gguf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gguf(metadata or {}).ljust(size_bytes, b"\0"))
        return path

    def open(self, path: Path, options: LoadOptions, should_stop: Callable[[], bool]) -> FakeEngine:
        self.opened.append(path.stem)
        self.options.append(options)
        if self.before_open is not None:
            self.before_open(path.stem, should_stop)
        engine = self.engines[path.stem] = self._make(path.stem)
        return engine


def gguf(metadata: Mapping[str, Any]) -> bytes:
    """A GGUF file of version 3 without tensors. Values: text, whole numbers, lists of either."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def entry(value: Any) -> tuple[int, bytes]:
        if isinstance(value, str):
            return 8, text(value)
        if isinstance(value, bool):
            return 7, struct.pack("<?", value)
        if isinstance(value, int):
            return 4, struct.pack("<I", value)
        items = [entry(item) for item in value]
        return 9, struct.pack("<IQ", items[0][0], len(items)) + b"".join(data for _, data in items)

    body = b""
    for key, value in metadata.items():
        kind, data = entry(value)
        body += text(key) + struct.pack("<I", kind) + data
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata)) + body


Serve = Callable[..., FakeEngine]
"""Puts an engine behind ``local/a``, or ``local/<name>``; gives it back."""
