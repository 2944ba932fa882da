"""Retention: what settings say is not kept any longer, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.models import EngagementEvent, WebhookDelivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

#: Rows that one query changes, so that it holds no lock for long.
BATCH = 1000

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


def bodies() -> QuerySet[WebhookDelivery]:
    """Return the webhooks that were applied so long ago that their bodies can go.

    The body of an event that this version doesn't know is the only copy of it there is, and stays:
    a later version can apply it.
    """
    days = conf.options().DELIVERY_KEEP_DAYS
    deliveries: QuerySet[WebhookDelivery] = WebhookDelivery.objects.using(database())
    if days is None:
        return deliveries.none()
    # One that failed is kept until somebody has looked after it. One that was ignored had its event
    # read only where it says what it is about: a list of names would change with the version.
    return deliveries.filter(
        Q(status=Status.PROCESSED) | Q(status=Status.IGNORED, about__isnull=False),
        processed_at__lt=database_now() - timedelta(days=days),
    ).exclude(body=b"")


def prune() -> Iterator[tuple[str, int]]:
    """Drop what is to be dropped, batch by batch; yield what it was and how many rows."""
    for name, rows, values in (
        ("addresses and browsers", people(), {"ip_address": None, "user_agent": ""}),
        ("bodies of webhooks", bodies(), {"body": b""}),
    ):
        for number in _in_batches(rows, values):
            yield name, number


def _in_batches(rows: QuerySet[Any], values: dict[str, Any]) -> Iterator[int]:
    last = 0
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    while pks := list(ordered.filter(pk__gt=last)[:BATCH]):
        yield rows.filter(pk__in=pks).update(**values)
        last = pks[-1]
