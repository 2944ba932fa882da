"""Which rows have something left to do, by the kind of the job that does it.

Each such row has a job. What is left alone on purpose is in none of these: an e-mail whose fate
only staff can tell, a request that Craftkit has not known for a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, F, Max, Min, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.models import (
    ArchivedFile,
    Batch,
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
)
from django_craftkit.models.problems import ErrorCode

from .renders import adopt
from .signatures.poll_or_cancel import GIVE_UP_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from django_craftkit.models.signature_manager import SignatureRequestQuerySet

#: How many rows of a table are looked at in one go where no index finds those that are due.
SLICE = 20_000


@dataclass(frozen=True, slots=True)
class Due:
    """The rows that a kind of job has something to do for."""

    kind: Job.Kind
    rows: Callable[[], QuerySet[Any]]
    #: What names the object of the job, and its project.
    object_id: str = "pk"
    project: str | None = "project"
    #: Whether an index finds them; else the sweep goes through the table slice by slice.
    is_indexed: bool = True

    def lost(self, part: int | None = None) -> QuerySet[Any, tuple[int, str]]:
        """Return objects and projects of those that are due and have no job.

        ``part`` narrows what no index finds to the newest rows, and to a slice of the others:
        another one for each number, and all of them after a while.
        """
        rows = self.rows()
        if part is not None and not self.is_indexed:
            rows = slice_of(rows, part)
        jobs = Job.objects.writer().filter(kind=self.kind, object_id=OuterRef("of"))
        rows = rows.order_by().annotate(
            of=F(self.object_id), whose=F(self.project) if self.project else Value("")
        )
        lost: QuerySet[Any, tuple[int, str]] = rows.filter(~Exists(jobs)).values_list("of", "whose")
        return lost.distinct()


def slice_of(rows: QuerySet[Any], part: int) -> QuerySet[Any]:
    """Return the newest of these rows, and those of a slice: another one for each number."""
    ends = rows.model.objects.writer().aggregate(
        first=Coalesce(Min("pk"), 0), last=Coalesce(Max("pk"), 0)
    )
    slices = (ends["last"] - ends["first"]) // SLICE + 1
    start = ends["first"] + part % slices * SLICE
    return rows.filter(Q(pk__gt=ends["last"] - SLICE) | Q(pk__gte=start, pk__lt=start + SLICE))


def _unsettled_shares() -> QuerySet[Share]:
    """Return links to be made, or found, and mails to be cancelled, or found."""
    pending = Q(status=Share.Status.PENDING)
    return Share.objects.writer().filter(
        (pending & (Q(by_mail=False) | Q(revoke_requested_at__isnull=False)))
        | (Q(status=Share.Status.UNKNOWN) & ~Q(error_code=ErrorCode.MAIL_UNPROVEN))
        | Q(status=Share.Status.UNKNOWN, erased_at__isnull=False)
        | Q(
            status=Share.Status.UNKNOWN,
            revoke_requested_at__isnull=False,
            remote_id__isnull=False,
        )
    )


def _unwanted_shares() -> QuerySet[Share]:
    return Share.objects.writer().filter(
        status=Share.Status.ACTIVE, revoke_requested_at__isnull=False, remote_id__isnull=False
    )


def _mails() -> QuerySet[Share]:
    pending = Share.objects.writer().filter(status=Share.Status.PENDING)
    return pending.filter(by_mail=True, revoke_requested_at=None)


def _untold_events() -> QuerySet[EngagementEvent]:
    return EngagementEvent.objects.writer().to_be_told().filter(render__remote_id__isnull=False)


def _requests() -> SignatureRequestQuerySet:
    return SignatureRequest.objects.writer()


def _unsent_requests() -> QuerySet[SignatureRequest]:
    return _requests().filter(status=SignatureRequest.Status.PENDING, cancel_requested_at=None)


def _unwanted_requests() -> QuerySet[SignatureRequest]:
    left_alone = Q(unknown_since__lt=database_now() - GIVE_UP_AFTER)
    unwanted = _requests().alive().filter(cancel_requested_at__isnull=False)
    return unwanted.exclude(left_alone & Q(status__in=SignatureRequest.OPEN))


def _projects_to_poll() -> QuerySet[ProjectState]:
    open_ones = _requests().filter(project=OuterRef("project"), poll_at__isnull=False)
    return ProjectState.objects.writer().filter(Exists(open_ones), capability="")


def _kept(kind: str) -> Exists:
    return Exists(ArchivedFile.objects.writer().filter(kind=kind, object_id=OuterRef("pk")))


def _signed_but_not_kept() -> QuerySet[SignatureRequest]:
    signed = _requests().filter(status=SignatureRequest.Status.COMPLETED, remote_id__isnull=False)
    kinds = ArchivedFile.Kind
    return signed.exclude(_kept(kinds.SIGNED) & _kept(kinds.CERTIFICATE))


def _rendered_but_not_kept() -> QuerySet[Render]:
    renders = Render.objects.writer()
    files = ArchivedFile.objects.writer().filter(kind=ArchivedFile.Kind.RENDER)
    # What was ready before the setting was on, nobody has requested.
    # Erased ones that were no files when they were kept have no bytes.
    since = files.filter(size__gt=0).order_by("pk").values_list("archived_at", flat=True).first()
    if since is None or not conf.options().ARCHIVE_RENDERS:
        return renders.none()
    ready = renders.filter(
        status=Render.Status.SUCCEEDED, remote_id__isnull=False, completed_at__gte=since
    )
    return ready.exclude(_kept(ArchivedFile.Kind.RENDER))


def _superseding() -> QuerySet[Render]:
    ready = Render.objects.writer().filter(
        status=Render.Status.SUCCEEDED, withdrawn_at=None, supersedes__isnull=False
    )
    return ready.filter(supersedes__superseded_at=None)


def _completed_batches() -> QuerySet[Batch]:
    return Batch.objects.writer().filter(completed_at=None).complete()


def _unannounced(kind: str) -> QuerySet[Change]:
    return Change.objects.writer().filter(kind=kind, announcement=Change.Announcement.DUE)


DUE = (
    Due(Job.Kind.RENDER, lambda: Render.objects.writer().under_way()),
    Due(Job.Kind.SHARE, _unsettled_shares),
    Due(Job.Kind.SHARE, _unwanted_shares, is_indexed=False),
    Due(Job.Kind.EMAIL, _mails),
    Due(Job.Kind.ENGAGEMENT, _untold_events, object_id="render_id", project="render__project"),
    Due(Job.Kind.SEND_SIGNATURE, _unsent_requests),
    Due(Job.Kind.POLL_OR_CANCEL, _unwanted_requests),
    Due(Job.Kind.POLL_SIGNATURES, _projects_to_poll),
    Due(Job.Kind.ADOPT, adopt.waiting, is_indexed=False),
    Due(Job.Kind.SUPERSEDE, _superseding, project=None),
    Due(Job.Kind.ARCHIVE_SIGNATURE, _signed_but_not_kept, is_indexed=False),
    Due(Job.Kind.ARCHIVE_RENDER, _rendered_but_not_kept, is_indexed=False),
    Due(Job.Kind.BATCH, _completed_batches, project=None),
    *(
        Due(Job.Kind.announcing(kind), partial(_unannounced, kind), "object_id", project=None)
        for kind in Change.Kind
    ),
)
