"""Small tasks on what stands in the prompt: repeat, list, translate a greeting, read a line, find a fact, answer in JSON."""

from __future__ import annotations

import json
from random import Random

from exchange import Exchange, Topic
from phrasing import expand, invented_word, pick, upper_first, with_article
from topics.animals import FOODS
from topics.facts import CAPITALS, JOBS
from topics.numbers import DAYS
from words import ANIMALS, COLOURS, CREATURES, NAMES, OBJECTS, TOYS

_WORDS = [one.name for one in ANIMALS] + OBJECTS + COLOURS + ["hello", "yes", "no", "hello world", "good morning", "I am here", "thank you",
          "abc", "one two three", "pong", "hi", "ready", "done"] + CREATURES  # fmt: skip


def any_word(rng: Random) -> str:
    return invented_word(rng) if rng.random() < 0.3 else rng.choice(_WORDS)


def repeat(rng: Random) -> Exchange:
    text = " ".join(any_word(rng) for _ in range(rng.choice([1, 1, 1, 2, 3, 4])))
    quote = rng.choice(['"', "'", "", "", ""])
    return Exchange(
        pick(rng, ["(Say|Repeat|Please say|Write|Just say|Print|Can you say|Reply with|Answer with) (|the word |the words |exactly: |only: |only ){t}",
                   "(Repeat after me|Say this|Repeat this|Echo this|Say exactly this): {t}", "Repeat: {t}", "Say: {t}"],
             t=quote + text + quote),
        upper_first(text) + ".", upper_first(text), {"text": text})  # fmt: skip


_KINDS = {
    "animals": [one.plural for one in ANIMALS], "birds": [one.plural for one in ANIMALS if one.kind == "bird"],
    "farm animals": [one.plural for one in ANIMALS if one.home == "on a farm"],
    "sea animals": ["fish", "sharks", "whales", "dolphins", "crabs", "octopuses"],
    "wild animals": ["lions", "tigers", "bears", "wolves", "foxes", "elephants", "zebras", "monkeys"],
    "pets": ["cats", "dogs", "rabbits", "hamsters", "parrots", "goldfish"],
    "insects": ["bees", "ants", "butterflies", "beetles", "flies", "moths"],
    "colours": COLOURS, "fruits": [f"{row[0]}s" for row in FOODS if row[1] == "fruit" and row[0][-1] not in "yho"],
    "vegetables": ["carrots", "potatoes", "onions", "cucumbers", "pumpkins", "tomatoes", "peppers", "cabbages"],
    "countries": [name for name in CAPITALS if not name.startswith("the ")], "capitals": [row[0] for row in CAPITALS.values()],
    "cities": [row[0] for row in CAPITALS.values()], "jobs": [f"{name}s" for name in list(JOBS) if name[-1] not in "nx"],
    "days": DAYS, "toys": [f"{toy}s" for toy in TOYS if toy != "box"], "names": NAMES, "girl names": NAMES[:20], "boy names": NAMES[20:],
    "numbers": [str(n) for n in range(1, 21)], "drinks": ["water", "tea", "milk", "juice", "coffee", "lemonade"],
    "things in a kitchen": ["pots", "spoons", "plates", "cups", "knives", "forks"],
    "foods": ["bread", "cheese", "soup", "rice", "pasta", "apples", "cake", "eggs"],
    "flowers": ["roses", "tulips", "sunflowers", "daisies", "lilies", "violets"],
    "programming languages": ["Python", "C", "Java", "Rust", "Ruby", "Go"],
}  # fmt: skip
_HOW_MANY = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def list_things(rng: Random) -> Exchange:
    kind = rng.choice(list(_KINDS))
    n = rng.choice([2, 3, 3, 3, 4, 5, 5])
    n = min(n, len(_KINDS[kind]))
    items = rng.sample(_KINDS[kind], n)
    number = rng.choice([_HOW_MANY[n], _HOW_MANY[n], str(n)])
    one_of = kind.removesuffix("s")
    if rng.random() < 0.12:
        item = rng.choice(_KINDS[kind])
        return Exchange(pick(rng, ["(Name|Give me|Tell me|Say) (an example of|one of the|some|a few) {k}."], k=kind), f"{upper_first(item)}.",
                        upper_first(item), {one_of: item})  # fmt: skip
    bullets = rng.random() < 0.25
    asked = pick(rng, ["(Name|List|Give me|Tell me|Write down|Can you name|I need|Say|What are|Show me|Make a list of) {n} {k}",
                       "(Name|List) {n} {k} (that you know|you like|for me|please)"], n=number, k=kind)  # fmt: skip
    if bullets:
        asked += rng.choice([" as a list", " as a numbered list", ", one per line", " in a list"])
        answer = "\n".join(f"{at}. {upper_first(item)}" for at, item in enumerate(items, 1))
    else:
        answer = upper_first(", ".join(items[:-1]) + " and " + items[-1]) + "."
    return Exchange(asked + rng.choice([".", "", "?"]), answer, upper_first(items[0]), None)


_TRANSLATIONS = {
    "French": {"hello": "bonjour", "thank you": "merci", "goodbye": "au revoir", "yes": "oui", "no": "non", "cat": "chat", "dog": "chien",
               "good night": "bonne nuit", "water": "eau", "please": "s'il vous plaît", "friend": "ami", "summer": "été"},
    "Spanish": {"hello": "hola", "thank you": "gracias", "goodbye": "adiós", "yes": "sí", "no": "no", "cat": "gato", "dog": "perro",
                "good night": "buenas noches", "water": "agua", "please": "por favor", "friend": "amigo", "tomorrow": "mañana"},
    "German": {"hello": "hallo", "thank you": "danke", "goodbye": "auf Wiedersehen", "yes": "ja", "no": "nein", "cat": "Katze", "dog": "Hund",
               "good night": "gute Nacht", "water": "Wasser", "please": "bitte", "friend": "Freund", "green": "grün"},
    "Italian": {"hello": "ciao", "thank you": "grazie", "goodbye": "arrivederci", "yes": "sì", "no": "no", "cat": "gatto", "dog": "cane",
                "good night": "buona notte", "water": "acqua", "please": "per favore", "friend": "amico", "coffee": "caffè"},
}  # fmt: skip


def translate(rng: Random) -> Exchange:
    language = rng.choice(list(_TRANSLATIONS))
    word, other = rng.choice(list(_TRANSLATIONS[language].items()))
    nxt = rng.choice([name for name in _TRANSLATIONS if name != language and word in _TRANSLATIONS[name]] or [language])
    quote = rng.choice(['"', "'", "", ""])
    again = Exchange(expand(rng, "(And in|And|What about) {l}?", l=nxt), f'"{upper_first(word)}" in {nxt} is "{_TRANSLATIONS[nxt][word]}".',
                     upper_first(_TRANSLATIONS[nxt][word]))  # fmt: skip
    return Exchange(
        pick(rng, ["(How do you say|What is|What's|Say|How do I say|How can I say) {w} in {l}?", "Translate {w} (to|into) {l}.",
                   "What is the {l} word for {w}?", "{w} in {l}?"], w=quote + word + quote, l=language),
        f'"{upper_first(word)}" in {language} is "{other}".', upper_first(other), {"language": language, "word": other}, (again,))  # fmt: skip


EMOJI = {
    "cat": "🐱", "dog": "🐶", "fox": "🦊", "cow": "🐮", "pig": "🐷", "fish": "🐟", "bird": "🐦", "frog": "🐸", "apple": "🍎", "banana": "🍌",
    "cake": "🎂", "sun": "☀️", "moon": "🌙", "star": "⭐", "heart": "❤️", "smile": "😊", "rocket": "🚀", "tree": "🌳", "flower": "🌸", "rain": "🌧️",
    "snow": "❄️", "house": "🏠", "car": "🚗", "train": "🚂", "book": "📖", "ball": "⚽", "lion": "🦁", "bear": "🐻", "bee": "🐝", "pizza": "🍕",
}  # fmt: skip


def emoji(rng: Random) -> Exchange:
    name = rng.choice(list(EMOJI))
    return Exchange(
        pick(rng, ["(Show me|Send me|Give me|Write|Draw|Type|Make) (a|an|the|) {n} emoji.", "What is the emoji (for|of) {x}?", "Emoji for {n}?",
                   "What emoji is {x}?", "(Show|Send) {n} as an emoji."], n=name, x=with_article(name)),
        f"Here is {'the' if name in {'sun', 'moon', 'rain', 'snow'} else 'a' if name[0] not in 'ao' else 'an'} {name}: {EMOJI[name]}",
        EMOJI[name], {"name": name, "emoji": EMOJI[name]})  # fmt: skip


def _toy(rng: Random) -> str:
    return f"{rng.choice(COLOURS)} {rng.choice(TOYS)}"


def read_line(rng: Random) -> Exchange:
    """Two or three people have or do something; one is asked about."""
    people = rng.sample(NAMES, rng.choice([1, 2, 2, 3]))
    kind = rng.randrange(4)
    if kind == 0:
        facts = {who: with_article(_toy(rng)) for who in people}
        text, ask, verb = "{who} has {what}.", "What does {who} have?", "has"
    elif kind == 1:
        facts = dict(zip(people, rng.sample([row[0] for row in CAPITALS.values()], len(people)), strict=True))
        text, ask, verb = "{who} lives in {what}.", "Where does {who} live?", "lives in"
    elif kind == 2:
        facts = dict(zip(people, rng.sample([a.plural for a in ANIMALS] + COLOURS, len(people)), strict=True))
        text, ask, verb = "{who} likes {what}.", "What does {who} like?", "likes"
    else:
        facts = {who: str(age) for who, age in zip(people, rng.sample(range(3, 80), len(people)), strict=True)}
        text, ask, verb = "{who} is {what} years old.", "How old is {who}?", "is"
    story = " ".join(text.format(who=who, what=what) for who, what in facts.items())
    who = rng.choice(people)
    end = " years old." if kind == 3 else "."
    if rng.random() < 0.25 and len(people) > 1:
        question = text.format(who="Who", what=facts[who]).replace(".", "?")
        return Exchange(f"{story} {question}", f"{who} {verb} {facts[who]}{end}", who, {"name": who})
    other = rng.choice(people)
    again = Exchange(expand(rng, "And {who}?", who=other), f"{other} {verb} {facts[other]}{end}", upper_first(facts[other]))
    return Exchange(f"{story} {ask.format(who=who)}", f"{who} {verb} {facts[who]}{end}", upper_first(facts[who]), {"answer": facts[who]},
                    (again,) if other != who else ())  # fmt: skip


_LABELS = ["secret word", "code", "password", "magic word", "key word", "code word", "number", "answer", "secret"]


def secret(rng: Random) -> Exchange:
    """Something to keep in mind, asked for at once or later."""
    label = rng.choice(_LABELS)
    value = str(rng.randint(1, 99)) if label in {"code", "number"} and rng.random() < 0.7 else any_word(rng)
    ask = expand(rng, "(What is|What's|Tell me|Do you remember|What was) the {l}?", l=label)
    tell = expand(rng, "(The {l} is {v}|Remember (this|): the {l} is {v}|Please remember that the {l} is {v}).", l=label, v=value)
    answer = f"The {label} is {value}."
    if rng.random() < 0.5:
        return Exchange(f"{tell} {ask}", answer, upper_first(value), {"answer": value})
    return Exchange(tell, "OK, I will remember that.", "OK", None, (Exchange(ask, answer, upper_first(value)),))


def _person(rng: Random) -> dict[str, str | int]:
    country = rng.choice(list(CAPITALS))
    whole: dict[str, str | int] = {
        "name": rng.choice(NAMES), "age": rng.randint(3, 80), "city": CAPITALS[country][0], "country": upper_first(country),
        "job": rng.choice(list(JOBS)), "likes": rng.choice(ANIMALS).plural, "colour": rng.choice(COLOURS),
    }  # fmt: skip
    if rng.random() < 0.4:
        return {key: whole[key] for key in ("name", "age")}
    keys = rng.sample(list(whole)[1:], rng.choice([1, 1, 2, 3]))
    return {"name": whole["name"], **{key: whole[key] for key in keys}}


def _thing_record(rng: Random) -> tuple[str, dict[str, str | int]]:
    animal = rng.choice(ANIMALS)
    country = rng.choice(list(CAPITALS))
    food = rng.choice(FOODS)
    n = rng.randint(0, 10)
    records: list[tuple[str, dict[str, str | int]]] = [
        (with_article(animal.name), {"name": animal.name, "legs": animal.legs, "food": animal.food}),
        (with_article(animal.name), {"animal": animal.name, "home": animal.home, "kind": animal.kind}),
        (with_article(animal.name), {"animal": animal.name, "colour": animal.colour}),
        (country, {"country": upper_first(country), "capital": CAPITALS[country][0]}),
        (country, {"name": upper_first(country), "capital": CAPITALS[country][0], "continent": CAPITALS[country][1]}),
        (CAPITALS[country][0], {"city": CAPITALS[country][0], "country": upper_first(country)}),
        (with_article(food[0]), {"name": food[0], "colour": food[2], "taste": food[3]}),
        (with_article(food[0]), {"food": food[0], "kind": food[1]}),
        (f"the sum of {n} and 2", {"a": n, "b": 2, "sum": n + 2}),
    ]  # fmt: skip
    return rng.choice(records)


def _tell(person: dict[str, str | int]) -> str:
    said = {
        "age": "is {} years old", "city": "lives in {}", "country": "comes from {}", "job": "works as a {}", "likes": "likes {}",
        "colour": "likes the colour {}",
    }  # fmt: skip
    parts = [said[key].format(value) for key, value in person.items() if key != "name"]
    return f"{person['name']} " + (", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]) + "."


def json_record(rng: Random) -> Exchange:
    """A JSON object that is asked for, or taken from a sentence, with the keys named or not."""
    kind = rng.random()
    if kind < 0.35:
        person = _person(rng)
        keys = ", ".join(person)
        asked = pick(rng, ["(Give me|Write|Make|Create|Return|Generate|Show me) a JSON (object|record) (for|of|that describes|about) a person with {k}.",
                           "(Describe|Invent|Make up) a person (as|in) JSON with (the keys|) {k}.", "A person as JSON: {k}.",
                           "(Make|Create|Generate|Invent|Give me) a (person|user|character) with {k} (as|in) JSON."], k=keys)  # fmt: skip
        return Exchange(asked, json.dumps(person, ensure_ascii=False))
    if kind < 0.75:
        person = _person(rng)
        keys = rng.choice([", ".join(person), " and ".join(person) if len(person) == 2 else ", ".join(person)])
        asked = pick(rng, ["{t} (Extract|Give me|Return|Write) {k} (as|in) JSON.", "(Extract|Get) {k} (as|in) JSON (from|from this text): {t}",
                           "{t} Answer in JSON with the keys {k}.", "(Turn this into|Write this as) JSON with the keys {k}: {t}",
                           "{t} Write that as JSON.", "(Extract the person|Who is this? Answer in JSON): {t}"], t=_tell(person), k=keys)  # fmt: skip
        return Exchange(asked, json.dumps(person, ensure_ascii=False))
    if kind < 0.85:
        name = rng.choice(list(_KINDS))
        items = rng.sample(_KINDS[name], min(rng.choice([2, 3, 3, 4]), len(_KINDS[name])))
        asked = pick(rng, ["(Give me|Write|Return|Make) a JSON (list|array) of {n} {k}.", "(List|Name) {n} {k} (as|in) (JSON|a JSON list)."],
                     n=_HOW_MANY[len(items)], k=name)  # fmt: skip
        return Exchange(asked, json.dumps(items, ensure_ascii=False))
    what, record = _thing_record(rng)
    asked = pick(rng, ["(Describe|Tell me about|Write about|Give me facts about) {w} (as|in) JSON with (the keys|) {k}.",
                       "(Give me|Write|Return) a JSON (object|record) (for|about) {w} with {k}.", "{w} as JSON with the keys {k}."],
                 w=what, k=", ".join(record))  # fmt: skip
    return Exchange(asked, json.dumps(record, ensure_ascii=False))


TASKS: Topic = [(1.0, repeat), (1.4, list_things), (0.7, translate), (0.5, emoji), (1.3, read_line), (0.7, secret), (1.7, json_record)]
