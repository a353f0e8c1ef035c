"""The bands of the estimates hold on the recorded calls, and the figures in the documentation are these."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from exllm.context.families import FAMILIES, OTHER

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    path = ROOT / "tools" / "measure_token_estimates.py"
    spec = importlib.util.spec_from_file_location("measure_token_estimates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def groups(measure: ModuleType) -> dict[str, list[object]]:
    return measure.by_family(measure.measured())


def test_enough_calls_are_measured(groups: dict[str, list[object]]) -> None:
    assert sum(map(len, groups.values())) >= 350
    assert set(groups) == {family.name for family in (*FAMILIES, OTHER)}


def test_the_stated_band_holds_for_nine_of_ten_calls_of_every_family(
    measure: ModuleType, groups: dict[str, list[object]]
) -> None:
    outside = {name: within for name, _, _, _, within in measure.report(groups) if within < 0.9}
    assert not outside


def test_half_of_the_estimates_of_the_great_providers_are_within_a_fifth(
    measure: ModuleType, groups: dict[str, list[object]]
) -> None:
    medians = {name: median for name, _, median, _, _ in measure.report(groups)}
    assert {name: medians[name] for name in ("openai", "anthropic", "gemini") if medians[name] > 0.2} == {}


def test_the_bands_are_no_wider_than_the_recordings_make_them(
    measure: ModuleType, groups: dict[str, list[object]]
) -> None:
    """A band that holds because it holds for anything says nothing."""
    for family in (*FAMILIES, OTHER):
        rows = [measure.features(call) for call in groups[family.name]]
        assert measure._with_band(family, rows) == family, family.name


def test_the_table_in_the_documentation_is_this_one(measure: ModuleType, groups: dict[str, list[object]]) -> None:
    page = (ROOT / "docs" / "context.md").read_text()
    for name, calls, median, ninth, within in measure.report(groups):
        assert f"| {name} | {calls} | {median:.0%} | {ninth:.0%} | {within:.0%} |" in page
