"""The provider with a real model, against llama-cpp-python's own high-level interface on the same file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil
import pytest

import exllm
from exllm.local.engine import Aborted
from exllm.local.llama_engine import LlamaEngine
from exllm.local.loader import Loader
from exllm.local.provider import LocalProvider
from exllm.local.settings import LoadOptions, Sampling
from exllm.local.tokens import count_tokens
from exllm.local.worker import HANDOFF_CHUNKS
from exllm.providers import registry
from exllm.testing.conformance import ProviderConformance
from tests.local.waiting import local_threads, until

pytestmark = pytest.mark.local

PROMPTS = [
    "Tell me a story.",
    "What is exllm?",
    "Hello!",
    "What is the capital of France?",
    "Write one line about the ☃ and the é.",
]


@pytest.fixture(scope="module")
def oracle(real_model: Path) -> Iterator[Any]:
    """llama-cpp-python's own `Llama` on the same file."""
    import llama_cpp

    made = llama_cpp.Llama(str(real_model), n_ctx=1024, verbose=False)
    yield made
    made.close()


@pytest.fixture
async def loader() -> AsyncIterator[Loader]:
    """A loader of its own, behind the provider ``local``."""
    made = Loader()
    registry.register(LocalProvider(made), replace=True)
    yield made
    await until(lambda: not local_threads())
    await made.aclose()
    registry.unregister("local")


@pytest.fixture
async def model(loader: Loader, real_model: Path) -> str:
    """The model string of the real model, which is loaded as llama-cpp-python loads it, also where there is a GPU:
    without flash attention, whose sums differ in the third decimal.
    """
    await loader.load(str(real_model), flash_attn=False)
    return f"local/{real_model}"


@pytest.fixture
async def client() -> AsyncIterator[exllm.Client]:
    async with exllm.Client() as made:
        yield made


def _ask(oracle: Any, messages: list[dict[str, str]], **options: Any) -> dict[str, Any]:
    oracle.reset()
    answer: dict[str, Any] = oracle.create_chat_completion(messages, temperature=0, **options)
    return answer


# -- the same as llama-cpp-python itself


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_text_and_counts_equal_llama_cpp_pythons_at_temperature_0(
    client: exllm.Client, model: str, oracle: Any, prompt: str
) -> None:
    theirs = _ask(oracle, [{"role": "user", "content": prompt}], max_tokens=60)
    ours = await client.chat(model, prompt, temperature=0, max_tokens=60)
    assert ours.text == theirs["choices"][0]["message"]["content"]
    assert ours.finish_reason == theirs["choices"][0]["finish_reason"]
    assert ours.usage.input_tokens == theirs["usage"]["prompt_tokens"]
    assert ours.usage.output_tokens == theirs["usage"]["completion_tokens"]
    assert ours.cost.total == 0.0


async def test_a_conversation_with_a_system_message_equals_llama_cpp_pythons(
    client: exllm.Client, model: str, oracle: Any
) -> None:
    messages = [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello! How can I help you?"},
        {"role": "user", "content": "What is exllm?"},
    ]
    theirs = _ask(oracle, messages, max_tokens=40)
    ours = await client.chat(model, messages, temperature=0, max_tokens=40)
    assert ours.text == theirs["choices"][0]["message"]["content"]
    assert ours.usage.input_tokens == theirs["usage"]["prompt_tokens"]


async def test_a_stop_sequence_cuts_where_llama_cpp_python_cuts(client: exllm.Client, model: str, oracle: Any) -> None:
    whole = (await client.chat(model, PROMPTS[0], temperature=0, max_tokens=60)).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 4]
    theirs = _ask(oracle, [{"role": "user", "content": PROMPTS[0]}], max_tokens=60, stop=[stop])
    ours = await client.chat(model, PROMPTS[0], temperature=0, max_tokens=60, stop=[stop])
    assert ours.text == theirs["choices"][0]["message"]["content"] == whole[: whole.index(stop)]
    assert ours.finish_reason == "stop"


async def test_log_probabilities_equal_llama_cpp_pythons(client: exllm.Client, model: str, real_model: Path) -> None:
    import llama_cpp

    oracle = llama_cpp.Llama(str(real_model), n_ctx=1024, logits_all=True, verbose=False)
    try:
        theirs = _ask(
            oracle, [{"role": "user", "content": "Hello!"}], max_tokens=8, logprobs=True, top_logprobs=3
        )["choices"][0]["logprobs"]["content"]  # fmt: skip
    finally:
        oracle.close()
    ours = (await client.chat(model, "Hello!", temperature=0, max_tokens=8, logprobs=True, top_logprobs=3)).logprobs
    assert ours is not None
    assert [entry.token for entry in ours] == [entry["token"] for entry in theirs]
    for mine, its in zip(ours, theirs, strict=True):
        assert mine.logprob == pytest.approx(its["logprob"], abs=1e-3)
        assert mine.top[0].logprob >= mine.top[1].logprob >= mine.top[2].logprob
        assert mine.top[0].token == mine.token  # temperature 0


# -- streams


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_the_stream_gives_what_chat_gives(client: exllm.Client, model: str, prompt: str) -> None:
    whole = await client.chat(model, prompt, temperature=0, max_tokens=50)
    async with client.stream(model, prompt, temperature=0, max_tokens=50) as stream:
        texts = [text async for text in stream.text()]
    assert "".join(texts) == whole.text
    assert stream.response.usage == whole.usage
    assert len(texts) > 1 or len(whole.text) < 8


async def test_the_same_seed_gives_the_same_text_and_another_seed_another(client: exllm.Client, model: str) -> None:
    async def text(seed: int) -> str:
        return (await client.chat(model, PROMPTS[0], temperature=1.0, seed=seed, max_tokens=40)).text

    assert await text(1) == await text(1)
    assert len({await text(seed) for seed in range(2, 8)}) > 1


async def test_a_full_ring_pauses_generation(model: str, loader: Loader) -> None:
    async with exllm.Client(ring_capacity=8) as client:
        await client.chat(model, "Hello!", max_tokens=1)
        loaded = loader._models[0]
        engine: Any = loaded.engine
        options: dict[str, Any] = {"seed": 3, "max_tokens": 300, "logit_bias": _never_ending(loader)}
        async with client.stream(model, PROMPTS[0], **options) as stream:
            await until(lambda: any(worker.chunks.waited_for_room for worker in loaded.workers))
            evaluated = len(engine._evaluated)
            await asyncio.sleep(0.2)
            assert len(engine._evaluated) == evaluated
            prompt_tokens = stream.response.usage.input_tokens
            assert prompt_tokens is not None
            assert evaluated - prompt_tokens <= 8 + HANDOFF_CHUNKS + 8  # a chunk may be several tokens of one character
            text = "".join([piece async for piece in stream.text()])
        assert text == (await client.chat(model, PROMPTS[0], **options)).text
        assert stream.stats.paused_s > 0


def _never_ending(loader: Loader) -> dict[str, float]:
    """A bias against all tokens that end an answer."""
    engine: Any = loader._models[0].engine
    return {str(token): -math.inf for token in range(engine._vocabulary_tokens) if engine.is_end(token)}


async def test_leaving_early_stops_within_a_token(client: exllm.Client, model: str, loader: Loader) -> None:
    await client.chat(model, "Hello!", max_tokens=1)
    engine: Any = loader._models[0].engine
    options: dict[str, Any] = {"logit_bias": _never_ending(loader), "max_tokens": 900}
    async with client.stream(model, PROMPTS[0], **options) as stream:
        async for _ in stream.text():
            break
    assert not local_threads()
    evaluated = len(engine._evaluated)
    assert evaluated < 700
    await asyncio.sleep(0.05)
    assert len(engine._evaluated) == evaluated


def test_a_long_prompt_is_given_up_in_the_middle_of_a_batch(real_model: Path) -> None:
    engine = LlamaEngine(real_model, LoadOptions(n_batch=1000))
    try:
        prompt = list(range(300, 1200))
        begun = time.perf_counter()
        engine.begin(prompt, Sampling())
        whole_s = time.perf_counter() - begun
        timer = threading.Timer(whole_s / 10, engine.abort)
        timer.start()
        with pytest.raises(Aborted):
            _evaluate_for_ever(engine, prompt)
        timer.join()
        assert not engine._evaluated  # the one batch that there was did not end
        engine.clear_abort()
        engine.begin(prompt, Sampling())
        assert len(engine._evaluated) == len(prompt)
    finally:
        engine.close()


def _evaluate_for_ever(engine: LlamaEngine, prompt: list[int]) -> None:
    while True:  # once is enough, unless the machine is slow to start the timer
        prompt = prompt[1:] + prompt[:1]
        engine.begin(prompt, Sampling())


async def test_the_engine_is_right_after_a_cancelled_prompt(client: exllm.Client, model: str, loader: Loader) -> None:
    before = (await client.chat(model, PROMPTS[0], temperature=0, max_tokens=30)).text
    for delay_s in (0.0, 0.002, 0.01, 0.03):
        with contextlib.suppress(exllm.TotalTimeout):
            await client.chat(model, "word " * 900, max_tokens=5, timeout=delay_s or 1e-6)
        assert (await client.chat(model, PROMPTS[0], temperature=0, max_tokens=30)).text == before


# -- held to a grammar


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    color: str
    count: int
    tags: list[str]
    note: str | None = None


SCHEMA = {
    "type": "object",
    "properties": {
        "color": {"enum": ["red", "green"]},
        "count": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
        "note": {"anyOf": [{"type": "string", "maxLength": 10}, {"type": "null"}]},
    },
    "required": ["color", "count", "tags"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", range(5))
async def test_an_answer_by_schema_is_json_of_that_schema(client: exllm.Client, model: str, seed: int) -> None:
    wrapped: Any = SCHEMA if seed % 2 else {"name": "answer", "schema": SCHEMA, "strict": True}
    response = await client.chat(
        model, "Describe a ball.", response_format=wrapped, seed=seed, temperature=1.0, max_tokens=400
    )
    assert response.finish_reason == "stop"
    answer = msgspec.json.decode(response.text, type=_Answer)
    assert answer.color in ("red", "green")
    assert set(answer.tags) <= {"a", "b"}


async def test_what_the_grammar_does_not_enforce_is_a_warning(client: exllm.Client, model: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    options: dict[str, Any] = {"response_format": schema, "max_tokens": 40, "temperature": 0}
    whole = await client.chat(model, "A number.", **options)
    async with client.stream(model, "A number.", **options) as stream:
        await stream.collect()
    (warning,) = whole.warnings
    assert "minimum" in warning
    assert stream.response.warnings == whole.warnings


class _Point(msgspec.Struct):
    x: Literal[1, 2]
    y: Literal["up", "down"]


class _Line(msgspec.Struct):
    points: tuple[_Point, _Point]


async def test_the_schema_of_a_type_with_references_is_followed(client: exllm.Client, model: str) -> None:
    schema = msgspec.json.schema(_Line)
    assert "$ref" in schema
    response = await client.chat(model, "A line, please.", response_format=schema, temperature=1.0, max_tokens=200)
    assert msgspec.json.decode(response.text, type=_Line).points


async def test_messages_of_which_the_template_makes_nothing_are_refused(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.InvalidRequest, match="no prompt"):
        await client.chat(model, "Hi", extra={"chat_template": "{# nothing #}"})


LEAVING = """
import asyncio, sys, exllm
client = exllm.Client()
stream = client.stream(sys.argv[1], "Tell me a story.", max_tokens=900)
loop = asyncio.new_event_loop()
loop.run_until_complete(stream.__aenter__())
print(loop.run_until_complete(anext(stream)).model)
"""


def test_a_process_that_ends_in_the_middle_of_an_answer_ends_well(real_model: Path) -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, f"local/{real_model}"], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == real_model.stem
    assert time.monotonic() - begun < 40


@pytest.mark.parametrize("seed", range(5))
async def test_json_mode_gives_an_object_or_is_cut_by_max_tokens(client: exllm.Client, model: str, seed: int) -> None:
    response = await client.chat(model, "Hello!", response_format="json", seed=seed, temperature=1.0, max_tokens=400)
    assert response.text.startswith("{")
    if response.finish_reason == "stop":
        assert isinstance(json.loads(response.text), dict)
    else:
        assert response.finish_reason == "length"


async def test_a_grammar_of_ones_own_is_followed(client: exllm.Client, model: str) -> None:
    response = await client.chat(model, "Yes or no?", extra={"grammar": 'root ::= "yes" | "no"'})
    assert response.text in ("yes", "no")


async def test_a_grammar_with_an_error_is_refused(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.InvalidRequest, match="grammar"):
        await client.chat(model, "Hi", extra={"grammar": "root ::= ("})


async def test_a_schema_that_no_grammar_can_express_is_refused(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.InvalidRequest, match="JSON Schema"):
        await client.chat(model, "Hi", response_format={"type": "mystery"})
    with pytest.raises(exllm.InvalidRequest, match="JSON Schema"):
        await client.chat(model, "Hi", response_format={"$ref": "https://example.com/schema.json"})


# -- templates and tools

TOOL_TEMPLATE = (
    "{{ bos_token }}{% if tools %}Tools: {{ tools | tojson }} Answer with <tool_call>.{% endif %}"
    "{% for message in messages %}<|user|>{{ message['content'] }}<|end|>{% endfor %}<|assistant|>"
)
TOOLS = [
    exllm.Tool("add", "Adds.", {
        "type": "object",
        "properties": {"a": {"enum": [1, 2, 3]}, "b": {"$ref": "#/$defs/Number"}},
        "required": ["a", "b"],
        "$defs": {"Number": {"enum": [7, 8]}},
    }),
    exllm.Tool("stop", "Stops.", {"type": "object", "properties": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "names"), [("add", {"add"}), ("required", {"add", "stop"})])
async def test_a_call_that_is_required_is_made_and_valid(
    client: exllm.Client, model: str, choice: str, names: set[str]
) -> None:
    response = await client.chat(
        model, "Please.", tools=TOOLS, tool_choice=choice, parallel_tool_calls=False, temperature=0.5, seed=1,
        max_tokens=300, extra={"chat_template": TOOL_TEMPLATE},
    )  # fmt: skip
    assert response.finish_reason == "tool_calls"
    (call,) = response.tool_calls
    assert call.name in names
    if call.name == "add":
        assert call.parse_arguments()["a"] in (1, 2, 3)
        assert call.parse_arguments()["b"] in (7, 8)


async def test_the_models_own_template_refuses_tools_it_does_not_know(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.UnsupportedOption, match="knows no tools"):
        await client.chat(model, "Hi", tools=TOOLS)


async def test_a_named_chat_format_takes_the_templates_place(client: exllm.Client, model: str) -> None:
    by_name = await count_tokens(model, [exllm.Message("user", "Hi")], chat_format="chatml")
    assert (await client.chat(model, "Hi", max_tokens=1, extra={"chat_format": "chatml"})).usage.input_tokens == by_name
    with pytest.raises(exllm.InvalidRequest, match="no chat format 'chatmk'"):
        await client.chat(model, "Hi", extra={"chat_format": "chatmk"})


async def test_a_broken_template_is_refused(client: exllm.Client, model: str) -> None:
    for template in ("{% if %}", "{{ raise_exception('roles must alternate') }}"):
        with pytest.raises(exllm.InvalidRequest, match="chat template"):
            await client.chat(model, "Hi", extra={"chat_template": template})


# -- counting


async def test_tokens_are_counted_as_a_call_counts_them_whether_loaded_or_not(
    client: exllm.Client, model: str, loader: Loader, oracle: Any
) -> None:
    messages = [exllm.Message("system", "Be brief."), exllm.Message("user", "Tell me about ☃.")]
    await loader.unload(model)
    cold = await count_tokens(model, messages, loader=loader)
    assert not loader._models
    called = (await client.chat(model, messages, max_tokens=1)).usage.input_tokens
    assert cold == called == await count_tokens(model, messages, loader=loader)
    text = "Once upon a time ☃"
    assert await count_tokens(model, text, loader=loader) == len(oracle.tokenize(text.encode(), False, False))
    assert await count_tokens(model, "", loader=loader) == 0


# -- context, files, memory


async def test_a_prompt_beyond_the_context_is_refused_before_generation(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.ContextLengthExceeded, match=r"are \d{3,} tokens and the context is 256"):
        await client.chat(model, "word " * 400, extra={"n_ctx": 256})
    response = await client.chat(model, "Hello!", extra={"n_ctx": 256}, max_tokens=1000, temperature=0)
    assert response.usage.total_tokens is not None
    assert response.usage.total_tokens <= 256


@pytest.fixture
def damaged(tmp_path: Path, real_model: Path) -> Path:
    """A copy of the model without its last 100,000 bytes."""
    path = tmp_path / "cut.gguf"
    path.write_bytes(real_model.read_bytes()[:-100_000])
    return path


async def test_a_damaged_model_is_refused_with_llama_cpps_reason(damaged: Path, loader: Loader) -> None:
    with pytest.raises(exllm.InvalidRequest, match=r"llama\.cpp cannot load .*: \w+"):
        await loader.load(str(damaged))


async def test_nothing_is_printed(
    client: exllm.Client, model: str, loader: Loader, capfd: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(exllm.TotalTimeout):
        await client.chat(model, "word " * 900, max_tokens=5, timeout=0.01)
    await client.chat(model, "Hello!", max_tokens=2)
    await loader.unload(model)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


async def test_unloading_gives_the_memory_back(model: str, loader: Loader) -> None:
    process = psutil.Process()

    async def load_and_unload(times: int) -> int:
        for _ in range(times):
            loaded = await loader.load(model, n_ctx=1024, use_mmap=False)
            assert await loader.unload(model)
        return loaded.bytes

    await load_and_unload(10)  # the allocator keeps some memory per thread, up to a limit
    before = process.memory_info().rss
    size_bytes = await load_and_unload(30)
    assert process.memory_info().rss - before < 5 * size_bytes  # and not thirty times


async def test_many_calls_keep_memory_flat(client: exllm.Client, model: str) -> None:
    process = psutil.Process()
    for _ in range(30):
        await client.chat(model, "Hello!", max_tokens=3)
    before = process.memory_info().rss
    for _ in range(150):
        await client.chat(model, "Hello!", max_tokens=3, response_format="json")
    assert process.memory_info().rss - before < 6 * 2**20


async def test_calls_at_once_are_all_answered_alike(client: exllm.Client, model: str) -> None:
    responses = await asyncio.gather(
        *(client.chat(model, PROMPTS[0], temperature=0, max_tokens=10) for _ in range(8))
    )  # fmt: skip
    assert len({response.text for response in responses}) == 1


def test_llama_cpp_python_keeps_its_own_log(real_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import llama_cpp

    from exllm.local.llama_library import llama_library

    llama_library()
    with warnings.catch_warnings():
        llama_cpp.Llama(str(real_model), n_ctx=64, verbose=True).close()
    assert "llama_model_loader" in capfd.readouterr().err


class TestConformance(ProviderConformance):
    prompt = PROMPTS[0]
    options = {"temperature": 0, "max_tokens": 30}  # noqa: RUF012
    refused_option = {"n": 2}  # noqa: RUF012
    failing_model = "local/absent"
    failing_error = exllm.NotFound

    @pytest.fixture(autouse=True)
    def _use(self, model: str) -> None:
        self.model = model
