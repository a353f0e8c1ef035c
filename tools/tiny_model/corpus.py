"""The corpus: dialogues drawn from all topics, with system messages that sometimes matter.

Everything is made by one seeded generator; the same seed gives the same text on every machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Literal, NamedTuple

from exchange import Exchange, Topic, draw
from phrasing import as_typed, expand, invented_word, upper_first
from topics.about_exllm import ABOUT_EXLLM
from topics.animals import ANIMALS_AND_FOOD
from topics.facts import FACTS
from topics.numbers import NUMBERS, TIME_AND_WEATHER
from topics.offtopic import OFF_TOPIC
from topics.smalltalk import ABOUT_ITSELF, SMALLTALK
from topics.stories import STORIES
from topics.tasks import TASKS, any_word
from words import NAMES

SEED = 20_250


class Message(NamedTuple):
    role: Literal["system", "user", "assistant"]
    content: str


Dialogue = list[Message]

_TOPICS: list[tuple[float, Topic]] = [
    (1.9, STORIES),
    (2.8, FACTS),
    (2.6, ANIMALS_AND_FOOD),
    (1.6, NUMBERS),
    (1.4, TIME_AND_WEATHER),
    (2.0, SMALLTALK),
    (0.9, ABOUT_ITSELF),
    (2.2, ABOUT_EXLLM),
    (2.2, TASKS),
    (2.0, OFF_TOPIC),
]

_PLAIN_SYSTEMS = [
    "You are a helpful assistant.", "You are a helpful assistant.", "You are a friendly assistant.", "Be kind.", "You are a useful and polite assistant.",
    "You are exllm's small model.", "Answer the question.", "Help the user.", "You are a helpful, honest assistant. Answer clearly.",
    "You are an assistant in a chat application. Be helpful and friendly.", "Talk in simple English.", "You are a chat bot.",
]  # fmt: skip

_ONE_WORD = "(Answer|Reply|Respond) (in|with) (one word|a single word|one word only|just one word|only one word)(.|)"
_BRIEF = "(Be brief|Answer briefly|Keep it short|Be short|Answer in one sentence|Use one short sentence|Be concise|Answer in a few words)(.|)"
_AS_JSON = "(Answer|Reply|Respond) (in|as|with|only in|only with) JSON(.|)|(Output|Write|Return) (only|) JSON(.|)"

_PERSONAS: dict[str, tuple[str, str]] = {
    "pirate": ("Arr! ", ", matey"),
    "robot": ("Beep boop. ", ""),
    "cat": ("Meow! ", ""),
    "dog": ("Woof! ", ""),
    "wizard": ("By my magic hat! ", ""),
    "cowboy": ("Howdy! ", ", partner"),
    "king": ("Hear, hear! ", ""),
    "ghost": ("Boo! ", ""),
    "clown": ("Haha! ", ""),
    "grandmother": ("Oh, my dear! ", ""),
    "knight": ("By my sword! ", ""),
    "sheep": ("Baa! ", ""),
}

Style = Callable[[Exchange], str]


def _plain(exchange: Exchange) -> str:
    return exchange.answer


def _one_word(exchange: Exchange) -> str:
    return upper_first(exchange.short) + ("." if exchange.short[-1:].isalnum() else "")


def _first_sentence(exchange: Exchange) -> str:
    if len(exchange.answer) > 250:
        return exchange.answer
    for mark in (". ", "! ", "? "):
        head, found, _ = exchange.answer.partition(mark)
        if found and len(head) > 12:
            return head + mark.strip()
    return exchange.answer


def _as_json(exchange: Exchange) -> str:
    fields = exchange.fields or {"answer": exchange.short or exchange.answer}
    return json.dumps(fields, ensure_ascii=False)


def _answer_only(exchange: Exchange) -> str:
    value = int(exchange.short) if exchange.short.isdigit() else exchange.short
    return json.dumps({"answer": value}, ensure_ascii=False)


def _wrapped(before: str, after: str) -> Style:
    """Put words before the answer, and some before its last mark."""

    def style(exchange: Exchange) -> str:
        answer = exchange.answer
        if answer[0] in "{[":
            return answer
        if after.startswith(","):
            answer = answer[:-1] + after + answer[-1] if answer[-1] in ".!?" else answer
        elif after:
            answer = f"{answer} {after}"
        return before + answer

    return style


def _system(rng: Random) -> tuple[str, Style]:
    """A system message (empty for none) and the style that it asks for."""
    kind = rng.random()
    if kind < 0.55:
        return "", _plain
    if kind < 0.72:
        return " ".join(rng.sample(sorted(set(_PLAIN_SYSTEMS)), rng.choice([1, 1, 1, 2, 3]))), _plain
    if kind < 0.78:
        return expand(rng, "(|You are a helpful assistant. )" + _ONE_WORD), _one_word
    if kind < 0.81:
        return expand(rng, "(|You are a helpful assistant. )" + _BRIEF), _first_sentence
    if kind < 0.85:
        return expand(rng, f"({_AS_JSON})"), _as_json
    if kind < 0.87:
        return expand(rng, '(Answer|Reply) (in|as) JSON with the key "?answer"?(.|)').replace('"?', rng.choice(['"', ""])).replace(
            '?', ""), _answer_only  # fmt: skip
    if kind < 0.96:
        persona = rng.choice(list(_PERSONAS))
        return expand(rng, "(You are a|Talk like a|Speak like a|Answer like a|You are a friendly|Act like a|Pretend to be a) {p}(.|!|)",
                      p=persona), _wrapped(*_PERSONAS[persona])  # fmt: skip
    word = upper_first(any_word(rng) if rng.random() < 0.6 else invented_word(rng))
    if rng.random() < 0.5:
        return expand(rng, '(Start|Begin) (every|each|your) answer with "{w}"(.|)', w=word), _wrapped(word + "! ", "")
    return expand(rng, '(End|Finish|Close) (every|each|your) answer with "{w}"(.|)', w=word), _wrapped("", word + "!")


def _identity(rng: Random) -> Dialogue:
    """The system message gives the assistant a name, or tells who the user is."""
    name = rng.choice(NAMES) if rng.random() < 0.7 else upper_first(invented_word(rng))
    if rng.random() < 0.5:
        return [
            Message("system", expand(rng, "(Your name is|You are|You are called) {n}(.|, a helpful assistant.)", n=name)),
            Message("user", as_typed(rng, expand(rng, "(Who are you|What is your name|What's your name|How are you called|Tell me your name)?"))),
            Message("assistant", f"I am {name}."),
        ]  # fmt: skip
    return [
        Message("system", expand(rng, "The (user's name|name of the user) is {n}.|(You are talking to|You talk to|The user is called) {n}.".join(["(", ")"]), n=name)),
        Message("user", as_typed(rng, expand(rng, "(Who am I|What is my name|What's my name|Do you know my name|Do you know who I am)?"))),
        Message("assistant", f"Your name is {name}."),
    ]  # fmt: skip


def _exchanges(rng: Random, style: Style) -> Iterator[Exchange]:
    """One to four exchanges: a question, perhaps what follows from it, perhaps another topic."""
    for _ in range(rng.choices([1, 2, 3], [0.62, 0.28, 0.10])[0]):
        exchange = draw(rng, rng.choices([topic for _, topic in _TOPICS], [weight for weight, _ in _TOPICS])[0])
        while style in (_one_word, _as_json, _answer_only) and not exchange.short:
            exchange = draw(rng, rng.choices([topic for _, topic in _TOPICS], [weight for weight, _ in _TOPICS])[0])
        yield exchange
        if exchange.followups and rng.random() < 0.6:
            yield from exchange.followups


def dialogue(rng: Random) -> Dialogue:
    """One dialogue, with or without a system message."""
    if rng.random() < 0.02:
        return _identity(rng)
    system, style = _system(rng)
    messages = [Message("system", system)] if system else []
    for exchange in _exchanges(rng, style):
        question, answer = exchange.question, style(exchange)
        ask = rng.random()
        if style is _plain and exchange.short and ask < 0.12:
            form, form_style = rng.choice([(_ONE_WORD, _one_word), (f"({_AS_JSON})", _as_json), (f"({_AS_JSON})", _as_json), (_BRIEF, _first_sentence)])
            asked = expand(rng, form)
            answer = form_style(exchange)
            question = f"{question} {asked}" if rng.random() < 0.6 else f"{asked.rstrip('.')}: {question}"
        messages += [Message("user", as_typed(rng, question)), Message("assistant", answer)]
    return messages


def dialogues(seed: int = SEED) -> Iterator[Dialogue]:
    """An endless, seeded stream of dialogues."""
    rng = Random(seed)
    while True:
        yield dialogue(rng)


def main() -> None:
    """Print some dialogues, to be read by people."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--count", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=SEED)
    options = arguments.parse_args()
    for _, messages in zip(range(options.count), dialogues(options.seed), strict=False):
        print("\n".join(f"[{message.role}] {message.content}" for message in messages), end="\n\n")


if __name__ == "__main__":
    main()
