"""Form submissions: each body that tells of one becomes a row, which is then the only copy.

A row is known by the hash of its body, so the same one makes no second row, whatever delivery it
comes by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Value
from django.db.models.functions import Coalesce

from django_craftkit import bulk, conf
from django_craftkit.database import lock, sanitized
from django_craftkit.models import Change, EmbedSession, FormSubmission, Render, WebhookDelivery
from django_craftkit.models.arguments import MAX_SLUG
from django_craftkit.models.erased import blank, left_of
from django_craftkit.signals import form_submitted

from .answers import kept
from .moments import from_utc
from .renders import adopt, states
from .states import MAX_COUNT

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django_craftkit import client
    from django_craftkit.models.claims import Lease

    Key = tuple[str, uuid.UUID]
    #: What a delivery says.
    Submitted = tuple[WebhookDelivery, client.FormSubmission]

#: What the history calls it.
SUBMITTED = "submitted"


def apply(
    found: Sequence[Submitted], renders: Mapping[Key, Render], lease: Lease | None = None
) -> set[Key]:
    """Write what was submitted, inside a transaction; return whose rows hold nothing of it.

    These are sessions, by project and Craftkit's id, that were erased, or of which something was.
    ``renders`` are the documents that were made of it, locked: see ``renders_of``, ``taken_in``.
    """
    # Whoever erases a session has it locked first; documents are locked before it.
    sessions = _lock_sessions(found)
    origins = _origins([delivery.pk for delivery, _said in found])
    hashes = [body_hash for body_hash, _received_at in origins.values()]
    rows = FormSubmission.objects.writer().filter(bulk.among("body_hash", hashes))
    known = {(row.project, row.body_hash): row for row in rows.defer("data", "answer")}
    new: dict[tuple[str, str], FormSubmission] = {}
    erased: set[Key] = set()
    for delivery, said in found:
        body_hash, received_at = origins[delivery.pk]
        key = (delivery.project, body_hash)
        row = known.get(key) or new.get(key)
        if row is None:
            row = new[key] = _row(delivery.project, said, sessions, renders)
            row.body_hash, row.received_at = body_hash, received_at
        if row.erased_at is not None:
            erased.add((row.project, row.session_id))
    _insert(list(new.values()), lease)
    for row in new.values():
        _tell_adopted(row)
    return erased


def _tell_adopted(row: FormSubmission) -> None:
    """Let a document that was taken in before its form be about what the form is about.

    As it would be if the form had come first: see ``renders/adopt.py``.
    """
    render = row.render
    if render is None or render.adopted_at is None or row.erased_at is not None:
        return
    adopted = Render.objects.writer().filter(pk=render.pk, source_type=None, erased_at=None)
    adopted.update(**row.source_values, version=Coalesce("version", Value(row.version)))


def renders_of(found: Iterable[Submitted]) -> set[Key]:
    """Return which documents were made of what was submitted, by project and Craftkit's id."""
    named = ((delivery.project, said.render_id) for delivery, said in found)
    return {(project, remote_id) for project, remote_id in named if remote_id is not None}


def taken_in(found: Iterable[Submitted], renders: Collection[Key]) -> dict[Key, Render]:
    """Lock documents that were taken in since these were locked, and let none be until the end.

    Whoever takes one in later finds what was submitted. Called before anything else is locked that
    whoever erases a document locks after it.
    """
    keys = renders_of(found).difference(renders)
    if not (keys and conf.options().ADOPT):
        return {}
    adopt.exclude({project for project, _remote_id in keys})
    return states.lock_known(keys)


def _lock_sessions(found: Sequence[Submitted]) -> dict[Key, EmbedSession]:
    ids = {said.session_id for _delivery, said in found}
    rows = lock(EmbedSession.objects.writer()).filter(bulk.among("remote_id", ids))
    return {(row.project, row.remote_id): row for row in rows.order_by("pk")}


def _origins(pks: Sequence[int]) -> dict[int, tuple[str, Any]]:
    """Return the hash of each delivery's body, and when it came."""
    rows = WebhookDelivery.objects.writer().filter(bulk.among("pk", pks))
    return {pk: (body_hash, at) for pk, body_hash, at in rows.values_list(*_ORIGIN)}


_ORIGIN = ("pk", "body_hash", "received_at")


def _row(
    project: str,
    said: client.FormSubmission,
    sessions: Mapping[Key, EmbedSession],
    renders: Mapping[Key, Render],
) -> FormSubmission:
    session = sessions.get((project, said.session_id))
    render = None if said.render_id is None else renders.get((project, said.render_id))
    version = said.template_version
    row = FormSubmission(
        project=project,
        session_id=said.session_id,
        template=sanitized(said.template_slug)[:MAX_SLUG],
        version=None if version is None else min(version, MAX_COUNT),
        render_remote_id=said.render_id,
        render=render,
        data=sanitized(said.data),
        answer=kept(said),
        submitted_at=from_utc(said.submitted_at),
        **({} if session is None else session.source_values),
    )
    row.erased_at = next(
        (one.erased_at for one in (session, render) if one is not None and one.erased_at), None
    )
    if row.erased_at is not None:
        blank(row, left_of(FormSubmission))
    return row


def _insert(rows: Sequence[FormSubmission], lease: Lease | None) -> None:
    """Insert new rows, and announce them; what was erased before it came is not announced.

    Where another worker has just inserted one of them this raises, and the batch is taken apart.
    """
    FormSubmission.objects.writer().bulk_create(rows)
    if any(row.pk is None for row in rows):  # MySQL does not return them
        hashes = [row.body_hash for row in rows]
        written = FormSubmission.objects.writer().filter(body_hash__in=hashes)
        pks = {(one, body_hash): pk for pk, one, body_hash in written.values_list(*_WRITTEN)}
        for row in rows:
            row.pk = pks[row.project, row.body_hash]
    Change.objects.record(
        [
            Change(
                kind=Change.Kind.FORM,
                object_id=row.pk,
                to_status=SUBMITTED,
                cause=Change.Cause.WEBHOOK,
                signal="" if row.erased_at is not None else form_submitted.name,
            )
            for row in rows
        ],
        lease,
    )


_WRITTEN = ("pk", "project", "body_hash")
