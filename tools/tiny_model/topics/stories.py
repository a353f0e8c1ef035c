"""Short stories about anyone: a hero, a friend, a wish or a trouble, a good end."""

from __future__ import annotations

from random import Random

from exchange import Exchange, Topic
from phrasing import expand, invented_word, upper_first, with_article
from words import BOYS, COLOURS, FRIENDS, GIRLS, NAMES, OBJECTS, STORY_HEROES, THE_THINGS, TOYS, TREATS

_ADJECTIVES = "little young small brave kind clever curious shy funny cheerful".split()
_HOMES = """in a small house near the forest|in a green valley|near a quiet lake|on a small farm|at the edge of a village|in a big garden
under an old tree|on a hill near the sea|in a far land|in a quiet street of a big town|at the foot of a mountain|by a river""".replace(
    "\n", "|").split("|")  # fmt: skip

_OPENINGS = [
    "(Once upon a time there was|Once there was|There once was) {a_hero} (named|called) {name}. {name} lived {home}.",
    "Once upon a time, {a_hero} (named|called) {name} lived {home}.",
    "Far away, {home}, there lived {a_hero}. (|)The name of the {hero} was {name}.",
    "{name} was {a_hero} who lived {home}.",
]
_DAILY = [
    "Every morning {he} (looked at the sky and smiled|sang a little song|said good morning to the sun|went for a walk).",
    "{He} liked to (look at the clouds|play in the sun|listen to the birds|walk in the grass|tell stories).",
    "{Poss} days were (quiet and happy|full of small wonders|long and sunny).",
    "Everyone (liked|knew) {name}, because {he} was (kind|friendly|always polite|always in a good mood).",
    "",
]

_MEET = [
    "(On the way|After a while|Soon|Then|Near the old bridge) {he} met {a_friend} (named|called) {pal}.",
    "(Just then|At that moment|After a while), {a_friend} (named|called) {pal} came (by|along|down the road).",
]
_ASK = [
    '"(What is wrong|Why do you look so sad|What are you doing|Can I help you)?" asked the {friend}.',
    '"(Hello, {name}! What is the matter|Good day! Where are you going|Why are you so quiet today)?" said {pal}.',
]

PLOTS: dict[str, list[list[str]]] = {
    "lost": [
        ["One day {name} lost {his} {colour} {toy}.", "One morning {name} could not find {his} {colour} {toy}.",
         "One windy day {his} {colour} {toy} was gone."],
        ["{He} looked under the bed and behind the door, but it was not there.", "{He} looked everywhere, but could not find it.",
         "{He} looked high and low. (Where could it be|Where was it)?"],
        _MEET,
        _ASK,
        ['"I lost my {toy}," said {name}. "It is {colour}, and I love it very much."', '{name} told {pal} about the {colour} {toy}.'],
        ['"Let us look together," said {pal}. "Four eyes see more than two."', '"Do not cry," said the {friend}. "I will help you to find it."'],
        ["They looked (in the garden|by the river|behind the barn|under a bush), and there it was, (wet but not broken|shining in the sun|"
         "between two stones).", "They walked along the river, and then {pal} (laughed|pointed). The {toy} was (up in a tree|in the tall grass)!"],
        ["{name} was so happy that {he} danced. (From that day on|After that), {he} and {pal} were friends.",
         "{name} thanked {pal} and gave {pal} a big hug. They played with the {toy} until the sun went down."],
    ],
    "wish": [
        ["{name} had one big wish. {He} wanted to {wish}.", "But {name} had a dream. {He} wanted to {wish}."],
        ['"You can not do that," said the others. They laughed.', "{He} tried on Monday and {he} tried on Tuesday, but it did not work.",
         "{He} tried again and again, but it was very hard."],
        ["{name} felt sad and sat down under a tree.", "In the evening {name} sat by the window and was sad."],
        _MEET,
        _ASK,
        ['"I want to {wish}, but I do not know how," said {name}.', '"I would like to {wish}," said {name}, "but I am too small."'],
        ['"Then we will try it together," said {pal}. "Small steps make a long way."', '"I can show you," said the {friend}. "You only need time and a friend."'],
        ["They worked every day, in the sun and in the rain.", "Day after day they practised, and every day it went a little better."],
        ["Then, one bright morning, it worked! {name} could {wish}, and everybody (clapped|cheered|was amazed).",
         "At last the day came. {name} could {wish}! {Poss} heart jumped for joy."],
        ["{name} learned that you should never give up.", '"Thank you," said {name}. "With a friend, nothing is too hard."'],
    ],
    "storm": [
        ["One night a big storm came. The wind was loud and the rain fell and fell.", "One evening dark clouds came, and soon it rained very hard."],
        ["{name} was afraid, but {he} (lit a small lamp|made some hot tea|sat close to the fire).", "{name} hid under a blanket and (counted to ten|sang a song)."],
        ["Then there was a knock. {A_friend} (named|called) {pal} stood outside, wet and cold.",
         "Then {he} heard a small voice. It was {a_friend} (named|called) {pal}, lost in the rain."],
        ['"Please, may I come in?" asked {pal}. "My home is full of water."', '"I am so cold," said the {friend}. "Can I stay here tonight?"'],
        ['"Of course," said {name}. "There is room for two."', '"Come in, come in!" said {name}. "You must be hungry."'],
        ["They ate {treat} and told stories until the storm was over.", "They shared {treat}, and soon they both felt warm and safe."],
        ["In the morning the sun was back, and a rainbow stood over the hills.", "When the sun came up, the world was clean and bright."],
        ["{pal} stayed, and {name} was never alone in a storm again.", "{name} and {pal} became good friends, and no storm could scare them."],
    ],
    "treasure": [
        ["One day {name} found an old map. It showed the way to a treasure.", "One morning {name} found a map in an old bottle."],
        ["{He} packed (some bread|an apple and a rope|a lamp and some cheese) and (set off|went on {his} way).", '"I will find it!" said {name}, and {he} started at once.'],
        ["The way was long. {He} crossed a river and climbed a hill.", "{He} walked through a dark forest and over a high bridge."],
        _MEET,
        ['"May I come with you?" asked {pal}. "Two are better than one."', '"I know this place," said the {friend}. "Let me show you the way."'],
        ["Together they found a big box under an old tree.", "At last they came to a cave, and in it stood an old box."],
        ["But there was no gold in it. There was only a {colour} {toy} and a letter.", "They opened it. There was no gold, only a {colour} {toy} and a note."],
        ['It said: "The best treasure is the friend who came with you."', 'It said: "Who shares the way has found the treasure."'],
        ["{name} and {pal} looked at each other and laughed. It was true.", "{name} smiled at {pal}. They went home together, very happy."],
    ],
    "party": [
        ["It was {his} birthday, but nobody said a word.", "Today was a special day. It was {his} birthday, and {name} had told no one."],
        ["{He} waited all morning. No letter came and nobody knocked.", '"Did they forget me?" thought {name}. {He} felt a little sad.'],
        ["So {name} went for a walk.", "In the afternoon {name} went out to get some air."],
        _MEET,
        ['"Come with me, quick," said {pal}. "I must show you something."', '"Close your eyes," said the {friend}, "and follow me."'],
        ["They walked to the (big tree|old barn|meadow|lake), and there were all {his} friends!", "When {name} opened {his} eyes, all {his} friends were there."],
        ['"Happy birthday!" they called. There was {treat}, and music, and a {colour} {toy} for {name}.',
         'They had made {treat}, and {pal} gave {name} a {colour} {toy}. "Happy birthday!" they sang.'],
        ["They danced until the stars came out.", "They played and laughed until it was dark."],
        ["It was the best day of the year, and {name} never forgot it.", '"I have the best friends in the world," said {name}.'],
    ],
    "dark": [
        ["{name} had a secret. {He} was afraid of the dark.", "In the day {name} was brave, but at night {he} was afraid of the dark."],
        ["When the sun went down, {he} hid and did not sleep.", "Every evening {he} lit three lamps and still could not sleep."],
        ["One night {he} heard a voice outside. It was {a_friend} (named|called) {pal}.", "One night {a_friend} (named|called) {pal} sat at {his} window."],
        ['"Why do you not sleep?" asked {pal}.', '"Your lamps are so bright," said the {friend}. "What is wrong?"'],
        ['"I am afraid of the dark," said {name} in a small voice.', '"There could be something in the dark," said {name}.'],
        ['"Come out and look up," said {pal}.', '"Take my hand," said the {friend}. "I want to show you something."'],
        ["The sky was full of stars. They were like little lamps, thousands of them.", "There was the moon, big and round, and all the stars around it."],
        ['"You can only see them when it is dark," said {pal}.', '"See?" said the {friend}. "The dark is full of light."'],
        ["Since that night {name} likes the dark, and {he} sleeps very well.", "{name} was not afraid any more. {He} said good night to the stars and slept."],
    ],
    "sharing": [
        ["One day {name} made {treat}. It smelled wonderful.", "One morning {name} got up early and made {treat}."],
        ['"This is all for me," thought {name}.', "{He} wanted to eat everything alone."],
        ["Then {a_friend} (named|called) {pal} came by. \"I have not eaten today,\" said {pal}.", "But {a_friend} (named|called) {pal} stood at the gate and looked very hungry."],
        ["{name} thought for a moment. Then {he} shared it with {pal}.", '{name} looked at {pal} and at the table. "Sit down," {he} said at last.'],
        ["They ate together, and it was twice as good.", "They ate and talked, and the time flew."],
        ["In the winter {name} was ill and could not cook.", "Some weeks later it was {name} who had nothing to eat."],
        ["Then there was a knock at the door. It was {pal}, with a pot of hot soup.", "And who came through the snow? It was {pal}, with a full basket."],
        ['"You shared with me," said {pal}. "Now I share with you."', '"Friends share," said the {friend}, and they both smiled.'],
    ],
    "race": [
        ["One day there was a big race, from the old oak to the river.", "Every summer there was a race around the lake."],
        ['{name} wanted to win. But {a_friend} called {pal} said: "I am much faster than you."', '{name} wanted to take part. "You?" laughed {a_friend} called {pal}. "You are too slow."'],
        ["The race began. {pal} ran ahead, and {name} was far behind.", '"Ready, steady, go!" {pal} was soon in front, and {name} came last.'],
        ["But then {pal} fell into a hole and could not get out.", "But after the bridge {pal} hurt a foot and had to stop."],
        ["{name} could have won now. But {he} stopped and helped {pal}.", '"Hold on to me," said {name}, and {he} did not think of the race any more.'],
        ["Side by side they came to the end, the last of all.", "They walked the rest of the way together, very slowly."],
        ["Everybody clapped. {name} got a {colour} {toy}, the prize for the kindest heart.", "They did not win, but the people cheered for them the most."],
        ['"You are the real winner," said {pal}, and from then on they were friends.', '"I was rude," said {pal}. "I am sorry." And they were friends from that day on.'],
    ],
    "seed": [
        ["One spring day {name} found a tiny seed on the road.", "One day the wind brought a small brown seed to {name}."],
        ["{He} put it into the earth and gave it water.", '"I will take care of you," said {name}, and {he} planted it behind the house.'],
        ["A week went by, but nothing grew.", "{He} waited one day, two days, three days. Nothing happened."],
        ["{A_friend} (named|called) {pal} came by and laughed. \"That is only a stone,\" said {pal}.",
         '{A_friend} (named|called) {pal} came by. "Nothing will ever grow there," said {pal}.'],
        ["But {name} did not give up. {He} gave it water every day and sang to it.", '"It only needs time," said {name}, and {he} brought more water.'],
        ["One morning there was a small green leaf!", "Then, after a warm night, a little green leaf looked out of the earth."],
        ["In summer it was a tall {colour} flower, the finest of all.", "It grew and grew, and at last it was a tree full of sweet fruit."],
        ['"You were right," said {pal}. "Good things need time." And they sat down in its shade.',
         "{pal} was amazed. {name} only smiled and gave {pal} a new seed."],
    ],
    "truth": [
        ["One day {name} played in the house and broke a {colour} {toy}.", "One rainy day {name} ran too fast, and a {colour} {toy} broke."],
        ["It belonged to {a_friend} (named|called) {pal}.", "It was the {toy} of {pal}, {a_friend} who lived next door."],
        ["{name} hid it under the bed. Nobody had seen it.", '"Nobody will know," thought {name}, and {he} hid it in a box.'],
        ["But at night {he} could not sleep. {Poss} heart was heavy.", "But the food did not taste good, and {he} could not play."],
        ["In the morning {name} went to {pal} and told the truth.", 'So {name} went to {pal}. "I broke your {toy}," {he} said. "I am very sorry."'],
        ["{pal} was quiet for a moment, and then {pal} smiled.", "{name} was afraid, but {pal} was not angry at all."],
        ['"Thank you for telling me," said the {friend}. "We can mend it together."', '"Everybody breaks something one day," said {pal}. "Let us mend it."'],
        ["They worked all day, and the {toy} was as good as new. {name} felt light and happy.",
         "In the evening the {toy} was whole again, and {name} slept very well."],
    ],
    "stranger": [
        ["One day somebody new came to live near {name}.", "One morning there was a light in the empty house next door."],
        ["It was {a_friend} (named|called) {pal}.", "The new neighbour was {a_friend}, and the name of the {friend} was {pal}."],
        ['"I do not know anybody like that," said {name}, and {he} stayed at home.', "{name} was too shy to say hello."],
        ["{pal} was shy too. Every day {pal} sat alone and looked at the {colour} sky.", "{pal} had no friends yet and played alone with a {colour} {toy}."],
        ["Then {name} had an idea. {He} made {treat} and carried it over.", "At last {name} took {treat} and knocked at the door."],
        ['"Welcome," said {name}. "Would you like some?"', '"Hello," said {name} in a quiet voice. "This is for you."'],
        ['{pal} smiled from ear to ear. "I was hoping that somebody would come!"', '"How kind of you!" said {pal}. "Please come in."'],
        ["They talked until the moon was high. They liked the same games and the same songs.", "They found out that they both loved stories and rain."],
        ["Now you never see {name} without {pal}.", "A stranger is only a friend whom you have not met yet."],
    ],
    "snow": [
        ["One winter morning the whole world was white.", "In the night it had snowed, and everything was soft and quiet."],
        ['"Snow!" called {name}, and {he} ran outside.', "{name} put on a warm scarf and ran out of the door."],
        _MEET,
        ['"Let us build a snowman," said {pal}.', '"I have never seen so much snow," said the {friend}. "Shall we play?"'],
        ["They rolled a big ball and a small one. {name} gave the snowman a {colour} hat.", "They made a snowman with two stones for eyes and a {colour} scarf."],
        ["But the sun came out, and the snowman began to melt.", "But at noon it got warm, and the snowman grew smaller and smaller."],
        ['"Do not be sad," said {pal}. "He will come back next winter."', '"He is going to the river and to the sea," said the {friend}. "Next year he will be back."'],
        ["Then they went inside and shared {treat}, and it was warm and cosy.", "They waved goodbye and drank hot tea together by the fire."],
    ],
}  # fmt: skip
_NEEDS_SECOND = {"race", "seed", "truth", "stranger"}
"""Plots whose second step says something that the rest needs."""
_WISHES = """fly like a bird|see the sea|climb the highest hill|swim across the lake|sing in front of everybody|travel to the moon|dance like the leaves
build a tall tower|paint the sky|play the piano|bake the best cake|ride a bicycle|read a whole book|jump over the river|whistle a song""".replace("\n", "|").split("|")  # fmt: skip
_ENDS = ["The end.", "The end.", "And they lived happily ever after.", ""]


def tell(rng: Random, hero: str, *, name: str = "", friend: str = "", plot: str = "", wish: str = "", short: bool = False) -> tuple[str, dict[str, str]]:
    """One story, and what happened in it (for questions afterwards)."""
    plot = plot or rng.choice(list(PLOTS))
    girl = name in GIRLS or (name not in BOYS and rng.random() < 0.5)
    name = name or rng.choice(GIRLS if girl else BOYS)
    hero_bare = hero.removeprefix("the ")
    friend = friend or rng.choice([one for one in FRIENDS if one != hero_bare])
    friend = friend.removeprefix("the ")
    adjective = rng.choice([word for word in _ADJECTIVES if word not in hero])
    a_hero = hero if hero.startswith("the ") else with_article(f"{adjective} {hero_bare}" if rng.random() < 0.75 else hero_bare)
    slots = {
        "name": name, "hero": hero_bare, "a_hero": a_hero, "home": rng.choice(_HOMES), "friend": friend,
        "a_friend": with_article(friend), "A_friend": upper_first(with_article(friend)),
        "pal": rng.choice([one for one in NAMES if one != name]), "he": "she" if girl else "he", "He": "She" if girl else "He",
        "his": "her" if girl else "his", "Poss": "Her" if girl else "His", "colour": rng.choice([one for one in COLOURS if one != "orange"]),
        "toy": rng.choice([toy for toy in TOYS if toy != hero_bare]), "wish": wish or rng.choice(_WISHES), "treat": rng.choice(TREATS),
    }  # fmt: skip
    steps = PLOTS[plot]
    if short:
        steps = [step for at, step in enumerate(steps) if step is not _ASK and (at != 1 or plot in _NEEDS_SECOND)]
    sentences = [rng.choice(_OPENINGS)]
    if not short:
        sentences.append(rng.choice(_DAILY))
    sentences += [rng.choice(step) for step in steps]
    sentences.append(rng.choice(_ENDS))
    if hero.startswith("the "):
        sentences[0] = rng.choice(["Once upon a time {a_hero} had a name. It was {name}. {name} lived {home}.",
                                   "Long ago, {a_hero} was called {name} and lived {home}."])  # fmt: skip
    text = " ".join(expand(rng, sentence, **slots) for sentence in sentences if sentence)
    return text, slots


_ASKS = [
    "(Tell|Write|Tell me|Give me|Write me|Can you tell me|Could you tell me|I want|I would like|Please tell me|Make up|Can you write|Invent|Read me|Create|I'd like to hear|Do you know) "
    "{s} about {x}",
    "{s} about {x}, please", "(A|One) {l}story (about|with|for) {x}", "Tell me about {x} in {s}", "(Write|Tell) {s} with {x}",
    "(Can I hear|I want to hear|Let me hear) {s} about {x}", "Story about {x}", "Tell {s} (where|in which) {x} is the hero",
]  # fmt: skip


def _ask(rng: Random, about: str, short: bool) -> str:
    size = rng.choice(["short ", "little ", "very short ", "quick "]) if short else rng.choice(["", "", "", "nice ", "good ", "long ", "funny ",
                                                                                             "bedtime ", "fairy ", "happy "])  # fmt: skip
    thing = "tale" if size == "fairy " else "story"
    asked = expand(rng, rng.choice(_ASKS), s=with_article(f"{size}{thing}"), l=size, x=about)
    return asked + ("?" if asked.startswith(("Can", "Could", "Do ")) else rng.choice([".", ".", "", "!"]))


def _next(rng: Random, slots: dict[str, str]) -> str:
    return expand(rng, rng.choice([
        "The next day {name} and {pal} met again. They ate {treat} and talked about what had happened. {name} was very happy. The end.",
        "After that, {name} the {hero} slept for a long time. In the morning {pal} came with {treat}, and they planned their next adventure. The end.",
        "{name} and {pal} went on a long walk together. They saw the sea, and {name} the {hero} had never been so happy. The end.",
        "Later {name} told everyone the story, and {pal} laughed. They stayed friends for all their lives. The end.",
    ]), **slots)  # fmt: skip


def _after(rng: Random, slots: dict[str, str], hero: str) -> tuple[Exchange, ...]:
    name, pal = slots["name"], slots["pal"]
    kind = rng.random()
    if kind < 0.3:
        return (Exchange(expand(rng, f"(What was|What is|Tell me) the name of the {slots['hero']}?|What was the {slots['hero']} called?|Who was the story about?|"
                                     "What was the hero called?|Who is the hero?".join(["(", ")"])),
                         f"The {slots['hero']} was called {name}.", name, {"name": name}),)  # fmt: skip
    if kind < 0.45:
        return (Exchange(expand(rng, f"(Who was the friend of {name}?|Who helped {name}?|Who did {name} meet?|Who was {pal}?)"),
                         f"It was {pal} the {slots['friend']}.", pal, {"name": pal}),)  # fmt: skip
    if kind < 0.65:
        return (Exchange(expand(rng, f"(What happened (next|then|after that)|And then|What did {name} do then|Go on|Continue|Tell me more|More|How does it go on)(?|.|)"),
                         _next(rng, slots)),)  # fmt: skip
    if kind < 0.85:
        other = rng.choice(STORY_HEROES + OBJECTS)
        text, _ = tell(rng, other, short=rng.random() < 0.6)
        return (Exchange(expand(rng, "(Another one|Now one|Another story|And one|Now a story|One more|Now tell me one|Tell me another one) about {x}(.|, please.|!|)",
                                x=with_article(other)), text),)  # fmt: skip
    text, _ = tell(rng, slots["hero"], short=rng.random() < 0.6)
    return (Exchange(expand(rng, "(Another one|Another story|One more story|Tell me another story|Tell me another one|Again)(.|, please.|!|)"), text),)


def story(rng: Random) -> Exchange:
    short = rng.random() < 0.35
    kind = rng.random()
    name = friend = plot = wish = ""
    if kind < 0.66:
        hero = rng.choice(STORY_HEROES) if rng.random() < 0.6 else rng.choice(OBJECTS)
        if rng.random() < 0.16:
            hero = invented_word(rng)
        about = hero
        if rng.random() < 0.25:
            colour = rng.choice([*_ADJECTIVES, *COLOURS, "big", "old", "lonely", "lazy", "happy", "sad", "magic", "tiny", "hungry"])
            hero = about = f"{colour} {hero}"
        about = rng.choice([with_article(about)] * 6 + [about, f"{about}s", f"the {about}"])
    elif kind < 0.71:
        hero = about = rng.choice(THE_THINGS)
    elif kind < 0.76:
        name = about = rng.choice(NAMES)
        hero = "girl" if name in GIRLS else "boy"
    elif kind < 0.81:
        hero, plot, wish = rng.choice(STORY_HEROES), "wish", rng.choice(_WISHES)
        about = expand(rng, "{h} (who|that) (wants|wanted|dreams|would like) to {w}", h=with_article(hero), w=wish)
        about = about[0].lower() + about[1:].replace("dreams to", "wants to")
    elif kind < 0.90:
        hero = rng.choice(STORY_HEROES)
        name = rng.choice(NAMES) if rng.random() < 0.6 else upper_first(invented_word(rng))
        about = expand(rng, "{h} (named|called|whose name is|with the name) {n}", h=with_article(hero), n=name)
        about = about[0].lower() + about[1:]
    elif kind < 0.95:
        hero, friend = rng.sample(STORY_HEROES, 2)
        about = f"{with_article(hero)} and {with_article(friend)}"
    else:
        hero, friend = rng.sample(STORY_HEROES, 2)
        plot, of = rng.choice([("storm", "in a storm"), ("treasure", "who finds a treasure"), ("party", "who has a birthday"), ("race", "in a race"),
                               ("dark", "who is afraid of the dark"), ("lost", "who lost something"), ("sharing", "who learns to share")])  # fmt: skip
        about, friend = f"{with_article(hero)} {of}", ""
    text, slots = tell(rng, hero, name=name, friend=friend, plot=plot, wish=wish, short=short)
    return Exchange(_ask(rng, about, short), text, "", None, _after(rng, slots, hero) if rng.random() < 0.5 else ())


def any_story(rng: Random) -> Exchange:
    short = rng.random() < 0.3
    text, slots = tell(rng, rng.choice(STORY_HEROES), short=short)
    asked = _ask(rng, "x", short).replace(" about x", "").replace(" with x", "").replace(" for x", "").replace(", please", "")
    if "x" in asked.split() or asked.startswith(("Tell me in", "Story")) or "where x" in asked or "which x" in asked:
        asked = rng.choice(["Tell me a story.", "Once upon a time", "A story, please.", "Tell a story", "Can you tell me a story?", "Story time!"])
    return Exchange(asked, text, "", None, _after(rng, slots, slots["hero"]))


STORIES: Topic = [(5.0, story), (1.0, any_story)]
