"""The text that the bundled model is trained on: the same on every machine, and in the form that training needs.

Only the generator is tested here; it needs nothing but Python. ``tests/local/test_tiny_model.py`` tests the model.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tools" / "tiny_model"
MODEL_CARD = ROOT / "exllm" / "local" / "data" / "MODEL_CARD.md"
HASHED_DIALOGUES = 5000
HASH = f"""
import hashlib, itertools, sys
sys.path.insert(0, {str(SCRIPTS)!r})
import corpus
whole = hashlib.sha256()
for messages in itertools.islice(corpus.dialogues(corpus.SEED), {HASHED_DIALOGUES}):
    whole.update(repr([tuple(message) for message in messages]).encode())
print(whole.hexdigest())
"""


def _own_modules() -> set[str]:
    return {name for name, module in sys.modules.items() if str(SCRIPTS) in str(getattr(module, "__file__", None))}


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """Import by name from ``tools/tiny_model``; the scripts' plain module names are forgotten afterwards."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield load
    for name in _own_modules():
        del sys.modules[name]


@pytest.fixture(scope="module")
def dialogues(scripts: Any) -> list[Any]:
    corpus = scripts("corpus")
    return list(islice(corpus.dialogues(corpus.SEED), 4000))


def _hash_of_corpus(hash_seed: str) -> str:
    command = [sys.executable, "-B", "-c", HASH]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=50)
    return done.stdout.strip()


def test_the_corpus_is_the_same_in_every_process_and_the_one_of_the_model_card() -> None:
    first = _hash_of_corpus("1")
    assert _hash_of_corpus("2") == first
    stated = re.search(
        r"sha256 of the first 5,000 dialogues \| `([0-9a-f]{64})`", MODEL_CARD.read_text(encoding="utf-8")
    )
    assert stated is not None
    assert stated.group(1) == first


def test_another_seed_gives_other_dialogues(scripts: Any) -> None:
    corpus = scripts("corpus")
    assert list(islice(corpus.dialogues(1), 20)) != list(islice(corpus.dialogues(2), 20))


def test_roles_alternate_and_the_assistant_has_the_last_word(dialogues: list[Any]) -> None:
    for messages in dialogues:
        roles = [message.role for message in messages]
        if roles[0] == "system":
            roles = roles[1:]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert roles


def test_no_dialogue_is_longer_than_the_context(dialogues: list[Any]) -> None:
    assert max(sum(len(message.content) for message in messages) for messages in dialogues) < 3000


def test_an_answer_in_the_plain_style_is_never_empty(dialogues: list[Any]) -> None:
    plain = [messages for messages in dialogues if messages[0].role == "user"]
    assert len(plain) > 1000
    for messages in plain:
        assert all(message.content.strip() for message in messages if message.role == "assistant")


def test_no_mark_of_the_patterns_is_left_in_the_text(dialogues: list[Any]) -> None:
    for messages in dialogues:
        for message in messages:
            if message.role == "assistant":
                assert not re.search(r"\||<>|  |\{[a-z_]+\}| [.,!?](\s|$)", message.content), message.content
            assert "<|" not in message.content


def test_stories_stay_with_their_hero_and_end_as_sentences(scripts: Any) -> None:
    stories, rng = scripts("topics.stories"), scripts("corpus").Random(5)
    for hero in ("fox", "lighthouse", "brave submarine", "blorp"):
        for _ in range(50):
            text, slots = stories.tell(rng, hero)
            assert hero in text
            assert text.count(slots["name"]) >= 2
            assert text.endswith((".", "!", "?", '"'))
            assert text.count('"') % 2 == 0
            assert 60 <= len(text.split()) <= 220


def test_sums_in_the_answers_are_right(dialogues: list[Any]) -> None:
    found = 0
    signs = {"plus": lambda a, b: a + b, "minus": lambda a, b: a - b, "times": lambda a, b: a * b}
    for messages in dialogues:
        for message in messages:
            for a, sign, b, result in re.findall(r"(\d+) (plus|minus|times) (\d+) is (\d+)", message.content):
                assert signs[sign](int(a), int(b)) == int(result), message.content
                found += 1
    assert found > 100


def test_answers_that_look_like_json_are_json(dialogues: list[Any]) -> None:
    answers = [message.content for messages in dialogues for message in messages if message.role == "assistant"]
    objects = [answer for answer in answers if answer.startswith(("{", "["))]
    assert len(objects) > 100
    for answer in objects:
        json.loads(answer)


def test_a_good_share_of_the_dialogues_is_about_exllm(dialogues: list[Any]) -> None:
    about = sum(any("exllm" in message.content for message in messages) for messages in dialogues)
    assert 0.1 < about / len(dialogues) < 0.5


def test_what_is_said_about_exllm_is_said_in_its_words(scripts: Any) -> None:
    about = scripts("topics.about_exllm")
    rng = scripts("corpus").Random(3)
    for _ in range(2000):
        exchange = about.about_exllm(rng)
        assert exchange.question[-1] in ".?"
        assert exchange.answer[-1] in ".!"
        assert exchange.answer[:1].isupper() or exchange.answer.startswith(
            ("exllm", "chat(", "stream(", "stream.", "llama.cpp", "asyncio")
        )


def test_choices_are_resolved_from_the_inside_and_slots_filled(scripts: Any) -> None:
    phrasing, rng = scripts("phrasing"), scripts("corpus").Random(0)
    seen = {phrasing.expand(rng, "(a (b|c)|{x}) d?", x="e") for _ in range(200)}
    assert seen == {"A b d?", "A c d?", "E d?"}


def test_articles_and_lists_read_well(scripts: Any) -> None:
    phrasing = scripts("phrasing")
    assert [phrasing.with_article(noun) for noun in ("owl", "cat", "the moon")] == ["an owl", "a cat", "the moon"]
    assert [phrasing.listing(["a", "b", "c"][:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_typing_keeps_what_a_question_is_about(scripts: Any) -> None:
    phrasing, rng = scripts("phrasing"), scripts("corpus").Random(0)
    typed = [phrasing.as_typed(rng, "What does an owl eat?") for _ in range(300)]
    assert len(set(typed)) > 10
    assert all(
        text.lower().rstrip("?").removesuffix(", please").removesuffix(" please").endswith(("owl eat", "eat"))
        for text in typed
    )
