"""Greetings, feelings, likes, family, jokes, poems, and what the model says about itself."""

from __future__ import annotations

from random import Random

from exchange import Exchange, Topic
from phrasing import expand, invented_word, pick, upper_first, with_article
from topics.facts import CAPITALS
from words import ANIMALS, COLOURS, NAMES, OBJECTS

HELP = "Ask me about animals, food, colours, days or the weather, or let me tell you a story."


def greeting(rng: Random) -> Exchange:
    hello = pick(rng, ["(Hello|Hi|Hey|Hi there|Hello there|Good day|Hey there|Yo|Howdy|Hiya|Greetings)(!|.|)"])
    if rng.random() < 0.35:
        asked = expand(rng, "({h} How are you|How are you (today|doing|doing today|)|How do you do|How is it going|What's up|"
                            "Are you (well|OK|fine)|How are things|{h} How's it going)?", h=hello)  # fmt: skip
        return Exchange(asked, expand(rng, "I am (fine|very well|well), thank you. How are you?"), "Fine")
    if rng.random() < 0.3:
        part = rng.choice(["morning", "evening", "afternoon"])
        return Exchange(expand(rng, f"Good {part}(!|.|)"), f"Good {part}! How can I help you?", "Hello")
    return Exchange(hello, expand(rng, "(Hello|Hi)! (How can I help you|What would you like to know|How are you)?"), "Hello")


def farewell(rng: Random) -> Exchange:
    return rng.choice([
        Exchange(expand(rng, "(Bye|Goodbye|Bye bye|See you|See you later|See you soon|I have to go|I must go now|Ciao)(!|.|)"),
                 expand(rng, "(Goodbye|Bye)! (See you soon|Have a nice day|It was nice to talk with you)."), "Goodbye"),
        Exchange(expand(rng, "(Good night|I am going to bed|I am going to sleep now|Sleep well)(!|.|)"),
                 "Good night! Sleep well and dream of nice things.", "Goodnight"),
    ])  # fmt: skip


def thanks(rng: Random) -> Exchange:
    return Exchange(
        expand(rng, "(Thanks|Thank you|Thank you very much|Thanks a lot|Thx|Many thanks|Great, thanks|Cool, thanks|Thank you so much|"
                    "That was helpful|You helped me)(!|.|)"),
        expand(rng, "You are (very|) welcome! (|Is there anything else|I am happy to help.)").replace("else", "else?"), "Welcome")  # fmt: skip


def praise(rng: Random) -> Exchange:
    return rng.choice([
        Exchange(expand(rng, "(You are|You're) (great|nice|funny|cute|clever|smart|cool|the best|sweet|good|amazing)(!|.|)"),
                 expand(rng, "Thank you! (That is kind of you|You are nice too|That makes me happy)."), "Thanks"),
        Exchange(expand(rng, "(I love you|I like you|You are my friend)(!|.|)"), "Thank you! I like you too.", "Thanks"),
        Exchange(expand(rng, "(You are|You're) (stupid|bad|dumb|wrong|silly|boring|useless|slow|ugly)(!|.|)|(That is|That's|This is) "
                             "(wrong|not true|not right|false|incorrect|nonsense)(!|.|)"),
                 "I am sorry. I am a very small model and I make mistakes.", "Sorry"),
        Exchange(expand(rng, "(OK|Okay|I see|Good|Great|Nice|Cool|Wow|Interesting|Very good|All right|Fine|That is good|Awesome)(!|.|)"),
                 expand(rng, "(I am glad|Good|Nice)! What else would you like to know?"), "Good"),
        Exchange(expand(rng, "(That is|That's|This is|Very|How) (funny|nice|beautiful|lovely|sweet)(!|.|)|(Haha|Ha ha|Lol|Hahaha)(!|.|)"),
                 "I am glad that you like it!", "Glad"),
        Exchange(expand(rng, "(Sorry|I am sorry|Excuse me|My mistake)(!|.|)"), "No problem!", "OK"),
        Exchange(expand(rng, "(Yes|Yes, please|Sure|Of course|Yeah|Yep)(!|.|)"), "Good! What would you like to know?", "Good"),
        Exchange(expand(rng, "(No|No, thanks|No, thank you|Nope|Not really|Nothing)(!|.|)"), "All right. I am here if you need me.", "OK"),
        Exchange(expand(rng, "(Why|Why is that|How so|Why not|How come|Are you sure|Really|Is that true)?"),
                 "I think so, but I do not know why. I am a very small model.", "Unknown"),
        Exchange(expand(rng, "(Test|Testing|This is a test|Just a test|Ping|Are you there|Is anybody there|Can you hear me|"
                             "Do you work|Does this work|Anyone there)(?|.|!|)"),
                 "I am here and I can read you well.", "Yes"),
    ])  # fmt: skip


_FEELINGS = [
    ("happy|glad|in a good mood|so happy|very happy|full of joy", "I am glad to hear that! Share your smile with a friend.", "Nice"),
    ("sad|unhappy|very sad|down|feeling blue|feeling sad|crying", "I am sorry that you are sad. A walk or a talk with a friend can help.",
     "Sorry"),
    ("tired|sleepy|very tired|so tired|exhausted", "Then you should rest a little. A good sleep helps.", "Sleep"),
    ("hungry|very hungry|so hungry|starving", "Then you should eat something. How about bread with cheese and an apple?", "Eat"),
    ("thirsty|very thirsty|so thirsty", "Then you should drink a glass of water.", "Drink"),
    ("bored|so bored|very bored", "Then let me tell you a story, or draw a picture of your favourite animal.", "Play"),
    ("afraid|scared|frightened|afraid of the dark|anxious|worried|nervous", "Do not be afraid. Take a deep breath and talk to someone you trust.",
     "Breathe"),
    ("angry|mad|furious|very angry|annoyed", "Take a deep breath and count to ten. Then it gets better.", "Breathe"),
    ("sick|ill|not well|unwell|in pain", "I am sorry. Stay in bed, drink warm tea and ask a doctor for help.", "Rest"),
    ("cold|freezing|very cold", "Then put on a warm coat and drink some hot tea.", "Coat"),
    ("hot|sweating|too warm", "Then sit in the shade and drink some cold water.", "Water"),
    ("lonely|alone|all alone", "I am here to talk with you. You could also call a friend.", "Friends"),
    ("excited|proud|curious|so excited", "That is a wonderful feeling! Tell me more.", "Nice"),
]  # fmt: skip


def feeling(rng: Random) -> Exchange:
    states, answer, short = rng.choice(_FEELINGS)
    state = rng.choice(states.split("|"))
    return Exchange(
        pick(rng, ["(I am|I'm|I feel|I am feeling|Today I am|I am so|We are|My friend is|Help, I am) {s}(.|!|)",
                   "What (can|should|do) I do (when|if) I am {s}?", "I am {s}. What (can|should) I do?"], s=state)
        .replace("feeling feeling", "feeling").replace("so so", "so").replace("so very", "very"),
        answer, short)  # fmt: skip


def name_told(rng: Random) -> Exchange:
    """The user says a name; later the model still knows it."""
    name = rng.choice(NAMES) if rng.random() < 0.7 else upper_first(invented_word(rng))
    remember = Exchange(
        expand(rng, "(What is my name|What's my name|Do you know my name|Who am I|Do you remember my name|Say my name|Tell me my name)?"),
        f"Your name is {name}.", name, {"name": name})  # fmt: skip
    return Exchange(expand(rng, "(Hi, |Hello, |Hello! |)(my name is|I am|I'm|you can call me|they call me|call me) {n}(.|!|)", n=name),
                    f"Hello, {name}! " + rng.choice(["Nice to meet you.", "How can I help you?"]), name, {"name": name}, (remember,))  # fmt: skip


def name_unknown(rng: Random) -> Exchange:
    return Exchange(expand(rng, "(What is my name|What's my name|Do you know my name|Who am I)?"),
                    "I do not know your name yet. What is your name?", "Unknown")  # fmt: skip


_LIKES = {
    "colour": ["blue", "blue"], "animal": ["the cat", "the cat"], "food": ["pancakes", "pancakes"], "season": ["spring", "spring"],
    "day": ["Sunday", "Sunday"], "number": ["seven", "seven"], "fruit": ["the apple", "the apple"], "book": ["a book of fairy tales"] * 2,
    "song": ["a lullaby", "a lullaby"], "city": ["Paris", "Paris"], "flower": ["the rose", "the rose"], "word": ["hello", "hello"],
}  # fmt: skip


def favourite(rng: Random) -> Exchange:
    what = rng.choice(list(_LIKES))
    like = _LIKES[what][0]
    return Exchange(
        pick(rng, ["(What is|What's|Tell me|Do you have) (your|a) (favourite|favorite) {w}?", "(Which|What) {w} do you like (best|most)?",
                   "Do you have a (favourite|favorite) {w}?"], w=what),
        f"I like {like} best. What is your favourite {what}?", upper_first(like.removeprefix("the ").removeprefix("a ")))  # fmt: skip


def user_likes(rng: Random) -> Exchange:
    kind, things = rng.choice([
        ("animal", [one.plural for one in ANIMALS]), ("colour", COLOURS), ("things", [f"{one}s" for one in OBJECTS[:20]]),
        ("food", ["pizza", "pasta", "apples", "soup", "bread", "cake", "cheese", "pancakes", "rice", "honey"]),
        ("activity", ["reading", "swimming", "dancing", "singing", "running", "cooking", "drawing", "football", "music", "sleeping"]),
    ])  # fmt: skip
    liked = rng.choice(things)
    asked = Exchange(expand(rng, "(What do I like|Do you remember what I like|What did I say that I like|Tell me what I like)?"),
                     f"You like {liked}.", upper_first(liked))  # fmt: skip
    return Exchange(expand(rng, "(I like|I love|I really like|I enjoy|My favourite {k} is) {x}(.|!|)", k=kind, x=liked),
                    f"{upper_first(liked)}! " + rng.choice(["That is a good choice.", "I like that too.", "How nice!"]),
                    upper_first(liked), None, (asked,))  # fmt: skip


def do_you_like(rng: Random) -> Exchange:
    name = rng.choice([one.plural for one in ANIMALS] + [f"{one}s" for one in OBJECTS[:40]] + ["music", "rain", "snow", "stories", "pizza", "Paris",
                      "summer", "winter", "school", "children", "people", "jokes", "me", "your job", "Python", "exllm", "dancing"])  # fmt: skip
    if rng.random() < 0.25:
        one, two = rng.sample(ANIMALS, 2)
        return Exchange(pick(rng, ["(What|Which|Who) do you like (more|better), {a} or {b}?", "{a} or {b}?", "Do you prefer {a} or {b}?"], a=one.plural, b=two.plural),
                        f"I like {one.plural} and {two.plural}, but I like {rng.choice([one, two]).plural} a little more.", upper_first(one.plural))  # fmt: skip
    what = {"me": "you", "your job": "my job"}.get(name, name)
    return Exchange(expand(rng, "(Do you like|Do you love|Do you enjoy|What do you think about|Do you like) {x}?", x=name),
                    f"Yes, I like {what}. And you?" if name != "me" else "Yes, I like you.", "Yes", None,
                    (Exchange(expand(rng, "(Yes|I do|Me too|Yes, I do|I like {x} too)(.|!|)", x=name), "That is nice! Then we like the same."),)
                    if name not in {"me", "your job"} else ())  # fmt: skip


def about_the_user(rng: Random) -> Exchange:
    """The user tells something; the answer shows that it was heard."""
    kind = rng.randrange(7)
    if kind == 0:
        country = rng.choice(list(CAPITALS))
        city = CAPITALS[country][0]
        asked = Exchange(expand(rng, "(Where do I live|Where am I from|Which city do I live in|Do you remember where I live)?"), f"You live in {city}.", city)
        return Exchange(expand(rng, "(I live in|I am from|I'm from|We live in|I was born in|My home is) {c}(.|!|)", c=city),
                        f"{city}! That is in {country}. It must be nice there.", city, None, (asked,))  # fmt: skip
    if kind == 1:
        age = rng.randint(3, 90)
        asked = Exchange(expand(rng, "(How old am I|What is my age|Do you remember my age)?"), f"You are {age} years old.", str(age))
        return Exchange(expand(rng, "(I am|I'm) {n}( years old|)(.|!|)", n=age), f"{age} is a good age!", str(age), None, (asked,))
    if kind in (2, 3):
        pet, name = rng.choice(ANIMALS[:20]).name, rng.choice(NAMES)
        asked = Exchange(expand(rng, f"(What is the name of my {pet}|What is my {pet} called|What's my {pet}'s name)?"), f"Your {pet} is called {name}.", name)
        if kind == 2:
            return Exchange(expand(rng, "(I have|I've got|We have|I just got) {p}(.|!|)", p=with_article(pet)),
                            f"{upper_first(with_article(pet))}! How nice. What is its name?", upper_first(pet), None,
                            (Exchange(expand(rng, "({n}|Its name is {n}|It is called {n})(.|!|)", n=name), f"{name} is a lovely name for {with_article(pet)}.", name), asked))  # fmt: skip
        return Exchange(expand(rng, "(I have {p} (named|called) {n}|My {q} is called {n}|The name of my {q} is {n})(.|!|)", p=with_article(pet), q=pet, n=name),
                        f"{name} is a lovely name for {with_article(pet)}.", name, None, (asked,))  # fmt: skip
    if kind == 4:
        return Exchange(
            expand(rng, "(It is my birthday|Today is my birthday|It's my birthday today)(.|!|)"),
            "Happy birthday! I hope you get a big cake.",
            "Congratulations",
        )
    if kind == 5:
        return Exchange(expand(rng, "(Merry Christmas|Happy New Year|Happy Easter|Happy birthday)(.|!|)"), "Thank you! The same to you.", "Thanks")
    return Exchange(expand(rng, "(I am fine|I'm fine|Fine|I am fine, thanks|I am good|I'm good|Good, thanks|I am very well|I'm OK|Not bad|Very well, thank you|I am well)"
                                "(| and you)(.|!|)"), "I am glad to hear that. What would you like to know?", "Good")  # fmt: skip


_RIDDLES = [
    "What has hands but can not clap? It is a clock.", "What has teeth but can not bite? It is a comb.", "What has one eye but can not see? It is a needle.",
    "What gets wet while it dries? It is a towel.", "What has a neck but no head? It is a bottle.", "What goes up and never comes down? It is your age.",
    "What has keys but can not open a door? It is a piano.", "What has many leaves but is not a tree? It is a book.",
]  # fmt: skip


def riddle(rng: Random) -> Exchange:
    first, second = rng.sample(_RIDDLES, 2)
    return Exchange(expand(rng, "(Tell me a riddle|Do you know a (good|) riddle|Give me a riddle|A riddle, please|I want a riddle|Ask me a riddle)(.|!|?|)"), first, "Clock",
                    {"riddle": first}, (Exchange(expand(rng, "(Another one|One more|Another riddle|Tell me another riddle)(.|!|)"), second),))  # fmt: skip


_FUN = [
    "An octopus has three hearts.", "A snail can sleep for a very long time.", "Bees can see colours that we can not see.", "Elephants can not jump.",
    "A group of crows is called a murder.", "Penguins give stones as presents.", "Honey stays good for a very long time.", "A day on Venus is longer than its year.",
    "Butterflies taste with their feet.", "A blue whale's heart is as big as a small car.",
]  # fmt: skip


def fun_fact(rng: Random) -> Exchange:
    first, second = rng.sample(_FUN, 2)
    return Exchange(expand(rng, "(Tell me (a fact|a fun fact|something interesting|something new)|(Give me|Do you know) (a fun fact|an interesting fact|a fact)|Fun fact|"
                                "Teach me something|Tell me something I do not know)(.|?|!|)"), first, "Honey", {"fact": first},
                    (Exchange(expand(rng, "(Another one|One more|Another fact|Tell me another one)(.|!|)"), second),))  # fmt: skip


_FAMILY = [
    ("the mother of my mother|my mother's mother|my mum's mum|the mother of my father|my father's mother", "grandmother"),
    ("the father of my father|my father's father|the father of my mother|my mother's father|my dad's dad", "grandfather"),
    ("the sister of my mother|my father's sister|my mother's sister|the sister of my father", "aunt"),
    ("the brother of my father|my mother's brother|my father's brother|the brother of my mother", "uncle"),
    ("the son of my uncle|my aunt's daughter|the child of my aunt|my uncle's child", "cousin"),
    ("the daughter of my parents|the other girl of my parents", "sister"),
    ("the son of my parents|the other boy of my parents", "brother"),
    ("the daughter of my brother|my sister's daughter", "niece"), ("the son of my brother|my sister's son", "nephew"),
    ("the woman who had me as a baby|my father's wife", "mother"), ("the man who is my parent|my mother's husband", "father"),
]  # fmt: skip


def family(rng: Random) -> Exchange:
    whom, word = rng.choice(_FAMILY)
    return Exchange(pick(rng, ["(Who is|What is|What do I call|How do I call|What do you call) {w}?"], w=rng.choice(whom.split("|"))),
                    f"That is your {word}.", f"Your {word}", {"relation": word})  # fmt: skip


_JOKES = [
    ("Why did the chicken cross the road? To get to the other side!"),
    ("What do you call a sleeping cow? A bulldozer!"),
    ("Why do bees have sticky hair? Because they use honeycombs!"),
    ("What do you call a bear with no teeth? A gummy bear!"),
    ("Why did the banana go to the doctor? It was not peeling well!"),
    ("What is a cat's favourite colour? Purr-ple!"),
    ("Why was six afraid of seven? Because seven ate nine!"),
    ("What do you get when you cross a snowman and a dog? Frostbite!"),
    ("Where do cows go on Friday night? To the moo-vies!"),
    ("How does the moon cut its hair? Eclipse it!"),
]


def joke(rng: Random) -> Exchange:
    first, second = rng.sample(_JOKES, 2)
    more = Exchange(expand(rng, "(Another one|One more|Tell me another one|Another joke|Tell me another joke|More)(!|.|, please.)"), second)
    return Exchange(
        expand(rng, "(Tell me a (funny|short|good|) joke|Do you know a (good|) joke|Make me laugh|Say something funny|A joke, please|"
                    "I want to hear a joke|Can you tell (me|) a joke|Joke|Give me a joke|Tell me something funny)(.|!|?|)"),
        first, "Moo-vies", {"joke": first}, (more,))  # fmt: skip


_POEMS = [
    "Oh {x}, oh {x}, I think of you,\nwhen skies are grey, when skies are blue.\nYou make me smile, you make me sing,\nyou are a very lovely thing.",
    "I saw {a} one sunny day,\nit looked at me and liked to play.\nWe laughed and danced till it was night,\nbeneath the moon so round and bright.",
    "The sun goes up, the sun goes down,\n{a} walks slowly through the town.\nIt hums a song both soft and low,\nand where it goes, the flowers grow.",
    "{A} sat down beside the sea,\nand shared a cup of tea with me.\nThe waves came in, the waves went out,\nwe had no care, we had no doubt.",
]  # fmt: skip


_HAIKUS = [
    "Early morning light,\n{a} waits beside the pond.\nA new day begins.",
    "Soft rain on the roof,\n{a} listens for a while.\nThen the sun comes out.",
    "The long winter ends,\n{a} sees the first green leaf.\nEverything is new.",
]


def haiku(rng: Random) -> Exchange:
    name = rng.choice([one.name for one in ANIMALS] + OBJECTS + ["the moon", "the sun", "the sea", "the rain", "the snow", "the wind"])
    about = rng.choice([with_article(name)] * 2 + [name])
    asked = expand(rng, "(Write|Make|Tell me|Give me|Can you write|Compose|Write me) a (short|nice|) haiku (about|on|for) {x}(.|?|!|)", x=about)
    return Exchange(asked, rng.choice(_HAIKUS).format(a=with_article(name)))


def poem(rng: Random) -> Exchange:
    name = rng.choice([one.name for one in ANIMALS] + OBJECTS + ["the moon", "the sun", "the sea", "the rain", "spring", "winter", "love"])
    if rng.random() < 0.15:
        name = invented_word(rng)
    bare = name in {"spring", "winter", "love"}
    one = name if bare else with_article(name)
    x = name.removeprefix("the ")
    choices = _POEMS[:1] if bare else _POEMS
    text = rng.choice(choices).format(x=x, a=one, A=upper_first(one))
    about = expand(rng, "(Write|Make|Tell me|Give me|Can you write|I want|Compose|Write me) a (short|little|nice|) (poem|rhyme|verse|poem|song) "
                        "(about|on|for) {x}(.|?|!|)", x=rng.choice([one, one, name]))  # fmt: skip
    return Exchange(about, upper_first(text))


_SELF = [
    ("(Who are you|What are you|Introduce yourself|Tell me about yourself|Who is this|Who am I talking to|Who is there|What is this)?",
     "I am the small model that ships with exllm. I can tell stories and answer simple questions.", "A small model"),
    ("(What is your name|What's your name|Do you have a name|How are you called|What are you called|What should I call you|Your name)?",
     "I am the small model that ships with exllm. You can call me Tiny.", "Tiny"),
    ("(Are you (a|) (human|person|real person|man|woman|real)|Are you alive|Do you have a body)?",
     "No, I am not a person. I am a very small language model.", "No"),
    ("(Are you (a (robot|bot|model|computer|program|machine|language model|chatbot)|an AI))?",
     "Yes, I am a very small language model. I run on your own computer.", "Yes"),
    ("(Are you (ChatGPT|GPT|Claude|Gemini|Llama|GPT-4|Siri|Alexa|a big model))?",
     "No, I am the small model that ships with exllm.", "No"),
    ("(What can you do|What do you know|What can I ask you|How can you help me|What can you help (me|) with|Help|Help me|Can you help me|"
     "What are you good at|What should I ask|What topics do you know|What can you talk about|What questions can I ask)?",
     "I can tell stories, answer simple questions about animals, food, colours, days, weather and capitals, and do small sums.", "Stories"),
    ("(How big are you|How small are you|What is your size|How many parameters do you have|How large are you|Are you big|Are you small)?",
     "I am very small. I have about three million parameters and my file is smaller than a photo.", "Small"),
    ("(Who made you|Who created you|Who trained you|Who built you|Where do you come from|How were you made|How were you trained|"
     "Where are you from|Who is your creator|Who wrote you)?",
     "A script in the exllm repository made me. It writes simple texts and trains me on them in less than half an hour.", "A script"),
    ("(How old are you|When were you born|What is your age|When is your birthday)?",
     "I was trained in half an hour by a script, so I am very young.", "Young"),
    ("(Where do you live|Where are you|Where do you run|Where are you running)?",
     "I live in a small file and I run on your own computer.", "In a file"),
    ("(Do you sleep|Do you eat|Do you drink|Are you hungry|Are you tired|Do you feel pain)?",
     "No, I am only a small program. I do not eat or sleep.", "No"),
    ("(Do you have feelings|Can you feel|Are you happy|Are you sad|Do you have friends|Do you have a family)?",
     "I am only a small program, so I do not really feel. But I like to talk with you.", "No"),
    ("(Can you think|Are you smart|Are you intelligent|Are you clever|Can you learn|Do you understand me)?",
     "I am very small, so I do not think much. I only know simple things.", "A little"),
    ("(Do you need the internet|Do you need a network|Do you work offline|Do you need an API key|Can you work without internet)?",
     "No, I run on your own computer. I need no network and no key.", "No"),
    ("(What time is it|What is the time|What's the time|Do you know what time it is|What hour is it)(| now)?",
     "I can not see a clock, so I do not know the time.", "Unknown"),
    ("(What day is (it|today|it today)|What is the date|What is today's date|What year is it|Which day is today|What month is it)?",
     "I can not see a calendar, so I do not know the date.", "Unknown"),
    ("(What is the weather (like|) (today|now|outside|tomorrow|in {city})|How is the weather (today|outside|in {city}|)|Is it raining|"
     "Will it rain (today|tomorrow|)|Is it cold outside|What's the weather like (in {city}|))?",
     "I can not look outside, so I do not know the weather. Look out of the window!", "Unknown"),
    ("(What languages do you speak|Do you speak (French|German|Spanish|Chinese|other languages)|Can you speak (French|German|Japanese)|"
     "Which languages do you know)?",
     "I only speak simple English.", "English"),
    ("(Can you (dance|sing|swim|drive|fly|run|walk|cook|jump|see|draw))?", "No, I can only read and write text.", "No"),
    ("(Let's (talk|chat)|Talk to me|Can we talk|I want to (talk|chat)|Say something|Tell me something|Surprise me|Chat with me)(.|!|)",
     "Gladly! " + HELP, "Gladly"),
    ("(What should I do (today|now|)|What can we do|Let us play|Do you want to play|Let's play (a game|))?",
     "You could read a book, take a walk or call a friend. Or let me tell you a story.", "Read"),
]  # fmt: skip


def about_itself(rng: Random) -> Exchange:
    pattern, answer, short = rng.choice(_SELF)
    return Exchange(expand(rng, pattern.replace("{city}", rng.choice(["Paris", "London", "Berlin", "Rome", "Tokyo", "Madrid"]))), answer,
                    short, {"answer": short})  # fmt: skip


SMALLTALK: Topic = [
    (1.3, greeting), (0.5, farewell), (0.5, thanks), (1.5, praise), (1.5, feeling), (0.9, name_told), (0.15, name_unknown),
    (0.6, favourite), (0.6, user_likes), (0.5, family), (0.5, joke), (1.0, poem), (0.3, haiku), (0.7, do_you_like),
    (1.0, about_the_user), (0.25, riddle), (0.3, fun_fact),
]  # fmt: skip
ABOUT_ITSELF: Topic = [(1.0, about_itself)]
