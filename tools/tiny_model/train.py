"""Make the small model: generate the corpus, train tokenizer and network on it, write the GGUF file.

    python tools/tiny_model/train.py --out exllm/local/data/exllm-tiny.gguf

Everything is seeded and the number of threads is fixed, so the same torch build on the same kind of CPU gives the same
bytes.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from corpus import SEED, dialogues
from export import sha256_of, write_gguf
from muon import Muon
from network import Network, Shape
from tokenizer import encode, train_tokenizer

THREADS = 2
TOKENIZER_DIALOGUES = 30_000
TOKENS_PER_STEP = 4096
TOKENS_AT_ONCE = 2048
"""Few enough for the caches; larger pieces are slower."""
NOT_LEARNT = -100


def batches(tokenizer: Tokenizer, shape: Shape, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets of every step: dialogues one after the other, each row starting with a fresh one.

    The first three quarters of the steps have rows of half the context, which is cheaper; the rest has whole ones.
    """
    source = dialogues(SEED + 1)
    for step in range(steps):
        length = shape.context // 2 if step < steps * 3 // 4 else shape.context
        inputs, targets = [], []
        for _ in range(TOKENS_PER_STEP // length):
            tokens: list[int] = []
            learnt: list[bool] = []
            while len(tokens) <= length:
                encoded = encode(tokenizer, next(source))
                tokens += encoded.tokens
                learnt += encoded.learnt
            inputs.append(tokens[:length])
            targets.append([token if wanted else NOT_LEARNT for token, wanted in zip(tokens, learnt, strict=True)][1 : length + 1])
        yield torch.tensor(inputs), torch.tensor(targets)


def optimizers(network: Network, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the embedding and the norms."""
    matrices = [parameter for parameter in network.blk.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in network.parameters() if not any(parameter is matrix for matrix in matrices)]
    return [
        Muon(matrices, lr=rate),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def schedule(step: int, steps: int) -> float:
    """The share of the top learning rate: a short rise, a plateau, a straight fall over the second half."""
    return min((step + 1) / 50, 1.0, max(0.02, 2 * (1 - step / steps)))


def backward(network: Network, inputs: Tensor, targets: Tensor) -> float:
    """Add the gradients of one step, piece by piece, and give the mean loss."""
    rows = TOKENS_AT_ONCE // inputs.shape[1]
    count = int((targets != NOT_LEARNT).sum())
    total = 0.0
    for some_inputs, some_targets in zip(inputs.split(rows), targets.split(rows), strict=True):
        wanted = some_targets != NOT_LEARNT
        logits = network.logits(network(some_inputs)[wanted])
        loss = functional.cross_entropy(logits, some_targets[wanted], reduction="sum") / count
        loss.backward()
        total += loss.item()
    return total


def train(network: Network, tokenizer: Tokenizer, steps: int, rate: float) -> Iterator[int]:
    """Train for ``steps`` steps, show loss, time gone and time left, and give the number of steps done after every 100."""
    chosen = optimizers(network, rate)
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.3f}"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns) as progress:
        task = progress.add_task("", total=steps, loss=float("nan"))
        smooth = 0.0
        for step, (inputs, targets) in enumerate(batches(tokenizer, network.shape, steps)):
            for optimizer in chosen:
                for group in optimizer.param_groups:
                    group["lr"] = rate * schedule(step, steps)
            loss = backward(network, inputs, targets)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for optimizer in chosen:
                optimizer.step()
                optimizer.zero_grad()
            smooth = loss if step == 0 else 0.98 * smooth + 0.02 * loss
            progress.update(task, advance=1, loss=smooth)
            if step % 100 == 99:
                progress.console.print(f"step {step + 1}: loss {smooth:.4f}, {time.process_time():.0f} CPU seconds")
                yield step + 1


def keep_memory() -> None:
    """Tell glibc to keep freed memory; else every large tensor is mapped and zeroed by the kernel again (a third of the time)."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # musl has none
            m_trim_threshold, m_mmap_max = -1, -4
            mallopt(m_mmap_max, 0)
            mallopt(m_trim_threshold, 2**31 - 1)


def main() -> None:
    """Train the small model and write it as GGUF."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--out", type=Path, default=Path("exllm/local/data/exllm-tiny.gguf"))
    arguments.add_argument("--steps", type=int, default=1050, help=f"optimizer steps of {TOKENS_PER_STEP} tokens each")
    arguments.add_argument("--rate", type=float, default=4e-3, help="top learning rate")
    arguments.add_argument("--precision", choices=["q8_0", "f16"], default="q8_0")
    arguments.add_argument("--snapshots", action="store_true", help="also write the model after every 100 steps")
    options = arguments.parse_args()

    keep_memory()
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True)
    wall, cpu = time.monotonic(), time.process_time()
    shape = Shape()
    texts = (message.content for messages in islice(dialogues(SEED), TOKENIZER_DIALOGUES) for message in messages)
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    network = Network(shape)
    print(f"{network.parameter_count():,} parameters, {options.steps * TOKENS_PER_STEP:,} tokens")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for done in train(network, tokenizer, options.steps, options.rate):
        if options.snapshots:
            write_gguf(network, tokenizer, options.out.with_suffix(f".{done}.gguf"), options.precision)
    write_gguf(network, tokenizer, options.out, options.precision)
    print(f"{time.monotonic() - wall:.0f} s, {time.process_time() - cpu:.0f} CPU seconds")
    print(f"{options.out}: {options.out.stat().st_size:,} bytes, sha256 {sha256_of(options.out)}")


if __name__ == "__main__":
    main()
