"""What Craftkit says of rows: in any order, with repeats, it ends in the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django_craftkit import bulk, clock
from django_craftkit.database import sanitized, update_many
from django_craftkit.models import Change, Render, Share, SignatureRequest
from django_craftkit.models.erased import blank

from .answers import UNREADABLE_KEY
from .moments import from_utc

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django_craftkit import client
    from django_craftkit.models.claims import Lease
    from django_craftkit.models.problems import Problem

#: What Craftkit gives an id of its own.
R = TypeVar("R", Render, SignatureRequest)
#: What mirrors something of Craftkit's, and what is applied to it.
T = TypeVar("T", Render, Share, SignatureRequest)
S = TypeVar("S")

#: The columns that ``advance`` updates.
ADVANCED = (
    "status",
    "remote_id",
    "answer",
    "error",
    "error_code",
    "field_errors",
    "accepted_at",
    "completed_at",
)
#: What the column of a count holds, whatever is said.
MAX_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What Craftkit says of a row at one moment, or what is decided here."""

    #: ``None``: it says nothing of that.
    status: str | None = None
    #: Craftkit's id; ``None``: it is a decision made here.
    remote_id: uuid.UUID | None = None
    error: str = ""
    error_code: str = ""
    #: Texts of Craftkit's, or codes of ours, by the path of the field.
    field_errors: Mapping[str, list[Any]] = field(default_factory=dict)
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    #: Who is to sign it.
    people: tuple[client.SignatureRecipient, ...] = ()

    @classmethod
    def decided(
        cls, status: str, problem: Problem, field_errors: Mapping[str, list[Any]] | None = None
    ) -> RemoteState:
        """Return a decision made here: how a row ends, and what went wrong, in all or by field."""
        error, code = problem.columns["error"], problem.columns["error_code"]
        return cls(status, error=error, error_code=code, field_errors=field_errors or {})

    @classmethod
    def of(
        cls,
        said: client.Render | client.SignatureRequest,
        answer: Mapping[str, Any],
        people: tuple[client.SignatureRecipient, ...] = (),
    ) -> RemoteState:
        """Return what Craftkit says; ``answer`` is what a row keeps of it beside its columns."""
        return cls(
            status=said.status,
            remote_id=said.id,
            error=sanitized(said.error_message or ""),
            accepted_at=from_utc(said.created_at),
            completed_at=from_utc(said.completed_at),
            answer=answer,
            people=people,
        )


class States(Generic[T, S]):
    """Applies states to rows of one model, with as many queries for many as for one.

    Each model has its own; one is made for each batch.
    """

    #: The kind of the changes.
    kind: ClassVar[str]
    #: What states may change.
    columns: ClassVar[tuple[str, ...]]
    #: Of these, what is not shown as an update.
    silent: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, cause: Change.Cause, asked_at: datetime | None = None, lease: Lease | None = None
    ) -> None:
        """``asked_at`` is when Craftkit was polled for the states; ``None``: it wasn't. Whoever
        goes on to announce the changes has a ``lease``.
        """
        self.asked_at = asked_at
        self._lease = lease
        self.now = clock.now()
        self._change = Change(kind=self.kind, cause=cause, created_at=self.now)

    def update(self, row: T, states: Iterable[S]) -> Iterable[Change]:
        """Update a row by its states: the same end in any order, with any repeats.

        Returns the history of the steps that it takes.
        """
        raise NotImplementedError

    def follow(self, moved: Sequence[tuple[T, Mapping[str, Any]]]) -> None:
        """Set going what is due now, of rows that were changed, and what their columns held."""

    @classmethod
    def close(cls, applied: Sequence[Any]) -> None:
        """Set going what several workers may wait for each other at, by all that was applied.

        Last in the transaction, and in one order: who has such a row locks nothing else.
        """

    def apply(self, found: Iterable[tuple[T, Iterable[S]]]) -> None:
        """Apply states to their rows, which are locked; inside a transaction.

        Before that ends, ``close`` is called.
        """
        changes: list[Change] = []
        moved: list[tuple[T, dict[str, Any]]] = []
        columns = {"updated_at"}
        for row, states in found:
            before = {name: getattr(row, name) for name in self.columns}
            steps = list(self.update(row, states))
            if row.erased_at is not None:
                blank(row, self.columns)
                for step in steps:
                    step.note = ""
            changes += steps
            different = {name for name in before if getattr(row, name) != before[name]}
            if different:
                columns |= different
                moved.append((row, before))
            if different - self.silent:
                row.updated_at = self.now
        self.write([row for row, _before in moved], columns)
        Change.objects.record(changes, self._lease)
        self.follow(moved)

    def write(self, rows: Sequence[T], columns: Iterable[str]) -> None:
        update_many(rows, columns)

    def change(self, row: T, before: str, status: str, **more: Any) -> Change:
        """Return a line of history."""
        return bulk.like(
            self._change,
            object_id=row.pk,
            instance=row,
            from_status=before,
            to_status=status,
            **more,
        )


def ranked(*statuses: str) -> dict[str, int]:
    """Return the ranks of statuses, lowest first: any order of updates ends in the highest."""
    return {status: rank for rank, status in enumerate(statuses)}


def advance(
    row: R,
    state: RemoteState,
    ranks: Mapping[str, int],
    *,
    unknown: str | None = None,
    is_correction: bool = False,
) -> None:
    """Update a row by one state.

    ``unknown`` is the status that one new to this version counts as; ``None``: as none. A
    correction takes the place of what was decided here, whatever its rank.
    """
    row.remote_id = row.remote_id or state.remote_id
    row.accepted_at = earliest(row.accepted_at, state.accepted_at)
    row.completed_at = earliest(row.completed_at, state.completed_at)
    row.answer = merge_answers(row.answer, state.answer)
    status = state.status
    if status is not None and status not in ranks:
        row.answer = merge_answers(row.answer, {"status": sanitized(status)})
        status = unknown
    if status is None:
        return
    mine, theirs = ranks[row.status], ranks[status]
    is_further = theirs > mine or (is_correction and theirs != mine)
    is_same = theirs == mine and (state.error, state.error_code) > (row.error, row.error_code)
    if is_further:
        row.status = row.Status(status)
    if is_further or is_same:
        row.error, row.error_code = state.error, state.error_code
        row.field_errors = dict(state.field_errors)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def merge_answers(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return both: null never over a value, and of two values the same one in either order."""
    merged = dict(one)
    for name, value in other.items():
        before = merged.get(name)
        if before is None:
            merged[name] = value
        elif name == UNREADABLE_KEY and isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = merge_answers(before, value)
        elif value is not None:
            merged[name] = max(before, value, key=_order)
    return merged


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return (0, value, "")
    return (1, 0, json.dumps(value, sort_keys=True, default=str))
