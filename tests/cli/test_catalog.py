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


async def test_models_are_found_by_what_they_can_do(home: dict[str, str]) -> None:
    result = await run("catalog", "find", "sonnet", "-p", "anthropic", "-f", "tools", "--min-context", "150000", **home)
    assert (result.code, result.err) == (0, "")
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert ["anthropic/claude-sonnet-4-6", "1,000,000", "3", "15"] in [row[:4] for row in rows]
    assert all(row[0].startswith("anthropic/") and "function_calling" in row[4] for row in rows)


async def test_the_best_models_come_with_reasons(home: dict[str, str]) -> None:
    result = await run("catalog", "find", "--recommend", "price", "-f", "vision", "--json", **home)
    found = json.loads(result.out)
    assert len(found) == 5
    assert all("has vision: sees images" in one["reasons"] for one in found)


async def test_wrong_words_are_told_and_nothing_found_is_no_error(home: dict[str, str]) -> None:
    wrong = await run("catalog", "find", "-f", "visoin", **home)
    assert (wrong.code, wrong.out) == (1, "")
    assert "did you mean 'vision'" in wrong.err
    nothing = await run("catalog", "find", "no-model-is-called-so", **home)
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no model of the catalog meets that\n")


async def test_a_model_is_shown_with_where_each_figure_is_from(home: dict[str, str]) -> None:
    result = await run("catalog", "show", "anthropic/claude-sonnet-4-5", **home)
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert ["context_window", "200,000", "litellm"] in rows
    assert ["successor", "claude-sonnet-5", "derived"] in rows
    prices = [row for row in rows if row[0] == "price"]
    assert prices[0][1].startswith("{input: 3, output: 15, cache_read: 0.3")
    assert prices[0][2] == "genai-prices"
    unknown = await run("catalog", "show", "anthropic/claude-99", **home)
    assert unknown.code == 1
    assert "does not know 'anthropic/claude-99'" in unknown.err


async def test_models_side_by_side(home: dict[str, str]) -> None:
    result = await run("catalog", "show", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", **home)
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in result.out.splitlines()}
    assert rows["price_input"] == ["2.5", "3.0"]
    assert rows["context_window"] == ["128,000", "200,000"]


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
