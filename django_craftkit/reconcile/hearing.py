"""Going on from what calls have said of rows: in groups, and one by one where that can't be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction
from django_craftkit.models import WebhookDelivery

from .crew import Call, NotMade, made
from .facts import R, is_about, lock_about, lock_free, unless_broken
from .outcomes import Later, outcome_of_error

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit.models import Change, Job

    from .batches import Ended
    from .crew import Answer
    from .outcomes import Outcome


class Fact(Protocol):
    """What is known of a row from one source at one time."""

    @property
    def remote_id(self) -> uuid.UUID | None:
        """Craftkit's id; ``None``: it is a decision made here."""


F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Heard(Generic[R, F]):
    """A fact about the attempt of a row, which was read before."""

    row: R
    fact: F
    cause: Change.Cause
    #: When Craftkit was asked how the row stands; ``None``: it wasn't.
    asked_at: datetime | None = None


class Hearing(Generic[R, F]):
    """Hears of rows of one model. A batch that derives from it goes on from its calls' answers."""

    is_keyed = True

    def rows(self) -> QuerySet[R]:
        """Return the rows, as they are to be read."""
        raise NotImplementedError

    def hear(
        self,
        found: Sequence[tuple[R, Sequence[F]]],
        cause: Change.Cause,
        asked_at: datetime | None,
    ) -> None:
        """Join facts to their rows, which are locked; inside a transaction."""
        raise NotImplementedError

    def take_back(self, about: Any) -> None:
        """Note that a call was not made after all, of what was planned for it."""

    def read(self, answer: Answer, now: datetime) -> Heard[R, F] | Outcome:
        """Return what an answer says of its row, or how the step ends.

        Raises what stands for no answer.
        """
        raise NotImplementedError

    def next(self, heard: Heard[R, F], row: R | None, now: datetime) -> Outcome:
        """Return how a step ends, by the row as it is now; ``None``: it was about another."""
        raise NotImplementedError

    def apply(self, answers: Sequence[Answer]) -> Iterator[Ended]:
        """Write what calls of this batch have answered; return how the steps end."""
        now = database_now()
        told: list[tuple[Job, Heard[R, F]]] = []
        for answer in answers:
            job = answer.call.jobs[0]
            try:
                said = self._let_go(answer) or self.read(answer, now)
            except Exception as error:
                yield job, outcome_of_error(job, error)
                continue
            if isinstance(said, Heard):
                told.append((job, said))
            else:
                yield job, said
        free = self.hear_free([heard for _job, heard in told])
        for job, heard in told:
            try:
                row = free[heard.row.pk] if heard.row.pk in free else self.hear_one(heard)
            except Exception as error:
                yield job, outcome_of_error(job, error)
            else:
                yield job, self.next(heard, row, now)

    def _let_go(self, answer: Answer) -> Outcome | None:
        if not isinstance(answer.error, NotMade):
            return None
        self.take_back(answer.call.about)
        return Later()

    def carry_out(self, planned: Call | Ended) -> Outcome:
        """Make a call that is planned for one job in this thread; return how its step ends."""
        if isinstance(planned, Call):
            (planned,) = self.apply([made(planned)])
        return planned[1]

    @in_transaction
    def hear_one(self, heard: Heard[R, F]) -> R | None:
        """Join a fact, waiting for whoever has the row locked; return the row, or ``None``.

        ``None``: it is about another attempt, or another has been faster.
        """
        row = lock_about(self.rows(), heard.row, heard.fact.remote_id)
        if row is not None:
            self._join([(row, heard)])
        return row

    def hear_free(self, heard: Sequence[Heard[R, F]]) -> dict[int, R | None]:
        """Join facts about several rows, each as ``hear_one`` does; return the rows by their keys.

        What is not in there is left to ``hear_one``: rows that another has locked, or all of them
        where one breaks the group. Whoever has many locked waits for nobody.
        """
        return unless_broken(self._hear_together, heard) if len(heard) > 1 else {}

    @in_transaction
    def _hear_together(self, heard: Sequence[Heard[R, F]]) -> dict[int, R | None]:
        rows: Any = lock_free(self.rows())
        free: dict[int, R] = rows.in_bulk([one.row.pk for one in heard])
        found: dict[int, R | None] = {}
        ours: list[tuple[R, Heard[R, F]]] = []
        for one in heard:
            row = free.get(one.row.pk)
            if row is None:
                continue
            is_ours = is_about(row, one.row, one.fact.remote_id)
            found[row.pk] = row if is_ours else None
            if is_ours:
                ours.append((row, one))
        self._join(ours)
        return found

    def _join(self, ours: Sequence[tuple[R, Heard[R, F]]]) -> None:
        """Join facts to their rows, which are locked, and go on with webhooks that came first."""
        told: dict[tuple[Change.Cause, datetime | None], list[tuple[R, list[F]]]] = {}
        new: list[R] = []
        for row, one in ours:
            told.setdefault((one.cause, one.asked_at), []).append((row, [one.fact]))
            if row.remote_id is None and one.fact.remote_id is not None:
                new.append(row)
        for (cause, asked_at), facts in told.items():
            self.hear(facts, cause, asked_at)
        WebhookDelivery.objects.pull_forward((row.project, row.remote_id) for row in new)
