"""Objects from a real model: by grammar, whatever the schema."""

from __future__ import annotations

import functools
import json
from itertools import pairwise
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed

import exllm
from exllm.structured.adapt import adapt
from exllm.structured.dialects import GRAMMAR
from tests.structured.schemas import schemas_with_values
from tests.structured.types import Answer, City, Mood, Order, Person

pytestmark = pytest.mark.local

SCHEMAS, GROUPS = 1000, 20
MOST_TOKENS = 4000  # every schema here bounds its answer, far below this


@functools.cache
def random_schemas() -> tuple[dict[str, Any], ...]:
    """As many different schemas, the same in every run."""
    found: dict[str, dict[str, Any]] = {}

    @with_seed(7)
    @settings(
        max_examples=3 * SCHEMAS, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(schemas_with_values(most_parts=5))
    def collect(case: Any) -> None:
        found.setdefault(json.dumps(case[0], sort_keys=True), case[0])
        if len(found) == SCHEMAS:
            raise _EnoughError

    with pytest.raises(_EnoughError):
        collect()
    return tuple(found.values())


class _EnoughError(Exception):
    pass


@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", range(GROUPS))
async def test_every_answer_by_a_random_schema_is_valid(client: exllm.Client, model: str, group: int) -> None:
    for number, schema in enumerate(random_schemas()[group::GROUPS]):
        response = await client.chat(
            model, "Fill in the form.", response_format=adapt(schema, GRAMMAR).schema, temperature=1.0, seed=number,
            max_tokens=MOST_TOKENS,
        )  # fmt: skip
        assert response.finish_reason == "stop", schema
        jsonschema.validate(json.loads(response.text), schema)


class Bounded(msgspec.Struct):
    title: str
    mood: Mood
    answer: Answer
    people: list[Person]


@pytest.mark.parametrize(
    "type_", [Person, City, Mood, Answer, list[Person], Bounded, {"name": str, "age": int}], ids=str
)
async def test_a_type_is_answered_by_grammar(client: exllm.Client, model: str, type_: Any) -> None:
    response = await client.chat(
        model, "Who is Ada?", response_model=type_, temperature=1.0, seed=1, max_tokens=1500, max_retries=0
    )
    assert response.structured == exllm.Structured("grammar")
    assert response.parsed is not None
    assert json.loads(response.text) is not None  # no words around it


async def test_a_growing_object_from_a_real_model(client: exllm.Client, model: str) -> None:
    stream = client.stream(model, "Who?", response_model=Bounded, temperature=1.0, seed=3, max_tokens=1500)
    async with stream:
        titles = [bounded.title async for bounded in stream.partial()]
    assert titles[0] is None or titles[0] == ""
    assert isinstance(stream.response.parsed, Bounded)
    assert all((after or "").startswith(before or "") for before, after in pairwise(titles))


async def test_too_few_tokens_are_a_truncation(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.StructuredOutputTruncated):
        await client.chat(model, "Who is Ada?", response_model=City, max_tokens=3, temperature=0)


async def test_what_a_grammar_cannot_hold_is_checked_and_told_to_the_model(client: exllm.Client, model: str) -> None:
    """The tiny model never gives a number below one here; the type's own limits are still checked."""
    response = await client.chat(model, "An order.", response_model=Order, temperature=0, max_tokens=300)
    assert response.parsed.number >= 1
