"""What stands beside the choices of an answer: its start, sources, images, questions, filters, usage.

Sources: docs.perplexity.ai (`citations`, `search_results`, `images`, `related_questions`); docs.x.ai (`citations`);
the recorded answers in the tests (OpenAI's `moderation`, Azure's `prompt_filter_results`).
"""

from __future__ import annotations

from typing import Any

from exllm.providers.openai_chat_choice import FOUND_IMAGES, RELATED_QUESTIONS
from exllm.providers.openai_chat_events import Body, Event, FirstEvent
from exllm.providers.openai_chat_sources import Cited
from exllm.providers.openai_chat_usage import usage_of
from exllm.types.chunks import Chunk, CitationDelta, ProviderEvent, StreamStart, UsageUpdate
from exllm.types.usage import Usage

_ALL = ("citations", "search_results", "images", "related_questions", "moderation", "prompt_filter_results")


class BesideChoices:
    """Remembers what was told of one answer: many services say the same again with every frame.

    Args:
        provider: for `ProviderEvent`.

    Attributes:
        tier: the service tier. Later frames are not decoded for it; whoever finds it there sets it.
    """

    __slots__ = ("_cited", "_listed", "_provider", "_started", "_usage", "tier")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._started = False
        self.tier: str | None = None
        self._usage: Usage | None = None
        self._cited = Cited()
        self._listed: dict[str, list[Any]] = {}

    def begin(self, event: FirstEvent | Body, out: list[Chunk]) -> None:
        """Append the start, where `event` is the first that has something of it."""
        self.tier = event.service_tier or self.tier
        if not self._started and (event.id or event.model or event.choices):
            self._started = True
            created = int(event.created) if event.created else None
            out.append(StreamStart(event.id or None, event.model or None, created))

    def add(self, event: Event | Body, out: list[Chunk]) -> None:
        """Append the chunks of all that is new in `event`."""
        if event.search_results is not None:
            self._sources("search_results", event.search_results, out)
        if event.citations is not None:
            self._sources("citations", event.citations, out)
        if event.images is not None:
            self._found(FOUND_IMAGES, event.images, out)
        if event.related_questions is not None:
            self._found(RELATED_QUESTIONS, event.related_questions, out)
        if event.moderation:
            out.append(ProviderEvent("moderation", event.moderation, self._provider))
        if event.prompt_filter_results:
            out.append(ProviderEvent("prompt_filter_results", event.prompt_filter_results, self._provider))
        usage = event.usage
        if usage is None and event.x_groq is not None:
            usage = event.x_groq.usage
        if usage is not None:
            counts = usage_of(usage, self.tier)
            if counts != self._usage:
                self._usage = counts
                out.append(UsageUpdate(counts))

    def _sources(self, name: str, listed: list[Any], out: list[Chunk]) -> None:
        """Perplexity's and xAI's sources of the whole answer."""
        if self._listed.get(name) == listed:
            return
        self._listed[name] = listed
        out.extend(CitationDelta(citation) for citation in self._cited.fresh(listed))

    def _found(self, name: str, listed: list[Any], out: list[Chunk]) -> None:
        """Perplexity's images and questions."""
        if listed and self._listed.get(name) != listed:
            self._listed[name] = listed
            data = {"type": name, name: listed}
            out.append(ProviderEvent(name, data, self._provider, content=True))


def says_something(event: Event) -> bool:
    """Whether anything but usage stands beside the choices."""
    return any(getattr(event, name) for name in _ALL)
