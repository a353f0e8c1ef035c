"""Ask a provider which models it has."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError, TotalTimeout
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire
from exllm.transport.http import HttpCall, HttpTransport, map_read_error, read_error_body, scrub
from exllm.types.model import ModelEntry

_CONTEXT_FIELDS = ("context_window", "context_length", "max_context_length", "max_model_len")


MODEL_LIST_S = 30.0
"""Time limit of a model list, in seconds."""


async def fetch_models(transport: HttpTransport, call: HttpCall, spec: ProviderSpec, wire: Wire) -> list[ModelEntry]:
    """All models of `spec`, sorted by id. Raises the same errors as a chat."""
    try:
        async with asyncio.timeout(MODEL_LIST_S):
            body = await _fetch(transport, call, spec, wire)
    except ExLLMError:
        raise
    except TimeoutError as error:
        raise TotalTimeout(f"{spec.label} sent no model list within {MODEL_LIST_S:g} s", provider=spec.name) from error
    try:
        listing = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"{spec.label} sent a model list that is not JSON", provider=spec.name) from error
    rows = listing.get("data", listing.get("models")) if isinstance(listing, dict) else listing
    if not isinstance(rows, list):
        raise ProtocolError(f"{spec.label} sent a model list of an unknown shape", provider=spec.name)
    entries = [_entry(row, spec.name) for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
    return sorted(entries, key=lambda entry: entry.id)


async def _fetch(transport: HttpTransport, call: HttpCall, spec: ProviderSpec, wire: Wire) -> bytes:
    response = await transport.send(call)
    try:
        if response.status >= 400:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = await read_error_body(response)
            raise scrub(wire.parse_error(response.status, headers, body, spec), call.secrets)
        try:
            return await response.read()
        except Exception as error:
            raise map_read_error(error, call.url) from error
    finally:
        response.close()


def _entry(row: dict[str, Any], provider: str) -> ModelEntry:
    window = next((row[name] for name in _CONTEXT_FIELDS if isinstance(row.get(name), int)), None)
    return ModelEntry(
        provider,
        row["id"],
        row.get("display_name") or row.get("name"),
        _unix_time(row.get("created", row.get("created_at"))),
        row.get("owned_by"),
        window,
        row,
    )


def _unix_time(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp())
        except ValueError:
            return None
    return int(value) if isinstance(value, int | float) else None
