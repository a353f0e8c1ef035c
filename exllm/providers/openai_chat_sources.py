"""Sources that a service lists, beside an answer or inside of it, as citations.

Sources: docs.perplexity.ai (`citations`, `search_results`); docs.x.ai (`citations`); console.groq.com/docs/compound
(``search_results: {results: []}``, `browser_results`); dev.writer.com/home/chat-completion
(``web_search_data: {sources: []}``, ``graph_data: {sources: []}``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exllm.types.parts import Citation

_LISTS = ("results", "sources")
_TEXTS = ("content", "snippet", "raw_content")
_NAMES = ("url", "file_id")


class Cited:
    """Remembers what was cited, as services list the same sources again and again."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: set[str] = set()

    def fresh(self, found: Any) -> Iterator[Citation]:
        """The citations of a list of sources, or of an object that holds one, that were not given before.

        What is no such thing, or names neither a page nor a file, gives none.
        """
        if isinstance(found, dict):
            found = next((found[name] for name in _LISTS if found.get(name)), None)
        for item in found if isinstance(found, list) else ():
            source = {"url": item} if isinstance(item, str) else item
            if not isinstance(source, dict):
                continue
            name = _text(source, _NAMES)
            if name is None or name in self._names:
                continue
            self._names.add(name)
            yield Citation(
                _text(source, ("url",)), _text(source, ("title",)), _text(source, _TEXTS) or None,
                source=None if isinstance(item, str) else source,
            )  # fmt: skip


def _text(source: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := source.get(name), str)), None)
