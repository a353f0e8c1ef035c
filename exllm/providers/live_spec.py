"""A provider's realtime endpoint as data."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from exllm.types.live_settings import LiveSettings

_PLACEHOLDER = re.compile(r"{(\w+)}")


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

    def problem(self, settings: Collection[str]) -> str | None:
        """What is wrong with it, as ``field words``; None where nothing is. `settings` are the provider's placeholders.

        What only the wire can tell (its name, quirks) is not checked here.
        """
        if not self.wire:
            return None
        if not self.url.startswith(("wss://", "ws://")) or self.url.endswith("/"):
            return f"url must start with wss:// or ws:// and end without '/', got {self.url!r}"
        if not set(_PLACEHOLDER.findall(self.url)) <= set(settings):
            return "url has placeholders that settings does not name"
        for path in (self.path, *self.paths.values()):
            if not path.startswith("/"):
                return f"path must start with '/', got {path!r}"
        unknown = sorted(self.unsupported.difference(LiveSettings.__struct_fields__))
        return f"unsupported: setting {unknown[0]!r} is not known" if unknown else None
