"""How an answer of the Responses API ends, or fails.

Sources: https://developers.openai.com/api/reference/resources/responses (`status`, `incomplete_details`, `error`)
"""

from __future__ import annotations

from typing import Any

from exllm.errors import ExLLMError
from exllm.providers.error_mapping import error_in_stream
from exllm.types.chunks import FinishReason

INCOMPLETE: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "max_messages": "length",
    "max_tool_calls": "length",
    "content_filter": "content_filter",
}
"""What `incomplete_details.reason` says. Others, such as ``steered``, are an end that the caller brought about."""

# Codes of a failed response that the same request would meet again. All others are the provider's own failure.
_OF_THE_REQUEST = frozenset(
    {
        "invalid_prompt", "data_residency_mismatch", "bio_policy", "misalignment_policy_violation", "invalid_image",
        "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small",
        "image_parse_error", "image_content_policy_violation", "invalid_image_mode", "image_file_too_large",
        "unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found",
        "content_filter", "cyber_policy",
    }
)  # fmt: skip


def failure(error: Any, provider: str, model: str) -> ExLLMError:
    """The exception for the `error` of a failed response, or of an ``error`` event.

    Its fields may stand in the event itself, as documented, or one level deeper, as they are really sent.
    """
    if isinstance(error, dict):
        inner = error.get("error")
        if isinstance(inner, dict):
            error = inner
        facts = {name: value for name, value in error.items() if (name, value) != ("type", "error")}
        facts.pop("sequence_number", None)
        if facts.get("code") in _OF_THE_REQUEST:
            facts["type"] = "invalid_request_error"
        error = {"error": facts}
    elif isinstance(error, str):
        error = {"error": {"message": error}}
    else:
        error = {
            "error": {"message": "the provider says that the response failed, and not why", "code": "server_error"}
        }
    return error_in_stream(error, provider=provider, model=model)
