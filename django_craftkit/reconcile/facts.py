"""Joining facts: any of them in any order, with repeats, end in the same row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from django_craftkit.database import database, lock, storable
from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.signals import SIGNALS

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit.client import CraftkitError

#: What Craftkit gives an id of its own.
R = TypeVar("R", Render, SignatureRequest)

#: Whose history a change is a line of, by its kind.
SENDERS: dict[str, type[Any]] = {
    "render": Render,
    "share": Share,
    "engagement": EngagementEvent,
    "signature": SignatureRequest,
}
#: What the column of a count holds, whatever is said.
MAX_COUNT = 2**31 - 1


def lock_about(rows: QuerySet[R], row: R, remote_id: uuid.UUID | None) -> R | None:
    """Lock the row of this attempt; ``None`` where what is known is not about it any longer.

    Without an id it is a decision made here, about one that waits and that no other worker has
    sent.
    """
    found = lock(rows).filter(pk=row.pk, attempt=row.attempt).first()
    if found is None:
        return None
    if remote_id is None:
        is_about = found.status == found.Status.PENDING
    else:
        is_about = found.remote_id in (None, remote_id)
    return found if is_about else None


def lock_by_remote_id(
    rows: QuerySet[R], keys: Iterable[tuple[str, uuid.UUID]]
) -> dict[tuple[str, uuid.UUID], R]:
    """Lock the rows that these projects' ids stand for; those that there is a row for."""
    keys = set(keys)
    rows = lock(rows).filter(remote_id__in={remote_id for _, remote_id in keys}).order_by("pk")
    known = {(row.project, row.remote_id): row for row in rows if row.remote_id}
    return {key: row for key, row in known.items() if key in keys}


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


def refusal(error: CraftkitError) -> dict[str, Any]:
    """Return what is noted of something that Craftkit refuses to take."""
    return {
        "error": storable(error.message),
        "error_code": error.code[:64],
        "field_errors": storable(getattr(error, "field_errors", {})),
    }


def used_elsewhere(made_at: datetime) -> dict[str, Any]:
    """Return what is noted where a key answers with what it has not made here."""
    return {
        "error": (
            f"Craftkit knows this key from {made_at:%Y-%m-%d %H:%M} UTC, before "
            "it was used here: another database with the same namespace has sent it."
        ),
        "error_code": "key_used_elsewhere",
    }


def sender_of(change: Change) -> type[Any]:
    """Return whose signal announces a change: of what is about one person, the person's."""
    return SENDERS[change.kind] if change.recipient_id is None else SignatureRecipient


def record(changes: Iterable[Change]) -> None:
    """Write the history of a transaction, and the jobs that announce it."""
    changes = list(changes)
    waiting: dict[str, set[int]] = {}
    for change in changes:
        signal = SIGNALS.get(change.signal)
        if signal is not None and signal.receivers_of(sender_of(change)):
            change.announcement = Change.Announcement.DUE
            waiting.setdefault(change.kind, set()).add(change.object_id)
    if changes:
        Change.objects.using(database()).bulk_create(changes)
    for kind, object_ids in waiting.items():
        Job.objects.wish(f"announce {kind}", object_ids)
