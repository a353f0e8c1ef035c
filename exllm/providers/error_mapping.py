"""From an error response, whatever its body, to the exception that tells the caller what to do.

Shared by all wires. What decides, in this order: the provider's own error code or type where it is specific, telling
words in the message (many services report a full context window as a plain 400), the HTTP status.

Sources: the error pages of OpenAI, Anthropic, Google AI, OpenRouter, Groq, DeepSeek, Moonshot and Z.ai; the bodies in
``tests/recordings``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    ExLLMError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestTimeout,
    ServerError,
)
from exllm.providers.error_bodies import MAX_BODY_CHARS, MAX_MESSAGE_CHARS, read_error, read_error_body
from exllm.providers.retry_after import retry_after_s

# Codes and types that say more than the status does. Compared in lower case.
_BY_CODE: dict[str, type[ExLLMError]] = {
    "context_length_exceeded": ContextLengthExceeded,  # OpenAI, Groq, Cerebras
    "context_window_exceeded": ContextLengthExceeded,
    "exceed_context_size_error": ContextLengthExceeded,  # llama.cpp
    "model_context_window_exceeded": ContextLengthExceeded,
    "insufficient_quota": QuotaExceeded,  # OpenAI, with status 429
    "billing_hard_limit_reached": QuotaExceeded,
    "billing_not_active": QuotaExceeded,
    "billing_error": QuotaExceeded,  # Anthropic
    "exceeded_current_quota_error": QuotaExceeded,  # Moonshot, with status 429
    "insufficient_balance": QuotaExceeded,
    "1113": QuotaExceeded,  # Z.ai: account in arrears, with status 429
    "invalid_api_key": AuthenticationError,
    "api_key_invalid": AuthenticationError,  # Gemini, with status 400
    "incorrect_api_key_error": AuthenticationError,
    "invalid_authentication_error": AuthenticationError,  # Moonshot
    "authentication_error": AuthenticationError,
    "unauthenticated": AuthenticationError,
    "permission_error": PermissionDenied,
    "permission_denied": PermissionDenied,
    "permission_denied_error": PermissionDenied,
    "model_not_found": NotFound,
    "not_found_error": NotFound,
    "resource_not_found_error": NotFound,
    "deploymentnotfound": NotFound,  # Azure
    "rate_limit_error": RateLimited,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_reached_error": RateLimited,  # Moonshot
    "ratelimitreached": RateLimited,  # Azure
    "too_many_requests": RateLimited,
    "resource_exhausted": RateLimited,  # Gemini
    "overloaded_error": Overloaded,  # Anthropic
    "engine_overloaded_error": Overloaded,  # Moonshot
    "unavailable": Overloaded,  # Gemini
    "capacity_exceeded": Overloaded,
    "unrecognizedclientexception": AuthenticationError,  # Amazon, with status 403, as the next ones
    "invalidsignatureexception": AuthenticationError,
    "incompletesignatureexception": AuthenticationError,
    "missingauthenticationtokenexception": AuthenticationError,
    "expiredtokenexception": AuthenticationError,
    "accessdeniedexception": PermissionDenied,
    "resourcenotfoundexception": NotFound,
    "throttlingexception": RateLimited,
    "toomanyrequestsexception": RateLimited,
    "servicequotaexceededexception": QuotaExceeded,
    "modelnotreadyexception": Overloaded,  # with status 429
    "serviceunavailableexception": Overloaded,
    "modeltimeoutexception": RequestTimeout,
    "modelerrorexception": ServerError,  # with status 424, as the next one
    "modelstreamerrorexception": ServerError,
}

# Codes that only repeat the status. They decide where there is no status: in the middle of a stream.
_BY_GENERIC_CODE: dict[str, type[ExLLMError]] = {
    "invalid_request_error": InvalidRequest,
    "invalid_request": InvalidRequest,  # LM Studio
    "bad_request_error": InvalidRequest,
    "invalid_argument": InvalidRequest,
    "failed_precondition": InvalidRequest,
    "request_too_large": InvalidRequest,
    "invalid_prompt": InvalidRequest,
    "content_policy_violation": InvalidRequest,
    "content_filter": InvalidRequest,
    "tool_use_failed": InvalidRequest,
    "not_found": NotFound,
    "validationexception": InvalidRequest,  # Amazon
    "internalserverexception": ServerError,
    "requests": RateLimited,  # OpenAI's `type` of 429s: which limit was hit
    "tokens": RateLimited,
    "timeout_error": ServerError,
    "api_error": ServerError,
    "server_error": ServerError,
    "internal": ServerError,
    "deadline_exceeded": ServerError,
}

_BY_STATUS: dict[int, type[ExLLMError]] = {
    401: AuthenticationError,
    402: QuotaExceeded,
    403: PermissionDenied,
    404: NotFound,
    408: RequestTimeout,
    409: ServerError,  # a lock held by another request of ours: the vendors' SDKs send it again
    429: RateLimited,
    498: Overloaded,  # Groq: no capacity in the flex tier
    503: Overloaded,
    529: Overloaded,
}

_CONTEXT_WORDS = re.compile(
    r"maximum context length|max(?:imum)? context (?:length|window)|context[ _]length[ _]exceeded"
    r"|exceeds? the (?:available )?context (?:window|size)|exceeds? the model'?s? (?:max(?:imum)? )?context"
    r"|prompt (?:is )?too long|input is too long|too many input tokens|input tokens exceeded"
    r"|exceeds the maximum number of tokens|maximum prompt length|exceeded model token limit"
    r"|(?:exceeds|longer than) the context length|too many tokens: (?:total number|size limit)"  # Ollama, Cohere
    r"|input token length too long|prompt exceeds max length|greater than the context length"
    r"|reduce the length of the (?:messages|prompt|input)|inputs?`? tokens \+ `?max_new_tokens",
    re.IGNORECASE,
)
_QUOTA_WORDS = re.compile(
    r"credit balance is too low|insufficient (?:balance|credits?|funds)|used all available credits"
    r"|exceeded your current quota, please check your plan|requires more credits|monthly spending limit"
    r"|payment required",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(
    r"(?:incorrect|invalid) api[ -]key|api[ -]key not valid|invalid authentication credentials", re.IGNORECASE
)

# Services repeat the key they were sent, some of them whole. `sk-...` and its kin, bearer tokens, and the word after
# "API key provided:" never leave the library.
_SECRETS = re.compile(
    r"\b(?:sk|pk|rk|gsk|csk|xai|pplx|hf|fw|tgp|nvapi|r8|ak)[-_][\w*.\-]{6,}\w|\bAIza[\w\-]{20,}"
    r"|(?<=[Bb]earer )[\w*.\-+/=]{6,}|(?<=api key provided: )[^\s\"',]+\w|(?<=API key provided: )[^\s\"',]+\w"
    r"|(?<=api key: )[^\s\"',]+\w|(?<=API key: )[^\s\"',]+\w"
)

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "mistral-correlation-id")


def error_for_status(
    status: int | None,
    message: str,
    *,
    provider: str | None = None,
    model: str | None = None,
    code: str | None = None,
    kind: str | None = None,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
    retry_wait_s: float | None = None,
) -> ExLLMError:
    """The exception for an error of a provider.

    Args:
        status: of the HTTP response, or None for an error inside a stream that names none.
        message: the provider's words; secrets in it are masked.
        code, kind: the provider's error code and error type; the more telling of them ends up as `error.code`.
        body: as received; kept, masked and cut to 64 KiB.
        headers: of the response, with lower-case names: request id, Retry-After, ``x-should-retry``.
        request_id, retry_wait_s: from the body; the headers win.
    """
    headers = headers or {}
    message = message[:MAX_MESSAGE_CHARS]
    cls = _class_for(status, message, code, kind)
    should_retry = headers.get("x-should-retry", "").lower()  # OpenAI and Anthropic: their own verdict
    wait = retry_after_s(headers, limited=status == 429)
    return cls(
        mask_secrets(message),
        provider=provider,
        model=model,
        status=status,
        code=code or kind,
        request_id=request_id_of(headers) or request_id,
        retry_after_s=retry_wait_s if wait is None else wait,
        body=_body_text(body),
        retryable={"true": True, "false": False}.get(should_retry),
    )


def error_for_body(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    provider: str | None = None,
    model: str | None = None,
) -> ExLLMError:
    """The exception for an error response of any service: JSON in one of the usual shapes, HTML, plain text, empty."""
    facts = read_error_body(body)
    advice = _ADVICE[_class_for(status, "", None, None)]
    message = facts.message or f"HTTP {status} with an empty body: {advice}"
    return error_for_status(
        status, message, provider=provider, model=model, code=facts.code, kind=facts.kind, body=body, headers=headers,
        request_id=facts.request_id, retry_wait_s=facts.retry_after_s,
    )  # fmt: skip


def error_in_stream(data: Any, *, provider: str | None = None, model: str | None = None) -> ExLLMError:
    """The exception for an error that arrived inside an answer, decoded from JSON."""
    facts = read_error(data)
    return error_for_status(
        facts.status, facts.message or "the provider reported an error without a message", provider=provider,
        model=model, code=facts.code, kind=facts.kind, body=msgspec.json.encode(data), request_id=facts.request_id,
        retry_wait_s=facts.retry_after_s,
    )  # fmt: skip


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The provider's id of the request; `headers` has lower-case names."""
    for name in _REQUEST_ID_HEADERS:
        value = headers.get(name)
        if value:
            return value
    return None


def mask_secrets(text: str) -> str:
    """`text` without anything that looks like an API key."""
    return _SECRETS.sub("***", text)


_ADVICE: dict[type[ExLLMError], str] = {
    AuthenticationError: "check the API key",
    PermissionDenied: "check what the API key may do",
    QuotaExceeded: "check the plan and billing of the account",
    NotFound: "check the model name and the base URL",
    RateLimited: "wait, then send it again",
    Overloaded: "the provider has no capacity now, wait and send it again",
    ServerError: "the provider failed, send it again",
    RequestTimeout: "the provider gave up waiting, send it again",
    InvalidRequest: "check the options and messages",
}


def _class_for(status: int | None, message: str, code: str | None, kind: str | None) -> type[ExLLMError]:
    words = [word.lower() for word in (code, kind) if word]
    for word in words:
        if word in _BY_CODE:
            return _BY_CODE[word]
    if status is None or 400 <= status < 500:
        if _QUOTA_WORDS.search(message):
            return QuotaExceeded
        if status != 429 and _CONTEXT_WORDS.search(message):
            return ContextLengthExceeded
        if status in (None, 400) and _KEY_WORDS.search(message):
            return AuthenticationError
    if status is not None and status >= 400:
        return _BY_STATUS.get(status) or (InvalidRequest if status < 500 else ServerError)
    for word in words:
        if word in _BY_GENERIC_CODE:
            return _BY_GENERIC_CODE[word]
    return ServerError


def _body_text(body: bytes | str | None) -> str | None:
    if body is None:
        return None
    text = body[: MAX_BODY_CHARS * 4].decode("utf-8", "replace") if isinstance(body, bytes) else body
    return mask_secrets(text[:MAX_BODY_CHARS])
