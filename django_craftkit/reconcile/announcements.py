"""Signals: each change told to each receiver, in order, until it has listened.

A receiver that raises hears nothing further of that object until it succeeds or is given up;
the others go on.
"""

from __future__ import annotations

from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import Exists

from django_craftkit.database import database, describe
from django_craftkit.dispatch import isolated
from django_craftkit.failures import is_outage
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, SignatureRecipient
from django_craftkit.models.change import MODELS, model_of
from django_craftkit.signals import SIGNALS, Receiver

from .outcomes import Again, Done, Failed, Outcome

logger = get_logger(__name__)

KINDS = tuple(f"announce {kind}" for kind in MODELS)

#: After so many tries a receiver is given up for a change, and staff are shown it.
MAX_ATTEMPTS = 8


def step(job: Job) -> Outcome:
    """Announce what is due of one object, oldest first."""
    kind = job.kind.removeprefix("announce ")
    using = database()
    changes = Change.objects.using(using).filter(
        kind=kind, object_id=job.object_id, announcement=Change.Announcement.DUE
    )
    instance = model_of(kind)._default_manager.using(using).filter(pk=job.object_id).first()
    stuck: dict[str, str] = {}
    for change in changes.order_by("pk"):
        about = instance
        if change.recipient_id is not None:
            people = SignatureRecipient.objects.using(using).select_related("request")
            about = people.get(pk=change.recipient_id)
        if not _announce(job, change, about, stuck):
            # Another has taken the job over, and goes on from what is noted.
            return Again(0.0)
    return Failed("; ".join(stuck.values())) if stuck else Done()


def _announce(job: Job, change: Change, instance: Any, stuck: dict[str, str]) -> bool:
    """Call the receivers of one change that have yet to succeed; note those that are stuck.

    Returns ``False``, and writes nothing, where somebody else has the job by now.
    """
    signal = SIGNALS[change.signal]
    live = signal.receivers_of(change.sender) if instance is not None else {}
    failed: dict[str, Any] = dict(change.receivers or {})
    given_up = {name: entry for name, entry in failed.items() if entry.get("abandoned")}
    todo = set(live) if change.receivers is None else set(failed) - set(given_up)
    for name in [name for name in live if name in todo] + sorted(todo - set(live)):
        if name in stuck:
            failed.setdefault(name, {"attempts": 0, "error": ""})
            continue
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
    mine = Change.objects.using(database()).filter(Exists(Job.objects.mine(job)), pk=change.pk)
    return bool(mine.update(announcement=change.announcement, receivers=change.receivers))


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
