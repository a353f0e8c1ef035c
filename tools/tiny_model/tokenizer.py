"""The tokenizer: byte-level BPE, so that every text can be written, with five special tokens.

The splitting rule is GPT-2's, which llama.cpp knows by the name ``gpt-2``; both give the same tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import Dialogue

BEGIN, END, SYSTEM, USER, ASSISTANT = SPECIAL_TOKENS = ("<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] in ['system', 'developer'] %}<|system|>"
    "{% elif message['role'] == 'assistant' %}<|assistant|>"
    "{% else %}<|user|>{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] | trim | replace('<|', '< |') }}"
    "{% elif message['content'] %}"
    "{% for part in message['content'] %}{% if part['text'] is defined %}{{ part['text'] | trim | replace('<|', '< |') }}"
    "{% endif %}{% endfor %}"
    "{% endif %}"
    "<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Jinja. Text that looks like a special token is broken up, so that no message can pose as another role."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The tokens of one dialogue, and which of them the model must learn to write."""

    tokens: list[int]
    learnt: list[bool]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn ``vocabulary`` tokens, special tokens and all 256 bytes included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def special(tokenizer: Tokenizer, token: str) -> int:
    """The number of a special token."""
    number = tokenizer.token_to_id(token)
    assert number is not None, token
    return number


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """The merges in order of rank."""
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def encode(tokenizer: Tokenizer, messages: Dialogue) -> Encoded:
    """Write a dialogue as the chat template does; what the assistant says is learnt, with its end."""
    begin, end = special(tokenizer, BEGIN), special(tokenizer, END)
    tokens, learnt = [begin], [False]
    for message in messages:
        content = tokenizer.encode(message.content.strip(), add_special_tokens=False).ids
        tokens += [special(tokenizer, f"<|{message.role}|>"), *content, end]
        learnt += [False, *[message.role == "assistant"] * (len(content) + 1)]
    return Encoded(tokens, learnt)
