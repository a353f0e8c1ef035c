"""Ask a provider which models it has."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from exllm.errors import ExLLMError, ProtocolError, TotalTimeout
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.providers.model_rows import ModelPage, read_page
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire
from exllm.transport.http import HttpCall, HttpTransport
from exllm.transport.whole_body import fetch_body
from exllm.types.model import ModelEntry

MODEL_LIST_S = 30.0
"""Time limit of a model list, all its pages together, in seconds."""

MOST_PAGES = 100


async def fetch_models(
    transport: HttpTransport, call: HttpCall, more: str | None, spec: ProviderSpec, wire: Wire, retry: RetryPolicy
) -> list[ModelEntry]:
    """All models of `spec`, sorted by id. `call` asks for the first page; each is asked for again as `retry` says.

    `more` is the URL of a second list, None where there is one alone.

    Raises: the same errors as a chat.
    """
    entries: dict[str, ModelEntry] = {}
    try:
        async with asyncio.timeout(MODEL_LIST_S):
            for first in filter(None, (call.url, more)):
                await _add_list(entries, transport, msgspec.structs.replace(call, url=first), spec, wire, retry)
            return [entries[id] for id in sorted(entries)]
    except ExLLMError:
        raise
    except TimeoutError as error:
        raise TotalTimeout(f"{spec.label} sent no model list within {MODEL_LIST_S:g} s", provider=spec.name) from error


async def _add_list(
    entries: dict[str, ModelEntry],
    transport: HttpTransport,
    call: HttpCall,
    spec: ProviderSpec,
    wire: Wire,
    retry: RetryPolicy,
) -> None:
    """Add all pages of one list to `entries`. Raises `ProtocolError` for one that does not end."""
    url = call.url
    for _ in range(MOST_PAGES):
        page = await _fetch_page(transport, msgspec.structs.replace(call, url=url), spec, wire, retry)
        for entry in page.entries:
            entries.setdefault(entry.id, entry)
        following = _with_query(call.url, page.next) if page.next else url
        if following == url:
            return
        url = following
    raise ProtocolError(f"the model list of {spec.label} does not end after {MOST_PAGES} pages", provider=spec.name)


async def _fetch_page(
    transport: HttpTransport, call: HttpCall, spec: ProviderSpec, wire: Wire, retry: RetryPolicy
) -> ModelPage:
    schedule = RetrySchedule(retry)
    while True:
        try:
            answer = await fetch_body(transport, call, spec, wire)
            return read_page(answer.body, spec)
        except ExLLMError as error:
            error.provider = error.provider or spec.name
            wait_s = schedule.wait_s(error, MODEL_LIST_S)
            if wait_s is None:
                raise
        await asyncio.sleep(wait_s)


def _with_query(url: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **parameters}
    return urlunsplit(parts._replace(query=urlencode(query)))
