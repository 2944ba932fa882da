"""Signals: each change told to each receiver, in order, until it has listened.

A receiver that raises hears nothing further of that object until it succeeds or is given up;
the others go on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from django_craftkit.database import database, describe, in_transaction, update_many
from django_craftkit.dispatch import isolated
from django_craftkit.failures import is_outage
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, SignatureRecipient
from django_craftkit.models.change import MODELS, model_of
from django_craftkit.signals import SIGNALS, Receiver

from .outcomes import Again, Done, Failed, Later, Outcome
from .pace import PACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .batches import Ended
    from .crew import Answer, Call
    from .pace import Turn

    #: Changes, oldest first, each with whom it is about.
    Due = list[tuple[Change, Any]]

T = TypeVar("T")

logger = get_logger(__name__)

KINDS = tuple(f"announce {kind}" for kind in MODELS)

#: After so many tries a receiver is given up for a change, and staff are shown it.
MAX_ATTEMPTS = 8
#: How many objects are read at a time, and told as they are then; how many of them begin together,
#: and are suspected together if their worker ends.
TOGETHER, BEGIN = 20, 5
#: After so many calls, or seconds, it is noted who has listened: a worker that dies meanwhile
#: leaves so many to be called again.
CALLS, SECONDS = 50, 0.25


def step(job: Job) -> Outcome:
    """Announce what is due of one object, oldest first."""
    ((_job, due),) = _read([job])
    return _announce_all(job, due)


class Announcements:
    """The signals of many objects, in the thread of the loop while their receivers are quick."""

    is_keyed = True

    def plan(self, jobs: Sequence[Job], turn: Turn) -> Iterator[Call | Ended | Job]:
        told = _Told()
        for some in _parts(jobs, TOGETHER):
            due = {} if turn.is_over else dict(_read(some))
            for few in _parts(some, BEGIN):
                if not turn.is_over:
                    few = Job.objects.begin_all(few)
                for job in few:
                    if turn.is_over:
                        yield job, Later()
                    elif turn.is_slow(*_names_of(due[job])):
                        yield job
                    elif len(due[job]) > 1:
                        yield job, _announce_all(job, due[job])
                    else:
                        told.add(job, due[job])
                        if told.is_to_be_noted:
                            yield from told.note()
        yield from told.note()

    def apply(self, answers: Sequence[Answer]) -> Iterator[Ended]:
        """Nothing is asked of Craftkit."""
        yield from ()


#: What announces.
ANNOUNCEMENTS = Announcements()


def _announce_all(job: Job, due: Due) -> Outcome:
    """Announce changes of one object in their order, and note after each who has listened."""
    stuck: dict[str, str] = {}
    for change, about in due:
        _announce(change, about, stuck)
        if not _note([(job, [change])]):
            # Another has taken the job over, and goes on from what is noted.
            return Again(0.0)
    return _outcome(stuck)


class _Told:
    """Announcements that nobody has noted yet."""

    def __init__(self) -> None:
        self._ended: list[tuple[Job, list[Change], Outcome]] = []
        self._calls = 0
        self._since = time.monotonic()

    def add(self, job: Job, due: Due) -> None:
        """Announce what is due of an object."""
        if not self._ended:
            self._since = time.monotonic()
        stuck: dict[str, str] = {}
        for change, about in due:
            self._calls += len(_names(change))
            _announce(change, about, stuck)
        self._ended.append((job, [change for change, _about in due], _outcome(stuck)))

    @property
    def is_to_be_noted(self) -> bool:
        return self._calls >= CALLS or time.monotonic() - self._since > SECONDS

    def note(self) -> Iterator[Ended]:
        """Note who has listened; return how the steps end."""
        ended, self._ended, self._calls = self._ended, [], 0
        mine = _note([(job, changes) for job, changes, _outcome in ended])
        for job, _changes, outcome in ended:
            # Another that has taken the job over goes on from what is noted.
            yield job, outcome if job.pk in mine else Again(0.0)


def _read(jobs: Sequence[Job]) -> Iterator[tuple[Job, Due]]:
    """Return what is due for each of these jobs: each change, and whom it is about."""
    using = database()
    objects: dict[str, list[int]] = {}
    for job in jobs:
        objects.setdefault(_kind(job), []).append(job.object_id)
    due: dict[tuple[str, int], list[Change]] = {}
    instances: dict[tuple[str, int], Any] = {}
    for kind, pks in objects.items():
        changes = Change.objects.using(using).filter(
            kind=kind, object_id__in=pks, announcement=Change.Announcement.DUE
        )
        for change in changes.order_by("pk"):
            due.setdefault((kind, change.object_id), []).append(change)
        found = model_of(kind)._default_manager.using(using).in_bulk(pks)
        instances.update({(kind, pk): instance for pk, instance in found.items()})
    persons = {change.recipient_id for changes in due.values() for change in changes}
    rows = SignatureRecipient.objects.using(using).select_related("request")
    people = rows.in_bulk(persons - {None}) if persons - {None} else {}
    for job in jobs:
        key = (_kind(job), job.object_id)
        instance = instances.get(key)
        yield (
            job,
            [
                (change, instance if change.recipient_id is None else people[change.recipient_id])
                for change in due.get(key, ())
            ],
        )


def _parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _kind(job: Job) -> str:
    return job.kind.removeprefix("announce ")


def _names(change: Change) -> set[str]:
    """Return who may have to be told of a change, by their names."""
    if change.receivers is not None:
        return {name for name, entry in change.receivers.items() if not entry.get("abandoned")}
    return set(SIGNALS[change.signal].receivers_of(change.sender))


@in_transaction
def _note(told: Sequence[tuple[Job, list[Change]]]) -> set[int]:
    """Write who has listened to changes, but for jobs that somebody else has by now.

    Returns the primary keys of the others.
    """
    if not told:
        return set()
    rows = Job.objects.using(database()).filter(pk__in=[job.pk for job, _changes in told])
    tokens = dict(rows.values_list("pk", "lease_token"))
    mine = {job.pk for job, _changes in told if tokens.get(job.pk) == job.lease_token}
    changes = [change for job, changes in told if job.pk in mine for change in changes]
    update_many(changes, ("announcement", "receivers"))
    return mine


def _names_of(due: Due) -> set[str]:
    return {name for change, _about in due for name in _names(change)}


def _outcome(stuck: Mapping[str, str]) -> Outcome:
    return Failed("; ".join(stuck.values())) if stuck else Done()


def _announce(change: Change, instance: Any, stuck: dict[str, str]) -> None:
    """Call the receivers of one change that have yet to succeed; note on it who is stuck."""
    signal = SIGNALS[change.signal]
    live = signal.receivers_of(change.sender) if instance is not None else {}
    failed: dict[str, Any] = dict(change.receivers or {})
    given_up = {name: entry for name, entry in failed.items() if entry.get("abandoned")}
    todo = set(live) if change.receivers is None else set(failed) - set(given_up)
    for name in [name for name in live if name in todo] + sorted(todo - set(live)):
        if name in stuck:
            failed.setdefault(name, {"attempts": 0, "error": ""})
            continue
        with PACE.taken(name):
            error, is_theirs = _call(live.get(name), signal.name, change, instance)
        if not error:
            failed.pop(name, None)
            continue
        attempts = failed.get(name, {}).get("attempts", 0) + is_theirs
        failed[name] = {"attempts": attempts, "error": error}
        if attempts >= MAX_ATTEMPTS:
            failed[name]["abandoned"] = True
            logger.error("Receiver %s of %s is given up for %s.", name, signal.name, change)
        else:
            stuck[name] = f"{name}: {error}"
    open_ones = [name for name, entry in failed.items() if not entry.get("abandoned")]
    if open_ones:
        change.announcement = Change.Announcement.DUE
    elif failed:
        change.announcement = Change.Announcement.ABANDONED
    else:
        change.announcement = Change.Announcement.DONE
    change.receivers = failed


def _call(receiver: Receiver | None, name: str, change: Change, instance: Any) -> tuple[str, bool]:
    """Return what went wrong, in words, and whether that was the receiver's fault; "": nothing."""
    if receiver is None:
        return "It is not connected any more.", True
    try:
        with isolated(database()):
            receiver(
                signal=SIGNALS[name],
                sender=type(instance),
                instance=instance,
                previous_status=change.from_status,
                change=change,
            )
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        # A receiver may raise anything; it is called again, alone, and shown to staff.
        logger.exception("A receiver of %s raised for %s; it is called again.", name, change)
        return describe(error), not is_outage(error)
    return "", False
