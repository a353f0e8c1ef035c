from __future__ import annotations

from pathlib import Path

import pytest

from exllm.errors import InvalidRequest
from exllm.local.gguf import read_header
from tests.local.fake_engine import gguf

LLAMA = {
    "general.architecture": "llama",
    "llama.context_length": 4096,
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}


def test_numbers_text_and_short_lists_are_read_and_vocabularies_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    words = [f"word{number}" for number in range(2000)]
    path.write_bytes(
        gguf({**LLAMA, "tokenizer.ggml.tokens": words, "tokenizer.ggml.scores": list(range(2000)), "per_layer": [1, 2]})
    )
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.context_length == 4096
    assert header.metadata["per_layer"] == (1, 2)
    assert "tokenizer.ggml.tokens" not in header.metadata
    assert "tokenizer.ggml.scores" not in header.metadata


def test_the_attention_cache_of_a_known_model_has_its_known_size(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf(LLAMA))
    header = read_header(path)
    # Llama 3 8B: 128 KiB per token in f16, as llama.cpp's own log says ("KV self size = 512.00 MiB" for 4096).
    assert header.kv_cache_bytes(4096) == 512 * 2**20
    assert header.kv_cache_bytes(4096, "q8_0", "q8_0") == 512 * 2**20 * 17 // 32


def test_heads_may_differ_per_layer(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf({**LLAMA, "llama.attention.head_count_kv": [8] * 16 + [0] * 16}))
    assert read_header(path).kv_cache_bytes(4096) == 256 * 2**20


def test_a_model_without_attention_needs_no_cache(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf({"general.architecture": "mamba", "mamba.block_count": 4}))
    assert read_header(path).kv_cache_bytes(4096) == 0


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK\3\4 not a model")
    with pytest.raises(InvalidRequest, match="not a GGUF file"):
        read_header(path)


@pytest.mark.parametrize("kept", [4, 10, 24, 40, 100])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf(LLAMA)[:kept])
    with pytest.raises(InvalidRequest, match="damaged or unfinished"):
        read_header(path)


def test_a_file_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file"):
        read_header(tmp_path / "missing.gguf")
