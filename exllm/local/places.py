"""Where model files are: the bundled one, a path, or a name in the model folders. Blocking I/O."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from exllm.config import ConfigSource, lookup
from exllm.errors import NotFound
from exllm.providers.spec import near

BUNDLED_MODEL = "exllm-tiny"
BUNDLED_PATH = Path(__file__).parent / "data" / f"{BUNDLED_MODEL}.gguf"
MODELS_DIR_VARIABLE = "EXLLM_MODELS_DIR"

_PART = re.compile(r"-(\d{5})-of-(\d{5})$")  # llama.cpp's names for a model in several files


class ModelFile(msgspec.Struct, frozen=True):
    """A model on disk. `path` is its first file, `size_bytes` the sum of all its files."""

    name: str
    path: Path
    size_bytes: int


def model_directories(source: ConfigSource) -> tuple[Path, ...]:
    """The folders that are searched by name: those configured (``local`` / ``models_dir``, or EXLLM_MODELS_DIR, several
    separated as in PATH), then the user's own.
    """
    configured = lookup(source, "local", "models_dir", (MODELS_DIR_VARIABLE,)) or ""
    folders = [Path(entry).expanduser() for entry in configured.split(os.pathsep) if entry.strip()]
    return (*folders, user_models_directory())


def user_models_directory() -> Path:
    """``exllm/models`` in the folder where the system keeps a user's application data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "exllm" / "models"


def find_model(name: str, directories: Sequence[Path]) -> ModelFile:
    """The model that `name` stands for.

    A path (absolute, relative to the working directory, or from ``~``) is taken as it is. Anything else is the bundled
    model's name, or that of a ``.gguf`` file in one of the folders or below, with or without the suffix and the part
    number. ``local/`` in front is ignored, as in a whole model string.

    Raises: NotFound, listing what there is.
    """
    if name.startswith("local/") and not Path(name).is_file():
        name = name.removeprefix("local/")
    if name == BUNDLED_MODEL:
        return _model(BUNDLED_MODEL, BUNDLED_PATH) if BUNDLED_PATH.is_file() else _missing(name, directories)
    direct = Path(name).expanduser()
    if direct.is_file():
        return _model(_name_of(direct), direct)
    wanted = name.removesuffix(".gguf").lower()
    for folder in directories:
        exact = folder / name
        if exact.is_file():
            return _model(_name_of(exact), exact)
        for found in _models_in(folder):
            below = found.path.relative_to(os.path.abspath(folder)).with_suffix("").as_posix()
            if wanted in (found.name.lower(), below.lower(), found.path.stem.lower()):
                return found
    return _missing(name, directories)


def available_models(directories: Sequence[Path]) -> list[ModelFile]:
    """The bundled model and all models in the folders, by name; of two with one name, the one that is found first."""
    found = {BUNDLED_MODEL: _model(BUNDLED_MODEL, BUNDLED_PATH)} if BUNDLED_PATH.is_file() else {}
    for folder in directories:
        for model in _models_in(folder):
            found.setdefault(model.name, model)
    return [found[name] for name in sorted(found)]


def _models_in(folder: Path) -> Iterator[ModelFile]:
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*.gguf")):
        part = _PART.search(path.stem)
        is_model = not path.name.startswith("mmproj")  # the picture half of a multimodal model
        if path.is_file() and is_model and (part is None or part[1] == "00001"):
            yield _model(_name_of(path), path)


def _name_of(path: Path) -> str:
    return _PART.sub("", path.stem)


def _model(name: str, path: Path) -> ModelFile:
    # Not resolved: behind a link the other parts of a model, or even its name, may be missing.
    path = Path(os.path.abspath(path))
    part = _PART.search(path.stem)
    if part is None:
        return ModelFile(name, path, path.stat().st_size)
    siblings = path.parent.glob(f"{path.stem[: part.start()]}-*-of-{part[2]}.gguf")
    return ModelFile(name, path, sum(sibling.stat().st_size for sibling in siblings))


def _missing(name: str, directories: Sequence[Path]) -> ModelFile:
    names = [model.name for model in available_models(directories)]
    hint = near(name, names)
    there = f"there are: {', '.join(names)}" if names else "none is there"
    folders = ", ".join(str(folder) for folder in directories)
    raise NotFound(
        f"no local model {name!r}{hint}; {there}. Give the path of a GGUF file, or put one into one of these folders: "
        f"{folders} ({MODELS_DIR_VARIABLE} names more)",
        provider="local",
        model=name,
    )
