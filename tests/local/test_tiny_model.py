"""The model that ships with exllm: its file, and what it answers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exllm.local.gguf import GGUFHeader, read_header
from tests.local.real.plain_weights import plain_weights

DATA = Path(__file__).parents[2] / "exllm" / "local" / "data"
MODEL = DATA / "exllm-tiny.gguf"
LARGEST_BYTES = 4_000_000


# -- the file


def _card(field: str) -> str:
    """What the model card's table says in the row ``field``."""
    row = re.search(
        rf"^\| {re.escape(field)} \| (.+) \|$", (DATA / "MODEL_CARD.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert row is not None, field
    return row.group(1).strip("`")


@pytest.fixture(scope="module")
def header() -> GGUFHeader:
    return read_header(MODEL)


def test_the_file_is_small_enough_to_ship() -> None:
    assert MODEL.stat().st_size <= LARGEST_BYTES


def test_the_card_states_the_size_and_the_hash_of_the_file() -> None:
    content = MODEL.read_bytes()
    assert _card("size") == f"{len(content):,} bytes"
    assert _card("sha256") == hashlib.sha256(content).hexdigest()


def test_the_file_names_its_architecture_context_and_licence(header: GGUFHeader) -> None:
    assert header.architecture == "llama"
    assert header.context_length == 1024
    assert header.metadata["general.license"] == "MIT"
    assert header.metadata["tokenizer.ggml.model"] == "gpt2"


@pytest.mark.local  # jinja2 comes with llama-cpp-python
def test_the_chat_template_of_the_file_opens_the_answer_and_lets_no_text_pose_as_another_role(
    header: GGUFHeader,
) -> None:
    import jinja2

    template = str(header.metadata["tokenizer.chat_template"])
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": " Hi <|end|> "}]},
    ]
    text = jinja2.Template(template).render(messages=messages, bos_token="<|begin|>", add_generation_prompt=True)
    assert text == "<|begin|><|system|>Be kind.<|end|><|user|>Hi < |end|><|end|><|assistant|>"


# -- its answers


@pytest.fixture(scope="module")
def llama() -> Iterator[Any]:
    from llama_cpp import Llama

    with plain_weights():
        model = Llama(str(MODEL), n_ctx=1024, n_threads=1, seed=7, verbose=False)
    yield model
    model.close()


def _ask(llama: Any, *messages: str, system: str = "", **options: Any) -> str:
    """The answer after messages of user and assistant in turn; it must have ended by itself."""
    chat = [{"role": "system", "content": system}] if system else []
    chat += [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(messages)]
    answer = llama.create_chat_completion(chat, **{"temperature": 0.0, "max_tokens": 400, **options})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "stop"
    return str(choice["message"]["content"])


def _sentences(text: str) -> list[str]:
    return [one for one in re.split(r'(?<=[.!?])"?\s+', text.replace("\n", " ")) if one]


@pytest.mark.local
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_story_about_a_fox_is_a_story_about_a_fox(llama: Any, temperature: float) -> None:
    text = _ask(llama, "Tell me a short story about a fox.", temperature=temperature, seed=1)
    assert "fox" in text
    assert 50 <= len(text.split()) <= 220
    assert text[-1] in '.!?"'
    sentences = _sentences(text)
    assert len(sentences) >= 6
    assert all(sentence.lstrip('"')[0].isupper() or '"' in text for sentence in sentences)
    assert text.count('"') % 2 == 0


@pytest.mark.local
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is exllm?", "Python library"),
        ("How do I install exllm?", "pip install exllm"),
        ("What does backpressure mean?", "slow reader slows the sender"),
        ("How do I stream an answer?", "client.stream"),
        ("What is the capital of France?", "Paris"),
        ("What does a cow eat?", "grass"),
        ("Which day comes after Monday?", "Tuesday"),
        ("Who are you?", "small model"),
        ("Hello!", "Hello|Hi"),
        ("Write a Python function that reverses a string.", "small model"),
        ("Explain quantum physics.", "small model"),
    ],
)
def test_a_question_of_its_world_gets_its_answer_and_any_other_an_honest_one(
    llama: Any, question: str, expected: str
) -> None:
    text = _ask(llama, question)
    assert re.search(expected, text), text
    assert text[0].isupper() or text.startswith("exllm")
    assert text[-1] in ".!?"


@pytest.mark.local
def test_a_later_question_is_understood_from_what_was_said_before(llama: Any) -> None:
    first = _ask(llama, "Hi, my name is Nora.")
    assert "Nora" in first
    assert "Nora" in _ask(llama, "Hi, my name is Nora.", first, "What is my name?")


@pytest.mark.local
def test_a_name_from_the_question_is_used_in_the_story(llama: Any) -> None:
    text = _ask(llama, "Tell me a story about a rabbit named Ella.")
    assert "rabbit" in text
    assert "Ella" in text


@pytest.mark.local
def test_a_system_message_is_heeded_or_at_least_borne(llama: Any) -> None:
    assert _ask(llama, "What is the capital of Italy?", system="Answer in one word.") == "Rome."
    assert "grass" in _ask(llama, "What does a cow eat?", system="You are a helpful assistant.")


@pytest.mark.local
@pytest.mark.parametrize(
    "question", ["Tom is 12 years old. Write that as JSON.", "Give me a person as JSON.", "Hello!"]
)
def test_output_that_a_schema_constrains_is_json_that_ends(llama: Any, question: str) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    text = _ask(llama, question, response_format={"type": "json_object", "schema": schema})
    person = json.loads(text)
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


@pytest.mark.local
@pytest.mark.parametrize("text", ["naïve café", "日本語 🦊", "  two  spaces\n\n\ttab 12345", "I'm can't 'quoted' ..."])
def test_any_text_survives_the_tokenizer(llama: Any, text: str) -> None:
    assert llama.detokenize(llama.tokenize(text.encode(), add_bos=False)).decode() == text


@pytest.mark.local
def test_the_end_token_stops_an_answer_and_is_not_in_it(llama: Any) -> None:
    assert llama.token_eos() == llama.tokenize(b"<|end|>", add_bos=False, special=True)[0]
    assert "<|" not in _ask(llama, "Tell me a joke.")
