"""``manage.py craftkit_replay``: webhooks worked off again, receivers called again."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from django_craftkit import clock
from django_craftkit.bulk import in_batches
from django_craftkit.management.progress import counted, in_words
from django_craftkit.management.tenants import TenantCommand
from django_craftkit.models import Change, WebhookDelivery
from django_craftkit.signals import SIGNALS

if TYPE_CHECKING:
    from django.core.management.base import CommandParser
    from django.db.models import QuerySet

#: Rows that one transaction has done again.
BATCH = 500

Status = WebhookDelivery.Status


class Command(TenantCommand):
    help = (
        "Has workers work off webhooks again whose bodies are kept (deliveries), or call the "
        "receivers again that failed after 8 tries (signals). It returns before they have done it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True, metavar="deliveries|signals")
        deliveries = acts.add_parser("deliveries", help="work off webhooks again")
        deliveries.add_argument(
            "--status",
            action="append",
            choices=[Status.ABANDONED, Status.FAILED, Status.IGNORED, Status.PROCESSED],
            help="several times for several; default: abandoned and failed",
        )
        deliveries.add_argument("--event", help="only of this event, such as render.succeeded")
        deliveries.add_argument("--project", help="only of this alias")
        signals = acts.add_parser("signals", help="call receivers again that failed")
        signals.add_argument("--signal", choices=sorted(SIGNALS), help="only of this signal")
        for sub in (deliveries, signals):
            sub.add_argument(
                "--since",
                type=_moment,
                help="only what came since: a date or moment in ISO 8601, or days as 7d",
            )
            sub.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle_tenant(self, **options: Any) -> None:
        rows, name = (
            (_deliveries(options), "webhooks")
            if options["act"] == "deliveries"
            else (_changes(options), "signals")
        )
        if options["dry_run"]:
            self.stdout.write(f"{rows.count()} {name} would be done again.")
            return
        batches = in_batches(rows.values_list("pk", flat=True), BATCH)
        replay = rows.model.objects.replay
        done = counted(((name, replay(pks)) for pks in batches), self.stderr)
        self.stdout.write(f"Workers do again: {in_words(done, 'nothing')}.")


def _deliveries(options: dict[str, Any]) -> QuerySet[Any]:
    statuses = options["status"] or [Status.ABANDONED, Status.FAILED]
    rows = WebhookDelivery.objects.writer().filter(status__in=statuses).exclude(body=b"")
    if options["event"]:
        rows = rows.filter(event=options["event"])
    if options["project"]:
        rows = rows.filter(project=options["project"])
    return rows.filter(received_at__gte=options["since"]) if options["since"] else rows


def _changes(options: dict[str, Any]) -> QuerySet[Any]:
    rows = Change.objects.writer().filter(announcement=Change.Announcement.ABANDONED)
    if options["signal"]:
        rows = rows.filter(signal=options["signal"])
    return rows.filter(created_at__gte=options["since"]) if options["since"] else rows


def _moment(text: str) -> datetime:
    """Return what ``--since`` names, in the site's time zone where it names none."""
    try:
        if text.endswith("d") and text[:-1].isdecimal():
            return clock.now() - timedelta(days=int(text[:-1]))
        day, moment = parse_date(text), parse_datetime(text)
    except (OverflowError, ValueError):
        day = moment = None
    if moment is None and day is not None:
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 # as the site's, below
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is no date, moment or number of days (7d).")
    if timezone.is_naive(moment):
        return timezone.make_aware(moment) if settings.USE_TZ else moment
    return moment if settings.USE_TZ else timezone.make_naive(moment)
