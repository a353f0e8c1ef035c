"""A provider's realtime endpoint as data."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from exllm.types.live_settings import LiveSettings

_PLACEHOLDER = re.compile(r"{(\w+)}")


class LiveSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider is spoken to in realtime; `wire` is empty where it has no such endpoint.

    Attributes:
        wire: which realtime protocol it speaks: ``gemini_live`` or ``openai_realtime``.
        url: scheme and host, ``wss://...``; may hold the placeholders of the base URL. ``live_url`` in a config
            replaces it.
        path: below `url`; ``{model}`` is the model's name, ``{call_id}`` the call that is joined.
        paths: other addresses of the same service by name, e.g. ``v1alpha``, ``transcription``, ``token``: see
            `LiveSettings.endpoint`. A wire takes some by itself, where a setting needs it.
        model: how the model is called in messages, ``models/{model}``; may hold the placeholders of the base URL.
        token_prefix: a key that begins so is a short-lived token: it travels in the query parameter `token_parameter`,
            to ``paths["token"]`` where there is one.
        token_path: where short-lived tokens are made, below the base URL; empty where there are none.
        default_model: used when only the provider is named.
        translation_token_path: the same for sessions that translate.
        translation_model: used for these when only the provider is named.
        transcription_model: what writes down the user's speech where ``input_transcription=True`` names none.
        unsupported: settings of the wire that this provider refuses.
        quirks: named deviations from the wire, see the wire's ``QUIRKS``.
        docs: the page that the facts here are from.
    """

    wire: str = ""
    url: str = ""
    path: str = ""
    paths: dict[str, str] = {}
    model: str = "{model}"
    token_prefix: str = ""
    token_parameter: str = ""
    token_path: str = ""
    translation_token_path: str = ""
    default_model: str | None = None
    translation_model: str = ""
    transcription_model: str = ""
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
            if not {*_PLACEHOLDER.findall(path)} <= {"model", "call_id", *settings}:
                return f"path has placeholders that are none of model, call_id and the settings: {path!r}"
        if not {*_PLACEHOLDER.findall(self.model)} <= {"model", *settings}:
            return f"model has placeholders that are none of model and the settings: {self.model!r}"
        unknown = sorted(self.unsupported.difference(LiveSettings.__struct_fields__))
        return f"unsupported: setting {unknown[0]!r} is not known" if unknown else None

    def is_token(self, key: str) -> bool:
        """Whether `key` is a short-lived token, which travels by another way."""
        return bool(self.token_prefix) and key.startswith(self.token_prefix)

    def model_name(self, model: str, placeholders: Mapping[str, str] = {}) -> str:
        """What messages call `model`: one that is named in full, or from its publisher on, keeps what it says."""
        above, _, kind = self.model.rpartition("publishers/")
        if model.startswith(("projects/", "models/", "tunedModels/")):
            return model
        name = f"{above}{{model}}" if kind and model.startswith("publishers/") else self.model
        for placeholder, value in {**placeholders, "model": model}.items():
            name = name.replace(f"{{{placeholder}}}", value)
        return name
