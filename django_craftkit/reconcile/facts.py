"""Joining facts: any of them in any order, with repeats, end in the same row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections
from django.db.models import Model

from django_craftkit.client import InvalidResponse
from django_craftkit.database import lock, storable
from django_craftkit.log import get_logger
from django_craftkit.models import Render, SignatureRequest

from .moments import here

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit import client
    from django_craftkit.client import CraftkitError

#: What Craftkit gives an id of its own.
R = TypeVar("R", Render, SignatureRequest)
M = TypeVar("M", bound=Model)
H = TypeVar("H")
V = TypeVar("V")

#: What the column of a count holds, whatever is said.
MAX_COUNT = 2**31 - 1
#: Fields that a line of the log names at most.
MOST_FIELDS = 10
#: What a row keeps in its JSON of values that can't be read: under this name, as they were sent.
UNREADABLE = "unreadable"
#: Clocks may differ by so much: a replay is taken for another's if it was made this long before.
SKEW = timedelta(minutes=5)

logger = get_logger(__name__)


class Said(Protocol):
    """What the client reads an answer, or a part of one, into."""

    @property
    def extra(self) -> Mapping[str, Any]: ...
    @property
    def unreadable(self) -> Mapping[str, Any]: ...


def kept(said: Said, **more: Any) -> dict[str, Any]:
    """Return what a row keeps of an answer beside its columns: what is new, what can't be read."""
    answer = {**said.extra, **more}
    if said.unreadable:
        answer[UNREADABLE] = dict(said.unreadable)
    return dict(storable(answer))


def warn_of_unreadable(rows: str, project: str, said: Said) -> bool:
    """Whether entries of a list of Craftkit's were left out; they are told of in the log."""
    left_out = said.unreadable.get(rows, [])
    if left_out:
        logger.warning(
            "%s of Craftkit's %s in project %r can't be read and are left out.",
            len(left_out) if isinstance(left_out, list) else "All",
            rows,
            project,
        )
    return bool(left_out)


def is_of_another(answer: client.Render | client.SignatureRequest, sent_at: datetime) -> bool:
    """Whether Craftkit answers to a key with what it made before we sent it for the first time.

    Raises:
        InvalidResponse: that can't be told, since the answer does not say when it was made.
    """
    if not answer.replayed:
        return False
    if answer.created_at is None:
        raise InvalidResponse(
            "Craftkit knows this key and does not say since when: it may be ours."
        )
    return here(answer.created_at) < sent_at - SKEW


def lock_about(rows: QuerySet[R], row: R, remote_id: uuid.UUID | None) -> R | None:
    """Lock the row of this attempt; ``None`` where what is known is not about it any longer.

    Without an id it is a decision made here, about one that waits and that no other worker has
    sent.
    """
    found = lock(rows).filter(pk=row.pk).first()
    return found if found is not None and is_about(found, row, remote_id) else None


def is_about(found: R, row: R, remote_id: uuid.UUID | None) -> bool:
    """Whether what is known of a row as it was is about the same row as it is found now."""
    if found.attempt != row.attempt:
        return False
    if remote_id is None:
        return found.status == found.Status.PENDING
    return found.remote_id in (None, remote_id)


def lock_free(rows: QuerySet[M]) -> QuerySet[M]:
    """Lock those rows of a queryset that nobody else has locked; no other waits for many of them.

    Where the database has one writer, all are; where it can't tell, none are known to be.
    """
    features = connections[rows.db].features
    if not features.has_select_for_update_skip_locked:
        return rows.none() if features.has_select_for_update else rows
    no_key = features.has_select_for_no_key_update
    return rows.select_for_update(skip_locked=True, no_key=no_key).order_by("pk")


def unless_broken(join: Callable[[Sequence[H]], dict[int, V]], heard: Sequence[H]) -> dict[int, V]:
    """Join what was heard of many rows together; of none of them where one breaks the group."""
    try:
        return join(heard)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("What was heard of %d rows is taken apart.", len(heard))
        return {}


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
        before = joined.get(name)
        if before is None:
            joined[name] = value
        elif name == UNREADABLE and isinstance(before, Mapping) and isinstance(value, Mapping):
            joined[name] = join_answers(before, value)
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


def used_elsewhere(answer: client.Render | client.SignatureRequest) -> dict[str, Any]:
    """Return what is noted where a key answers with what it has not made here."""
    return {
        "error": (
            f"Craftkit knows this key from {answer.created_at:%Y-%m-%d %H:%M} UTC, before "
            "it was used here: another database with the same namespace has sent it."
        ),
        "error_code": "key_used_elsewhere",
    }


def why(row: Any) -> str:
    """Return what the log says of why something was refused: the code, and which fields.

    No words and no values: those may be about people, and the row's page has them.
    """
    fields = ", ".join(sorted(row.field_errors)[:MOST_FIELDS])
    return " ".join(filter(None, (row.error_code or "no code", fields and f"({fields})")))


def how(error: CraftkitError) -> str:
    """Return what the log says of a call that failed: no words of Craftkit's, as in ``why``."""
    return " ".join(filter(None, (type(error).__name__, str(error.status or ""), error.code)))
