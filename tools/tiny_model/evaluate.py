"""Ask the finished model, through llama.cpp, what it was not trained on; score and print the answers.

    python tools/tiny_model/evaluate.py exllm/local/data/exllm-tiny.gguf

Three measures. *On topic*: hand-written questions (``cases.py``) whose answer matches a pattern, ends by itself and has a
sensible length. *Exact*: questions of the corpus's generators that the training never saw, whose answer has one right
wording. *Well-formed*: answers of both kinds in which every sentence begins and ends as one, quotes are paired, no word
stands twice in a row and every word is one of the corpus or of the question; it is what a program can check of grammar.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Any

from llama_cpp import Llama

from cases import CASES, Case
from corpus import SEED, dialogues
from exchange import draw
from topics.about_exllm import ABOUT_EXLLM
from topics.animals import ANIMALS_AND_FOOD
from topics.facts import FACTS
from topics.numbers import NUMBERS, TIME_AND_WEATHER

Chat = list[dict[str, str]]

TRAINING_DIALOGUES = 90_000
"""More than the training reads."""
HELD_OUT_SEED = 99
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def ask(model: Llama, chat: Chat, temperature: float = 0.0, **options: Any) -> tuple[str, str]:
    """One answer and its finish reason."""
    messages: Any = chat
    answer: Any = model.create_chat_completion(messages, temperature=temperature, max_tokens=400, **options)
    choice = answer["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def talk(model: Llama, asked: Case, temperature: float) -> tuple[str, str]:
    """Hold the dialogue of a case and give the last answer and its finish reason."""
    chat: Chat = [{"role": "system", "content": asked.system}] if asked.system else []
    text = reason = ""
    for said in asked.said:
        chat.append({"role": "user", "content": said})
        text, reason = ask(model, chat, temperature, seed=7)
        chat.append({"role": "assistant", "content": text})
    return text, reason


def on_topic(asked: Case, text: str, reason: str) -> bool:
    low, high = asked.words
    return bool(re.search(asked.expected, text)) and reason == "stop" and low <= len(text.split()) <= high


# -- grammar, as far as a program sees it


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower())


def corpus_words(count: int = 30_000) -> set[str]:
    """The words of the first ``count`` dialogues."""
    return {word for messages in islice(dialogues(SEED), count) for message in messages for word in _words(message.content)}


def faults(text: str, said: str, known: set[str]) -> Iterator[str]:
    """What is wrong with the form of an answer; nothing for a good one."""
    if text[:1] in "{[":
        try:
            json.loads(text)
        except ValueError:
            yield "JSON that cannot be read"
        return
    if text.count('"') % 2:
        yield "a quote that is not closed"
    bare = re.sub(r'["\n]', " ", text).strip()
    if not re.search(r"[.!?\w]$|\W$", bare) or (len(bare.split()) > 4 and bare[-1] not in ".!?" and bare[-1].isalpha()):
        yield "no mark at the end"
    for start in re.findall(r"(?:^|[.!?] )\s*(\w+)", re.sub(r"\d+\. ", "", bare)):
        if start[0].islower() and start not in {"exllm", "chat", "stream", "llama", "asyncio"} and text.count('"') == 0:
            yield f"a sentence that begins with {start}"
    words = _words(text)
    yield from (f"{one} twice" for one, two in pairwise(words) if one == two and one not in {"hoo", "ha", "moo"})
    allowed = known | set(_words(said))
    yield from (f"no word: {word}" for word in words if word not in allowed)


# -- the parts of the evaluation


def score_cases(model: Llama, temperature: float, known: set[str], show: bool) -> dict[str, str]:
    """Print misses (or all) and count the answers on the topic, per kind and together, and the well-formed ones."""
    found: dict[str, str] = {}
    hits: Counter[str] = Counter()
    formed = 0
    for kind, cases in CASES.items():
        for asked in cases:
            text, reason = talk(model, asked, temperature)
            hit = on_topic(asked, text, reason)
            wrong = list(faults(text, f"{asked.system} {' '.join(asked.said)}", known))
            hits[kind] += hit
            formed += not wrong
            if show or not hit or wrong:
                system = f"[{asked.system}] " if asked.system else ""
                print(f"{'ok  ' if hit else 'MISS'} {system}{' / '.join(asked.said)}\n     -> {text} ({reason}) {wrong or ''}")
        found[f"on topic: {kind}"] = f"{hits[kind]} of {len(cases)}"
    total = sum(map(len, CASES.values()))
    found["on topic: all"] = f"{hits.total()} of {total}"
    found["well-formed"] = f"{formed} of {total}"
    return found


def score_held_out(model: Llama, count: int, known: set[str], show: bool) -> dict[str, str]:
    """Exact answers to ``count`` questions that the training did not contain."""
    seen = {message.content for messages in islice(dialogues(SEED + 1), TRAINING_DIALOGUES) for message in messages if message.role == "user"}
    rng = Random(HELD_OUT_SEED)
    exact = formed = asked = 0
    while asked < count:
        exchange = draw(rng, rng.choice([FACTS, ANIMALS_AND_FOOD, NUMBERS, TIME_AND_WEATHER, ABOUT_EXLLM]))
        if exchange.question in seen or not exchange.short or exchange.short == "Unknown":
            continue
        asked += 1
        text, _ = ask(model, [{"role": "user", "content": exchange.question}])
        exact += text == exchange.answer
        formed += not list(faults(text, exchange.question, known))
        if text != exchange.answer and show:
            print(f"DIFF {exchange.question}\n     -> {text}\n        {exchange.answer}")
    return {"exact": f"{exact} of {asked}", "well-formed": f"{formed} of {asked}"}


def checks(model: Llama) -> Iterator[tuple[str, bool]]:
    """What must hold of any answer, apart from its sense."""
    chat = [{"role": "user", "content": "Tell me a story about an owl."}]
    yield "greedy answers repeat", ask(model, chat)[0] == ask(model, chat)[0]
    yield "a story stops by itself", ask(model, chat)[1] == "stop"
    odd = ("naïve café", "日本語のテスト", "🦊🚀❤️", "  two  spaces\n\n\ttab 1234567", "I'm can't 'quoted' ...", "\x00\x7f€ 한국어 עברית")
    for text in odd:
        tokens = model.tokenize(text.encode(), add_bos=False)
        yield f"round trip of {text!r}", model.detokenize(tokens).decode() == text
    for said in ("Show me a cat emoji.", "How do you say thank you in Spanish?", "日本語を話せますか？ 🤖"):
        yield f"valid UTF-8 after {said!r}", "\ufffd" not in ask(model, [{"role": "user", "content": said}])[0]
    wanted = {"type": "json_object", "schema": SCHEMA}
    for said in ("Give me a JSON object for a person with name, age.", "Tom is 12 years old. Write that as JSON.", "Hello!"):
        text, reason = ask(model, [{"role": "user", "content": said}], response_format=wanted)
        yield f"grammar after {said!r}: {text}", reason == "stop" and set(json.loads(text)) == {"name", "age"}


def speed(model: Llama, answers: int = 5) -> float:
    """Tokens per second while writing stories at temperature 0, the reading of the prompt included."""
    tokens, start = 0, time.monotonic()
    for name in ("fox", "ship", "bear", "queen", "kite")[:answers]:
        answer: Any = model.create_chat_completion([{"role": "user", "content": f"Tell me a story about a {name}."}], temperature=0.0, max_tokens=400)
        tokens += answer["usage"]["completion_tokens"]
    return tokens / (time.monotonic() - start)


def main() -> None:
    """Score the model and check what must always hold."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--quiet", action="store_true", help="print only misses of the hand-written questions")
    arguments.add_argument("--held-out", type=int, default=300, help="how many unseen questions of the generators to ask")
    options = arguments.parse_args()
    model = Llama(str(options.model), n_ctx=1024, n_threads=1, seed=7, verbose=False)
    known = corpus_words()
    figures: dict[str, str] = {}
    for temperature in (0.0, 0.7):
        scores = score_cases(model, temperature, known, show=not options.quiet and temperature == 0)
        figures |= {f"hand-written, temperature {temperature}, {name}": value for name, value in scores.items()}
    unseen = score_held_out(model, options.held_out, known, show=not options.quiet)
    figures |= {f"unseen, temperature 0, {name}": value for name, value in unseen.items()}
    figures["tokens per second, 1 thread"] = f"{speed(model):.0f}"
    print()
    for name, holds in checks(model):
        print(f"{'ok  ' if holds else 'FAIL'} {name}")
    print("\n| measure | result |\n|---|---|")
    print("\n".join(f"| {name} | {value} |" for name, value in figures.items()))


if __name__ == "__main__":
    main()
