"""What is to be done next, who has it in hand, and what holds a project up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import connections, models, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Least
from django.utils.translation import gettext_lazy as _

from django_craftkit import bulk, clock, conf, dispatch
from django_craftkit.database import (
    again_after_deadlock,
    database,
    in_transaction,
    lock,
    read_committed_next,
    storable,
    update_many,
)
from django_craftkit.statements import insert

from .claims import Leased, LeasedQuerySet
from .priority import Priority, priorities

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django.db.models.expressions import Combinable

#: The kind of a change of a project, and what a project is said to be in it.
PROJECT, RUNNING, PAUSED = "project", "running", "paused"
#: The code of a pause whose cause is in this site's settings.
NOT_CONFIGURED = "not_configured"
#: The attempt of a job that isn't made any more: each one before it has ended a worker.
MAX_CLAIMS = 5
#: For how long a sign of life is not written anew, whichever worker gives the next.
SIGN_EVERY = timedelta(seconds=5)
#: How long without a sign of a worker until none is taken to be running.
NO_WORKER = timedelta(seconds=60)
#: How long without a sweep until beat is taken not to be running, beside a worker that is. On a
#: long queue a sweep's turn comes when the messages before it have expired (``dispatch.EXPIRES``)
#: and the task under way has ended.
NO_SWEEP = timedelta(seconds=300)


class JobQuerySet(LeasedQuerySet):
    classes = Priority.values

    def _of_class(self, one: int) -> Self:
        return self.filter(priority=one)

    @again_after_deadlock
    def ask(
        self,
        kind: str,
        object_ids: Collection[int],
        project: str = "",
        *,
        priority: int | None = Priority.URGENT,
    ) -> None:
        """Make the jobs of these objects due now, and wake the loop on commit.

        A person's request, unless ``priority`` says otherwise; it is what ``wish`` takes.
        """
        with transaction.atomic(using=database(), savepoint=False):
            self.wish(kind, object_ids, project, priority=priority)
            dispatch.wake_on_commit(database())

    def wish(
        self,
        kind: str,
        object_ids: Iterable[int],
        project: str = "",
        *,
        at: datetime | None = None,
        priority: int | None = None,
    ) -> None:
        """Make the jobs of these objects due now or ``at``, inside the transaction of the wish.

        A job that is leased is due again as soon as its worker ends: that holds an older version.
        One that was quarantined is taken up again. ``priority`` raises jobs of a less urgent
        class; without it those that are there keep theirs, and new ones get that of their
        document.
        """
        pks = sorted(set(object_ids))
        now = at or clock.database_moment()
        jobs = self.using(database()).filter(kind=kind, object_id__in=pks)
        moment = Value(now) if isinstance(now, datetime) else now
        is_aside = Q(lease_token=None, leased_until__isnull=False)
        values: dict[str, Any] = {
            "version": F("version") + 1,
            "due_at": Case(When(is_aside, then=moment), default=Least(F("due_at"), moment)),
            "leased_until": Case(When(lease_token=None, then=None), default=F("leased_until")),
        }
        if priority is not None:
            values["priority"] = Least(F("priority"), Value(priority))
        # The loop ends with all of them locked: one that was added may have been another's, and
        # be done by then.
        while jobs.update(**values) < len(pks):
            self._add(kind, pks, project, now, priority)

    def wish_for(self, kind: str, rows: Iterable[Any]) -> None:
        """Make the jobs of these rows due now, as ``wish`` does, each in the row's project."""
        by_project: dict[str, list[int]] = {}
        for row in rows:
            by_project.setdefault(row.project, []).append(row.pk)
        for project, pks in by_project.items():
            self.wish(kind, pks, project)

    def _add(
        self,
        kind: str,
        object_ids: list[int],
        project: str,
        now: datetime | Combinable,
        priority: int | None = None,
    ) -> None:
        due_at: Any = now
        if priority is None:
            classes = priorities(kind, object_ids)
        else:
            classes = dict.fromkeys(object_ids, priority)
        self.using(database()).bulk_create(
            [
                Job(
                    kind=kind,
                    object_id=pk,
                    project=project,
                    due_at=due_at,
                    priority=classes[pk],
                )
                for pk in object_ids
            ],
            ignore_conflicts=True,
        )

    def restore(self, kind: str, object_ids: Iterable[int], project: str) -> None:
        """Write jobs that got lost, due now; one that is there by now stays as it is."""
        self._add(kind, sorted(object_ids), project, clock.database_moment())

    def start(self, kind: str, object_id: int, project: str, priority: int | None = None) -> None:
        """Write the first job of an object that was just made, with one INSERT; wake the loop.

        Without a ``priority`` it costs a query to find that of its document.
        """
        using = database()
        if priority is None:
            priority = priorities(kind, [object_id])[object_id]
        job = Job(kind=kind, object_id=object_id, project=project, priority=priority)
        clock_sql = clock.moment_sql(using)
        if not clock_sql:
            job.due_at = clock.database_now()
        insert(job, using, {"due_at": clock_sql} if clock_sql else {})
        dispatch.wake_on_commit(using)

    def raise_to(self, priority: int, kind: str, object_id: int) -> None:
        """Raise the job of an object, if there is one, to a more urgent class."""
        jobs = self.using(database()).filter(kind=kind, object_id=object_id)
        jobs.filter(priority__gt=priority).update(priority=priority)

    def mine(self, job: Job) -> Self:
        """Return the row of a claimed job, for as long as nobody has taken it over."""
        return self.using(database()).filter(pk=job.pk, lease_token=job.lease_token)

    def put_down(
        self, done: Sequence[Job], again: Sequence[tuple[Job, datetime, str, int]]
    ) -> set[int]:
        """Drop claimed jobs whose steps are done; put others back for a time, as ``again`` does.

        Inside a transaction. Those put back have an error and a number of failures. Returns the
        primary keys of what is settled so, or had been taken over: not of jobs that somebody else
        has locked. Whoever has locked many must wait for nobody who may wait for one of them.
        """
        jobs = {job.pk: job for job in (*done, *(job for job, *_ in again))}
        found: dict[int, Job] = {}
        for kind in {job.kind for job in jobs.values()}:
            # By the index that whoever wishes goes by: MySQL locks an index and its row apart.
            rows = self.using(database()).filter(
                kind=kind, object_id__in=[job.object_id for job in jobs.values()]
            )
            if connections[rows.db].features.has_select_for_update_skip_locked:
                rows = rows.select_for_update(skip_locked=True)
            found |= {
                row.pk: row
                for row in rows
                if row.pk in jobs and row.lease_token == jobs[row.pk].lease_token
            }
        rest = self.using(database()).filter(pk__in=jobs.keys() - found.keys())
        tokens = {job.lease_token for job in jobs.values()}
        locked = set(rest.filter(lease_token__in=tokens).values_list("pk", flat=True))
        over, left = [], []
        # One that was wished for meanwhile is due at once.
        now = clock.database_now()
        for job in done:
            row = found.get(job.pk)
            if row is not None and row.version == job.version:
                over.append(row.pk)
            elif row is not None:
                row.due_at, row.error, row.failures = now, "", 0
                left.append(row)
        for job, at, error, failures in again:
            row = found.get(job.pk)
            if row is not None:
                row.due_at = at if row.version == job.version else now
                row.error, row.failures = storable(error), failures
                left.append(row)
        for row in left:
            for name, value in _RELEASED.items():
                setattr(row, name, value)
        if over:
            bulk.delete_by_pk(Job, over, database())
        update_many(left, ("due_at", "error", "failures", *_RELEASED))
        return jobs.keys() - locked

    def begin(self, job: Job) -> bool:
        """Count that the step of a claimed job begins; ``False`` where it was taken over."""
        return self._count(job, 1)

    def begin_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Count that the steps of claimed jobs begin; return those that were not taken over."""
        rows = self.using(database()).filter(
            pk__in=[job.pk for job in jobs], lease_token__in={job.lease_token for job in jobs}
        )
        if rows.update(attempts=F("attempts") + 1) < len(jobs):
            tokens = dict(rows.values_list("pk", "lease_token"))
            jobs = [job for job in jobs if tokens.get(job.pk) == job.lease_token]
        for job in jobs:
            job.attempts += 1
        return list(jobs)

    def wait(self, job: Job) -> None:
        """Take back that the step of a claimed job has begun: it waits for its turn."""
        self._count(job, -1)

    def _count(self, job: Job, attempts: int) -> bool:
        is_mine = bool(self.mine(job).update(attempts=F("attempts") + attempts))
        if is_mine:
            job.attempts += attempts
        return is_mine

    def leave(self, job: Job, at: datetime) -> None:
        """Put a job back for a time whose step has not begun."""
        self.mine(job).update(due_at=_at(job, at), leased_until=None, lease_token=None)

    def done(self, job: Job) -> None:
        """Drop a finished job; one that was wished for again meanwhile stays due."""
        mine = self.mine(job)
        # delete() would look first and delete then, by primary key alone, where any application
        # listens to the deletion of every model: a wish in between would be lost.
        read_committed_next(mine.db)
        if not mine.filter(version=job.version)._raw_delete(mine.db):
            mine.update(**_RELEASED, due_at=clock.database_moment(), failures=0, error="")

    def again(self, job: Job, at: datetime, *, error: str = "", failures: int = 0) -> bool:
        """Put a job back for a time; ``False`` where it was taken over."""
        is_mine = self.mine(job).update(
            due_at=_at(job, at),
            failures=failures,
            error=storable(error),
            **_RELEASED,
        )
        return bool(is_mine)

    def set_aside(self, job: Job, until: datetime, *, error: str) -> None:
        """Leave a job alone that ends its workers, unless somebody asks for it."""
        self.mine(job).update(**{**_RELEASED, "leased_until": until}, error=error)

    def on_course(self) -> Self:
        """Return the jobs that somebody carries out without another wish, and soon.

        They wait for their turn, are in a worker's hands or held up by a pause; neither failed nor
        quarantined.
        """
        return self.filter(Q(leased_until=None) | Q(lease_token__isnull=False), failures=0)

    def aside(self) -> Self:
        """Return the jobs that are quarantined."""
        return self.filter(lease_token=None, leased_until__isnull=False)


def _at(job: Job, at: datetime) -> Case:
    """Return when a job is due that is put down: at once where it was wished for meanwhile."""
    now = clock.database_moment()
    at_once = Value(now) if isinstance(now, datetime) else now
    return Case(When(version=job.version, then=Value(at)), default=at_once)


_RELEASED: dict[str, Any] = {"leased_until": None, "lease_token": None, "attempts": 0}


class Job(Leased):
    """What has to be done next for one object, so that the facts come to meet the wishes."""

    kind = models.CharField(_("kind"), max_length=32)
    object_id = models.BigIntegerField(_("object"))
    #: Empty for work that needs no Craftkit project.
    project = models.CharField(_("project"), max_length=64, blank=True)
    #: Its class: the smaller, the more urgent.
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority, default=Priority.SINGLE, db_default=Priority.SINGLE.value
    )
    #: Raised by each wish; who finishes an older version leaves the job due.
    version = models.PositiveIntegerField(_("version"), default=1)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=clock.now)

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


class ProjectStateQuerySet(models.QuerySet["ProjectState"]):
    def of(self, project: str, capability: str = "") -> ProjectState:
        return self.using(database()).get_or_create(project=project, capability=capability)[0]

    @again_after_deadlock
    def sign(
        self,
        column: str,
        projects: Sequence[str],
        now: datetime,
        *,
        at_least: datetime | None = None,
        also: Mapping[str, datetime] | None = None,
    ) -> list[ProjectState]:
        """Write ``now`` as the last sign of life of these projects, where the last is not recent.

        One from before ``at_least`` is never recent. ``also`` is written with it. Returns what was
        written, as it was before. Waits for nobody: a row that another has locked is left to the
        next sign.
        """
        using = database()
        values = {column: now, **(also or {})}
        states = list(self.using(using).filter(project__in=projects, capability=""))
        states += map(self.of, set(projects) - {state.project for state in states})
        recent = (max(now - SIGN_EVERY, at_least or now - SIGN_EVERY), now + SIGN_EVERY)
        pks = [
            state.pk
            for state in states
            if (last := getattr(state, column)) is None or not recent[0] <= last <= recent[1]
        ]
        if not pks:
            return []
        # Whoever comes here at the same time finds it recent, too.
        due = self.using(using).exclude(**{f"{column}__range": recent}).filter(pk__in=pks)
        if not connections[using].features.has_select_for_update_skip_locked:
            return [
                state
                for state in states
                if state.pk in pks and due.filter(pk=state.pk).update(**values)
            ]
        with transaction.atomic(using=using):
            states = list(due.select_for_update(skip_locked=True))
            if states:
                mine = self.using(using).filter(pk__in=[state.pk for state in states])
                mine.update(**values)
        return states

    def paused(self) -> Self:
        return self.filter(paused_at__isnull=False)

    def paused_rows(self, *capabilities: str) -> Q:
        """Return what finds the rows whose project, or one of its capabilities, is paused.

        It is read with those rows, from whatever database they come.
        """
        states = self.paused().filter(project=OuterRef("project"), capability__in=capabilities)
        # A value for each row, not IN or EXISTS: MariaDB would join, and sort everything that
        # waits to show the newest fifty.
        return Q(project=Subquery(states.values("project")[:1]))

    def excused(self) -> Self:
        """Return what is paused, or was lately: what waited for it is not overdue yet."""
        now = clock.database_moment()
        return self.filter(Q(paused_at__isnull=False) | Q(catching_up_until__gt=now))

    @in_transaction
    def pause(
        self,
        project: str,
        capability: str,
        *,
        code: str,
        reason: str,
        now: datetime,
        probe_at: datetime,
    ) -> bool:
        """Hold a project or a capability of it back, and let one job try again at ``probe_at``.

        Returns whether it was running until now.
        """
        self.of(project, capability)
        mine = self.using(database()).filter(project=project, capability=capability)
        was_running = lock(mine).get().paused_at is None
        mine.update(
            paused_at=Coalesce(F("paused_at"), Value(now)),
            pause_code=storable(code)[:64],
            pause_reason=storable(reason),
            probes=F("probes") + 1,
            probe_at=probe_at,
        )
        return was_running

    def postpone(self, project: str, capability: str, probe_at: datetime) -> None:
        """Let what is paused be tried again at ``probe_at``."""
        self._paused(project, capability).update(probes=F("probes") + 1, probe_at=probe_at)

    @in_transaction
    def resume(self, project: str, capability: str, *, now: datetime) -> bool:
        """End a pause; return whether there was one.

        What waited is given as long to catch up as the pause took, ``OVERDUE_AFTER`` at most.
        """
        paused = self._paused(project, capability)
        state = lock(paused).first()
        if state is None:
            return False
        most = timedelta(seconds=conf.options().OVERDUE_AFTER)
        until = now + min(now - (state.paused_at or now), most)
        paused.update(
            paused_at=None,
            pause_code="",
            pause_reason="",
            probes=0,
            probe_at=None,
            # A short pause right after a long one takes nothing away.
            catching_up_until=max(until, state.catching_up_until or until),
        )
        return True

    def _paused(self, project: str, capability: str) -> Self:
        return self.using(database()).paused().filter(project=project, capability=capability)

    def take_probes(self, now: datetime, lease: timedelta, limit: int) -> list[tuple[str, str]]:
        """Return what is paused, by project and capability, that this caller may try a job of."""
        waiting = self.using(database()).filter(
            Q(probe_at=None) | Q(probe_at__lte=now), paused_at__isnull=False
        )
        return [
            (state.project, state.capability)
            for state in waiting.order_by("probe_at", "pk")[:limit]
            if waiting.filter(pk=state.pk).update(probe_at=now + lease)
        ]


class ProjectState(models.Model):
    """What this database knows of one Craftkit project, or of one capability of it."""

    class Capability(models.TextChoices):
        WHOLE = "", _("everything")
        EMAIL = "email", _("e-mail")
        SIGNATURES = "signatures", _("signatures")

    project = models.CharField(_("project"), max_length=64)
    #: What can be paused on its own; empty for the project as a whole.
    capability = models.CharField(
        _("capability"), max_length=16, choices=Capability, blank=True, default=Capability.WHOLE
    )
    #: Part of every idempotency key, so that two databases never share one. Never changes.
    namespace = models.UUIDField(default=uuid.uuid4, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    pause_code = models.CharField(_("code"), max_length=64, blank=True)
    pause_reason = models.TextField(_("reason"), blank=True)
    probes = models.PositiveIntegerField(_("tries since"), default=0)
    probe_at = models.DateTimeField(_("next try at"), null=True, blank=True)
    swept_at = models.DateTimeField(_("last sweep"), null=True, blank=True)
    worker_seen_at = models.DateTimeField(_("worker last seen"), null=True, blank=True)
    #: Until when its documents are not overdue for having waited, by the database's clock.
    catching_up_until = models.DateTimeField(null=True, blank=True, editable=False)
    webhook_heard_at = models.DateTimeField(_("last webhook"), null=True, blank=True)

    objects: ClassVar[models.Manager[ProjectState]] = ProjectStateQuerySet.as_manager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        permissions = [("resume_projectstate", _("Can have a paused project tried again now"))]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "capability"], name="craftkit_project_capability"
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.project} ({self.get_capability_display()})" if self.capability else self.project
        )

    @property
    def last_sign_at(self) -> datetime | None:
        """When a worker was last seen to run: a sweep is one, and all that older versions note."""
        signs = [sign for sign in (self.worker_seen_at, self.swept_at) if sign is not None]
        return max(signs, default=None)

    def has_worker(self, now: datetime) -> bool:
        """Whether a worker is running for this project."""
        return self.last_sign_at is not None and now - self.last_sign_at <= NO_WORKER

    def has_sweep(self, now: datetime) -> bool:
        """Whether somebody sweeps: else work whose message was lost waits."""
        return self.swept_at is not None and now - self.swept_at <= NO_SWEEP

    @in_transaction
    def try_again(self) -> bool:
        """Have a worker try at once whether the pause is over; ``False`` where there is none."""
        using = database()
        paused = ProjectState.objects.using(using).paused().filter(pk=self.pk)
        asked = paused.update(probe_at=None)
        dispatch.wake_on_commit(using)
        return bool(asked)
