"""Writes `docs/providers.md`, what each provider offers and on what it was proven: ``python -m tests.provider_table``.

Nothing in the table is written by hand. What is offered is what specs and wires say; what is proven comes from the
recordings that the tests play, and from the marks ``@pytest.mark.shows(...)`` on the tests that drive other servers.
"""

from __future__ import annotations

import collections
import functools
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from exllm.providers import ProviderSpec, registry
from exllm.providers.provider import Embeds, ListsModels
from exllm.providers.wire import supported_options
from tests.recorded import exchanges, features_of

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "providers.md"

FEATURES = (
    "chat", "stream", "tools", "vision", "reasoning", "structured output", "citations", "usage", "errors",
    "embeddings", "model list",
)  # fmt: skip
NEEDS_OPTION = {
    "tools": {"tools"},
    "reasoning": {"reasoning_effort", "thinking"},
    "structured output": {"response_format"},
    "citations": {"web_search"},
}
TEXT_ONLY = {"openai_completions", "cohere_v1"}
"""Wires without a place for images."""
LEVELS = {"itself": "■", "recording": "●", "mock server": "◐", "documentation": "○", "not offered": "–"}
"""The strongest proof first."""

Evidence = dict[tuple[str, str], set[str]]
"""By provider and feature: on what it was proven."""


# -- tests that drive other servers


@functools.cache
def marked() -> tuple[tuple[str, str, str], ...]:
    """Provider, feature and kind of proof, of all tests that are marked with `shows`."""
    return tuple(_marked())


def _marked() -> Iterator[tuple[str, str, str]]:
    for path in sorted(TESTS.rglob("test_*.py")):
        if "mark.shows(" not in path.read_text(encoding="utf-8"):
            continue
        module = importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
        for name, found in vars(module).items():
            if getattr(found, "__module__", None) != module.__name__:
                continue
            if name.startswith("test_"):
                yield from _shown(found, getattr(found, "pytestmark", ()))
            elif name.startswith("Test"):
                marks = [mark for base in found.__mro__ for mark in vars(base).get("pytestmark", ())]
                yield from _shown(found, marks, [found.model])


def _shown(test: Any, marks: Iterable[Any], models: Iterable[str] = ()) -> Iterator[tuple[str, str, str]]:
    models = list(models)
    for mark in marks:
        if mark.name == "parametrize" and mark.args[0] in ("model", "name", "provider"):
            models += mark.args[1]
    for mark in marks:
        if mark.name != "shows":
            continue
        names = [model.split("/")[0] for model in (*models, *mark.kwargs.get("providers", ()))]
        assert names, f"{test.__qualname__} shows something of no provider"
        unknown = {*mark.args} - {*FEATURES}
        unknown |= {*names} - {info.name for info in registry.list_providers()}
        unknown |= {mark.kwargs.get("by", "mock server")} - {"mock server", "itself"}
        assert not unknown, f"{test.__qualname__} shows {unknown}"
        yield from ((name, feature, mark.kwargs.get("by", "mock server")) for name in names for feature in mark.args)


# -- the table


def offered(name: str) -> set[str]:
    """What a provider offers, as its spec and wire, or its backend, have it."""
    provider = registry.get(name)
    if not isinstance(provider, ProviderSpec):
        options = getattr(provider, "options", None)
        found = {"chat", "stream", "usage", "errors"}
        if options is None:  # it takes anything: what it makes of it, only its tests can tell
            found |= {feature for shown, feature, _ in marked() if shown == name}
        else:
            found |= {feature for feature, some in NEEDS_OPTION.items() if some & options}
        found |= {"embeddings"} if isinstance(provider, Embeds) else set()
        return found | ({"model list"} if isinstance(provider, ListsModels) else set())
    options = supported_options(registry.wire(provider.wire), provider)
    found = {"chat", "stream", "usage", "errors"}
    found |= {feature for feature, some in NEEDS_OPTION.items() if some & options}
    is_text_only = provider.wire in TEXT_ONLY or "text_content_only" in provider.quirks
    if not is_text_only and provider.limits.images != 0:
        found.add("vision")
    paths = {"embeddings": provider.paths.embeddings, "model list": provider.paths.models}
    return found | {feature for feature, path in paths.items() if path is not None}


@functools.cache
def evidence() -> Evidence:
    found: Evidence = collections.defaultdict(set)
    for _, exchange in exchanges():
        if exchange is not None:
            for feature in features_of(exchange):
                found[exchange.provider, feature].add("recording")
    for name, feature, kind in marked():
        found[name, feature].add(kind)
    return found


def cell(name: str, feature: str) -> str:
    """The strongest proof of a feature of a provider."""
    proofs = evidence().get((name, feature), set())
    if feature in ("embeddings", "model list") and feature not in offered(name):
        return "not offered"
    weakest = "documentation" if feature in offered(name) else "not offered"
    return next((level for level in LEVELS if level in proofs), weakest)


def page() -> str:
    """The whole of `docs/providers.md`."""
    infos = registry.list_providers()
    groups: dict[str, list[Any]] = {}
    for info in infos:
        groups.setdefault(info.wire or "no protocol: in this process", []).append(info)
    sections = []
    for wire in sorted(groups, key=lambda wire: (wire.startswith("no "), -len(groups[wire]), wire)):
        rows = [f"### {wire if wire.startswith('no ') else f'`{wire}`'}", "", f"| | {' | '.join(FEATURES)} |"]
        rows.append("|---" + "|:-:" * len(FEATURES) + "|")
        for info in groups[wire]:
            shown = f"[{info.name}]({info.docs})" if info.docs else info.name
            rows.append(f"| {shown} | {' | '.join(LEVELS[cell(info.name, feature)] for feature in FEATURES)} |")
        sections.append("\n".join(rows))
    counts = collections.Counter(cell(info.name, feature) for info in infos for feature in FEATURES)
    recorded = list(exchanges())
    others = collections.Counter(name for name, exchange in recorded if exchange is None)
    return HEAD.format(
        providers=len(infos),
        protocols=len([wire for wire in groups if not wire.startswith("no ")]),
        recordings=len(recorded),
        recorded_providers=len({exchange.provider for _, exchange in recorded if exchange is not None}),
        others=", ".join(f"{name} ({count})" for name, count in sorted(others.items())),
        **{re.sub(r"\W", "_", level): f"{mark} | {counts[level]}" for level, mark in LEVELS.items()},
    ) + "\n\n".join(sections) + "\n"  # fmt: skip


HEAD = """\
# Providers

<!-- Written by `python -m tests.provider_table`; a test fails when it is out of date. -->

{providers} providers speak {protocols} protocols. What each offers, and on what that was proven:

| | features | |
|:-:|--:|---|
| {itself} | **itself**: the model, or the very server, runs in the tests |
| {recording} | **recording**: what the service once sent, as others recorded it, is decoded in the tests |
| {mock_server} | **mock server**: called over HTTP, played by [aimock](https://github.com/CopilotKit/aimock) |
| {documentation} | **documentation**: built from the provider's own; only its protocol is proven, with others |
| {not_offered} | **not offered**, by the provider or by exllm for it |

The strongest proof counts. {recordings} recordings are played, under several slicings and against the vendor's SDK
where there is one. They are of {recorded_providers} of these providers, and of services and endpoints that have no name
here and prove their protocol: {others}.

Besides, every provider is run through `exllm.testing.ProviderConformance` against a server of ours; the matrix of it is
at the end of the test report.

- **vision**: images in a request. **reasoning**: asked for, or seen in answers. **structured output**: an answer held
  to JSON or a JSON Schema (the mock server sees that it was asked for, and does not obey). **citations**: sources of a
  search or of documents. **errors**: error answers, told apart.
- A feature is the provider's; whether a *model* has it, `exllm.model_catalog.model_supports(...)` tells.
- Without a **model list** of the provider's own, the catalog answers.
- Which key each one takes: `exllm providers`, and [credentials.md](credentials.md) for clouds. Embeddings and model
  lists: [embeddings.md](embeddings.md). Models in this process: [local.md](local.md).

## One conversation, several of them

```python
said = [exllm.Message("user", "What is the weather in Oslo?")]
reply = await exllm.chat("anthropic/claude-sonnet-4-5", said, tools=[weather], thinking=2000)
said += [reply.message, exllm.Message("tool", (exllm.ToolResult(reply.tool_calls[0].id, "rain"),))]
reply = await exllm.chat("mistral", said, tools=[weather])
reply.warnings  # reasoning that only Claude can read was left out, ...
```

What a provider cannot take of what was said before is written in another way or left out, and `warnings` tells: signed
reasoning, searches that a provider ran, images that tools gave, names, breakpoints, the order of turns. A call that was
never answered goes with a result that says so. What is asked *now* is never left out: an image for a model of text
is an `InvalidRequest` before anything is sent.

## Their own parameters

They go into `extra`, and what is known of them is checked before anything is sent; the error names what is allowed:

```python
await exllm.chat("perplexity/sonar", "News?", extra={{"search_recency_filter": "decade"}})
# InvalidRequest: Perplexity takes search_recency_filter = 'hour' | 'day' | 'week' | 'month' | 'year', got 'decade'
```

A field that is not known is sent as it is; one that looks like a misspelt name gets a warning.

## What some of them want

- `replicate`: a model is `owner/name`, `owner/name:version` or `deployments/owner/name`. Inputs of models that are not
  known by name go through `extra`. A call that is left cancels its prediction. Streams tell no numbers of tokens, whole
  answers do.
- `lmstudio-native` keeps conversations itself: `extra={{"previous_response_id": reply.id}}` goes on with one, and
  without it the turns are sent as one text. Its tools are MCP servers and plugins, `extra={{"integrations": [...]}}`.
- `watsonx` wants a project or a space, `sagemaker-invoke` AWS credentials: [credentials.md](credentials.md).

## A provider of your own

A service that speaks one of these protocols is a YAML of a few lines, and no Python:

```yaml
name: acme
wire: openai_chat
base_url: https://api.acme.example/v1
api_key_env: [ACME_API_KEY]
paths: {{models: /models, embeddings: /embeddings}}
default_model: acme-large
quirks: [max_tokens_field, no_developer_role]   # where it differs from OpenAI
unsupported: [logit_bias]                       # refused before anything is sent
```

```python
exllm.providers.register("acme.yaml")
reply = await exllm.chat("acme/acme-large", "Hi")
```

All fields are told in `exllm.providers.ProviderSpec`, the built-in ones are in `exllm/providers/specs`. Run it through
`exllm.testing.ProviderConformance`. A protocol that nobody here speaks is one class: `exllm.providers.register_wire`.

## The table

"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
