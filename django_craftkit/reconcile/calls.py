"""Calls that make something at Craftkit: marked on their row before they are made.

The mark says since when a call may be under way. It is taken back only where Craftkit proved that
it did not act, and only by who wrote it: what a later call, or a later attempt, has written stays.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django_craftkit import client, clock, conf, credentials
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction, update_many
from django_craftkit.models.problems import ErrorCode, Problem

from .answers import SKEW, refusal
from .executor import NotMade
from .moments import from_utc
from .updates import lock_renders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.models import QuerySet

    from django_craftkit.models import Share, SignatureRequest

    from .executor import Answer
    from .states import R, T
    from .updates import Now

    #: Locks the rows of a queryset: waits for whoever has them, or leaves those out.
    Lock = Callable[[QuerySet[Any]], QuerySet[Any]]

V = TypeVar("V")
#: The moment of the first call of an attempt, where the row has it, and of the last one.
SendingTimes = dict[str, datetime | None]
#: What was marked, by the rows' keys; ``None``: the call may not be made.
Marked = dict[int, SendingTimes | None]


def sending_times(row: Any) -> SendingTimes:
    """Return what a row says of its calls."""
    return {name: getattr(row, name) for name in _columns(row, "sent_at", "sending_since")}


def _columns(row: Any, *names: str) -> tuple[str, ...]:
    there = {field.name for field in row._meta.concrete_fields}
    return tuple(name for name in names if name in there)


def mark_sending(row: R, wanted: QuerySet[Any]) -> bool:
    """Mark a row as being sent, before the call; ``False`` where that may not be made.

    That is where the row is none of ``wanted`` by now, or another call was marked meanwhile.
    """
    before = sending_times(row)
    values = _with_call(before, database_now())
    if not wanted.filter(pk=row.pk, status=row.Status.PENDING, **before).update(**values):
        return False
    assign(row, values)
    return True


def mark_all_sending(rows: Sequence[T], locked: Lock, *names: str, **also: Any) -> Marked:
    """Mark rows as being sent, before the calls; return what was marked of which row.

    ``None``: the row is not as it was read, in its calls or in the columns ``names``. Inside a
    transaction; ``assign`` it when that is committed. ``also`` is written with it.
    """
    if not rows:
        return {}
    columns: tuple[str, ...] = tuple(sending_times(rows[0]))
    read = _columns(rows[0], "status", "attempt", *names, *columns)
    # By primary keys alone: MySQL would lock whatever other index it goes by.
    all_rows: Any = type(rows[0]).objects.writer().only(*read)
    found = locked(all_rows).in_bulk([row.pk for row in rows])
    now, begun = database_now(), []
    for row in rows:
        there = found.get(row.pk)
        if there is not None and all(getattr(there, n) == getattr(row, n) for n in read):
            assign(there, {**_with_call(sending_times(row), now), **also})
            begun.append(there)
    update_many(begun, [*columns, *also])
    return {**dict.fromkeys(found), **{row.pk: sending_times(row) for row in begun}}


@in_transaction
def begin(
    rows: Sequence[SignatureRequest] | Sequence[Share], locked: Lock, unwanted_at: str, **also: Any
) -> Marked:
    """Mark rows of ready documents as being sent, as ``mark_all_sending`` does.

    ``None`` also where the document was withdrawn. ``unwanted_at`` is the column that says that
    somebody has taken the row back.
    """
    # Whoever withdraws a document comes before this, or finds its rows.
    renders = lock_renders({row.render_id for row in rows}, locked)
    free: list[Any] = [row for row in rows if row.render_id in renders]
    withdrawn = {row.pk for row in free if renders[row.render_id].withdrawn_at is not None}
    mine = [row for row in free if row.pk not in withdrawn]
    return {**dict.fromkeys(withdrawn), **mark_all_sending(mine, locked, unwanted_at, **also)}


def _with_call(before: SendingTimes, now: datetime) -> SendingTimes:
    """Return what a row says once a call more is marked."""
    return {**{name: value or now for name, value in before.items()}, "sending_since": now}


def assign(row: Any, values: Mapping[str, Any]) -> None:
    """Have a row that was read before say what was written of it since."""
    for name, value in values.items():
        setattr(row, name, value)


def take_back(row: R, before: SendingTimes) -> None:
    """Note that Craftkit did not act on the call that was marked last, by this worker."""
    rows = type(row).objects.writer().filter(pk=row.pk, attempt=row.attempt)
    rows.filter(status=row.Status.PENDING, sending_since=row.sending_since).update(**before)


def refused(row: R, before: SendingTimes, answer: Answer, now: Now) -> dict[str, Any] | None:
    """Return what is noted of a row whose call Craftkit has refused; ``None``: it has made it.

    That Craftkit made it before we sent it for the first time, for another, is a refusal, too.
    Raises what stands for no answer, and takes back that the call was made where Craftkit did not
    act on it.
    """
    error = answer.error
    if isinstance(error, (InvalidRequest, NotFound, Conflict)) and not error.is_passing:
        return refusal(error)
    if error is not None:
        if isinstance(error, CraftkitError) and error.proves_inaction:
            take_back(row, before)
        raise error
    made: client.Render | client.SignatureRequest = answer.value
    if not made.replayed:
        return None
    if made.created_at is None:
        raise client.InvalidResponse(
            "Craftkit knows this key and does not say since when: it may be ours."
        )
    if from_utc(made.created_at) >= (row.sent_at or now()) - SKEW:
        return None
    known_since = f"{made.created_at:%Y-%m-%d %H:%M} UTC"
    return Problem(ErrorCode.KEY_USED_ELSEWHERE, known_since).columns


def stood_still(started: datetime) -> bool:
    """Whether the worker stood still for so long that others may soon settle its call."""
    return clock.now() - started > conf.lease() / 2


def in_time(started: datetime, call: Callable[[], V]) -> V:
    """Make a call that rows tell of since ``started``, unless others may soon settle it."""
    if stood_still(started):
        raise NotMade
    return call()


def seconds_until_over(project: str) -> float:
    """Return how long after it was marked a call may still be under way, in seconds.

    Its worker makes it within half a lease, or not at all: `stood_still`. Then it is over within
    its timeout and a second: no byte of it goes out later, however long a name took to be found.
    An adapter of the project's own may count connecting apart. By then its lease is over, too.
    """
    lease = conf.options().LEASE
    return max(lease, lease / 2 + sum(credentials.project(project).timeout) + 1)


def is_over(project: str, since: datetime, now: datetime) -> bool:
    """Whether no worker makes the call any longer that was marked then."""
    return (now - since).total_seconds() >= seconds_until_over(project)
