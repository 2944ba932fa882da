from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from django_craftkit import conf
from django_craftkit.management.tenants import TenantCommand
from django_craftkit.models import Render
from django_craftkit.models.identity import identify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.management.base import CommandParser
    from django.db.models import Model

    from django_craftkit.models import Erasure

#: Numbers that one line lists; of the others it says how many there are.
MOST = 50

#: What is counted, by its model, in the order in which it is told.
NAMES = {
    "Render": "documents",
    "Share": "links and e-mails",
    "SignatureRequest": "signature requests",
    "SignatureRecipient": "recipients",
    "EngagementEvent": "engagement events",
    "FormSubmission": "form submissions",
    "EmbedSession": "embed sessions",
    "WebhookDelivery": "bodies of webhooks",
    "Change": "notes",
    "Job": "errors of jobs",
    "LogEntry": "lines of the admin's log",
    "ArchivedFile": "archived files",
}


class Command(TenantCommand):
    # A person asks one tenant, and may be known to others.
    in_all = False
    help = (
        "Erases what is stored about a person: documents about an object, and links, mails and "
        "signature requests to an address. Links are revoked and signature requests cancelled; "
        "rows stay, without names, addresses, data, texts and files. It lists first, and asks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--object",
            action="append",
            default=[],
            metavar="app.Model:pk",
            help="documents about this object, which may be deleted already; may be repeated",
        )
        parser.add_argument(
            "--address",
            action="append",
            default=[],
            help="links, mails and signature requests to this e-mail address; may be repeated",
        )
        parser.add_argument("--project", help="only of this project")
        parser.add_argument(
            "--archive", action="store_true", help="archived signed files and certificates, too"
        )
        parser.add_argument("--dry-run", action="store_true", help="only list what would go")
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="don't ask whether it may be erased",
        )

    def handle_tenant(self, **options: Any) -> None:
        if not (options["object"] or options["address"]):
            raise CommandError("Say whom: --object app.Model:pk, --address jane@example.com.")
        objects = [_object(text) for text in options["object"]]
        how = {name: options[name] for name in ("project", "archive")}
        how["addresses"] = options["address"]
        try:
            planned = _erase(objects, dry_run=True, **how)
        except (conf.UnknownProject, ValueError) as error:
            raise CommandError(str(error)) from error
        self._list(planned)
        if options["dry_run"]:
            return
        if options["interactive"] and not _is_confirmed():
            raise CommandError("Nothing was erased.")
        progress = self._tell_progress if self.stderr.isatty() else None
        erasure = _erase(objects, on_progress=progress, **how)
        if progress:
            self.stderr.write("")
        self.stdout.write(f"Erased: {_summary(erasure) or 'nothing was left to erase'}.")
        self._list_rest(erasure)
        if not erasure.is_complete:
            raise CommandError("Something is left: run it again.")

    def _list(self, planned: Erasure) -> None:
        self.stdout.write(f"To be erased: {_summary(planned) or 'nothing'}.")
        for name, pks in planned.erased.items():
            if pks:
                self.stdout.write(f"  {NAMES[name]}: {_numbers(pks)}")
        if planned.is_dry_run:
            self._list_rest(planned)

    def _list_rest(self, erasure: Erasure) -> None:
        if erasure.at_craftkit:
            self.stdout.write("Only Craftkit's staff can delete at Craftkit:")
            for one in erasure.at_craftkit:
                self.stdout.write(f"  {one.project}: {one.what} {one.remote_id}")
        for text, pks in (
            ("Signed files that are kept (--archive)", erasure.kept_files),
            ("Files that the storage has named itself, yours to delete", erasure.foreign_files),
            ("Documents that stay, and were sent to an address", erasure.mentioned_in),
            ("Form submissions that stay, and hold an address", erasure.mentioned_in_forms),
            *(
                (f"Being sent just now, of {NAMES[name]}", pks)
                for name, pks in erasure.under_way.items()
            ),
        ):
            if pks:
                self.stdout.write(f"{text}: {_numbers(pks)}")
        if erasure.undeleted:
            self.stdout.write(f"Files that the storage did not delete: {erasure.undeleted}")

    def _tell_progress(self, erasure: Erasure) -> None:
        self.stderr.write(f"\r{_summary(erasure)}", ending="")


def _object(text: str) -> Model:
    """Return an object as far as documents know it: it need not be there any more."""
    label, _colon, pk = text.partition(":")
    try:
        model = apps.get_model(label)
        source: Model = model(pk=model._meta.pk.to_python(pk or None))
        identify(source)
    except (LookupError, TypeError, ValueError, ValidationError) as error:
        raise CommandError(f"{text!r} is no object of a document: write app.Model:pk.") from error
    return source


def _erase(objects: Sequence[Model], **how: Any) -> Erasure:
    return Render.objects.for_objects(objects).erase(objects=objects, **how)


def _is_confirmed() -> bool:
    try:
        return input("Nothing brings it back. Type 'yes' to erase it: ") == "yes"
    except EOFError:
        return False


def _summary(erasure: Erasure) -> str:
    counts = ((erasure.counts[model], name) for model, name in NAMES.items())
    return ", ".join(f"{number} {name}" for number, name in counts if number)


def _numbers(pks: list[int]) -> str:
    more = f" and {len(pks) - MOST} more" if len(pks) > MOST else ""
    return ", ".join(map(str, pks[:MOST])) + more
