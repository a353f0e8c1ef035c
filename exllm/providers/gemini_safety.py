"""Gemini's safety settings, checked before they are sent.

Source: https://ai.google.dev/gemini-api/docs/safety-settings,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/configure-safety-filters
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.spec import ProviderSpec, near

CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
    "HARM_CATEGORY_JAILBREAK",
    "HARM_CATEGORY_IMAGE_HATE",
    "HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT",
    "HARM_CATEGORY_IMAGE_HARASSMENT",
    "HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT",
)
THRESHOLDS = (
    "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF",
)
METHODS = ("SEVERITY", "PROBABILITY")
"""How Vertex AI measures; the Gemini API has one way."""

_ALLOWED = {"category": CATEGORIES, "threshold": THRESHOLDS, "method": METHODS}


def _is_setting(given: object) -> bool:
    return isinstance(given, dict)


def safety_settings(settings: Sequence[dict[str, Any]], spec: ProviderSpec) -> list[dict[str, Any]]:
    """The settings as they are sent. Raises `InvalidRequest` that lists what is allowed."""
    fields = _ALLOWED if "vertex" in spec.quirks else {**_ALLOWED, "method": ()}
    if isinstance(settings, str) or not isinstance(settings, Sequence) or not all(map(_is_setting, settings)):
        raise InvalidRequest(
            f"safety_settings: {spec.label} takes a list of dicts with category and threshold, got {settings!r}",
            provider=spec.name,
        )
    seen = set()
    for setting in settings:
        for name in setting.keys() - fields.keys():
            raise InvalidRequest(
                f"a safety setting has the fields category and threshold, not {name!r}{near(str(name), fields)}",
                provider=spec.name,
            )
        for name, allowed in fields.items():
            value = setting.get(name)
            if (value is None and name != "method") or (value is not None and value not in allowed):
                taken = (
                    f"{spec.label} takes {name} = {' | '.join(allowed)}" if allowed else f"{spec.label} has no {name}"
                )
                raise InvalidRequest(f"safety_settings: {taken}, got {value!r}", provider=spec.name)
        if setting["category"] in seen:
            raise InvalidRequest(f"safety_settings: {setting['category']} is set twice", provider=spec.name)
        seen.add(setting["category"])
    return list(settings)
