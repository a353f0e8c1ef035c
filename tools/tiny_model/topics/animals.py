"""Animals: sounds, food, homes, babies, legs, looks; and what people eat."""

from __future__ import annotations

from random import Random

from exchange import Exchange, Topic
from phrasing import expand, invented_word, listing, pick, upper_first, with_article
from words import ANIMALS, Animal

_NUMBERS = {0: "no", 2: "two", 4: "four", 6: "six", 8: "eight", 10: "ten"}


def _questions(rng: Random, animal: Animal) -> list[Exchange]:
    """All that can be asked about one animal, in wordings that name it."""
    one, many = with_article(animal.name), animal.plural
    the = f"the {animal.name}"
    found = [
        Exchange(
            pick(rng, ["(What do|What does|What kind of food do|What do you think) {x} eat (for dinner|in the wild|every day|)?",
                       "What is the food of {x}?", "What (can|do|should) I (feed|give) {x} (to eat|)?",
                       "Tell me what {x} (eats|likes to eat).", "(What food|Which food) does {x} like?"],
                 x=rng.choice([one, many, one])).replace(f"does {many} ", f"do {many} ").replace(f"do {one} ", f"does {one} "),
            f"{upper_first(one)} eats {animal.food}.", upper_first(animal.food), {"animal": animal.name, "food": animal.food}),
        Exchange(
            pick(rng, ["Where (does|do) {x} (live|sleep|make its home) (in nature|)?", "Where can I (find|see|meet) {x}?",
                       "What is the home of {x}?", "In what place (does|would) {x} live?"],
                 x=rng.choice([one, one, many])).replace(f"does {many} ", f"do {many} ").replace(f"do {one} ", f"does {one} "),
            f"{upper_first(one)} lives {animal.home}.", upper_first(animal.home), {"animal": animal.name, "home": animal.home}),
        Exchange(
            pick(rng, ["How many legs does {x} have?", "How many legs has {x} got?", "Count the legs of {x}.",
                       "{x}: how many legs?", "What is the number of legs of {x}?"], x=one),
            f"{upper_first(one)} has {_NUMBERS[animal.legs]} legs.", upper_first(_NUMBERS[animal.legs]),
            {"animal": animal.name, "legs": animal.legs}),
        Exchange(
            pick(rng, ["(What colour|Which colour) is {x}?", "What does {x} look like?", "Which colour does {x} have?"], x=one),
            f"{upper_first(one)} is {animal.colour}.", upper_first(animal.colour),
            {"animal": animal.name, "colour": animal.colour}),
        Exchange(
            pick(rng, ["What is {x}?", "What's {x}?", "Tell me about {m}.", "Tell me something about {m}.", "Describe {x}.",
                       "(What do you know|Do you know (anything|something)) about {m}?", "Explain what {x} is.",
                       "I want to know (more|something) about {m}.", "Talk about {m}.", "Do you know {m}?",
                       "Tell me (a fact|an interesting fact) about {m}."], x=one, m=rng.choice([many, many, one])),
            f"{upper_first(one)} is {with_article(animal.size)} {animal.kind if animal.kind != animal.name else 'animal'}. "
            f"It lives {animal.home} and eats {animal.food}.",
            upper_first(with_article(animal.kind)),
            {"animal": animal.name, "kind": animal.kind, "food": animal.food}),
        Exchange(
            pick(rng, ["What kind of animal is {x}?", "Is {x} a mammal or a bird?", "What (type|sort) of animal is {x}?"], x=one),
            f"{upper_first(one)} is {with_article(animal.kind)}.", upper_first(with_article(animal.kind)),
            {"animal": animal.name, "kind": animal.kind}),
        Exchange(
            pick(rng, ["How does {x} move?", "What can {x} do (well|best|)?", "What is {x} good at?"], x=one),
            f"{upper_first(one)} can {animal.moves}.", upper_first(animal.moves), {"animal": animal.name, "moves": animal.moves}),
    ]  # fmt: skip
    for verb in ("fly", "swim"):
        can = verb in animal.moves or (verb == "swim" and animal.name in {"dog", "crocodile", "elephant", "polar bear"})
        if can or verb == "fly" or animal.kind in {"insect", "spider"}:
            if animal.name in {"hen", "chicken", "rooster", "ant"} and verb == "fly":
                continue
            answer = f"Yes, {one} can {verb}." if can else f"No, {one} can not {verb}. It can {animal.moves}."
            found.append(
                Exchange(
                    pick(rng, [f"Can {{x}} {verb}?", f"(Is it true that|Do you think) {{x}} can {verb}?"],
                         x=rng.choice([one, many, the])),
                    answer, "Yes" if can else "No", {"animal": animal.name, verb: "yes" if can else "no"}))  # fmt: skip
    if animal.sound:
        found += 2 * [
            Exchange(
                pick(rng, ["(What sound|What noise|Which sound) does {x} make?", "What does {x} say?", "How does {x} (go|sound)?",
                           "Make the (sound|noise) of {x}.", "Can you (make a noise|sound) like {x}?", "What is the sound of {x}?",
                           "Do you know (what sound|what noise|the noise) {x} makes?"], x=rng.choice([one, one, the])),
                f"{upper_first(one)} says {animal.sound}.", upper_first(animal.sound),
                {"animal": animal.name, "sound": animal.sound})]  # fmt: skip
    if animal.baby:
        found.append(
            Exchange(
                pick(rng, ["(What is|What's|What do you call) a baby {x} (called|)?", "What is the baby of {o} called?",
                           "What do you call {o} that is very young?", "What is the (name|word) for a (young|little) {x}?"],
                     x=animal.name, o=one),
                f"A baby {animal.name} is called {with_article(animal.baby)}.", upper_first(animal.baby),
                {"animal": animal.name, "baby": animal.baby}))  # fmt: skip
    return found


_THEN = {
    "eats": "(And what|What) does it eat?|What about (its food|food)?",
    "lives": "(And where|Where) does it live?|Where can I find it?",
    "legs": "(And how|How) many legs does it have?",
    "says": "(And what|What) (sound|noise) does it make?|What does it say?",
    "called": "What is (its baby|the baby) called?",
}


def animal(rng: Random) -> Exchange:
    """One question about an animal, then perhaps one that says ``it``, or the same about another animal."""
    chosen = rng.choice(ANIMALS)
    questions = _questions(rng, chosen)
    first, other = rng.sample(questions, 2)
    followups: tuple[Exchange, ...] = ()
    words = other.answer.split(" ")
    for key, pattern in _THEN.items():
        if (key in words or f"{key}." in words) and other.answer != first.answer and "It lives" not in other.answer:
            about_it = expand(rng, f"({pattern})")
            followups = (Exchange(about_it, other.answer, other.short, other.fields),)
    if rng.random() < 0.4 and first.answer.startswith(upper_first(with_article(chosen.name))):
        second = rng.choice([one for one in ANIMALS if one.sound and one.baby and one is not chosen])
        verb = next((word for word in ("eats", "lives", "says") if f" {word} " in first.answer), None)
        same = next((one for one in _questions(rng, second) if verb and f" {verb} " in one.answer and "It" not in one.answer), None)
        if same and "It lives" not in first.answer:
            wording = expand(rng, "(And|And what about|What about|How about) {x}?", x=with_article(second.name))
            followups = (Exchange(wording, same.answer, same.short, same.fields),)
    return Exchange(first.question, first.answer, first.short, first.fields, followups)


def unknown_animal(rng: Random) -> Exchange:
    name = (
        invented_word(rng)
        if rng.random() < 0.6
        else rng.choice("platypus armadillo tapir lemur iguana gecko meerkat capybara bison yak lynx puma antelope narwhal stork".split())
    )
    return Exchange(
        pick(rng, ["What does {x} eat?", "Where does {x} live?", "What sound does {x} make?", "Tell me about {x}.",
                   "How many legs does {x} have?", "What is {x}?", "What is a baby {n} called?"], x=with_article(name), n=name),
        f"I do not know what {with_article(name)} is. I am a very small model and I know only some animals, "
        f"like {rng.choice(ANIMALS).plural} and {rng.choice(ANIMALS).plural}.",
        "Unknown", {"animal": name, "answer": "unknown"})  # fmt: skip


def which_animal(rng: Random) -> Exchange:
    """From a sound, a home or a baby to the animal."""
    chosen = rng.choice([one for one in ANIMALS if one.sound and one.sound not in {"roar", "squeak"}
                         and one.name not in {"hen", "chicken"}])  # fmt: skip
    one = upper_first(with_article(chosen.name))
    if rng.random() < 0.6 or not chosen.baby or chosen.baby in {"chick", "pup", "cub", "calf"}:
        return Exchange(
            pick(rng, ["(Which|What) animal (says|makes the sound|goes) {sound}?", "Who says {sound}?"], sound=chosen.sound),
            f"{one} says {chosen.sound}.", upper_first(chosen.name), {"sound": chosen.sound, "animal": chosen.name})  # fmt: skip
    return Exchange(
        pick(rng, ["What is {baby}?", "{baby} is the baby of which animal?", "Which animal has {baby} as its baby?"],
             baby=with_article(chosen.baby)),
        f"{upper_first(with_article(chosen.baby))} is a baby {chosen.name}.", f"A baby {chosen.name}",
        {"baby": chosen.baby, "animal": chosen.name})  # fmt: skip


_KINDS = ["mammal", "bird", "fish", "insect", "reptile"]
_BY_SIZE = """ant bee snail mouse frog squirrel rabbit hen cat fox dog sheep pig wolf tiger lion cow horse bear giraffe elephant
whale""".split()


def is_kind(rng: Random) -> Exchange:
    chosen = rng.choice([one for one in ANIMALS if one.kind in _KINDS and one.name != one.kind])
    asked = chosen.kind if rng.random() < 0.5 else rng.choice(_KINDS)
    true = asked == chosen.kind
    one = with_article(chosen.name)
    return Exchange(pick(rng, ["Is {x} {k}?", "Are {m} {k}s?" if asked != "fish" else "Are {m} fish?"], x=one, k=with_article(asked), m=chosen.plural)
                    .replace(f"Are {chosen.plural} {with_article(asked)}s", f"Are {chosen.plural} {asked}s"),
                    f"{'Yes' if true else 'No'}, {one} is {with_article(chosen.kind)}.", "Yes" if true else "No",
                    {"animal": chosen.name, "kind": chosen.kind})  # fmt: skip


def bigger_animal(rng: Random) -> Exchange:
    one, two = rng.sample(range(len(_BY_SIZE)), 2)
    bigger = rng.random() < 0.65
    first = max(one, two) if bigger else min(one, two)
    a, b = with_article(_BY_SIZE[first]), with_article(_BY_SIZE[one + two - first])
    word = rng.choice(["bigger", "larger"]) if bigger else "smaller"
    return Exchange(pick(rng, ["(Which|What|Who) is {w}, {x} or {y}?", "(Which|What) animal is {w}: {x} or {y}?"],
                         w=word, x=with_article(_BY_SIZE[one]), y=with_article(_BY_SIZE[two])),
                    f"{upper_first(a)} is {'bigger' if bigger else 'smaller'} than {b}.", upper_first(a), {"answer": _BY_SIZE[first]})  # fmt: skip


def animals_that(rng: Random) -> Exchange:
    """Some animals of one place or one skill."""
    ask, fits = rng.choice([
        ("live on a farm", [one for one in ANIMALS if one.home == "on a farm"]), ("live in the sea", [one for one in ANIMALS if "sea" in one.home]),
        ("live in the forest", [one for one in ANIMALS if one.home == "in the forest"]), ("can fly", [one for one in ANIMALS if "fly" in one.moves]),
        ("live in Africa", [one for one in ANIMALS if "Africa" in one.home]), ("can swim", [one for one in ANIMALS if "swim" in one.moves]),
        ("have eight legs", [one for one in ANIMALS if one.legs == 8]), ("have six legs", [one for one in ANIMALS if one.legs == 6]),
        ("are insects", [one for one in ANIMALS if one.kind == "insect"]), ("eat grass", [one for one in ANIMALS if one.food.startswith("grass")]),
    ])  # fmt: skip
    some = [one.plural for one in rng.sample(fits, min(3, len(fits)))]
    return Exchange(pick(rng, ["(Which|What) animals {q}?", "(Name|Tell me|List) (some|a few) animals that {q}."], q=ask),
                    upper_first(listing(some)) + f" {ask}.", upper_first(some[0]), {"animals": listing(some)})  # fmt: skip


_FOODS = """apple|fruit|red or green|sweet
banana|fruit|yellow|sweet
orange|fruit|orange|sweet and a little sour
lemon|fruit|yellow|sour
pear|fruit|green or yellow|sweet
cherry|fruit|red|sweet
strawberry|fruit|red|sweet
grape|fruit|green or purple|sweet
plum|fruit|purple|sweet
peach|fruit|orange and red|sweet
melon|fruit|green and yellow|sweet
pineapple|fruit|yellow and brown|sweet and sour
mango|fruit|orange and green|sweet
tomato|fruit|red|fresh
carrot|vegetable|orange|sweet
potato|vegetable|brown|mild
onion|vegetable|brown or white|hot
cucumber|vegetable|green|fresh
pumpkin|vegetable|orange|mild
cabbage|vegetable|green|mild
pepper|vegetable|red, green or yellow|fresh
mushroom|vegetable|white or brown|mild"""
FOODS = [line.split("|") for line in _FOODS.splitlines()]


def food(rng: Random) -> Exchange:
    name, kind, colour, taste = rng.choice(FOODS)
    one = with_article(name)
    return rng.choice([
        Exchange(pick(rng, ["(What colour|Which colour) is {x}?", "What is the colour of {x}?", "Which colour does {x} have?"], x=one),
                 f"{upper_first(one)} is {colour}.", upper_first(colour), {"food": name, "colour": colour}),
        Exchange(pick(rng, ["(How|What) does {x} taste (like|)?", "What is the taste of {x}?", "Is {x} sweet or sour?"], x=one),
                 f"{upper_first(one)} tastes {taste}.", upper_first(taste), {"food": name, "taste": taste}),
        Exchange(pick(rng, ["Is {x} a fruit or a vegetable?", "What kind of food is {x}?", "Is {x} a fruit?"], x=one),
                 f"{upper_first(one)} is a {kind}.", upper_first(kind), {"food": name, "kind": kind}),
        Exchange(pick(rng, ["What is {x}?", "Tell me about {x}.", "Describe {x}.", "What can you (say|tell me) about {x}?"], x=one),
                 f"{upper_first(one)} is a {kind}. It is {colour} and tastes {taste}.", upper_first(kind),
                 {"food": name, "kind": kind, "colour": colour, "taste": taste}),
    ])  # fmt: skip


_MEALS = {
    "breakfast": ["bread with honey and a glass of milk", "pancakes with berries", "an egg and some toast", "oats with an apple"],
    "lunch": ["a cheese sandwich and an apple", "tomato soup with bread", "a salad with eggs", "rice with vegetables"],
    "dinner": ["pasta with tomatoes", "vegetable soup and warm bread", "potatoes with fish", "a pizza with mushrooms"],
    "a snack": ["a banana and some nuts", "an apple and a piece of cheese", "some carrots", "a cookie and a cup of tea"],
}  # fmt: skip


def meal(rng: Random) -> Exchange:
    when = rng.choice(list(_MEALS))
    what = rng.choice(_MEALS[when])
    return Exchange(
        pick(rng, ["What (should|can|could|shall) (I|we) (eat|have|make|cook) for {when} (today|)?", "What is good for {when}?",
                   "(Give me|Do you have|I need) an idea for {when}.", "What do people eat for {when}?", "Plan my {when}."],
             when=when).replace("my a ", "my "),
        expand(rng, "(How about|You could have|I would take) {what} for {when}?", what=what, when=when).replace(
            "could have " + what + " for " + when + "?", "could have " + what + " for " + when + ".").replace(
            "would take " + what + " for " + when + "?", "would take " + what + " for " + when + "."),
        upper_first(what), {"meal": when.removeprefix("a "), "food": what})  # fmt: skip


ANIMALS_AND_FOOD: Topic = [(6.0, animal), (0.6, unknown_animal), (1.0, which_animal), (1.6, food), (0.5, meal), (0.5, is_kind),
                           (0.5, bigger_animal), (0.5, animals_that)]  # fmt: skip
