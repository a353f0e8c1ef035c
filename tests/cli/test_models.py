"""`exllm models` with conditions, `show`, `compare`, `recommend` and `plot`; plain lists are in test_listing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from exllm.cli.model_filters import Filters, is_deprecated
from exllm.cli.plot import WITHOUT_CAIRO
from exllm.errors import ConfigurationError
from exllm.types.model import ModelEntry
from tests.cli.command import KEY, Terminal, run
from tests.faults.server import FaultServer, Peer

OWN = """
provider: openai
models:
  own-cheap: {name: The Cheap One, modes: [chat], context_window: 100000, max_output_tokens: 4000, input: [text, image],
    capabilities: [vision, function_calling], prices: [{input: 0.5, output: 2}], output_tokens_per_s: 90}
  own-dear: {modes: [chat], context_window: 900000, input: [text], capabilities: [function_calling],
    prices: [{input: 30, output: 60}], output_tokens_per_s: 20}
  own-old: {modes: [chat], context_window: 100000, prices: [{input: 0.5, output: 2}], status: deprecated}
  own-ending: {modes: [chat], prices: [{input: 0, output: 0}], deprecation_date: 2999-01-01}
  own-image: {modes: [image]}
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Folders without files of the person who runs the tests, and models that no sync changes."""
    own = tmp_path / "own.yml"
    own.write_text(OWN)
    return {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "EXLLM_CATALOG": str(own)}


def rows_of(out: str) -> dict[str, list[str]]:
    return {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}


async def own(home: dict[str, str], *conditions: str) -> list[str]:
    """The names of our own models that meet the conditions."""
    result = await run("models", "--catalog", "openai", "-t", "own-", *conditions, **home)
    assert (result.code, result.err if result.out else "") == (0, "")
    return [name.removeprefix("openai/own-") for name in rows_of(result.out)]


# -- conditions


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ([], ["cheap", "dear", "ending", "old"]),
        (["--feature", "tools"], ["cheap", "dear"]),
        (["-f", "tools", "-f", "images"], ["cheap"]),
        (["--min-context", "100001"], ["dear"]),
        (["--max-price", "0.5"], ["cheap", "ending", "old"]),
        (["--max-output-price", "1"], ["ending"]),
        (["--modality", "image"], ["cheap"]),
        (["--kind", "image"], ["image"]),
        (["--kind", "all"], ["cheap", "dear", "ending", "image", "old"]),
        (["--not-deprecated"], ["cheap", "dear", "ending"]),
        (["--not-deprecated", "--max-price", "1", "-f", "vision"], ["cheap"]),
        (["--min-context", "1000001"], []),
    ],
)
async def test_models_meet_every_condition(home: dict[str, str], conditions: list[str], names: list[str]) -> None:
    assert await own(home, *conditions) == names


async def test_a_row_tells_limits_prices_and_what_to_know(home: dict[str, str]) -> None:
    result = await run("models", "--catalog", "openai", "--text", "OWN-", **home)
    assert rows_of(result.out) == {
        "openai/own-cheap": ["100,000", "4,000", "0.5", "2", "tools vision", "-"],
        "openai/own-dear": ["900,000", "-", "30", "60", "tools", "-"],
        "openai/own-ending": ["-", "-", "free", "free", "-", "ends 2999-01-01"],
        "openai/own-old": ["100,000", "-", "0.5", "2", "-", "deprecated"],
    }


async def test_a_providers_list_is_filled_in_and_says_what_is_from_the_catalog(
    home: dict[str, str],
) -> None:
    async def listing(peer: Peer) -> None:
        listed = [{"id": "own-cheap", "context_window": 7}, {"id": "own-dear"}, {"id": "nobody-knows"}]
        await peer.answer(json.dumps({"data": listed}).encode())

    async with FaultServer(listing) as server:
        result = await run("models", "openai", "--max-price", "1", "--json", OPENAI_BASE_URL=server.url, **home)
    (entry,) = json.loads(result.out)
    assert (entry["model"], entry["context_window"], entry["input_usd_per_mtok"]) == ("openai/own-cheap", 7, 0.5)
    assert "input_usd_per_mtok" in entry["from_catalog"]
    assert "context_window" not in entry["from_catalog"]


async def test_without_any_key_the_catalog_answers_and_says_so(home: dict[str, str]) -> None:
    result = await run("models", "--feature", "vision", "--max-price", "1", OPENAI_API_KEY="", **home)
    assert result.code == 0
    assert result.err == "no provider's key is set; this is from the model catalog\n"
    rows = rows_of(result.out)
    assert {"openai", "gemini"} <= {name.partition("/")[0] for name in rows}
    assert all(cells[2] == "free" or float(cells[2]) <= 1 for cells in rows.values())


async def test_wrong_words_are_told_before_anybody_is_asked(home: dict[str, str]) -> None:
    nowhere = {"OPENAI_BASE_URL": "http://127.0.0.1:9"}
    for option, word, hint in (
        ("--feature", "visoin", "did you mean 'vision'"),
        ("--kind", "chatt", "unknown mode 'chatt'"),
        ("--modality", "smell", "unknown modality 'smell'"),
    ):
        result = await run("models", "openai", option, word, **home, **nowhere)
        assert (result.code, result.out) == (1, "")
        assert hint in result.err
    unknown = await run("models", "--catalog", "opnai", **home)
    assert unknown.code == 1
    assert "unknown provider 'opnai'; did you mean" in unknown.err


def test_a_figure_that_is_not_known_meets_no_condition_on_it() -> None:
    entry = ModelEntry("x", "m")
    for filters in (
        Filters(min_context=1), Filters(max_price=1e9), Filters(max_output_price=1e9), Filters(features=("vision",)),
        Filters(modalities=("text",)), Filters(text="other"),
    ):  # fmt: skip
        assert filters.checked().of([entry], "2026-01-01") == []
    assert Filters(kinds=("image",), not_deprecated=True).checked().of([entry], "2026-01-01") == [entry]


def test_a_model_is_deprecated_from_its_last_day_on() -> None:
    entry = ModelEntry("x", "m", deprecation_date="2026-05-01")
    assert not is_deprecated(entry, "2026-04-30")
    assert is_deprecated(entry, "2026-05-01")


def test_a_kind_may_be_several() -> None:
    assert Filters(kinds=("audio", "embeddings")).checked().kinds == ("transcription", "speech", "embedding")
    with pytest.raises(ConfigurationError, match="unknown mode"):
        Filters(kinds=("all-of-it",)).checked()


async def test_figures_are_set_to_the_right_and_no_name_is_cut_short(home: dict[str, str]) -> None:
    async with Terminal("models", "--catalog", "openai", "-t", "own-", COLUMNS="100", **home) as terminal:
        assert await terminal.ends() == 0
    lines = terminal.text.splitlines()
    assert lines[0].split() == ["model", "context", "output", "$/M", "in", "$/M", "out", "can", "note"]
    ends = [line.index(figure) + len(figure) for line, figure in zip(lines[1:3], ("100,000", "900,000"), strict=True)]
    assert ends == [lines[0].index("context") + len("context")] * 2
    assert re.search(r"\x1b\[32m +0\.5", terminal.seen)
    async with Terminal("models", "--catalog", "openai", "-t", "own-", COLUMNS="60", **home) as narrow:
        assert await narrow.ends() == 0
    assert "openai/own-cheap" in narrow.text
    assert "tools" not in narrow.text
    async with Terminal("models", "--catalog", "openai", "-t", "own-", NO_COLOR="1", **home) as plain:
        assert await plain.ends() == 0
    assert "\x1b[3" not in plain.seen


# -- one, and several


async def test_a_model_is_shown_with_where_each_figure_is_from(home: dict[str, str]) -> None:
    result = await run("models", "show", "anthropic/claude-sonnet-4-5", **home)
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert ["context_window", "200,000", "litellm"] in rows
    assert ["successor", "claude-sonnet-5", "derived"] in rows
    prices = {row[0]: row[1:] for row in rows if row[0].startswith("price")}
    assert prices["price"][0].startswith("input $3, output $15, cache read $0.3, cache write $3.75, cache write 1h $6")
    assert prices["price (tier batch)"][0].startswith("input $1.5, output $7.5")
    assert prices["price"][1] == "genai-prices"
    shown = json.loads((await run("models", "show", "openai/own-cheap", "--json", **home)).out)
    assert (shown["id"], shown["prices"]) == ("own-cheap", [{"input": 0.5, "output": 2.0}])
    unknown = await run("models", "show", "anthropic/claude-99", **home)
    assert unknown.code == 1
    assert "does not know 'anthropic/claude-99'" in unknown.err


async def test_models_side_by_side(home: dict[str, str]) -> None:
    result = await run("models", "compare", "openai/own-cheap", "openai/own-dear", **home)
    rows = rows_of(result.out)
    assert rows["price_input"] == ["0.5", "30"]
    assert rows["context_window"] == ["100,000", "900,000"]
    assert rows["shared_capabilities"] == ["function_calling"] * 2
    assert rows["capabilities"] == ["vision", "-"]
    unknown = await run("models", "compare", "openai/own-cheap", "openai/own-cheep", **home)
    assert unknown.code == 1
    assert "own-cheap" in unknown.err


async def test_the_best_models_come_with_reasons(home: dict[str, str]) -> None:
    result = await run("models", "recommend", "--prefer", "price", "-f", "vision", "--json", **home)
    found = json.loads(result.out)
    assert len(found) == 5
    assert all("has vision: sees images" in one["reasons"] for one in found)
    wrong = await run("models", "recommend", "--prefer", "beauty", **home)
    assert wrong.code == 1
    assert "unknown preference 'beauty'" in wrong.err
    nothing = await run("models", "recommend", "--min-context", "999999999", **home)
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no model of the catalog meets that\n")


# -- the picture


def plotted(path: Path) -> list[str]:
    """What the dots say when they are pointed at."""
    root = ElementTree.fromstring(path.read_text())
    return [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]


async def test_a_plot_has_the_models_that_would_be_listed(home: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "models.svg"
    result = await run("models", "plot", "--catalog", "openai", "-t", "own-", "-o", str(out), **home)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"{out}: 3 models; 1 are left out: free, or of unknown price or context window\n"
    hints = "\n".join(plotted(out)).splitlines()
    assert sorted(hints) == [
        "openai/own-cheap: $0.5, 100,000",
        "openai/own-dear: $30, 900,000",
        "openai/own-old: $0.5, 100,000",
    ]
    text = out.read_text()
    assert "own-old +1" in text  # both at the same place
    assert KEY not in text


async def test_a_plot_against_speed_takes_what_your_own_files_say(home: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "speed.svg"
    arguments = ("models", "plot", "--catalog", "openai", "--against", "speed", "--price", "output", "-o", str(out))
    assert (await run(*arguments, **home)).code == 0
    assert sorted(plotted(out)) == ["openai/own-cheap: $2, 90", "openai/own-dear: $60, 20"]
    nothing = await run(*arguments, **(home | {"EXLLM_CATALOG": ""}))
    assert nothing.code == 1
    assert "both the price and the output speed are known" in nothing.err


async def test_what_cannot_be_drawn_is_told(home: dict[str, str], tmp_path: Path) -> None:
    for arguments, message in (
        (["-o", "models.gif"], "a chart is a .svg or a .png file, not 'models.gif'"),
        (["--against", "beauty"], "--against takes context or output or speed, not 'beauty'"),
        (["--price", "cached"], "--price takes input or output, not 'cached'"),
        (["-o", str(tmp_path / "no-such-folder" / "a.svg")], "cannot write"),
    ):
        result = await run("models", "plot", "--catalog", "openai", *arguments, **home)
        assert result.code == 1
        assert message in result.err


async def test_a_png_needs_cairosvg_and_is_written_by_it(home: dict[str, str], tmp_path: Path) -> None:
    out, stand_in = tmp_path / "models.png", tmp_path / "stand_in"
    stand_in.mkdir()
    (stand_in / "cairosvg.py").write_text("raise ImportError")
    arguments = ("models", "plot", "--catalog", "openai", "-o", str(out))
    path = {"PYTHONPATH": f"{stand_in}:{':'.join(sys.path)}"}
    without = await run(*arguments, **home, **path)
    assert (without.code, without.err) == (1, f"error: {WITHOUT_CAIRO}\n")
    assert not out.exists()
    (stand_in / "cairosvg.py").write_text(
        "def svg2png(*, bytestring, output_width): return b'PNG %d ' % output_width + bytestring[:4]"
    )
    assert (await run(*arguments, **home, **path)).code == 0
    assert out.read_bytes() == b"PNG 2560 <svg"
