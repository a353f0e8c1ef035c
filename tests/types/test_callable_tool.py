"""`tool`: the schema from the signature, the words from the docstring, and what cannot be described."""

from __future__ import annotations

import copy
import enum
import functools
import inspect
import pickle
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest

import exllm
from exllm.types.options import check_options
from exllm.types.request import Request


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass
class Place:
    """A place on Earth."""

    city: str
    country: str = "CH"


class Filter(TypedDict):
    field: str
    value: NotRequired[int]


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


@exllm.tool
async def weather(place: Place, unit: Unit = Unit.CELSIUS, *, days: int = 1) -> str:
    """The weather of the next days.

    Args:
        place: where to look
    """
    return f"{place.city} {unit.value} {days}"


def properties(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = exllm.tool(function).schema["properties"]
    return found


# -- what it is


async def test_the_tool_has_name_description_and_schema_and_is_still_the_function() -> None:
    assert isinstance(weather, exllm.Tool)
    assert weather.name == "weather"
    assert weather.description == "The weather of the next days."
    assert weather.schema == {
        "type": "object",
        "properties": {
            "place": {"$ref": "#/$defs/Place", "description": "where to look"},
            "unit": {"$ref": "#/$defs/Unit", "default": "C"},
            "days": {"type": "integer", "default": 1},
        },
        "required": ["place"],
        "additionalProperties": False,
        "$defs": {
            "Place": {
                "title": "Place",
                "description": "A place on Earth.",
                "type": "object",
                "properties": {"city": {"type": "string"}, "country": {"type": "string", "default": "CH"}},
                "required": ["city"],
            },
            "Unit": {"title": "Unit", "enum": ["C", "F"]},
        },
    }
    assert await weather(Place("Bern"), days=2) == "Bern C 2"
    assert list(inspect.signature(weather).parameters) == ["place", "unit", "days"]
    assert weather.__doc__ is not None
    assert weather.__doc__.startswith("The weather")


def test_it_works_bare_with_arguments_and_as_a_call() -> None:
    def double(x: int) -> int:
        return 2 * x

    @exllm.tool(name="twice", description="Doubles.", strict=True, cache_control=exllm.CacheControl())
    def other(x: int) -> int:
        return 2 * x

    assert exllm.tool(double)(4) == 8
    assert (other.name, other.description, other.strict) == ("twice", "Doubles.", True)
    assert other.cache_control == exllm.CacheControl()
    assert other(4) == 8


def test_a_schema_that_is_given_is_taken_as_it_is() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    made = exllm.tool(lambda **arguments: arguments["x"], name="pick", schema=schema)
    assert made.schema == schema
    assert made(x=3) == 3


def test_a_tool_of_a_tool_is_made_of_the_function() -> None:
    renamed = exllm.tool(weather, name="forecast")
    assert renamed.name == "forecast"
    assert renamed.schema == weather.schema
    assert renamed.handler is weather.handler


def test_tools_takes_functions_and_tools_alike() -> None:
    def plain(x: int) -> int:
        """Plain."""
        return x

    tools = check_options({"tools": [plain, weather]}).tools
    assert tools is not None
    assert [tool.name for tool in tools if isinstance(tool, exllm.Tool)] == ["plain", "weather"]
    assert check_options({"tools": [weather], "tool_choice": weather}).tool_choice == "weather"


# -- types


def test_types_become_what_json_schema_calls_them() -> None:
    def f(
        text: str,
        number: float,
        count: Annotated[int, msgspec.Meta(ge=1, le=9)],
        flag: bool,
        when: date,
        one_of: Literal["a", "b"],
        many: list[int],
        table: dict[str, float],
        pair: tuple[int, str],
        filter: Filter,
        tree: Tree,
        anything: Any,
        either: int | str,
    ) -> None: ...

    assert properties(f) == {
        "text": {"type": "string"},
        "number": {"type": "number"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "flag": {"type": "boolean"},
        "when": {"type": "string", "format": "date"},
        "one_of": {"enum": ["a", "b"]},
        "many": {"type": "array", "items": {"type": "integer"}},
        "table": {"type": "object", "additionalProperties": {"type": "number"}},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
            "maxItems": 2,
        },
        "filter": {"$ref": "#/$defs/Filter"},
        "tree": {"$ref": "#/$defs/Tree"},
        "anything": {},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    }
    definitions = exllm.tool(f).schema["$defs"]
    assert definitions["Filter"]["required"] == ["field"]
    assert definitions["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_parameters_with_a_default_are_optional_and_show_it() -> None:
    def f(a: int, b: str | None = None, c: list[str] = ["x"], d: Place = Place("Bern"), *, e: int) -> None: ...  # noqa: B006, B008

    schema = exllm.tool(f).schema
    assert schema["required"] == ["a", "e"]
    assert schema["properties"]["b"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert schema["properties"]["c"]["default"] == ["x"]
    assert schema["properties"]["d"]["default"] == {"city": "Bern", "country": "CH"}


def test_a_default_that_is_no_json_makes_the_parameter_optional_without_being_shown() -> None:
    unset: Any = object()

    def f(a: int = unset) -> None: ...

    schema = exllm.tool(f).schema
    assert schema["properties"] == {"a": {"type": "integer"}}
    assert "required" not in schema


def test_types_made_in_the_same_function_are_found_by_name() -> None:
    class Local(msgspec.Struct):
        x: int

    @exllm.tool
    def f(local: Local) -> int:
        return local.x

    assert f.schema["$defs"]["Local"]["properties"] == {"x": {"type": "integer"}}


def test_a_function_without_parameters_has_an_empty_object() -> None:
    def f() -> None: ...

    assert exllm.tool(f).schema == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_bound_method_a_partial_and_a_callable_object_can_be_tools() -> None:
    class Shop:
        def price(self, article: str) -> float:
            """What it costs."""
            return 1.0

        def __call__(self, article: str) -> bool:
            """Whether there is any."""
            return True

    def find(article: str, shop: str, limit: int = 3) -> str:
        """Finds."""
        return f"{article} {shop} {limit}"

    assert exllm.tool(Shop().price).schema["required"] == ["article"]
    here = exllm.tool(functools.partial(find, shop="here"), name="find_here")
    assert list(here.schema["properties"]) == ["article", "limit"]
    assert here.description == "Finds."
    assert here(article="tea") == "tea here 3"
    stocked = exllm.tool(Shop(), name="in_stock")
    assert (stocked.description, list(stocked.schema["properties"])) == ("Whether there is any.", ["article"])


# -- words


def test_words_in_an_annotation_win_over_the_docstring() -> None:
    def f(a: Annotated[int, "from the annotation"], b: int) -> None:
        """F.

        :param a: from the docstring
        :param b: from the docstring
        """

    assert properties(f)["a"] == {"type": "integer", "description": "from the annotation"}
    assert properties(f)["b"]["description"] == "from the docstring"


# -- what cannot be described


class Opaque:
    pass


def _no_annotation(x) -> None: ...  # type: ignore[no-untyped-def]
def _star(*args: int) -> None: ...
def _double_star(**options: int) -> None: ...
def _positional(x: int, /) -> None: ...
def _opaque(fine: int, thing: Opaque) -> None: ...
def _nested(things: list[Opaque]) -> None: ...
def _unknown(x: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _unbound(self, x: int) -> None: ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_no_annotation, "parameter 'x' has no annotation"),
        (_star, r"parameter '\*args' cannot be described"),
        (_double_star, r"parameter '\*\*options' cannot be described"),
        (_positional, "parameter 'x' is positional-only"),
        (_opaque, "cannot describe parameter 'thing' of type Opaque: use a dataclass"),
        (_nested, "cannot describe parameter 'things'"),
        (_unknown, "'NoSuchType' is not defined"),
        (_unbound, r"'self' is not bound; use tool\(instance\._unbound\)"),
    ],
)
def test_what_cannot_be_described_is_a_type_error_that_names_tool_and_parameter(function: Any, words: str) -> None:
    with pytest.raises(TypeError, match=f"tool '{function.__name__}': .*{words}"):
        exllm.tool(function)
    with pytest.raises(TypeError, match=words):
        check_options({"tools": [function]})


def test_names_that_no_provider_takes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1 to 64 letters.*'<lambda>'"):
        exllm.tool(lambda: 1)
    with pytest.raises(ValueError, match="get weather"):
        exllm.tool(_opaque, name="get weather")
    with pytest.raises(TypeError, match="a partial has no name"):
        exllm.tool(functools.partial(_opaque, fine=1))
    with pytest.raises(TypeError, match="needs a function, got int"):
        exllm.tool(7)  # type: ignore[call-overload]


# -- plain data


def test_a_tool_is_plain_data_in_json_and_keeps_its_function_in_copies() -> None:
    request = Request("openai", "m", (exllm.Message("user", "Hi"),), exllm.Options(tools=(weather,)))
    again = msgspec.json.decode(msgspec.json.encode(request), type=Request)
    assert again == request
    assert again.options.tools is not None
    assert again.options.tools[0].handler is None  # type: ignore[union-attr]
    with pytest.raises(TypeError, match="'weather' has no handler"):
        again.options.tools[0]()  # type: ignore[operator]
    for copied in (copy.copy(weather), copy.deepcopy(weather), pickle.loads(pickle.dumps(weather))):
        assert copied == weather
        assert copied.handler is weather.handler


def test_a_function_that_cannot_be_imported_by_name_stays_behind_when_pickled() -> None:
    made = exllm.tool(lambda: 1, name="one")
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.handler is None
    assert copy.deepcopy(made).handler is made.handler


# -- what a run knows of it


def test_the_context_of_a_call_is_not_described_to_the_model() -> None:
    @exllm.tool
    def look(context: exllm.ToolContext, at: str) -> str:
        return at

    assert look.schema["properties"].keys() == {"at"}
    assert look.schema["required"] == ["at"]
    assert look.parameters is not None
    assert (look.parameters.context, list(look.parameters.by_name)) == ("context", ["at"])


def test_flags_and_limits_are_data_and_travel_with_copies() -> None:
    @exllm.tool(manual=True, needs_approval=True, timeout=2.5)
    def pay(amount: int) -> None: ...

    for one in (pay, copy.copy(pay), copy.deepcopy(pay), pickle.loads(pickle.dumps(pay))):
        assert (one.manual, one.needs_approval, one.timeout) == (True, True, 2.5)
    assert copy.deepcopy(pay).parameters == pay.parameters
    assert msgspec.json.decode(msgspec.json.encode(pay), type=exllm.Tool) == pay


def test_what_a_run_does_with_a_tool_is_not_sent_to_the_provider() -> None:
    from exllm.providers import ProviderSpec, registry

    tool = exllm.Tool("pay", "Pays.", timeout=7.5, manual=True, needs_approval=True)
    for name in ("openai", "openai-responses", "anthropic", "gemini", "bedrock", "ollama", "cohere"):
        spec = registry.get(name)
        assert isinstance(spec, ProviderSpec)
        wire = registry.wire(spec.wire)
        assert wire is not None
        request = Request(name, "m", (exllm.Message("user", "Hi"),), check_options({"tools": [tool]}))
        body = bytes(wire.build(request, spec).body)
        assert b"pay" in body
        assert not any(word in body for word in (b"manual", b"needs_approval", b"7.5"))
