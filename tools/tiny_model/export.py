"""Write the trained network and its tokenizer as one GGUF file that llama.cpp reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import quantize
from tokenizers import Tokenizer

from network import Network, neighbouring_pairs
from tokenizer import BEGIN, CHAT_TEMPLATE, END, SPECIAL_TOKENS, merges_of, special

_TYPES = {"q8_0": GGMLQuantizationType.Q8_0, "f16": GGMLQuantizationType.F16}
_FILE_TYPES = {"q8_0": 7, "f16": 1}


def write_gguf(network: Network, tokenizer: Tokenizer, path: Path, precision: str = "q8_0") -> None:
    """Matrices in ``precision``, norms in f32; no output matrix, since llama.cpp then takes the embedding."""
    shape = network.shape
    writer = GGUFWriter(path, "llama")
    writer.add_name("exllm-tiny")
    writer.add_description("The small model that ships with exllm; see MODEL_CARD.md.")
    writer.add_license("MIT")
    writer.add_file_type(_FILE_TYPES[precision])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocabulary)
    _add_tokenizer(writer, tokenizer)
    for name, parameter in network.state_dict().items():
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            parameter = neighbouring_pairs(parameter, shape.heads if "attn_q" in name else shape.kv_heads)
        values = parameter.float().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            packed = quantize(values.astype(np.float32), _TYPES[precision])
            writer.add_tensor(name, packed, raw_dtype=_TYPES[precision])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in by_id])
    writer.add_token_types([TokenType.CONTROL if token in SPECIAL_TOKENS else TokenType.NORMAL for token, _ in by_id])
    writer.add_token_merges([f"{left} {right}" for left, right in merges_of(tokenizer)])
    writer.add_bos_token_id(special(tokenizer, BEGIN))
    writer.add_eos_token_id(special(tokenizer, END))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
