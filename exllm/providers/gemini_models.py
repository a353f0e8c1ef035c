"""What differs between the Gemini models and a request must know.

Read from the model's name, so that dated and preview names are understood; names without a version
(``gemini-pro-latest``) and models to come count as the newest.
Sources: https://ai.google.dev/gemini-api/docs/thinking, https://ai.google.dev/gemini-api/docs/media-resolution,
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking (the table of levels),
https://ai.google.dev/gemini-api/docs/function-calling#multimodal
"""

from __future__ import annotations

import functools
import re

import msgspec


class ModelFacts(msgspec.Struct, frozen=True):
    """What one model takes.

    Attributes:
        levels: is told how long to think in words (``thinkingLevel``); the others take a number of tokens.
        has_minimal: knows the least of these words, ``MINIMAL``. Pro models and flash since 3.7 begin with ``LOW``.
        can_rest: can be kept from thinking altogether.
        media_results: takes images and documents inside the result of a function call, and a resolution for each
            image; the others want them beside the result, and know one resolution for the whole request.
    """

    levels: bool = False
    has_minimal: bool = False
    can_rest: bool = True
    media_results: bool = False


_BEFORE_3 = ModelFacts()
_PRO_BEFORE_3 = ModelFacts(can_rest=False)
_NEWEST = ModelFacts(levels=True, can_rest=False, media_results=True)
_NEWEST_QUICK = msgspec.structs.replace(_NEWEST, has_minimal=True)
_NO_MINIMAL_SINCE = (3, 7)
_VERSION = re.compile(r"gemini-(?:[a-z]+-)*(\d+)(?:\.(\d+))?")


@functools.lru_cache(maxsize=256)
def model_facts(model: str) -> ModelFacts:
    """The facts of the model with this id."""
    name = model.rpartition("/")[2].lower()
    found = _VERSION.match(name)
    if found is not None and int(found[1]) < 3:
        return _PRO_BEFORE_3 if "-pro" in name else _BEFORE_3
    if "flash-lite" in name or (
        found is not None and "flash" in name and (int(found[1]), int(found[2] or 0)) < _NO_MINIMAL_SINCE
    ):
        return _NEWEST_QUICK
    return _NEWEST if name.startswith("gemini") else _BEFORE_3
