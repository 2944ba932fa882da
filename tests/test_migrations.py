"""The migrations: complete, and as good backwards as forwards."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils.timezone import now

from django_craftkit.models import (
    ArchivedFile,
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.reconcile.loop import STEPS


def tables() -> set[str]:
    return {name for name in connection.introspection.table_names() if name.startswith("craftkit_")}


@pytest.mark.django_db
def test_none_is_missing(capsys):
    call_command("makemigrations", "craftkit", check=True, dry_run=True)
    assert "No changes" in capsys.readouterr().out


def test_they_are_one_line_and_each_can_be_undone():
    loader = MigrationLoader(None, ignore_no_migrations=True)
    assert len(loader.graph.leaf_nodes("craftkit")) == 1
    for (app, name), migration in loader.disk_migrations.items():
        if app == "craftkit":
            assert all(operation.reversible for operation in migration.operations), name


@pytest.mark.django_db(transaction=True)
def test_the_schema_of_a_source_is_a_column_that_copies_no_table(capsys):
    (name,) = (
        migration.name
        for migration in MigrationLoader(None, ignore_no_migrations=True).disk_migrations.values()
        for operation in migration.operations
        if getattr(operation, "name", "") == "source_schema"
    )
    call_command("sqlmigrate", "craftkit", name)
    sql = capsys.readouterr().out
    assert "ADD COLUMN" in sql
    assert "INSERT" not in sql


@pytest.mark.django_db(transaction=True)
def test_back_to_zero_and_forward_again():
    Render.objects.create(template="invoice", key="1", key_hash="1")
    before = tables()
    assert "craftkit_render" in before
    try:
        call_command("migrate", "craftkit", "zero", verbosity=0)
        assert tables() == set()
    finally:
        call_command("migrate", "craftkit", verbosity=0)
    assert tables() == before
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes("craftkit")) == []
    assert Render.objects.count() == 0
    Render.objects.create(template="invoice", key="1", key_hash="1")


@pytest.fixture
def rows(transactional_db) -> Render:
    """One row of each model, with all that the second and third migration bring."""
    render = Render.objects.create(
        template="invoice", key="1", key_hash="1", counts={"viewed": 1}, withdrawn_at=now()
    )
    Share.objects.create(render=render, key="1", key_hash="1", by_mail=True, mailed_at=now())
    EngagementEvent.objects.create(render=render, project="default", type="viewed")
    Change.objects.create(kind="render", object_id=render.pk, to_status="queued", cause="answer")
    Job.objects.create(kind="render", object_id=render.pk, project="default")
    WebhookDelivery.objects.store("default", "1", b"{}")
    ProjectState.objects.of("default")
    request = SignatureRequest.objects.create(render=render, key="1", key_hash="1", attempt=2)
    person = SignatureRecipient.objects.create(request=request, position=0, email="a@example.com")
    for about in (None, person):
        Change.objects.create(
            kind="signature",
            object_id=request.pk,
            to_status="signed",
            cause="poll",
            recipient=about,
            announcement="due",
        )
    Change.objects.create(
        kind="render",
        object_id=render.pk,
        to_status="archived",
        cause="here",
        signal="document_archived",
    )
    for kind in STEPS:
        if "signature" in kind or "archive" in kind:
            Job.objects.create(kind=kind, object_id=request.pk, project="default")
    for kind in ArchivedFile.Kind:
        ArchivedFile.objects.create(kind=kind, object_id=request.pk, name="a.pdf", size=1)
    return render


def test_back_to_the_first_and_forward_again_with_rows(rows):
    namespace = ProjectState.objects.get().namespace
    try:
        call_command("migrate", "craftkit", "0001", verbosity=0)
        assert "craftkit_engagementevent" not in tables()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM craftkit_share")
            assert cursor.fetchone() == (1,)
    finally:
        call_command("migrate", "craftkit", verbosity=0)
    render = Render.objects.get()
    assert (render.key, render.counts, render.withdrawn_at) == ("1", {}, None)
    share = Share.objects.get()
    assert (share.by_mail, share.mailed_at, share.recipient_name) == (False, None, "")
    state = ProjectState.objects.get()
    assert (state.namespace, state.capability) == (namespace, ""), "keys on the wire stay the same"
    assert not EngagementEvent.objects.exists()
    for model in (Change, Job, WebhookDelivery):
        assert model.objects.count() == 1


def test_back_to_the_first_leaves_nothing_that_its_loop_can_not_do(rows):
    Share.objects.update(by_mail=True, status="pending")
    for kind in ("email", "announce email", "engagement", "announce engagement"):
        Job.objects.get_or_create(kind=kind, object_id=rows.pk, project="default")
    Change.objects.create(kind="engagement", object_id=1, to_status="viewed", cause="poll")
    try:
        call_command("migrate", "craftkit", "0001", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT kind FROM craftkit_job")
            assert list(cursor.fetchall()) == [("render",)]
            cursor.execute("SELECT DISTINCT kind FROM craftkit_change")
            assert list(cursor.fetchall()) == [("render",)]
            cursor.execute("SELECT status, error <> '' FROM craftkit_share")
            ((status, is_told),) = cursor.fetchall()
            assert (status, bool(is_told)) == ("rejected", True), "no link that nobody asked for"
    finally:
        call_command("migrate", "craftkit", verbosity=0)


def test_back_to_the_second_and_forward_again_with_rows(rows):
    """A loop that knows no signatures finds nothing that it can't do."""
    ProjectState.objects.of("default", "signatures")
    ProjectState.objects.of("default", "email")
    assert (Change.objects.count(), Job.objects.count()) == (4, 7)
    before = set(Job.objects.values_list("kind", flat=True))
    assert {"announce signature", "poll signatures", "archive render"} <= before
    try:
        call_command("migrate", "craftkit", "0002", verbosity=0)
        assert not {name for name in tables() if "signature" in name or "archive" in name}
    finally:
        call_command("migrate", "craftkit", verbosity=0)
    assert (Render.objects.get().counts, Share.objects.get().by_mail) == ({"viewed": 1}, True)
    assert EngagementEvent.objects.count() == 1
    assert Change.objects.get().to_status == "queued"
    assert Job.objects.get().kind == "render"
    assert set(ProjectState.objects.values_list("capability", flat=True)) == {"", "email"}
    for model in (SignatureRequest, SignatureRecipient, ArchivedFile):
        assert not model.objects.exists()


def test_back_to_the_first_with_a_capability_that_was_paused(rows):
    """Before, there was one row for a project."""
    ProjectState.objects.of("default", "email")
    namespace = ProjectState.objects.of("default").namespace
    try:
        call_command("migrate", "craftkit", "0001", verbosity=0)
    finally:
        call_command("migrate", "craftkit", verbosity=0)
    assert ProjectState.objects.get().namespace == namespace
