"""How long a response asks to wait, in every form that services say it.

Sources: RFC 9110, 10.2.3 (``Retry-After``); platform.openai.com/docs/guides/rate-limits (``x-ratelimit-reset-*``, Go
durations such as ``6m0s``); openrouter.ai/docs/api-reference/limits (``x-ratelimit-reset``, Unix milliseconds);
docs.anthropic.com/en/api/rate-limits (``anthropic-ratelimit-*-reset``, RFC 3339); the vendors' SDKs
(``retry-after-ms``).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_GO_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+")
_GO_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_GO_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_RESET = re.compile(r"(?:x|anthropic)-ratelimit-(?:reset-?([\w-]*)|([\w-]+)-reset)")
# A number of seconds up to this is a wait, above it a Unix time, above a thousand times it one in milliseconds.
_LONGEST_WAIT_S = 1e8


def retry_after_s(headers: Mapping[str, str], *, limited: bool = False) -> float | None:
    """Seconds that the provider asks to wait, None when it does not say.

    ``retry-after-ms`` comes first, then ``Retry-After`` as seconds or as an HTTP date, then, when the request was
    `limited` (status 429), the reset times of the exhausted limits. Times are compared with the response's own
    ``Date``, so that a wrong clock here does no harm.

    Args:
        headers: of the response, with lower-case names.
    """
    millis = _finite(headers.get("retry-after-ms"))
    if millis:  # Azure sends 0 beside a Retry-After that says more
        return millis / 1000
    value = headers.get("retry-after", "").strip()
    seconds = _finite(value)
    if seconds is None:
        seconds = _until(_http_date(value), headers)
    return _limits_reset_s(headers) if seconds is None and limited else seconds


def _limits_reset_s(headers: Mapping[str, str]) -> float | None:
    """Until every exhausted limit is reset; when none is said to be exhausted, until the first of all is."""
    exhausted: list[float] = []
    all_: list[float] = []
    for name, value in headers.items():
        match = _RESET.fullmatch(name)
        wait = _reset_s(value.strip(), headers) if match else None
        if match is None or not wait:
            continue
        all_.append(wait)
        limit = match.group(1) or match.group(2)
        others = (
            f"x-ratelimit-remaining-{limit}",
            f"anthropic-ratelimit-{limit}-remaining",
            f"x-ratelimit-{limit}-remaining",
        )
        remaining = next((headers[other] for other in others if other in headers), None) if limit else "0"
        if _finite(remaining) == 0:
            exhausted.append(wait)
    return max(exhausted) if exhausted else min(all_, default=None)


def _reset_s(value: str, headers: Mapping[str, str]) -> float | None:
    if _GO_DURATION.fullmatch(value):
        return sum(float(number) * _GO_UNIT_S[unit] for number, unit in _GO_STEP.findall(value))
    number = _finite(value)
    if number is None:
        return _until(_rfc3339(value), headers)
    if number <= _LONGEST_WAIT_S:
        return number
    return _until(number / 1000 if number > _LONGEST_WAIT_S * 1000 else number, headers)


def _until(moment: float | None, headers: Mapping[str, str]) -> float | None:
    if moment is None:
        return None
    now = _http_date(headers.get("date", ""))
    return max(0.0, moment - (time.time() if now is None else now))


def _finite(value: str | None) -> float | None:
    try:
        number = float(value) if value else math.nan
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _http_date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (TypeError, ValueError, OverflowError):
        return None


def _rfc3339(value: str) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        return None
