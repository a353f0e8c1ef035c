"""Exact token counts, by the model's own vocabulary and template."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from exllm.errors import UnsupportedOption
from exllm.local.engine import Engine
from exllm.local.loader import Loader
from exllm.local.planning import encode
from exllm.local.process_loader import default_loader
from exllm.local.prompt import template_tools
from exllm.local.settings import LoadOptions
from exllm.types.message import Message
from exllm.types.normalise import Messages, normalise_messages


async def count_tokens(
    model: str,
    content: Messages,
    *,
    tools: Sequence[Any] = (),
    chat_template: str | None = None,
    chat_format: str | None = None,
    loader: Loader | None = None,
) -> int:
    """How many tokens `content` is for a local model.

    A string is counted as it is. Messages are counted as a call would send them, with the template's own tokens and the
    `tools`: the ``usage.input_tokens`` of that call. A model that is not in memory is not loaded for it, but for its
    vocabulary.

    Raises: NotFound, InvalidRequest, UnsupportedOption, MissingExtra.
    """
    loader = loader or default_loader()
    messages = None if isinstance(content, str) else normalise_messages(content)

    def count(engine: Engine) -> int:
        if messages is None:
            return len(engine.tokenize(str(content)))
        return _count_messages(engine, model, messages, tools, (chat_template, chat_format))

    loaded = await loader.acquire_loaded(model)
    if loaded is not None:
        try:
            assert loaded.engine is not None
            return await asyncio.to_thread(count, loaded.engine)
        finally:
            loader.release(loaded)
    file = await loader.find(model)

    def count_and_close() -> int:
        from exllm.local.llama_engine import LlamaEngine

        engine = LlamaEngine(file.path, LoadOptions(), vocabulary_only=True)
        try:
            return count(engine)
        finally:
            engine.close()

    return await asyncio.to_thread(count_and_close)


def _count_messages(
    engine: Engine, model: str, messages: Sequence[Message], tools: Sequence[Any], asked: tuple[str | None, str | None]
) -> int:
    style = engine.chat_format(*asked)
    if tools and style.call_style is None:
        raise UnsupportedOption(f"the chat template of {model} knows no tools", provider="local", model=model)
    tokens, _ = encode(engine, style, messages, template_tools(tools))
    return len(tokens)
