"""Small sums, counting, comparing; days, months, seasons and the weather."""

from __future__ import annotations

from random import Random

from exchange import Exchange, Topic
from phrasing import expand, pick, upper_first

_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty""".split()


def _said(rng: Random, number: int) -> str:
    return _WORDS[number] if number <= 10 and rng.random() < 0.15 else str(number)


def add(rng: Random) -> Exchange:
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    if rng.random() < 0.3:
        a, b = rng.sample([rng.randint(11, 20), rng.randint(0, 10)], 2)
    x, y = _said(rng, a), _said(rng, b)
    c = rng.randint(1, 3)
    more = Exchange(expand(rng, "(And|Now|Now add|And if you add|And add|Plus) {c}?", c=c),
                    f"{a + b} plus {c} is {a + b + c}.", str(a + b + c), {"answer": a + b + c})  # fmt: skip
    return Exchange(
        pick(rng, ["(What is|What's|How much is|Tell me|Calculate|Compute|What do you get for|Can you add) {x} (plus|+|and) {y}?",
                   "{x} + {y}", "{x}+{y}", "{x} + {y} = ?", "{x} plus {y}?", "(Add|Please add) {x} and {y}.",
                   "What is the sum of {x} and {y}?", "(If I|I) have {x} apples and get {y} more, how many do I have?",
                   "What is {x}+{y}?", "How much is {x}+{y}?"], x=x, y=y),
        f"{a} plus {b} is {a + b}.", str(a + b), {"answer": a + b}, (more,))  # fmt: skip


def subtract(rng: Random) -> Exchange:
    b = rng.randint(0, 10)
    a = b + rng.randint(0, 10)
    return Exchange(
        pick(rng, ["(What is|What's|How much is|Tell me|Calculate|Compute) {a} (minus|-|less|take away) {b}?", "{a} - {b}", "{a}-{b}",
                   "{a} minus {b}?", "{a} - {b} = ?", "(Take|Subtract) {b} (away|) from {a}.",
                   "I have {a} apples and eat {b}. How many (are left|do I have now)?", "What is {a}-{b}?"], a=a, b=b),
        f"{a} minus {b} is {a - b}.", str(a - b), {"answer": a - b})  # fmt: skip


def multiply(rng: Random) -> Exchange:
    a, b = rng.randint(0, 5), rng.randint(0, 5)
    if rng.random() < 0.3:
        a, b = 2, rng.randint(1, 10)
        double = rng.random() < 0.5
        if double:
            return Exchange(expand(rng, "(What is|What's|Tell me) (the double of|double|twice|two times) {b}?", b=b),
                            f"2 times {b} is {2 * b}.", str(2 * b), {"answer": 2 * b})  # fmt: skip
    return Exchange(
        pick(rng, ["(What is|What's|How much is|Tell me|Calculate) {a} (times|x|*|multiplied by) {b}?", "{a} * {b}", "{a} x {b}",
                   "{a} times {b}?", "Multiply {a} by {b}."], a=a, b=b),
        f"{a} times {b} is {a * b}.", str(a * b), {"answer": a * b})  # fmt: skip


def big_sum(rng: Random) -> Exchange:
    a, b = rng.randint(21, 9999), rng.randint(11, 9999)
    op = rng.choice(["+", "-", "times", "plus", "*", "minus", "divided by"])
    return Exchange(
        pick(rng, ["What is {a} {op} {b}?", "{a} {op} {b}", "How much is {a} {op} {b}?", "Calculate {a} {op} {b}.",
                   "What's {a} {op} {b}?"], a=a, op=op, b=b),
        f"That is too big for me. I can only do small sums, like {rng.randint(1, 9)} plus {rng.randint(1, 9)}.",
        "Unknown", {"answer": "unknown"})  # fmt: skip


def compare(rng: Random) -> Exchange:
    a, b = rng.sample(range(21), 2)
    bigger = rng.random() < 0.6
    result = max(a, b) if bigger else min(a, b)
    other = a + b - result
    word = rng.choice(["bigger", "larger", "greater", "more"]) if bigger else rng.choice(["smaller", "less"])
    return Exchange(
        pick(rng, ["(Which|What) (number|) is {word}, {a} or {b}?", "(Which|What) is {word}: {a} or {b}?", "Is {a} {word} than {b}?"][:2],
             word=word, a=a, b=b),
        f"{result} is {'bigger' if bigger else 'smaller'} than {other}.", str(result), {"answer": result})  # fmt: skip


def neighbour(rng: Random) -> Exchange:
    n = rng.randint(1, 19)
    after = rng.random() < 0.7
    result = n + 1 if after else n - 1
    side = "after" if after else "before"
    return Exchange(
        pick(rng, ["(What|Which) number (comes|is) (right|) {side} {n}?", "What comes {side} {n}?", "What is {side} {n}?"], side=side, n=n),
        f"{result} comes {side} {n}.", str(result), {"answer": result})  # fmt: skip


def count(rng: Random) -> Exchange:
    if rng.random() < 0.25:
        top = rng.randint(3, 10)
        numbers = ", ".join(str(n) for n in range(top, -1, -1))
        return Exchange(pick(rng, ["Count (down|backwards) from {n}.", "Count (down|backwards) from {n} to (0|zero).",
                                   "Start a countdown from {n}."], n=top), numbers + ".", numbers)  # fmt: skip
    top = rng.choice([3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 10, 12, 15, 20, 20])
    start = 1 if rng.random() < 0.85 else rng.randint(2, top - 1)
    numbers = ", ".join(str(n) for n in range(start, top + 1))
    if start == 1:
        asked = pick(rng, ["(Count|Can you count|Please count) (up|) to {n}.", "(Count|Can you count|Please count) from (1|one) to {n}.",
                           "(Say|Write|List|Give me) the numbers from (1|one) to {n}.", "Count to {w}."],
                     n=top, w=_WORDS[top])  # fmt: skip
    else:
        asked = expand(rng, "(Count|Can you count|Please count) from {s} to {n}.", s=start, n=top)
    return Exchange(asked, numbers + ".", numbers, {"numbers": numbers})


DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
SEASONS = {
    "spring": "the flowers grow and the days get warm", "summer": "it is hot and the days are long",
    "autumn": "the leaves turn red and fall", "winter": "it is cold and sometimes it snows",
}  # fmt: skip
_SEASON_OF = dict(zip(MONTHS, "winter winter spring spring spring summer summer summer autumn autumn autumn winter".split(), strict=True))


def calendar(rng: Random) -> Exchange:
    names, what = rng.choice([(DAYS, "day"), (DAYS, "day"), (MONTHS, "month"), (list(SEASONS), "season")])
    at = rng.randrange(len(names))
    step = rng.choice([1, 1, -1])
    side = "after" if step == 1 else "before"
    result = upper_first(names[(at + step) % len(names)])
    nxt = upper_first(names[(at + 2 * step) % len(names)])
    again = Exchange(expand(rng, "(And|And what comes|And what is|What comes) {side} (that|it|{r})?", side=side, r=result),
                     f"{nxt} comes {side} {result}.", nxt)  # fmt: skip
    return Exchange(
        pick(rng, ["(What|Which) {what} (comes|is) (right|) {side} {name}?", "What comes {side} {name}?", "What is the {what} {side} {name}?",
                   "(Which|What) {what} (follows|comes after) {name}?" if step == 1 else "(Which|What) {what} is just before {name}?"],
             what=what, side=side, name=names[at]),
        f"{result} comes {side} {names[at]}.", result, {what: result}, (again,))  # fmt: skip


def today_tomorrow(rng: Random) -> Exchange:
    at = rng.randrange(7)
    step, word = rng.choice([(1, "tomorrow"), (-1, "yesterday")])
    result = DAYS[(at + step) % 7]
    verb = "will be" if step == 1 else "was"
    return Exchange(
        pick(rng, ["Today is {day}. What (day|) {is_} {word}?", "If today is {day}, what (day|) {is_} {word}?",
                   "It is {day} today. What day {is_} {word}?"], day=DAYS[at], is_="is" if step == 1 else "was", word=word),
        f"{upper_first(word)} {verb} {result}.", result, {"day": result})  # fmt: skip


def _list(items: list[str]) -> str:
    return ", ".join(items[:-1]) + " and " + items[-1]


_CALENDAR_FACTS = [
    ("How many days (are|are there) in a week?|How many days does a week have?", "A week has seven days.", "Seven"),
    ("How many months (are|are there) in a year?|How many months does a year have?", "A year has twelve months.", "Twelve"),
    ("How many days (are|are there) in a year?|How many days does a year have?", "A year has 365 days.", "365"),
    ("How many hours (are|are there) in a day?|How many hours does a day have?", "A day has 24 hours.", "24"),
    ("How many minutes (are|are there) in an hour?|How many minutes does an hour have?", "An hour has 60 minutes.", "60"),
    ("How many seconds (are|are there) in a minute?|How many seconds does a minute have?", "A minute has 60 seconds.", "60"),
    ("How many seasons (are there|are in a year|does a year have)?", "There are four seasons.", "Four"),
    ("(What are|Name|List|Tell me) (all|) the days of the week?|(What|Which) days are in a week?",
     f"The days of the week are {_list(DAYS)}.", _list(DAYS)),
    ("(What are|Name|List|Tell me) (all|) the months (of the year|in a year|)?", f"The months are {_list(MONTHS)}.", _list(MONTHS)),
    ("(What are|Name|List|Tell me) the (four|) seasons (of the year|)?", "The seasons are spring, summer, autumn and winter.",
     "Spring, summer, autumn and winter"),
    ("(What is|Which is) the first day of the week?", "The first day of the week is Monday.", "Monday"),
    ("(What is|Which is) the last day of the week?", "The last day of the week is Sunday.", "Sunday"),
    ("(Which|What) days are (the weekend|on the weekend)?|When is the weekend?|What is the weekend?",
     "The weekend is Saturday and Sunday.", "Saturday and Sunday"),
    ("(What is|Which is) the first month (of the year|)?", "The first month is January.", "January"),
    ("(What is|Which is) the last month (of the year|)?", "The last month is December.", "December"),
    ("(Which|What) season is (the|) (coldest|cold)?|When does it snow?|When is it cold?", "Winter is cold. Sometimes it snows.",
     "Winter"),
    ("(Which|What) season is (the|) (hottest|warmest|hot)?|When is it hot?", "Summer is the hottest season.", "Summer"),
    ("When do (the|) flowers (grow|bloom)?|(Which|What) season has (many|the most) flowers?", "Flowers grow in spring.", "Spring"),
    ("When is Christmas?", "Christmas is on the 25th of December.", "The 25th of December"),
    ("When does the (new|) year (begin|start)?|When is New Year?", "The year begins on the first of January.", "The first of January"),
]  # fmt: skip


def calendar_fact(rng: Random) -> Exchange:
    pattern, answer, short = rng.choice(_CALENDAR_FACTS)
    return Exchange(expand(rng, f"({pattern})"), answer, short, {"answer": short})


def season(rng: Random) -> Exchange:
    name = rng.choice(list(SEASONS))
    if rng.random() < 0.4:
        month = rng.choice(MONTHS)
        return Exchange(expand(rng, "(Which|What) season is {m} in?", m=month), f"{month} is in {_SEASON_OF[month]}.",
                        upper_first(_SEASON_OF[month]), {"month": month, "season": _SEASON_OF[month]})  # fmt: skip
    return Exchange(
        pick(rng, ["(What happens|What is it like|How is the weather|What is the weather like|What do you see) in {s}?",
                   "Tell me about {s}.", "What is {s} (like|)?", "Describe {s}."], s=name),
        f"In {name} {SEASONS[name]}.", upper_first(SEASONS[name]), {"season": name})  # fmt: skip


_WEATHER = {
    "rain": ("Rain is water that falls from the clouds.", "an umbrella", "It is raining"),
    "snow": ("Snow is frozen water that falls from the clouds in winter. It is white and cold.", "a warm coat and a hat", "It is snowing"),
    "wind": ("Wind is air that moves.", "a jacket", "It is windy"),
    "sunshine": ("Sunshine is the warm light of the sun.", "a sun hat", "It is sunny"),
    "fog": ("Fog is a cloud that lies on the ground.", "a lamp", "It is foggy"),
    "a storm": ("A storm is very strong wind, often with rain.", "a good roof, so stay inside", "There is a storm"),
    "thunder": ("Thunder is the loud sound that comes after lightning.", "a good roof, so stay inside", "There is thunder"),
    "lightning": ("Lightning is a bright flash of light in a storm.", "a good roof, so stay inside", "I see lightning"),
    "a cloud": ("A cloud is many tiny drops of water in the sky.", "a jacket", "It is cloudy"),
    "a rainbow": ("A rainbow is light from the sun that shines through the rain. It has many colours.", "a camera", "I see a rainbow"),
    "hot weather": ("Hot weather is when the sun shines all day.", "a sun hat and water to drink", "It is very hot"),
    "cold weather": ("Cold weather is when you need a coat.", "a warm coat and a scarf", "It is very cold"),
}  # fmt: skip


def weather(rng: Random) -> Exchange:
    name = rng.choice(list(_WEATHER))
    what, need, it_is = _WEATHER[name]
    if rng.random() < 0.55:
        return Exchange(
            pick(rng, ["(What is|What's|Explain|Tell me about|Do you know what) {n}?", "Where does {n} come from?", "What causes {n}?",
                       "How is {n} made?"][: 1 if rng.random() < 0.6 else 4], n=name).replace("what " + name + "?", "what " + name + " is?"),
            what, upper_first(what.split(" is ", 1)[-1].rstrip(".")), {"weather": name})  # fmt: skip
    return Exchange(
        pick(rng, ["{it}. What (should|do|can) I (wear|need|take|take with me)?", "{it} (outside|today|). What do I need?",
                   "What do I (need|wear|take) when {lower}?", "{it} (today|outside|now)."],
             it=it_is, lower=it_is[:1].lower() + it_is[1:] if not it_is.startswith("I ") else it_is),
        f"Then you need {need}.", upper_first(need), {"need": need})  # fmt: skip


def is_bigger(rng: Random) -> Exchange:
    a, b = rng.sample(range(21), 2)
    word, true = rng.choice([("bigger", a > b), ("more", a > b), ("smaller", a < b), ("less", a < b)])
    said = {"more": "bigger", "less": "smaller"}.get(word, word)
    return Exchange(expand(rng, "Is {a} {w} than {b}?", a=a, w=word, b=b),
                    f"Yes, {a} is {said} than {b}." if true else f"No, {a} is not {said} than {b}.", "Yes" if true else "No",
                    {"answer": "yes" if true else "no"})  # fmt: skip


NUMBERS: Topic = [
    (0.4, is_bigger), (2.6, add), (1.2, subtract), (0.8, multiply), (0.5, big_sum), (0.6, compare), (0.5, neighbour), (1.1, count),
]  # fmt: skip
TIME_AND_WEATHER: Topic = [(1.2, calendar), (0.5, today_tomorrow), (1.4, calendar_fact), (0.6, season), (1.2, weather)]
