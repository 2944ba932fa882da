"""Retention: what settings say is not kept any longer, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q, Window
from django.db.models.functions import RowNumber

from django_craftkit import conf
from django_craftkit.bulk import in_batches, parts
from django_craftkit.clock import database_now
from django_craftkit.models import (
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Render,
    Share,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.render_manager import OVERDUE
from django_craftkit.privacy import FORM_SUBMITTED

from .archive import ARCHIVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.db.models import QuerySet

#: Rows that one query changes, so that it holds no lock for long.
BATCH = 1000
#: For so many days a webhook that came before is shown, as any other.
REPEATS_KEPT = 1

Status = WebhookDelivery.Status
#: Links that somebody may open, or that may turn out to be there.
_OPEN_LINKS = (Share.Status.PENDING, Share.Status.ACTIVE, Share.Status.UNKNOWN)
#: Lines of history that keep others like them from being written.
_NOTED_ONCE = (OVERDUE, ARCHIVED)


def people() -> QuerySet[EngagementEvent]:
    """Return the events whose addresses and browsers have been kept for long enough."""
    days = conf.options().ENGAGEMENT_KEEP_DAYS
    events = EngagementEvent.objects.writer()
    if days is None:
        return events.none()
    return events.filter(
        Q(ip_address__isnull=False) | ~Q(user_agent=""),
        occurred_at__lt=database_now() - timedelta(days=days),
    )


def repeats() -> QuerySet[WebhookDelivery]:
    """Return the webhooks that were applied, and whose body an earlier row holds that was, too.

    Whoever has seen one webhook can send it over and over under fresh ids, and its signature is
    right. Nothing is lost with these rows: the first one stays, and the body with it.
    """
    days = conf.options().DELIVERY_KEEP_DAYS
    if days is None:
        return _applied(None)
    # One sort of what is kept: no index of the bodies' hashes has to be kept up for each webhook.
    nth = Window(RowNumber(), partition_by=["project", "body_hash", "status"], order_by="pk")
    return _applied(min(REPEATS_KEPT, days)).annotate(nth=nth).filter(nth__gt=1)


def bodies() -> QuerySet[WebhookDelivery]:
    """Return the webhooks that were applied so long ago that their bodies can go.

    The body of an event that this version doesn't know is the only copy of it there is, and stays:
    a later version can apply it.
    """
    return _applied(conf.options().DELIVERY_KEEP_DAYS)


def _applied(days: float | None, *, with_body: bool = True) -> QuerySet[WebhookDelivery]:
    """Return the webhooks applied at least ``days`` ago; ``None``: none.

    ``with_body``: only those whose bodies are kept.
    """
    rows = WebhookDelivery.objects.writer()
    if days is None:
        return rows.none()
    # One that failed is kept until staff have seen to it. One that was ignored had its event read
    # only where it says what it is about: a list of names would change with the version.
    rows = rows.filter(
        Q(status=Status.PROCESSED) | Q(status=Status.IGNORED, about__isnull=False),
        processed_at__lt=database_now() - timedelta(days=days),
    )
    return rows.exclude(body=b"") if with_body else rows


def data() -> QuerySet[Render]:
    """Return the documents that were ready so long ago that what they were made of can go.

    The document itself, its key and its links stay. None with an open link or a signature request
    that has not ended: who answers for it looks up what it says. What failed keeps them, since it
    can be retried.
    """
    rows, days = Render.objects.writer(), conf.options().DATA_KEEP_DAYS
    if days is None:
        return rows.none()
    now = database_now()
    links = Share.objects.writer().filter(render=OuterRef("pk"), status__in=_OPEN_LINKS)
    links = links.exclude(expires_at__lt=now)
    requests = SignatureRequest.objects.writer().alive().filter(render=OuterRef("pk"))
    return rows.filter(
        ~Exists(links),
        ~Exists(requests),
        status=Render.Status.SUCCEEDED,
        completed_at__lt=now - timedelta(days=days),
        data__isnull=False,
    )


def submitted() -> QuerySet[FormSubmission]:
    """Return the form submissions that came so long ago that what they hold can go.

    The row stays: the same body makes no other. None that a receiver has yet to hear of, or has
    failed for: it may be what makes its document.
    """
    rows, days = FormSubmission.objects.writer(), conf.options().FORM_KEEP_DAYS
    if days is None:
        return rows.none()
    told = (Change.Announcement.NONE, Change.Announcement.DONE)
    untold = Change.objects.writer().filter(kind=Change.Kind.FORM, object_id=OuterRef("pk"))
    return rows.filter(
        ~Exists(untold.exclude(announcement__in=told)),
        received_at__lt=database_now() - timedelta(days=days),
        data__isnull=False,
    )


def sessions() -> QuerySet[EmbedSession]:
    """Return the embed sessions that ended so long ago that nothing is submitted in them any more.

    What was submitted has its own note of what it is about. One that was erased stays: it keeps a
    submission that comes late from being stored. None goes while a form of its project waits to be
    read, by a later version perhaps: of one that can't be read, nobody knows the session.
    """
    rows, days = EmbedSession.objects.writer(), conf.options().FORM_KEEP_DAYS
    if days is None:
        return rows.none()
    before = database_now() - timedelta(days=days)
    unread = WebhookDelivery.objects.writer().filter(
        project=OuterRef("project"), event__in=("", FORM_SUBMITTED)
    )
    unread = unread.exclude(status=Status.PROCESSED).exclude(body=b"")
    return rows.filter(
        ~Exists(unread),
        Q(expires_at__lt=before) | Q(expires_at__isnull=True, created_at__lt=before),
        erased_at__isnull=True,
    )


def deliveries() -> QuerySet[WebhookDelivery]:
    """Return the webhooks applied so long ago that nothing of them is kept.

    One that Craftkit sent again would be applied again, which changes nothing.
    """
    days = conf.options().DELIVERY_ROWS_KEEP_DAYS
    return _applied(days, with_body=False)


def history() -> QuerySet[Change]:
    """Return the lines of history so old that they are not kept.

    A line that receivers have yet to hear of stays, and so does one that says what is to be noted
    once for a document.
    """
    rows, days = Change.objects.writer(), conf.options().HISTORY_KEEP_DAYS
    if days is None:
        return rows.none()
    told = (Change.Announcement.NONE, Change.Announcement.DONE)
    return rows.filter(
        announcement__in=told, created_at__lt=database_now() - timedelta(days=days)
    ).exclude(to_status__in=_NOTED_ONCE)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is dropped of which rows."""

    name: str
    rows: Callable[[], QuerySet[Any]]
    #: The columns that are emptied; ``None``: the rows are deleted.
    values: Mapping[str, Any] | None = None


#: In this order: a body that is a repeat goes as a row.
KINDS = (
    Kind("repeated webhooks", repeats),
    Kind("addresses and browsers", people, {"ip_address": None, "user_agent": ""}),
    Kind("bodies of webhooks", bodies, {"body": b""}),
    Kind("data of documents", data, {"data": None}),
    Kind("data of forms", submitted, {"data": None, "answer": {}}),
    Kind("embed sessions", sessions),
    Kind("webhooks", deliveries),
    Kind("lines of history", history),
)


def prune() -> Iterator[tuple[str, int]]:
    """Drop what is to be dropped, batch by batch; yield what it was and how many rows."""
    for kind in KINDS:
        yield from ((kind.name, number) for number in _drop(kind))


def _drop(kind: Kind) -> Iterator[int]:
    if kind.rows is repeats:
        yield from _drop_repeats()
        return
    rows = kind.rows()
    for pks in in_batches(rows.values_list("pk", flat=True), BATCH):
        # Those that are still of the kind: somebody may have come in between.
        chosen = rows.filter(pk__in=pks)
        yield chosen.delete()[0] if kind.values is None else chosen.update(**kind.values)


def _drop_repeats() -> Iterator[int]:
    # Found once: which of them is the first is not to be decided anew in each batch.
    repeated = list(repeats().order_by("pk").values_list("pk", flat=True))
    for pks in parts(repeated, BATCH):
        # Those that staff have not had applied once more meanwhile.
        yield _applied(0).filter(pk__in=pks).delete()[0]
