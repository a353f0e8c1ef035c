"""The protocols that every test of faults, streams and cancellation is run over: one file each."""

from __future__ import annotations

from tests.faults.dialects.anthropic_messages import ANTHROPIC
from tests.faults.dialects.dialect import TEXT, WORDS, Dialect
from tests.faults.dialects.openai_chat import OPENAI

__all__ = ["ANTHROPIC", "DIALECTS", "OPENAI", "TEXT", "WORDS", "Dialect"]

DIALECTS = (OPENAI, ANTHROPIC)
