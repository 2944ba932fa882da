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


@in_transaction
def _erase_sessions(task: Task, pks: Sequence[int]) -> Erasure:
    """Erase sessions, with all that was submitted in them, in one transaction."""
    batch = ErasingBatch(task)
    sessions = _rows("EmbedSession").filter(pk__in=pks)
    if not task.dry_run:
        # Whoever writes a submission of one locks it first.
        list(lock(sessions).order_by("pk").values_list("pk"))
    of_these = sessions.filter(project=OuterRef("project"), remote_id=OuterRef("session_id"))
    pks_of_these = _rows("FormSubmission").filter(Exists(of_these)).values_list("pk", flat=True)
    _erase_rows(batch, list(pks_of_these))
    batch.erase_bodies(batch.note_remote("embed session", sessions))
    batch.erase_log("EmbedSession", sessions)
    batch.erase("EmbedSession", sessions, but=FOUND_BY["EmbedSession"])
    return batch.result


@in_transaction
def _erase_submissions(task: Task, pks: Sequence[int]) -> Erasure:
    """Erase submissions, in one transaction."""
    batch = ErasingBatch(task)
    rows = _erase_rows(batch, pks)
    batch.erase_bodies(list(rows.values_list("session_id", flat=True)))
    return batch.result


def _erase_rows(batch: ErasingBatch, pks: Sequence[int]) -> QuerySet[Any]:
    submissions: QuerySet[Any]
    submissions = _rows("FormSubmission").filter(pk__in=pks)
    batch.erase_history(Change.Kind.FORM, "FormSubmission", submissions)
    batch.erase_log("FormSubmission", submissions)
    batch.erase("FormSubmission", submissions, but=FOUND_BY["FormSubmission"])
    return submissions


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
