"""Every recording that is known of is played, or it is said why not."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
RECORDINGS = TESTS / "recordings"
INDEX: dict[str, list[str]] = json.loads((RECORDINGS / "index.json").read_text(encoding="utf-8"))
"""By API, the names of all recordings."""

SDISTS = {
    "PyPI sdist langchain": "langchain-ai/langchain", "PyPI sdist anthropic": "anthropics/anthropic-sdk-python",
}  # fmt: skip
NOT_PLAYED = {
    "anthropic.complete": "retired: its models are gone, and newer ones do not answer there",
    "audio": "speech and transcription have no request of their own yet",
    "gemini.cachedContents": "cached contents cannot be created yet",
    "images": "images cannot be made or edited by an endpoint of their own yet; of OpenAI's, the error is played",
    "models": "Replicate's answer to the request for a stream: it is `created` in the recording of that stream",
    "moderations": "moderation has no request of its own yet",
    "rerank": "reranking has no request of its own yet",
}
"""By API: why recordings of it are not played, and what would play them."""


@functools.cache
def played() -> dict[str, Path]:
    """The recordings here, by name."""
    return {path.stem: path for path in sorted(RECORDINGS.rglob("*.json")) if path.stem in known()}


@functools.cache
def known() -> frozenset[str]:
    return frozenset(name for names in INDEX.values() for name in names)


@pytest.mark.parametrize("api", INDEX)
def test_every_recording_is_played_or_it_is_said_why_not(api: str) -> None:
    missing = [name for name in INDEX[api] if name not in played()]
    assert not missing or api in NOT_PLAYED, f"nobody plays {missing}"


@pytest.mark.parametrize("api", NOT_PLAYED)
def test_what_is_played_needs_no_excuse(api: str) -> None:
    assert any(name not in played() for name in INDEX[api]), f"all of {api} is played: take it out of NOT_PLAYED"


def test_the_index_names_every_recording_here_once() -> None:
    here = [path.stem for path in RECORDINGS.glob("*/*__*.json")]
    assert {*here} <= known(), "a recording is not in index.json"
    assert len(here) == len({*here}), "a recording is there twice"
    assert len(known()) == sum(map(len, INDEX.values())) > 850


@pytest.mark.parametrize("folder", sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir()))
def test_every_folder_is_read_by_a_test_and_says_where_it_is_from(folder: str) -> None:
    readers = [path for path in TESTS.rglob("*.py") if f'"{folder}"' in path.read_text(encoding="utf-8")]
    assert [path for path in readers if path.parent.name != "dialects"], folder
    assert (RECORDINGS / folder / "README.md").exists()
    licences = {path.name for path in (RECORDINGS / folder / "licences").iterdir()}
    for path in (RECORDINGS / folder).glob("*__*.json"):
        source = json.loads(path.read_text(encoding="utf-8"))["source"]
        sdist = next((project for start, project in SDISTS.items() if source.startswith(start)), None)
        project = sdist or source.partition("@")[0]
        assert f"{project.replace('/', '+')}.LICENSE" in licences, path.name


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*/expected.json")), ids=lambda path: path.parent.name)
def test_what_is_expected_is_said_of_every_recording_of_a_folder(path: Path) -> None:
    assert json.loads(path.read_text(encoding="utf-8")).keys() == {each.stem for each in path.parent.glob("*__*.json")}
