from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exllm import model_catalog


@pytest.fixture(autouse=True, scope="package")
def _no_files_of_the_person_who_runs_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    empty: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(empty))
        patch.setenv("XDG_CONFIG_HOME", str(empty))
        patch.delenv("EXLLM_CATALOG", raising=False)
        model_catalog.reload()
        yield
    model_catalog.reload()
