"""`docs/providers.md` says what the recordings, the marked tests, the specs and the wires say."""

from __future__ import annotations

import json

import pytest

from exllm.providers import list_providers
from tests import recorded
from tests.provider_table import FEATURES, LEVELS, PAGE, cell, marked, offered, page
from tests.recorded import RECORDINGS, Exchange, exchanges, features_of


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.provider_table`"


def test_every_provider_has_a_row() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| ") and line.count("|") == len(FEATURES) + 2]
    named = [line.removeprefix("| ").removeprefix("[").split("]")[0].split(" ")[0] for line in rows]
    assert sorted(name for name in named if name != "|") == sorted(info.name for info in list_providers())
    for line in rows:
        if not line.startswith("| |"):
            assert {mark.strip() for mark in line.split("|")[2:-1]} <= {*LEVELS.values()}


@pytest.mark.parametrize(
    ("name", "feature", "level"),
    [
        ("anthropic", "vision", "recording"),
        ("openai-responses", "reasoning", "recording"),  # though its thoughts are encrypted
        ("azure-deployments", "errors", "recording"),
        ("gemini", "embeddings", "recording"),
        ("perplexity-agent", "model list", "recording"),
        ("bedrock-mantle", "model list", "not offered"),  # recorded, but no spec of ours asks for it
        ("openai", "model list", "mock server"),
        ("vllm", "tools", "mock server"),
        ("bedrock", "embeddings", "documentation"),
        ("deepseek", "vision", "not offered"),
        ("writer", "reasoning", "not offered"),
        ("local", "structured output", "itself"),
        ("mock", "errors", "itself"),
    ],
)
def test_the_strongest_proof_is_told(name: str, feature: str, level: str) -> None:
    assert cell(name, feature) == level


def test_what_is_proven_on_another_server_is_offered() -> None:
    for name, feature, kind in marked():
        assert feature in offered(name), f"{name} offers no {feature}, and tests prove it on {kind}"


def test_recordings_show_what_those_who_recorded_them_say() -> None:
    """Their tags, which are by hand and differ here and there: what nearly all say must be found."""
    tags = {
        "tools": "tool_call", "reasoning": "thinking", "citations": "citations", "structured output": "structured",
        "vision": "image_in", "usage": "usage", "errors": "http_error",
    }  # fmt: skip
    chats = [found for _, found in exchanges() if found is not None and found.wire not in ("embeddings", "model_lists")]
    assert len(chats) > 600
    shown = {found.path: features_of(found) for found in chats}
    for feature, tag in tags.items():
        tagged = [found for found in chats if tag in found.data["tags"] and (feature == "errors" or _is_fine(found))]
        agreeing = [found for found in tagged if feature in shown[found.path]]
        assert len(agreeing) > 0.6 * len(tagged), feature
        untagged = [found for found in chats if tag not in found.data["tags"] and feature in shown[found.path]]
        assert len(untagged) < 0.3 * len(agreeing), feature


def _is_fine(found: Exchange) -> bool:
    return bool(found.data["response"]["status"] < 400)


def test_every_name_of_others_is_that_of_a_recording() -> None:
    paths = RECORDINGS.glob("*/*__*.json")
    names = {(path.parent.name, json.loads(path.read_text(encoding="utf-8"))["provider"]) for path in paths}
    assert recorded._NAMES.keys() <= names
