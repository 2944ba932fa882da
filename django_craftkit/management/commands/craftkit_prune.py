"""``manage.py craftkit_prune``: drop what is not to be kept any longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit.management.progress import counted, in_words
from django_craftkit.management.tenants import TenantCommand
from django_craftkit.reconcile import retention

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(TenantCommand):
    help = (
        "Drops the addresses and browsers in engagement events after ENGAGEMENT_KEEP_DAYS, and "
        "the bodies of webhooks that were applied after DELIVERY_KEEP_DAYS. Of webhooks with the "
        "same body, all but the first are deleted a day after they were applied. Where settings "
        "say so: webhooks that were applied (DELIVERY_ROWS_KEEP_DAYS), the data of documents that "
        "were ready and have no open link or signature request (DATA_KEEP_DAYS), lines of history "
        "(HISTORY_KEEP_DAYS). All other rows stay, and so do the bodies of events that this "
        "version does not know."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle_tenant(self, **options: Any) -> None:
        if options["dry_run"]:
            for kind in retention.KINDS:
                self.stdout.write(f"{kind.rows().count()} {kind.name} would go.")
            return
        dropped = counted(retention.prune(), self.stderr)
        self.stdout.write(f"Dropped: {in_words(dropped, 'nothing was due')}.")
