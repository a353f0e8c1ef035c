"""What each provider takes of JSON Schema, as data."""

from __future__ import annotations

import msgspec

_SIZES = frozenset({"minItems", "maxItems"})
_RANGES = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


class Dialect(msgspec.Struct, frozen=True):
    """A subset of JSON Schema.

    Attributes:
        keeps: keywords that limit values, of those that it knows.
        formats: values of ``format`` that it knows; None for all.
        all_required: every field must be required; one that may be missing is sent as null.
        closed: objects must have ``additionalProperties: false``, so there are no maps.
        tuples: it has ``prefixItems``.
        anything: it has the schema without any limit, ``{}``.
        recursion: definitions may refer to themselves.
        most_min_items: the largest ``minItems``; None for any.
        typed_enums: values are listed with their types; llama.cpp then looks at the types alone.
        has_json_mode: its wire can ask for any JSON.
        some_required: an object must have a required field; one that has none gets all of them, as `all_required`.
        patterns: it has ``pattern``: for all, for those that start with ``^`` and end with ``$`` ("anchored"), or none.
    """

    name: str
    keeps: frozenset[str] = frozenset()
    formats: frozenset[str] | None = frozenset()
    all_required: bool = False
    closed: bool = False
    tuples: bool = False
    anything: bool = True
    recursion: bool = True
    most_min_items: int | None = None
    typed_enums: bool = True
    has_json_mode: bool = True
    some_required: bool = False
    patterns: str = ""


OPENAI = Dialect(
    "openai",  # https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    keeps=_SIZES | _RANGES | {"multipleOf"},
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    all_required=True,
    closed=True,
    anything=False,
    patterns="all",
)
CEREBRAS = Dialect(
    "cerebras",  # https://inference-docs.cerebras.ai/capabilities/structured-outputs, "Unsupported features"
    keeps=_RANGES | {"multipleOf"},
    all_required=True,
    closed=True,
    anything=False,
    recursion=False,
)
ANTHROPIC = Dialect(
    "anthropic",  # https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
    keeps=frozenset({"minItems"}),
    formats=frozenset({
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
    }),
    closed=True,
    anything=False,
    recursion=False,
    most_min_items=1,
    has_json_mode=False,
)  # fmt: skip
GEMINI = Dialect(
    "gemini",  # https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support
    keeps=_SIZES | {"minimum", "maximum"},
    formats=frozenset({"date-time", "date", "time"}),
    tuples=True,
)
COHERE = Dialect(
    "cohere",  # https://docs.cohere.com/docs/structured-outputs#unsupported-schema-features
    formats=frozenset({"date-time", "uuid", "date", "time"}),
    closed=True,
    anything=False,
    some_required=True,  # "Schema constraints" on the same page
)
GRAMMAR = Dialect(
    "grammar",  # https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md#json-schemas--gbnf
    keeps=_SIZES | {"minLength", "maxLength"},
    formats=frozenset({"date", "time", "date-time"}),
    tuples=True,
    typed_enums=False,
    patterns="anchored",
)

OF_WIRE = {
    "anthropic_messages": ANTHROPIC,
    "bedrock_converse": ANTHROPIC,
    "bedrock_invoke": ANTHROPIC,
    "cohere_chat": COHERE,
    "cohere_v1": COHERE,
    "gemini_generate": GEMINI,
    "gemini_interactions": GEMINI,
    "ollama_chat": GRAMMAR,
    "ollama_generate": GRAMMAR,
}
"""By wire; `OPENAI` for all others, whose schemas are plain enough for everybody."""

OF_PROVIDER = {"cerebras": CEREBRAS}
"""Where a provider has less than others of its wire."""

NEED_STRICT = frozenset({
    "azure", "azure-responses", "openai", "openai-responses",  # platform.openai.com/docs/guides/structured-outputs
    "cerebras",  # inference-docs.cerebras.ai/capabilities/structured-outputs: else "similar to JSON mode"
    "mistral",  # docs.mistral.ai/capabilities/structured_output/custom
    "openrouter",  # openrouter.ai/docs/structured-outputs
    "xai",  # docs.cloud.google.com, "Structured output for Grok models"; docs.x.ai does not tell
})  # fmt: skip
"""Providers that hold a model to a schema only if it says ``"strict": true``; others may not know the word, or take it
with a few of their models alone (console.groq.com/docs/structured-outputs: what the others answer is checked here)."""

SELECTED_MODELS = frozenset({"bedrock_converse", "bedrock_invoke"})
"""Wires on which only some models take a schema, so that a model which is not known is not asked with one."""
