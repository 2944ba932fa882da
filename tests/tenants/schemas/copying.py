"""Schemas made from another: quicker than by migrations, and than django-tenants' own copies."""

from __future__ import annotations

from django.db import connection, transaction


@transaction.atomic
def copy_schema(source: str, name: str, *, like: str = "%") -> None:
    """Make a schema with the tables of another, their indexes and rows, without foreign keys."""
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{name}"')
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename LIKE %s",
            [source, like],
        )
        for (table,) in cursor.fetchall():
            old, new = f'"{source}"."{table}"', f'"{name}"."{table}"'
            cursor.execute(f"CREATE TABLE {new} (LIKE {old} INCLUDING ALL)")
            cursor.execute(f"INSERT INTO {new} OVERRIDING SYSTEM VALUE SELECT * FROM {old}")
