"""Many rows, each with values of its own, in one statement.

The values go as one JSON parameter, which PostgreSQL, MySQL and MariaDB read as a table. A ``CASE``
for each column takes two to six times as long, and its parameters are counted.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.db.models.sql import UpdateQuery

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

#: Characters of values in one statement: servers and drivers take no packet of any size.
MOST = 1_000_000
#: How MySQL and MariaDB are told to look for rows. Of a small table they read all of it otherwise,
#: lock it row by row, and wait for whoever has another one, who may wait for one of these.
_BY_PK = "FORCE INDEX (PRIMARY)"


def update(rows: Sequence[models.Model], names: Sequence[str], using: str) -> None:
    """Write these columns of rows of one model: one query for each ``MOST`` characters of values.

    A value may be an expression where it is every row's.
    """
    same: dict[str, Any] = {}
    columns: list[Any] = []
    for name in names:
        values = [getattr(row, name) for row in rows]
        if all(value == values[0] for value in values):
            same[name] = values[0]
        else:
            columns.append(rows[0]._meta.get_field(name))
    for part in _parts(rows, columns):
        if not columns or not _update_by_json(part, columns, same, using):
            _update_by_case(part, columns, same, using)


def update_by_pk(model: type[models.Model], pks: Collection[Any], using: str, **values: Any) -> int:
    """Write the same values to the rows with these primary keys; return how many there are."""
    rows = model._default_manager.using(using).filter(pk__in=pks)
    connection: Any = connections[using]
    if connection.vendor != "mysql":
        return rows.update(**values)
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(values)
    sql, params = query.get_compiler(using).as_sql()
    table = connection.ops.quote_name(model._meta.db_table)
    sql = sql.replace(f"UPDATE {table} SET", f"UPDATE {table} {_BY_PK} SET", 1)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def delete_by_pk(model: type[models.Model], pks: Sequence[Any], using: str) -> int:
    """Delete the rows with these primary keys, and nothing that refers to them; return how many."""
    connection: Any = connections[using]
    if not pks:
        return 0
    if connection.vendor != "mysql":
        rows: Any = model._default_manager.using(using).filter(pk__in=pks)
        return int(rows._raw_delete(using))
    meta: Any = model._meta
    table, key = map(connection.ops.quote_name, (meta.db_table, meta.pk.column))
    # A DELETE takes no such word but in a join, from the keys to their rows.
    wanted = " UNION ALL SELECT ".join(["%s AS k", *["%s"] * (len(pks) - 1)])
    sql = (
        f"DELETE {table} FROM (SELECT {wanted}) AS v "
        f"STRAIGHT_JOIN {table} {_BY_PK} ON {table}.{key} = v.k"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, list(pks))
        return int(cursor.rowcount)


def _parts(rows: Sequence[models.Model], columns: Sequence[Any]) -> Iterator[Sequence[Any]]:
    start = size = 0
    for number, row in enumerate(rows):
        more = sum(len(str(getattr(row, column.attname))) + 30 for column in columns)
        if size and size + more > MOST:
            yield rows[start:number]
            start, size = number, 0
        size += more
    yield rows[start:]


def _update_by_json(
    rows: Sequence[models.Model], columns: Sequence[Any], same: Mapping[str, Any], using: str
) -> bool:
    """Write rows from values in JSON, or in SQLite from a list; ``False`` where that can't be."""
    connection: Any = connections[using]
    model, quote = type(rows[0]), connection.ops.quote_name
    meta: Any = model._meta
    is_sqlite = connection.vendor == "sqlite"
    if not (is_sqlite or has_tables_of_json(connection)):
        return False
    shared = [(meta.get_field(name), value) for name, value in same.items()]
    expressions = any(hasattr(value, "resolve_expression") for _column, value in shared)
    kinds = (str, int, datetime, uuid.UUID, type(None))
    if expressions or not all(
        isinstance(column, models.JSONField)
        or all(isinstance(getattr(row, column.attname), kinds) for row in rows)
        for column in columns
    ):
        return False
    sets = [f"{quote(column.column)} = %s" for column, _value in shared]
    params = [column.get_db_prep_save(value, connection) for column, value in shared]
    table, key = quote(meta.db_table), quote(meta.pk.column)
    if is_sqlite:
        sets += [f"{quote(column.column)} = %s" for column in columns]
        sql = f"UPDATE {table} SET {', '.join(sets)} WHERE {key} = %s"  # noqa: S608
        values = [
            [*params, *(_prepared(column, row, connection) for column in columns), row.pk]
            for row in rows
        ]
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
        return True
    plain = _as_postgresql_reads if connection.vendor == "postgresql" else _as_mysql_reads
    records = [
        {"k": row.pk}
        | {f"c{n}": plain(column, row, connection) for n, column in enumerate(columns)}
        for row in rows
    ]
    document = json.dumps(records, ensure_ascii=False, separators=(",", ":"))
    if connection.vendor == "postgresql":
        types = "".join(f", c{n} {column.db_type(connection)}" for n, column in enumerate(columns))
        sets += [f"{quote(column.column)} = v.c{n}" for n, column in enumerate(columns)]
        sql = (
            f"UPDATE {table} SET {', '.join(sets)} "  # noqa: S608
            f"FROM jsonb_to_recordset(%s::jsonb) AS v(k bigint{types}) WHERE {table}.{key} = v.k"
        )
        params.append(document)
    else:
        # Texts and moments are the column's to convert, as what is sent by itself is.
        types = "".join(
            f", c{n} LONGTEXT CHARACTER SET utf8mb4 PATH '$.c{n}'" for n in range(len(columns))
        )
        sets += [f"{table}.{quote(column.column)} = v.c{n}" for n, column in enumerate(columns)]
        # RIGHT: from the values to their rows.
        sql = (
            f"UPDATE {table} {_BY_PK} RIGHT "  # noqa: S608
            f"JOIN JSON_TABLE(%s, '$[*]' COLUMNS(k BIGINT PATH '$.k'{types})) AS v "
            f"ON {table}.{key} = v.k SET {', '.join(sets)}"
        )
        params.insert(0, document)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
    return True


def has_tables_of_json(connection: Any) -> bool:
    """Whether a database reads a JSON text as a table."""
    if connection.vendor == "mysql":
        first = (10, 6) if connection.mysql_is_mariadb else (8, 0, 4)
        return bool(connection.mysql_version >= first)
    return bool(connection.vendor == "postgresql")


def _prepared(column: Any, row: models.Model, connection: Any) -> Any:
    return column.get_db_prep_save(getattr(row, column.attname), connection)


def _as_postgresql_reads(column: Any, row: models.Model, connection: Any) -> Any:
    value = getattr(row, column.attname)
    if isinstance(column, models.JSONField):
        return value if value is None else json.loads(json.dumps(value, cls=column.encoder))
    value = column.get_prep_value(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _as_mysql_reads(column: Any, row: models.Model, connection: Any) -> Any:
    value = getattr(row, column.attname)
    if isinstance(column, models.JSONField):
        return value if value is None else json.dumps(value, cls=column.encoder)
    value = _prepared(column, row, connection)
    return (
        value
        if value is None or isinstance(value, str)
        else str(int(value) if isinstance(value, bool) else value)
    )


def _update_by_case(
    rows: Sequence[models.Model], columns: Sequence[Any], same: Mapping[str, Any], using: str
) -> None:
    """Write rows with what chooses a row's own value by its primary key.

    ``Case(When(…))``, and ``bulk_update`` with it, costs more to compile than to run.
    """
    connection = connections[using]
    model, pks = type(rows[0]), [row.pk for row in rows]
    key = connection.ops.quote_name("id")
    values = dict(same)
    for column in columns:
        params: list[Any] = []
        for row in rows:
            params += row.pk, _prepared(column, row, connection)
        choice = RawSQL(  # noqa: S611
            f"CASE {key} {'WHEN %s THEN %s ' * len(pks)}END", params, column
        )
        casted = connection.features.requires_casted_case_in_updates
        values[column.name] = Cast(choice, column) if casted else choice
    update_by_pk(model, pks, using, **values)
