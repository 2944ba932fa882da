from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from django_tenants.utils import schema_context

from django_craftkit import tenants
from django_craftkit.models.archive import archive_storage
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.worker import Worker
from tests.helpers import archived_files
from tests.tenants.schemas.copying import copy_schema
from tests.tenants.schemas.customers.models import Client, Domain

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Who is made before any test; each has rows of the same primary keys.
NAMES = ("alpha", "beta", "gamma")


@pytest.fixture(scope="session", autouse=True)
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Make three tenants, and let every test commit: a worker of another process is to see it."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        for number, name in enumerate(NAMES):
            client = Client.objects.create(schema_name=name, name=name.title())
            Domain.objects.create(domain=f"{name}.testserver", tenant=client, is_primary=True)
            if number:
                copy_schema(NAMES[0], name)
                move_content_types(name, number * 1000)
            else:
                with connection.cursor() as cursor:
                    cursor.execute(f"CREATE SCHEMA {name}")
                call_command("migrate_schemas", schema_name=name, run_syncdb=True, verbosity=0)
        yield
        teardown_databases(made, verbosity=0)


def move_content_types(name: str, by: int) -> None:
    """Let a tenant have content types, and permissions, of other ids than the others."""
    with schema_context(name), connection.cursor() as cursor:
        for table, column in (
            ("django_content_type", "id"),
            ("auth_permission", "content_type_id"),
        ):
            cursor.execute(f"UPDATE {name}.{table} SET {column} = {column} + {by}")


@pytest.fixture
def db() -> None:
    """Open no transaction, where pytest-django would."""


@pytest.fixture
def transactional_db() -> None:
    """Flush no tables, where pytest-django would."""


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    """Leave nothing to the next test."""
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) AND "
            "(tablename LIKE %s OR tablename LIKE %s)",
            [list(NAMES), "craftkit%", "shop%"],
        )
        tables = [".".join(names) for names in cursor.fetchall()]
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in tables))
        cursor.execute(
            "SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, 1, false) "
            "FROM pg_sequences WHERE schemaname = ANY(%s) AND sequencename LIKE %s",
            [list(NAMES), "craftkit%"],
        )
    for name in archived_files():
        archive_storage().delete(name)


@pytest.fixture(params=NAMES)
def tenant(request: pytest.FixtureRequest) -> Iterator[str]:
    with tenants.enter(request.param):
        yield request.param


@pytest.fixture
def worker(monkeypatch) -> Iterator[Worker]:
    monkeypatch.setattr(poll, "FIRST_POLL", 0.05)
    yield (worker := Worker(wake=None))
    worker.stop()
