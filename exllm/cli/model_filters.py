"""Which models of a list are shown."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exllm.model_catalog import vocabulary
from exllm.model_lists import DEFAULT_KINDS, of_kinds
from exllm.types.model import ModelEntry

ALL_KINDS = "all"


class Filters(msgspec.Struct, frozen=True):
    """Conditions, all of which must hold. A model of which a figure is not known does not meet a condition on it.

    Attributes:
        text: in the id or name, any case.
        features: capabilities in anybody's words, or kinds: all of them.
        kinds: one of them; ``all`` is all, and none means what chats or embeds.
        modalities: what it takes, all of them.
        min_context: tokens.
        max_price, max_output_price: US dollars per million tokens of input, of output.
        not_deprecated: without those that are deprecated or past their date.

    `checked` is to be called first. Raises (from it): ConfigurationError for a word that nobody knows.
    """

    text: str | None = None
    features: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    min_context: int | None = None
    max_price: float | None = None
    max_output_price: float | None = None
    not_deprecated: bool = False

    def checked(self) -> Filters:
        """The same with every word in the catalog's form."""
        if ALL_KINDS in self.kinds:
            kinds: tuple[str, ...] = (ALL_KINDS,)
        else:
            kinds = tuple(kind for word in self.kinds for kind in vocabulary.modes(word)) or DEFAULT_KINDS
        for word in self.features:
            vocabulary.ability(word)
        modalities = tuple(vocabulary.modality(word) for word in self.modalities)
        return msgspec.structs.replace(self, kinds=kinds, modalities=modalities)

    def of(self, entries: Iterable[ModelEntry], today: str) -> list[ModelEntry]:
        """The entries that meet all conditions. `today` is YYYY-MM-DD."""
        kinds = None if ALL_KINDS in self.kinds else self.kinds
        abilities = [vocabulary.ability(word) for word in self.features]
        return [
            entry
            for entry in of_kinds(list(entries), kinds)
            if (self.text is None or self.text.lower() in f"{entry.id}\n{entry.name or ''}".lower())
            and all(_has(entry, ability) for ability in abilities)
            and set(self.modalities) <= set(entry.input_modalities)
            and (self.min_context is None or (entry.context_window or 0) >= self.min_context)
            and _at_most(entry.input_usd_per_mtok, self.max_price)
            and _at_most(entry.output_usd_per_mtok, self.max_output_price)
            and not (self.not_deprecated and is_deprecated(entry, today))
        ]


def is_deprecated(entry: ModelEntry, today: str) -> bool:
    """Whether its provider calls it deprecated, or its last day is past. `today` is YYYY-MM-DD."""
    return entry.status == "deprecated" or (entry.deprecation_date is not None and entry.deprecation_date <= today)


def _has(entry: ModelEntry, ability: vocabulary.Ability) -> bool:
    if ability.capability is not None:
        return ability.capability in entry.capabilities
    return not set(ability.modes).isdisjoint(entry.kinds)


def _at_most(price: float | None, limit: float | None) -> bool:
    return limit is None or (price is not None and price <= limit)
