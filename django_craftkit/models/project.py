"""What has paused a project, and which workers have been seen to run for it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import connections, models, transaction
from django.db.models import F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, conf, dispatch
from django_craftkit.database import (
    database,
    in_transaction,
    lock,
    retried_after_deadlock,
    sanitized,
)
from django_craftkit.functions import alters_data
from django_craftkit.twins import async_twin

from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .columns import NullableMoment

#: What a change says of a project.
RUNNING, PAUSED = "running", "paused"
#: For how long a sign of a worker is not written anew, whichever worker gives the next.
SIGN_EVERY = timedelta(seconds=5)
#: How long without a sign of a worker until none is taken to be running.
NO_WORKER = timedelta(seconds=60)
#: The same without Celery: what sweeps may be cron, which comes once a minute.
NO_WORKER_OF_CRON = timedelta(seconds=150)
#: How long without a sweep until beat is taken not to be running, beside a worker that is. On a
#: long queue a sweep's turn comes when the messages before it have expired (``waking.EXPIRES``)
#: and the task under way has ended.
NO_SWEEP = timedelta(seconds=300)


#: How many projects that the settings do not name are offered in lists.
MOST_KNOWN = 50
#: Stands for all projects of ``PROJECT_RESOLVER`` in what workers note: there may be thousands.
RESOLVED = ""


def signed_projects() -> list[str]:
    """Return what workers give their signs of life for."""
    resolved = [RESOLVED] if conf.options().PROJECT_RESOLVER else []
    return [*conf.projects(), *resolved]


def known_projects() -> list[str]:
    """Return the projects of the settings, and up to ``MOST_KNOWN`` others that were used here.

    The resolver is not asked: staff read this on pages.
    """
    known = list(conf.projects())
    if conf.options().PROJECT_RESOLVER:
        others = ProjectState.objects.writer().exclude(project__in=signed_projects())
        names = others.order_by("project").values_list("project", flat=True).distinct()
        known += names[:MOST_KNOWN]
    return known


class ProjectStateQuerySet(RowQuerySet["ProjectState"]):
    def of(self, project: str, capability: str = "") -> ProjectState:
        return self.writer().get_or_create(project=project, capability=capability)[0]

    @retried_after_deadlock
    def sign(
        self,
        column: str,
        projects: Sequence[str],
        now: datetime,
        *,
        at_least: datetime | None = None,
        also: Mapping[str, datetime] | None = None,
    ) -> list[ProjectState]:
        """Write ``now`` as the last sign of these projects, where the last is not recent.

        One from before ``at_least`` is never recent. ``also`` is written with it. Returns what was
        written, as it was before. Waits for nobody: a row that another has locked is left to the
        next sign.
        """
        using = database()
        values = {column: now, **(also or {})}
        states = list(self.using(using).filter(project__in=projects, capability=""))
        states += map(self.of, set(projects) - {state.project for state in states})
        first, last = max(now - SIGN_EVERY, at_least or now - SIGN_EVERY), now + SIGN_EVERY
        states = [
            state
            for state in states
            if (seen := getattr(state, column)) is None or not first <= seen <= last
        ]
        if not states:
            return []
        # Whoever comes here at the same time finds it recent, too.
        due = self.using(using).exclude(**{f"{column}__range": (first, last)})
        due = due.filter(pk__in=[state.pk for state in states])
        if not connections[using].features.has_select_for_update_skip_locked:
            return [state for state in states if due.filter(pk=state.pk).update(**values)]
        with transaction.atomic(using=using):
            states = list(due.select_for_update(skip_locked=True))
            if states:
                mine = self.using(using).filter(pk__in=[state.pk for state in states])
                mine.update(**values)
        return states

    def paused(self) -> Self:
        return self.filter(paused_at__isnull=False)

    def paused_rows(self, *capabilities: str) -> Q:
        """Return what finds the rows that wait, as their project or a capability of it is paused.

        It is read with those rows, from whatever database they come.
        """
        if conf.options().PAUSED:
            return Q()
        states = self.paused().filter(project=OuterRef("project"), capability__in=capabilities)
        # A value for each row, not IN or EXISTS: MariaDB would join, and sort everything that
        # waits to show the newest fifty.
        return Q(project=Subquery(states.values("project")[:1]))

    def excused(self) -> Self:
        """Return what is paused, or catches up: what waits for it is not overdue yet."""
        now = clock.database_moment()
        return self.filter(Q(paused_at__isnull=False) | Q(catching_up_until__gt=now))

    @retried_after_deadlock
    def excuse_resolved(self, until: datetime) -> None:
        """Give what waits in the projects of the resolver until then to catch up."""
        mine = self.using(database()).filter(capability="").exclude(project__in=signed_projects())
        mine.update(catching_up_until=until)

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
        """Pause a project or a capability of it, and let one job try again at ``probe_at``.

        Returns whether it was running until now.
        """
        self.of(project, capability)
        mine = self.writer().filter(project=project, capability=capability)
        was_running = lock(mine).get().paused_at is None
        mine.update(
            paused_at=Coalesce(F("paused_at"), Value(now)),
            pause_code=sanitized(code)[:64],
            pause_reason=sanitized(reason),
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
        return self.writer().paused().filter(project=project, capability=capability)

    def take_probes(self, now: datetime, lease: timedelta, limit: int) -> list[tuple[str, str]]:
        """Return what is paused, by project and capability, that this caller may try a job of."""
        waiting = self.writer().filter(
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
    paused_at: NullableMoment = models.DateTimeField(_("paused at"), null=True, blank=True)
    pause_code = models.CharField(_("code"), max_length=64, blank=True)
    pause_reason = models.TextField(_("reason"), blank=True)
    probes = models.PositiveIntegerField(_("tries since"), default=0)
    probe_at: NullableMoment = models.DateTimeField(_("next try at"), null=True, blank=True)
    swept_at: NullableMoment = models.DateTimeField(_("last sweep"), null=True, blank=True)
    worker_seen_at: NullableMoment = models.DateTimeField(
        _("worker last seen"), null=True, blank=True
    )
    #: Until when its documents are not overdue for having waited, by the database's clock.
    catching_up_until: NullableMoment = models.DateTimeField(null=True, blank=True, editable=False)
    webhook_heard_at: NullableMoment = models.DateTimeField(
        _("last webhook"), null=True, blank=True
    )
    #: When its templates were last listed; empty where they are to be listed at once.
    templates_read_at: NullableMoment = models.DateTimeField(
        _("templates last read"), null=True, blank=True
    )

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
        if self.capability:
            return f"{self.project} ({self.get_capability_display()})"
        return self.shown_project

    @property
    def shown_project(self) -> str:
        """Return its alias, or what stands for all that the resolver knows."""
        return self.project or gettext("all of the resolver")

    @property
    def last_sign_at(self) -> datetime | None:
        """When a worker was last seen to run; a sweep is all that older versions note."""
        signs = [sign for sign in (self.worker_seen_at, self.swept_at) if sign is not None]
        return max(signs, default=None)

    def has_worker(self, now: datetime) -> bool:
        """Whether a worker is running for this project."""
        most = NO_WORKER if conf.options().WAKE == "celery" else NO_WORKER_OF_CRON
        return self.last_sign_at is not None and now - self.last_sign_at <= most

    def has_sweep(self, now: datetime) -> bool:
        """Whether beat, or what stands in for it, is running: without it, lost messages wait."""
        return self.swept_at is not None and now - self.swept_at <= NO_SWEEP

    @in_transaction
    @alters_data
    def try_again(self) -> bool:
        """Have a worker try at once whether the pause is over; ``False`` where there is none."""
        paused = ProjectState.objects.writer().paused().filter(pk=self.pk)
        is_paused = bool(paused.update(probe_at=None))
        dispatch.wake_on_commit(database())
        return is_paused

    atry_again = async_twin(try_again)
