"""Retention: what settings say is not kept any longer, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Window
from django.db.models.functions import RowNumber

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.models import EngagementEvent, WebhookDelivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

#: Rows that one query changes, so that it holds no lock for long.
BATCH = 1000
#: For so long a webhook that came before is shown, as any other.
REPEATS_KEPT = timedelta(days=1)

Status = WebhookDelivery.Status


def people() -> QuerySet[EngagementEvent]:
    """Return the events whose addresses and browsers have been kept for long enough."""
    days = conf.options().ENGAGEMENT_KEEP_DAYS
    events: QuerySet[EngagementEvent] = EngagementEvent.objects.using(database())
    if days is None:
        return events.none()
    return events.filter(
        Q(ip_address__isnull=False) | ~Q(user_agent=""),
        occurred_at__lt=database_now() - timedelta(days=days),
    )


def repeats() -> QuerySet[WebhookDelivery]:
    """Return the webhooks that were applied, and whose body an earlier row holds that was, too.

    Whoever has seen one webhook can send it again and again under fresh ids, and its signature is
    right. Nothing is lost with these rows: the first one stays, and the body with it.
    """
    days = conf.options().DELIVERY_KEEP_DAYS
    deliveries: QuerySet[WebhookDelivery] = WebhookDelivery.objects.using(database())
    if days is None:
        return deliveries.none()
    # One sort of what is kept: no index of the bodies' hashes has to be kept up for each webhook.
    nth = Window(RowNumber(), partition_by=["project", "body_hash", "status"], order_by="pk")
    kept = _applied(min(REPEATS_KEPT, timedelta(days=days)))
    repeated: QuerySet[WebhookDelivery] = kept.annotate(nth=nth).filter(nth__gt=1)
    return repeated


def bodies() -> QuerySet[WebhookDelivery]:
    """Return the webhooks that were applied so long ago that their bodies can go.

    The body of an event that this version doesn't know is the only copy of it there is, and stays:
    a later version can apply it.
    """
    days = conf.options().DELIVERY_KEEP_DAYS
    deliveries: QuerySet[WebhookDelivery] = WebhookDelivery.objects.using(database())
    if days is None:
        return deliveries.none()
    return _applied(timedelta(days=days))


def _applied(age: timedelta) -> QuerySet[WebhookDelivery]:
    """Return the webhooks that were applied at least ``age`` ago and whose bodies are kept."""
    # One that failed is kept until somebody has looked after it. One that was ignored had its event
    # read only where it says what it is about: a list of names would change with the version.
    deliveries: QuerySet[WebhookDelivery] = WebhookDelivery.objects.using(database())
    return deliveries.filter(
        Q(status=Status.PROCESSED) | Q(status=Status.IGNORED, about__isnull=False),
        processed_at__lt=database_now() - age,
    ).exclude(body=b"")


def prune() -> Iterator[tuple[str, int]]:
    """Drop what is to be dropped, batch by batch; yield what it was and how many rows."""
    for number in _repeats_in_batches():
        yield "repeated webhooks", number
    for name, rows, values in (
        ("addresses and browsers", people(), {"ip_address": None, "user_agent": ""}),
        ("bodies of webhooks", bodies(), {"body": b""}),
    ):
        for number in _in_batches(rows, values):
            yield name, number


def _repeats_in_batches() -> Iterator[int]:
    pks = list(repeats().order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), BATCH):
        # Those that staff have not had applied once more meanwhile.
        number, _ = _applied(timedelta(0)).filter(pk__in=pks[start : start + BATCH]).delete()
        yield number


def _in_batches(rows: QuerySet[Any], values: dict[str, Any]) -> Iterator[int]:
    last = 0
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    while pks := list(ordered.filter(pk__gt=last)[:BATCH]):
        yield rows.filter(pk__in=pks).update(**values)
        last = pks[-1]
