"""Ask the finished model, through llama.cpp, what the corpus never asked in these words; score and print the answers.

python tools/tiny_model/evaluate.py exllm/local/data/exllm-tiny.gguf
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_cpp import Llama

Chat = list[dict[str, str]]

STORY_WORDS = (80, 200)


@dataclass(frozen=True, slots=True)
class Case:
    """What is said to the model and a pattern that an answer on the topic matches."""

    said: tuple[str, ...]
    expected: str
    system: str = ""
    words: tuple[int, int] = (1, 60)


def case(*said: str, expect: str, system: str = "", words: tuple[int, int] = (1, 60)) -> Case:
    return Case(said, expect, system, words)


CASES = [
    case("what would be the capital of italy", expect="Rome"),
    case("I forgot the name of the French capital city. Can you help?", expect="Paris|France|capital"),
    case("Capital of Japan please", expect="Tokyo"),
    case("What is the capital of Germany?", "And what is the capital of Spain?", expect="Madrid"),
    case("My cow is hungry, what does it eat?", expect="grass"),
    case("do owls fly", expect="Yes"),
    case("Which noise do you hear from a duck?", expect="quack"),
    case("how many legs has a spider", expect="eight"),
    case("What is a lion?", "Where does it live?", expect="grassland|Africa"),
    case("tell me a bit about whales", expect="whale"),
    case("2+2", expect=r"\b4\b"),
    case("How much do I get when I add 7 and 5?", expect=r"\b12\b"),
    case("what is 9 minus 4", expect=r"\b5\b"),
    case("count up to seven please", expect="1, 2, 3, 4, 5, 6, 7"),
    case("Which day follows Tuesday?", expect="Wednesday"),
    case("what month do we have after June?", expect="July"),
    case("opposite of hot?", expect="cold"),
    case("It's raining. What should I wear?", expect="umbrella"),
    case("Which colour do red and yellow give?", expect="orange"),
    case("What tastes a lemon like?", expect="sour|lemon"),
    case("What is a hammer used for?", expect="nail"),
    case("what does a baker do for work", expect="bread|bake"),
    case("hello!", expect="Hello|Hi"),
    case("I feel rather sad today.", expect="sorry|sad"),
    case("who are you?", expect="small model"),
    case("what are you able to do?", expect="stor|question|model"),
    case("What's exllm all about?", expect="Python|model"),
    case("explain what streaming means in exllm", expect="stream|Stream|word"),
    case("how to install exllm?", expect="pip install exllm"),
    case("What does backpressure mean?", expect="slow"),
    case("Hi, my name is Greta.", "Do you still know my name?", expect="Greta"),
    case("Anna has a green hat. Ben has a red ball. What does Ben have?", expect="red ball"),
    case("Please name three animals.", expect=r"\w+, \w+ and \w+"),
    case("Say the word banana.", expect="[Bb]anana"),
    case("tell me a joke please", expect=r"\?"),
    case("Tell me a story about a dragon.", expect="dragon", words=STORY_WORDS),
    case("Would you tell me a story about a lighthouse?", expect="lighthouse", words=STORY_WORDS),
    case("I'd love a story about a brave submarine.", expect="submarine", words=STORY_WORDS),
    case("Write a short poem about the sea.", expect="sea"),
    case("What is the capital of Portugal?", expect=r"^Lisbon\.?$", system="Answer in one word."),
    case("What does a cat say?", expect="(?s)Arr.*[Mm]eow", system="You are a pirate."),
    case("What is the capital of Greece?", expect="[{].*Athens.*[}]", system="Answer in JSON."),
    case("Answer in JSON: what is the capital of Norway?", expect="[{].*Oslo.*[}]"),
    case("Mia is 9 years old and lives in Rome. Extract name and age as JSON.", expect='"name": "Mia", "age": 9'),
    case("What is the boiling point of tungsten?", expect="small model|do not know|too"),
    case("Write a Python function that computes Fibonacci numbers.", expect="small model"),
    case("Who was the first emperor of Rome?", expect="small model"),
    case("Wie heißt die Hauptstadt von Frankreich?", expect="small model"),
]  # fmt: skip


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


def score(model: Llama, temperature: float, show: bool) -> int:
    """Print every case with its answer and give the number of answers on the topic."""
    hits = 0
    for asked in CASES:
        text, reason = talk(model, asked, temperature)
        hit = on_topic(asked, text, reason)
        hits += hit
        if show or not hit:
            system = f"[{asked.system}] " if asked.system else ""
            print(f"{'ok  ' if hit else 'MISS'} {system}{' / '.join(asked.said)}\n     -> {text} ({reason})")
    print(f"temperature {temperature}: {hits} of {len(CASES)} on topic\n")
    return hits


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def checks(model: Llama) -> Iterator[tuple[str, bool]]:
    """What must hold of any answer, apart from its sense."""
    chat = [{"role": "user", "content": "Tell me a story about an owl."}]
    yield "greedy answers repeat", ask(model, chat)[0] == ask(model, chat)[0]
    yield "a story stops by itself", ask(model, chat)[1] == "stop"
    for text in ("naïve café", "日本語のテスト", "🦊🚀❤️", "  two  spaces\n\n\ttab 1234567", "I'm can't 'quoted' ...", "\x00\x7f€ 한국어 עברית"):
        tokens = model.tokenize(text.encode(), add_bos=False)
        yield f"round trip of {text!r}", model.detokenize(tokens).decode() == text
    for said in ("Show me a cat emoji.", "How do you say thank you in Spanish?", "日本語を話せますか？ 🤖"):
        yield f"valid UTF-8 after {said!r}", "\ufffd" not in ask(model, [{"role": "user", "content": said}])[0]
    wanted = {"type": "json_object", "schema": SCHEMA}
    for said in ("Give me a JSON object for a person with name, age.", "Tom is 12 years old. Write that as JSON.", "Hello!"):
        text, _ = ask(model, [{"role": "user", "content": said}], response_format=wanted)
        yield f"grammar after {said!r}: {text}", set(json.loads(text)) == {"name", "age"}


def main() -> None:
    """Score the model at temperature 0 and 0.7 and check what must always hold."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--quiet", action="store_true", help="print only misses")
    options = arguments.parse_args()
    model = Llama(str(options.model), n_ctx=1024, n_threads=2, seed=7, verbose=False)
    score(model, 0.0, show=not options.quiet)
    score(model, 0.7, show=False)
    for name, holds in checks(model):
        print(f"{'ok  ' if holds else 'FAIL'} {name}")


if __name__ == "__main__":
    main()
