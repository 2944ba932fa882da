"""Signals: each change told to each receiver, in order, until it has listened.

A receiver that raises is told nothing further of that object until it succeeds, or has failed
``MAX_ATTEMPTS`` times; the others go on.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from django_craftkit import bulk, clock, tenants
from django_craftkit.database import (
    database,
    in_read_committed,
    retried_after_deadlock,
    update_many,
)
from django_craftkit.dispatch import isolated
from django_craftkit.failures import is_outage, time_limits
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, SignatureRecipient
from django_craftkit.models.problems import NO_PROBLEM, ErrorCode, Problem
from django_craftkit.signals import SIGNALS, Receiver

from .calls import stood_still
from .results import Done, Failed, Later, Reschedule, Result
from .timings import TIMINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from django.db.models import Model

    from .batches import Ended
    from .executor import Answer, Call
    from .timings import Budget

    #: Changes, oldest first, each with whom it is about.
    Due = list[tuple[Change, Any]]
    #: Who listens to a signal of a sender, by their names.
    Live = Callable[[str, type[Model]], Mapping[str, Receiver]]


logger = get_logger(__name__)

KINDS = tuple(kind for kind in Job.Kind if kind.announces)

#: After so many tries a receiver is not called again for a change, and staff are shown it.
MAX_ATTEMPTS = 8
#: How many objects are read at a time, and told as they are then; how many of them begin together,
#: and are suspected together if their worker ends.
TOGETHER, BEGIN = 500, 50
#: After so many calls, or seconds, it is noted who has listened: a worker that dies meanwhile
#: leaves so many to be called again.
CALLS, SECONDS = 50, 0.25
_COLUMNS = ("announcement", "receivers")


def step(job: Job) -> Result:
    """Announce what is due of one object, oldest first."""
    # Read now, whatever its writer knew: another may have announced some of it.
    job.changes = None
    ((_job, due),) = _read([job])
    return _announce_all(job, due)


class Announcements:
    """The signals of many objects, in the thread of the loop while their receivers are quick."""

    is_repeatable = True

    def plan(self, jobs: Sequence[Job], budget: Budget) -> Iterator[Call | Ended | Job]:
        told = _Told()
        # Looked up once for all: to find them takes longer than to call a quick one.
        live = cache(_live)
        for some in bulk.parts(jobs, TOGETHER):
            due = {} if budget.is_spent else dict(_read(some))
            for few in bulk.parts(some, BEGIN):
                begun: set[Job] = set()
                if not budget.is_spent:
                    ended, begun = told.note(few)
                    yield from ended
                for job in few:
                    if budget.is_spent or job not in begun:
                        yield job, Later()
                        continue
                    if told.is_to_be_noted:
                        yield from told.note()[0]
                    names = _names(due[job], live)
                    if budget.is_slow(*names):
                        yield job
                    elif len(due[job]) > 1:
                        yield job, _announce_all(job, due[job])
                    else:
                        told.add(job, due[job], live, calls=len(names))
        yield from told.note()[0]

    def apply(self, answers: Sequence[Answer]) -> Iterator[Ended]:
        """Craftkit is not called."""
        yield from ()


#: What announces.
ANNOUNCEMENTS = Announcements()


def _announce_all(job: Job, due: Due) -> Result:
    """Announce changes of one object in their order, and note after each who has listened."""
    stuck: dict[str, str] = {}
    for change, about in due:
        _announce(change, about, stuck, _live)
        if not _mine([job]):
            # Another has taken the job over, and goes on from what is noted.
            return Reschedule(0.0)
        _note_and_begin([change], ())
    return _result(stuck)


class _Told:
    """Announcements that nobody has noted yet."""

    def __init__(self) -> None:
        self._told: list[tuple[Job, list[Change], Result]] = []
        self._calls = 0
        self._since = time.monotonic()
        self._began_at = clock.now()

    def add(self, job: Job, due: Due, live: Live, *, calls: int) -> None:
        """Announce what is due of an object, with so many calls."""
        if not self._told:
            self._since = time.monotonic()
        self._calls += calls
        stuck: dict[str, str] = {}
        for change, about in due:
            _announce(change, about, stuck, live)
        self._told.append((job, [change for change, _about in due], _result(stuck)))

    @property
    def is_to_be_noted(self) -> bool:
        return self._calls >= CALLS or time.monotonic() - self._since > SECONDS

    def note(self, next_ones: Sequence[Job] = ()) -> tuple[list[Ended], set[Job]]:
        """Note who has listened, and that the next ones begin.

        Return how the steps end that are noted, and those of the next ones that begin: nobody else
        has them by now, nor has them locked.
        """
        if not (self._told or next_ones):
            return [], set()
        now = clock.now()
        told, self._told, self._calls = self._told, [], 0
        mine = {job.pk for job, _changes, _result in told}
        if stood_still(self._began_at):
            mine = _mine([job for job, _changes, _result in told])
        noted = [change for job, changes, _result in told if job.pk in mine for change in changes]
        begun = _note_and_begin(noted, next_ones)
        if next_ones:
            self._began_at = now
        # Another that has taken a job over goes on from what is noted.
        ended: list[Ended] = [
            (job, result if job.pk in mine else Reschedule(0.0)) for job, _changes, result in told
        ]
        return ended, set(begun)


def _read(jobs: Sequence[Job]) -> Iterator[tuple[Job, Due]]:
    """Return what is due for each of these jobs: each change, and whom it is about."""
    using = database()
    objects: dict[str, list[int]] = {}
    due: dict[tuple[str, int], list[Change]] = {}
    for job in jobs:
        kind = _kind(job)
        objects.setdefault(kind, []).append(job.object_id)
        if job.changes is not None:
            due[kind, job.object_id] = job.changes
    instances: dict[tuple[str, int], Any] = {
        key: changes[0].instance for key, changes in due.items() if changes[0].instance is not None
    }
    for kind, pks in objects.items():
        unread = [pk for pk in pks if (kind, pk) not in due]
        changes = Change.objects.using(using).filter(
            bulk.among("object_id", unread), kind=kind, announcement=Change.Announcement.DUE
        )
        for change in changes.order_by("pk"):
            due.setdefault((kind, change.object_id), []).append(change)
        rows = Job.Kind.announcing(kind).model._default_manager.using(using)
        found = rows.filter(bulk.among("pk", [pk for pk in pks if (kind, pk) not in instances]))
        if kind == Change.Kind.RENDER:
            # Few receivers look at them, and hundreds may be large.
            found = found.defer("data")
        instances.update({(kind, instance.pk): instance for instance in found})
    recipients = {change.recipient_id for changes in due.values() for change in changes} - {None}
    rows = SignatureRecipient.objects.using(using).select_related("request")
    signers = rows.in_bulk(recipients)
    for job in jobs:
        key = (_kind(job), job.object_id)
        instance = instances.get(key)
        yield (
            job,
            [
                (change, instance if change.recipient_id is None else signers[change.recipient_id])
                for change in due.get(key, ())
            ],
        )


def _kind(job: Job) -> str:
    return Job.Kind.of(job.kind).announces


def _live(signal: str, sender: type[Model]) -> Mapping[str, Receiver]:
    """Return who listens by now, by their names."""
    return SIGNALS[signal].receivers_of(sender)


def _names(due: Due, live: Live) -> set[str]:
    """Return who may have to be told of these changes, by their names."""
    names: set[str] = set()
    for change, _about in due:
        if change.receivers is None:
            names.update(live(change.signal, change.sender))
        else:
            names.update(_open_of(change.receivers))
    return names


def _open_of(receivers: Mapping[str, Any]) -> set[str]:
    """Return who has failed and is to be called again, by their names."""
    return {name for name, entry in receivers.items() if not entry.get("abandoned")}


@retried_after_deadlock
def _note_and_begin(changes: Sequence[Change], jobs: Sequence[Job]) -> list[Job]:
    """Write who has listened to changes, and begin jobs: with one commit."""
    if not jobs:
        # One statement needs no transaction.
        update_many(changes, _COLUMNS)
        return []
    with in_read_committed(database()):
        # In this order: whoever has begun jobs has them locked, and must wait for nobody.
        update_many(changes, _COLUMNS)
        return Job.objects.begin_all(jobs)


def _mine(jobs: Sequence[Job]) -> set[int]:
    """Return the keys of the jobs that nobody else has by now."""
    return set(Job.objects.still_leased(jobs).values_list("pk", flat=True))


def _result(stuck: Mapping[str, str]) -> Result:
    return (
        Failed(Problem(ErrorCode.RECEIVERS_FAILED, "; ".join(stuck.values()))) if stuck else Done()
    )


def _announce(change: Change, instance: Any, stuck: dict[str, str], live: Live) -> None:
    """Call the receivers of one change that have yet to succeed; note on it who is stuck."""
    if _is_void(change, instance):
        change.announcement, change.receivers = Change.Announcement.NONE, None
        return
    signal = SIGNALS[change.signal]
    receivers = live(change.signal, change.sender) if instance is not None else {}
    failed: dict[str, Any] = dict(change.receivers or {})
    todo = set(receivers) if change.receivers is None else _open_of(failed)
    for name in [name for name in receivers if name in todo] + sorted(todo - set(receivers)):
        if name in stuck:
            failed.setdefault(name, {"attempts": 0, **NO_PROBLEM.columns})
            continue
        with TIMINGS.measured(name):
            problem, is_theirs = _call(receivers.get(name), signal.name, change, instance)
        if not problem:
            failed.pop(name, None)
            continue
        attempts = failed.get(name, {}).get("attempts", 0) + is_theirs
        failed[name] = {"attempts": attempts, **problem.columns}
        if attempts >= MAX_ATTEMPTS:
            failed[name]["abandoned"] = True
            logger.error(
                "Receiver %s of %s failed after %d tries for %s.",
                name,
                signal.name,
                attempts,
                change,
            )
        else:
            stuck[name] = f"{name}: {problem.detail or problem.code}"
    if _open_of(failed):
        change.announcement = Change.Announcement.DUE
    elif failed:
        change.announcement = Change.Announcement.ABANDONED
    else:
        change.announcement = Change.Announcement.DONE
    change.receivers = failed


def _is_void(change: Change, instance: Any) -> bool:
    """Whether nothing is left to tell: what was submitted is all that its signal is about."""
    return (
        change.kind == Change.Kind.FORM and instance is not None and instance.erased_at is not None
    )


def _call(
    receiver: Receiver | None, name: str, change: Change, instance: Any
) -> tuple[Problem, bool]:
    """Return what went wrong, if anything did, and whether that was the receiver's fault."""
    if receiver is None:
        return Problem(ErrorCode.NOT_CONNECTED), True
    try:
        with isolated(database()), tenants.kept():
            receiver(
                signal=SIGNALS[name],
                sender=type(instance),
                instance=instance,
                previous_status=change.from_status,
                change=change,
            )
    except time_limits():
        raise
    except Exception as error:
        # A receiver may raise anything; it is called again, alone, and shown to staff.
        logger.exception("A receiver of %s raised for %s; it is called again.", name, change)
        return Problem.of(error), not is_outage(error)
    return NO_PROBLEM, False
