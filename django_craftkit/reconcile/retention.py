"""Retention: what settings say is not kept any longer, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Window
from django.db.models.functions import RowNumber

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.models import EngagementEvent, WebhookDelivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

#: Rows that one query changes, so that it holds no lock for long.
BATCH = 1000
#: For so many days a webhook that came before is shown, as any other.
REPEATS_KEPT = 1

Status = WebhookDelivery.Status


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


def _applied(days: float | None) -> QuerySet[WebhookDelivery]:
    """Return the webhooks applied at least ``days`` ago whose bodies are kept; ``None``: none."""
    deliveries = WebhookDelivery.objects.writer()
    if days is None:
        return deliveries.none()
    # One that failed is kept until staff have seen to it. One that was ignored had its event read
    # only where it says what it is about: a list of names would change with the version.
    return deliveries.filter(
        Q(status=Status.PROCESSED) | Q(status=Status.IGNORED, about__isnull=False),
        processed_at__lt=database_now() - timedelta(days=days),
    ).exclude(body=b"")


def prune() -> Iterator[tuple[str, int]]:
    """Drop what is to be dropped, batch by batch; yield what it was and how many rows."""
    repeated = list(repeats().order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(repeated), BATCH):
        # Those that staff have not had applied once more meanwhile.
        number, _ = _applied(0).filter(pk__in=repeated[start : start + BATCH]).delete()
        yield "repeated webhooks", number
    rest: list[tuple[str, QuerySet[Any], dict[str, Any]]] = [
        ("addresses and browsers", people(), {"ip_address": None, "user_agent": ""}),
        ("bodies of webhooks", bodies(), {"body": b""}),
    ]
    for name, rows, values in rest:
        last = 0
        ordered = rows.order_by("pk").values_list("pk", flat=True)
        while pks := list(ordered.filter(pk__gt=last)[:BATCH]):
            yield name, rows.filter(pk__in=pks).update(**values)
            last = pks[-1]
