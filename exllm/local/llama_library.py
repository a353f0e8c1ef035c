"""The one place that imports llama-cpp-python."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exllm.errors import MissingExtra


@functools.cache
def llama_library() -> Any:
    """llama-cpp-python's bindings of ``llama.h``, ready for use. The first call takes some tenths of a second.

    Raises: MissingExtra.
    """
    try:
        import llama_cpp.llama_cpp as library
    except ImportError as error:
        raise MissingExtra(
            'local models need llama-cpp-python: pip install "exllm[local]" (docs/local.md says how to build it for '
            "Metal, CUDA, ROCm or Vulkan)",
            provider="local",
        ) from error
    _divert_log(library)
    library.llama_backend_init()
    return library


_ERROR = 4  # enum ggml_log_level
_log = logging.getLogger("exllm.local")
_thread = threading.local()
_kept_alive: list[object] = []  # C holds a pointer to the callback


def _divert_log(library: Any) -> None:
    """Keep llama.cpp's log of what exllm does from stderr; the log of what others do stays where it went."""
    before, data = library.llama_log_callback(), ctypes.c_void_p()
    library.llama_log_get(ctypes.byref(before), ctypes.byref(data))

    @library.llama_log_callback  # type: ignore[untyped-decorator]
    def on_line(level: int, line: bytes, _data: object) -> None:
        lines = getattr(_thread, "lines", None)
        if lines is None:
            before(level, line, data)
            return
        text = line.decode("utf-8", "replace").rstrip()
        _log.debug("%s", text)
        if level == _ERROR:
            lines.append(text)

    _kept_alive.extend((on_line, before))
    library.llama_log_set(on_line, ctypes.c_void_p())


@contextlib.contextmanager
def llama_errors() -> Iterator[list[str]]:
    """The errors that llama.cpp logs in this thread meanwhile; all that it says goes to the logger ``exllm.local``."""
    lines: list[str] = []
    _thread.lines = lines
    try:
        yield lines
    finally:
        _thread.lines = None


def ggml_function(name: str, result: Any, *arguments: Any) -> Any | None:
    """A function of the ggml library behind llama.cpp, which llama-cpp-python does not bind; None if absent."""
    for library in _shared_libraries():
        try:
            function = getattr(library, name)
        except AttributeError:
            continue
        function.restype = result
        function.argtypes = list(arguments)
        return function
    return None


@functools.cache
def _shared_libraries() -> tuple[ctypes.CDLL, ...]:
    library = llama_library()
    assert library.__file__ is not None
    folder = Path(library.__file__).parent / "lib"
    names = ("llama", "ggml", "ggml-base")
    endings = (".dll",) if os.name == "nt" else (".so", ".dylib")
    prefixes = ("", "lib") if os.name == "nt" else ("lib",)
    paths = [folder / f"{prefix}{name}{ending}" for name in names for prefix in prefixes for ending in endings]
    return tuple(ctypes.CDLL(str(path)) for path in paths if path.is_file())


class AbortFlag:
    """Stops llama.cpp in the middle of a computation, without taking Python's lock for every node of the graph.

    llama.cpp asks a C function ``bool (*)(void *data)`` between nodes. A Python function there would have to wait for
    the interpreter lock each time. `strlen` has the shape as well: for the empty string it says 0, else 1, so writing
    one byte is all it takes. Backends other than the CPU do not ask; they are stopped between batches.
    """

    def __init__(self) -> None:
        self._data = ctypes.create_string_buffer(2)
        c_library = ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)
        self.callback = ctypes.cast(c_library.strlen, llama_library().ggml_abort_callback)
        self.address = ctypes.cast(self._data, ctypes.c_void_p)

    def __bool__(self) -> bool:
        return self._data[0] != b"\0"

    def set(self) -> None:
        self._data[0] = b"\1"

    def clear(self) -> None:
        self._data[0] = b"\0"
