"""Nothing of a person is left in any column or file; a skeleton stays."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile

from django_craftkit.models import (
    ArchivedFile,
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Job,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.archive import archive_storage
from django_craftkit.models.erased import LEFT
from tests.erasing.people import (
    ADDRESS,
    NAME,
    erase,
    filled,
    may_hold_words,
    places,
    request,
)
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db

#: Columns of text that stay, and why nobody is in them.
HARMLESS = {
    "project": "an alias of the settings",
    "mode": "a code",
    "key_hash": "keeps a used key used; not the key, but whoever can guess that can try it",
    "error_code": "a code",
    "template": "a slug",
    "status": "a code",
    "builder": "the name of a function",
    "counts": "numbers by kind of event",
    "channel": "a code",
    "cancel_code": "a code",
    "SignatureRecipient.remote_id": "Craftkit's id: who has signed is told by it",
    "designation": "a role",
    "EngagementEvent.type": "a code",
    "EngagementEvent.actor": "a code",
    "Change.kind": "a code",
    "from_status": "a code",
    "to_status": "a code",
    "cause": "a code",
    "signal": "a name",
    "announcement": "a code",
    "Change.receivers": "names of functions; what they raised goes",
    "Job.kind": "a code",
    "WebhookDelivery.event": "a code",
    "body_hash": "tells repeats of a webhook",
    "ArchivedFile.kind": "a code",
    "coverage": "a code",
    "ArchiveWrite.kind": "a code",
    "ArchiveWrite.name": "made of ids, until the file is deleted",
    "ArchiveWrite.sha256": "of a file, until it is deleted",
}
#: Models that are about no person.
ABOUT_NOBODY = ("Batch", "Template", "ProjectState")


def full_rows(order: Order) -> list[Any]:
    """Make a row of each model that is about her, with something of her wherever it can be."""
    render = Render(status="failed", remote_id=uuid.uuid4(), template="invoice")
    render.set_source(order)
    share = Share(render=render, status="revoked", remote_id=uuid.uuid4())
    asked = SignatureRequest(render=render, status="completed", remote_id=uuid.uuid4())
    person = SignatureRecipient(request=asked, position=0)
    seen = EngagementEvent(render=render, event_id=uuid.uuid4(), type="viewed", actor="recipient")
    session = EmbedSession(remote_id=uuid.uuid4(), source=order)
    form = FormSubmission(session_id=session.remote_id, template="handover", source=order)
    rows: list[Any] = [render, share, asked, person, seen, session, form]
    for row in rows:
        fill(row)
    abouts = {"render": render, "share": share, "signature": asked, "engagement": seen}
    abouts["form"] = form
    for kind, row in abouts.items():
        failed = {"app.receive": {"attempts": 8, "error": ADDRESS, "abandoned": True}}
        change = Change(kind=kind, object_id=row.pk, to_status="done", receivers=failed)
        job = Job(kind=f"announce {kind}", object_id=row.pk)
        rows += [fill(change, but=("receivers",)), fill(job)]
    for remote_id in (render.remote_id, asked.remote_id, session.remote_id):
        delivery = WebhookDelivery(about=remote_id, delivery_id=uuid.uuid4(), status="processed")
        rows.append(fill(delivery))
    for kind, row in (("render", render), ("signed", asked), ("certificate", asked)):
        name = f"craftkit/default/{kind}/{row.remote_id}/{uuid.uuid4().hex}.pdf"
        archive_storage().save(name, ContentFile(f"%PDF for {ADDRESS}".encode()))
        file = ArchivedFile(kind=kind, object_id=row.pk, name=name, size=9, sha256=NAME)
        file.save()
        rows.append(file)
    boss = User.objects.create_user("boss")
    for row in (render, share, asked):
        entry = LogEntry.objects.create(
            user=boss,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            object_repr=ADDRESS,
            action_flag=CHANGE,
            change_message=f"Mailed to {NAME}.",
        )
        rows.append(entry)
    return rows


def fill(row: Any, but: tuple[str, ...] = ()) -> Any:
    before = {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields}
    for name in LEFT[type(row).__name__]:
        field = row._meta.get_field(name)
        # What it is about is found by these.
        is_about = name.startswith("source_")
        if may_hold_words(field) and not is_about and name not in but:
            setattr(row, name, filled(field))
    for name in ("project", "key_hash"):
        if name in before:
            setattr(
                row, name, before[name] or ("default" if name == "project" else uuid.uuid4().hex)
            )
    row.save()
    return row


@pytest.mark.django_db(transaction=True)
def test_nothing_of_her_is_left_in_any_column_or_file(order: Order):
    rows = full_rows(order)
    Order.objects.all().delete()
    told = {place for place in places(among=rows) if place != "file"}
    fields = {f"{model}.{name}" for model, columns in LEFT.items() for name in columns}
    # Numbers that stand for her, and a name that is not.
    ids = {field for field in fields if ".source_" in field}
    ids |= {"EmbedSession.created_by", "ArchivedFile.name"}
    assert told >= fields - ids, "each column that is erased had something of her"
    erasure = erase(order, archive=True)
    assert places(among=rows) == []
    assert erasure.is_complete
    assert places() == []
    render = Render.objects.get()
    assert (render.source_id, render.source_type, render.source_db) == ("", None, "")


def test_no_column_is_forgotten():
    forgotten, known = [], set()
    for model in apps.get_app_config("craftkit").get_models():
        name = model.__name__
        for field in filter(may_hold_words, model._meta.concrete_fields):
            if name in ABOUT_NOBODY or field.name in LEFT.get(name, {}):
                continue
            reasons = {field.name, f"{name}.{field.name}"} & HARMLESS.keys()
            known |= reasons
            if not reasons:
                forgotten.append(f"{name}.{field.name}")
    assert forgotten == [], "erase them (models/erased.py), or say here why nobody is in them"
    assert known == HARMLESS.keys()


def test_a_skeleton_stays(craftkit: Kit, order: Order):
    render = request(order)
    craftkit.run()
    render.refresh_from_db()
    before = (render.key_hash, render.remote_id, render.attempt, render.status, render.template)
    erase(order)
    render.refresh_from_db()
    after = (render.key_hash, render.remote_id, render.attempt, render.status, render.template)
    assert after == before
    assert render.erased_at == render.withdrawn_at or render.erased_at is not None
    assert render.withdrawn_at is not None
    assert str(render) == f"invoice #{render.pk}"
