"""Facts of the small world: capitals, opposites, days, jobs, things, the body, colours, nature."""

from __future__ import annotations

from random import Random

from exchange import Exchange, Generator, Topic
from phrasing import expand, pick, upper_first, with_article

CAPITALS = {
    "France": ("Paris", "Europe", "French"), "Germany": ("Berlin", "Europe", "German"),
    "Italy": ("Rome", "Europe", "Italian"), "Spain": ("Madrid", "Europe", "Spanish"),
    "Portugal": ("Lisbon", "Europe", "Portuguese"), "England": ("London", "Europe", "English"),
    "Ireland": ("Dublin", "Europe", "English and Irish"), "Scotland": ("Edinburgh", "Europe", "English"),
    "the Netherlands": ("Amsterdam", "Europe", "Dutch"), "Belgium": ("Brussels", "Europe", "Dutch and French"),
    "Austria": ("Vienna", "Europe", "German"), "Switzerland": ("Bern", "Europe", "German, French and Italian"),
    "Poland": ("Warsaw", "Europe", "Polish"), "Sweden": ("Stockholm", "Europe", "Swedish"),
    "Norway": ("Oslo", "Europe", "Norwegian"), "Denmark": ("Copenhagen", "Europe", "Danish"),
    "Finland": ("Helsinki", "Europe", "Finnish"), "Iceland": ("Reykjavik", "Europe", "Icelandic"),
    "Greece": ("Athens", "Europe", "Greek"), "Hungary": ("Budapest", "Europe", "Hungarian"),
    "Romania": ("Bucharest", "Europe", "Romanian"), "Ukraine": ("Kyiv", "Europe", "Ukrainian"),
    "Russia": ("Moscow", "Europe and Asia", "Russian"), "Turkey": ("Ankara", "Europe and Asia", "Turkish"),
    "Japan": ("Tokyo", "Asia", "Japanese"), "China": ("Beijing", "Asia", "Chinese"),
    "India": ("New Delhi", "Asia", "Hindi and English"), "South Korea": ("Seoul", "Asia", "Korean"),
    "Thailand": ("Bangkok", "Asia", "Thai"), "Vietnam": ("Hanoi", "Asia", "Vietnamese"),
    "Egypt": ("Cairo", "Africa", "Arabic"), "Kenya": ("Nairobi", "Africa", "Swahili and English"),
    "Canada": ("Ottawa", "North America", "English and French"),
    "the United States": ("Washington", "North America", "English"),
    "Mexico": ("Mexico City", "North America", "Spanish"), "Cuba": ("Havana", "North America", "Spanish"),
    "Brazil": ("Brasilia", "South America", "Portuguese"), "Argentina": ("Buenos Aires", "South America", "Spanish"),
    "Peru": ("Lima", "South America", "Spanish"), "Chile": ("Santiago", "South America", "Spanish"),
    "Australia": ("Canberra", "Australia", "English"), "New Zealand": ("Wellington", "Oceania", "English"),
}  # fmt: skip

_ALIASES = {
    "England": ["England", "England", "the UK", "Great Britain"],
    "the United States": ["the United States", "the United States of America", "the USA", "America", "the US"],
    "the Netherlands": ["the Netherlands", "Holland"],
}


def is_capital(rng: Random) -> Exchange:
    country, other = rng.sample(list(CAPITALS), 2)
    city = CAPITALS[country][0]
    true = rng.random() < 0.5
    said = city if true else CAPITALS[other][0]
    return Exchange(
        expand(rng, "(Is|Is it true that|Is it right that) {said} (is|) the capital of {country}?", said=said, country=country)
        .replace(f"Is {said} is", f"Is {said}"),
        f"{'Yes' if true else 'No'}, the capital of {country} is {city}.",
        "Yes" if true else "No",
        {"answer": "yes" if true else "no"},
    )  # fmt: skip


UNKNOWN_COUNTRIES = """Mongolia Bolivia Ghana Nepal Fiji Chad Latvia Estonia Malta Morocco Nigeria Oman Qatar Peruvia Togo
Uganda Yemen Zambia Laos Iran Iraq Jordan Kuwait Haiti Angola Texas California Ontario Bavaria Mars Atlantis""".split()


def _capital_of(rng: Random, country: str, pattern: str) -> Exchange:
    city, _, _ = CAPITALS[country]
    said = rng.choice(_ALIASES.get(country, [country]))
    return Exchange(
        expand(rng, pattern, country=said),
        f"The capital of {country} is {city}.",
        city,
        {"country": upper_first(country), "capital": city},
    )


_CAPITAL_PATTERNS = [
    "(What is|What's|Tell me|Name|Do you know|Can you tell me|I want to know|Give me) the capital (city|) of {country}?",
    "(Which|What) city is the capital of {country}?",
    "What is {country}'s capital (city|)?",
    "{country}: (what is the|) capital?",
    "(The capital of|Capital of) {country}?",
    "What (city|) is the capital (city|) of {country} (called|)?",
]


def capital(rng: Random) -> Exchange:
    country = rng.choice(list(CAPITALS))
    city, continent, _ = CAPITALS[country]
    others = rng.sample([other for other in CAPITALS if other != country], 2)
    after = [_capital_of(rng, other, "(And|And what about|What about|How about|And the capital of|And of) {country}?") for other in others[: rng.randint(1, 2)]]
    there = Exchange(
        expand(rng, "(And where is|Where is|Which continent is) {it} (in the world|)?", it=rng.choice(["it", "that", city])),
        f"{city} is in {country}, in {continent}.",
        upper_first(country),
        {"city": city, "country": upper_first(country)},
    )
    first = _capital_of(rng, country, rng.choice(_CAPITAL_PATTERNS))
    followups = tuple(after) if rng.random() < 0.6 else (there,)
    return Exchange(first.question, first.answer, first.short, first.fields, followups)


def unknown_capital(rng: Random) -> Exchange:
    country = rng.choice(UNKNOWN_COUNTRIES)
    return Exchange(
        pick(rng, _CAPITAL_PATTERNS, country=country),
        f"I do not know the capital of {country}. I am a very small model and I know only some countries, "
        f"like {' and '.join(rng.sample([name for name in CAPITALS if name[0] != 't'], 2))}.",
        "Unknown",
        {"country": country, "capital": "unknown"},
    )


def country_of_city(rng: Random) -> Exchange:
    country = rng.choice(list(CAPITALS))
    city, continent, language = CAPITALS[country]
    return rng.choice(
        [
            Exchange(
                expand(rng, "(In which country is {city}|Where is {city}|What country is {city} in|Where can I find {city}|"
                            "Which country has the capital {city}|{city} is the capital of which country)?", city=city),
                f"{city} is in {country}. It is the capital.",
                upper_first(country),
                {"city": city, "country": upper_first(country)},
            ),
            Exchange(
                expand(rng, "(Where is {country}|In which continent is {country}|Which continent is {country} in|"
                            "On what continent is {country})?", country=country),
                f"{upper_first(country)} is in {continent}.",
                continent,
                {"country": upper_first(country), "continent": continent},
            ),
            Exchange(
                expand(rng, "(What language do people speak in {country}|Which language is spoken in {country}|"
                            "What do they speak in {country}|What language do they speak in {country})?", country=country),
                f"In {country} people speak {language}.",
                language,
                {"country": upper_first(country), "language": language},
            ),
        ]
    )  # fmt: skip


LANDMARKS = {
    "the Eiffel Tower": "Paris, in France", "Big Ben": "London, in England", "the Colosseum": "Rome, in Italy",
    "the Great Wall": "China", "the Statue of Liberty": "New York, in the United States",
    "the pyramids": "Egypt", "the Opera House": "Sydney, in Australia", "the Brandenburg Gate": "Berlin, in Germany",
    "Mount Everest": "Nepal and China", "the Taj Mahal": "India", "Mount Fuji": "Japan", "the Sahara": "Africa",
    "the Amazon": "South America", "the North Pole": "the Arctic, where it is very cold",
}  # fmt: skip


def landmark(rng: Random) -> Exchange:
    name = rng.choice(list(LANDMARKS))
    verb = "are" if name == "the pyramids" else "is"
    pronoun = "They are" if verb == "are" else "It is"
    where = LANDMARKS[name]
    return Exchange(
        expand(rng, "(Where (in the world|) {verb} {name}|Where can I see {name}|Where do I find {name}|"
                    "In which (city|country|place) {verb} {name})?", verb=verb, name=name),
        rng.choice([f"{upper_first(name)} {verb} in {where}.", f"{pronoun} in {where}."]),
        where.split(",")[0],
        {"name": upper_first(name), "place": where.split(",")[0]},
    )  # fmt: skip


_OPPOSITES = """big small|hot cold|up down|day night|happy sad|fast slow|old young|new old|light dark|long short|tall short
open closed|full empty|wet dry|clean dirty|loud quiet|hard soft|good bad|early late|first last|in out|on off|yes no
left right|black white|rich poor|strong weak|heavy light|thick thin|near far|high low|win lose|love hate|summer winter
morning evening|begin end|friend enemy|warm cool|sweet sour|inside outside|always never|before after|easy difficult
brave afraid|sick healthy|awake asleep|smile frown|push pull|laugh cry|buy sell|give take|question answer"""
OPPOSITES = [tuple(pair.split()) for pair in _OPPOSITES.replace("\n", "|").split("|")]


def opposite(rng: Random) -> Exchange:
    pair = rng.choice(OPPOSITES)
    word, other = pair if rng.random() < 0.6 and pair != ("light", "dark") else pair[::-1]
    if word in {"short", "old", "light"}:
        other = {"short": "long", "old": "young", "light": "dark"}[word]
    nxt = rng.choice([one for one in OPPOSITES if one[0] not in {word, other, "light", "old"}])
    quote = rng.choice(['"', "", "", "'"])
    return Exchange(
        expand(rng, "(What is|What's|Tell me|Give me|Do you know|Name) the opposite (of|to) {word}?", word=quote + word + quote)
        if rng.random() < 0.8
        else expand(rng, "What (word|) means the opposite of {word}?", word=quote + word + quote),
        f"The opposite of {word} is {other}.",
        upper_first(other),
        {"word": word, "opposite": other},
        (
            Exchange(
                expand(rng, "(And of|And|What about|How about|And what about) {word}?", word=nxt[0]),
                f"The opposite of {nxt[0]} is {nxt[1]}.",
                upper_first(nxt[1]),
            ),
        ),
    )  # fmt: skip


_THINGS = """spoon|eat soup|kitchen|metal
fork|eat pasta|kitchen|metal
knife|cut bread|kitchen|metal
cup|drink tea|kitchen|clay or glass
pot|cook soup|kitchen|metal
oven|bake bread|kitchen|metal
fridge|keep food cold|kitchen|metal
plate|put food on|kitchen|clay
bed|sleep in|bedroom|wood
pillow|rest your head on|bedroom|cloth and feathers
blanket|keep warm|bedroom|wool
chair|sit on|house|wood
table|eat or work at|house|wood
lamp|make light|house|metal and glass
clock|see the time|house|metal and glass
mirror|see yourself|bathroom|glass
soap|wash your hands|bathroom|oil
towel|dry yourself|bathroom|cotton
toothbrush|clean your teeth|bathroom|plastic
key|open a door|pocket|metal
umbrella|stay dry in the rain|hall|cloth and metal
hat|keep your head warm|hall|wool
coat|keep warm in winter|hall|wool
shoe|protect your foot|hall|leather
book|read stories|shelf|paper
pencil|write and draw|school bag|wood
pen|write|school bag|plastic
paper|write and draw on|desk|wood
scissors|cut paper|desk|metal
bicycle|ride to school|street|metal
car|drive to other places|street|metal
train|travel to other cities|station|metal
boat|travel on the water|harbour|wood
plane|fly to other countries|airport|metal
bridge|cross a river|river|stone or metal
window|let in light and air|house|glass
door|go in and out|house|wood
phone|talk to people who are far away|pocket|plastic and glass
computer|write, play and find answers|desk|plastic and metal
camera|take pictures|bag|plastic and glass
piano|make music|house|wood
drum|make music|house|wood and skin
guitar|make music|house|wood
ladder|climb up high|garage|wood or metal
hammer|hit nails|garage|wood and metal
broom|sweep the floor|house|wood
bucket|carry water|garden|plastic or metal
kite|play in the wind|sky|paper and wood
ball|play with friends|garden|rubber or leather
candle|make a warm light|table|wax
map|find the way|bag|paper
ring|wear on a finger|hand|gold or silver
rope|tie things|boat|plant fibres"""
THINGS = [line.split("|") for line in _THINGS.splitlines()]


def thing(rng: Random) -> Exchange:
    name, use, _, stuff = rng.choice(THINGS)
    it, verb = ("They", "are") if name in {"scissors"} else ("It", "is")
    one = name if name in {"scissors", "soap", "paper"} else with_article(name)
    use_of = Exchange(
        expand(rng, "(What {verb} {one} (used|) for|What do (we|you|people) use {one} for|What can (I|you|we) do with {one}|"
                    "Why do (people|we) (need|have) {one}|What (do|can) I do with {one})?", verb=verb, one=one),
        rng.choice([f"You use {one} to {use}.", f"{upper_first(one)} {verb} for this: to {use}."][:1]),
        upper_first(use),
        {"thing": name, "use": use},
    )  # fmt: skip
    made_of = Exchange(
        expand(rng, "(What {verb} {one} made (of|from|out of)|(Which|What) material {verb} {one} made of)?", verb=verb, one=one),
        f"{upper_first(one)} {verb} made of {stuff}.",
        upper_first(stuff),
        {"thing": name, "material": stuff},
    )
    what = Exchange(
        expand(rng, "(What {verb}|What's|Explain|Tell me about|Tell me what {verb}|Describe) {one}?", verb=verb, one=one),
        f"{upper_first(one)} {verb} a thing made of {stuff}. You use {it.lower() if it == 'It' else 'them'} to {use}."
        if it == "It"
        else f"Scissors are a tool made of {stuff}. You use them to {use}.",
        upper_first(use),
        {"thing": name, "material": stuff, "use": use},
    )
    it_made = Exchange(
        expand(rng, "(And what|What) (is it|are they) made of?" if it == "It" else "What are they made of?"),
        f"{it} {verb} made of {stuff}.",
        upper_first(stuff),
    )
    first = rng.choice([use_of, use_of, what, made_of])
    return first if first is made_of else Exchange(first.question, first.answer, first.short, first.fields, (it_made,))


JOBS = {
    "doctor": "helps sick people", "nurse": "takes care of sick people", "teacher": "teaches children at school",
    "baker": "bakes bread and cakes", "farmer": "grows food and keeps animals", "cook": "makes food for people",
    "fisherman": "catches fish", "pilot": "flies a plane", "sailor": "works on a ship", "driver": "drives a car or a bus",
    "firefighter": "puts out fires", "policeman": "keeps people safe", "painter": "paints pictures and walls",
    "singer": "sings songs", "writer": "writes books", "gardener": "takes care of plants",
    "dentist": "takes care of teeth", "vet": "helps sick animals", "postman": "brings letters",
    "builder": "builds houses", "carpenter": "makes things from wood", "tailor": "makes clothes",
    "astronaut": "flies into space", "scientist": "finds out how the world works", "librarian": "takes care of books",
    "programmer": "writes programs for computers", "musician": "makes music", "king": "rules a country",
}  # fmt: skip


def job(rng: Random) -> Exchange:
    name = rng.choice(list(JOBS))
    does = JOBS[name]
    if rng.random() < 0.7:
        return Exchange(
            expand(rng, "(What does {one} do (all day|at work|)|What is the (job|work) of {one}|What is {one}|"
                        "Tell me what {one} does|What do {name}s do|Tell me about {one})?", one=with_article(name), name=name)
            .replace("mans do", "men do"),
            f"{upper_first(with_article(name))} {does}.",
            upper_first(does),
            {"job": name, "work": does},
        )  # fmt: skip
    return Exchange(
        expand(rng, "(Who|Who is it that|What do you call a person who|Which person) {does}?", does=does),
        f"{upper_first(with_article(name))} {does}.",
        upper_first(name),
        {"job": name, "work": does},
    )


PLACES = {
    "beach": "swim, play in the sand and look for shells", "library": "read and borrow books",
    "school": "learn to read, write and count", "zoo": "see animals from many countries",
    "park": "play, walk and sit under the trees", "farm": "see cows, pigs and hens", "market": "buy fresh fruit and vegetables",
    "kitchen": "cook and eat", "forest": "walk, pick berries and listen to the birds", "museum": "see old and beautiful things",
    "bakery": "buy bread and cakes", "hospital": "get help when you are sick", "station": "take a train",
    "airport": "take a plane", "garden": "grow flowers and vegetables", "playground": "play with other children",
    "cinema": "watch films", "restaurant": "eat a good meal", "lake": "swim and go by boat", "mountains": "hike and ski",
    "swimming pool": "swim and splash", "post office": "send letters", "toy shop": "find toys and games",
    "bedroom": "sleep and dream", "theatre": "see a play", "harbour": "see ships and boats",
}  # fmt: skip


def place(rng: Random) -> Exchange:
    name = rng.choice(list(PLACES))
    use = PLACES[name]
    prep = "in" if name in {"forest", "kitchen", "garden", "bedroom", "mountains", "park"} else "at"
    return Exchange(
        expand(rng, "(What can (I|you|we|one) do {prep} the {name}|What do (people|you|we) do {prep} the {name}|"
                    "Why do people go to the {name}|What (is|are) the {name} for|Tell me about the {name}|"
                    "I am going to the {name}. What can I do there|We are {prep} the {name}. What can we do|"
                    "What is there to do {prep} the {name})?", prep=prep, name=name),
        f"{upper_first(prep)} the {name} you can {use}.",
        upper_first(use),
        {"place": name, "activity": use},
    )  # fmt: skip


SIMPLE = [
    ("(Why is the sky blue|What makes the sky blue)?", "The sky is blue because the air scatters the blue light of the sun.",
     "Light"),
    ("(What colour is the sky|Which colour does the sky have|What is the colour of the sky)?",
     "The sky is blue on a clear day and grey when there are clouds.", "Blue"),
    ("(What colour is (the grass|grass)|Which colour does grass have)?", "Grass is green.", "Green"),
    ("(What colour is snow|What is the colour of snow)?", "Snow is white.", "White"),
    ("(What colour is (the sun|the sun in the sky))?", "The sun looks yellow in the sky.", "Yellow"),
    ("(What colour is the sea|What is the colour of the sea)?", "The sea looks blue or green.", "Blue"),
    ("(What colour is blood|What colour is a heart)?", "It is red.", "Red"),
    ("(What colour is coal|What colour is the night)?", "It is black.", "Black"),
    ("(What colour are leaves|Which colour do leaves have|What colour is a leaf)?",
     "Leaves are green in summer and red or yellow in autumn.", "Green"),
    ("(What are|Name|Tell me|List) the (three|) (primary|basic|main) colours?",
     "The primary colours are red, yellow and blue.", "Red, yellow and blue"),
    ("(What are|Name|List|Tell me) the colours of the rainbow?|(What|Which) colours (does a rainbow have|are in a rainbow)?",
     "A rainbow is red, orange, yellow, green, blue and purple.", "Red, orange, yellow, green, blue and purple"),
    ("(What is|What's|Tell me about|Explain) the sun?", "The sun is a star. It gives us light and warmth.", "A star"),
    ("(What is|What's|Tell me about|Explain) the moon?",
     "The moon is a ball of rock that goes around the Earth. It shines at night.", "A ball of rock"),
    ("(What is|What's|Tell me about|Explain) (the Earth|the earth|our planet)?",
     "The Earth is our planet. It is round and it goes around the sun.", "A planet"),
    ("(What is|What's|Explain) a star?|(What are|Tell me about) (the|) stars?",
     "A star is a big ball of hot, bright gas. The sun is a star too.", "A ball of hot gas"),
    ("(What is|What's|Explain) a planet?", "A planet is a big round world that goes around a star.", "A round world"),
    ("(What is|Name|Tell me) the (biggest|largest) planet (in the solar system|)?", "The biggest planet is Jupiter.", "Jupiter"),
    ("(Which|What) planet is (the red one|red|called the red planet)?", "Mars is the red planet.", "Mars"),
    ("How many planets (are there|are in the solar system|does the sun have)?", "There are eight planets.", "Eight"),
    ("(What is|What's|Explain) ice?|(What is|What's) ice made of?", "Ice is water that is frozen.", "Frozen water"),
    ("(What is|What's|Explain) water?", "Water is what rain, rivers and the sea are made of. We drink it every day.", "A drink"),
    ("(When|At what temperature) does water (boil|cook)?", "Water boils at 100 degrees Celsius.", "100 degrees"),
    ("(When|At what temperature) does water freeze?|When does water (turn to|become) ice?",
     "Water freezes at 0 degrees Celsius. Then it is ice.", "0 degrees"),
    ("(What is|Name) the (biggest|largest) animal (in the world|on earth|)?|Which animal is the (biggest|largest)?",
     "The blue whale is the biggest animal in the world.", "The blue whale"),
    ("(What is|Name) the (fastest|quickest) animal (in the world|on land|)?|(Which|What) animal (is the fastest|can run fastest)?",
     "The cheetah is the fastest animal on land.", "The cheetah"),
    ("(What is|Name) the tallest animal (in the world|)?|(Which|What) animal is the tallest?",
     "The giraffe is the tallest animal.", "The giraffe"),
    ("(Which|What) animal is the king of (the jungle|the animals|beasts)?", "The lion is called the king of the animals.",
     "The lion"),
    ("(What is|Name) the (highest|tallest) mountain (in the world|on earth|)?", "The highest mountain is Mount Everest.",
     "Mount Everest"),
    ("(What is|Name) the (biggest|largest) (ocean|sea) (in the world|)?", "The biggest ocean is the Pacific.", "The Pacific"),
    ("(What is|Name) the (biggest|largest) country (in the world|)?", "The biggest country is Russia.", "Russia"),
    ("(What do we|What do you|What do people|What does one) (see|look) with?", "We see with our eyes.", "Eyes"),
    ("(What do we|What do you|What do people) hear with?", "We hear with our ears.", "Ears"),
    ("(What do we|What do you|What do people) smell with?", "We smell with our nose.", "The nose"),
    ("(What do we|What do you|What do people) (taste|speak) with?", "We taste and speak with our mouth.", "The mouth"),
    ("How many (fingers|toes) (do we have|does a person have|do I have|do you have on your hands)?",
     "A person has ten fingers and ten toes.", "Ten"),
    ("How many eyes (do we have|does a person have|do people have)?", "A person has two eyes.", "Two"),
    ("How many legs (do people have|does a person have|does a human have)?", "A person has two legs.", "Two"),
    ("(Where does|Where do we get) milk (come from|from)?|Who gives us milk?", "Milk comes from cows. Goats and sheep give milk too.",
     "Cows"),
    ("(Where does|Where do we get) honey (come from|from)?|Who makes honey?", "Honey comes from bees.", "Bees"),
    ("(Where do|Where do we get) eggs (come from|from)?|Who lays eggs?", "Eggs come from hens.", "Hens"),
    ("(Where does|Where do we get) wool (come from|from)?|Who gives us wool?", "Wool comes from sheep.", "Sheep"),
    ("(What is|How do you make|How is) bread (made|made of|)?", "Bread is made of flour, water and salt. You bake it in an oven.",
     "Flour and water"),
    ("(How do you|How can I|How do I|Tell me how to) (make|bake) a cake?",
     "Mix eggs, sugar, butter and flour. Then bake it in the oven.", "Mix and bake"),
    ("(How do you|How can I|How do I|Tell me how to) (make|cook) (tea|a cup of tea)?",
     "Boil some water, pour it over the tea and wait three minutes.", "Boil water"),
    ("(How do you|How can I|How do I|Tell me how to) (make|cook) soup?",
     "Cut some vegetables, put them into hot water and cook them for half an hour.", "Cook vegetables"),
    ("(What do plants|What does a plant|What does a flower|What do flowers) need (to grow|to live|)?",
     "Plants need water, light and earth.", "Water and light"),
    ("(Why do birds|How do birds|How can birds) fly (so well|)?", "Birds can fly because they have wings and are very light.",
     "Wings"),
    ("(How do fish|How can fish) (breathe|breathe in water)?", "Fish breathe in the water with their gills.", "Gills"),
    ("(Why do|When do) (leaves fall|trees lose their leaves)?", "Leaves fall in autumn, because the days get cold and short.",
     "Autumn"),
    ("(What do bees make|What do bees do)?", "Bees fly from flower to flower and make honey.", "Honey"),
    ("(What is|What's|Explain) (a friend|friendship)?|What makes a good friend?",
     "A friend is someone who likes you, helps you and laughs with you.", "Someone who likes you"),
    ("(What is|What's|Explain) love?", "Love is a warm feeling for someone. You want them to be happy.", "A warm feeling"),
    ("(What is|What's|Explain) a family?", "A family is the people who live together and take care of each other.", "People"),
    ("(What is|What's|Explain) (a dream|dreaming)?", "A dream is a story that you see while you sleep.", "A story"),
    ("(What is|What's|Explain) music?", "Music is sound that people sing or play. It can make you happy.", "Sound"),
    ("(What is|What's|Explain) (the meaning of life|the sense of life)?",
     "That is a big question for a small model. I think it is to be kind and to have good friends.", "Kindness"),
]  # fmt: skip


def simple_fact(rng: Random) -> Exchange:
    pattern, answer, short = rng.choice(SIMPLE)
    question = expand(rng, f"({pattern})" if pattern.count("?|") else pattern)
    return Exchange(question, answer, short, {"answer": short})


COLOUR_MIXES = {
    ("red", "yellow"): "orange", ("blue", "yellow"): "green", ("red", "blue"): "purple", ("red", "white"): "pink",
    ("black", "white"): "grey", ("red", "green"): "brown", ("blue", "white"): "light blue",
}  # fmt: skip


def colour_mix(rng: Random) -> Exchange:
    pair, result = rng.choice(list(COLOUR_MIXES.items()))
    one, two = pair if rng.random() < 0.5 else pair[::-1]
    return Exchange(
        expand(rng, "(What colour do you get (when|if) you mix {one} and {two}|What is {one} and {two} mixed (together|)|"
                    "What (do|does) {one} and {two} make (together|)|Mix {one} and {two}. What colour is it|"
                    "What happens if I mix {one} (with|and) {two} (paint|)|What colour (is|makes) {one} plus {two})?",
               one=one, two=two),
        f"If you mix {one} and {two}, you get {result}.",
        upper_first(result),
        {"mix": f"{one} and {two}", "colour": result},
    )  # fmt: skip


FACTS: Topic = [
    (3.0, capital),
    (0.5, unknown_capital),
    (0.4, is_capital),
    (1.2, country_of_city),
    (0.4, landmark),
    (1.2, opposite),
    (1.4, thing),
    (1.0, job),
    (0.9, place),
    (2.4, simple_fact),
    (0.5, colour_mix),
]

__all__ = ["CAPITALS", "FACTS", "Generator", "capital"]
