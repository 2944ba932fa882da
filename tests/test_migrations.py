"""The migrations: complete, and as good backwards as forwards."""

from __future__ import annotations

import importlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
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
    Template,
    WebhookDelivery,
)
from django_craftkit.models.claims import Watermark
from django_craftkit.models.priority import Priority
from django_craftkit.reconcile.steps import STEPS


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
    Template.objects.create(project="default", slug="invoice", manifest={"variables": []})
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
    assert not Template.objects.exists(), "they are read again"
    assert state.templates_read_at is None
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


FOUND = uuid.uuid4()
MADE_ANEW, OTHER_DATA = "Its document is made anew.", "Its document was retried with other data."


@pytest.fixture
def of_the_third(transactional_db) -> Any:
    """A database as the third migration left it; the newest again when the test ends."""
    call_command("migrate", "craftkit", "0003", verbosity=0)
    try:
        loader = MigrationExecutor(connection).loader
        yield loader.project_state([("craftkit", "0003_signatures")]).apps
    finally:
        call_command("migrate", "craftkit", verbosity=0)


@pytest.mark.parametrize("window", [1000, 2])
def test_what_was_kept_in_text_is_kept_in_columns_and_back(of_the_third, monkeypatch, window):
    fill = importlib.import_module("django_craftkit.migrations.0007_state_columns_fill")
    monkeypatch.setattr(fill, "WINDOW", window)

    def old(name: str, app: str = "craftkit", **values: object) -> Any:
        return of_the_third.get_model(app, name).objects.create(**values)

    person = old("User", "auth", username="ada")
    render = old("Render", template="invoice", key="1", key_hash="1")
    for key, remote_id in ((f"found {FOUND}", FOUND), ("found x", uuid.uuid4()), ("mine", None)):
        old("Share", render=render, key=key, key_hash=key, remote_id=remote_id)
    for key, reason, by in (
        ("declared 1", MADE_ANEW, None),
        ("declared 2", MADE_ANEW, person),
        ("declared 3", OTHER_DATA, person),
        ("declared 4", "Not wanted.", None),
        ("mine", MADE_ANEW, None),
    ):
        old(
            "SignatureRequest",
            render=render,
            key=key,
            key_hash=key,
            attempt=2,
            cancel_requested_at=now(),
            cancel_requested_by=by,
            cancel_reason=reason,
        )
    identity = ("pk", "key", "key_hash", "attempt")
    rows = of_the_third.get_model("craftkit", "SignatureRequest").objects.order_by("pk")
    before = list(rows.values(*identity))

    call_command("migrate", "craftkit", verbosity=0)
    told = dict(Share.objects.values_list("key", "adopted"))
    assert told == {f"found {FOUND}": True, "found x": False, "mine": None}
    assert [one.is_found for one in Share.objects.order_by("pk")] == [True, False, False]
    codes = dict(SignatureRequest.objects.values_list("key", "cancel_code"))
    assert codes == {
        "declared 1": "made_anew",
        "declared 2": "requested",
        "declared 3": "other_data",
        "declared 4": None,
        "mine": None,
    }
    after = SignatureRequest.objects.order_by("pk").values(*identity)
    assert list(after) == before, "keys on the wire stay the same"

    call_command("migrate", "craftkit", "0003", verbosity=0)
    assert list(rows.values(*identity)) == before
    assert rows.filter(cancel_reason=MADE_ANEW).count() == 3


def test_what_was_filled_half_way_is_filled_by_another_run(of_the_third):
    """Nothing is told anew of what is told already."""
    old = of_the_third.get_model("craftkit", "Render")
    render = old.objects.create(template="invoice", key="1", key_hash="1")
    shares = of_the_third.get_model("craftkit", "Share").objects
    for key in ("found a", "found b"):
        shares.create(render=render, key=key, key_hash=key)
    call_command("migrate", "craftkit", "0006", verbosity=0)
    Share.objects.filter(key="found a").update(adopted=True)
    call_command("migrate", "craftkit", verbosity=0)
    assert dict(Share.objects.values_list("key", "adopted")) == {"found a": True, "found b": False}


def test_what_was_known_before_classes_of_priority_is_single(transactional_db):
    """Also what a worker of an earlier version writes, which knows no such column."""
    call_command("migrate", "craftkit", "0012", verbosity=0)
    try:
        old = MigrationExecutor(connection).loader.project_state(
            [("craftkit", "0012_worker_seen_at")]
        )
        before = old.apps.get_model("craftkit", "Job").objects
        before.create(kind="render", object_id=1, due_at=now())
        old.apps.get_model("craftkit", "Render").objects.create(template="a", key="1", key_hash="1")
    finally:
        call_command("migrate", "craftkit", verbosity=0)
    before.create(kind="render", object_id=2, due_at=now())
    found = dict(Job.objects.values_list("object_id", "priority"))
    assert found == {1: Priority.SINGLE, 2: Priority.SINGLE}
    assert Render.objects.get().priority == Priority.SINGLE
    (job,) = Job.objects.all().claim(1, now=now(), lease=timedelta(minutes=2), since=Watermark())
    assert job.object_id == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["0013_priority", "0014_priority_render"])
def test_the_columns_of_priority_write_no_row(capsys, name):
    call_command("sqlmigrate", "craftkit", name)
    sql = capsys.readouterr().out
    assert "ADD COLUMN" in sql
    assert "INSERT" not in sql
    assert "UPDATE" not in sql


def test_the_key_to_what_a_document_supersedes_holds_up_no_save(transactional_db):
    """A build that did not end is completed by the next try, also where the column is there."""
    if connection.vendor != "postgresql":
        pytest.skip("Others build it online by themselves.")
    before = ("craftkit", "0021")
    call_command("migrate", *before, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE craftkit_render ADD COLUMN supersedes_id bigint NULL "
            "REFERENCES craftkit_render (id) DEFERRABLE INITIALLY DEFERRED"
        )
    with CaptureQueriesContext(connection) as queries:
        call_command("migrate", "craftkit", verbosity=0)
    told = [query["sql"] for query in queries if "supersedes_id" in query["sql"]]
    built = [sql for sql in told if "INDEX" in sql]
    assert [sql[:26] for sql in built] == [
        "DROP INDEX CONCURRENTLY IF",
        "CREATE INDEX CONCURRENTLY ",
    ]
    call_command("migrate", *before, verbosity=0)
    with CaptureQueriesContext(connection) as queries:
        call_command("migrate", "craftkit", verbosity=0)
    told = [query["sql"] for query in queries if "supersedes_id" in query["sql"]]
    assert [sql for sql in told if "CREATE INDEX" in sql and "CONCURRENTLY" not in sql] == []
    assert any("ADD COLUMN" in sql for sql in told)


def test_the_index_of_claims_is_built_beside_saves_and_anew_after_a_build_that_did_not_end(
    transactional_db,
):
    if connection.vendor != "postgresql":
        pytest.skip("Others build it online by themselves.")
    call_command("migrate", "craftkit", "0014", verbosity=0)
    try:
        with connection.cursor() as cursor:
            # What is left behind has the name, and is of no use.
            cursor.execute("CREATE INDEX craftkit_job_claim ON craftkit_job (id)")
    finally:
        with CaptureQueriesContext(connection) as queries:
            call_command("migrate", "craftkit", verbosity=0)
    built = [query["sql"] for query in queries if "craftkit_job_claim" in query["sql"]]
    assert [sql[:26] for sql in built] == [
        "DROP INDEX CONCURRENTLY IF",
        "CREATE INDEX CONCURRENTLY ",
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indexrelid = 'craftkit_job_claim'::regclass"
        )
        is_valid, definition = cursor.fetchone()
    assert is_valid
    assert "(priority, due_at, id, project, kind)" in definition
