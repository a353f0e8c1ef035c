"""`exllm.chat`, `exllm.stream`, `exllm.run`, `exllm.embed`, ...: calls without a client of one's own."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from exllm.call import Timeout
from exllm.client import Client
from exllm.policies.budget import BudgetArgument
from exllm.streaming.stream import Stream
from exllm.types.embedding import EmbeddingResponse
from exllm.types.normalise import Messages
from exllm.types.options import OptionArguments
from exllm.types.response import Response
from exllm.types.token_count import TokenCount

if TYPE_CHECKING:
    from exllm.recovery.settings import RecoverArgument
    from exllm.tools.run_stream import RunStream
    from exllm.tools.settings import RunArguments
    from exllm.types.run import Run

_client: Client | None = None
_guard = threading.Lock()  # event loops of several threads may ask first


def default_client() -> Client:
    """The client behind the module-level calls: keys from the environment, one session per event loop.

    Its connections close with their event loop, so nobody needs to close it.
    """
    global _client
    if _client is None:
        with _guard:
            if _client is None:
                _client = Client()
    return _client


async def chat(
    model: str,
    messages: Messages,
    *,
    timeout: Timeout = None,
    budget: BudgetArgument = None,
    extra: Mapping[str, Any] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    include_raw: bool = False,
    **options: Unpack[OptionArguments],
) -> Response:
    """`Client.chat` on the default client."""
    return await default_client().chat(
        model, messages, timeout=timeout, budget=budget, extra=extra, api_key=api_key, base_url=base_url,
        include_raw=include_raw, **options,
    )  # fmt: skip


def stream(
    model: str,
    messages: Messages,
    *,
    timeout: Timeout = None,
    budget: BudgetArgument = None,
    extra: Mapping[str, Any] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    accumulate: bool = True,
    include_raw: bool = False,
    recover: RecoverArgument = None,
    **options: Unpack[OptionArguments],
) -> Stream:
    """`Client.stream` on the default client."""
    return default_client().stream(
        model, messages, timeout=timeout, budget=budget, extra=extra, api_key=api_key, base_url=base_url,
        accumulate=accumulate, include_raw=include_raw, recover=recover, **options,
    )  # fmt: skip


def stream_run(model: str | Run, messages: Messages | None = None, **arguments: Unpack[RunArguments]) -> RunStream:
    """`Client.stream_run` on the default client."""
    return default_client().stream_run(model, messages, **arguments)


async def run(model: str | Run, messages: Messages | None = None, **arguments: Unpack[RunArguments]) -> Run:
    """`Client.run` on the default client."""
    return await default_client().run(model, messages, **arguments)


async def embed(
    model: str,
    inputs: str | Sequence[str],
    *,
    dimensions: int | None = None,
    encoding_format: str | None = None,
    task_type: str | None = None,
    timeout: Timeout = None,
    budget: BudgetArgument = None,
    extra: Mapping[str, Any] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
) -> EmbeddingResponse:
    """`Client.embed` on the default client."""
    return await default_client().embed(
        model, inputs, dimensions=dimensions, encoding_format=encoding_format, task_type=task_type, timeout=timeout,
        budget=budget, extra=extra, api_key=api_key, base_url=base_url,
    )  # fmt: skip


async def count_tokens(
    model: str,
    messages: Messages,
    *,
    local: bool = False,
    fallback: bool = False,
    timeout: Timeout = None,
    extra: Mapping[str, Any] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    **options: Unpack[OptionArguments],
) -> TokenCount:
    """`Client.count_tokens` on the default client."""
    return await default_client().count_tokens(
        model, messages, local=local, fallback=fallback, timeout=timeout, extra=extra, api_key=api_key,
        base_url=base_url, **options,
    )  # fmt: skip
