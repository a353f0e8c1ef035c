from __future__ import annotations

import sys
from pathlib import Path

import pytest

from exllm.config import Env, Static
from exllm.errors import NotFound
from exllm.local import places
from exllm.local.places import available_models, find_model, model_directories, user_models_directory
from tests.local.fake_engine import Shelf


def test_a_name_is_found_with_and_without_suffix_and_in_any_case(shelf: Shelf) -> None:
    path = shelf.add("Qwen-1B-Q4")
    for name in ("Qwen-1B-Q4", "Qwen-1B-Q4.gguf", "qwen-1b-q4"):
        assert find_model(name, [shelf.folder]).path == path


def test_a_name_is_found_below_a_folder(shelf: Shelf) -> None:
    path = shelf.add("team/small")
    assert find_model("small", [shelf.folder]).path == path
    assert find_model("team/small", [shelf.folder]).path == path
    assert find_model("team/small.gguf", [shelf.folder]).path == path


def test_paths_are_taken_as_they_are(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shelf.add("here")
    monkeypatch.chdir(shelf.folder)
    monkeypatch.setenv("HOME", str(shelf.folder))
    for name in (str(path), "here.gguf", "./here.gguf", "~/here.gguf", f"local/{path}"):
        found = find_model(name, [])
        assert (found.path, found.name, found.size_bytes) == (path, "here", 1000)


def test_a_model_in_several_files_is_one_model(shelf: Shelf) -> None:
    first = shelf.add("big-00001-of-00002", 1000)
    shelf.add("big-00002-of-00002", 700)
    shelf.add("mmproj-big", 5)
    (model,) = (entry for entry in available_models([shelf.folder]) if entry.name != "exllm-tiny")
    assert (model.name, model.path, model.size_bytes) == ("big", first, 1700)
    assert find_model("big", [shelf.folder]) == model


def test_what_is_missing_is_answered_with_what_is_there(shelf: Shelf) -> None:
    shelf.add("llama-small")
    with pytest.raises(NotFound) as caught:
        find_model("lama-small", [shelf.folder])
    assert "did you mean 'llama-small'" in caught.value.message
    assert str(shelf.folder) in caught.value.message
    assert "EXLLM_MODELS_DIR" in caught.value.message


def test_the_bundled_model_has_its_name_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = tmp_path / "exllm-tiny.gguf"
    monkeypatch.setattr(places, "BUNDLED_PATH", bundled)
    with pytest.raises(NotFound):
        find_model("exllm-tiny", [])
    bundled.write_bytes(b"GGUF")
    assert find_model("exllm-tiny", []).path == bundled
    assert find_model("local/exllm-tiny", []).path == bundled
    assert [model.name for model in available_models([])] == ["exllm-tiny"]


def test_folders_come_from_the_config_and_end_with_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Static({"local": {"models_dir": "/a" + (";" if sys.platform == "win32" else ":") + "/b"}})
    assert model_directories(source) == (Path("/a"), Path("/b"), user_models_directory())
    monkeypatch.setenv("EXLLM_MODELS_DIR", "/c")
    assert model_directories(Env())[0] == Path("/c")


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_DATA_HOME", "exllm/models"),
        ("linux", None, ".local/share/exllm/models"),
        ("darwin", None, "Library/Application Support/exllm/models"),
        ("win32", "LOCALAPPDATA", "exllm/models"),
        ("win32", None, "AppData/Local/exllm/models"),
    ],
)
def test_the_users_own_folder_is_where_the_system_keeps_such_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, expected: str
) -> None:
    monkeypatch.setattr(places.sys, "platform", platform)  # type: ignore[attr-defined]
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
    assert user_models_directory() == tmp_path / expected
