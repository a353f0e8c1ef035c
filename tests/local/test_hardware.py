from __future__ import annotations

import pytest

import exllm.local
from exllm.local.hardware import advice, cpu_features

LINUX = "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | AVX512 = 0 | OPENMP = 1 |"
CUDA = "CUDA : ARCHS = 890 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | AVX2 = 1 | LLAMAFILE = 1"
METAL = "Metal : EMBED_LIBRARY = 1 | CPU : NEON = 1 | ARM_FMA = 1 | ACCELERATE = 1 | REPACK = 1"


def test_the_cpus_features_are_read_from_the_line_of_system_information() -> None:
    assert cpu_features(LINUX) == ("SSE3", "AVX", "AVX2", "OPENMP")
    assert cpu_features(CUDA) == ("SSE3", "AVX2", "LLAMAFILE")
    assert cpu_features(METAL) == ("NEON", "ARM_FMA", "ACCELERATE", "REPACK")
    assert cpu_features("") == ()


@pytest.mark.parametrize(
    ("backends", "gpu", "platform", "said"),
    [
        (("CPU",), False, "linux", ["-DGGML_CUDA=on", "-DGGML_HIP=on", "-DGGML_VULKAN=on"]),
        (("CPU",), False, "darwin", ["-DGGML_METAL=on"]),
        (("CPU", "CUDA"), True, "linux", ["CUDA in use"]),
        (("CPU", "ROCm"), False, "linux", ["built for ROCm, but no such device"]),
    ],
)
def test_the_advice_fits_what_is_there(backends: tuple[str, ...], gpu: bool, platform: str, said: list[str]) -> None:
    text = advice(backends, gpu, platform)
    assert all(words in text for words in said)


@pytest.mark.local
def test_the_report_tells_what_this_build_can_do() -> None:
    import llama_cpp

    report = exllm.local.acceleration()
    assert report.llama_cpp_python == llama_cpp.__version__
    assert "CPU" in report.backends
    cpu = next(device for device in report.devices if device.kind == "cpu")
    assert (cpu.backend, bool(cpu.memory_total_bytes)) == ("CPU", True)
    assert report.cpu_features
    assert report.advice
    assert report.gpu == any("gpu" in device.kind for device in report.devices)
    if not llama_cpp.llama_supports_gpu_offload():
        assert not report.gpu
        assert "build llama-cpp-python again" in report.advice
