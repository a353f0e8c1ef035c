"""Every form in which a response asks to wait."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from exllm.providers.retry_after import retry_after_s

NOW = 1_750_000_000
DATE = formatdate(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "0", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": formatdate(NOW + 30, usegmt=True), "date": DATE}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True), "date": DATE}, 0.0),
        ({"retry-after": "Sunday, 15-Jun-25 15:07:10 GMT", "date": DATE}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Sun, 99 Foo 2025 00:00:00 GMT"}, None),
        ({"x-ratelimit-reset-requests": "5s"}, None),  # the request was not limited
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s


def test_a_date_is_compared_with_our_clock_when_the_response_has_no_date() -> None:
    wait_s = retry_after_s({"retry-after": formatdate(time.time() + 100, usegmt=True)})

    assert wait_s is not None
    assert 90 < wait_s <= 100


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, 360.0),
        ({"x-ratelimit-reset-tokens": "120ms", "x-ratelimit-remaining-tokens": "0"}, 0.12),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        # Every limit that is used up must be reset; one that is not does not count.
        (
            {
                "x-ratelimit-reset-requests": "10s", "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "20s", "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-images": "99s", "x-ratelimit-remaining-images": "5",
            },
            20.0,
        ),
        # None says that it is used up: no sooner than the first reset can it help.
        (
            {
                "x-ratelimit-reset-requests": "10s", "x-ratelimit-remaining-requests": "3",
                "x-ratelimit-reset-tokens": "20s", "x-ratelimit-remaining-tokens": "7",
            },
            10.0,
        ),
        ({"x-ratelimit-reset": "12"}, 12.0),
        ({"x-ratelimit-reset": str(NOW + 12), "date": DATE}, 12.0),
        ({"x-ratelimit-reset": str((NOW + 12) * 1000), "date": DATE}, 12.0),  # OpenRouter
        ({"x-ratelimit-reset": str(NOW - 12), "date": DATE}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        (
            {"anthropic-ratelimit-tokens-reset": "2025-06-15T15:07:00Z", "anthropic-ratelimit-tokens-remaining": "0",
             "date": DATE},
            20.0,
        ),
        ({"retry-after": "3", "x-ratelimit-reset-requests": "10s"}, 3.0),
        ({"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0"}, None),
    ],
)  # fmt: skip
def test_reset_times_count_when_the_request_was_limited(headers: dict[str, str], wait_s: float | None) -> None:
    found = retry_after_s(headers, limited=True)

    assert found is None if wait_s is None else found == pytest.approx(wait_s)
