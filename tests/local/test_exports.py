from __future__ import annotations

import subprocess
import sys

import exllm.local


def test_everything_that_is_promised_is_there() -> None:
    assert sorted(exllm.local.__all__) == exllm.local.__all__
    for name in exllm.local.__all__:
        assert getattr(exllm.local, name) is not None


def test_importing_it_imports_no_llama_cpp_python() -> None:
    script = (
        "import sys, exllm.local, exllm.local.provider\n"
        "heavy = [name for name in ('llama_cpp', 'numpy', 'jinja2', 'aiohttp') if name in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
