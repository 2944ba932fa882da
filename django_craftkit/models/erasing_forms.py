"""Erasing what a person has submitted by forms, and the sessions that it was filled in by.

Rows stay, with Craftkit's ids and the hashes of bodies: what comes once more makes no new row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from django_craftkit import bulk
from django_craftkit.database import database, in_transaction, lock

from .change import Change
from .content_types import content_types
from .erased import FOUND_BY
from .erasing_batch import BATCH, ErasingBatch, Task, model_of
from .identity import any_of, identify_if_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import Model, QuerySet

    from .erasure import Erasure

#: Submissions whose data are in memory at a time.
DATA = 100
_SOURCE = ("source_type", "source_id", "source_db")


def erase_forms(
    task: Task,
    renders: QuerySet[Any],
    objects: Iterable[Model],
    mine: dict[str, Any],
) -> Iterator[Erasure]:
    """Erase submissions and sessions that are about what documents, or objects, are; yield each.

    So are submissions that a document was made of, those of a session that is erased, those and
    sessions that are named themselves, and the sessions that a named user has opened.
    ``mine`` narrows rows to a project.
    """
    objects = list(objects)
    known = (identify_if_known(one) for one in objects)
    named = any_of(one for one in known if one is not None)
    submissions = _rows("FormSubmission").filter(**mine)
    sessions = _rows("EmbedSession").filter(**mine)
    found = submissions.filter(
        named
        | _about_same(renders)
        | Q(render__in=renders.values("pk"))
        | _made_into(renders)
        | _are("pk", submissions.model, objects)
    )
    of_found = found.filter(project=OuterRef("project"), session_id=OuterRef("remote_id"))
    chosen = sessions.filter(
        named
        | _about_same(renders)
        | Exists(of_found)
        | _are("pk", sessions.model, objects)
        | _are("created_by", get_user_model(), objects)
    )
    # Read at once: what they are found by is about to go.
    pks, done = list(found.order_by("pk").values_list("pk", flat=True)), set[int]()
    for part in bulk.parts(list(chosen.order_by("pk").values_list("pk", flat=True)), BATCH):
        erased = _erase_sessions(task, part)
        done.update(erased.erased["FormSubmission"])
        yield erased
    for part in bulk.parts([pk for pk in pks if pk not in done], BATCH):
        yield _erase_submissions(task, part)


def holding(addresses: Iterable[str], but: Iterable[int], mine: dict[str, Any]) -> list[int]:
    """Return the primary keys of submissions whose data hold one of these addresses as a value."""
    wanted = {address.casefold() for address in addresses}
    if not wanted:
        return []
    left = set(but)
    rows = _rows("FormSubmission").filter(erased_at=None, data__isnull=False, **mine)
    return [
        row.pk
        for part in bulk.in_batches(rows.only("data"), DATA)
        for row in part
        if row.pk not in left and not wanted.isdisjoint(_texts(row.data))
    ]


def _rows(name: str) -> Any:
    return model_of(name).objects.writer()


def _about_same(renders: QuerySet[Any]) -> Exists:
    """Return a condition: a row is about what one of these documents is about."""
    same = renders.order_by().alias(schema=Coalesce("source_schema", Value("")))
    return Exists(
        same.filter(
            schema=Coalesce(OuterRef("source_schema"), Value("")),
            **{name: OuterRef(name) for name in _SOURCE},
        )
    )


def _are(column: str, model: type[Model], objects: Iterable[Model]) -> Q:
    """Return a condition: a column has the key of one of those objects that are of a model."""
    return Q(**{f"{column}__in": [one.pk for one in objects if isinstance(one, model)]})


def _made_into(renders: QuerySet[Any]) -> Q:
    """Return a condition: a submission is what one of these documents is about."""
    kind = content_types(database()).get_for_model(model_of("FormSubmission"))
    ids = renders.filter(source_type=kind).values_list("source_id", flat=True)
    return Q(pk__in=[int(pk) for pk in ids])


def erase_late_forms(batch: ErasingBatch, renders: Sequence[int]) -> None:
    """Erase what came since ``erase_forms`` has looked, of documents that are locked by now.

    Whoever writes a submission has its document locked first, and leaves nothing of one that was
    erased.
    """
    late = _rows("FormSubmission").filter(render__in=renders, erased_at=None)
    if batch.task.dry_run or not (pks := list(late.values_list("pk", flat=True))):
        return
    of_late = late.filter(project=OuterRef("project"), session_id=OuterRef("remote_id"))
    sessions = _rows("EmbedSession").filter(Exists(of_late))
    _erase(batch, list(sessions.values_list("pk", flat=True)), pks)


@in_transaction
def _erase_sessions(task: Task, pks: Sequence[int]) -> Erasure:
    """Erase sessions, with all that was submitted in them, in one transaction."""
    batch = ErasingBatch(task)
    _erase(batch, pks, ())
    return batch.result


@in_transaction
def _erase_submissions(task: Task, pks: Sequence[int]) -> Erasure:
    """Erase submissions, in one transaction."""
    batch = ErasingBatch(task)
    _erase(batch, (), pks)
    return batch.result


def _erase(batch: ErasingBatch, sessions: Sequence[int], submissions: Iterable[int]) -> None:
    """Erase sessions with all that was submitted in them, and these submissions."""
    opened = _rows("EmbedSession").filter(pk__in=sessions)
    pks = set(submissions)
    if sessions:
        if not batch.task.dry_run:
            # Whoever writes a submission of one locks it first.
            list(lock(opened).order_by("pk").values_list("pk"))
        of_these = opened.filter(project=OuterRef("project"), remote_id=OuterRef("session_id"))
        pks.update(_rows("FormSubmission").filter(Exists(of_these)).values_list("pk", flat=True))
    rows = _rows("FormSubmission").filter(pk__in=pks)
    batch.erase_history(Change.Kind.FORM, "FormSubmission", rows)
    batch.erase_log("FormSubmission", rows)
    batch.erase("FormSubmission", rows, but=FOUND_BY["FormSubmission"])
    ids = {*rows.values_list("session_id", flat=True), *batch.note_remote("embed session", opened)}
    batch.erase_bodies(ids)
    if sessions:
        batch.erase_log("EmbedSession", opened)
        batch.erase("EmbedSession", opened, but=FOUND_BY["EmbedSession"])


def _texts(data: object) -> set[str]:
    """Return the texts in nested data, as they are compared."""
    found: set[str] = set()
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.add(value.strip().casefold())
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found
