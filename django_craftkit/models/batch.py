"""Batches: documents that were requested in one go, such as a month's invoices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Count, Exists, OuterRef
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_craftkit import bulk, clock
from django_craftkit.conf import DEFAULT_PROJECT
from django_craftkit.database import (
    database,
    in_transaction,
    insert_or_get,
    retried_after_deadlock,
)
from django_craftkit.functions import alters_data
from django_craftkit.log import one_line
from django_craftkit.statements import Lookup
from django_craftkit.twins import async_twin, in_thread

from .arguments import MAX_NAME, check_user, hash_key
from .columns import NullableMoment, prefix_index, user_key
from .job import Job
from .priority import Priority
from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models.fields.related_descriptors import RelatedManager

    from .render import Render
    from .render_manager import RenderManager
    from .render_queryset import RenderQuerySet

    Counts = dict[str, int]
    NullableText = models.CharField[str | None, str | None]

    class _Renders(RelatedManager[Render], RenderManager): ...  # type: ignore[misc]


#: What a change says of a batch.
OPEN, COMPLETED = "open", "completed"
#: Documents that are retried with one transaction.
TOGETHER = 1000


class BatchQuerySet(RowQuerySet["Batch"]):
    """The batches, to find them."""

    def complete(self) -> Self:
        """Return the batches all of whose documents were requested, and have ended.

        However they ended: ready, failed, rejected or cancelled.
        """
        renders = Job.Kind.RENDER.model.objects.under_way().filter(batch=OuterRef("pk"))
        return self.filter(~Exists(renders.order_by()), filled_at__isnull=False)

    def reopen(self, pks: Iterable[int | None]) -> None:
        """Note that documents of these batches are under way again, in their transaction.

        ``None`` is among ``pks`` for documents of no batch. Whoever is about to note that such a
        batch is complete has its row locked: this waits, and then has the last word.
        """
        reopened = {pk for pk in pks if pk is not None}
        if reopened:
            self.writer().filter(pk__in=reopened).update(completed_at=None)


if TYPE_CHECKING:

    class _Manager(BatchQuerySet, models.Manager["Batch"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(BatchQuerySet)


class BatchManager(_Manager):
    """Where batches are begun: by ``Render.objects.request_many``."""

    @retried_after_deadlock
    def begin(self, batch: Batch) -> Batch:
        """Write a new batch, or return the one of the same project, template and name.

        That is open from then on, until all of it was requested.
        """
        if not batch.name:
            batch.save(using=database(), force_insert=True)
            return batch
        batch.key_hash = hash_key(json.dumps([batch.project, batch.template, batch.name]))
        known = _BY_KEY.first(database(), batch.key_hash)
        if known is None:
            known = insert_or_get(batch, _BY_KEY, "key_hash")
        if known is not batch:
            self.writer().filter(pk=known.pk).update(filled_at=None)
            known.filled_at = None
        return known


def count_by_status(renders: RenderQuerySet, batches: Collection[int]) -> Mapping[int, Counts]:
    """Return how many of these documents have which status, by batch: one query."""
    statuses = Job.Kind.RENDER.model.Status.values
    found = {pk: dict.fromkeys(statuses, 0) for pk in batches}
    rows = renders.filter(batch__in=batches).order_by().values_list("batch", "status")
    for pk, status, number in rows.annotate(number=Count("pk")):
        found[pk][status] = number
    return found


class Batch(models.Model):
    """Documents of one template that ``Render.objects.request_many`` has requested.

    Attributes:
        created: how many documents the call made that has returned this very object.
        existing: how many it found, each under its key; those of no batch are in this one now.
        skipped: for how many objects there was nothing to render.
    """

    project = models.CharField(_("project"), max_length=64, default=DEFAULT_PROJECT)
    template = models.CharField(_("template"), max_length=120)
    #: One name is one batch, of a template in a project; "": each call makes another.
    name = models.CharField(_("batch name"), max_length=MAX_NAME, blank=True)
    #: Of project, template and name: collations fold case, a hash doesn't.
    key_hash: NullableText = models.CharField(  # noqa: DJ001 - any number have none
        max_length=64, null=True, unique=True, editable=False
    )
    #: That of its documents.
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority, default=Priority.BULK, db_default=Priority.BULK.value
    )
    requested_at = models.DateTimeField(_("requested at"), default=clock.now)
    requested_by = user_key(_("requested by"))
    #: When all of its documents were requested; empty while a call is at it, or has not come to its
    #: end.
    filled_at: NullableMoment = models.DateTimeField(_("all requested at"), null=True, blank=True)
    #: When a worker saw that all of them have ended; empty again while one of them is retried.
    completed_at: NullableMoment = models.DateTimeField(_("completed at"), null=True, blank=True)

    created = existing = skipped = 0

    objects: ClassVar[BatchManager] = BatchManager()

    renders: _Renders

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="craftkit_batch_newest"),
            # The sweep looks at those that are not complete.
            models.Index(fields=["completed_at"], name="craftkit_batch_open"),
            prefix_index("name", "craftkit_batch_begins"),
        ]

    def __str__(self) -> str:
        return one_line(f"{self.template} {self.name or self.pk}")

    @property
    def title(self) -> str:
        """What pages call it: its name, or its number where it has none."""
        return self.name or gettext("Batch %d") % self.pk

    @property
    def counts(self) -> Counts:
        """How many of its documents have which status: one query.

        Each status is there, with 0 where no document has it.
        """
        return count_by_status(self._renders(), [self.pk])[self.pk]

    @in_thread
    def acounts(self) -> Counts:
        """Async version of ``counts``: a method."""
        return self.counts

    @property
    def total(self) -> int:
        """How many documents it has by now: one query."""
        return self._renders().count()

    @in_thread
    def atotal(self) -> int:
        """Async version of ``total``: a method."""
        return self.total

    @property
    def is_complete(self) -> bool:
        """Whether all of its documents were requested, and have ended: one query."""
        return Batch.objects.writer().complete().filter(pk=self.pk).exists()

    @in_thread
    def ais_complete(self) -> bool:
        """Async version of ``is_complete``: a method."""
        return self.is_complete

    @alters_data
    def retry_failed(
        self, *, user: AbstractBaseUser | None = None, of: RenderQuerySet | None = None
    ) -> int:
        """Start the next attempt of its documents that failed or were rejected.

        Not of those that were withdrawn. They go with the data that they had. A thousand at a time
        are written in one transaction, where none is open.

        Args:
            user: who the history says requested it.
            of: only those of these documents; None: any of the batch.

        Returns:
            How many that were.
        """
        check_user(user)
        renders = self._renders()
        failed = renders.failed().order_by("pk")
        if of is not None:
            failed = failed.filter(pk__in=of.using(renders.db).order_by().values("pk"))
        pks = list(failed.values_list("pk", flat=True))
        parts = bulk.parts(pks, TOGETHER)
        return sum(len(renders.model.objects.retry_all(part, user=user)) for part in parts)

    aretry_failed = async_twin(retry_failed)

    @in_transaction
    def fill(self) -> None:
        """Note that all of its documents are requested; have a worker see whether they ended."""
        self.filled_at = clock.now()
        Batch.objects.writer().filter(pk=self.pk).update(filled_at=self.filled_at)
        # It is nobody's at Craftkit: a project that is paused does not hold it.
        Job.objects.request(Job.Kind.BATCH, [self.pk], priority=None)

    def _renders(self) -> RenderQuerySet:
        rows: RenderQuerySet = self.renders.using(database())
        return rows


_BY_KEY = Lookup(lambda: Batch.objects.all(), "key_hash")
