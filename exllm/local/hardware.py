"""What the installed llama-cpp-python was built for, and what of it is there."""

from __future__ import annotations

import ctypes
import re
import sys
from importlib import metadata

import msgspec

from exllm.local.llama_library import ggml_function, llama_library

_KINDS = {0: "cpu", 1: "gpu", 2: "integrated_gpu", 3: "accelerator"}  # enum ggml_backend_dev_type
_BUILD = "https://github.com/abetlen/llama-cpp-python#supported-backends"
_FLAGS = {"Metal": "GGML_METAL", "CUDA": "GGML_CUDA", "ROCm": "GGML_HIP", "Vulkan": "GGML_VULKAN"}
_NAMES = {"MTL": "Metal", "METAL": "Metal", "HIP": "ROCm", "ROCM": "ROCm", "VULKAN": "Vulkan", "BLAS": "BLAS"}


class Device(msgspec.Struct, frozen=True):
    """Something that llama.cpp can compute on. Memory in bytes, None where the driver does not say."""

    name: str
    description: str
    backend: str
    kind: str
    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None


class Acceleration(msgspec.Struct, frozen=True):
    """The state of acceleration.

    Attributes:
        backends: compiled in: ``CPU``, ``Metal``, ``CUDA``, ``ROCm``, ``Vulkan``, ``BLAS``, ...
        devices: found on this machine.
        gpu: whether layers go to a GPU; `n_gpu_layers` has an effect then.
        cpu_features: instruction sets that the CPU backend uses, such as ``AVX2`` or ``NEON``.
        system_info: llama.cpp's own words.
        llama_cpp_python: version of the package.
        advice: what to do to get acceleration, or that nothing need be done.
    """

    backends: tuple[str, ...]
    devices: tuple[Device, ...]
    gpu: bool
    cpu_features: tuple[str, ...]
    system_info: str
    llama_cpp_python: str
    advice: str


def acceleration() -> Acceleration:
    """Report on the llama-cpp-python that is installed. Raises: MissingExtra."""
    library = llama_library()
    info = library.llama_print_system_info().decode("utf-8", "replace").strip(" |")
    devices = _devices()
    backends = tuple(dict.fromkeys(("CPU", *_registered_backends(), *(device.backend for device in devices))))
    gpu = bool(library.llama_supports_gpu_offload()) and any("gpu" in device.kind for device in devices)
    return Acceleration(
        backends,
        devices,
        gpu,
        cpu_features(info),
        info,
        metadata.version("llama-cpp-python"),
        advice(backends, gpu, sys.platform),
    )


def cpu_features(system_info: str) -> tuple[str, ...]:
    """The names that llama.cpp's line of system information says 1 of, of the CPU."""
    cpu = re.search(r"CPU\s*:(.*?)(?=\w+\s*:\s*\w+\s*=|$)", system_info + " ", re.DOTALL)
    return tuple(re.findall(r"(\w+) = 1\b", cpu[1] if cpu else system_info))


def advice(backends: tuple[str, ...], gpu: bool, platform: str) -> str:
    """What to do to get acceleration, for these facts."""
    compiled = [name for name in _FLAGS if name in backends]
    if gpu:
        return (
            f"{' and '.join(compiled) or 'a GPU'} in use: all layers go to the GPU unless n_gpu_layers says otherwise"
        )
    if compiled:
        return f"built for {' and '.join(compiled)}, but no such device was found; check the driver"
    wanted = ("Metal",) if platform == "darwin" else ("CUDA", "ROCm", "Vulkan")
    ways = ", ".join(f'CMAKE_ARGS="-D{_FLAGS[name]}=on" for {name}' for name in wanted)
    return (
        f"CPU only. To use a GPU, build llama-cpp-python again with {ways}: "
        f"CMAKE_ARGS=... pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python "
        f"(docs/local.md, {_BUILD})"
    )


def _registered_backends() -> list[str]:
    count = ggml_function("ggml_backend_reg_count", ctypes.c_size_t)
    get = ggml_function("ggml_backend_reg_get", ctypes.c_void_p, ctypes.c_size_t)
    name = ggml_function("ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)
    if count is None or get is None or name is None:
        return []
    return [_common_name(name(get(index)).decode()) for index in range(count())]


def _devices() -> tuple[Device, ...]:
    pointer = ctypes.c_void_p
    count = ggml_function("ggml_backend_dev_count", ctypes.c_size_t)
    get = ggml_function("ggml_backend_dev_get", pointer, ctypes.c_size_t)
    name = ggml_function("ggml_backend_dev_name", ctypes.c_char_p, pointer)
    description = ggml_function("ggml_backend_dev_description", ctypes.c_char_p, pointer)
    kind = ggml_function("ggml_backend_dev_type", ctypes.c_int, pointer)
    registry = ggml_function("ggml_backend_dev_backend_reg", pointer, pointer)
    backend = ggml_function("ggml_backend_reg_name", ctypes.c_char_p, pointer)
    sizes = ctypes.POINTER(ctypes.c_size_t)
    memory = ggml_function("ggml_backend_dev_memory", None, pointer, sizes, sizes)
    if not (count and get and name and description and kind and registry and backend and memory):
        return ()
    found = []
    for index in range(count()):
        device = get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        memory(device, ctypes.byref(free), ctypes.byref(total))
        found.append(
            Device(
                name(device).decode("utf-8", "replace"),
                description(device).decode("utf-8", "replace").strip(),
                _common_name(backend(registry(device)).decode()),
                _KINDS.get(kind(device), "other"),
                total.value or None,
                free.value or None,
            )
        )
    return tuple(found)


def _common_name(backend: str) -> str:
    return _NAMES.get(backend.upper(), backend)
