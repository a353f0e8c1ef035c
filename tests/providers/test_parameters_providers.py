"""What the built-in specs know of the providers' own parameters, held against the types of the providers' own SDKs."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import openai.types.chat.completion_create_params as openai_params
import pytest
from anthropic.types import message_create_params as anthropic_params
from anthropic.types.beta import message_create_params as anthropic_beta_params
from groq.types.chat import completion_create_params as groq_params
from mistralai.client.models import chatcompletionrequest as mistral_params
from openrouter.components import chatrequest as openrouter_params
from openrouter.components import providerpreferences as openrouter_routing
from perplexity.types import response_create_params as perplexity_agent
from perplexity.types.chat import completion_create_params as perplexity_params

from exllm import Image, Message, Text
from exllm.config import Chain, Env, Static
from exllm.errors import InvalidRequest
from exllm.providers import ProviderSpec, anthropic_request, openai_chat_request, registry
from exllm.providers.parameters import Rule
from exllm.providers.spec import check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import check_options
from exllm.types.request import Request

HI = (Message("user", "Hi"),)


def spec_of(name: str) -> ProviderSpec:
    spec = registry.get(name)
    assert isinstance(spec, ProviderSpec)
    return spec


def build(
    name: str, extra: dict[str, Any] | None = None, messages: tuple[Message, ...] = HI, **options: Any
) -> HttpRequest:
    spec = spec_of(name)
    request = Request(name, options.pop("model", "some-model"), messages, check_options(options), extra or {})
    return registry.wire(spec.wire).build(request, spec)


def body(name: str, extra: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.json.decode(build(name, extra, **options).body)
    return built


# -- the types of the SDKs


def literals(annotation: Any) -> set[Any]:
    """The values of every `Literal` in a type, however deep in unions and lists."""
    if typing.get_origin(annotation) is typing.Literal:
        return set(typing.get_args(annotation))
    return {value for inner in typing.get_args(annotation) for value in literals(inner)}


def hints(params: Any) -> dict[str, Any]:
    return typing.get_type_hints(params)


GROQ = hints(groq_params.CompletionCreateParams)
PERPLEXITY = hints(perplexity_params.CompletionCreateParamsBase)
MISTRAL = hints(mistral_params.ChatCompletionRequestTypedDict)
OPENROUTER = hints(openrouter_params.ChatRequestTypedDict)
ROUTING = hints(openrouter_routing.ProviderPreferencesTypedDict)
ANTHROPIC = hints(anthropic_params.MessageCreateParamsBase)
SDK = {"groq": GROQ, "perplexity": PERPLEXITY, "mistral": MISTRAL, "openrouter": OPENROUTER}

# Not in the SDK's types, but in the provider's documentation.
DOCUMENTED_ONLY = {
    "openrouter": {"route", "transforms", "usage", "include_reasoning"},  # left out of its schema when they became old
}


@pytest.mark.parametrize("name", SDK)
def test_every_parameter_is_one_of_the_sdks(name: str) -> None:
    assert spec_of(name).parameters.keys() - SDK[name].keys() == DOCUMENTED_ONLY.get(name, set())


def closed(rules: dict[str, Rule]) -> Iterator[tuple[str, set[Any]]]:
    for field, rule in rules.items():
        if rule.values and all(isinstance(value, str) for value in rule.values):
            yield field, set(rule.values)


@pytest.mark.parametrize("name", SDK)
def test_allowed_values_are_those_of_the_sdk(name: str) -> None:
    compared = [field for field, _ in closed(spec_of(name).parameters) if field in SDK[name]]
    assert compared
    for field, values in closed(spec_of(name).parameters):
        if field in SDK[name]:
            assert values == literals(SDK[name][field]), field


def test_openrouters_routing_is_that_of_its_sdk() -> None:
    fields = spec_of("openrouter").parameters["provider"].fields
    assert fields.keys() == ROUTING.keys()
    assert set(fields["quantizations"].items.values) == literals(ROUTING["quantizations"])
    assert set(fields["data_collection"].values) == literals(ROUTING["data_collection"])


def test_perplexitys_tools_are_those_of_its_sdk() -> None:
    fields = spec_of("perplexity-agent").parameters["tools"].items.fields
    kinds = {
        kind
        for tool in typing.get_args(perplexity_agent.Tool)
        for kind in literals(typing.get_type_hints(tool)["type"])
    }
    assert set(fields["type"].values) == kinds
    filters = typing.get_type_hints(perplexity_agent.ToolWebSearchToolFilters)
    assert fields["filters"].fields.keys() == filters.keys()
    assert set(fields["filters"].fields["search_recency_filter"].values) == literals(filters["search_recency_filter"])
    assert (
        fields["user_location"].fields.keys()
        == typing.get_type_hints(perplexity_agent.ToolWebSearchToolUserLocation).keys()
    )


def test_anthropics_values_are_those_of_its_sdk() -> None:
    rules = spec_of("anthropic").parameters
    thinking = {
        value
        for variant in typing.get_args(ANTHROPIC["thinking"])
        for value in literals(typing.get_type_hints(variant)["type"])
    }
    assert set(rules["thinking"].fields["type"].values) == thinking
    assert set(rules["service_tier"].values) == literals(ANTHROPIC["service_tier"])
    assert set(rules["speed"].values) == literals(ANTHROPIC["speed"])
    effort = typing.get_type_hints(ANTHROPIC["output_config"])["effort"]
    assert set(rules["output_config"].fields["effort"].values) == literals(effort)


def test_no_field_of_the_protocols_own_reference_is_taken_for_a_misspelt_one() -> None:
    assert set(openai_params.CompletionCreateParamsBase.__annotations__) <= openai_chat_request.FIELDS
    beta = set(anthropic_beta_params.MessageCreateParamsBase.__annotations__) - {"betas"}  # a header
    assert set(ANTHROPIC) | beta <= anthropic_request.FIELDS


# -- what is sent and what is refused


PERPLEXITY_FINE: dict[str, Any] = {
    "search_mode": "academic",
    "search_recency_filter": "week",
    "search_domain_filter": ["nasa.gov", "wikipedia.org"],
    "search_after_date_filter": "3/1/2025",
    "search_language_filter": ["en", "de"],
    "return_images": True,
    "image_domain_filter": ["-gettyimages.com", "wikimedia.org"],
    "image_format_filter": ["gif", "png"],
    "web_search_options": {"search_context_size": "low", "user_location": {"country": "US", "latitude": 37.7}},
}


def test_perplexitys_filters_go_through() -> None:
    sent = body("perplexity", PERPLEXITY_FINE)
    assert {field: sent[field] for field in PERPLEXITY_FINE} == PERPLEXITY_FINE
    assert build("perplexity", PERPLEXITY_FINE).warnings == ()


FINE: list[tuple[str, dict[str, Any]]] = [
    ("mistral", {"safe_prompt": True, "prompt_mode": "reasoning", "prediction": {"type": "content", "content": "x"}}),
    (
        "openrouter",
        {
            "models": ["openai/gpt-4o", "anthropic/claude-sonnet-4.5"],
            "transforms": ["middle-out"],
            "route": "fallback",
            "provider": {
                "order": ["anthropic", "openai"], "allow_fallbacks": False, "data_collection": "deny", "sort": "price",
                "quantizations": ["fp8"], "max_price": {"prompt": 1, "completion": "2.5"},
            },
            "plugins": [{"id": "web", "max_results": 3}],
            "reasoning": {"effort": "high", "exclude": True},
            "usage": {"include": True},
        },
    ),
    ("openrouter", {"provider": {"sort": {"by": "latency", "partition": "none"}}}),
    (
        "xai",
        {"search_parameters": {"mode": "on", "from_date": "2025-01-31", "sources": [{"type": "web", "country": "CH"}]}},
    ),
    ("groq", {"reasoning_format": "parsed", "search_settings": {"exclude_domains": ["a.org"]}}),
    ("anthropic", {"thinking": {"type": "between_tools"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}),
    ("anthropic", {"thinking": {"type": "adaptive", "display": "omitted"}, "speed": "fast"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "extra"), FINE)
def test_what_a_provider_takes_goes_through(name: str, extra: dict[str, Any]) -> None:
    sent = body(name, extra)
    assert {field: sent[field] for field in extra} == extra


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("perplexity", {"search_mode": "news"}, "search_mode = 'web' | 'academic' | 'sec', got 'news'"),
    ("perplexity", {"search_recency_filter": "decade"}, "'hour' | 'day' | 'week' | 'month' | 'year'"),
    ("perplexity", {"search_domain_filter": [f"{n}.org" for n in range(21)]}, "at most 20"),
    ("perplexity", {"search_domain_filter": ["a.org", "-b.org"]}, "all beginning with '-' or none"),
    ("perplexity", {"search_before_date_filter": "2025-03-01"}, "of the form MM/DD/YYYY"),
    ("perplexity", {"last_updated_after_filter": 20250301}, "of the form MM/DD/YYYY"),
    ("perplexity", {"image_format_filter": [".gif"]}, r"image_format_filter[0] = text of the form gif"),
    ("perplexity", {"image_domain_filter": ["a.org"] * 11}, "at most 10"),
    ("perplexity", {"return_images": "yes"}, "return_images = True | False"),
    ("perplexity", {"web_search_options": {"search_context_size": "big"}}, "'low' | 'medium' | 'high', got 'big'"),
    ("perplexity", {"web_search_options": {"user_location": {"latitude": 100}}}, "from -90 to 90"),
    ("perplexity-agent", {"tools": [{"type": "images"}]}, "tools[0].type = 'web_search'"),
    (
        "perplexity-agent",
        {"tools": [{"type": "web_search", "filters": {"search_domain_filter": ["a.org", "-b.org"]}}]},
        "tools[0].filters.search_domain_filter = a list of at most 20",
    ),
    (
        "perplexity-agent",
        {"tools": [{"type": "web_search", "filters": {"search_after_date_filter": "2025-03-01"}}]},
        "of the form MM/DD/YYYY",
    ),
    ("mistral", {"safe_prompt": "true"}, "safe_prompt = True | False"),
    ("mistral", {"random_seed": -1}, "random_seed = a whole number of at least 0"),
    ("mistral", {"prompt_mode": "thinking"}, "prompt_mode = 'reasoning'"),
    ("mistral", {"prediction": {"content": "x"}}, "prediction = a dict with type"),
    ("openrouter", {"route": "random"}, "route = 'fallback' | 'sort'"),
    ("openrouter", {"models": ["a", "b", "c", "d"]}, "at most 3"),
    ("openrouter", {"transforms": ["middle"]}, "transforms[0] = 'middle-out'"),
    ("openrouter", {"provider": {"order": "openai"}}, "provider.order = a list"),
    ("openrouter", {"provider": {"data_collection": "none"}}, "'allow' | 'deny'"),
    ("openrouter", {"provider": {"sort": "cheap"}}, "provider.sort = 'price' | 'throughput' | 'latency' | 'exacto'"),
    ("openrouter", {"provider": {"quantizations": ["int2"]}}, "provider.quantizations[0] = 'int4'"),
    ("openrouter", {"plugins": [{"max_results": 3}]}, "plugins[0] = a dict with id"),
    ("openrouter", {"reasoning": {"effort": "high", "max_tokens": 10}}, "reasoning.effort or reasoning.max_tokens"),
    ("openrouter", {"usage": {"include": 1}}, "usage.include = True | False"),
    ("xai", {"search_parameters": {"mode": "always"}}, "'auto' | 'on' | 'off'"),
    ("xai", {"search_parameters": {"from_date": "1/31/2025"}}, "of the form YYYY-MM-DD"),
    ("xai", {"search_parameters": {"max_search_results": 51}}, "from 1 to 50"),
    (
        "xai",
        {"search_parameters": {"sources": [{"type": "web", "allowed_websites": ["a"], "excluded_websites": ["b"]}]}},
        "sources[0].allowed_websites or search_parameters.sources[0].excluded_websites, not both",
    ),
    ("groq", {"include_reasoning": True, "reasoning_format": "raw"}, "include_reasoning or reasoning_format, not both"),
    ("groq", {"n": 2}, "n = 1, got 2"),
    ("groq", {"stop": ["a", "b", "c", "d", "e"]}, "at most 4"),
    ("anthropic", {"thinking": {"type": "on"}}, "'enabled' | 'disabled' | 'adaptive' | 'between_tools', got 'on'"),
    (
        "anthropic",
        {"thinking": {"type": "enabled", "budget_tokens": 500}},
        "budget_tokens = a whole number of at least",
    ),
    ("anthropic", {"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl = '5m' | '1h', got '2h'"),
    ("anthropic", {"service_tier": "priority"}, "'auto' | 'standard_only'"),
    ("anthropic", {"betas": ["context-1m-2025-08-07"]}, "no betas: it is an option, betas=[...]"),
]


@pytest.mark.parametrize(("name", "extra", "words"), REFUSED)
def test_what_it_does_not_take_is_refused_before_it_is_sent(name: str, extra: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build(name, extra)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{spec_of(name).label} takes ")


OPTIONS_REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("groq", {"service_tier": "priority"}, "service_tier = 'auto' | 'on_demand' | 'flex' | 'performance'"),
    ("groq", {"reasoning_effort": "xhigh"}, "reasoning_effort = 'none' | 'default'"),
    ("xai", {"reasoning_effort": "minimal"}, "'none' | 'low' | 'medium' | 'high' | 'xhigh', got 'minimal'"),
    ("mistral", {"seed": -1}, "random_seed = a whole number of at least 0, got -1"),
    ("mistral", {"temperature": 1.8}, "temperature = a number from 0 to 1.5"),
    ("perplexity", {"web_search": {"search_type": "slow"}}, "web_search_options.search_type = 'fast' | 'pro' | 'auto'"),
    ("openrouter", {"thinking": 2000, "reasoning_effort": "low"}, "reasoning.max_tokens, not both"),
    ("anthropic", {"thinking": 500, "model": "claude-sonnet-4-5"}, "at least 1024, got 500"),
    ("anthropic", {"reasoning_effort": "huge", "model": "claude-opus-4-8"}, "output_config.effort = 'low'"),
]


@pytest.mark.parametrize(("name", "options", "words"), OPTIONS_REFUSED)
def test_options_are_held_to_the_same_rules(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build(name, **options)
    assert words in str(caught.value)


def test_our_seed_is_mistrals_random_seed() -> None:
    assert body("mistral", seed=7)["random_seed"] == 7


@pytest.mark.parametrize(
    ("name", "misspelt", "likely"),
    [
        ("perplexity", "search_recency_filters", "search_recency_filter"),
        ("openrouter", "transform", "transforms"),
        ("mistral", "safe_promt", "safe_prompt"),
        ("groq", "reasoningFormat", "reasoning_format"),
        ("xai", "search_parameter", "search_parameters"),
        ("anthropic", "cache_controll", "cache_control"),
    ],
)
def test_a_near_miss_warns_and_is_sent_all_the_same(name: str, misspelt: str, likely: str) -> None:
    built = build(name, {misspelt: "x"})
    assert built.warnings == (f"{spec_of(name).label} is not known to take {misspelt}; did you mean {likely!r}?",)
    assert msgspec.json.decode(built.body)[misspelt] == "x"


def test_the_end_of_xais_live_search_is_told() -> None:
    (warning,) = build("xai", {"search_parameters": {"mode": "auto"}}).warnings
    assert "410" in warning


def test_groq_takes_five_images_in_a_request() -> None:
    def pictures(count: int) -> tuple[Message, ...]:
        return (Message("user", (Text("?"), *[Image(url=f"https://a.example/{n}.png") for n in range(count)])),)

    assert len(msgspec.json.decode(build("groq", messages=pictures(5)).body)["messages"][0]["content"]) == 6
    with pytest.raises(InvalidRequest, match="Groq takes at most 5 images in a request, got 6"):
        build("groq", messages=pictures(3) + pictures(3))


def test_openrouters_app_headers_come_from_config_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from exllm.access import access

    monkeypatch.setenv("OPENROUTER_APP_NAME", "Env App")
    source = Chain(Static({"openrouter": {"api_key": "k", "HTTP-Referer": "https://app.example"}}), Env())
    headers = access(spec_of("openrouter"), source, None, None).headers
    assert headers["HTTP-Referer"] == "https://app.example"
    assert headers["X-Title"] == headers["X-OpenRouter-Title"] == "Env App"
    assert "X-OpenRouter-Categories" not in headers


# -- Anthropic: thinking and betas


def test_a_thinking_budget_must_leave_room_for_the_answer() -> None:
    with pytest.raises(InvalidRequest, match="less than max_tokens=2000, got 2000"):
        build("anthropic", model="claude-sonnet-4-5", thinking=2000, max_tokens=2000)
    sent = body("anthropic", model="claude-sonnet-4-5", thinking=1999, max_tokens=2000)
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 1999}


def test_with_interleaved_thinking_the_budget_may_be_more_than_one_turns_tokens() -> None:
    betas = ["interleaved-thinking-2025-05-14"]
    sent = body("anthropic", model="claude-sonnet-4-5", thinking=8000, max_tokens=2000, betas=betas)
    assert (sent["thinking"]["budget_tokens"], sent["max_tokens"]) == (8000, 2000)


@pytest.mark.parametrize(
    ("budget", "effort"), [(1_024, "low"), (5_000, "low"), (12_000, "medium"), (30_000, "xhigh"), (60_000, "max")]
)
def test_a_budget_is_an_effort_to_models_that_take_none(budget: int, effort: str) -> None:
    built = build("anthropic", model="claude-opus-4-8", thinking=budget)
    sent = msgspec.json.decode(built.body)
    assert (sent["thinking"], sent["output_config"]) == ({"type": "adaptive"}, {"effort": effort})
    assert len(built.warnings) == 1
    assert "claude-opus-4-8 takes no thinking budget" in built.warnings[0]


def test_a_named_effort_stays_beside_a_budget_that_cannot_be_said() -> None:
    sent = body("anthropic", model="claude-sonnet-5", thinking=2_000, reasoning_effort="high")
    assert (sent["thinking"], sent["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-opus-4-6", "claude-opus-4-5", "claude-3-7-sonnet-latest"]
)
def test_a_budget_is_a_budget_to_models_that_take_one(model: str) -> None:
    assert body("anthropic", model=model, thinking=2_000)["thinking"] == {"type": "enabled", "budget_tokens": 2_000}


def test_betas_are_a_header() -> None:
    built = build("anthropic", betas=["files-api-2025-04-14", "context-1m-2025-08-07"])
    assert built.headers["anthropic-beta"] == "files-api-2025-04-14,context-1m-2025-08-07"
    assert "betas" not in msgspec.json.decode(built.body)


@pytest.mark.parametrize("beta", ["a,b", "a b", "a\r\nx-api-key: b", "", "ä"])
def test_what_is_no_name_of_a_beta_is_refused(beta: str) -> None:
    with pytest.raises(InvalidRequest, match="a beta is named like"):
        build("anthropic", betas=[beta])


@pytest.mark.parametrize("name", SDK)
def test_no_field_of_the_sdk_is_taken_for_a_misspelt_one(name: str) -> None:
    rules = spec_of(name).parameters
    unruled = {field: "x" for field in SDK[name] if field not in rules}
    assert check_parameters(spec_of(name), unruled, openai_chat_request.FIELDS) == ()
