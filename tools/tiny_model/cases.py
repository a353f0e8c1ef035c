"""Held-out questions, written by hand in words of their own, each with what an answer on the topic contains."""

from __future__ import annotations

from dataclasses import dataclass

STORY_WORDS = (60, 220)


@dataclass(frozen=True, slots=True)
class Case:
    """What is said to the model, turn by turn, and a pattern that the last answer must match.

    Attributes:
        said: the user's turns.
        expected: a regular expression.
        system: the system message; empty for none.
        words: fewest and most words of the answer.
    """

    said: tuple[str, ...]
    expected: str
    system: str = ""
    words: tuple[int, int] = (1, 70)


def case(*said: str, expect: str, system: str = "", words: tuple[int, int] = (1, 70)) -> Case:
    return Case(said, expect, system, words)


def story(said: str, expect: str, system: str = "") -> Case:
    return Case((said,), expect, system, STORY_WORDS)


SMALL = "small model|do not know"

CASES = {
    "facts": [
        case("what would be the capital of italy", expect="Rome"),
        case("I forgot the name of the French capital city. Can you help?", expect="Paris|France|capital"),
        case("Capital of Japan please", expect="Tokyo"),
        case("What is the capital of Germany?", "And what is the capital of Spain?", expect="Madrid"),
        case("opposite of hot?", expect="cold"),
        case("It's raining. What should I wear?", expect="umbrella"),
        case("Which colour do red and yellow give?", expect="orange"),
        case("What tastes a lemon like?", expect="sour|lemon"),
        case("What is a hammer used for?", expect="nail"),
        case("what does a baker do for work", expect="bread|bake"),
        case("Why does the sky look blue?", expect="blue"),
        case("Which season comes after winter?", expect="[Ss]pring"),
    ],
    "animals": [
        case("My cow is hungry, what does it eat?", expect="grass"),
        case("do owls fly", expect="Yes"),
        case("Which noise do you hear from a duck?", expect="quack"),
        case("how many legs has a spider", expect="eight"),
        case("What is a lion?", "Where does it live?", expect="grassland|Africa"),
        case("tell me a bit about whales", expect="whale"),
        case("Where would I find a penguin?", expect="ice"),
    ],
    "numbers and days": [
        case("2+2", expect=r"\b4\b"),
        case("How much do I get when I add 7 and 5?", expect=r"\b12\b"),
        case("what is 9 minus 4", expect=r"\b5\b"),
        case("count up to seven please", expect="1, 2, 3, 4, 5, 6, 7"),
        case("Which day follows Tuesday?", expect="Wednesday"),
        case("what month do we have after June?", expect="July"),
    ],
    "talk": [
        case("hello!", expect="Hello|Hi"),
        case("I feel rather sad today.", expect="sorry|sad"),
        case("who are you?", expect="small model"),
        case("what are you able to do?", expect="stor|question|model"),
        case("Thanks, that helped a lot!", expect="welcome|glad|happy"),
        case("tell me a joke please", expect=r"\?"),
        case("Hi, my name is Greta.", "Do you still know my name?", expect="Greta"),
        case("Write a short poem about the sea.", expect="sea"),
        case("Could you write a haiku about a frog?", expect="frog"),
    ],
    "exllm": [
        case("What is exllm?", expect="library|Python"),
        case("What's exllm all about?", expect="Python|model"),
        case("explain what streaming means in exllm", expect="stream|Stream|word"),
        case("how to install exllm?", expect="pip install exllm"),
        case("What does backpressure mean?", expect="slow"),
        case("How would I stream an answer with exllm?", expect=r"client\.stream"),
        case("Tell me what tee does", expect="tee|reader"),
        case("Which providers can exllm talk to?", expect="OpenAI"),
        case("how do i set a timeout", expect="timeout"),
        case("What happens if a request fails in exllm?", expect="three times|try|tries|retr"),
        case("What is exllm?", "How do I install it?", expect="pip install"),
        case("can exllm use tools", expect="tool"),
        case("What licence has exllm?", expect="MIT"),
    ],
    "stories": [
        story("Tell me a short story about a fox.", expect="fox"),
        story("Tell me a story about a dragon.", expect="dragon"),
        story("Would you tell me a story about a lighthouse?", expect="lighthouse"),
        story("I'd love a story about a brave submarine.", expect="submarine"),
        story("Please write a story about a rabbit named Tilda.", expect="(?s)rabbit.*Tilda|Tilda.*rabbit"),
        story("Tell me a story about an owl who wants to see the sea.", expect="(?s)owl.*sea"),
        story("Can you tell a bedtime story?", expect=r"\w"),
    ],
    "tasks": [
        case("Anna has a green hat. Ben has a red ball. What does Ben have?", expect="red ball"),
        case("Please name three animals.", expect=r"\w+, \w+ and \w+"),
        case("Say the word banana.", expect="[Bb]anana"),
        case("How do you say thank you in Spanish?", expect="[Gg]racias"),
        case("Mia is 9 years old and lives in Rome. Extract name and age as JSON.", expect='"name": "Mia", "age": 9'),
        case("Answer in JSON: what is the capital of Norway?", expect="[{].*Oslo.*[}]"),
    ],
    "system messages": [
        case("What is the capital of Portugal?", expect=r"^Lisbon\.?$", system="Answer in one word."),
        case("What does a cat say?", expect="(?s)Arr.*[Mm]eow", system="You are a pirate."),
        case("What is the capital of Greece?", expect="[{].*Athens.*[}]", system="Answer in JSON."),
        case("What does a cow eat?", expect="grass", system="You are a helpful assistant in a Python application."),
        story("Tell me a short story about a fox.", expect="fox", system="You are a helpful assistant."),
    ],
    "outside its world": [
        case("What is the boiling point of tungsten?", expect=SMALL),
        case("Write a Python function that computes Fibonacci numbers.", expect=SMALL),
        case("Who was the first emperor of Rome?", expect=SMALL),
        case("Wie heißt die Hauptstadt von Frankreich?", expect=SMALL),
        case("Explain the theory of relativity to a student.", expect=SMALL),
        case("Which laptop should I buy this year?", expect=SMALL),
    ],
}  # fmt: skip
