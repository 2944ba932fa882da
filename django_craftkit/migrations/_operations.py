"""Operations that hold up no save on a big table, where Django's own would."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class AddConstantColumn(migrations.AddField):
    """Adds a column whose default is a constant of the database's; no row is written.

    Django copies the whole table on SQLite, which can add such a column as it is.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, model):
            before = from_state.apps.get_model(app_label, self.model_name)
            field = model._meta.get_field(self.name)
            BaseDatabaseSchemaEditor.add_field(schema_editor, before, field)


class AddIndexBesideSaves(migrations.AddIndex):
    """Adds an index that no save waits for.

    PostgreSQL builds it concurrently, outside of a transaction; one that was left behind by a
    build that did not end is dropped first. MariaDB and MySQL build online by themselves.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.remove_index(model, self.index, concurrently=True)
            schema_editor.add_index(model, self.index, concurrently=True)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.remove_index(model, self.index, concurrently=True)


class AddKeyBesideSaves(migrations.AddField):
    """Adds a foreign key, empty in each row, whose index no save waits for.

    PostgreSQL builds that concurrently, outside of a transaction; what is left of a build that did
    not end is completed by another try.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        connection = schema_editor.connection
        if connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(connection.alias, model):
            return
        table, field = model._meta.db_table, model._meta.get_field(self.name)
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, table)
        if field.column not in {column.name for column in columns}:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            # Django would build the index at the end, and have saves wait for it.
            schema_editor.deferred_sql = [
                sql
                for sql in schema_editor.deferred_sql
                if not sql.references_column(table, field.column)
            ]
        index = schema_editor._create_index_sql(model, fields=[field], concurrently=True)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.parts['name']}")
        schema_editor.execute(index)
