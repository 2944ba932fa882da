"""Many rows in one statement: found by their keys, or each with values of its own.

The values go as one JSON parameter, which PostgreSQL, MySQL and MariaDB read as a table. A ``CASE``
for each column takes two to six times as long, and its parameters are counted. PostgreSQL takes
keys as one parameter, too.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models.expressions import F, RawSQL
from django.db.models.functions import Cast
from django.db.models.lookups import In
from django.db.models.sql import UpdateQuery

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper as Connection
    from django.db.models.sql.compiler import SQLCompiler

    from .statements import Column

    Rows = Sequence[models.Model]
    Columns = Sequence[Column]
    Same = Mapping[Column, object]

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")

#: Characters of values in one statement: servers and drivers take no packet of any size.
MOST = 1_000_000
#: How MySQL and MariaDB are told to look for rows. Else they read all of a small table, lock it row
#: by row, and wait for whoever has another one, who may wait for one of these.
_BY_PK = "FORCE INDEX (PRIMARY)"


def in_batches(rows: models.QuerySet[Any, T], size: int) -> Iterator[list[T]]:
    """Yield rows in the order of their primary keys, so many at a time, each batch by a query.

    ``rows`` are objects, or primary keys (``values_list("pk", flat=True)``). What is written
    meanwhile is found if its key is greater; none is found twice.
    """
    ordered, last = rows.order_by("pk"), None
    while part := list((ordered if last is None else ordered.filter(pk__gt=last))[:size]):
        yield part
        last = part[-1].pk if isinstance(part[-1], models.Model) else part[-1]


def parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield what is in memory, so much at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def among(name: str, keys: Collection[object]) -> Among:
    """Return a condition: this column has one of these numbers, UUIDs, or hashes."""
    return Among(F(name), keys)


class Among(In):
    """``IN`` as one parameter, where the database takes one for a list.

    To prepare hundreds of them costs this process more than the database takes to find the rows.
    """

    def get_prep_lookup(self) -> Collection[object]:
        return list(self.rhs)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: Connection
    ) -> tuple[str, list[object]]:
        if not self.rhs:
            raise EmptyResultSet
        sql, params = self.process_lhs(compiler, connection)
        kind = self.lhs.output_field.cast_db_type(connection)
        return f"{sql} = ANY(%s::{kind}[])", [*params, f"{{{','.join(map(str, self.rhs))}}}"]


def like(row: M, **values: object) -> M:
    """Return a row to be written in bulk that differs from another in the columns of these names.

    Without the model's ``__init__``, which may take longer than to write it.
    """
    copy: M = type(row).__new__(type(row))
    copy.__dict__.update(row.__dict__, **values)
    return copy


def insert(rows: Rows, using: str, *, ignore: bool = False, keys: bool = False) -> bool:
    """Insert rows of one model; return whether all are known to be new.

    Their values are texts, whole numbers, moments, UUIDs and JSON; what is every row's may be SQL
    without parameters. ``auto_now`` and the like set nothing. ``ignore`` passes over rows that are
    there. With ``keys`` they get their primary keys, if all are new and the database returns them.
    """
    connection = connections[using]
    if connection.vendor == "postgresql":
        columns = [column for column in rows[0]._meta.concrete_fields if not column.primary_key]
        same, own = _split(rows, columns)
        inserted = sum(
            _insert_by_json(part, own, same, connection, ignore=ignore, keys=keys)
            for part in _parts(rows, own)
        )
        return inserted == len(rows)
    # MySQL would have everybody else who inserts wait until it has read a table to its end.
    type(rows[0])._default_manager.using(using).bulk_create(rows, ignore_conflicts=ignore)
    return not ignore


def _insert_by_json(
    rows: Rows, columns: Columns, same: Same, connection: Connection, *, ignore: bool, keys: bool
) -> int:
    names = [_quoted(column, connection) for column in (*same, *columns)]
    values, params = [], []
    for column, value in same.items():
        if isinstance(value, RawSQL):
            values.append(value.sql)
        else:
            values.append("%s")
            params.append(column.get_db_prep_save(value, connection))
    values += [f"v.c{n}" for n in range(len(columns))]
    sql = (
        f"INSERT INTO {_table(rows[0], connection)} ({', '.join(names)}) "  # noqa: S608
        f"SELECT {', '.join(values)} FROM {_recordset(columns, connection)}"
    )
    params.append(_document(rows, columns, connection))
    if ignore:
        sql += " ON CONFLICT DO NOTHING"
    if keys:
        sql += f" RETURNING {_quoted(rows[0]._meta.pk, connection)}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        if keys and cursor.rowcount == len(rows):
            # In the order of the values, as those of ``bulk_create``.
            for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
                row.pk = key
        return int(cursor.rowcount)


def update(rows: Rows, names: Sequence[str], using: str) -> None:
    """Write these columns of rows of one model: one query for each ``MOST`` characters of values.

    A value may be an expression where it is every row's.
    """
    meta = rows[0]._meta
    same, columns = _split(rows, [cast("Column", meta.get_field(name)) for name in names])
    for part in _parts(rows, columns):
        # What is the same for all needs no table of values, only keys.
        if not (columns and _update_by_json(part, columns, same, using)):
            _update_by_case(part, columns, same, using)


def update_by_pk(
    model: type[models.Model], pks: Collection[int], using: str, **values: object
) -> int:
    """Write the same values to the rows with these primary keys; return how many there are."""
    rows = model._default_manager.using(using).filter(among("pk", pks))
    connection = connections[using]
    if connection.vendor != "mysql":
        return rows.update(**values)
    query = cast("UpdateQuery", rows.query.chain(UpdateQuery))
    query.add_update_values(values)
    sql, params = query.get_compiler(using).as_sql()
    table = _table(model, connection)
    sql = sql.replace(f"UPDATE {table} SET", f"UPDATE {table} {_BY_PK} SET", 1)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def update_free(rows: models.QuerySet[M], **values: object) -> set[int]:
    """Write the same values to those rows of a queryset that nobody else has locked.

    Inside a transaction. Returns their primary keys; where rows can't be passed over, all are free.
    """
    connection = connections[rows.db]
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    free = rows.order_by().values_list("pk", flat=True)
    if connection.vendor != "postgresql":
        pks = set(free)
        if pks:
            update_by_pk(rows.model, pks, rows.db, **values)
        return pks
    query = rows.model._default_manager.using(rows.db).filter(pk__in=free).query
    query = cast("UpdateQuery", query.chain(UpdateQuery))
    query.add_update_values(values)
    sql, params = query.get_compiler(rows.db).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {_quoted(rows.model._meta.pk, connection)}", params)
        return {pk for (pk,) in cursor.fetchall()}


def delete_by_pk(model: type[models.Model], pks: Sequence[int], using: str) -> int:
    """Delete the rows with these primary keys, and nothing that refers to them; return how many."""
    connection = connections[using]
    if not pks:
        return 0
    if connection.vendor != "mysql":
        rows = model._default_manager.using(using).filter(among("pk", pks))
        return rows._raw_delete(using)
    table, key = _table(model, connection), _quoted(model._meta.pk, connection)
    # A DELETE takes no such word but in a join, from the keys to their rows.
    wanted = " UNION ALL SELECT ".join(["%s AS k", *["%s"] * (len(pks) - 1)])
    sql = (
        f"DELETE {table} FROM (SELECT {wanted}) AS v "
        f"STRAIGHT_JOIN {table} {_BY_PK} ON {table}.{key} = v.k"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, list(pks))
        return int(cursor.rowcount)


def _split(rows: Rows, columns: Iterable[Column]) -> tuple[dict[Column, object], list[Column]]:
    """Return what is every row's, by column, and the columns of which each row has its own."""
    same: dict[Column, object] = {}
    own: list[Column] = []
    for column in columns:
        first, *others = (getattr(row, column.attname) for row in rows)
        # JSON that Python says is equal may be another: true is no 1.
        may_differ = isinstance(column, models.JSONField) and bool(first)
        if not (others and may_differ) and all(value == first for value in others):
            same[column] = first
        else:
            own.append(column)
    return same, own


def _parts(rows: Sequence[M], columns: Columns) -> Iterator[Sequence[M]]:
    start = size = 0
    # Others have values that are short.
    long = (models.CharField, models.TextField, models.JSONField)
    names = [column.attname for column in columns if isinstance(column, long)]
    for number, row in enumerate(rows):
        more = 60 * (1 + len(columns)) + sum(len(str(getattr(row, name))) for name in names)
        if size and size + more > MOST:
            yield rows[start:number]
            start, size = number, 0
        size += more
    yield rows[start:]


def _update_by_json(rows: Rows, columns: Columns, same: Same, using: str) -> bool:
    """Write rows from values in JSON, or in SQLite from a list; ``False`` where that can't be."""
    connection: Any = connections[using]
    is_old = connection.vendor == "mysql" and connection.mysql_version < (
        (10, 6) if connection.mysql_is_mariadb else (8, 0, 4)
    )
    if is_old or connection.vendor not in ("sqlite", "postgresql", "mysql"):
        return False  # it reads no JSON as a table
    expressions = any(hasattr(value, "resolve_expression") for value in same.values())
    kinds = (str, int, datetime, uuid.UUID, type(None))
    if expressions or not all(
        isinstance(column, models.JSONField)
        or all(isinstance(getattr(row, column.attname), kinds) for row in rows)
        for column in columns
    ):
        return False
    sets = [f"{_quoted(column, connection)} = %s" for column in same]
    params = [column.get_db_prep_save(value, connection) for column, value in same.items()]
    names = [_quoted(column, connection) for column in columns]
    table, key = _table(rows[0], connection), _quoted(rows[0]._meta.pk, connection)
    if connection.vendor == "sqlite":
        sets += [f"{name} = %s" for name in names]
        sql = f"UPDATE {table} SET {', '.join(sets)} WHERE {key} = %s"  # noqa: S608
        values = [
            [*params, *(_prepared(column, row, connection) for column in columns), row.pk]
            for row in rows
        ]
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
        return True
    document = _document(rows, columns, connection)
    if connection.vendor == "postgresql":
        sets += [f"{name} = v.c{n}" for n, name in enumerate(names)]
        sql = (
            f"UPDATE {table} SET {', '.join(sets)} "  # noqa: S608
            f"FROM {_recordset(columns, connection)} WHERE {table}.{key} = v.k"
        )
        params.append(document)
    else:
        # Texts and moments are the column's to convert, as what is sent by itself is.
        types = "".join(
            f", c{n} LONGTEXT CHARACTER SET utf8mb4 PATH '$.c{n}'" for n in range(len(columns))
        )
        sets += [f"{table}.{name} = v.c{n}" for n, name in enumerate(names)]
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


def _table(row: models.Model | type[models.Model], connection: Connection) -> str:
    return connection.ops.quote_name(row._meta.db_table)


def _quoted(column: Column, connection: Connection) -> str:
    # Each has a name, whatever the annotations say.
    return connection.ops.quote_name(str(column.column))


def _recordset(columns: Columns, connection: Connection) -> str:
    """Return how PostgreSQL reads as a table what ``_document`` returns."""
    types = "".join(f", c{n} {column.db_type(connection)}" for n, column in enumerate(columns))
    return f"jsonb_to_recordset(%s::jsonb) AS v(k bigint{types})"


def _document(rows: Rows, columns: Columns, connection: Connection) -> str:
    """Return the values of these columns as JSON, and ``k``, the keys of rows that have one."""
    plain = _as_postgresql_reads if connection.vendor == "postgresql" else _as_mysql_reads
    records = [
        {"k": row.pk}
        | {f"c{n}": plain(column, row, connection) for n, column in enumerate(columns)}
        for row in rows
    ]
    encoders = [column.encoder for column in columns if isinstance(column, models.JSONField)]
    encoder = next(filter(None, encoders), None)
    return json.dumps(records, ensure_ascii=False, separators=(",", ":"), cls=encoder)


def _prepared(column: Column, row: models.Model, connection: Connection) -> object:
    return column.get_db_prep_save(getattr(row, column.attname), connection)


def _as_postgresql_reads(column: Column, row: models.Model, connection: Connection) -> object:
    value = getattr(row, column.attname)
    if isinstance(column, models.JSONField) or isinstance(value, (str, int)):
        # JSON in JSON: the column's encoder writes all of it.
        return value
    value = column.get_prep_value(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _as_mysql_reads(column: Column, row: models.Model, connection: Connection) -> object:
    value = getattr(row, column.attname)
    if isinstance(column, models.JSONField):
        return value if value is None else json.dumps(value, cls=column.encoder)
    value = _prepared(column, row, connection)
    if value is None or isinstance(value, str):
        return value
    return str(int(value) if isinstance(value, bool) else value)


def _update_by_case(rows: Rows, columns: Columns, same: Same, using: str) -> None:
    """Write rows with what chooses a row's own value by its primary key.

    ``Case(When(…))``, and ``bulk_update`` with it, costs more to compile than to run.
    """
    connection = connections[using]
    model, pks = type(rows[0]), [row.pk for row in rows]
    key = connection.ops.quote_name("id")
    values = {column.attname: value for column, value in same.items()}
    for column in columns:
        params: list[object] = []
        for row in rows:
            params += row.pk, _prepared(column, row, connection)
        case = f"CASE {key} {'WHEN %s THEN %s ' * len(pks)}END"
        choice = RawSQL(case, params, column)  # noqa: S611
        casted = connection.features.requires_casted_case_in_updates
        values[column.name] = Cast(choice, column) if casted else choice
    update_by_pk(model, pks, using, **values)
