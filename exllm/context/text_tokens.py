"""How many tokens a text is, nearly, for any tokenizer: by the kinds of pieces that byte-pair tokenizers cut at.

The weights are near to what ``o200k_base`` makes of prose, code and JSON; what a family of models makes more or less
of the same text is its `Family.text`.
"""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"([A-Za-z]+)"
    r"|([0-9]+)"
    r"|([!-/:-@\[-`{-~]+)"
    r"|(\s\s+|\n)"  # one blank between words is part of the next word
    r"|([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]+)"  # kana, Han, Hangul, full-width forms
    r"|([^\W\d_]+)"  # letters of all other scripts
    r"|([^\s])"
)
_WHOLE_WORD = 6  # letters that are nearly always one token


def text_tokens(text: str) -> float:
    """The tokens of `text`, not rounded, so that sums of many texts stay right."""
    total = 0.0
    for piece in _PIECE.finditer(text):
        length = piece.end() - piece.start()
        match piece.lastindex:
            case 1:  # a word
                total += 1.0 if length <= _WHOLE_WORD else 1.0 + (length - _WHOLE_WORD) * 0.17
            case 2:  # digits go by threes
                total += -(-length // 3)
            case 3:  # punctuation
                total += -(-length // 2) * 0.9
            case 4:
                total += 0.5
            case 5:
                total += length * 0.75
            case 6:
                total += length * 0.42
            case _:  # symbols, emoji
                total += 1.5
    return total
