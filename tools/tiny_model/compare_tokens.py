"""Check that llama.cpp cuts text exactly as the trainer did, on the corpus and on anything else.

python tools/tiny_model/compare_tokens.py exllm/local/data/exllm-tiny.gguf
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from random import Random

from llama_cpp import Llama

from corpus import SEED, dialogues
from tokenizer import train_tokenizer
from train import TOKENIZER_DIALOGUES


def odd_texts(rng: Random, count: int) -> list[str]:
    """Strings of letters, digits, marks, spaces and signs of many scripts."""
    ranges = [(32, 126), (32, 126), (9, 13), (0xA0, 0x24F), (0x370, 0x4FF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0x1F300, 0x1F64F)]
    return ["".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 40))) for _ in range(count)]


def main() -> None:
    """Compare both tokenizers and count the differences."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("model", type=Path)
    options = arguments.parse_args()
    texts = [message.content for messages in islice(dialogues(SEED), TOKENIZER_DIALOGUES) for message in messages]
    trained = train_tokenizer(texts, 2048)
    model = Llama(str(options.model), vocab_only=True, verbose=False)
    tried = texts[:5000] + odd_texts(Random(1), 5000)
    different = [text for text in tried if trained.encode(text, add_special_tokens=False).ids != model.tokenize(text.encode(), add_bos=False, special=False)]
    print(f"{len(different)} of {len(tried)} texts are cut differently", *map(repr, different[:10]), sep="\n")


if __name__ == "__main__":
    main()
