"""A model as its provider lists it."""

from __future__ import annotations

from typing import Any

import msgspec


class ModelEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of a provider's model list, in the same words for every provider. None, or nothing, where nobody tells.

    What the provider says goes first; where it says nothing, the model catalog does: `from_catalog` names those fields.

    Attributes:
        provider, id: the two halves of a model string.
        name: for people.
        created: when it came out, or was made on this machine; Unix time in seconds.
        owned_by: whose model it is.
        context_window: most tokens of input and output together, or of the input where that is what the provider tells.
        max_output_tokens: most tokens of one answer.
        kinds: what it is for: ``chat``, ``completion``, ``embedding``, ``rerank``, ``image``, ``video``,
            ``transcription``, ``speech``, ``moderation``, ``realtime``, ``ocr``. Where neither the provider nor
            the catalog says, read from the name if that is telling.
        input_modalities, output_modalities: such as ``text``, ``image``, ``audio``.
        input_usd_per_mtok, output_usd_per_mtok: US dollars for a million tokens, standard tier, short prompt.
        capabilities: such as ``vision``, in the words of `exllm.model_catalog.CAPABILITIES`.
        knowledge_cutoff, released: YYYY-MM-DD, YYYY-MM or YYYY.
        status: ``deprecated``, ``beta`` or ``alpha``; None for a model in normal use.
        deprecation_date: when it stops, YYYY-MM-DD.
        successor: the id to use instead.
        from_catalog: names of the fields that the catalog filled, or added to, in a row of the provider.
        source: ``"provider"``, or ``"catalog"`` for a row of `exllm.model_catalog`.
        raw: the provider's own object.
    """

    provider: str
    id: str
    name: str | None = None
    created: int | None = None
    owned_by: str | None = None
    context_window: int | None = None
    raw: dict[str, Any] = {}
    max_output_tokens: int | None = None
    kinds: tuple[str, ...] = ()
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None
    source: str = "provider"
    capabilities: tuple[str, ...] = ()
    knowledge_cutoff: str | None = None
    released: str | None = None
    status: str | None = None
    deprecation_date: str | None = None
    successor: str | None = None
    from_catalog: tuple[str, ...] = ()
