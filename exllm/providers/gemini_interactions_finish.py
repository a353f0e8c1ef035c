"""How an interaction ends, or fails.

Source: https://ai.google.dev/api/interactions-api#Resource:Interaction (`status`)
"""

from __future__ import annotations

from typing import Any

from exllm.errors import ExLLMError
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.gemini_interactions_steps import StepReader
from exllm.types.chunks import Finish, FinishReason

UNDER_WAY = frozenset({"queued", "in_progress"})
"""Of an interaction that goes on in the background: it can be asked for by its id."""
FAILED = frozenset({"failed", "cancelled"})

_REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "incomplete": "length",
    "budget_exceeded": "length",
    "requires_continuation": "length",
}
"""All others are failures of the model: ``error``."""
_EXPLANATIONS = {
    "requires_continuation": "a request's limit was reached, not the end: ask again with the continuation_token, and "
    "the id of this interaction as previous_interaction_id (or the whole input, where nothing is stored)",
}


def finish_of(status: str, reader: StepReader) -> Finish:
    """The end of an interaction that did not fail."""
    reason = _REASONS.get(status, "error")
    message = _EXPLANATIONS.get(status)
    if reason == "stop" and reader.waits_for_caller:
        reason = "tool_calls"
    elif reader.error is not None and reason in ("stop", "length"):
        reason, message = "error", str(reader.error.get("message") or message or "") or None
    return Finish(reason, raw=status, message=message)


def failure(error: Any, provider: str, model: str, status: str = "failed") -> ExLLMError:
    """The exception for an ``error`` event, or an interaction with the status ``failed`` or ``cancelled``."""
    if not isinstance(error, dict) or not error:
        code = "cancelled" if status == "cancelled" else "server_error"
        kind = "invalid_request_error" if status == "cancelled" else None
        what = "was cancelled" if status == "cancelled" else "failed, and the provider does not say why"
        error = {"message": error if isinstance(error, str) and error else f"the interaction {what}", "code": code,
                 "type": kind}  # fmt: skip
    return error_in_stream({"error": error}, provider=provider, model=model)
