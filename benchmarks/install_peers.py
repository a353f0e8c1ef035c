"""Build the virtual environments of the peers, one for each set that installs together.

    python benchmarks/install_peers.py DIRECTORY

Then pass the same directory to ``run.py --peers DIRECTORY``.
"""

from __future__ import annotations

import argparse
import subprocess
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
WITHOUT_DEPENDENCIES = {"litellm": ["litellm==1.109.1"]}


def install(environment: Path, requirements: Path) -> None:
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    for package in WITHOUT_DEPENDENCIES.get(requirements.stem, []):
        subprocess.run([*pip, "--no-deps", package], check=True)


def install_all(directory: Path, names: set[str]) -> None:
    """Make the environments called `names` under `directory`, unless they are there."""
    for name in sorted(names):
        marker = directory / name / "installed"
        if not marker.exists():
            print(f"{name} -> {directory / name}", flush=True)
            install(directory / name, REQUIREMENTS / f"{name}.txt")
            marker.touch()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("directory", type=Path)
    install_all(options.parse_args().directory, {requirements.stem for requirements in REQUIREMENTS.glob("*.txt")})


if __name__ == "__main__":
    main()
