"""`Client.count_tokens`: the surest way to a number of tokens that there is for a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from exllm.access import Access
from exllm.call import Call
from exllm.context.estimate import Estimator
from exllm.context.tokenizer import count_with_tokenizer
from exllm.context.window import validate_context
from exllm.errors import ExLLMError, TotalTimeout
from exllm.policies.retry import RetrySchedule
from exllm.providers.provider import CountsTokens
from exllm.providers.spec import ProviderSpec
from exllm.providers.token_counting import build_count, can_count, decode_count
from exllm.transport.http import USER_AGENT, HttpCall, HttpTransport
from exllm.transport.whole_body import fetch_body
from exllm.types.normalise import load_media
from exllm.types.request import Request
from exllm.types.token_count import TokenCount

COUNT_S = 30.0
"""Time limit of a count where the call sets none, in seconds."""


async def with_media(call: Call) -> Call:
    """`call` with the bytes of its files in it, whose sizes count."""
    if not call.has_paths:
        return call
    messages = await asyncio.to_thread(load_media, call.request.messages)
    return msgspec.structs.replace(
        call, request=msgspec.structs.replace(call.request, messages=messages), has_paths=False
    )


async def count_alone(call: Call, *, estimate_only: bool = False, reason: str | None = None) -> TokenCount:
    """The tokens of `call` without any provider: by a tokenizer that is here, else by the estimate."""
    request = call.request
    name, tools = f"{request.provider}/{request.model}", request.options.tools or ()
    if not estimate_only:
        # Reading a vocabulary takes a second, the first time.
        counted = await asyncio.to_thread(count_with_tokenizer, name, request.messages, tools)
        if counted is not None:
            return counted
    estimate = Estimator(name, tools).count(request.messages)
    return msgspec.structs.replace(estimate, reason=reason)


def asks_provider(call: Call) -> bool:
    """Whether the provider of `call` counts tokens over HTTP."""
    return isinstance(call.backend, ProviderSpec) and can_count(call.request, call.backend)


async def count_over_http(transport: HttpTransport, call: Call, way: Access) -> TokenCount:
    """Ask the provider's own endpoint. Raises what a chat raises."""
    spec, request, wire = call.backend, call.request, call.wire
    assert isinstance(spec, ProviderSpec)
    assert wire is not None
    http = build_count(request, way.spec, wire)
    headers = {
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": USER_AGENT,
        **way.headers,
        **http.headers,
    }
    sent = HttpCall(
        way.base_url + http.path, http.body, headers, http.method, request.timeouts.connect, way.secret, way.signer
    )
    limit_s = min(COUNT_S, request.timeouts.total or COUNT_S)
    clock, schedule = asyncio.get_running_loop().time, RetrySchedule(call.retry)
    deadline = clock() + limit_s
    try:
        async with asyncio.timeout(limit_s) as limit:
            while True:
                try:
                    answer = await fetch_body(transport, sent, spec, wire)
                    tokens = decode_count(answer.body, request, spec)
                    return TokenCount(tokens, "provider", tokens, tokens)
                except ExLLMError as error:
                    wait_s = schedule.wait_s(error, deadline - clock())
                    if wait_s is None:
                        raise
                await asyncio.sleep(wait_s)
    except ExLLMError as error:
        error.provider = error.provider or request.provider
        error.model = error.model or request.model
        raise
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TotalTimeout(
            f"{spec.label} sent no number of tokens within {limit_s:g} s",
            provider=request.provider,
            model=request.model,
        ) from error


async def count_in_process(call: Call) -> TokenCount | None:
    """Ask a backend in this process; None where it cannot count."""
    if not isinstance(call.backend, CountsTokens):
        return None
    tokens = await call.backend.count_tokens(call.request)
    return TokenCount(tokens, "local", tokens, tokens)


async def count_anyhow(
    transport: HttpTransport, call: Call, way: Callable[[], Access] | None, *, local: bool, fallback: bool
) -> TokenCount:
    """See `Client.count_tokens`. `way` is how to get to the provider, None where none is to be asked."""
    call = await with_media(call)
    if local:
        return await count_alone(call, estimate_only=True, reason="asked for without the provider")
    refused: ExLLMError | None = None
    try:
        if way is not None:
            return await count_over_http(transport, call, way())
        if (counted := await count_in_process(call)) is not None:
            return counted
    except ExLLMError as error:
        if not fallback:
            raise
        refused = error
    reason = f"{call.request.provider} has no way to count them before the call" if refused is None else str(refused)
    return await count_alone(call, reason=reason)


def check_context(request: Request) -> None:
    """Refuse what cannot fit in the model's window: see `exllm.context.validate_context`."""
    options = request.options
    validate_context(
        f"{request.provider}/{request.model}",
        request.messages,
        max_output_tokens=options.max_tokens or 0,
        tools=options.tools,
    )
