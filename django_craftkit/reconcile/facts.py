"""Joining facts: any of them in any order, with repeats, end in the same row."""

from __future__ import annotations

import json
import logging
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.db import OperationalError, connections, transaction

from django_craftkit.database import database
from django_craftkit.models import Change, Job
from django_craftkit.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: How often a transaction that lost a deadlock is run.
TRIES = 5


def in_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in a transaction of Craftkit's database, again if it loses a deadlock."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        using = database()
        for attempt in range(1, TRIES + 1):
            outermost = not connections[using].in_atomic_block
            try:
                with transaction.atomic(using=using):
                    return function(*args, **kwargs)
            except OperationalError as error:
                # Inside somebody's transaction only they can start over.
                if not outermost or attempt == TRIES:
                    raise
                logger.info("%s is run again: %s", function.__qualname__, error)
                time.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    return run


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def join_answers(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return both: null never over a value, and of two values the same one in either order."""
    joined = dict(one)
    for name, value in other.items():
        if value is None and joined.get(name) is not None:
            continue
        if joined.get(name) is None:
            joined[name] = value
        else:
            joined[name] = max(joined[name], value, key=_order)
    return joined


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return (0, value, "")
    return (1, 0, json.dumps(value, sort_keys=True, default=str))


def record(changes: Iterable[Change], senders: Mapping[str, type[Any]]) -> None:
    """Write the history of a transaction, and the jobs that announce it."""
    changes = list(changes)
    waiting: dict[str, set[int]] = {}
    for change in changes:
        signal = SIGNALS.get(change.signal)
        if signal is not None and signal.receivers_of(senders[change.kind]):
            change.announcement = Change.Announcement.DUE
            waiting.setdefault(change.kind, set()).add(change.object_id)
    if changes:
        Change.objects.using(database()).bulk_create(changes)
    for kind, object_ids in waiting.items():
        Job.objects.wish(f"announce {kind}", object_ids)
