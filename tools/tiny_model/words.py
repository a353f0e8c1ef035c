"""The small world: names, things, places and animals that every topic draws from."""

from __future__ import annotations

from typing import NamedTuple

GIRLS = "Anna Lily Mia Emma Sara Nora Lucy Ella Rosa Ida Maya Zoe Kate Amy Eva Ruby Alice Julia Tina Molly".split()
BOYS = "Tom Ben Max Sam Leo Jack Finn Oscar Paul Noah Tim Adam Hugo Emil Ravi Omar Luis Bob Peter David".split()
NAMES = GIRLS + BOYS

COLOURS = "red blue green yellow white black brown orange purple pink grey golden".split()


class Animal(NamedTuple):
    """One animal and what can be asked about it; an empty field is not asked."""

    name: str
    plural: str
    sound: str
    food: str
    home: str
    baby: str
    legs: int
    kind: str
    size: str
    colour: str
    moves: str


_ANIMALS = """
cat|cats|meow|fish and mice|in a house|kitten|4|mammal|small|black, white or orange|climb
dog|dogs|woof|meat and bones|in a house|puppy|4|mammal|friendly|brown, black or white|run
cow|cows|moo|grass|on a farm|calf|4|mammal|big|brown or black and white|walk
horse|horses|neigh|grass and hay|on a farm|foal|4|mammal|big|brown, black or white|gallop
pig|pigs|oink|almost everything|on a farm|piglet|4|mammal|round|pink|dig
sheep|sheep|baa|grass|on a farm|lamb|4|mammal|woolly|white|walk
goat|goats|meh|grass and leaves|on a farm|kid|4|mammal|clever|white or brown|climb
duck|ducks|quack|plants and small bugs|on a pond|duckling|2|bird|small|brown or white|swim and fly
hen|hens|cluck|seeds and worms|on a farm|chick|2|bird|small|brown or white|walk
chicken|chickens|cluck|seeds and worms|on a farm|chick|2|bird|small|brown or white|walk
rooster|roosters|cock-a-doodle-doo|seeds and worms|on a farm|chick|2|bird|proud|red and brown|walk
goose|geese|honk|grass and seeds|on a farm|gosling|2|bird|loud|white or grey|swim and fly
owl|owls|hoo hoo|mice|in the forest|owlet|2|bird|wise|brown or white|fly
crow|crows|caw|seeds, fruit and bugs|in the trees|chick|2|bird|clever|black|fly
bird|birds|tweet|seeds and worms|in a nest|chick|2|bird|small|of many colours|fly
parrot|parrots|squawk|fruit and nuts|in the jungle|chick|2|bird|loud|green, red and blue|fly
penguin|penguins||fish|on the ice|chick|2|bird|funny|black and white|swim
eagle|eagles|screech|fish and small animals|in the mountains|eaglet|2|bird|strong|brown and white|fly
lion|lions|roar|meat|in the grasslands of Africa|cub|4|mammal|strong|golden|run
tiger|tigers|roar|meat|in the jungle|cub|4|mammal|strong|orange with black stripes|run and swim
bear|bears|growl|fish, berries and honey|in the forest|cub|4|mammal|big|brown or black|climb and swim
wolf|wolves|howl|meat|in the forest|pup|4|mammal|wild|grey|run
fox|foxes|yip|mice and berries|in the forest|cub|4|mammal|clever|red|run
rabbit|rabbits||grass and carrots|in a burrow|kit|4|mammal|small|brown, grey or white|hop
mouse|mice|squeak|seeds and cheese|in a small hole|pup|4|mammal|tiny|grey or brown|run
hedgehog|hedgehogs||bugs and worms|in the garden|hoglet|4|mammal|small|brown|walk
squirrel|squirrels||nuts and seeds|in the trees|kit|4|mammal|quick|red or grey|climb
deer|deer||grass and leaves|in the forest|fawn|4|mammal|shy|brown|run
elephant|elephants|trumpet|grass, leaves and fruit|in Africa and Asia|calf|4|mammal|very big|grey|walk
giraffe|giraffes||leaves|in Africa|calf|4|mammal|very tall|yellow with brown spots|run
zebra|zebras||grass|in Africa|foal|4|mammal|wild|black and white|run
monkey|monkeys|chatter|fruit and nuts|in the jungle|infant|2|mammal|playful|brown|climb
kangaroo|kangaroos||grass|in Australia|joey|2|mammal|big|brown|jump
koala|koalas||leaves|in Australia|joey|4|mammal|sleepy|grey|climb
panda|pandas||bamboo|in China|cub|4|mammal|big|black and white|climb
camel|camels||dry grass and plants|in the desert|calf|4|mammal|tall|brown|walk
frog|frogs|ribbit|flies and other bugs|in a pond|tadpole|4|amphibian|small|green|jump
snake|snakes|hiss|mice and eggs|in the grass||0|reptile|long|green or brown|slide
turtle|turtles||plants and small fish|in the water and on land|hatchling|4|reptile|slow|green|swim
crocodile|crocodiles||meat and fish|in rivers|hatchling|4|reptile|dangerous|green|swim
fish|fish||plants and small water animals|in the water|fry|0|fish|quick|of many colours|swim
shark|sharks||fish|in the sea|pup|0|fish|strong|grey|swim
whale|whales||tiny sea animals|in the sea|calf|0|mammal|very big|blue or grey|swim
dolphin|dolphins|click|fish|in the sea|calf|0|mammal|clever|grey|swim
octopus|octopuses||crabs and fish|in the sea||8|sea animal|clever|red or brown|swim
crab|crabs||small sea animals and plants|on the beach||10|sea animal|small|red|walk sideways
bee|bees|buzz|nectar|in a hive||6|insect|busy|yellow and black|fly
ant|ants||seeds and sweet things|in an anthill||6|insect|tiny|black or red|walk
butterfly|butterflies||nectar|in gardens and fields|caterpillar|6|insect|pretty|of many colours|fly
spider|spiders||flies and other bugs|in a web||8|spider|small|black or brown|climb
snail|snails||leaves|in the garden||0|snail|slow|brown|slide
bat|bats|squeak|bugs and fruit|in caves|pup|2|mammal|small|black or brown|fly
"""


def _animal(line: str) -> Animal:
    name, plural, sound, food, home, baby, legs, kind, size, colour, moves = line.split("|")
    return Animal(name, plural, sound, food, home, baby, int(legs), kind, size, colour, moves)


ANIMALS = [_animal(line) for line in _ANIMALS.strip().splitlines()]

CREATURES = """dragon unicorn dinosaur robot monster giant fairy wizard witch ghost mermaid knight princess prince king
queen pirate boy girl farmer doctor teacher baker sailor fisherman painter astronaut clown gardener grandmother
grandfather baby child puppy kitten lamb duckling robin worm ladybug lizard mole otter seal beaver donkey pony swan
raccoon sloth hamster goldfish caterpillar firefly dragonfly mosquito troll elf snowman scarecrow teddy doll puppet
detective explorer hero ninja superhero scientist soldier cowboy postman policeman shepherd beetle grasshopper moth
hippo rhino ostrich flamingo peacock pigeon rat llama alpaca leopard cheetah moose reindeer walrus lobster jellyfish
starfish seahorse dwarf vampire zombie alien programmer computer""".split()

OBJECTS = """ball boat train car bus truck plane rocket ship bicycle tractor kite hat shoe sock coat umbrella book
pencil lamp clock chair table cup spoon teapot pot key bell drum piano violin guitar candle balloon box bag pillow blanket
house castle tower bridge lighthouse tree flower rose leaf seed mushroom apple pear banana orange cherry lemon carrot
potato pumpkin tomato cake cookie pancake sandwich pizza egg cheese stone mountain river lake island cloud raindrop
snowflake star planet comet rainbow shell feather button coin ring mirror broom ladder bucket wheel submarine helicopter
scooter phone radio camera toaster fridge toothbrush scarf mitten bottle map drop puddle sunflower cactus acorn""".split()

THE_THINGS = ["the moon", "the sun", "the sea", "the wind", "the rain", "the snow", "the forest", "the winter", "the night"]

STORY_HEROES = [animal.name for animal in ANIMALS] + CREATURES

TREATS = "a cake|a pie|warm bread|apple cake|hot soup|pancakes|cookies|honey bread|berry pie|sweet tea".split("|")
TOYS = "ball|kite|doll|drum|boat|hat|book|ring|key|bell|map|lamp|scarf|coin|shell|feather|balloon|cup|button|box".split("|")
"""Things that a hero can lose, find or give; each takes ``a``."""

PLACES = """forest|garden|village|farm|valley|town|meadow|castle|island|harbour|mountain|city""".split("|")
"""Places to live in; ``near the`` or ``in the`` both read well for most, and stories choose."""

FRIENDS = ["bird", "fox", "rabbit", "frog", "owl", "mouse", "bear", "cat", "dog", "duck", "squirrel", "turtle", "bee",
           "hedgehog", "goat", "deer", "crow", "sheep", "wolf", "snail"]  # fmt: skip
