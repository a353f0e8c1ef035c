"""The command's start: fast, and clear about what it lacks."""

from __future__ import annotations

import subprocess
import sys

import pytest

import exllm
from tests.cli.command import environment, run


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
        check=False,
    )


@pytest.mark.parametrize("lacking", ["typer", "rich"])
def test_without_the_extra_it_says_how_to_install_it(lacking: str) -> None:
    result = _python(
        f"import sys; sys.modules[{lacking!r}] = None; from exllm.cli.main import main; main()", "providers"
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert 'pip install "exllm[cli]"' in result.stderr
    assert "Traceback" not in result.stderr


def test_the_version_is_told_without_the_extra_and_without_loading_anything_heavy() -> None:
    code = (
        "import sys; sys.modules['typer'] = sys.modules['rich'] = None; from exllm.cli.main import main; main();"
        "print(sorted({'aiohttp', 'websockets', 'yaml', 'pydantic', 'llama_cpp'} & set(sys.modules)))"
    )
    result = _python(code, "--version")
    assert result.stdout == f"exllm {exllm.__version__}\n[]\n"


async def test_help_names_the_commands() -> None:
    result = await run("--help")
    assert result.code == 0
    for command in ("chat", "providers", "models", "--version"):
        assert command in result.out


async def test_an_unknown_command_is_wrong_usage() -> None:
    assert (await run("chatt")).code == 2
