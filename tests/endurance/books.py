"""What there is after a run, here and at Craftkit, as accounts."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django_craftkit.clock import database_now
from django_craftkit.models import (
    ArchivedFile,
    Change,
    Job,
    Render,
    Share,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.problems import ErrorCode

from .accounts import Account
from .business import POISON
from .models import Deal, Heard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from django.db.models import QuerySet

    from .business import Business, Event

#: Files that belong to a signed request.
SIGNED = (ArchivedFile.Kind.SIGNED, ArchivedFile.Kind.CERTIFICATE)


def jobs_left() -> QuerySet[Job]:
    """Return the jobs that are still to be done, and nobody has quarantined.

    Not the next look for open signature requests: it is up to 15 minutes off, and finds none.
    """
    jobs = Job.objects.exclude(lease_token=None, leased_until__isnull=False)
    return jobs.exclude(kind=Job.Kind.POLL_SIGNATURES, lease_token=None, due_at__gt=database_now())


def is_quiet() -> bool:
    """Whether nothing is left to do here."""
    waiting = WebhookDelivery.objects.filter(due_at__isnull=False)
    alive = SignatureRequest.objects.all().alive()
    return not (jobs_left().exists() or waiting.exists() or alive.exists())


def accounts(business: Business, craftkit: dict[str, Any], archive: Path) -> Iterator[Account]:
    kept = business.kept
    yield from _documents(kept, craftkit)
    yield from _links(kept, craftkit)
    yield from _mails(kept, craftkit)
    yield from _signatures(kept, craftkit, archive)
    yield from _signals()
    yield from _work(kept)


def _documents(kept: Iterable[Event], craftkit: dict[str, Any]) -> Iterator[Account]:
    rows = list(Render.objects.values_list("key", "status"))
    every = {event.key for event in kept}
    made = {event.key for event in kept if event.kind != POISON}
    declared = {event.key for event in kept if event.is_declared}
    yield Account("objects of the business", declared, list(_keys(Deal)))
    yield Account("documents", every, [key for key, _status in rows])
    ready = [key for key, status in rows if status == Render.Status.SUCCEEDED]
    yield Account("documents that are ready", made, ready)
    yield Account("documents at Craftkit", made, craftkit["documents"])


def _keys(model: Any) -> Iterable[str]:
    keys: Iterable[str] = model.objects.values_list("key", flat=True)
    return keys


def _links(kept: Iterable[Event], craftkit: dict[str, Any]) -> Iterator[Account]:
    wanted = {message for event in kept for message in event.links}
    rows = list(Share.objects.filter(by_mail=False).values_list("message", "status"))
    yield Account("links", wanted, [message for message, _status in rows])
    opened = [message for message, status in rows if status == Share.Status.ACTIVE]
    yield Account("links that are open", wanted, opened)
    yield Account("links at Craftkit", wanted, craftkit["links"])


def _mails(kept: Iterable[Event], craftkit: dict[str, Any]) -> Iterator[Account]:
    wanted = {message for event in kept for message in event.mails}
    rows = list(Share.objects.filter(by_mail=True).values_list("message", "status"))
    yield Account("e-mails", wanted, [message for message, _status in rows])
    unknown = unknown_mails()
    sent = [message for message, status in rows if status == Share.Status.ACTIVE]
    yield Account("e-mails sent, or left to staff", wanted, [*sent, *unknown])
    yield Account("e-mails at Craftkit", wanted, craftkit["mails"], excused=unknown)


def unknown_mails() -> list[str]:
    """Return the messages of the e-mails that only a person can tell the fate of."""
    rows = Share.objects.filter(status=Share.Status.UNKNOWN, error_code=ErrorCode.MAIL_UNPROVEN)
    return list(rows.values_list("message", flat=True))


def _signatures(
    kept: Iterable[Event], craftkit: dict[str, Any], archive: Path
) -> Iterator[Account]:
    wanted = {event.key for event in kept if event.is_signed}
    rows = {row.pk: row for row in SignatureRequest.objects.all()}
    yield Account("signature requests", wanted, [row.name for row in rows.values()])
    completed = SignatureRequest.Status.COMPLETED
    signed = [row.name for row in rows.values() if row.status == completed]
    yield Account("signature requests that are signed", wanted, signed)
    yield Account("signature requests at Craftkit", wanted, craftkit["signatures"])
    yield Account("people who were asked to sign", wanted, craftkit["signature mails"])
    files = list(ArchivedFile.objects.values_list("kind", "object_id", "name"))
    both = {f"{key} {kind}" for key in wanted for kind in SIGNED}
    found = [f"{rows[pk].name} {kind}" for kind, pk, _name in files]
    yield Account("files of what was signed", both, found)
    stored = [
        os.path.relpath(path, archive).replace(os.sep, "/")
        for path in archive.rglob("*")
        if path.is_file()
    ]
    yield Account("files in the storage", {name for *_, name in files}, stored)


def _signals() -> Iterator[Account]:
    columns = ("pk", "kind", "object_id", "attempt", "signal", "recipient_id", "announcement")
    rows = list(Change.objects.exclude(signal="").order_by("pk").values_list(*columns))
    names = {pk: f"{pk} ({signal} of {kind} {of})" for pk, kind, of, _, signal, *_ in rows}
    done = [names[pk] for pk, *_, state in rows if state == Change.Announcement.DONE]
    yield Account("changes that are announced", names.values(), done)
    heard = list(Heard.objects.order_by("pk").values_list("change", flat=True))
    told = [names.get(pk, f"{pk} (of no change)") for pk in heard]
    yield Account("changes that were heard", names.values(), told, may_repeat=True)
    # Projects pause and go on as often as they like.
    steps = [
        f"{signal} of {kind} {of}, attempt {attempt}, recipient {recipient}"
        for _pk, kind, of, attempt, signal, recipient, _state in rows
        if kind != Change.Kind.PROJECT
    ]
    yield Account("steps, each of which is told of once", set(steps), steps)
    objects = {pk: f"{kind} {of}" for pk, kind, of, *_ in rows}
    order: dict[str, list[int]] = defaultdict(list)
    for pk in dict.fromkeys(heard):
        order[objects.get(pk, "")].append(pk)
    right = [name for name, pks in order.items() if pks == sorted(pks)]
    yield Account("objects that were heard of in order", order.keys(), right)


def _work(kept: Iterable[Event]) -> Iterator[Account]:
    poison = [event.key for event in kept if event.kind == POISON]
    pks = Render.objects.filter(key__in=poison).values_list("pk", flat=True)
    aside = [str(job) for job in Job.objects.quarantined()]
    yield Account("jobs that are quarantined", {f"{Job.Kind.RENDER} {pk}" for pk in pks}, aside)
    left = [
        f"{job}, due {job.due_at}, leased until {job.leased_until}, {job.failures} failures, "
        f"attempt {job.attempts}: {job.error or 'no error'}"
        for job in jobs_left()
    ]
    yield Account("jobs that are left", (), left)
    status = WebhookDelivery.Status
    waiting = WebhookDelivery.objects.exclude(status__in=(status.PROCESSED, status.IGNORED))
    webhooks = [f"{one}, {one.status}: {one.error}" for one in waiting.defer("body")]
    yield Account("webhooks that are not applied", (), webhooks)


def figures(craftkit: dict[str, Any]) -> dict[str, int]:
    """Return what is no fault, whatever it is."""
    heard = Counter(Heard.objects.values_list("change", flat=True))
    unknown = Change.objects.filter(kind="share", to_status=Share.Status.UNKNOWN)
    ignored = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.IGNORED)
    return {
        "calls of the receiver for a change that it had heard": heard.total() - len(heard),
        "links and e-mails that were unknown on the way": unknown.count(),
        "e-mails that are left to staff": len(unknown_mails()),
        "pauses of the project": Change.objects.filter(signal="project_paused").count(),
        "webhooks that Craftkit has sent": craftkit["webhooks"],
        "webhooks that were about nothing known": ignored.count(),
    }
