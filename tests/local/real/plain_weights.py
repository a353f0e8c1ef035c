"""llama-cpp-python without rearranged weights: on a virtual machine whose AMX does not work it would crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def plain_weights() -> Iterator[None]:
    """Models that llama-cpp-python loads meanwhile are loaded as with our ``use_extra_bufts=False``."""
    import llama_cpp.llama_cpp as library

    defaults = library.llama_model_default_params

    def changed() -> Any:
        settings = defaults()
        settings.use_extra_bufts = False
        return settings

    library.llama_model_default_params = changed
    try:
        yield
    finally:
        library.llama_model_default_params = defaults


if __name__ == "__main__":  # `python -m tests.local.real.plain_weights ...` is `python -m llama_cpp.server ...`
    import runpy

    with plain_weights():
        runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)
