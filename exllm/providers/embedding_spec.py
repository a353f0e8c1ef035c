"""How a provider embeds texts, as data: the `embeddings` field of a provider's spec."""

from __future__ import annotations

import msgspec

from exllm.types.embedding import EncodingFormat, TaskType

OPTIONS = ("dimensions", "encoding_format", "task_type")


class ModelRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the models of a provider differ; what is not given here is as for the provider.

    Attributes:
        max_inputs, max_request_tokens, unsupported: as in `EmbeddingSpec`.
        dimensions: the lengths that a vector may be asked for in; none listed means anything goes.
        advice: what to do instead of an option that is not supported; ends the error's message.
    """

    max_inputs: int | None = None
    max_request_tokens: int | None = None
    dimensions: tuple[int, ...] = ()
    unsupported: frozenset[str] = frozenset()
    advice: str = ""


class EmbeddingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider embeds texts. It does so at all where its `paths.embeddings` is set.

    Attributes:
        wire: which protocol, see `exllm.providers.embedding_wire`.
        default_model: used when only the provider is named.
        max_inputs: most texts in one request.
        max_request_tokens: most tokens of all texts of one request together; None where no limit is known.
        concurrency: most requests at a time for one call.
        formats: the encoding formats that the provider has, each with its word for it.
        format: what is asked for where the caller does not say; none means the provider's own default.
        task_types: the task types that the provider has, each with its word for it; none means it knows none.
        task_type: what is asked for where the caller does not say and the provider insists.
        dimensions_field, format_field, task_type_field: names on the wire, where that leaves a choice.
        unsupported: options that the provider refuses or ignores.
        models: rules by a part of the model's name; the first that is found in it counts.
        docs: the page that the facts here are from.
    """

    wire: str = "openai"
    default_model: str | None = None
    max_inputs: int = 96
    max_request_tokens: int | None = None
    concurrency: int = 4
    formats: dict[EncodingFormat, str] = msgspec.field(default_factory=lambda: {"float": "float"})
    format: EncodingFormat | None = None
    task_types: dict[TaskType, str] = {}
    task_type: TaskType | None = None
    dimensions_field: str = "dimensions"
    format_field: str = "encoding_format"
    task_type_field: str = "input_type"
    unsupported: frozenset[str] = frozenset()
    models: dict[str, ModelRules] = {}
    docs: str = ""

    def rules(self, model: str) -> ModelRules:
        """What holds for `model`; the limits are all set, but for a `max_request_tokens` that nobody knows."""
        own = next((rules for part, rules in self.models.items() if part in model), _NO_RULES)
        return ModelRules(
            own.max_inputs or self.max_inputs,
            own.max_request_tokens or self.max_request_tokens,
            own.dimensions,
            self.unsupported | own.unsupported,
            own.advice,
        )

    def problem(self) -> str | None:
        """What is wrong with it that the types cannot say, beginning with the field's name."""
        for field, limit in (
            ("max_inputs", self.max_inputs),
            ("max_request_tokens", self.max_request_tokens),
            ("concurrency", self.concurrency),
        ):
            if limit is not None and limit < 1:
                return f"{field} must be at least 1, got {limit}"
        if self.format is not None and self.format not in self.formats:
            return f"format must be one of formats, got {self.format!r}"
        if self.task_type is not None and self.task_type not in self.task_types:
            return f"task_type must be one of task_types, got {self.task_type!r}"
        for refused in (self.unsupported, *(rules.unsupported for rules in self.models.values())):
            if not refused <= set(OPTIONS):
                return f"unsupported must be some of {', '.join(OPTIONS)}, got {', '.join(sorted(refused))}"
        return None


_NO_RULES = ModelRules()
