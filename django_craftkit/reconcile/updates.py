"""Applying what calls have said of rows: in groups, and one by one where that can't be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from django.db import connections
from django.db.models import Model

from django_craftkit import bulk
from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction, lock
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger
from django_craftkit.models import Render, WebhookDelivery

from .executor import Call, NotMade, made
from .results import Later, Result, result_of_error
from .states import R

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit.models import Change, Job

    from .batches import Ended
    from .executor import Answer
    from .states import RemoteState, States

    #: When the answers were read, by the database's clock; read where it matters.
    Now = Callable[[], datetime]


M = TypeVar("M", bound=Model)
U = TypeVar("U", bound="OfRow")

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Update(Generic[R]):
    """A remote state of the attempt of a row, which was read before."""

    row: R
    state: RemoteState
    cause: Change.Cause
    #: When Craftkit was polled for the row; ``None``: it wasn't.
    asked_at: datetime | None = None


class OfRow(Protocol):
    """Something to apply to a row."""

    @property
    def row(self) -> Any:
        """Return the row as it was read before."""


class Answered(Generic[U]):
    """Goes on from the answers to calls: in groups, and one by one where that can't be."""

    def read(self, answer: Answer, now: Now) -> U | Result:
        """Return what an answer says of its row, or how the step ends.

        Raises what stands for no answer.
        """
        raise NotImplementedError

    def not_made(self, target: Any) -> U | Result:
        """Return how a step ends whose call was not made; take back what was noted of it."""
        return Later()

    def apply_one(self, update: U) -> Any:
        """Apply an update, waiting for whoever has the row locked; return the row by now."""
        raise NotImplementedError

    def apply_together(self, updates: Sequence[U]) -> dict[int, Any]:
        """Apply updates to rows that nobody else has locked; return those rows by their keys."""
        raise NotImplementedError

    def next(self, update: U, row: Any, now: Now) -> Result:
        """Return how a step ends, by what ``apply_one`` or ``apply_together`` returned."""
        raise NotImplementedError

    def apply(self, answers: Sequence[Answer]) -> Iterator[Ended]:
        """Write what calls of this batch have answered; return how the steps end."""
        now = cache(database_now)
        updates: list[tuple[Job, U]] = []
        for answer in answers:
            job, is_made = answer.call.jobs[0], not isinstance(answer.error, NotMade)
            try:
                said = self.read(answer, now) if is_made else self.not_made(answer.call.target)
            except Exception as error:
                said = result_of_error(job, error)
            if isinstance(said, Result):
                yield job, said
            else:
                updates.append((job, said))
        free = self.apply_free([update for _job, update in updates])
        for job, update in updates:
            try:
                row = free[update.row.pk] if update.row.pk in free else self.apply_one(update)
                result = self.next(update, row, now)
            except Exception as error:
                result = result_of_error(job, error)
            yield job, result

    def apply_free(self, updates: Sequence[U]) -> dict[int, Any]:
        """Apply updates of several rows, each as ``apply_one`` does; return the rows by their keys.

        What is not in there is left to ``apply_one``: rows that another has locked, or all of them
        where one breaks the group. Whoever has many locked waits for nobody.
        """
        if len(updates) < 2:
            return {}
        try:
            return self.apply_together(updates)
        except time_limits():
            raise
        except Exception:
            logger.exception("%d updates are applied one by one.", len(updates))
            return {}

    def carry_out(self, planned: Call | Ended) -> Result:
        """Make a call that is planned for one job in this thread; return how its step ends."""
        if isinstance(planned, Call):
            (planned,) = self.apply([made(planned)])
        return planned[1]


class Updates(Answered[Update[R]], Generic[R]):
    """Updates rows of one model by remote states."""

    is_repeatable = True
    #: What applies their states.
    states: ClassVar[type[States[Any, RemoteState]]]

    def rows(self) -> QuerySet[R]:
        """Return the rows, as they are to be read."""
        raise NotImplementedError

    @in_transaction
    def apply_one(self, update: Update[R]) -> R | None:
        """Return the row; ``None``: it is about another attempt, or another has been faster."""
        row = lock(self.rows()).filter(pk=update.row.pk).first()
        if row is None or not _is_about(row, update):
            return None
        self._apply([(row, update)])
        return row

    @in_transaction
    def apply_together(self, updates: Sequence[Update[R]]) -> dict[int, R | None]:
        free = lock_free(self.rows()).in_bulk([one.row.pk for one in updates])
        locked = [(free[one.row.pk], one) for one in updates if one.row.pk in free]
        ours = [(row, one) for row, one in locked if _is_about(row, one)]
        self._apply(ours)
        return {**dict.fromkeys(free), **{row.pk: row for row, _one in ours}}

    def _apply(self, ours: Sequence[tuple[R, Update[R]]]) -> None:
        """Apply updates to their rows, which are locked; pull forward webhooks that came first."""
        groups: dict[tuple[Change.Cause, datetime | None], list[tuple[R, list[RemoteState]]]] = {}
        new: list[R] = []
        for row, one in ours:
            groups.setdefault((one.cause, one.asked_at), []).append((row, [one.state]))
            if row.remote_id is None and one.state.remote_id is not None:
                new.append(row)
        applied = []
        for (cause, asked_at), found in groups.items():
            applied.append(self.states(cause, asked_at))
            applied[-1].apply(found)
        WebhookDelivery.objects.pull_forward((row.project, row.remote_id) for row in new)
        self.states.close(applied)


def _is_about(row: R, update: Update[R]) -> bool:
    """Whether an update is about the row as it is found now.

    Without an id it is a decision made here, about one that waits and that no other worker has
    sent.
    """
    if row.attempt != update.row.attempt:
        return False
    if update.state.remote_id is None:
        return row.status == row.Status.PENDING
    return row.remote_id in (None, update.state.remote_id)


def lock_renders(pks: Iterable[int], locked: Callable[[Any], Any] = lock) -> dict[int, Render]:
    """Lock documents: whoever gives a row of one a link does, so that no two take the same.

    ``locked`` locks a queryset, or those of its rows that are free.
    """
    renders = Render.objects.writer().only("withdrawn_at", "erased_at", "project")
    return {row.pk: row for row in locked(renders.filter(pk__in=pks).order_by("pk"))}


def lock_free(rows: QuerySet[M]) -> QuerySet[M]:
    """Lock those rows of a queryset that nobody else has locked; no other waits for many of them.

    Where the database has one writer, all are; where it can't tell, none are known to be.
    """
    features = connections[rows.db].features
    if not features.has_select_for_update_skip_locked:
        return rows.none() if features.has_select_for_update else rows
    return lock(rows, skip_locked=True).order_by("pk")


def lock_by_remote_id(
    rows: QuerySet[R], keys: Iterable[tuple[str, uuid.UUID]]
) -> dict[tuple[str, uuid.UUID], R]:
    """Lock the rows that these projects' ids stand for; those that there is a row for."""
    keys = set(keys)
    remote_ids = {remote_id for _, remote_id in keys}
    rows = lock(rows).filter(bulk.among("remote_id", remote_ids)).order_by("pk")
    known = {(row.project, row.remote_id): row for row in rows if row.remote_id}
    return {key: row for key, row in known.items() if key in keys}
