"""The mirror level with Craftkit: what is open, and what may have been missed, is asked about now.

Workers do so by themselves, ever less often as a row grows old. This is for the day on which
somebody can't wait: a backup was restored, or webhooks went astray for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef

from django_craftkit.bulk import in_batches
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction
from django_craftkit.dispatch import wake_on_commit
from django_craftkit.models import Job, Render, SignatureRequest, Template

from .due import DUE
from .signatures.states import schedule
from .templates import has_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from django.db.models import QuerySet

    from django_craftkit.models.render_queryset import RenderQuerySet

#: Rows that one transaction has asked about.
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """What Craftkit is asked about."""

    name: str
    rows: QuerySet[Any]
    #: Makes some of them due, by their keys; returns how many.
    ask: Callable[[list[int]], int]


def kinds(projects: Collection[str], days: float) -> list[Kind]:
    """Return what Craftkit is asked about: of documents, those ready in the last ``days``."""
    renders = Render.objects.writer().filter(project__in=projects, remote_id__isnull=False)
    requests = SignatureRequest.objects.writer().open()
    ready = renders.filter(
        status=Render.Status.SUCCEEDED,
        completed_at__gte=database_now() - timedelta(days=days),
    )
    return [
        Kind(
            "documents under way",
            _trusted(renders.under_way(), Job.Kind.RENDER),
            partial(_ask, Job.Kind.RENDER),
        ),
        # Those that Craftkit did not know included.
        Kind(
            "open signature requests",
            requests.filter(project__in=projects, remote_id__isnull=False),
            _ask_of_requests,
        ),
        Kind(
            "documents for their links and engagement",
            _trusted(ready, Job.Kind.ENGAGEMENT),
            partial(_ask, Job.Kind.ENGAGEMENT),
        ),
    ]


def sync(projects: Collection[str], days: float) -> Iterator[tuple[str, int]]:
    """Make due what Craftkit is to be asked about; yield what it is and how many, in batches.

    It returns before anything is asked: workers do that. Run again it asks about the same.
    """
    for kind, number in restore(projects):
        yield f"lost jobs ({kind})", number
    for one in kinds(projects, days):
        for pks in in_batches(one.rows.values_list("pk", flat=True), BATCH):
            yield one.name, one.ask(pks)
    for project in filter(has_key, projects):
        Template.objects.refresh(project)
        yield "projects for their templates", 1


def restore(projects: Collection[str]) -> Iterator[tuple[str, int]]:
    """Write the jobs of rows that are due and have none, which the sweep finds slice by slice."""
    for due in DUE:
        lost = due.lost()
        if due.project:
            lost = lost.filter(whose__in=projects)
        # What was written is lost no more.
        while found := list(lost[:BATCH]):
            for project in {whose for _, whose in found}:
                pks = [pk for pk, whose in found if whose == project]
                Job.objects.restore(due.kind, pks, project)
            yield due.kind.value, len(found)
    wake_on_commit(database())


def _trusted(rows: RenderQuerySet, kind: Job.Kind) -> RenderQuerySet:
    """Leave out the rows whose job was quarantined, since it ends its workers: staff decide."""
    jobs = Job.objects.writer().quarantined()
    return rows.filter(~Exists(jobs.filter(kind=kind, object_id=OuterRef("pk"))))


@in_transaction
def _ask(kind: Job.Kind, pks: list[int]) -> int:
    rows = Render.objects.writer().filter(pk__in=pks).only("project")
    # With their own classes: what somebody waits for goes first.
    Job.objects.schedule_for(kind, rows)
    wake_on_commit(database())
    return len(pks)


@in_transaction
def _ask_of_requests(pks: list[int]) -> int:
    now = database_now()
    rows = SignatureRequest.objects.writer().open().filter(pk__in=pks)
    number = rows.update(poll_at=now)
    for project in set(rows.values_list("project", flat=True)):
        schedule(project, now)
    wake_on_commit(database())
    return number
