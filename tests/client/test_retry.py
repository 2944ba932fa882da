from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.client import (
    AuthenticationError,
    CraftkitConnectionError,
    CraftkitError,
    CraftkitTimeout,
    CreditsExhausted,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from django_craftkit.client.retry import (
    LONGEST_RETRY_AFTER,
    backoff,
    delay,
    retry_after,
    should_retry,
)

REFUSED = CraftkitConnectionError(maybe_handled=False)
NEVER: list[CraftkitError] = [
    AuthenticationError(status=401),
    CreditsExhausted(status=402),
    PermissionDenied(status=403),
    NotFound(status=404),
    InvalidRequest(status=400),
    InvalidResponse(status=200),
    ServerError(status=503, code="email_not_configured", maybe_handled=False),
    ServerError(status=503, code="signatures_unavailable", maybe_handled=False),
]
PROVEN: list[CraftkitError] = [
    REFUSED,
    CraftkitTimeout(maybe_handled=False),
    RateLimited(status=429),
    ServerError(status=503, code="queue_unavailable", maybe_handled=False),
]
UNKNOWN: list[CraftkitError] = [
    CraftkitConnectionError(),
    CraftkitTimeout(),
    ServerError(status=500),
    ServerError(status=502),
    ServerError(status=503),
]


@pytest.mark.parametrize(
    ("errors", "repeatable", "retried"),
    [
        (PROVEN + UNKNOWN, True, True),
        (PROVEN, False, True),
        (UNKNOWN, False, False),
        (NEVER, True, False),
        (NEVER, False, False),
    ],
)
def test_a_call_is_retried_where_that_helps_and_does_nothing_twice(
    errors: list[CraftkitError], repeatable: bool, retried: bool
) -> None:
    for error in errors:
        again = should_retry(error, attempt=1, max_retries=2, repeatable=repeatable)
        assert again is retried, error


def test_tries_end() -> None:
    assert should_retry(REFUSED, attempt=2, max_retries=2, repeatable=True)
    assert not should_retry(REFUSED, attempt=3, max_retries=2, repeatable=True)
    assert not should_retry(REFUSED, attempt=1, max_retries=0, repeatable=True)


def test_nobody_sleeps_longer_than_half_a_minute() -> None:
    near, far = RateLimited(retry_after=30.0), RateLimited(retry_after=30.1)
    assert should_retry(near, attempt=1, max_retries=1, repeatable=True)
    assert not should_retry(far, attempt=1, max_retries=1, repeatable=True)


def test_what_craftkit_asks_for_comes_before_our_own_pace() -> None:
    assert delay(RateLimited(retry_after=7.0), attempt=1, random=lambda: 1.0) == 7.0
    assert delay(RateLimited(retry_after=0.0), attempt=5, random=lambda: 1.0) == 0.0
    assert delay(RateLimited(), attempt=3, random=lambda: 1.0) == 4.0


def test_the_pace_doubles_up_to_its_cap() -> None:
    longest = [backoff(n, random=lambda: 1.0) for n in range(1, 8)]
    assert longest == [1, 2, 4, 8, 16, 30, 30]
    assert backoff(3, base=5, cap=12, random=lambda: 1.0) == 12
    assert backoff(0, random=lambda: 1.0) == backoff(-5, random=lambda: 1.0) == 1


@given(st.integers(), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full_and_never_leaves_its_bounds(attempt: int, chance: float) -> None:
    assert 0 <= backoff(attempt, random=lambda: chance) <= 30
    assert backoff(attempt, random=lambda: 0.0) == 0
    assert 0 <= backoff(attempt) <= 30


NOW = datetime(2026, 6, 5, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("9" * 50, LONGEST_RETRY_AFTER),
        ("9" * 5000, None),
        ("Fri, 05 Jun 2026 10:00:20 GMT", 20.0),
        ("Fri, 05 Jun 2026 09:00:00 GMT", 0.0),
        ("Fri, 05 Jun 2099 10:00:00 GMT", LONGEST_RETRY_AFTER),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("\u0663", None),
        ("Fri, 99 Foo 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=NOW) == seconds


@given(st.text())
def test_a_strange_retry_after_raises_nothing(header: str) -> None:
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER


@given(st.integers(0, 3_600))
def test_a_date_means_the_seconds_until_then(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(header, now=NOW) == seconds
