"""A provider's realtime endpoint as data."""

from __future__ import annotations

import msgspec


class LiveSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider is spoken to in realtime; `wire` is empty where it has no such endpoint.

    Attributes:
        wire: which realtime protocol it speaks: ``gemini_live`` or ``openai_realtime``.
        url: scheme and host, ``wss://...``; may hold the placeholders of the base URL. ``live_url`` in a config
            replaces it.
        path: below `url`; ``{model}`` is the model's name. Other addresses of the same service are named in `paths`.
        paths: further paths by name, e.g. ``v1alpha``, ``transcription``.
        key_parameter: the query parameter that a key travels in; the provider's header where empty.
        default_model: used when only the provider is named.
        unsupported: settings of the wire that this provider refuses.
        quirks: named deviations from the wire, see the wire's ``QUIRKS``.
        docs: the page that the facts here are from.
    """

    wire: str = ""
    url: str = ""
    path: str = ""
    paths: dict[str, str] = {}
    key_parameter: str = ""
    default_model: str | None = None
    unsupported: frozenset[str] = frozenset()
    quirks: frozenset[str] = frozenset()
    docs: str = ""
