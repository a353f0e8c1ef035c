"""`exllm models`: what can be called, what it can do and what it costs."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence

import msgspec
from rich.console import Console

from exllm.cli.failures import FAILED, LOCAL, report, run
from exllm.cli.listing import can_load_models, print_json, print_table
from exllm.cli.model_filters import Filters, is_deprecated
from exllm.cli.screen import Screen
from exllm.errors import ExLLMError
from exllm.providers import registry
from exllm.types.model import ModelEntry

COLUMNS = ("model", "context", "output", "$/M in", "$/M out", "can", "note")
FIGURES = frozenset({"context", "output", "$/M in", "$/M out"})
OPTIONAL = ("note", "can")
STYLES = {"model": "cyan", "$/M in": "green", "$/M out": "green", "can": "dim", "note": "yellow"}

# The telling ones; `--feature` takes the same words.
SHORT = {
    "function_calling": "tools", "vision": "vision", "pdf_input": "pdf", "audio_input": "audio",
    "video_input": "video", "reasoning": "reasoning", "structured_output": "json", "web_search": "search",
    "prompt_caching": "caching",
}  # fmt: skip


class Found(msgspec.Struct, frozen=True):
    """The models that were found, and what kept others from being asked for."""

    entries: list[ModelEntry]
    failures: list[ExLLMError] = []


def show_models(providers: Sequence[str], filters: Filters, from_catalog: bool, as_json: bool) -> int:
    """Print the models of `providers`, or of all services whose key is set and the local ones; gives the exit code."""
    screen = Screen()
    return run(lambda: _show_models(providers, filters, from_catalog, as_json, screen), screen)


def _show_models(providers: Sequence[str], filters: Filters, from_catalog: bool, as_json: bool, screen: Screen) -> int:
    found = find(providers, filters, from_catalog, screen)
    entries, failures = found.entries, found.failures
    if not entries and not failures:
        screen.say(f"{', '.join(providers) + ': ' if providers else ''}no models")
    code = 0
    if entries or not failures:
        today = _today()
        code = (
            print_json(screen, [_without_raw(entry) for entry in entries])
            if as_json
            else print_table(
                screen,
                COLUMNS,
                [_row(entry, today) for entry in entries],
                figures=FIGURES,
                styles=STYLES,
                optional=OPTIONAL,
            )
        )
    for failure in failures:
        report(failure, screen)
    return FAILED if failures else code


def find(providers: Sequence[str], filters: Filters, from_catalog: bool, screen: Screen) -> Found:
    """The models that meet `filters`: what the services themselves list, or the catalog's.

    Where no provider is named and no service has a key, the catalog answers for the services.

    Raises: ConfigurationError for unknown words and providers.
    """
    from exllm.model_catalog.entries import list_entries
    from exllm.model_catalog.models import runnable_providers

    checked = filters.checked()
    if from_catalog:
        known = list_entries(providers or runnable_providers())
        return Found(checked.of(known, _today()))
    names = [registry.parse_model(provider)[0] for provider in providers] or _listable()
    found = asyncio.run(_ask(names)) if names else Found([])
    entries = found.entries
    if not providers and set(names) <= {LOCAL}:
        screen.say("no provider's key is set; this is from the model catalog")
        entries = [*entries, *list_entries(runnable_providers() - {LOCAL})]
    return Found(checked.of(entries, _today()), found.failures)


async def _ask(names: Sequence[str]) -> Found:
    from exllm.client import Client

    async with Client() as client:
        with Console(stderr=True).status(f"asking {', '.join(names)} ..."):
            answers = await asyncio.gather(
                *(client.list_models(name, kinds=None) for name in dict.fromkeys(names)), return_exceptions=True
            )
    found = Found([], [])
    for answer in answers:
        if isinstance(answer, ExLLMError):
            found.failures.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found.entries.extend(answer)
    return found


def _listable() -> list[str]:
    """The providers that would answer: those whose key is set, and the local models if they can be loaded.

    Each service once, under the first of its names: ``openai-responses`` would list the models of ``openai`` again.
    """
    from exllm.model_catalog.store import current

    catalog = current()
    services: dict[str, str] = {}
    for info in registry.list_providers():
        if info.requires_key and registry.configured(info.name):
            services.setdefault(catalog.name_of(info.name) or info.name, info.name)
    return [*([LOCAL] if can_load_models() else []), *services.values()]


def _row(entry: ModelEntry, today: str) -> tuple[str, ...]:
    can = [kind for kind in entry.kinds if kind != "chat"]
    can += [short for capability, short in SHORT.items() if capability in entry.capabilities]
    is_free = entry.input_usd_per_mtok == 0 and not entry.output_usd_per_mtok
    return (
        f"{entry.provider}/{entry.id}",
        _count(entry.context_window),
        _count(entry.max_output_tokens),
        "free" if is_free else _price(entry.input_usd_per_mtok),
        "free" if is_free else _price(entry.output_usd_per_mtok),
        " ".join(can) or "-",
        _note(entry, today) or "-",
    )


def _note(entry: ModelEntry, today: str) -> str | None:
    if is_deprecated(entry, today):
        return "deprecated"
    return f"ends {entry.deprecation_date}" if entry.deprecation_date else entry.status


def _count(value: int | None) -> str:
    return f"{value:,}" if value else "-"


def _price(usd: float | None) -> str:
    return "-" if usd is None else f"{usd:.6g}"


def _without_raw(entry: ModelEntry) -> dict[str, object]:
    fields = msgspec.structs.asdict(entry)
    del fields["raw"]
    return {"model": f"{entry.provider}/{entry.id}", **fields}


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
