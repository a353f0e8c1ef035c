"""What the catalog says of a model, and how its files are written.

One YAML file per provider, ``exllm/model_catalog/models/<provider>.yml``::

    provider: anthropic
    sources:                                    # where figures are from, and as of when
      litellm: {as_of: 2026-11, url: https://..., licence: MIT}
    models:
      claude-sonnet-4-5-20250929:               # the id behind the slash of a model string
        name: Claude Sonnet 4.5
        modes: [chat]
        context_window: 200000                  # tokens
        max_output_tokens: 64000
        input: [text, image, pdf]               # modalities
        output: [text]
        capabilities: [function_calling, prompt_caching, reasoning]
        prices:                                 # USD; see `Rates`
        - {input: 3, output: 15, cache_read: 0.3, cache_write: 3.75, cache_write_1h: 6, per_search: 0.01}
        - {tier: batch, input: 1.5, output: 7.5}
        aliases: [claude-sonnet-4-5]
        from: {default: litellm, prices: genai-prices, name: models.dev}

Unknown fields are refused. A field that is absent is not known; a list of prices that is absent is an unknown price,
which is not the same as a price of 0.
"""

from __future__ import annotations

import msgspec

Mode = str
"""``chat``, ``completion``, ``embedding``, ``rerank``, ``image``, ``video``, ``transcription``, ``speech``,
``moderation``, ``realtime``, ``ocr``, ``search``, ``other``; see `exllm.model_catalog.vocabulary`."""


class Rates(
    msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True
):
    """One row of a price list: what it costs, in US dollars, and under which conditions.

    Rows are laid over each other in their order: a row says what differs from the rows before it when its conditions
    hold, all of them. A row without conditions always holds.

    The rates without prefix are per **million** tokens (or characters), those with `per_` for **one** of the unit.
    A part without a rate of its own costs what the whole does: cached and image tokens what input costs, reasoning what
    output costs.
    """

    # -- conditions
    tier: str | None = None
    """``batch``, ``flex``, ``priority``, ``fast``...; a row without one is for every tier."""
    above: int | None = None
    """The call has more input tokens than this, cached ones included; then all its tokens have this rate."""
    since: str | None = None
    """From this date on (YYYY-MM-DD, UTC)."""
    hours: tuple[str, ...] | None = None
    """In one of these spans of the day, UTC: ``"16:30-00:30"``."""
    weekdays: tuple[int, ...] | None = None
    """On these days, UTC: 1 is Monday."""
    region: str | None = None
    """In this region or data zone of the provider: ``us-east-1``, ``eu``."""
    size: str | None = None
    """Of this size: ``1024x1024`` of an image, ``720p`` of a video."""
    quality: str | None = None
    """Of this quality or step count: ``hd``, ``50-steps``."""
    search_size: str | None = None
    """With this much search context: ``low``, ``medium``, ``high``."""

    # -- per million tokens
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    """Kept for five minutes, or as long as the provider does by default."""
    cache_write_1h: float | None = None
    cache_write_12h: float | None = None
    reasoning: float | None = None
    citation: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    cache_read_audio: float | None = None
    cache_write_audio: float | None = None
    input_image: float | None = None
    output_image: float | None = None
    cache_read_image: float | None = None
    input_video: float | None = None
    output_video: float | None = None

    # -- per million characters
    input_characters: float | None = None
    output_characters: float | None = None

    # -- for one
    per_request: float | None = None
    per_query: float | None = None
    """A query of a search or rerank model."""
    per_search: float | None = None
    """A web search that a chat model makes."""
    per_map_search: float | None = None
    per_file_search: float | None = None
    per_code_session: float | None = None
    per_text_message: float | None = None
    per_image: float | None = None
    """An image made."""
    per_input_image: float | None = None
    per_input_second: float | None = None
    """A second of audio heard."""
    per_output_second: float | None = None
    """A second of audio or video made."""
    per_input_video_second: float | None = None
    per_page: float | None = None
    per_annotated_page: float | None = None

    source: str | None = msgspec.field(name="from", default=None)
    """Where the row is from, when that is not where the model's prices are from."""


CONDITIONS = ("tier", "above", "since", "hours", "weekdays", "region", "size", "quality", "search_size")
UNITS = tuple(name for name in Rates.__struct_fields__ if name not in CONDITIONS and name != "source")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True):
    """Where figures are from: the state of the data (YYYY-MM or YYYY-MM-DD), its address and its licence."""

    as_of: str
    url: str = ""
    licence: str = ""


class ModelInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True):
    """All that is known of one model. None, or empty, where it is not known.

    Attributes:
        provider, id: the two halves of the model string.
        name, family: for people.
        modes: what it is called for, see `Mode`.
        context_window: most tokens that a call may have, input and answer together where the provider counts so.
        max_input_tokens: where the input has a limit of its own.
        max_output_tokens: most tokens of an answer.
        input, output: modalities: ``text``, ``image``, ``audio``, ``video``, ``pdf``, ``embedding``.
        capabilities: in the words of `exllm.model_catalog.vocabulary.CAPABILITIES`.
        lacks: capabilities that a source says the model has not; what is in neither list is not known.
        prices: rows laid over each other, see `Rates`; empty where no price is known.
        output_tokens_per_s: how fast it answers. No source of the catalog measures it; your own files may say it.
        embedding_dimensions: length of the vector.
        reasoning_efforts: values that ``reasoning_effort`` takes.
        knowledge_cutoff, released: YYYY-MM-DD, YYYY-MM or YYYY.
        status: ``deprecated``, ``beta`` or ``alpha``; None for a model in normal use.
        deprecation_date: when it stops, YYYY-MM-DD.
        successor: the id to use instead.
        aliases: other ids that mean this model.
        regional_ids: ids of the same model in a region, at the same price.
        region_of: for a regional id with a price of its own, the model that it is.
        open_weights: whether its weights can be had.
        endpoints: paths that serve it, where the provider says so.
        url: the page that the figures were taken from.
        origin: field to source; ``default`` stands for all fields not named.
    """

    provider: str = ""
    id: str = ""
    name: str | None = None
    family: str | None = None
    modes: tuple[Mode, ...] = ()
    context_window: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    prices: tuple[Rates, ...] = ()
    output_tokens_per_s: float | None = None
    embedding_dimensions: int | None = None
    reasoning_efforts: tuple[str, ...] = ()
    knowledge_cutoff: str | None = None
    released: str | None = None
    status: str | None = None
    deprecation_date: str | None = None
    successor: str | None = None
    aliases: tuple[str, ...] = ()
    regional_ids: tuple[str, ...] = ()
    region_of: str | None = None
    open_weights: bool | None = None
    endpoints: tuple[str, ...] = ()
    url: str | None = None
    origin: dict[str, str] = msgspec.field(name="from", default_factory=dict)

    def source_of(self, field: str) -> str | None:
        """The name of the source that `field` is from; None where the field is not known."""
        return self.origin.get(field, self.origin.get("default")) if getattr(self, field) not in (None, ()) else None


class ProviderModels(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, repr_omit_defaults=True
):
    """One file: the models of a provider by id."""

    provider: str
    sources: dict[str, Source] = {}
    models: dict[str, ModelInfo] = {}
