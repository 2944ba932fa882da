"""What is due and waits: for a worker, or for the end of a pause."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from django_craftkit import conf
from django_craftkit.models import Job, ProjectState, WebhookDelivery

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

#: The kinds of jobs that wait while one capability is paused; all do while the project is.
NEEDS: dict[str, tuple[Job.Kind, ...]] = {
    capability: tuple(kind for kind in Job.Kind if kind.capability == capability)
    for capability in ProjectState.Capability
    if capability
}
#: Where it ends to count what waits: "1,000 or more" says as much as the number would.
MOST = 1000


def pauses() -> list[tuple[str, str]]:
    """Return what is paused, by project and capability."""
    return list(ProjectState.objects.writer().paused().values_list("project", "capability"))


def paused_by(project: str, capability: str) -> Q:
    """Return what finds the jobs that wait for the end of a pause."""
    kinds = NEEDS.get(capability)
    return Q(project=project) if kinds is None else Q(project=project, kind__in=kinds)


def is_paused(project: str, kind: str) -> bool:
    """Whether jobs of this kind wait for the end of a pause of their project."""
    mine = ProjectState.objects.writer().paused().filter(project=project)
    lacking = mine.values_list("capability", flat=True)
    return any(kind in NEEDS.get(capability, (kind,)) for capability in lacking)


def free_jobs(paused: Iterable[tuple[str, str]]) -> Any:
    """Return the jobs that wait neither for these pauses nor for ``CRAFTKIT["PAUSED"]``."""
    jobs: Any = Job.objects.filter(project="") if conf.options().PAUSED else Job.objects.all()
    projects: defaultdict[str, list[str]] = defaultdict(list)
    for project, capability in paused:
        projects[capability].append(project)
    # A condition for each capability, and not for each of a thousand projects.
    for capability, names in projects.items():
        kinds = {"kind__in": NEEDS[capability]} if capability in NEEDS else {}
        jobs = jobs.exclude(project__in=names, **kinds)
    return jobs


def oldest_job(now: datetime, projects: Iterable[str] | None) -> Any:
    """Return the job that has been due for longest and that a worker could take now.

    Of these projects, or of any. A job that is quarantined, or leased, waits for no worker.
    """
    return _oldest(free_jobs(pauses()), now, projects)


def oldest_delivery(now: datetime, projects: Iterable[str] | None) -> Any:
    """Return the webhook that has waited for longest for a worker: none waits for a pause."""
    return _oldest(WebhookDelivery.objects.defer("body"), now, projects)


def _oldest(rows: Any, now: datetime, projects: Iterable[str] | None) -> Any:
    if projects is not None:
        rows = rows.filter(project__in=projects)
    # By the index that claims go by.
    return rows.writer().due(now).order_by("due_at", "pk").first()


def count(found: Q) -> int:
    """Count the jobs that are found so; up to ``MOST`` and one."""
    return Job.objects.writer().filter(found).values("pk")[: MOST + 1].count()


def count_due(now: datetime, found: Q) -> int:
    """Count those of them that are due and that no worker has; up to ``MOST`` and one."""
    return Job.objects.writer().due(now).filter(found).values("pk")[: MOST + 1].count()
