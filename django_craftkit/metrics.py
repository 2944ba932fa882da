"""How work goes on here, for dashboards and alarms: read from this site's database alone.

``snapshot()`` is everything, ``health()`` what an alarm needs. Each takes the same few queries,
however much there is, and calls nobody. What is counted ends at ``MOST`` and one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from . import clock, conf
from .database import count_some, database
from .models import Change, Job, ProjectState, Render, SignatureRequest, WebhookDelivery
from .models.priority import Priority
from .models.project import RESOLVED, signed_projects
from .reconcile import pauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

#: Where it ends to count: a queue of 10,000 is long, whatever is behind them.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Project:
    """What is known of one configured project. Moments are seconds ago; ``None``: never."""

    #: "": what all projects of ``PROJECT_RESOLVER`` have in common; of these, only those that are
    #: paused are there by themselves, too.
    alias: str
    #: When a worker was last seen to run, beat to sweep, and a webhook to come.
    worker_seen: float | None
    swept: float | None
    webhook_heard: float | None
    #: Whether the first two are recent: within a minute, within five.
    has_worker: bool
    has_sweep: bool
    #: For how many seconds it has been paused, by capability: "" is everything, "email",
    #: "signatures".
    paused: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, by the name that ``craftkit_doctor`` has for it."""

    check: str
    #: The project that it is about; "": none.
    project: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether work goes on. Ages are in seconds, by the database's clock."""

    #: The database's time.
    at: datetime
    #: ``CRAFTKIT["PAUSED"]``.
    is_paused: bool
    projects: tuple[Project, ...]
    #: For how long the oldest due job of each class has waited for a worker ("urgent", "single",
    #: "bulk", "upkeep"); ``None``: none waits. What waits for the end of a pause doesn't count.
    oldest_job: Mapping[str, float | None]
    #: The same of the webhooks that are still to be processed.
    oldest_webhook: float | None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What somebody must act on; what is older than ``OVERDUE_AFTER`` is."""
        late = conf.options().OVERDUE_AFTER
        found = [Problem("paused_setting")] if self.is_paused else []
        for one in self.projects:
            if not one.has_worker:
                found.append(Problem("worker", one.alias))
            elif not one.has_sweep:
                found.append(Problem("beat", one.alias))
            if one.paused:
                found.append(Problem("pause", one.alias))
        if max((age or 0 for age in self.oldest_job.values()), default=0) > late:
            found.append(Problem("oldest_job"))
        if (self.oldest_webhook or 0) > late:
            found.append(Problem("oldest_webhook"))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Numbers for a dashboard. A count of ``MOST`` and one means: that many, or more."""

    health: Health
    #: Jobs that are due and that no worker has, by class; without those that wait for a pause.
    due_jobs: Mapping[str, int]
    quarantined_jobs: int
    #: Webhooks that are to be processed, and that were given up.
    due_webhooks: int
    abandoned_webhooks: int
    #: Signals that a receiver did not take in 8 tries.
    abandoned_signals: int
    #: Documents under way, by status: "pending", "queued", "rendering".
    renders: Mapping[str, int]
    overdue_renders: int
    #: Documents that failed or were rejected in the last 30 days, and were not withdrawn.
    failed_renders: int
    #: Signature requests that somebody is still to sign.
    open_signature_requests: int


def health() -> Health:
    """Return whether work goes on, with seven queries."""
    return _health(*_read_states())


def snapshot() -> Snapshot:
    """Return the numbers of this moment, with eight queries.

    Raises:
        DatabaseError: the database can't be read, or has no tables of Craftkit.
    """
    states, now = _read_states()
    free = _free(states)
    classes = list(Priority)
    rows: dict[str, Any] = {
        "quarantined_jobs": Job.objects.quarantined(),
        "due_webhooks": WebhookDelivery.objects.due(now),
        "abandoned_webhooks": WebhookDelivery.objects.filter(
            status=WebhookDelivery.Status.ABANDONED
        ),
        "abandoned_signals": Change.objects.filter(announcement=Change.Announcement.ABANDONED),
        "overdue_renders": Render.objects.overdue(),
        "failed_renders": Render.objects.needing_action(),
        "open_signature_requests": SignatureRequest.objects.open(),
    }
    due = [free.due(now).filter(priority=one.value) for one in classes]
    under_way = [Render.objects.filter(status=status) for status in Render.UNDER_WAY]
    numbers = iter(count_some([*rows.values(), *due, *under_way], MOST))
    counts: dict[str, Any] = {name: next(numbers) for name in rows}
    return Snapshot(
        health=_health(states, now),
        due_jobs={_name_of(one): next(numbers) for one in classes},
        renders={status.value: next(numbers) for status in Render.UNDER_WAY},
        **counts,
    )


def _read_states() -> tuple[list[ProjectState], datetime]:
    """Read what is known of the projects, and the database's time."""
    rows: Any = ProjectState.objects.writer().order_by("project", "capability")
    rows = rows.annotate(read_at=clock.database_now_expression())
    if conf.options().PROJECT_RESOLVER:
        # There may be thousands, of which nothing is to be said.
        rows = rows.filter(Q(project__in=signed_projects()) | Q(paused_at__isnull=False))
    states = list(rows)
    return states, clock.moment(states[0].read_at) if states else clock.database_now()


def _health(states: list[ProjectState], now: datetime) -> Health:
    free = _free(states)
    return Health(
        at=now,
        is_paused=conf.options().PAUSED,
        projects=tuple(_projects(states, now)),
        oldest_job={
            _name_of(one): _age(_oldest(free.filter(priority=one.value), now), now)
            for one in Priority
        },
        oldest_webhook=_age(_oldest(WebhookDelivery.objects.all(), now), now),
    )


def _projects(states: Iterable[ProjectState], now: datetime) -> Iterator[Project]:
    signed: dict[str, dict[str, ProjectState]] = {alias: {} for alias in signed_projects()}
    others: dict[str, dict[str, ProjectState]] = {}
    for state in states:
        group = signed if state.project in signed else others
        group.setdefault(state.project, {})[state.capability] = state
    for alias, mine in signed.items():
        yield _project(alias, mine, mine.get("", ProjectState(project=alias)), now)
    if RESOLVED in signed:
        # Workers give one sign for all of them.
        sign = signed[RESOLVED].get("", ProjectState(project=RESOLVED))
        for alias, mine in others.items():
            yield _project(alias, mine, sign, now)


def _project(
    alias: str, mine: Mapping[str, ProjectState], sign: ProjectState, now: datetime
) -> Project:
    whole = mine.get("")
    return Project(
        alias=alias,
        worker_seen=_age(sign.last_sign_at, now),
        swept=_age(sign.swept_at, now),
        webhook_heard=None if whole is None else _age(whole.webhook_heard_at, now),
        has_worker=sign.has_worker(now),
        has_sweep=sign.has_sweep(now),
        paused={
            capability: _age(state.paused_at, now) or 0.0
            for capability, state in mine.items()
            if state.paused_at is not None
        },
    )


def _free(states: Iterable[ProjectState]) -> Any:
    paused = [(state.project, state.capability) for state in states if state.paused_at is not None]
    return pauses.free_jobs(paused)


def _oldest(rows: Any, now: datetime) -> datetime | None:
    # By the indexes that claims go by.
    due_at: datetime | None = (
        rows.using(database())
        .due(now)
        .order_by("due_at", "pk")
        .values_list("due_at", flat=True)
        .first()
    )
    return due_at


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max((now - moment) / timedelta(seconds=1), 0.0)


def _name_of(priority: Priority) -> str:
    return priority.name.lower()
