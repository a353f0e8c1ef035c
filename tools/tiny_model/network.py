"""The network: the llama architecture in plain PyTorch, with the names and the layout that llama.cpp expects.

RMSNorm before each block, rotary positions, grouped-query attention, SwiGLU, tied embeddings. The rotation pairs the two
halves of a head, which is quick here; llama.cpp pairs neighbours, so the export reorders the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network. Every row length is a multiple of 32, the block size of q8_0."""

    vocabulary: int = 2048
    context: int = 1024
    width: int = 256
    layers: int = 5
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 512
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads


class RMSNorm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


def rotation(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines per position and pair."""
    pairs = torch.arange(0, shape.head_width, 2, dtype=torch.float32) / shape.head_width
    angles = torch.outer(torch.arange(shape.context, dtype=torch.float32), shape.rope_base**-pairs)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair (first half, second half) of a head by its angle."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosines - second * sines, first * sines + second * cosines), dim=-1)


def neighbouring_pairs(weight: Tensor, heads: int) -> Tensor:
    """Reorder the rows of a query or key matrix so that the pairs of ``rotate`` stand side by side."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


class Block(nn.Module):
    """Attention, then the feed-forward part, each added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.attn_norm = RMSNorm(shape.width, shape.norm_epsilon)
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, kv_width, bias=False)
        self.attn_v = nn.Linear(shape.width, kv_width, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = RMSNorm(shape.width, shape.norm_epsilon)
        self.ffn_gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        rows, length, _ = x.shape
        split = (rows, length, -1, self.shape.head_width)
        normed = self.attn_norm(x)
        query = rotate(self.attn_q(normed).view(split), cosines, sines)
        key = rotate(self.attn_k(normed).view(split), cosines, sines)
        value = self.attn_v(normed).view(split)
        repeats = self.shape.heads // self.shape.kv_heads
        mixed = functional.scaled_dot_product_attention(
            query.transpose(1, 2),
            key.repeat_interleave(repeats, dim=2).transpose(1, 2),
            value.repeat_interleave(repeats, dim=2).transpose(1, 2),
            is_causal=True,
        )
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(rows, length, -1))
        normed = self.ffn_norm(x)
        down: Tensor = self.ffn_down(functional.silu(self.ffn_gate(normed)) * self.ffn_up(normed))
        return x + down


class Network(nn.Module):
    """Tokens in, one vector per position out; ``logits`` turns vectors into scores with the tied embedding."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = RMSNorm(shape.width, shape.norm_epsilon)
        cosines, sines = rotation(shape)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self.apply(self._start)
        for block in self.blk:
            assert isinstance(block, Block)
            for out in (block.attn_output, block.ffn_down):
                nn.init.normal_(out.weight, std=0.02 / (2 * shape.layers) ** 0.5)

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02 if isinstance(module, nn.Embedding) else 0.04)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        cosines, sines = self.cosines[:length, None], self.sines[:length, None]
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, cosines, sines)
        normed: Tensor = self.output_norm(x)
        return normed

    def logits(self, vectors: Tensor) -> Tensor:
        return functional.linear(vectors, self.token_embd.weight)

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
