"""Tables of providers and models: drawn on a terminal, tab-separated in a pipe, JSON on request."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from exllm.cli.failures import FAILED, LOCAL, report, run
from exllm.cli.screen import Screen, printable
from exllm.errors import ExLLMError
from exllm.providers import registry
from exllm.providers.registry import ProviderInfo
from exllm.types.model import ModelEntry


def show_providers(as_json: bool) -> int:
    """Print all providers; returns the exit code. A key is never shown, only whether there is one."""
    screen = Screen()
    return run(lambda: _show_providers(as_json, screen), screen)


def _show_providers(as_json: bool, screen: Screen) -> int:
    rows = [(info, _access(info)) for info in registry.list_providers()]
    if as_json:
        return print_json(screen, [{**msgspec.structs.asdict(info), "access": access} for info, access in rows])
    return print_table(
        screen,
        ("provider", "name", "wire", "access", "default model"),
        [(info.name, info.label, info.wire or "-", access, info.default_model or "-") for info, access in rows],
        links=[info.docs or "-" for info, _ in rows],
    )


def show_models(provider: str | None, as_json: bool) -> int:
    """Print the models of `provider`, or of every service whose key is set and the local ones."""
    screen = Screen()
    return run(lambda: asyncio.run(_show_models(provider, as_json, screen)), screen)


async def _show_models(provider: str | None, as_json: bool, screen: Screen) -> int:
    from exllm.client import Client

    names = [registry.parse_model(provider)[0]] if provider else _listable()
    entries: list[ModelEntry] = []
    failures: list[ExLLMError] = []
    async with Client() as client:
        with Console(stderr=True).status(f"asking {', '.join(names)} ..."):
            answers = await asyncio.gather(*map(client.list_models, names), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, ExLLMError):
            failures.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            entries += answer
    code = 0
    if not entries and not failures:
        screen.say(f"{', '.join(names) or 'no provider'}: no models")
    if entries or not failures:
        code = (
            print_json(screen, [_without_raw(entry) for entry in entries])
            if as_json
            else print_table(screen, ("model", "name", "context", "owner"), [_row(entry) for entry in entries])
        )
    for failure in failures:
        report(failure, screen)
    return FAILED if failures else code


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
    return [*([LOCAL] if _can_load_models() else []), *services.values()]


def _access(info: ProviderInfo) -> str:
    """``ready``, or what is missing."""
    if info.name == LOCAL:
        return "ready" if _can_load_models() else 'needs pip install "exllm[local]"'
    if not info.requires_key:
        return "no key needed"
    missing = registry.missing(info.name)
    return f"needs {' and '.join(missing)}" if missing else "ready"


def _can_load_models() -> bool:
    return importlib.util.find_spec("llama_cpp") is not None


def _row(entry: ModelEntry) -> tuple[str, ...]:
    window = f"{entry.context_window:,}" if entry.context_window else "-"
    return f"{entry.provider}/{entry.id}", entry.name or "-", window, entry.owned_by or "-"


def _without_raw(entry: ModelEntry) -> dict[str, object]:
    fields = msgspec.structs.asdict(entry)
    del fields["raw"]
    return {"model": f"{entry.provider}/{entry.id}", **fields}


def print_json(screen: Screen, rows: Sequence[object]) -> int:
    """Print a JSON array, for people to read; returns the exit code."""
    return _print(screen, msgspec.json.format(msgspec.json.encode(rows)).decode())


def print_table(
    screen: Screen, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], links: Sequence[str] = ()
) -> int:
    """Print rows of text. `links` are shown in a last column of their own where there is room for it; on a terminal
    where there is not, the first column leads to them (OSC 8, which terminals that do not know it ignore)."""
    console = Console(markup=False, emoji=False, highlight=False)
    rows_with_links = [(*row, link) for row, link in zip(rows, links, strict=True)] if links else rows
    if not screen.out.is_terminal:
        return _print(screen, "\n".join("\t".join(row) for row in rows_with_links))
    has_room = bool(links) and _width(rows_with_links) <= console.width
    table = Table(*columns, *(["documentation"] if has_room else []), box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"  # a name that is cut short cannot be copied
    for number, row in enumerate(rows_with_links if has_room else rows):
        first, *others = (Text(printable(cell)) for cell in row)
        if links and not has_room and links[number] != "-":
            first.stylize(Style(link=links[number]))
        table.add_row(first, *others)
    console.print(table)
    return 0


def _width(rows: Sequence[tuple[str, ...]]) -> int:
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True))


def _print(screen: Screen, text: str) -> int:
    screen.out.write_now(f"{text}\n" if text else "")
    return 0
