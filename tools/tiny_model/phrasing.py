"""Patterns with choices: how one meaning gets many wordings, and how people really type them."""

from __future__ import annotations

import random
import re

_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")
_WHOLE = re.compile(r"^\((.*)\)([?.!]?)$", re.DOTALL)
_LOOSE_MARK = re.compile(r"(?<=\w) +(?=[?.!,](\s|$))")
_VOWEL = re.compile(r"^[aeiou]", re.IGNORECASE)


def expand(rng: random.Random, pattern: str, **slots: object) -> str:
    """Resolve every ``(a|b|c)`` to one of its choices, innermost first, then what is left; then fill the ``{slots}``."""
    while match := _GROUP.search(pattern):
        choice = rng.choice(match.group(1).split("|"))
        pattern = pattern[: match.start()] + choice + pattern[match.end() :]
    pattern = rng.choice(pattern.split("|"))
    pattern = _WHOLE.sub(r"\1\2", pattern)
    text = pattern.format(**slots) if slots else pattern
    return upper_first(_LOOSE_MARK.sub("", re.sub(r" {2,}", " ", text)).strip())


def pick(rng: random.Random, patterns: list[str], **slots: object) -> str:
    """Expand one of several patterns."""
    return expand(rng, rng.choice(patterns), **slots)


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def with_article(noun: str) -> str:
    """``an owl``, ``a cat``; a noun that brings its own ``the`` keeps it."""
    if noun.startswith("the "):
        return noun
    return ("an " if _VOWEL.match(noun) else "a ") + noun


def listing(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def as_typed(rng: random.Random, text: str) -> str:
    """The same words as people type them: small letters, no full stop, a greeting before, a please after, a typo."""
    if rng.random() < 0.06 and text[-1:] in "?.":
        text = text[:-1] + rng.choice([", please", " please"]) + text[-1]
    if rng.random() < 0.06:
        text = rng.choice(["Hey, ", "Hi! ", "Hello, ", "OK, ", "So, ", "Please, "]) + text[:1].lower() + text[1:]
    if rng.random() < 0.04:
        text = _typo(rng, text)
    if "colour" in text and rng.random() < 0.5:
        text = text.replace("colour", "color")
    if rng.random() < 0.12:
        text = text.replace("hat is ", "hat's ", 1)
    if rng.random() < 0.22 and "{" not in text:
        text = text.lower()
    if rng.random() < 0.25:
        text = text.rstrip("?.!")
    return text


def _typo(rng: random.Random, text: str) -> str:
    """Swap, double or drop one letter inside one word."""
    words = text.split(" ")
    long_words = [at for at, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long_words:
        return text
    at = rng.choice(long_words)
    word = words[at]
    cut = rng.randrange(1, len(word) - 2)
    words[at] = rng.choice(
        [
            word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :],
            word[:cut] + word[cut] + word[cut:],
            word[:cut] + word[cut + 1 :],
        ]
    )
    return " ".join(words)


_ONSETS = ["b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "ch", "gl", "sn"]
_VOWELS = ["a", "e", "i", "o", "u", "oo", "ee"]
_CODAS = ["", "", "n", "r", "l", "ck", "m", "p", "st"]


def invented_word(rng: random.Random) -> str:
    """A word nobody has seen, so that copying a word is learnt and not a list of words."""
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice([1, 2, 2, 3])))
