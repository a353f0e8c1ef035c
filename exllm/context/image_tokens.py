"""What an image costs in tokens, by the rules that the providers publish.

Sources: https://developers.openai.com/api/docs/guides/images-vision (tiles, patches),
https://platform.claude.com/docs/en/build-with-claude/vision (patches of 28 pixels; earlier told as width*height/750),
https://ai.google.dev/gemini-api/docs/tokens (258 a tile),
https://ai.google.dev/gemini-api/docs/media-resolution (Gemini 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

ImageRule = Callable[[int, int, str | None], int]
"""Width, height, and `Image.detail`, to tokens."""


def image_rule(family: str, model: str) -> ImageRule | None:
    """The rule for a model of a family of `exllm.context.families`; None where none is published."""
    model = model.lower().rpartition("/")[2]
    match family:
        case "openai":
            return _openai(model)
        case "anthropic":
            is_fine = any(name in model for name in _CLAUDE_FINE)
            edge, most = (2576, 4784) if is_fine else (1568, 1568)
            return lambda width, height, _detail: _claude(width, height, edge, most)
        case "gemini":
            return _gemini_3 if "gemini-3" in model else _gemini
    return None


# -- OpenAI

# Model, longest name first where one begins another: (base, tokens a tile).
_TILES = {
    "gpt-4o-mini": (2833, 5667),
    "gpt-4o": (85, 170),
    "gpt-4.1": (85, 170),
    "gpt-4.5": (85, 170),
    "gpt-4-turbo": (85, 170),
    "chatgpt-4o": (85, 170),
    "computer-use-preview": (65, 129),
    "o1": (75, 150),
    "o3": (75, 150),
    "gpt-5": (70, 140),
}
# Tokens a patch of 32 pixels, at most `_PATCHES` of them.
_PATCHED = {
    "gpt-4.1-mini": Fraction("1.62"),
    "gpt-4.1-nano": Fraction("2.46"),
    "gpt-5-mini": Fraction("1.62"),
    "gpt-5-nano": Fraction("2.46"),
    "gpt-5.4-mini": Fraction("1.62"),
    "o4-mini": Fraction("1.72"),
}
_PATCHES = 1536
_PATCH = 32


def _openai(model: str) -> ImageRule | None:
    patched = next((rate for name, rate in _PATCHED.items() if model.startswith(name)), None)
    if patched is not None:
        return lambda width, height, _detail: math.ceil(_patches(width, height) * patched)
    for name, (base, tile) in _TILES.items():
        # "gpt-5" is not "gpt-5.4": newer models have rules of their own.
        if model == name or model.startswith(name + "-"):
            return lambda width, height, detail, base=base, tile=tile: (  # type: ignore[misc]
                base if detail == "low" else base + tile * _tiles(width, height)
            )
    return None


def _tiles(width: int, height: int) -> int:
    """Fitted into 2048 by 2048, then to 768 on the short side, never enlarged: tiles of 512."""
    shrink = min(Fraction(1), Fraction(2048, max(width, height)))
    shrink *= min(Fraction(1), Fraction(768) / (min(width, height) * shrink))
    return math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)


def _patches(width: int, height: int) -> int:
    patches = math.ceil(width / _PATCH) * math.ceil(height / _PATCH)
    if patches <= _PATCHES:
        return patches
    shrink = math.sqrt(_PATCHES * _PATCH**2 / (width * height))
    across, down = width * shrink / _PATCH, height * shrink / _PATCH
    shrink *= min(math.floor(across) / across, math.floor(down) / down)
    return math.ceil(width * shrink / _PATCH - 1e-9) * math.ceil(height * shrink / _PATCH - 1e-9)


# -- Anthropic

# Read images of up to 2,576 pixels on the long edge.
_CLAUDE_FINE = ("opus-4-7", "opus-4.7", "opus-4-8", "opus-4.8", "opus-5", "sonnet-5", "fable-5", "mythos")
_CLAUDE_PATCH = 28


def _claude(width: int, height: int, longest: int, most: int) -> int:
    """Patches of 28 pixels, at most `most` of them: a larger image is made smaller."""
    shrink = min(1.0, longest / max(width, height))
    while True:
        tokens = math.ceil(width * shrink / _CLAUDE_PATCH) * math.ceil(height * shrink / _CLAUDE_PATCH)
        if tokens <= most:
            return tokens
        shrink *= min(0.999, math.sqrt(most / tokens))


# -- Google


def _gemini(width: int, height: int, _detail: str | None) -> int:
    """258 where both sides are at most 384, else 258 for each tile of a crop unit of the short side / 1.5."""
    if max(width, height) <= 384:
        return 258
    unit = min(768, max(256, int(min(width, height) / 1.5)))
    return 258 * math.ceil(width / unit) * math.ceil(height / unit)


_GEMINI_3 = {"low": 280, "high": 1120, "original": 2240}


def _gemini_3(_width: int, _height: int, detail: str | None) -> int:
    return _GEMINI_3.get(detail or "high", 1120)
