"""When to retry a call, and after how long: functions without side effects, and a sleep.

Source: https://docs.craftkit.dev/api-reference/errors (retry rule: 1 s, 2, 4, 8, 16, at most 30)
"""

from __future__ import annotations

import email.utils
import re
import time
from datetime import UTC, datetime
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from django_craftkit.client.errors import (
    CraftkitConnectionError,
    CraftkitError,
    RateLimited,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SLEEP: Final = 30.0
"""Seconds a call sleeps at most before it is retried."""
LONGEST_RETRY_AFTER: Final = 3_600.0
"""Seconds; a longer `Retry-After` is taken as this, so that no typing error stops a project."""

_SECONDS = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_random = SystemRandom().random


def should_retry(error: CraftkitError, *, attempt: int, max_retries: int, repeatable: bool) -> bool:
    """Whether a call may be retried after `attempt` tries (1 after the first).

    Args:
        repeatable: doing it twice is doing it once: GET, DELETE, a render with its key, another
            name for a project. Any other call is retried only where Craftkit proved that it did not
            act, and may act later.
    """
    if attempt > max_retries or (error.retry_after or 0.0) > LONGEST_SLEEP:
        return False
    if repeatable:
        passing = isinstance(error, CraftkitConnectionError | RateLimited | ServerError)
        return passing and error.code not in ("email_not_configured", "signatures_unavailable")
    if error.maybe_handled:
        return False
    return isinstance(error, CraftkitConnectionError | RateLimited) or (
        isinstance(error, ServerError) and error.code == "queue_unavailable"
    )


def delay(error: CraftkitError, *, attempt: int, random: Callable[[], float] = _random) -> float:
    """Seconds to wait after `attempt` tries: what Craftkit asks for, else `backoff`."""
    return backoff(attempt, random=random) if error.retry_after is None else error.retry_after


def backoff(
    attempt: int,
    *,
    base: float = 1.0,
    cap: float = LONGEST_SLEEP,
    random: Callable[[], float] = _random,
) -> float:
    """Exponential with full jitter: between 0 and `base * 2 ** (attempt - 1)` seconds, or `cap`.

    Args:
        attempt: tries that have failed, 1 after the first. Less counts as 1.
        random: returns a number from 0 up to 1.
    """
    # Beyond 2**62 any cap is reached, and a float could overflow.
    ceiling = min(cap, base * 2.0 ** min(max(attempt, 1) - 1, 62))
    return ceiling * random()


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds from a `Retry-After` header, in seconds or as an HTTP date; None if it is neither.

    The past is 0, the far future `LONGEST_RETRY_AFTER`.
    """
    if value is None or len(value) > 100:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def sleep(seconds: float) -> None:
    """Wait. A function of its own, so that tests need not."""
    time.sleep(seconds)
