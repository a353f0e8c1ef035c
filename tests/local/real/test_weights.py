"""Whether weights are rearranged for the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exllm.local.llama_engine import LlamaEngine
from exllm.local.llama_library import llama_library
from exllm.local.settings import LoadOptions

pytestmark = pytest.mark.local


@pytest.mark.parametrize(
    ("cpu", "asked", "rearranged"),
    [
        (b"CPU : AVX2 = 1 | ", None, True),
        (b"CPU : AVX512 = 1 | AMX_INT8 = 1 | ", None, False),
        (b"CPU : AVX512 = 1 | AMX_INT8 = 1 | ", True, True),
        (b"CPU : AVX2 = 1 | ", False, False),
    ],
)
def test_weights_are_rearranged_unless_the_cpu_speaks_of_amx(
    real_model: Path, monkeypatch: pytest.MonkeyPatch, cpu: bytes, asked: bool | None, rearranged: bool
) -> None:
    library = llama_library()
    load, seen = library.llama_model_load_from_file, []

    def watched(path: bytes, settings: Any) -> Any:
        seen.append(bool(settings.use_extra_bufts))
        return load(path, settings)

    monkeypatch.setattr(library, "llama_print_system_info", lambda: cpu)
    monkeypatch.setattr(library, "llama_model_load_from_file", watched)
    LlamaEngine(real_model, LoadOptions(use_extra_bufts=asked), vocabulary_only=True).close()
    assert seen == [rearranged]
