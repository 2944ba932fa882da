"""What is to be done next, who has it in hand, and what holds a project up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import connections, models, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Least
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, conf, dispatch
from django_craftkit.database import (
    again_after_deadlock,
    database,
    in_transaction,
    lock,
    storable,
)

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


class LeasedQuerySet(models.QuerySet[Any]):
    def due(self, now: datetime) -> Self:
        return self.filter(Q(leased_until=None) | Q(leased_until__lte=now), due_at__lte=now)

    @again_after_deadlock
    def claim(
        self, limit: int, *, now: datetime, lease: timedelta, begin: bool = True
    ) -> list[Any]:
        """Take up to ``limit`` due rows that nobody has in hand, oldest first.

        Each carries a token and is this caller's until ``now + lease``; a crash before that
        leaves it to whoever comes next. Counts the attempt, but with ``begin=False``: what waits
        for its turn ends no worker.
        """
        taken = {"lease_token": uuid.uuid4(), "leased_until": now + lease}
        count = {"attempts": F("attempts") + 1} if begin else {}
        due = self.using(database()).due(now).order_by("due_at", "pk")
        if not connections[due.db].features.has_select_for_update_skip_locked:
            return self._claim_by_update(due, limit, taken | count)
        with transaction.atomic(using=due.db):
            rows = list(due.select_for_update(skip_locked=True)[:limit])
            if rows:
                manager = self.model._default_manager.using(due.db)
                manager.filter(pk__in=[row.pk for row in rows]).update(**taken, **count)
        for row in rows:
            row.attempts += int(begin)
            for name, value in taken.items():
                setattr(row, name, value)
        return rows

    def _claim_by_update(self, due: Self, limit: int, taken: dict[str, Any]) -> list[Any]:
        """Claim where rows can't be locked: the guard is in the UPDATE, one writer at a time."""
        while candidates := list(due.values_list("pk", flat=True)[:limit]):
            still_due = due.order_by().filter(pk__in=candidates)
            if still_due.update(**taken):
                # By the token alone: a claim changes what its queryset may filter by.
                mine = self.model._default_manager.using(due.db).filter(
                    pk__in=candidates, lease_token=taken["lease_token"]
                )
                return list(mine.order_by("due_at", "pk"))
        return []


class Leased(models.Model):
    """A row that is worked off: due at a time, then in the hands of one worker for a lease."""

    #: ``None``: nothing to do.
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    leased_until = models.DateTimeField(_("in hand until"), null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(
        _("attempts"),
        default=0,
        db_default=0,
        help_text=_("Since the last one that ended with a word."),
    )

    class Meta:
        abstract = True


class JobQuerySet(LeasedQuerySet):
    @again_after_deadlock
    def ask(self, kind: str, object_ids: Collection[int], project: str = "") -> None:
        """Make the jobs of these objects due now, and wake the loop on commit: a person's wish."""
        with transaction.atomic(using=database(), savepoint=False):
            self.wish(kind, object_ids, project)
            dispatch.wake_on_commit(database())

    def wish(
        self,
        kind: str,
        object_ids: Iterable[int],
        project: str = "",
        *,
        at: datetime | None = None,
    ) -> None:
        """Make the jobs of these objects due now or ``at``, inside the transaction of the wish.

        A job that somebody has in hand stays due after them: they hold an older version. One
        that was quarantined is taken up again.
        """
        pks = sorted(set(object_ids))
        now = at or clock.database_moment()
        jobs = self.using(database()).filter(kind=kind, object_id__in=pks)
        # The loop ends with all of them locked: one that was added may have been another's, and
        # be done by then.
        while jobs.update(
            version=F("version") + 1,
            due_at=Least(F("due_at"), Value(now) if isinstance(now, datetime) else now),
            leased_until=Case(When(lease_token=None, then=None), default=F("leased_until")),
        ) < len(pks):
            self._add(kind, pks, project, now)

    def wish_for(self, kind: str, rows: Iterable[Any]) -> None:
        """Make the jobs of these rows due now, as ``wish`` does, each in the row's project."""
        by_project: dict[str, list[int]] = {}
        for row in rows:
            by_project.setdefault(row.project, []).append(row.pk)
        for project, pks in by_project.items():
            self.wish(kind, pks, project)

    def _add(
        self, kind: str, object_ids: list[int], project: str, now: datetime | Combinable
    ) -> None:
        due_at: Any = now
        self.using(database()).bulk_create(
            [Job(kind=kind, object_id=pk, project=project, due_at=due_at) for pk in object_ids],
            ignore_conflicts=True,
        )

    def restore(self, kind: str, object_ids: Iterable[int], project: str) -> None:
        """Write jobs that got lost, due now; one that is there by now stays as it is."""
        self._add(kind, sorted(object_ids), project, clock.database_moment())

    def start(self, kind: str, object_id: int, project: str) -> None:
        """Write the first job of an object that was just made, with one INSERT; wake the loop."""
        self._add(kind, [object_id], project, clock.database_moment())
        dispatch.wake_on_commit(database())

    def mine(self, job: Job) -> Self:
        """Return the row of a claimed job, for as long as nobody has taken it over."""
        return self.using(database()).filter(pk=job.pk, lease_token=job.lease_token)

    def begin(self, job: Job) -> bool:
        """Count that the step of a claimed job begins; ``False`` where it was taken over."""
        return self._count(job, 1)

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
        if not mine.filter(version=job.version)._raw_delete(mine.db):
            mine.update(**_PUT_DOWN, failures=0, error="")

    def again(self, job: Job, at: datetime, *, error: str = "", failures: int = 0) -> bool:
        """Put a job back for a time; ``False`` where it was taken over."""
        is_mine = self.mine(job).update(
            due_at=_at(job, at),
            failures=failures,
            error=storable(error),
            **_PUT_DOWN,
        )
        return bool(is_mine)

    def set_aside(self, job: Job, until: datetime, *, error: str) -> None:
        """Leave a job alone that ends its workers, unless somebody asks for it."""
        self.mine(job).update(**{**_PUT_DOWN, "leased_until": until}, error=error)

    def aside(self) -> Self:
        """Return the jobs that are quarantined."""
        return self.filter(lease_token=None, leased_until__isnull=False)


def _at(job: Job, at: datetime) -> Case:
    """Return when a job is due that is put down: at once where it was wished for meanwhile."""
    return Case(When(version=job.version, then=Value(at)), default=F("due_at"))


_PUT_DOWN: dict[str, Any] = {"leased_until": None, "lease_token": None, "attempts": 0}


class Job(Leased):
    """What has to be done next for one object, so that the facts come to meet the wishes."""

    kind = models.CharField(_("kind"), max_length=32)
    object_id = models.BigIntegerField(_("object"))
    #: Empty for work that needs no Craftkit project.
    project = models.CharField(_("project"), max_length=64, blank=True)
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
        indexes = [models.Index(fields=["due_at", "id"], name="craftkit_job_due")]

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

    def take_probes(self, now: datetime, lease: timedelta) -> list[tuple[str, str]]:
        """Return what is paused, by project and capability, that this caller may try a job of."""
        waiting = self.using(database()).filter(
            Q(probe_at=None) | Q(probe_at__lte=now), paused_at__isnull=False
        )
        return [
            (state.project, state.capability)
            for state in waiting
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
