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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("directory", type=Path)
    directory: Path = options.parse_args().directory
    for requirements in sorted(REQUIREMENTS.glob("*.txt")):
        print(f"{requirements.stem} -> {directory / requirements.stem}", flush=True)
        install(directory / requirements.stem, requirements)


if __name__ == "__main__":
    main()
