"""The migrations: complete, and as good backwards as forwards."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from django_craftkit.models import Render


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
