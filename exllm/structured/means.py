"""What a provider and model have to hold an answer to a type, from the spec, the wire and the catalog."""

from __future__ import annotations

from exllm.errors import ConfigurationError
from exllm.model_catalog import model_info
from exllm.providers import registry
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import supported_options
from exllm.structured.dialects import GRAMMAR, NEED_STRICT, OF_PROVIDER, OF_WIRE, OPENAI, SELECTED_MODELS
from exllm.structured.plan import Means

_ALL = frozenset({"response_format", "tools", "tool_choice"})


def means_of(model: str) -> Means:
    """What the provider and model of a model string have to hold an answer to a type.

    Raises: ConfigurationError for a provider that is not known.
    """
    name, model_id = registry.parse_model(model)
    backend = registry.get(name)
    if not isinstance(backend, ProviderSpec):
        taken: frozenset[str] | None = getattr(backend, "options", None)
        options = _ALL if taken is None else taken
        grammar = bool(getattr(backend, "writes_by_grammar", False))
        takes_format = "response_format" in options
        return Means(
            name, takes_format, "tool_choice" in options, takes_format, GRAMMAR if grammar else None, grammar=grammar
        )  # fmt: skip
    wire = registry.wire(backend.wire)
    options = supported_options(wire, backend)
    takes_format = "response_format" in options
    dialect = OF_PROVIDER.get(backend.name) or OF_WIRE.get(backend.wire, OPENAI)
    has_schema, has_tools = _known_of(backend, model_id or backend.default_model or "")
    return Means(
        backend.label,
        schema=takes_format and has_schema and "no_json_schema" not in backend.quirks,
        tool="tool_choice" in options and has_tools,
        json=takes_format and dialect.has_json_mode,
        dialect=dialect,
        strict=backend.name in NEED_STRICT,
    )


def _known_of(spec: ProviderSpec, model: str) -> tuple[bool, bool]:
    """Whether the model takes a schema, and whether it calls tools, as far as the catalog knows."""
    try:
        info = None if spec.local else model_info(spec.name, model)
    except ConfigurationError:
        info = None
    if info is None:
        return spec.wire not in SELECTED_MODELS, True
    has_tools = "function_calling" not in info.lacks
    if "structured_output" in info.capabilities:
        return True, has_tools
    calls_tools = "function_calling" in info.capabilities
    return not calls_tools and "structured_output" not in info.lacks and spec.wire not in SELECTED_MODELS, has_tools
