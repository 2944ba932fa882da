"""What one transaction of an erasure erases, or counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import router
from django.db.models import Exists, F, Min, OuterRef, Q, Value
from django.db.models.functions import Concat

from django_craftkit import bulk, clock
from django_craftkit.database import update_many

from .archive import ArchivedFile, ArchiveWrite
from .bodies import OF_DOCUMENTS, TO_BE_APPLIED
from .change import Change
from .content_types import content_types
from .delivery import WebhookDelivery
from .erased import LEFT, NAMING
from .erasure import AtCraftkit, Erasure
from .job import Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterator

    from django.db.models import QuerySet


#: Rows of a transaction.
BATCH = 500

Kind = ArchivedFile.Kind
SIGNED = (Kind.SIGNED, Kind.CERTIFICATE)

#: A name that this package has made, whatever folder or letters a storage has added.
_OURS = re.compile(
    r"(?:^|/)craftkit/[^/]+/(?:render|signed|certificate)/[-0-9a-f]{36}/[0-9a-f]{32}"
)


@dataclass(frozen=True)
class Task:
    """What every batch has to know."""

    addresses: tuple[str, ...]
    archive: bool
    dry_run: bool
    user: Any


def batches(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """Yield the primary keys of rows; what is erased meanwhile is passed over."""
    return bulk.in_batches(rows.values_list("pk", flat=True), BATCH)


def model_of(name: str) -> Any:
    # By its name: the models lie above.
    return apps.get_model("craftkit", name)


class ErasingBatch:
    """Rows of each model that are erased in one transaction, or counted."""

    def __init__(self, task: Task) -> None:
        self.task, self.result = task, Erasure(is_dry_run=task.dry_run)
        self.now = clock.now()
        self._models = {
            name: model_of(name).objects.writer()
            for name in (
                "Render",
                "Share",
                "SignatureRequest",
                "SignatureRecipient",
                "EngagementEvent",
            )
        }

    def rows(self, name: str, **about: Any) -> Any:
        """Return rows of a model; none where it is not said which."""
        return self._models[name].filter(**about) if about else self._models[name].none()

    def erase(self, name: str, rows: QuerySet[Any], but: Collection[str] = ()) -> None:
        """Leave nothing in the columns of these mirrored rows, and say which they were.

        Those that an interrupted call has erased are named once more, and not counted.
        """
        fresh = rows.filter(erased_at=None)
        self.result.erased[name] = sorted(rows.values_list("pk", flat=True))
        self.result.counts[name] += self._write(fresh, erased_at=self.now)
        if not self.task.dry_run:
            rows.update(**_left(name, but))

    def blank(self, name: str, rows: QuerySet[Any], but: Collection[str] = ()) -> None:
        """Leave nothing in the columns of these rows, and count them."""
        self.result.counts[name] += self._write(rows, **_left(name, but))

    def erase_history(self, kind: str, model: str, rows: QuerySet[Any]) -> None:
        """Erase what the history, and jobs, say in words of these rows."""
        kinds = [one for one in Job.Kind if one.model_name == model]
        # By their keys: for a query within an UPDATE, MariaDB looks at every row of the table.
        for part in batches(rows):
            changes = Change.objects.writer().filter(bulk.among("object_id", part), kind=kind)
            self.result.counts["Change"] += self._write(changes.exclude(note=""), note="")
            jobs = Job.objects.writer().filter(bulk.among("object_id", part), kind__in=kinds)
            self.blank("Job", jobs.exclude(error=""))
            if not self.task.dry_run:
                _blank_receivers(changes.exclude(receivers__isnull=True).exclude(receivers={}))

    def erase_mentions(self, pks: list[int]) -> None:
        """Erase the keys of documents from the history of those that they supersede, or by which.

        The lines of one that was superseded name the key of the other, and the other way round.
        """
        related = Q(supersedes__in=pks) | Q(successors__in=pks)
        near = self._models["Render"].filter(related).exclude(pk__in=pks)
        about = list(near.order_by().values_list("pk", flat=True).distinct())
        lines = Change.objects.writer().filter(bulk.among("object_id", about), kind="render")
        said = lines.filter(to_status__in=NAMING).exclude(note="")
        self.result.counts["Change"] += self._write(said, note="")

    def _write(self, rows: QuerySet[Any], **values: Any) -> int:
        """Write values to rows, unless they are only counted; return how many they are."""
        return rows.count() if self.task.dry_run else rows.update(**values)

    def erase_log(self, model: str, rows: QuerySet[Any]) -> None:
        """Erase how the admin's log calls these rows, and what it says was done."""
        if not apps.is_installed("django.contrib.admin"):
            return
        entries: Any = apps.get_model("admin", "LogEntry")
        using = router.db_for_write(entries)
        kind = content_types(using).get_for_model(model_of(model))
        for some in batches(rows):
            mine = entries.objects.using(using).filter(
                content_type=kind, object_id__in=list(map(str, some))
            )
            # A page links to a row by what it is called.
            left = {"object_repr": Concat(Value("#"), F("object_id")), "change_message": ""}
            self.result.counts["LogEntry"] += self._write(mine.exclude(**left), **left)

    def erase_files(self, kinds: Collection[Kind], owners: QuerySet[Any]) -> None:
        """Have the files of rows deleted after the commit, and none be fetched any more."""
        about = {"kind__in": kinds, "object_id__in": owners.order_by().values("pk")}
        files = ArchivedFile.objects.writer().filter(**about)
        found = list(files.exclude(name=""))
        ours = [file for file in found if _OURS.search(file.name)]
        self.result.foreign_files += [file.pk for file in found if file not in ours]
        self.result.counts["ArchivedFile"] += len(ours)
        if self.task.dry_run:
            return
        ArchiveWrite.objects.writer().bulk_create(
            ArchiveWrite(kind=one.kind, object_id=one.object_id, name=one.name) for one in ours
        )
        ArchivedFile.objects.writer().filter(pk__in=[one.pk for one in ours]).update(
            **LEFT["ArchivedFile"]
        )
        # A worker may be fetching one: where it comes to vouch for it, it finds that it was erased.
        ArchivedFile.objects.writer().bulk_create(
            (
                ArchivedFile(kind=kind, object_id=pk, size=0, **LEFT["ArchivedFile"])
                for pk in owners.values_list("pk", flat=True)
                for kind in kinds
            ),
            ignore_conflicts=True,
            batch_size=BATCH,
        )

    def erase_bodies(self, remote_ids: Collection[uuid.UUID]) -> None:
        """Drop the bodies of webhooks about these of Craftkit's objects."""
        deliveries = WebhookDelivery.objects.writer().filter(bulk.among("about", remote_ids))
        over = deliveries.exclude(status__in=TO_BE_APPLIED).exclude(body=b"", error="")
        self.blank("WebhookDelivery", over)

    def erase_earlier_bodies(self, renders: QuerySet[Any]) -> None:
        """Drop the bodies of webhooks about earlier attempts of documents.

        Nobody has those ids any more. So it is what came in the project since a document was
        requested, and is about a document that no row is about: it may be of another's earlier
        attempt, too, which was applied long ago.
        """
        retried = renders.filter(attempt__gt=1).order_by()
        since = retried.values_list("project").annotate(Min("requested_at"))
        for project, moment in list(since):
            known = self._models["Render"].filter(project=project, remote_id=OuterRef("about"))
            deliveries = WebhookDelivery.objects.writer().filter(
                ~Exists(known),
                project=project,
                event__in=OF_DOCUMENTS,
                received_at__gte=moment,
                about__isnull=False,
            )
            over = deliveries.exclude(status__in=TO_BE_APPLIED).exclude(body=b"", error="")
            for part in batches(over):
                self.blank("WebhookDelivery", WebhookDelivery.objects.writer().filter(pk__in=part))

    def note_remote(self, what: str, rows: QuerySet[Any]) -> list[uuid.UUID]:
        """Note what Craftkit has of these rows; return its ids."""
        known = list(rows.exclude(remote_id=None).values_list("project", "remote_id"))
        self.result.at_craftkit += [AtCraftkit(project, what, one) for project, one in known]
        return [one for _project, one in known]

    def note_files(self, requests: QuerySet[Any]) -> None:
        """Note which files of signature requests are kept, or erase them."""
        if self.task.archive:
            self.erase_files(SIGNED, requests)
            return
        files = ArchivedFile.objects.writer().exclude(name="")
        files = files.filter(kind__in=SIGNED, object_id__in=requests.order_by().values("pk"))
        self.result.kept_files += files.values_list("pk", flat=True)


def _left(name: str, but: Collection[str]) -> dict[str, Any]:
    return {column: value for column, value in LEFT[name].items() if column not in but}


def _blank_receivers(changes: QuerySet[Change]) -> None:
    """Leave of receivers that failed only which they are, and how often they were called."""
    for part in bulk.in_batches(changes.only("receivers"), BATCH):
        for change in part:
            change.receivers = {
                name: {**entry, "error": ""} for name, entry in (change.receivers or {}).items()
            }
        update_many(part, ["receivers"])
