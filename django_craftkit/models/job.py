"""What is to be done next, and which worker has leased it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, cast

from django.db import connections, models, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _

from django_craftkit import bulk, clock, dispatch
from django_craftkit.database import (
    database,
    read_committed_next,
    retried_after_deadlock,
    update_many,
)
from django_craftkit.statements import insert

from . import kinds
from .claims import Lease, Leased, LeasedQuerySet
from .priority import Priority, priorities
from .problems import NO_PROBLEM, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime, timedelta

#: The attempt of a job that is not begun any more: each one before it has ended a worker.
MAX_CLAIMS = 5


class JobQuerySet(LeasedQuerySet):
    classes = Priority.values

    def _of_class(self, one: int) -> Self:
        return self.filter(priority=one)

    @retried_after_deadlock
    def request(
        self,
        kind: str,
        object_ids: Collection[int],
        project: str = "",
        *,
        priority: int | None = Priority.URGENT,
    ) -> None:
        """Make the jobs of these objects due now, as ``schedule`` does; wake the loop on commit."""
        with transaction.atomic(using=database(), savepoint=False):
            self.schedule(kind, object_ids, project, priority=priority)
            dispatch.wake_on_commit(database())

    def schedule(
        self,
        kind: str,
        object_ids: Iterable[int],
        project: str = "",
        *,
        at: datetime | None = None,
        priority: int | None = None,
        lease: Lease | None = None,
    ) -> None:
        """Make the jobs of these objects due now or ``at``, inside the request's transaction.

        A leased job is due again when its worker releases it: that has an older version. One that
        was quarantined is due like any other. ``priority`` raises jobs of a less urgent class;
        without it those that are there keep theirs, and new ones get that of their document. With
        a ``lease`` new ones are leased.
        """
        pks = sorted(set(object_ids))
        now = at or clock.database_moment()
        jobs = self.writer().filter(bulk.among("object_id", pks), kind=kind)
        is_quarantined = Q(lease_token=None, leased_until__isnull=False)
        values: dict[str, Any] = {
            "version": F("version") + 1,
            "due_at": Case(When(is_quarantined, then=now), default=Least("due_at", now)),
            "leased_until": Case(When(lease_token=None, then=None), default=F("leased_until")),
        }
        if priority is not None:
            values["priority"] = Least("priority", priority)
        # It ends with all of them locked, or new: another may have added one meanwhile, and be
        # done with it.
        while jobs.update(**values) < len(pks):
            if self._add(kind, pks, project, now, priority, lease):
                break

    def leased(self, lease: Lease) -> list[Job]:
        """Return the jobs that were written under a lease, as a claim returns what it takes."""
        jobs: list[Job] = [*lease.jobs]
        known = {(job.kind, job.object_id) for job in jobs}
        for kind, written in lease.changes.items():
            unread = [pk for pk in written if (kind, pk) not in known]
            rows = self.writer().filter(
                bulk.among("object_id", unread), kind=kind, lease_token=lease.token
            )
            # Moments take longer to read than all the rest, and no step looks at them.
            jobs += rows.defer("due_at", "leased_until", "created_at").order_by("pk")
        for job in jobs:
            changes = lease.changes[job.kind][job.object_id]
            # What has another version by now may have more to announce.
            if job.version == 1 and all(change.pk for change in changes):
                job.changes = changes
        return jobs

    def schedule_for(self, kind: str, rows: Iterable[Any]) -> None:
        """Make the jobs of these rows due now, as ``schedule`` does, each in the row's project."""
        by_project: dict[str, list[int]] = {}
        for row in rows:
            by_project.setdefault(row.project, []).append(row.pk)
        for project, pks in sorted(by_project.items()):
            self.schedule(kind, pks, project)

    def _add(
        self,
        kind: str,
        object_ids: list[int],
        project: str,
        now: Any,
        priority: int | None = None,
        lease: Lease | None = None,
    ) -> bool:
        """Write jobs, but for those that are there; return whether all are known to be new."""
        if priority is None:
            classes = priorities(kind, object_ids)
        else:
            classes = dict.fromkeys(object_ids, priority)
        job = Job(kind=kind, project=project, due_at=now)
        if lease is not None:
            job.leased_until, job.lease_token = lease.until, lease.token
        jobs = [bulk.like(job, object_id=pk, priority=classes[pk]) for pk in object_ids]
        are_new = bulk.insert(jobs, database(), ignore=True, keys=lease is not None)
        if are_new and lease is not None:
            lease.jobs += jobs
        return are_new

    def restore(self, kind: str, object_ids: Iterable[int], project: str) -> None:
        """Write jobs that are missing, due now; one that is there by now stays as it is."""
        self._add(kind, sorted(object_ids), project, clock.database_moment())

    def start(self, kind: str, object_id: int, project: str, priority: int) -> None:
        """Write the first job of an object that was just made, with one INSERT; wake the loop."""
        using = database()
        job = Job(kind=kind, object_id=object_id, project=project, priority=priority)
        clock_sql = clock.moment_sql(connections[using])
        job.due_at = None if clock_sql else clock.database_now()
        insert(job, using, {"due_at": clock_sql} if clock_sql else {})
        dispatch.wake_on_commit(using)

    def start_all(self, kind: str, object_ids: Sequence[int], project: str, priority: int) -> None:
        """Write the first jobs of objects that were just made, as ``start`` does for one."""
        using = database()
        job = Job(kind=kind, project=project, priority=priority)
        job.due_at = cast("Any", clock.database_moment())
        bulk.insert([bulk.like(job, object_id=pk) for pk in object_ids], using, ignore=True)
        dispatch.wake_on_commit(using)

    def raise_to(self, priority: int, kind: str, object_id: int) -> None:
        """Raise the job of an object, if there is one, to a more urgent class."""
        jobs = self.writer().filter(kind=kind, object_id=object_id, priority__gt=priority)
        jobs.update(priority=priority)

    def mine(self, job: Job) -> Self:
        """Return the row of a claimed job, for as long as nobody has taken it over."""
        return self.writer().filter(pk=job.pk, lease_token=job.lease_token)

    def release(
        self, done: Sequence[Job], rescheduled: Sequence[tuple[Job, datetime, Problem, int]]
    ) -> set[int]:
        """Delete claimed jobs whose steps are done; reschedule others, inside a transaction.

        Each of the others has its moment, its problem and its number of failures.
        Returns the primary keys of all but those that somebody else has locked: whoever has locked
        many must wait for nobody who may wait for one of them.
        """
        ended: list[tuple[Job, datetime | None, Problem, int]]
        ended = [*((job, None, NO_PROBLEM, 0) for job in done), *rescheduled]
        jobs = {job.pk: job for job, *_ in ended}
        #: The version of each of them that is locked now, and still ours.
        found: dict[int, int] = {}
        for kind in {job.kind for job in jobs.values()}:
            # By the index that requests go by: MySQL locks an index and its row apart.
            objects = [job.object_id for job in jobs.values() if job.kind == kind]
            rows = self.writer().filter(bulk.among("object_id", objects), kind=kind)
            if connections[rows.db].features.has_select_for_update_skip_locked:
                rows = rows.select_for_update(skip_locked=True)
            found |= {
                pk: version
                for pk, token, version in rows.values_list("pk", "lease_token", "version")
                if pk in jobs and token == jobs[pk].lease_token
            }
        rest = self.writer().filter(pk__in=jobs.keys() - found.keys())
        tokens = {job.lease_token for job in jobs.values()}
        locked = set(rest.filter(lease_token__in=tokens).values_list("pk", flat=True))
        over, left = [], []
        now = cache(clock.database_now)
        for job, at, problem, failures in ended:
            # One that was requested meanwhile is due at once.
            is_current = found.get(job.pk) == job.version
            if is_current and at is None:
                over.append(job.pk)
            elif job.pk in found:
                values: dict[str, Any]
                values = {**problem.columns, "failures": failures, **_RELEASED}
                left.append(Job(pk=job.pk, due_at=at if is_current else now(), **values))
        if over:
            bulk.delete_by_pk(Job, over, database())
        update_many(left, ("due_at", "error", "error_code", "failures", *_RELEASED))
        return jobs.keys() - locked

    def begin(self, job: Job) -> bool:
        """Count that the step of a claimed job begins; ``False`` where it was taken over."""
        return self._count(job, 1)

    def begin_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Count that the steps of claimed jobs begin, inside a transaction.

        Returns those that were not taken over, and that nobody else has locked.
        """
        free = bulk.update_free(self.still_leased(jobs), attempts=F("attempts") + 1)
        begun = [job for job in jobs if job.pk in free]
        for job in begun:
            job.attempts = job.crashes + 1
        return begun

    def extend(self, job: Job, lease: timedelta) -> bool:
        """Lease a claimed job anew, from now on; ``False`` where it was taken over."""
        return bool(self.mine(job).update(leased_until=clock.database_now() + lease))

    def wait(self, job: Job) -> None:
        """Take back that the step of a claimed job has begun, if it has: it waits for its turn."""
        if job.attempts > job.crashes:
            self._count(job, -1)

    def _count(self, job: Job, attempts: int) -> bool:
        is_mine = bool(self.mine(job).update(attempts=F("attempts") + attempts))
        if is_mine:
            job.attempts += attempts
        return is_mine

    def leave(self, job: Job, at: datetime) -> None:
        """Release a job whose step has not begun, to be due at a time."""
        self.mine(job).update(due_at=_at(job, at), leased_until=None, lease_token=None)

    def done(self, job: Job) -> None:
        """Delete a finished job; one that was requested again meanwhile stays due."""
        mine = self.mine(job)
        # delete() would look first and delete then, by primary key alone, where any application
        # listens to the deletion of every model: a request in between would be lost.
        read_committed_next(mine.db)
        if not mine.filter(version=job.version)._raw_delete(mine.db):
            values = {**_RELEASED, **NO_PROBLEM.columns, "failures": 0}
            mine.update(due_at=clock.database_moment(), **values)

    def reschedule(
        self, job: Job, at: datetime, *, problem: Problem = NO_PROBLEM, failures: int = 0
    ) -> bool:
        """Release a job to be due at a time; ``False`` where it was taken over."""
        values = {"failures": failures, **problem.columns, **_RELEASED}
        return bool(self.mine(job).update(due_at=_at(job, at), **values))

    def quarantine(self, job: Job, until: datetime, *, problem: Problem) -> None:
        """Keep a job that ends its workers from being claimed, until it is requested again."""
        self.mine(job).update(**{**_RELEASED, "leased_until": until}, **problem.columns)

    def on_course(self) -> Self:
        """Return the jobs that are carried out soon without another request.

        They wait for their turn or for the end of a pause, or are leased; none has failed or is
        quarantined.
        """
        return self.filter(Q(leased_until=None) | Q(lease_token__isnull=False), failures=0)

    def quarantined(self) -> Self:
        """Return the jobs that are quarantined."""
        return self.filter(lease_token=None, leased_until__isnull=False)


def _at(job: Job, at: datetime) -> Case:
    """Return when a released job is due: at once where it was requested meanwhile."""
    return Case(When(version=job.version, then=at), default=clock.database_moment())


_RELEASED: dict[str, Any] = {"leased_until": None, "lease_token": None, "attempts": 0}


class Job(Leased):
    """The next step a worker must take for one object, so that Craftkit does what was requested."""

    Kind: TypeAlias = kinds.Kind

    kind = models.CharField(_("kind"), max_length=32)
    object_id = models.BigIntegerField(_("object"))
    #: Empty for work that needs no Craftkit project.
    project = models.CharField(_("project"), max_length=64, blank=True)
    #: Its class: the smaller, the more urgent.
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority, default=Priority.SINGLE, db_default=Priority.SINGLE.value
    )
    #: Raised by each request; who finishes an older version leaves the job due.
    version = models.PositiveIntegerField(_("version"), default=1)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    created_at = models.DateTimeField(_("created at"), default=clock.now)
    #: Of one whose writer goes on with it: what it announces, as it was written.
    changes: list[Any] | None = None

    objects: ClassVar[models.Manager[Job]] = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        permissions = [("carry_out_job", _("Can have a job carried out now"))]
        constraints = [
            models.UniqueConstraint(fields=["kind", "object_id"], name="craftkit_job_object"),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="craftkit_job_due"),
            # What claims go by. The last two are what a pause leaves out: jobs that wait for its
            # end are passed over in the index, without a look at their rows.
            models.Index(
                fields=["priority", "due_at", "id", "project", "kind"], name="craftkit_job_claim"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"
