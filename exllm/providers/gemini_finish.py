"""Why an answer of Gemini ended, in our words.

Sources: https://ai.google.dev/api/generate-content#FinishReason,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#finishreason
"""

from __future__ import annotations

from exllm.types.chunks import FinishReason

_FILTERED = (
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
)
FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "FUNCTION_CALL": "tool_calls",  # not Google: servers that imitate it
    **dict.fromkeys(_FILTERED, "content_filter"),
}
"""All others (a malformed call, no image, an unsupported language, ...) are failures of the model: ``error``."""

_EXPLANATIONS = {
    "CONTINUATION": "a request's limit was reached, not the end: send the answer back with the continuation token, "
    "extra={'continuationToken': ...}, and the model goes on",
    "MALFORMED_FUNCTION_CALL": "the model called a function in a form that cannot be read; ask again",
    "MISSING_THOUGHT_SIGNATURE": "an earlier answer was sent back without its thought signatures",
}
# What both APIs number alike; only asked for with enum-encoding=int.
_NUMBERED = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
_NUMBERED_BLOCKS = {1: "SAFETY", 2: "OTHER", 3: "BLOCKLIST", 4: "PROHIBITED_CONTENT"}
_UNSPECIFIED = (
    None, "", 0, "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"
)  # fmt: skip


def reason_word(reason: str | int | None) -> str | None:
    """The name of a reason to finish; None where it says nothing."""
    return _word(reason, _NUMBERED)


def block_word(reason: str | int | None) -> str | None:
    """The name of a reason to block the prompt; None where it says nothing."""
    return _word(reason, _NUMBERED_BLOCKS)


def _word(reason: str | int | None, numbered: dict[int, str]) -> str | None:
    if reason in _UNSPECIFIED:
        return None
    return reason if isinstance(reason, str) else numbered.get(reason or 0, str(reason))


def common_reason(word: str, *, has_calls: bool) -> FinishReason:
    """Our word for Gemini's. It says STOP for tool calls, too."""
    reason = FINISH_REASONS.get(word, "error")
    return "tool_calls" if reason == "stop" and has_calls else reason


def explanation(word: str) -> str | None:
    """What to do about `word`, where Gemini itself gives no message."""
    return _EXPLANATIONS.get(word)
