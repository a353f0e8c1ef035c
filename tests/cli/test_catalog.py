"""`exllm catalog` and `exllm cost`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import run


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Folders without files of the person who runs the tests."""
    return {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "EXLLM_CATALOG": ""}


async def test_costs_are_compared_and_unknown_ones_say_why(home: dict[str, str]) -> None:
    models = ["anthropic/claude-sonnet-4-5", "openai/gpt-99", "openai/gpt-4o"]
    result = await run("cost", *models, "-i", "10000", "-o", "500", "--cached", "2000", **home)
    assert [line.split("\t") for line in result.out.splitlines()] == [
        ["openai/gpt-4o", "$0.028", "$0.02", "$0.0025", "$0.005", "the cheapest"],
        ["anthropic/claude-sonnet-4-5", "$0.032", "$0.024", "$0.0006", "$0.0075", "1.17 times the cheapest"],
        ["openai/gpt-99", "unknown", "-", "-", "-", "the model catalog does not know openai/gpt-99"],
    ]
    half = json.loads((await run("cost", models[0], "-i", "1000000", "--tier", "batch", "--json", **home)).out)
    assert half[0]["cost"]["total"] == 3.0  # more than 200,000 tokens, at half the price


async def test_check_tells_what_is_used_and_names_a_wrong_file(home: dict[str, str], tmp_path: Path) -> None:
    result = await run("catalog", "check", **home)
    rows = dict(line.split("\t") for line in result.out.splitlines())
    assert rows["file"].endswith("catalog.bin")
    assert int(rows["models"]) > 9_500
    mine = tmp_path / "mine.yml"
    mine.write_text("provider: openai\nmodels: {gpt-4o: {prise: 1}}")
    wrong = await run("catalog", "check", **(home | {"EXLLM_CATALOG": str(mine)}))
    assert wrong.code == 1
    assert f"{mine}: " in wrong.err


async def test_an_update_without_network_is_told_and_changes_nothing(home: dict[str, str], tmp_path: Path) -> None:
    nowhere = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    result = await run("catalog", "update", **home, **nowhere)
    assert result.code == 1
    assert "cannot read https://" in result.err
    assert not (tmp_path / "exllm").exists()
