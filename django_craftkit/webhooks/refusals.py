"""What the log says of webhooks that were refused: one line a minute and project, and how many."""

from __future__ import annotations

import threading
import time
from collections import Counter

from django_craftkit.log import get_logger

logger = get_logger("django_craftkit.webhooks.views")

#: Seconds between two lines about one project.
INTERVAL = 60.0


class Refusals:
    """Whoever knows the address can be refused as often as they like: the log must not grow by it.

    Each process has one. Its memory is bounded: ``bucket`` is an alias that is configured, or None
    for all that aren't.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[str | None, float] = {}
        self._unsaid: dict[str | None, Counter[str]] = {}

    def note(self, bucket: str | None, project: str, why: str) -> None:
        """Log why a webhook for ``project`` was refused, or count it for the next line."""
        now = time.monotonic()
        with self._lock:
            if now < self._next.get(bucket, now):
                self._unsaid.setdefault(bucket, Counter())[why] += 1
                return
            self._next[bucket] = now + INTERVAL
            unsaid = self._unsaid.pop(bucket, Counter())
        text = f"{why}."
        if unsaid:
            more = "; ".join(f"{number} times: {what}" for what, number in unsaid.most_common())
            text += f" Refused since the last such line: {more}."
        # The alias is a stranger's text, from the address.
        logger.warning("A webhook for the project %r was refused: %s", project[:64], text)
