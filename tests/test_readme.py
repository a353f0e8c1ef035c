"""The README says what is so: its commands exist, its code is valid, its links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import exllm
from exllm.errors import ExLLMError

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]


def test_the_first_screen_holds_exactly_two_commands_and_make_knows_them() -> None:
    language, first = BLOCKS[0]
    commands = [line.split("#")[0].strip() for line in first.splitlines()]
    assert language == "bash"
    assert commands == ["make demo", "make test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


@pytest.mark.parametrize("code", PYTHON)
def test_python_blocks_are_valid(code: str) -> None:
    compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("code", PYTHON)
def test_names_of_exllm_in_python_blocks_exist(code: str) -> None:
    for name in re.findall(r"exllm\.(\w+)", code):
        assert hasattr(exllm, name) or name in ("integrations", "streaming"), name


def test_errors_that_the_text_names_exist() -> None:
    named = set(re.findall(r"`(?:exllm\.)?(\w+(?:Error|Interrupted|Timeout))`", README))
    assert named
    for name in named:
        assert issubclass(getattr(exllm, name), ExLLMError)


def test_links_to_files_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
