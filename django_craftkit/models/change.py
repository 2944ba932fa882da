"""The history: what staff read as a timeline, and the outbox of the signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import bulk, clock
from django_craftkit.database import database, in_transaction, lock, update_many
from django_craftkit.functions import alters_data
from django_craftkit.log import one_line
from django_craftkit.signals import SIGNALS
from django_craftkit.twins import async_twin

from .columns import RowKey, user_key
from .job import Job
from .priority import Priority
from .rows import RowManager

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .claims import Lease


class ChangeManager(RowManager["Change"]):
    def record(self, changes: Iterable[Change], lease: Lease | None = None) -> None:
        """Write the history of a transaction, and the jobs that announce it, inside of it.

        A signal without receivers is not announced. A worker that goes on to announce the others
        has a ``lease``; any other caller wakes a worker.
        """
        changes = list(changes)
        due: dict[str, dict[int, list[Change]]] = {}
        sent = {(change.signal, change.sender) for change in changes}
        heard = {
            (name, to) for name, to in sent if name in SIGNALS and SIGNALS[name].receivers_of(to)
        }
        for change in changes:
            if (change.signal, change.sender) in heard:
                change.announcement = Change.Announcement.DUE
                due.setdefault(change.kind, {}).setdefault(change.object_id, []).append(change)
        if changes:
            bulk.insert(changes, database(), keys=bool(due) and lease is not None)
        for kind, announced in due.items():
            job = Job.Kind.announcing(kind)
            Job.objects.schedule(job, announced, lease=lease)
            if lease is not None:
                lease.add(job, announced)

    @in_transaction
    def replay(self, pks: Collection[int], *, priority: int | None = None) -> int:
        """Have receivers that failed after 8 tries called again; return of how many changes.

        ``priority``: as in ``Job.objects.request``; for many, that of their documents.
        """
        rows = lock(self.writer()).filter(pk__in=pks, announcement=Change.Announcement.ABANDONED)
        changes = list(rows.order_by("pk"))
        due: dict[str, set[int]] = {}
        for change in changes:
            change.receivers = {
                name: {k: v for k, v in entry.items() if k != "abandoned"} | {"attempts": 0}
                for name, entry in (change.receivers or {}).items()
            }
            change.announcement = Change.Announcement.DUE
            due.setdefault(change.kind, set()).add(change.object_id)
        update_many(changes, ("receivers", "announcement"))
        for kind, object_ids in due.items():
            Job.objects.request(Job.Kind.announcing(kind), object_ids, priority=priority)
        return len(changes)


class Change(models.Model):
    """One step forward of one object, written in the transaction that took it."""

    class Kind(models.TextChoices):
        """Whose history it is a line of."""

        RENDER = "render", _("document")
        SHARE = "share", _("link")
        SIGNATURE = "signature", _("signature request")
        ENGAGEMENT = "engagement", _("engagement event")
        PROJECT = "project", _("project")
        BATCH = "batch", _("batch")
        FORM = "form", _("form submission")

    class Announcement(models.TextChoices):
        NONE = "", _("nobody listens")
        DUE = "due", _("due")
        DONE = "done", _("done")
        ABANDONED = "abandoned", _("a receiver failed")

    class Cause(models.TextChoices):
        ASKED = "asked", _("asked for")
        ANSWER = "answer", _("Craftkit's answer")
        POLL = "poll", _("asked Craftkit")
        WEBHOOK = "webhook", _("webhook")
        READ_BACK = "read back", _("read back from Craftkit")
        HERE = "here", _("decided here")

    kind = models.CharField(_("kind"), max_length=32)
    object_id = models.BigIntegerField(_("object"))
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    from_status = models.CharField(_("from"), max_length=16, blank=True)
    to_status = models.CharField(_("to"), max_length=16)
    cause = models.CharField(_("cause"), max_length=16, choices=Cause)
    note = models.TextField(_("note"), blank=True)
    person = user_key(_("person"))
    #: Who has signed, where a change is about one recipient of a signature request.
    recipient = RowKey(
        "craftkit.SignatureRecipient",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # nobody looks changes up by it
        verbose_name=_("recipient"),
    )
    created_at = models.DateTimeField(_("created at"), default=clock.now)

    signal = models.CharField(_("signal"), max_length=32, blank=True)
    announcement = models.CharField(
        _("announcement"), max_length=16, choices=Announcement, blank=True
    )
    #: Dotted name of each receiver that has yet to succeed, with its attempts and last error;
    #: ``None`` before the first round.
    receivers = models.JSONField(_("receivers that failed"), null=True, blank=True)

    #: Of one that was just written: what it is about, as it was written.
    instance: Any = None

    objects: ClassVar[ChangeManager] = ChangeManager()

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        permissions = [("replay_change", _("Can call a receiver that failed again"))]
        indexes = [
            models.Index(fields=["kind", "object_id", "id"], name="craftkit_change_object"),
            models.Index(fields=["announcement", "kind", "object_id"], name="craftkit_change_due"),
        ]

    def __str__(self) -> str:
        steps = f"{self.from_status or '–'} → {self.to_status}"
        return one_line(f"{self.kind} {self.object_id}: {steps}")

    @property
    def sender(self) -> type[Any]:
        """Whose signal announces it: of what one recipient has done, the recipient's."""
        if self.recipient_id is not None:
            return apps.get_model("craftkit", "SignatureRecipient")
        return Job.Kind.announcing(self.kind).model

    @alters_data
    def replay(self) -> bool:
        """Have receivers that failed after 8 tries called again; ``False`` where none has."""
        return bool(Change.objects.replay([self.pk], priority=Priority.URGENT))

    areplay = async_twin(replay)
