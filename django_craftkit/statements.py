"""The two statements of a save, compiled once: to compile one costs more than to run it.

Their text depends on the model, on the database and its driver, and on the table's name alone: a
tenant's schema is the connection's, and each value is a parameter that its field prepares on each
call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

from django.db import IntegrityError, connections, models
from django.db.models.base import ModelState
from django.db.models.constants import OnConflict
from django.db.models.expressions import DatabaseDefault, RawSQL
from django.db.models.sql import InsertQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper as Connection
    from django.db.models.expressions import Expression

M = TypeVar("M", bound=models.Model)
Column: TypeAlias = "models.Field[object, object]"

#: What MySQL calls a key that is taken.
DUPLICATE = 1062

_NOTHING_COMPUTED: Mapping[str, str] = {}


def insert(row: models.Model, using: str, computed: Mapping[str, str] = _NOTHING_COMPUTED) -> bool:
    """Insert a row with one query; ``False`` where one of its unique keys is taken.

    ``computed`` is what the database computes, as SQL without parameters by column. Sends no
    signals, as ``bulk_create`` doesn't. Waits for whoever has inserted the same key and not
    committed yet. Raises what the database says of anything but a key.
    """
    values: dict[str, object] = {}
    pk = row._meta.pk
    for column in row._meta.concrete_fields:
        if column.generated or column.attname in computed or (column is pk and row.pk is None):
            continue
        value = column.pre_save(row, add=True)
        # The database fills in its default where the column isn't named.
        if not isinstance(value, DatabaseDefault):
            values[column.attname] = value
    key = insert_values(type(row), connections[using], values, computed)
    if key is None:
        return False
    row.pk = key
    row._state.adding, row._state.db = False, using
    return True


def insert_values(
    model: type[models.Model],
    connection: Connection,
    values: Mapping[str, object],
    computed: Mapping[str, str] = _NOTHING_COMPUTED,
    *,
    wants_key: bool = True,
) -> object:
    """Insert these values by column, as ``insert`` does; return the key, ``None``: it is taken.

    Without ``wants_key`` database and driver are spared an answer; ``None`` tells nothing then.
    """
    returns_key = wants_key and connection.features.can_return_columns_from_insert
    sql, columns = _insertion(
        model,
        model._meta.db_table,
        connection.alias,
        connection.vendor,
        returns_key,
        tuple(values),
        tuple(computed.items()),
    )
    params = [column.get_db_prep_save(values[column.attname], connection) for column in columns]
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql, params)
        except IntegrityError as error:
            # IGNORE would turn every error into a warning, and store half a text. This one undoes
            # its statement alone: the caller's transaction is as it was.
            if connection.vendor == "mysql" and error.args[0] == DUPLICATE:
                return None
            raise
        if not wants_key:
            return None
        if returns_key:
            found = cursor.fetchone()
            return found[0] if found else None
        if not cursor.rowcount:
            return None
        meta = model._meta
        return connection.ops.last_insert_id(cursor, meta.db_table, str(meta.pk.column))


@lru_cache(maxsize=256)
def _insertion(
    model: type[models.Model],
    _table: str,
    using: str,
    vendor: str,
    returns_key: bool,
    names: tuple[str, ...],
    computed: tuple[tuple[str, str], ...],
) -> tuple[str, tuple[Column, ...]]:
    """Return an INSERT's SQL and the columns of its parameters, in their order."""
    columns = _columns(model, names)
    others = _columns(model, dict(computed))
    sample: dict[str, object] = dict.fromkeys(names, "")
    for column, (name, sql) in zip(others, computed, strict=True):
        sample[name] = RawSQL(sql, (), output_field=column)  # noqa: S611
    query = InsertQuery(model, on_conflict=None if vendor == "mysql" else OnConflict.IGNORE)
    row = cast("models.Model", SimpleNamespace(**sample))
    query.insert_values([*columns, *others], [row], raw=True)
    compiler: Any = query.get_compiler(using)
    compiler.returning_fields = [model._meta.pk] if returns_key else None
    # Values are prepared when it is run: here it is about the text alone.
    compiler.prepare_value = lambda _field, value: value
    ((statement, _params),) = compiler.as_sql()
    return statement, columns


def _columns(model: type[models.Model], names: Iterable[str]) -> tuple[Column, ...]:
    return tuple(cast("Column", model._meta.get_field(name)) for name in names)


@dataclass(frozen=True, slots=True)
class _Selection:
    sql: str
    #: The parameters of what is annotated.
    constants: tuple[str | int, ...]
    #: Those that the values are compared with.
    wanted: tuple[Column, ...]
    #: Names of what is read, in its order.
    names: tuple[str, ...]
    #: Those that Django converts as they are read.
    converted: tuple[tuple[int, Expression], ...]


class Lookup(Generic[M]):
    """A SELECT of the one row that is unique by some columns, without joins.

    ``rows`` returns a queryset of the model; it may annotate and defer. ``names`` are the columns.
    """

    def __init__(self, rows: Callable[[], models.QuerySet[M]], *names: str) -> None:
        self.rows, self.names = rows, names
        self._model: type[M] | None = None
        self._compiled: dict[tuple[str, str, str], _Selection] = {}

    def first(self, using: str, *values: object, is_shared: bool = False) -> M | None:
        """Return the row with these values, in the order of ``names``, as Django would read it.

        ``is_shared`` (MySQL only): as it is committed by now, locked against changes, and not as
        an older snapshot of the transaction has it.
        """
        # What makes the rows may know the model only now: it is made after this.
        model = self._model = self._model or self.rows().model
        connection = connections[using]
        at = (using, connection.vendor, model._meta.db_table)
        found = self._compiled.get(at)
        if found is None:
            found = self._compiled[at] = self._selection(self.rows().using(using), values)
        params = [
            column.get_db_prep_value(value, connection)
            for column, value in zip(found.wanted, values, strict=True)
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                f"{found.sql} LOCK IN SHARE MODE" if is_shared else found.sql,
                [*found.constants, *params],
            )
            read = cursor.fetchone()
        if read is None:
            return None
        if found.converted:
            read = list(read)
        for position, expression in found.converted:
            for convert in (
                *connection.ops.get_db_converters(expression),
                *expression.get_db_converters(connection),
            ):
                read[position] = convert(read[position], expression, connection)
        # As Django makes a row that was pickled: from_db() goes through all fields of the model for
        # the few that were read.
        row = model.__new__(model)
        row._state = ModelState()
        row._state.adding, row._state.db = False, connection.alias
        row.__dict__.update(zip(found.names, read, strict=True))
        return row

    def _selection(self, rows: models.QuerySet[M], values: tuple[object, ...]) -> _Selection:
        for name, value in zip(self.names, values, strict=True):
            rows = rows.filter(**{name: value})
        compiler: Any = rows.order_by().query.get_compiler(rows.db)
        sql, params = compiler.as_sql()
        wanted = _columns(rows.model, self.names)
        ends = [
            column.get_db_prep_value(value, compiler.connection)
            for column, value in zip(wanted, values, strict=True)
        ]
        if list(params[-len(ends) :]) != ends:
            raise TypeError(f"{sql} doesn't end with the values of {', '.join(self.names)}.")
        selected = [column for column, _sql, _alias in compiler.select]
        names = {at: selected[at].target.attname for at in compiler.klass_info["select_fields"]}
        names |= {at: name for name, at in compiler.annotation_col_map.items()}
        converters = compiler.get_converters(selected)
        return _Selection(
            sql=sql,
            constants=tuple(params[: -len(ends)]),
            wanted=wanted,
            names=tuple(names[at] for at in range(len(selected))),
            converted=tuple((at, expression) for at, (_found, expression) in converters.items()),
        )
