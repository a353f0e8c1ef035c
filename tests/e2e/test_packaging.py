"""Q2 and Q26: what the wheel brings with it, and that it goes along with the vendors' SDKs."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]
CORE = {"aiohttp", "anyio", "backoff", "msgspec", "pyyaml", "websockets"}
# What the six need themselves.
NEEDED_BY_CORE = {
    "aiohappyeyeballs", "aiosignal", "attrs", "frozenlist", "idna", "multidict", "propcache", "typing-extensions",
    "yarl",
}  # fmt: skip
MIB = 1 << 20

ANSWER = """
import asyncio, exllm
async def main():
    async with exllm.Client() as client:
        print((await client.chat("mock/any", "Hello")).text)
        print(len(exllm.providers.list_providers()))
        print(exllm.model_catalog.model_info("openai/gpt-4o").context_window)
asyncio.run(main())
"""


def _run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=check, timeout=500)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("exllm-*.whl")
    return built


@pytest.fixture(scope="module")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", wheel)
    return python


def test_the_wheel_holds_the_specs_the_model_and_the_type_marker(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"exllm/py.typed", "exllm/local/data/exllm-tiny.gguf", "exllm/providers/specs/openai.yaml"} <= names
    assert not [name for name in names if not name.startswith(("exllm/", "exllm-"))]
    assert {"exllm/model_catalog/catalog.bin", "exllm/model_catalog/LICENCES.md"} <= names
    assert "exllm/model_catalog/overrides.yml" in names  # an update lays them over what it fetched
    assert not [name for name in names if name.startswith("exllm/model_catalog/models/")]  # compiled into catalog.bin
    assert wheel.stat().st_size < 6 * MIB


def test_q02_the_wheel_brings_six_packages_and_what_they_need(empty_environment: Path) -> None:
    listed = json.loads(_run(empty_environment, "-m", "pip", "list", "--format=json").stdout)
    names = {entry["name"].lower().replace("_", "-") for entry in listed} - {"pip", "setuptools", "exllm"}
    assert names >= CORE
    assert names <= CORE | NEEDED_BY_CORE


def test_q02_the_installed_packages_take_under_25_mib(empty_environment: Path) -> None:
    (site,) = (empty_environment.parents[1] / "lib").glob("python3*/site-packages")
    tooling = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence")
    files = [path for top in site.iterdir() if not top.name.startswith(tooling) for path in [top, *top.rglob("*")]]
    assert sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".pyc") < 25 * MIB


def test_the_installed_wheel_answers_and_knows_its_providers(empty_environment: Path) -> None:
    done = _run(empty_environment, "-W", "error", "-c", ANSWER)
    text, count, window = done.stdout.splitlines()
    assert text
    assert window == "128000"
    assert int(count) >= 25


@pytest.mark.parametrize(
    ("command", "extra"),
    [(["-m", "exllm.cli.main", "--help"], "cli"), (["-c", "import exllm.integrations.fastapi"], "fastapi")],
)
def test_a_missing_extra_says_how_to_install_it(empty_environment: Path, command: list[str], extra: str) -> None:
    done = _run(empty_environment, *command, check=False)
    assert done.returncode != 0
    assert f"exllm[{extra}]" in done.stderr


def test_q26_installs_next_to_the_newest_sdks_without_holding_one_back(wheel: Path) -> None:
    neighbours = ["openai", "anthropic", "google-genai", "litellm"]
    alone = _resolve(*neighbours)
    together = _resolve(str(wheel), *neighbours)
    assert {name: together[name] for name in alone} == alone


def _resolve(*requirements: str) -> dict[str, str]:
    """What pip would install into an empty environment, without installing it."""
    done = _run(
        sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-",
        *requirements,
    )  # fmt: skip
    report = json.loads(done.stdout)
    return {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in report["install"]}
